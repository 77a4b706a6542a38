// AWS Signature Version 4: what a request to S3 or STS must carry to be believed; and
// the same under Google's names.
// Pure: no I/O, no clock. As S3 wants it: a path is encoded once and never
// normalised, because "a//b" and "a/../b" are names of objects.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/credentials.h"
#include "store/http.h"

namespace wal2lake
{

// Percent-encodes all but A-Z a-z 0-9 - . _ ~, and '/' where `keep_slash`.
std::string UriEncode(std::string_view text, bool keep_slash);

// Names and values as they are meant, in any order: encoded and sorted as the
// signature wants them; "acl=" for a name without a value. What is signed is what
// is sent.
std::string CanonicalQuery(const std::vector<std::pair<std::string, std::string>>& parameters);

// What the scheme is called by whom.
struct SigningDialect {
    std::string_view algorithm;
    // Stands before the secret.
    std::string_view key_prefix;
    // Ends the scope.
    std::string_view terminator;
    // Of the headers that it adds.
    std::string_view header_prefix;
};

inline constexpr SigningDialect kAmazonSigning{"AWS4-HMAC-SHA256", "AWS4", "aws4_request", "x-amz-"};
inline constexpr SigningDialect kGoogleSigning{"GOOG4-HMAC-SHA256", "GOOG4", "goog4_request", "x-goog-"};

struct SigningScope {
    std::string region;
    std::string service = "s3";
    SigningDialect dialect = kAmazonSigning;
};

// Adds x-amz-date, for object stores x-amz-content-sha256 (the real hash of the body),
// x-amz-security-token where there is one, and authorization, or what they are called
// in the scope's dialect; what an earlier call
// has added is replaced, so that a request can be signed again. The host is signed
// as request->authority, and every header of the request, so that nothing on the
// way can change one. request->path and ->query are encoded already.
// `unix_s` is the server's idea of the time, as far as it is known.
void SignRequest(HttpRequest* request, const Credentials& credentials, const SigningScope& scope,
                 int64_t unix_s);

} // namespace wal2lake
