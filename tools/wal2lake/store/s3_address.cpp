#include "store/s3_address.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>

#include "store/sigv4.h"

namespace wal2lake
{
namespace
{

constexpr std::string_view kScheme = "s3://";

Error Invalid(std::string text)
{
    return {ErrorKind::kInvalid, std::move(text)};
}

bool IsLowerOrDigit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// Amazon's rules, and '_', which others allow.
bool IsBucket(std::string_view name)
{
    return name.size() >= 3 && name.size() <= 63 && IsLowerOrDigit(name.front()) &&
           IsLowerOrDigit(name.back()) && name.find("..") == std::string_view::npos &&
           std::all_of(name.begin(), name.end(),
                       [](char c) { return IsLowerOrDigit(c) || c == '-' || c == '.' || c == '_'; });
}

bool IsRegion(std::string_view name)
{
    return !name.empty() &&
           std::all_of(name.begin(), name.end(), [](char c) { return IsLowerOrDigit(c) || c == '-'; });
}

// host, host:port or [v6]:port; nothing that could end it early in a URL.
bool IsAuthority(std::string_view text)
{
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return IsLowerOrDigit(c) || (c >= 'A' && c <= 'Z') ||
               std::string_view("-._:[]").find(c) != std::string_view::npos;
    });
}

// "a/b/" to "a/b/"; refuses parts that servers or proxies would fold away.
Result<std::string> ParsePrefix(std::string_view text, const std::string& url)
{
    while (text.ends_with('/'))
        text.remove_suffix(1);
    if (text.empty())
        return std::string{};
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view part = rest.substr(0, rest.find('/'));
        if (part.empty() || part == "." || part == "..")
            return Invalid("lake url \"" + url + "\" has an empty part, \".\" or \"..\" in its prefix");
        if (std::any_of(part.begin(), part.end(), [](unsigned char c) { return c < ' ' || c == 0x7F; }))
            return Invalid("lake url has a control character in its prefix");
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    }
    return std::string(text) + "/";
}

struct Endpoint {
    std::string scheme;
    std::string authority;
};

Result<Endpoint> ParseEndpoint(const std::string& text)
{
    Endpoint endpoint;
    const size_t colon = text.find("://");
    if (colon != std::string::npos) {
        endpoint.scheme = text.substr(0, colon);
        endpoint.authority = text.substr(colon + 3);
        while (endpoint.authority.ends_with('/'))
            endpoint.authority.pop_back();
        // As clients write it who leave out a scheme's own port: it is signed.
        const std::string own = endpoint.scheme == "https" ? ":443" : ":80";
        if (endpoint.authority.ends_with(own))
            endpoint.authority.resize(endpoint.authority.size() - own.size());
    }
    if ((endpoint.scheme != "https" && endpoint.scheme != "http") || !IsAuthority(endpoint.authority))
        return Invalid("lake.endpoint (or AWS_ENDPOINT_URL) is not https://host or https://host:port");
    return endpoint;
}

} // namespace

std::string S3Address::BucketPath() const
{
    return path_style ? "/" + UriEncode(bucket, false) : "/";
}

std::string S3Address::ObjectPath(const std::string& name) const
{
    return (path_style ? "/" + UriEncode(bucket, false) : "") + "/" + UriEncode(prefix + name, true);
}

std::string S3Address::Describe(const std::string& name) const
{
    return "s3://" + bucket + "/" + prefix + name;
}

bool S3Address::InClear() const
{
    const std::string_view host(authority);
    const bool loopback = host.starts_with("127.") || host.starts_with("[::1]") || host == "localhost" ||
                          host.starts_with("localhost:");
    return scheme == "http" && !loopback;
}

StoreOptions WithAwsEnvironment(StoreOptions options)
{
    const auto fill = [](std::string* value, std::initializer_list<const char*> names) {
        for (const char* name : names) {
            const char* found = std::getenv(name);
            if (value->empty() && found != nullptr)
                *value = found;
        }
    };
    fill(&options.region, {"AWS_REGION", "AWS_DEFAULT_REGION"});
    fill(&options.endpoint, {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"});
    fill(&options.ca_file, {"AWS_CA_BUNDLE"});
    return options;
}

Result<S3Address> ParseS3Url(const std::string& url, const StoreOptions& options)
{
    if (!url.starts_with(kScheme))
        return Invalid("lake url \"" + url + "\" is not s3://bucket/prefix");
    const std::string_view rest = std::string_view(url).substr(kScheme.size());
    const size_t slash = std::min(rest.find('/'), rest.size());
    S3Address address;
    address.bucket = rest.substr(0, slash);
    if (!IsBucket(address.bucket))
        return Invalid("lake url \"" + url + "\" names no valid bucket; write s3://bucket/prefix");
    // Directory buckets list in no order and are opened by sessions.
    if (address.bucket.ends_with("--x-s3"))
        return Invalid("lake url \"" + url +
                       "\" names a directory bucket, which cannot hold a lake;"
                       " use a general purpose bucket");
    auto prefix = ParsePrefix(rest.substr(std::min(rest.size(), slash + 1)), url);
    if (!prefix.ok())
        return prefix.error();
    address.prefix = std::move(prefix.value());

    address.region = options.region;
    if (address.region.empty() && !options.endpoint.empty())
        address.region = "us-east-1";
    if (address.region.empty())
        return Invalid("the region of " + url + " is not known; set lake.region, or AWS_REGION");
    if (!IsRegion(address.region))
        return Invalid("lake.region (or AWS_REGION) is not a region such as eu-central-1");

    // A certificate for *.s3.REGION... does not cover a name with more dots.
    address.path_style = options.path_style.value_or(!options.endpoint.empty() ||
                                                     address.bucket.find_first_of("._") != std::string::npos);
    address.scheme = "https";
    address.authority = "s3." + address.region + ".amazonaws.com";
    if (address.region.starts_with("cn-"))
        address.authority += ".cn";
    if (!options.endpoint.empty()) {
        const auto endpoint = ParseEndpoint(options.endpoint);
        if (!endpoint.ok())
            return endpoint.error();
        address.scheme = endpoint.value().scheme;
        address.authority = endpoint.value().authority;
    }
    if (!address.path_style)
        address.authority.insert(0, address.bucket + ".");
    return address;
}

} // namespace wal2lake
