#include "store/azure_reply.h"

#include "store/reply_text.h"
#include "store/xml.h"

namespace wal2lake
{
namespace
{

// Codes that pass by themselves, whatever the status.
bool Passes(std::string_view code)
{
    static constexpr std::string_view kPassing[] = {"ServerBusy", "OperationTimedOut", "InternalError",
                                                    "TooManyRequests", "AccountBeingCreated",
                                                    "ContainerBeingDeleted",
                                                    // The body was altered or cut on the way.
                                                    "Md5Mismatch", "Crc64Mismatch", "IncompleteBody"};
    return IsOneOf(code, kPassing);
}

// Conflicts that stay until somebody ends them; what Azure may add to its list is tried again.
bool LastingConflict(std::string_view code)
{
    static constexpr std::string_view kLasting[] = {
        "BlobArchived",      "BlobBeingRehydrated",           "BlobImmutableDueToPolicy",
        "InvalidBlobType",   "BlobTypeNotSupported",          "SnapshotsPresent",
        "BlobOverwritten",   "FeatureVersionMismatch",        "PublicAccessNotPermitted",
        "ContainerDisabled", "OperationNotAllowedOnRootBlob", "PathConflict"};
    return IsOneOf(code, kLasting);
}

// Not every refusal of a create says so in the same words: what cannot be replaced, by
// policy or for want of a permission, is there. Whoever hears that it exists reads it.
bool IsTaken(int status, std::string_view code)
{
    return (status == 412 && (code.empty() || code == "ConditionNotMet")) ||
           (status == 409 && (code == "BlobAlreadyExists" || code == "BlobImmutableDueToPolicy")) ||
           (status == 403 && code == "UnauthorizedBlobOverwrite");
}

bool IsLeased(std::string_view code)
{
    return code.starts_with("LeaseId") || code.starts_with("LeaseAlready") || code == "LeaseLost";
}

// What somebody has to do about it; empty where nobody knows.
std::string Fix(const AzureCall& call, int status, const AzureRefusal& refusal)
{
    const std::string& code = refusal.code;
    if (status >= 300 && status < 400)
        return "the account is elsewhere: check lake.endpoint";
    if (code == "ContainerNotFound" || code == "ContainerDisabled" || code == "ResourceNotFound")
        return "create the container, or mend lake.url";
    if (DoubtsIdentity(refusal))
        return "renew the key or the shared access signature, set the clock of this host, and let this"
               " network in";
    if (code == "KeyBasedAuthenticationNotPermitted")
        return "the account takes no shared key: allow it, or use a user delegation SAS";
    if (code == "AuthorizationProtocolMismatch" || code == "AccountRequiresHttps")
        return "the account takes https alone: check lake.endpoint";
    if (code == "AuthorizationSourceIPMismatch")
        return "the shared access signature is for other addresses than this host's";
    if (code == "BlobArchived" || code == "BlobBeingRehydrated")
        return "bring the blob back from the archive tier";
    if (code == "BlobImmutableDueToPolicy")
        return "an immutability policy forbids it";
    if (IsLeased(code))
        return "end the lease of the blob";
    if (status == 401 || status == 403)
        return std::string("allow ") + call.permission + " there";
    if (status == 407)
        return "the proxy wants a password: check lake.proxy";
    if (status == 501)
        return "this store cannot do what a lake needs";
    return "";
}

std::string Sentence(const AzureCall& call, const HttpResponse& response, const AzureRefusal& refusal)
{
    return AnswerSentence(call.doing, call.object, response.status, refusal.code, refusal.message);
}

} // namespace

AzureRefusal ReadAzureRefusal(const HttpResponse& response)
{
    AzureRefusal refusal;
    // The only place where an answer to HEAD can tell.
    refusal.code = HarmlessWord(response.header("x-ms-error-code"));
    if (response.body.size() > kLargestRefusal)
        return refusal;
    const auto document = ParseXml(response.body);
    if (!document || document->name != "Error")
        return refusal;
    if (refusal.code.empty())
        refusal.code = HarmlessWord(document->Text("Code"));
    // What follows in lines of their own are the request's number and the time.
    const std::string_view message = document->Text("Message");
    refusal.message = HarmlessLine(message.substr(0, message.find_first_of("\r\n")));
    return refusal;
}

bool DoubtsIdentity(const AzureRefusal& refusal)
{
    static constexpr std::string_view kCodes[] = {"AuthenticationFailed", "AuthorizationFailure",
                                                  "InvalidAuthenticationInfo", "NoAuthenticationInformation"};
    return IsOneOf(refusal.code, kCodes);
}

bool RefusesVersion(const HttpResponse& response, const AzureRefusal& refusal)
{
    return response.status == 400 &&
           (refusal.code == "InvalidHeaderValue" || refusal.code == "UnsupportedHeader");
}

Error ToError(const AzureCall& call, const HttpResponse& response)
{
    const AzureRefusal refusal = ReadAzureRefusal(response);
    const int status = response.status;
    if (call.creates && IsTaken(status, refusal.code))
        return {ErrorKind::kExists, call.object + " exists"};
    std::string text = Sentence(call, response, refusal);
    const bool passing_conflict = status == 409 && !LastingConflict(refusal.code) && !IsLeased(refusal.code);
    if (PassingStatus(status) || Passes(refusal.code) || passing_conflict || (status >= 200 && status < 300))
        return {ErrorKind::kRetryable, std::move(text)};
    if (status == 404 && refusal.code == "BlobNotFound")
        return {ErrorKind::kNotFound, std::move(text)};
    const std::string fix = Fix(call, status, refusal);
    if (refusal.code.empty() && fix.empty())
        text += ", which is no answer of Azure; check lake.endpoint and what is in between";
    else if (!fix.empty())
        text += "; " + fix;
    return {ErrorKind::kPermanent, std::move(text)};
}

Error NoAnswerOfAzure(const AzureCall& call, const HttpResponse& response, const std::string& why)
{
    return {ErrorKind::kRetryable, Sentence(call, response, ReadAzureRefusal(response)) + ", " + why};
}

std::optional<AzureListing> ReadAzureListing(std::string_view body)
{
    const auto document = ParseXml(body);
    const XmlElement* blobs =
        document && document->name == "EnumerationResults" ? document->Find("Blobs") : nullptr;
    if (blobs == nullptr)
        return std::nullopt;
    AzureListing listing;
    for (const XmlElement& blob : blobs->children)
        // With a hierarchical namespace folders are listed, too.
        if (blob.name == "Blob" && blob.Text("Properties/ResourceType") != "directory")
            listing.names.emplace_back(blob.Text("Name"));
    listing.marker = document->Text("NextMarker");
    return listing;
}

} // namespace wal2lake
