#include "store/s3_address.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>

#include "store/lake_url.h"
#include "store/sigv4.h"

namespace wal2lake
{
namespace
{

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

// The bucket and the prefix of a URL.
Result<S3Address> ParseBucket(const S3Dialect& dialect, const std::string& url)
{
    const std::string form = std::string(dialect.url) + "bucket/prefix";
    if (!url.starts_with(dialect.url))
        return Invalid("lake url \"" + url + "\" is not " + form);
    const std::string_view rest = std::string_view(url).substr(dialect.url.size());
    const size_t slash = std::min(rest.find('/'), rest.size());
    S3Address address;
    address.dialect = &dialect;
    address.bucket = rest.substr(0, slash);
    if (!IsBucket(address.bucket))
        return Invalid("lake url \"" + url + "\" names no valid bucket; write " + form);
    auto prefix = ParsePrefix(rest.substr(std::min(rest.size(), slash + 1)), url);
    if (!prefix.ok())
        return prefix.error();
    address.prefix = std::move(prefix.value());
    address.scheme = "https";
    return address;
}

// At the endpoint, should one be named, and by the name of the bucket, should that be part of the host.
Result<S3Address> Reached(S3Address address, const StoreOptions& options)
{
    if (!options.endpoint.empty()) {
        const auto endpoint = ParseEndpoint(options.endpoint);
        if (!endpoint.ok())
            return endpoint.error();
        if (!endpoint.value().path.empty())
            return Invalid("lake.endpoint has a path; write https://host or https://host:port");
        address.scheme = endpoint.value().scheme;
        address.authority = endpoint.value().authority;
    }
    if (!address.path_style)
        address.authority.insert(0, address.bucket + ".");
    return address;
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
    return std::string(dialect->url) + bucket + "/" + prefix + name;
}

bool S3Address::InClear() const
{
    return ReadableOnTheWay(scheme, authority);
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

StoreOptions WithGoogleEnvironment(StoreOptions options)
{
    const char* emulator = std::getenv("STORAGE_EMULATOR_HOST");
    if (!options.endpoint.empty() || emulator == nullptr || *emulator == '\0')
        return options;
    options.endpoint = emulator;
    if (options.endpoint.find("://") == std::string::npos)
        options.endpoint.insert(0, "http://");
    return options;
}

Result<S3Address> ParseS3Url(const std::string& url, const StoreOptions& options)
{
    auto parsed = ParseBucket(kAmazonS3, url);
    if (!parsed.ok())
        return parsed;
    S3Address& address = parsed.value();
    // Directory buckets list in no order and are opened by sessions.
    if (address.bucket.ends_with("--x-s3"))
        return Invalid("lake url \"" + url +
                       "\" names a directory bucket, which cannot hold a lake;"
                       " use a general purpose bucket");
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
    address.authority = "s3." + address.region + ".amazonaws.com";
    if (address.region.starts_with("cn-"))
        address.authority += ".cn";
    return Reached(std::move(address), options);
}

Result<S3Address> ParseGcsUrl(const std::string& url, const StoreOptions& options)
{
    auto parsed = ParseBucket(kGoogleStorage, url);
    if (!parsed.ok())
        return parsed;
    S3Address& address = parsed.value();
    // One name for the whole world; the bucket's place need not be known.
    address.region = options.region.empty() ? "auto" : options.region;
    if (!IsRegion(address.region))
        return Invalid("lake.region is not a location such as europe-west1; leave it empty");
    address.path_style = options.path_style.value_or(true);
    address.authority = "storage.googleapis.com";
    return Reached(std::move(address), options);
}

} // namespace wal2lake
