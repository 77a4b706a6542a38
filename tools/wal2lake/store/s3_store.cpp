#include "store/s3_store.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include <openssl/evp.h>

#include "clock.h"
#include "store/sigv4.h"

namespace wal2lake
{
namespace
{

constexpr size_t kLargestPut = size_t{5} << 30;
// What S3 lists at most in one answer.
constexpr size_t kPageOfS3 = 1000;

Error BadName(const std::string& name)
{
    return {ErrorKind::kPermanent, "\"" + name + "\" is not a valid object name"};
}

// Empty where this OpenSSL has no MD5 (FIPS): only object lock would miss it.
std::string Md5Base64(std::string_view bytes)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_md5(), nullptr) != 1)
        return {};
    unsigned char text[2 * EVP_MAX_MD_SIZE];
    const int written = EVP_EncodeBlock(text, digest, static_cast<int>(length));
    return {reinterpret_cast<const char*>(text), static_cast<size_t>(written)};
}

std::optional<uint64_t> Number(std::string_view text)
{
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return number;
}

// Of "bytes 0-9/100" the 0 and the 100.
struct ContentRange {
    uint64_t first = 0;
    uint64_t size = 0;
};

std::optional<ContentRange> ParseContentRange(std::string_view text)
{
    const size_t dash = text.find('-');
    const size_t slash = text.find('/');
    if (!text.starts_with("bytes ") || dash == std::string_view::npos || slash == std::string_view::npos)
        return std::nullopt;
    const auto first = Number(text.substr(6, dash - 6));
    const auto size = Number(text.substr(slash + 1));
    if (!first || !size)
        return std::nullopt;
    return ContentRange{*first, *size};
}

// Without either a connection that breaks looks like the end of the body.
bool SaysItsLength(const HttpResponse& response)
{
    return !response.header("content-length").empty() || !response.header("transfer-encoding").empty();
}

} // namespace

S3Store::S3Store(S3Settings settings, std::shared_ptr<CredentialsCache> credentials, StoreWarning warn)
    : settings_(std::move(settings)), http_(settings_.http), credentials_(std::move(credentials)),
      warn_(std::move(warn))
{
}

S3Call S3Store::Call(const char* doing, const std::string& name, const char* permission) const
{
    return {doing, settings_.address.Describe(name), permission};
}

HttpRequest S3Store::Request(const char* method, const std::string& name) const
{
    HttpRequest request;
    request.method = method;
    request.scheme = settings_.address.scheme;
    request.authority = settings_.address.authority;
    request.path = name.empty() ? settings_.address.BucketPath() : settings_.address.ObjectPath(name);
    return request;
}

// Signs with the store's time from now on; false where that changes nothing.
bool S3Store::AdoptClock(const HttpResponse& response)
{
    const auto store_s = ParseHttpDate(response.header("date"));
    if (!store_s)
        return false;
    const int64_t skew_s = *store_s - UnixUs() / 1'000'000;
    if (std::abs(skew_s - skew_s_) < 60)
        return false;
    skew_s_ = skew_s;
    if (warn_)
        warn_("the clock of this host is " + std::to_string(std::abs(skew_s)) + " s " +
              (skew_s > 0 ? "behind" : "ahead of") +
              " that of the store, whose time is used to sign; set the clock");
    return true;
}

// Any answer with a status. Signs, and settles what can be settled by asking once more.
Result<HttpResponse> S3Store::Ask(const S3Call& call, HttpRequest request)
{
    bool clock_adopted = false;
    bool credentials_renewed = false;
    for (;;) {
        const auto credentials = credentials_->Get();
        if (!credentials.ok())
            return Error{credentials.error().kind == ErrorKind::kRetryable ? ErrorKind::kRetryable
                                                                           : ErrorKind::kPermanent,
                         std::string("cannot ") + call.doing + " " + call.object + ": " +
                             credentials.error().text};
        SignRequest(&request, credentials.value(), {settings_.address.region, "s3"},
                    UnixUs() / 1'000'000 + skew_s_);
        auto response = http_.Exchange(request);
        if (!response.ok())
            return Error{response.error().kind, std::string("cannot ") + call.doing + " " + call.object +
                                                    ": " + response.error().text};
        const int status = response.value().status;
        if (status < 400 || status > 403)
            return response;
        const S3Refusal refusal = ReadRefusal(response.value());
        if (RefusesClock(refusal) && !clock_adopted && AdoptClock(response.value())) {
            clock_adopted = true;
            continue;
        }
        if (RefusesCredentials(refusal) && !credentials_renewed) {
            credentials_->Distrust(credentials.value());
            credentials_renewed = true;
            continue;
        }
        return response;
    }
}

Result<Done> S3Store::Put(const S3Call& call, HttpRequest request, std::string_view bytes)
{
    if (bytes.size() > kLargestPut)
        return Error{ErrorKind::kPermanent, std::string("cannot ") + call.doing + " " + call.object +
                                                ": its " + std::to_string(bytes.size()) +
                                                " bytes are more than the 5 GiB that S3 takes at once"};
    request.body = bytes;
    const std::string md5 = Md5Base64(bytes);
    if (!md5.empty())
        request.headers.emplace_back("content-md5", md5);
    if (!settings_.encryption.empty())
        request.headers.emplace_back("x-amz-server-side-encryption", settings_.encryption);
    if (!settings_.kms_key_id.empty())
        request.headers.emplace_back("x-amz-server-side-encryption-aws-kms-key-id", settings_.kms_key_id);
    auto response = Ask(call, std::move(request));
    if (!response.ok())
        return response.error();
    if (response.value().status != 200)
        return ToError(call, response.value());
    // What is acknowledged to the server rests on this answer: it must be S3's.
    if (!ReadRefusal(response.value()).code.empty())
        return ToError(call, response.value());
    if (response.value().header("etag").empty())
        return NoAnswerOfS3(call, response.value(), "without the ETag that S3 sends");
    return Done{};
}

Result<Done> S3Store::PutIfAbsent(const std::string& name, std::string_view bytes)
{
    if (!IsObjectName(name))
        return BadName(name);
    HttpRequest request = Request("PUT", name);
    request.headers.emplace_back("if-none-match", "*");
    return Put(Call("create", name, "s3:PutObject"), std::move(request), bytes);
}

Result<Done> S3Store::Overwrite(const std::string& name, std::string_view bytes)
{
    if (!IsObjectName(name))
        return BadName(name);
    auto put = Put(Call("replace", name, "s3:PutObject"), Request("PUT", name), bytes);
    if (!put.ok() && put.error().kind == ErrorKind::kExists)
        return Error{ErrorKind::kPermanent, put.error().text + ", although nothing was asked of it"};
    return put;
}

Result<std::string> S3Store::Get(const std::string& name, uint64_t offset, size_t length)
{
    const S3Call call = Call("read", name, "s3:GetObject");
    if (length == 0) {
        const auto facts = Head(name);
        return facts.ok() ? Result<std::string>(std::string{}) : facts.error();
    }
    const uint64_t last = length - 1 > UINT64_MAX - offset ? UINT64_MAX : offset + length - 1;
    HttpRequest request = Request("GET", name);
    request.headers.emplace_back("range", "bytes=" + std::to_string(offset) + "-" + std::to_string(last));
    auto answered = Ask(call, std::move(request));
    if (!answered.ok())
        return answered.error();
    HttpResponse& response = answered.value();
    if (response.status == 416)
        return std::string{};
    if (response.status != 200 && response.status != 206)
        return ToError(call, response);
    if (!SaysItsLength(response))
        return NoAnswerOfS3(call, response, "without saying how long it is");
    // A server that knows no ranges sends all.
    if (response.status == 200)
        return offset >= response.body.size() ? std::string{} : response.body.substr(offset, length);
    const auto range = ParseContentRange(response.header("content-range"));
    if (!range || range->first != offset || range->size < offset || response.body.size() > length ||
        response.body.size() != std::min<uint64_t>(length, range->size - offset))
        return NoAnswerOfS3(call, response, "with another range than was asked for");
    return std::move(response.body);
}

Result<ObjectFacts> S3Store::Head(const std::string& name)
{
    const S3Call call = Call("look at", name, "s3:GetObject");
    for (bool again = false;; again = true) {
        auto answered = Ask(call, Request("HEAD", name));
        if (!answered.ok())
            return answered.error();
        const HttpResponse& response = answered.value();
        const auto size = Number(response.header("content-length"));
        if (response.status == 200 && !size)
            return NoAnswerOfS3(call, response, "without saying how long it is");
        if (response.status == 200) {
            const auto written_s = ParseHttpDate(response.header("last-modified"));
            return ObjectFacts{*size, written_s ? std::optional(*written_s * 1'000'000) : std::nullopt};
        }
        if (response.status == 404)
            return Error{ErrorKind::kNotFound, call.object + " does not exist"};
        // A refusal of HEAD has no body to tell why. Reading does, and settles what can
        // be settled.
        if (again || response.status < 400 || response.status > 403)
            return ToError(call, response);
        const auto read = Get(name, 0, 1);
        if (!read.ok())
            return read.error();
    }
}

Result<S3Listing> S3Store::ListOnce(const S3Call& call, const std::string& prefix, const std::string& after,
                                    const std::string& token, size_t limit)
{
    std::vector<std::pair<std::string, std::string>> query = {
        {"list-type", "2"},
        {"encoding-type", "url"},
        {"max-keys", std::to_string(std::min(limit, kPageOfS3))},
        {"prefix", settings_.address.prefix + prefix}};
    if (!token.empty())
        query.emplace_back("continuation-token", token);
    else if (!after.empty())
        query.emplace_back("start-after", settings_.address.prefix + after);
    HttpRequest request = Request("GET", "");
    request.query = CanonicalQuery(query);
    const auto answered = Ask(call, std::move(request));
    if (!answered.ok())
        return answered.error();
    const HttpResponse& response = answered.value();
    if (response.status != 200) {
        Error error = ToError(call, response);
        // What a listing does not find is the bucket.
        if (error.kind == ErrorKind::kNotFound || error.kind == ErrorKind::kExists)
            error.kind = ErrorKind::kPermanent;
        return error;
    }
    auto listing = ReadListing(response.body);
    if (!listing)
        return NoAnswerOfS3(call, response, "without a listing");
    return std::move(*listing);
}

Result<ListPage> S3Store::List(const std::string& prefix, const std::string& after, size_t limit)
{
    const S3Call call = Call("list", prefix, "s3:ListBucket");
    ListPage page;
    std::string last = after;
    std::string token;
    do {
        const auto listed = ListOnce(call, prefix, last, token, limit - page.names.size());
        if (!listed.ok())
            return listed.error();
        const S3Listing& listing = listed.value();
        for (const std::string& key : listing.keys) {
            if (!key.starts_with(settings_.address.prefix + prefix))
                return Error{ErrorKind::kRetryable, "cannot list " + call.object +
                                                        ": the store lists other names than were asked for"};
            std::string name = key.substr(settings_.address.prefix.size());
            if (name <= last && !last.empty())
                return Error{ErrorKind::kPermanent,
                             "cannot list " + call.object +
                                 ": the store does not list in byte order after a name;"
                                 " a lake cannot be kept in it"};
            last = std::move(name);
            if (IsObjectName(last) && page.names.size() < limit)
                page.names.push_back(last);
        }
        if (listing.truncated && listing.keys.empty() && (listing.token.empty() || listing.token == token))
            return Error{ErrorKind::kRetryable, "cannot list " + call.object +
                                                    ": the store lists nothing and says that there is more"};
        token = listing.token;
        page.more = listing.truncated;
    } while (page.more && page.names.size() < limit);
    return page;
}

Result<Done> S3Store::Delete(const std::string& name)
{
    if (!IsObjectName(name))
        return BadName(name);
    const S3Call call = Call("delete", name, "s3:DeleteObject");
    const auto answered = Ask(call, Request("DELETE", name));
    if (!answered.ok())
        return answered.error();
    const HttpResponse& response = answered.value();
    if ((response.status == 200 || response.status == 204) && ReadRefusal(response).code.empty())
        return Done{};
    Error error = ToError(call, response);
    if (error.kind == ErrorKind::kNotFound)
        return Done{};
    return error;
}

} // namespace wal2lake
