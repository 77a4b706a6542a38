// What the table [lake] of the configuration says of a store beside its URL. All
// of it is about s3:// today; a store ignores what does not concern it. Where a
// text is empty the environment of the AWS tools is asked (s3_address.h), then
// the default is used. Nothing in here is secret.
#pragma once

#include <optional>
#include <string>

namespace wal2lake
{

struct StoreOptions {
    std::string region;
    // Another server than Amazon's, as http(s)://host[:port].
    std::string endpoint;
    // Whether the bucket is a part of the path or of the host's name; absent: what
    // fits endpoint and bucket.
    std::optional<bool> path_style;
    // PEM file of certificates to trust instead of the system's.
    std::string ca_file;
    std::string proxy;
    // "", "AES256" or "aws:kms", and the key for the last.
    std::string encryption;
    std::string kms_key_id;
    // Which profile of which shared file has the credentials.
    std::string profile;
    std::string credentials_file;

    bool operator==(const StoreOptions&) const = default;
};

} // namespace wal2lake
