// STS: the token of a web identity (Kubernetes writes it into a file) becomes
// credentials. The token is the secret here, so the request needs no signature.
#include <algorithm>
#include <utility>

#include "store/credentials_http.h"
#include "store/sigv4.h"
#include "store/xml.h"

namespace wal2lake
{
namespace
{

bool IsRegion(std::string_view region)
{
    return !region.empty() && std::all_of(region.begin(), region.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
}

Result<HttpAddress> StsAddress(const CredentialsContext& context, const std::string& region)
{
    if (const auto url = context.environment("AWS_ENDPOINT_URL_STS")) {
        const auto address = ParseHttpAddress(*url);
        if (!address || (address->scheme != "https" && !address->loopback()))
            return Error{ErrorKind::kInvalid, "AWS_ENDPOINT_URL_STS is no https:// URL"};
        return *address;
    }
    if (region.empty())
        return HttpAddress{"https", "sts.amazonaws.com", "/"};
    // It becomes a part of the host that gets the token.
    if (!IsRegion(region))
        return Error{ErrorKind::kInvalid, "\"" + region + "\" is no region of AWS"};
    return HttpAddress{
        "https", "sts." + region + (region.starts_with("cn-") ? ".amazonaws.com.cn" : ".amazonaws.com"), "/"};
}

std::string Region(const CredentialsContext& context, const WebIdentity& identity)
{
    for (const char* variable : {"AWS_REGION", "AWS_DEFAULT_REGION"})
        if (const auto region = context.environment(variable))
            return *region;
    return identity.region.empty() ? context.options.region : identity.region;
}

// Without the newline that editors leave.
Result<std::string> ReadToken(const std::string& path)
{
    auto token = ReadCredentialsFile(path, Readers::kAnybody);
    if (!token.ok())
        return Error{token.error().kind == ErrorKind::kNotFound ? ErrorKind::kPermanent : token.error().kind,
                     token.error().text};
    token.value().erase(token.value().find_last_not_of(" \t\r\n") + 1);
    if (token.value().empty())
        return Error{ErrorKind::kPermanent, "there is no token in \"" + path + "\""};
    return token;
}

Result<Credentials> ReadAnswer(const HttpResponse& response, const std::string& from)
{
    const auto root = ParseXml(response.body);
    if (response.status != 200)
        return RefusedExchange(from, response.status, root ? root->Text("Error/Code") : "");
    const XmlElement* found = root ? root->Find("AssumeRoleWithWebIdentityResult/Credentials") : nullptr;
    if (found == nullptr)
        return Error{ErrorKind::kRetryable, from + " answered without credentials"};
    Credentials credentials{
        std::string(found->Text("AccessKeyId")), std::string(found->Text("SecretAccessKey")),
        std::string(found->Text("SessionToken")), ParseExpiration(found->Text("Expiration"))};
    if (!credentials.expires_s)
        return Error{ErrorKind::kRetryable, from + " answered with an expiration that is no date"};
    return CheckedCredentials(std::move(credentials), "the answer of " + from, ErrorKind::kRetryable);
}

class FromWebIdentity : public CredentialsProvider
{
  public:
    explicit FromWebIdentity(CredentialsContext context) : context_(std::move(context)) {}

    Result<Credentials> Fetch() override
    {
        const auto token_file = context_.environment("AWS_WEB_IDENTITY_TOKEN_FILE");
        const auto role = context_.environment("AWS_ROLE_ARN");
        if (!token_file)
            return Error{ErrorKind::kNotFound, "AWS_WEB_IDENTITY_TOKEN_FILE is not set"};
        if (!role)
            return Error{ErrorKind::kInvalid, "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not"};
        return AssumeRoleWithWebIdentity(
            context_, {*token_file, *role, context_.environment("AWS_ROLE_SESSION_NAME").value_or(""), ""});
    }

    std::string name() const override { return "web identity"; }

  private:
    const CredentialsContext context_;
};

} // namespace

Result<Credentials> AssumeRoleWithWebIdentity(const CredentialsContext& context, const WebIdentity& identity)
{
    const auto address = StsAddress(context, Region(context, identity));
    if (!address.ok())
        return address.error();
    const auto token = ReadToken(identity.token_file);
    if (!token.ok())
        return token.error();
    const std::string body = CanonicalQuery(
        {{"Action", "AssumeRoleWithWebIdentity"},
         {"Version", "2011-06-15"},
         {"RoleArn", identity.role_arn},
         {"RoleSessionName", identity.session_name.empty() ? "wal2lake" : identity.session_name},
         {"WebIdentityToken", token.value()}});
    HttpRequest request;
    request.method = "POST";
    request.scheme = address.value().scheme;
    request.authority = address.value().authority;
    request.path = address.value().path;
    request.headers = {{"content-type", "application/x-www-form-urlencoded"}};
    request.body = body;
    HttpOptions options;
    options.proxy = context.options.proxy;
    options.ca_file = context.environment("AWS_CA_BUNDLE").value_or("");
    options.direct = address.value().loopback();
    options.base_timeout_ms = 10'000;
    options.max_response = kLargestCredentials;
    const std::string from = "STS at " + request.authority;
    const auto response = context.exchange(request, options);
    if (!response.ok())
        return Error{response.error().kind, "STS: " + response.error().text};
    return ReadAnswer(response.value(), from);
}

std::unique_ptr<CredentialsProvider> WebIdentityCredentials(const CredentialsContext& context)
{
    return std::make_unique<FromWebIdentity>(context);
}

} // namespace wal2lake
