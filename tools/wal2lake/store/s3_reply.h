// What S3's answers mean: which kind of error an answer is and what to tell people
// of it, and the names in a listing. No I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "result.h"
#include "store/http.h"
#include "store/s3_dialect.h"

namespace wal2lake
{

// One call of the driver, for the sentences about it.
struct S3Call {
    // "create", "read", ...
    const char* doing;
    // s3://bucket/prefix/name
    std::string object;
    // What its user must be allowed, such as s3:PutObject.
    const char* permission;
    const S3Dialect* dialect = &kAmazonS3;
};

// What stands in an answer that refuses; each part may be empty, and none holds
// more than a short line of harmless characters.
struct S3Refusal {
    std::string code;
    std::string message;
    // Where the bucket is instead.
    std::string region;
};

S3Refusal ReadRefusal(const HttpResponse& response);

// The store says that our clock is off / that it does not take these credentials.
bool RefusesClock(const S3Refusal& refusal);
bool RefusesCredentials(const S3Refusal& refusal);

// Of an answer that is not what `call` hoped for. kNotFound: this object is not
// there. kExists: 412. The text names the object, the status, S3's code and what to do.
Error ToError(const S3Call& call, const HttpResponse& response);

// An answer that may be S3's or anybody's: what is missing in it is said by `why`.
Error NoAnswerOfS3(const S3Call& call, const HttpResponse& response, const std::string& why);

struct S3Listing {
    // Whole keys, decoded.
    std::vector<std::string> keys;
    bool truncated = false;
    std::string token;
};

// Absent where it is none, also where it is an error with status 200.
std::optional<S3Listing> ReadListing(std::string_view body);

} // namespace wal2lake
