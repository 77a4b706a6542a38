#include "store/azure_store.h"

#include <algorithm>

#include "digest.h"
#include "store/azure_credentials.h"
#include "store/azure_signer.h"
#include "store/byte_range.h"
#include "store/lake_url.h"
#include "store/sigv4.h"

namespace wal2lake
{
namespace
{

// Of the protocol: old enough to be known everywhere.
constexpr const char* kVersion = "2021-12-02";
// The first with startFrom.
constexpr const char* kListVersion = "2026-02-06";
// What one Put Blob takes since version 2019-12-12.
constexpr uint64_t kLargestPut = uint64_t{5000} << 20;
// What List Blobs gives at most in one answer.
constexpr size_t kPageOfAzure = 5000;
// A quarter of an hour is what Azure allows; a clock that is off by less than this is
// none of a refusal's reasons.
constexpr int64_t kLeastSkew_s = 600;

} // namespace

AzureStore::AzureStore(AzureSettings settings, std::shared_ptr<CredentialsCache> credentials,
                       StoreWarning warn)
    : settings_(std::move(settings)), http_(settings_.http), credentials_(std::move(credentials)),
      clock_(std::move(warn))
{
}

AzureCall AzureStore::Call(const char* doing, const std::string& name, const char* permission) const
{
    return {doing, settings_.address.Describe(name), permission};
}

HttpRequest AzureStore::Request(const char* method, const std::string& name) const
{
    HttpRequest request;
    request.method = method;
    request.scheme = settings_.address.scheme;
    request.authority = settings_.address.authority;
    request.path = name.empty() ? settings_.address.ContainerPath() : settings_.address.ObjectPath(name);
    request.headers.emplace_back("x-ms-version", kVersion);
    return request;
}

// Any answer with a status. Signs, and settles what can be settled by asking once more.
Result<HttpResponse> AzureStore::Ask(const AzureCall& call, const HttpRequest& request)
{
    const std::string beginning = std::string("cannot ") + call.doing + " " + call.object + ": ";
    bool clock_adopted = false;
    bool credentials_renewed = false;
    for (;;) {
        const auto credentials = credentials_->Get();
        if (!credentials.ok())
            return Error{credentials.error().kind == ErrorKind::kRetryable ? ErrorKind::kRetryable
                                                                           : ErrorKind::kPermanent,
                         beginning + credentials.error().text};
        const std::string& signature = credentials.value().session_token;
        HttpRequest sent = request;
        if (signature.empty())
            SignSharedKey(&sent, settings_.address.account, credentials.value().secret_access_key,
                          clock_.Now());
        else
            sent.query += (sent.query.empty() ? "" : "&") + signature;
        auto response = http_.Exchange(sent);
        if (!response.ok())
            return Error{response.error().kind, beginning + response.error().text};
        const int status = response.value().status;
        if ((status < 400 || status > 403) || !DoubtsIdentity(ReadAzureRefusal(response.value())))
            return response;
        // A signature has been made already, and has no date of ours.
        if (!clock_adopted && signature.empty() && clock_.Adopt(response.value(), kLeastSkew_s)) {
            clock_adopted = true;
            continue;
        }
        if (!credentials_renewed) {
            credentials_->Distrust(credentials.value());
            credentials_renewed = true;
            continue;
        }
        return response;
    }
}

Result<Done> AzureStore::Put(const AzureCall& call, HttpRequest request, std::string_view bytes)
{
    if (bytes.size() > kLargestPut)
        return Error{ErrorKind::kPermanent,
                     std::string("cannot ") + call.doing + " " + call.object + ": its " +
                         std::to_string(bytes.size()) + " bytes are more than the " +
                         std::to_string(kLargestPut >> 20) + " MiB that Azure takes at once"};
    request.body = bytes;
    request.headers.emplace_back("x-ms-blob-type", "BlockBlob");
    const std::string md5 = Md5(bytes);
    if (!md5.empty())
        request.headers.emplace_back("content-md5", Base64(md5));
    const auto response = Ask(call, request);
    if (!response.ok())
        return response.error();
    if (response.value().status != 201)
        return ToError(call, response.value());
    // What is acknowledged to the server rests on this answer: it must be Azure's.
    if (response.value().header("etag").empty() || response.value().header("x-ms-request-id").empty())
        return NoAnswerOfAzure(call, response.value(), "without an ETag and a request's id");
    return Done{};
}

Result<Done> AzureStore::PutIfAbsent(const std::string& name, std::string_view bytes)
{
    if (!IsObjectName(name))
        return BadObjectName(name);
    HttpRequest request = Request("PUT", name);
    request.headers.emplace_back("if-none-match", "*");
    AzureCall call = Call("create", name, "creating (c)");
    call.creates = true;
    return Put(call, std::move(request), bytes);
}

Result<Done> AzureStore::Overwrite(const std::string& name, std::string_view bytes)
{
    if (!IsObjectName(name))
        return BadObjectName(name);
    return Put(Call("replace", name, "writing (w)"), Request("PUT", name), bytes);
}

Result<std::string> AzureStore::Get(const std::string& name, uint64_t offset, size_t length)
{
    const AzureCall call = Call("read", name, "reading (r)");
    if (length == 0) {
        const auto facts = Head(name);
        return facts.ok() ? Result<std::string>(std::string{}) : facts.error();
    }
    HttpRequest request = Request("GET", name);
    request.headers.emplace_back("x-ms-range", RangeHeader(offset, length));
    auto answered = Ask(call, request);
    if (!answered.ok())
        return answered.error();
    HttpResponse& response = answered.value();
    if (response.status == 416)
        return std::string{};
    if (response.status != 200 && response.status != 206)
        return ToError(call, response);
    RangeAnswer range = TakeRange(&response, offset, length);
    if (!range.wrong.empty())
        return NoAnswerOfAzure(call, response, range.wrong);
    return std::move(range.bytes);
}

Result<ObjectFacts> AzureStore::Head(const std::string& name)
{
    const AzureCall call = Call("look at", name, "reading (r)");
    const auto answered = Ask(call, Request("HEAD", name));
    if (!answered.ok())
        return answered.error();
    const HttpResponse& response = answered.value();
    if (response.status != 200)
        return ToError(call, response);
    const auto size = ParseNumber(response.header("content-length"));
    if (!size)
        return NoAnswerOfAzure(call, response, "without saying how long it is");
    const auto written_s = ParseHttpDate(response.header("last-modified"));
    return ObjectFacts{*size, written_s ? std::optional(*written_s * 1'000'000) : std::nullopt};
}

Result<AzureListing> AzureStore::ListOnce(const AzureCall& call, const std::string& prefix,
                                          const std::string& after, const std::string& marker, size_t most)
{
    const std::string whole = settings_.address.prefix + prefix;
    std::vector<std::pair<std::string, std::string>> query = {
        {"restype", "container"}, {"comp", "list"}, {"maxresults", std::to_string(most)}};
    if (!whole.empty())
        query.emplace_back("prefix", whole);
    // Repeated with the marker, as Azure's own libraries do.
    if (!after.empty() && lists_from_)
        query.emplace_back("startFrom", settings_.address.prefix + after);
    if (!marker.empty())
        query.emplace_back("marker", marker);
    HttpRequest request = Request("GET", "");
    request.query = CanonicalQuery(query);
    if (lists_from_)
        request.headers.front().second = kListVersion;
    const auto answered = Ask(call, request);
    if (!answered.ok())
        return answered.error();
    const HttpResponse& response = answered.value();
    if (lists_from_ && RefusesVersion(response, ReadAzureRefusal(response))) {
        lists_from_ = false;
        return ListOnce(call, prefix, after, marker, kPageOfAzure);
    }
    if (response.status != 200) {
        Error error = ToError(call, response);
        // What a listing does not find is the container.
        if (error.kind == ErrorKind::kNotFound)
            error.kind = ErrorKind::kPermanent;
        return error;
    }
    auto listing = ReadAzureListing(response.body);
    if (!listing)
        return NoAnswerOfAzure(call, response, "without a listing");
    return std::move(*listing);
}

Result<Done> AzureStore::Take(const AzureCall& call, const AzureListing& listing, const std::string& prefix,
                              const std::string& after, size_t limit, std::string* last, ListPage* page) const
{
    for (const std::string& whole : listing.names) {
        if (!whole.starts_with(settings_.address.prefix + prefix))
            return Error{ErrorKind::kRetryable,
                         "cannot list " + call.object + ": the store lists other names than were asked for"};
        std::string name = whole.substr(settings_.address.prefix.size());
        if (name <= *last && !last->empty())
            return Error{ErrorKind::kPermanent,
                         "cannot list " + call.object +
                             ": the store does not list in byte order; a lake cannot be kept in it"};
        *last = std::move(name);
        if (*last <= after || !IsObjectName(*last))
            continue;
        if (page->names.size() == limit) {
            page->more = true;
            return Done{};
        }
        page->names.push_back(*last);
    }
    page->more = !listing.marker.empty();
    return Done{};
}

Result<ListPage> AzureStore::List(const std::string& prefix, const std::string& after, size_t limit)
{
    const AzureCall call = Call("list", prefix, "listing (l)");
    ListPage page;
    std::string last;
    std::string marker;
    // One more than is wanted: the first may be the name to start after.
    size_t most = std::clamp<size_t>(limit, 1, kPageOfAzure - 1) + 1;
    do {
        const auto listed = ListOnce(call, prefix, after, marker, most);
        if (!listed.ok())
            return listed.error();
        const auto taken = Take(call, listed.value(), prefix, after, limit, &last, &page);
        if (!taken.ok())
            return taken.error();
        if (!listed.value().marker.empty() && listed.value().marker == marker)
            return Error{ErrorKind::kRetryable,
                         "cannot list " + call.object + ": the store goes on where it was before"};
        marker = listed.value().marker;
        // A store that starts with the first name is gone through in large steps.
        if (page.names.empty())
            most = kPageOfAzure;
    } while (page.more && page.names.size() < limit);
    return page;
}

Result<Done> AzureStore::Delete(const std::string& name)
{
    if (!IsObjectName(name))
        return BadObjectName(name);
    const AzureCall call = Call("delete", name, "deleting (d)");
    HttpRequest request = Request("DELETE", name);
    // Snapshots would keep it otherwise.
    request.headers.emplace_back("x-ms-delete-snapshots", "include");
    const auto answered = Ask(call, request);
    if (!answered.ok())
        return answered.error();
    if (answered.value().status == 202)
        return Done{};
    Error error = ToError(call, answered.value());
    if (error.kind == ErrorKind::kNotFound)
        return Done{};
    return error;
}

Result<std::unique_ptr<Store>> OpenAzureStore(const std::string& url, const StoreOptions& options,
                                              const StoreWarning& warn)
{
    auto address = ParseAzureUrl(url, options, ReadAzureEnvironment());
    if (!address.ok())
        return address.error();
    if (!options.encryption.empty() || !options.kms_key_id.empty())
        return Error{ErrorKind::kInvalid, "lake.encryption and lake.kms_key_id are not for az://;"
                                          " set the encryption scope of the container"};
    if (!options.profile.empty() && options.credentials_file.empty())
        return Error{ErrorKind::kInvalid, "with az:// lake.profile needs lake.credentials_file"};
    if (warn && ReadableOnTheWay(address.value().scheme, address.value().authority))
        warn("what goes to " + address.value().authority +
             " can be read on the way: its endpoint should begin with https://");
    CredentialsOptions credentials;
    credentials.file = options.credentials_file;
    credentials.profile = options.profile;
    AzureSettings settings;
    settings.address = std::move(address.value());
    settings.http.ca_file = options.ca_file;
    settings.http.proxy = options.proxy;
    return std::unique_ptr<Store>(std::make_unique<AzureStore>(
        std::move(settings), SharedCredentials(AzureCredentials, credentials, warn), warn));
}

Result<std::vector<LifecycleRule>> AzureStore::LifecycleRules()
{
    return Error{ErrorKind::kPermanent,
                 "cannot see the lifecycle rules of " + settings_.address.Describe("") +
                     ": they are the storage account's; look with az storage account management-policy show"};
}

} // namespace wal2lake
