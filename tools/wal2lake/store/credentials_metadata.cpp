// Services of the machine itself: the endpoint of a container (ECS, EKS Pod
// Identity) and version 2 of an EC2 instance's metadata. Never through a proxy,
// which would hear the secrets.
#include <algorithm>
#include <array>
#include <utility>

#include "lower_case.h"
#include "store/credentials_http.h"
#include "store/sigv4.h"

namespace wal2lake
{
namespace
{

// Of ECS, of EKS Pod Identity.
constexpr const char* kContainerHost = "169.254.170.2";
constexpr std::array kLinkLocalHosts = {kContainerHost, "169.254.170.23", "fd00:ec2::23"};

HttpOptions Quick(int64_t timeout_ms)
{
    HttpOptions options;
    options.direct = true;
    options.connect_timeout_ms = timeout_ms;
    options.base_timeout_ms = timeout_ms;
    options.max_response = kLargestCredentials;
    return options;
}

std::string Line(std::string text)
{
    text.erase(std::min(text.find_first_of("\r\n"), text.size()));
    return text;
}

class FromContainer : public CredentialsProvider
{
  public:
    explicit FromContainer(CredentialsContext context) : context_(std::move(context)) {}

    Result<Credentials> Fetch() override
    {
        auto request = Request();
        if (!request.ok())
            return request.error();
        const std::string from = "the credentials' endpoint at " + request.value().authority;
        HttpOptions options = Quick(5'000);
        if (request.value().scheme == "https") {
            options.direct = false;
            options.proxy = context_.options.proxy;
            options.ca_file = context_.environment("AWS_CA_BUNDLE").value_or("");
        }
        const auto response = context_.exchange(request.value(), options);
        if (!response.ok())
            return Error{response.error().kind, "the credentials' endpoint: " + response.error().text};
        if (response.value().status != 200)
            return RefusedExchange(from, response.value().status);
        return ParseCredentialsJson(response.value().body, from);
    }

    std::string name() const override { return "container"; }

  private:
    Result<HttpRequest> Request() const
    {
        const auto relative = context_.environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        const auto full = context_.environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        if (!relative && !full)
            return Error{ErrorKind::kNotFound, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set"};
        const auto url = Split(relative ? std::string("http://") + kContainerHost + *relative : *full);
        const bool rooted = !relative || relative->starts_with("/");
        if (!url || !rooted)
            return Error{ErrorKind::kInvalid, relative ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is no path"
                                                       : "AWS_CONTAINER_CREDENTIALS_FULL_URI is no URL"};
        if (!Trusted(url->first))
            return Error{
                ErrorKind::kInvalid,
                "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https:// nor an address of this machine"};
        HttpRequest request;
        request.scheme = url->first.scheme;
        request.authority = url->first.authority;
        request.path = url->first.path;
        request.query = url->second;
        request.headers = {{"accept", "application/json"}};
        const auto authorization = Authorization();
        if (!authorization.ok())
            return authorization.error();
        if (!authorization.value().empty())
            request.headers.emplace_back("authorization", authorization.value());
        return request;
    }

    // Address and query.
    static std::optional<std::pair<HttpAddress, std::string>> Split(const std::string& url)
    {
        const size_t mark = std::min(url.find('?'), url.size());
        auto address = ParseHttpAddress(url.substr(0, mark));
        const std::string query = mark == url.size() ? "" : url.substr(mark + 1);
        if (!address || (!query.empty() && !IsPlainToken(query)) || query.find('#') != std::string::npos)
            return std::nullopt;
        return std::pair(*address, query);
    }

    static bool Trusted(const HttpAddress& address)
    {
        return address.scheme == "https" || address.loopback() ||
               std::find(kLinkLocalHosts.begin(), kLinkLocalHosts.end(), address.host()) !=
                   kLinkLocalHosts.end();
    }

    Result<std::string> Authorization() const
    {
        std::string value = context_.environment("AWS_CONTAINER_AUTHORIZATION_TOKEN").value_or("");
        std::string from = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
        if (const auto path = context_.environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
            const auto text = ReadCredentialsFile(*path, Readers::kAnybody);
            if (!text.ok())
                return Error{ErrorKind::kPermanent, text.error().text};
            value = Line(text.value());
            from = "\"" + *path + "\"";
            if (value.empty())
                return Error{ErrorKind::kPermanent, "there is no token in " + from};
        }
        // It may be of two words, such as "Bearer ...".
        if (std::any_of(value.begin(), value.end(), [](char c) { return c < ' ' || c >= '\x7f'; }))
            return Error{ErrorKind::kInvalid, "the token of " + from + " cannot be sent in a header"};
        return value;
    }

    const CredentialsContext context_;
};

class FromInstance : public CredentialsProvider
{
  public:
    explicit FromInstance(CredentialsContext context) : context_(std::move(context)) {}

    Result<Credentials> Fetch() override
    {
        if (Switch("AWS_EC2_METADATA_DISABLED") == "true")
            return Error{ErrorKind::kNotFound, "AWS_EC2_METADATA_DISABLED is set"};
        const auto address = Address();
        if (!address)
            return Error{ErrorKind::kInvalid, "AWS_EC2_METADATA_SERVICE_ENDPOINT is no URL"};
        const auto token = Token(*address);
        if (!token.ok())
            return token.error();
        const auto roles = Ask(*address, kRoles, token.value());
        if (!roles.ok())
            return roles.error();
        const std::string role = Line(roles.value());
        if (!IsPlainToken(role))
            return Error{ErrorKind::kNotFound, "the instance has no role"};
        const auto body = Ask(*address, kRoles + UriEncode(role, false), token.value());
        if (!body.ok())
            return body.error();
        return ParseCredentialsJson(body.value(), From(*address));
    }

    std::string name() const override { return "instance metadata"; }

  private:
    static inline const std::string kRoles = "/latest/meta-data/iam/security-credentials/";
    static constexpr int64_t kTimeout_ms = 1'000;

    std::string Switch(const char* variable) const
    {
        return LowerCase(context_.environment(variable).value_or(""));
    }

    std::optional<HttpAddress> Address() const
    {
        const char* usual = Switch("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE") == "ipv6"
                                ? "http://[fd00:ec2::254]"
                                : "http://169.254.169.254";
        auto address =
            ParseHttpAddress(context_.environment("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or(usual));
        if (address)
            address->path.erase(address->path.find_last_not_of('/') + 1);
        return address;
    }

    static std::string From(const HttpAddress& address)
    {
        return "instance metadata at " + address.authority;
    }

    static HttpRequest Request(const HttpAddress& address, const std::string& path)
    {
        HttpRequest request;
        request.scheme = address.scheme;
        request.authority = address.authority;
        request.path = address.path + path;
        return request;
    }

    // Outside of EC2 nobody answers, or something that knows nothing of tokens.
    Result<std::string> Token(const HttpAddress& address) const
    {
        HttpRequest request = Request(address, "/latest/api/token");
        request.method = "PUT";
        request.headers = {{"x-aws-ec2-metadata-token-ttl-seconds", "21600"}};
        const auto response = context_.exchange(request, Quick(kTimeout_ms));
        if (!response.ok())
            return Error{ErrorKind::kNotFound,
                         "no answer from " + address.authority +
                             " (in a container on EC2 the instance needs a hop limit of 2 for its metadata)"};
        const int status = response.value().status;
        if (status == 403 || status == 404 || status == 405)
            return Error{ErrorKind::kNotFound, From(address) + " answered " + std::to_string(status)};
        if (status != 200)
            return RefusedExchange(From(address), status);
        if (!IsPlainToken(response.value().body))
            return Error{ErrorKind::kRetryable, From(address) + " answered with no token"};
        return response.value().body;
    }

    Result<std::string> Ask(const HttpAddress& address, const std::string& path,
                            const std::string& token) const
    {
        HttpRequest request = Request(address, path);
        request.headers = {{"x-aws-ec2-metadata-token", token}};
        const auto response = context_.exchange(request, Quick(kTimeout_ms));
        if (!response.ok())
            return Error{response.error().kind, "instance metadata: " + response.error().text};
        if (response.value().status == 404)
            return Error{ErrorKind::kNotFound, "the instance has no role"};
        if (response.value().status != 200)
            return RefusedExchange(From(address), response.value().status);
        return response.value().body;
    }

    const CredentialsContext context_;
};

} // namespace

std::unique_ptr<CredentialsProvider> ContainerCredentials(const CredentialsContext& context)
{
    return std::make_unique<FromContainer>(context);
}

std::unique_ptr<CredentialsProvider> InstanceCredentials(const CredentialsContext& context)
{
    return std::make_unique<FromInstance>(context);
}

} // namespace wal2lake
