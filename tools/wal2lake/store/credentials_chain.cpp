#include "store/credentials_providers.h"

#include <cstdlib>
#include <utility>

#include "store/credentials_http.h"

namespace wal2lake
{
namespace
{

class FromEnvironment : public CredentialsProvider
{
  public:
    explicit FromEnvironment(Environment environment) : environment_(std::move(environment)) {}

    Result<Credentials> Fetch() override
    {
        const auto id = environment_("AWS_ACCESS_KEY_ID");
        const auto secret = environment_("AWS_SECRET_ACCESS_KEY");
        if (!id && !secret)
            return Error{ErrorKind::kNotFound, "AWS_ACCESS_KEY_ID is not set"};
        if (!id || !secret)
            return Error{ErrorKind::kInvalid, id ? "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not"
                                                 : "AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not"};
        return CheckedCredentials({*id, *secret, environment_("AWS_SESSION_TOKEN").value_or(""), {}},
                                  "the environment", ErrorKind::kInvalid);
    }

    std::string name() const override { return "environment"; }

  private:
    const Environment environment_;
};

class FromChain : public CredentialsProvider
{
  public:
    explicit FromChain(std::vector<std::unique_ptr<CredentialsProvider>> providers)
        : providers_(std::move(providers))
    {
    }

    Result<Credentials> Fetch() override
    {
        if (chosen_ != nullptr)
            return FetchAgain();
        std::string asked;
        for (const auto& provider : providers_) {
            auto fetched = provider->Fetch();
            if (fetched.ok()) {
                chosen_ = provider.get();
                return fetched;
            }
            if (fetched.error().kind != ErrorKind::kNotFound)
                return Error{fetched.error().kind, "credentials: " + fetched.error().text};
            asked += (asked.empty() ? "" : "; ") + provider->name() + ": " + fetched.error().text;
        }
        return Error{ErrorKind::kPermanent, "no credentials found (" + asked + ")"};
    }

    std::string name() const override { return chosen_ == nullptr ? "none yet" : chosen_->name(); }

  private:
    Result<Credentials> FetchAgain()
    {
        auto fetched = chosen_->Fetch();
        if (fetched.ok())
            return fetched;
        const bool gone = fetched.error().kind == ErrorKind::kNotFound;
        return Error{gone ? ErrorKind::kRetryable : fetched.error().kind,
                     "credentials: " + fetched.error().text};
    }

    const std::vector<std::unique_ptr<CredentialsProvider>> providers_;
    CredentialsProvider* chosen_ = nullptr;
};

} // namespace

Environment ProcessEnvironment()
{
    return [](const std::string& name) -> std::optional<std::string> {
        const char* value = std::getenv(name.c_str());
        if (value == nullptr || *value == '\0')
            return std::nullopt;
        return value;
    };
}

std::unique_ptr<CredentialsProvider> EnvironmentCredentials(const CredentialsContext& context)
{
    return std::make_unique<FromEnvironment>(context.environment);
}

std::unique_ptr<CredentialsProvider>
ChainedCredentials(std::vector<std::unique_ptr<CredentialsProvider>> providers)
{
    return std::make_unique<FromChain>(std::move(providers));
}

std::unique_ptr<CredentialsProvider> GivenCredentials(const CredentialsContext& context)
{
    std::vector<std::unique_ptr<CredentialsProvider>> providers;
    providers.push_back(context.options.file.empty() ? EnvironmentCredentials(context)
                                                     : FileCredentials(context));
    return ChainedCredentials(std::move(providers));
}

std::unique_ptr<CredentialsProvider> DefaultCredentials(const CredentialsContext& context)
{
    std::vector<std::unique_ptr<CredentialsProvider>> providers;
    if (!context.options.file.empty()) {
        providers.push_back(FileCredentials(context));
    } else if (!context.options.profile.empty()) {
        providers.push_back(ProfileCredentials(context));
    } else {
        providers.push_back(EnvironmentCredentials(context));
        providers.push_back(WebIdentityCredentials(context));
        providers.push_back(ProfileCredentials(context));
        providers.push_back(ContainerCredentials(context));
        providers.push_back(InstanceCredentials(context));
    }
    return ChainedCredentials(std::move(providers));
}

} // namespace wal2lake
