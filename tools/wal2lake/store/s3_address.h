// Where a bucket is reached: from s3://bucket/prefix or gs://bucket/prefix and what the
// configuration, or the environment of the vendor's tools, says beside it. No I/O.
#pragma once

#include <string>
#include <string_view>

#include "result.h"
#include "store/s3_dialect.h"
#include "store/store_options.h"

namespace wal2lake
{

struct S3Address {
    const S3Dialect* dialect = &kAmazonS3;
    std::string bucket;
    // What precedes every name: empty, or ends with '/'. Taken literally from the
    // URL; a '%' in it is a '%'.
    std::string prefix;
    std::string region;
    std::string scheme;
    // Host and port of requests about this bucket.
    std::string authority;
    // The bucket is the first part of the path, not of the host.
    bool path_style = false;

    // The path of the bucket itself, and of an object; encoded.
    std::string BucketPath() const;
    std::string ObjectPath(const std::string& name) const;
    // For sentences: s3://bucket/prefix/name.
    std::string Describe(const std::string& name) const;
    // What goes to that host can be read on the way to it.
    bool InClear() const;
};

// Fills what is empty from AWS_REGION, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_S3,
// AWS_ENDPOINT_URL and AWS_CA_BUNDLE. Those about credentials, such as AWS_PROFILE,
// have ranks of their own there (credentials_providers.h).
StoreOptions WithAwsEnvironment(StoreOptions options);

// Fills an empty endpoint from STORAGE_EMULATOR_HOST, as Google's own libraries do:
// http://host:port, or host:port.
StoreOptions WithGoogleEnvironment(StoreOptions options);

// kInvalid with what to write instead.
Result<S3Address> ParseS3Url(const std::string& url, const StoreOptions& options);
Result<S3Address> ParseGcsUrl(const std::string& url, const StoreOptions& options);

} // namespace wal2lake
