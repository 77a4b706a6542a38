#include "store/azure_credentials.h"

#include <utility>

#include "digest.h"
#include "store/credentials_http.h"
#include "store/percent.h"

namespace wal2lake
{
namespace
{

// When a signature ends, where it says so to the second.
std::optional<int64_t> EndOf(std::string_view signature)
{
    for (std::string_view rest = signature; !rest.empty();) {
        const std::string_view pair = rest.substr(0, rest.find('&'));
        if (pair.starts_with("se="))
            return ParseExpiration(PercentDecoded(pair.substr(3)));
        rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    }
    return std::nullopt;
}

// What can stand behind a URL's '?', and is a signature at all.
bool IsSignature(std::string_view text)
{
    return IsPlainToken(text) && text.find_first_of("?#\"<>") == std::string_view::npos &&
           (text.starts_with("sig=") || text.find("&sig=") != std::string_view::npos);
}

// Exactly one of the two; `from` says where, for errors.
Result<Credentials> Checked(const std::string& key, std::string_view signature, const std::string& from)
{
    if (!key.empty() && !signature.empty())
        return Error{ErrorKind::kInvalid, from + " has a key and a shared access signature; leave one out"};
    Credentials credentials;
    if (!key.empty()) {
        const auto decoded = FromBase64(key);
        if (!decoded || decoded->empty())
            return Error{ErrorKind::kInvalid, "the key of " + from + " is not one in base64"};
        credentials.secret_access_key = *decoded;
        return credentials;
    }
    if (signature.starts_with('?'))
        signature.remove_prefix(1);
    if (!IsSignature(signature))
        return Error{ErrorKind::kInvalid, "the shared access signature of " + from +
                                              " is none, or has a character that cannot be sent"};
    credentials.session_token = signature;
    credentials.expires_s = EndOf(signature);
    return credentials;
}

class FromAzureEnvironment : public CredentialsProvider
{
  public:
    explicit FromAzureEnvironment(Environment environment) : environment_(std::move(environment)) {}

    Result<Credentials> Fetch() override
    {
        const auto key = environment_("AZURE_STORAGE_KEY");
        const auto signature = environment_("AZURE_STORAGE_SAS_TOKEN");
        if (!key && !signature)
            return Error{
                ErrorKind::kNotFound,
                "neither AZURE_STORAGE_KEY nor AZURE_STORAGE_SAS_TOKEN is set, nor lake.credentials_file"};
        return Checked(key.value_or(""), signature.value_or(""), "the environment");
    }

    std::string name() const override { return "environment"; }

  private:
    const Environment environment_;
};

class FromAzureFile : public CredentialsProvider
{
  public:
    explicit FromAzureFile(CredentialsOptions options) : options_(std::move(options)) {}

    Result<Credentials> Fetch() override
    {
        auto sections = ReadOwnProfiles(options_.file);
        if (!sections.ok())
            return sections.error();
        ProfileSettings& section = sections.value()[Section()];
        if (section["key"].empty() && section["sas_token"].empty())
            return Error{ErrorKind::kInvalid, name() + " has neither key nor sas_token"};
        return Checked(section["key"], section["sas_token"], name());
    }

    std::string name() const override { return "section [" + Section() + "] of \"" + options_.file + "\""; }

  private:
    std::string Section() const { return options_.profile.empty() ? "storage" : options_.profile; }

    const CredentialsOptions options_;
};

} // namespace

std::unique_ptr<CredentialsProvider> AzureCredentials(const CredentialsContext& context)
{
    std::vector<std::unique_ptr<CredentialsProvider>> providers;
    if (context.options.file.empty())
        providers.push_back(std::make_unique<FromAzureEnvironment>(context.environment));
    else
        providers.push_back(std::make_unique<FromAzureFile>(context.options));
    return ChainedCredentials(std::move(providers));
}

} // namespace wal2lake
