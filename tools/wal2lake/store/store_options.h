// What the table [lake] of the configuration says of a store beside its URL. A store
// ignores what does not concern it, and refuses an encryption that it cannot ask for.
// Where a text is empty the environment of the vendor's tools is asked (s3_address.h,
// azure_address.h), then the default is used. Nothing in here is secret.
#pragma once

#include <optional>
#include <string>

namespace wal2lake
{

struct StoreOptions {
    std::string region;
    // Another server than the vendor's, as http(s)://host[:port]; of Azure the account's,
    // whose name may be in the path.
    std::string endpoint;
    // Whether the bucket is a part of the path or of the host's name; absent: what
    // fits endpoint and bucket.
    std::optional<bool> path_style;
    // PEM file of certificates to trust instead of the system's.
    std::string ca_file;
    std::string proxy;
    // "", "AES256" or "aws:kms", and the key for the last, or for Google.
    std::string encryption;
    std::string kms_key_id;
    // Which profile of which shared file has the credentials.
    std::string profile;
    std::string credentials_file;

    bool operator==(const StoreOptions&) const = default;
};

} // namespace wal2lake
