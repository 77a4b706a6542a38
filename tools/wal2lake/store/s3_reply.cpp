#include "store/s3_reply.h"

#include <algorithm>

#include "store/percent.h"
#include "store/reply_text.h"
#include "store/xml.h"

namespace wal2lake
{
namespace
{

// Codes that pass by themselves, whatever the status: several of them come with 400.
bool Passes(std::string_view code)
{
    static constexpr std::string_view kPassing[] = {
        "RequestTimeout", "SlowDown", "ServiceUnavailable", "InternalError", "Throttling",
        "ThrottlingException", "RequestThrottled", "TooManyRequests", "RequestLimitExceeded",
        "BandwidthLimitExceeded", "OperationAborted", "ConditionalRequestConflict",
        // The body was altered or cut on the way.
        "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "KMS.ThrottlingException",
        "KMS.KMSInternalException", "KMS.DependencyTimeoutException"};
    return IsOneOf(code, kPassing);
}

bool IsElsewhere(int status, const S3Refusal& refusal)
{
    return (status >= 300 && status < 400) || refusal.code == "PermanentRedirect" ||
           (refusal.code == "AuthorizationHeaderMalformed" && !refusal.region.empty()) ||
           refusal.code == "IllegalLocationConstraintException";
}

// What somebody has to do about it; empty where nobody knows.
std::string Fix(const S3Call& call, int status, const S3Refusal& refusal)
{
    if (IsElsewhere(status, refusal))
        return refusal.region.empty()
                   ? "the bucket is elsewhere: set lake.region and lake.endpoint to where it is"
                   : "the bucket is in another region: set lake.region = \"" + refusal.region + "\"";
    if (refusal.code == "NoSuchBucket")
        return "create the bucket, or mend lake.url";
    if (RefusesClock(refusal))
        return "set the clock of this host";
    if (RefusesCredentials(refusal))
        return "renew the credentials, or name others with lake.profile or lake.credentials_file";
    if (refusal.code.starts_with("KMS."))
        return "check lake.kms_key_id, and that its key may be used";
    if (status == 401 || status == 403)
        return std::string("allow ") + call.permission + " there, and " + call.dialect->may_list +
               ", without which a missing object looks forbidden";
    if (status == 407)
        return "the proxy wants a password: check lake.proxy";
    if (status == 501)
        return "this store cannot do what a lake needs";
    return "";
}

std::string Sentence(const S3Call& call, const HttpResponse& response, const S3Refusal& refusal)
{
    return AnswerSentence(call.doing, call.object, response.status, refusal.code, refusal.message);
}

// Undoes encoding-type=url, where a blank is '+'.
std::string Decoded(std::string_view text)
{
    std::string blanks(text);
    std::replace(blanks.begin(), blanks.end(), '+', ' ');
    return PercentDecoded(blanks);
}

} // namespace

S3Refusal ReadRefusal(const HttpResponse& response)
{
    S3Refusal refusal;
    if (response.body.size() <= kLargestRefusal) {
        const auto document = ParseXml(response.body);
        if (document && document->name == "Error") {
            refusal.code = HarmlessWord(document->Text("Code"));
            refusal.message = HarmlessLine(document->Text("Message"));
            refusal.region = HarmlessWord(document->Text("Region"));
        }
    }
    if (refusal.region.empty())
        refusal.region = HarmlessWord(response.header("x-amz-bucket-region"));
    return refusal;
}

bool RefusesClock(const S3Refusal& refusal)
{
    return refusal.code == "RequestTimeTooSkewed" || refusal.code == "RequestExpired";
}

bool RefusesCredentials(const S3Refusal& refusal)
{
    // SignatureDoesNotMatch is what a secret gets that was rotated under its old id.
    static constexpr std::string_view kCodes[] = {
        "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired",
        "InvalidClientTokenId", "SignatureDoesNotMatch",
        // Google's.
        "InvalidSecurity"};
    return IsOneOf(refusal.code, kCodes);
}

Error ToError(const S3Call& call, const HttpResponse& response)
{
    const S3Refusal refusal = ReadRefusal(response);
    const int status = response.status;
    std::string text = Sentence(call, response, refusal);
    if (status == 412)
        return {ErrorKind::kExists, call.object + " exists"};
    // An error within a success says that the work failed after it was begun.
    if (PassingStatus(status) || status == 409 || Passes(refusal.code) || (status >= 200 && status < 300))
        return {ErrorKind::kRetryable, std::move(text)};
    if (status == 404 && (refusal.code == "NoSuchKey" || response.body.empty()))
        return {ErrorKind::kNotFound, std::move(text)};
    const std::string fix = Fix(call, status, refusal);
    if (refusal.code.empty() && !response.body.empty() && fix.empty())
        text += ", which is no answer of " + std::string(call.dialect->name) +
                "; check lake.endpoint and what is in between";
    else if (!fix.empty())
        text += "; " + fix;
    return {ErrorKind::kPermanent, std::move(text)};
}

Error NoAnswerOfS3(const S3Call& call, const HttpResponse& response, const std::string& why)
{
    return {ErrorKind::kRetryable, Sentence(call, response, ReadRefusal(response)) + ", " + why};
}

std::optional<S3Listing> ReadListing(std::string_view body)
{
    const auto document = ParseXml(body);
    if (!document || document->name != "ListBucketResult")
        return std::nullopt;
    // Not every server encodes because it was asked to.
    const bool encoded = document->Text("EncodingType") == "url";
    S3Listing listing;
    for (const XmlElement& element : document->children) {
        if (element.name != "Contents")
            continue;
        const std::string_view key = element.Text("Key");
        listing.keys.push_back(encoded ? Decoded(key) : std::string(key));
    }
    listing.truncated = document->Text("IsTruncated") == "true";
    listing.token = document->Text("NextContinuationToken");
    return listing;
}

} // namespace wal2lake
