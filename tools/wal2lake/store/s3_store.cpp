#include "store/s3_store.h"

#include <algorithm>

#include "digest.h"
#include "store/byte_range.h"
#include "store/s3_lifecycle.h"
#include "store/sigv4.h"

namespace wal2lake
{
namespace
{

// A clock that is off by less is none of a refusal's reasons.
constexpr int64_t kLeastSkew_s = 60;
// What S3 lists at most in one answer.
constexpr size_t kPageOfS3 = 1000;

} // namespace

S3Store::S3Store(S3Settings settings, std::shared_ptr<CredentialsCache> credentials, StoreWarning warn)
    : settings_(std::move(settings)), http_(settings_.http), credentials_(std::move(credentials)),
      clock_(std::move(warn))
{
}

S3Call S3Store::Call(const char* doing, const std::string& name, const char* permission) const
{
    return {doing, settings_.address.Describe(name), permission, &Dialect()};
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
        SignRequest(&request, credentials.value(),
                    {settings_.address.region, std::string(Dialect().signing_service), Dialect().signing},
                    clock_.Now());
        auto response = http_.Exchange(request);
        if (!response.ok())
            return Error{response.error().kind, std::string("cannot ") + call.doing + " " + call.object +
                                                    ": " + response.error().text};
        const int status = response.value().status;
        if (status < 400 || status > 403)
            return response;
        const S3Refusal refusal = ReadRefusal(response.value());
        if (RefusesClock(refusal) && !clock_adopted && clock_.Adopt(response.value(), kLeastSkew_s)) {
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
    if (bytes.size() > Dialect().largest_put)
        return Error{ErrorKind::kPermanent, std::string("cannot ") + call.doing + " " + call.object +
                                                ": its " + std::to_string(bytes.size()) +
                                                " bytes are more than the " +
                                                std::to_string(Dialect().largest_put >> 30) + " GiB that " +
                                                std::string(Dialect().name) + " takes at once"};
    request.body = bytes;
    const std::string md5 = Md5(bytes);
    if (!md5.empty())
        request.headers.emplace_back("content-md5", Base64(md5));
    if (!settings_.encryption.empty())
        request.headers.emplace_back(Dialect().encryption_header, settings_.encryption);
    if (!settings_.kms_key_id.empty())
        request.headers.emplace_back(Dialect().kms_key_header, settings_.kms_key_id);
    auto response = Ask(call, std::move(request));
    if (!response.ok())
        return response.error();
    if (response.value().status != 200)
        return ToError(call, response.value());
    // What is acknowledged to the server rests on this answer: it must be S3's.
    if (!ReadRefusal(response.value()).code.empty())
        return ToError(call, response.value());
    if (response.value().header("etag").empty())
        return NoAnswerOfS3(call, response.value(), "without an ETag");
    return Done{};
}

Result<Done> S3Store::PutIfAbsent(const std::string& name, std::string_view bytes)
{
    if (!IsObjectName(name))
        return BadObjectName(name);
    HttpRequest request = Request("PUT", name);
    request.headers.emplace_back(Dialect().absent_header, Dialect().absent_value);
    return Put(Call("create", name, Dialect().may_create), std::move(request), bytes);
}

Result<Done> S3Store::Overwrite(const std::string& name, std::string_view bytes)
{
    if (!IsObjectName(name))
        return BadObjectName(name);
    auto put = Put(Call("replace", name, Dialect().may_replace), Request("PUT", name), bytes);
    if (!put.ok() && put.error().kind == ErrorKind::kExists)
        return Error{ErrorKind::kPermanent, put.error().text + ", although nothing was asked of it"};
    return put;
}

Result<std::string> S3Store::Get(const std::string& name, uint64_t offset, size_t length)
{
    const S3Call call = Call("read", name, Dialect().may_read);
    if (length == 0) {
        const auto facts = Head(name);
        return facts.ok() ? Result<std::string>(std::string{}) : facts.error();
    }
    HttpRequest request = Request("GET", name);
    request.headers.emplace_back("range", RangeHeader(offset, length));
    auto answered = Ask(call, std::move(request));
    if (!answered.ok())
        return answered.error();
    HttpResponse& response = answered.value();
    if (response.status == 416)
        return std::string{};
    if (response.status != 200 && response.status != 206)
        return ToError(call, response);
    RangeAnswer range = TakeRange(&response, offset, length);
    if (!range.wrong.empty())
        return NoAnswerOfS3(call, response, range.wrong);
    // What is no object, such as an error with status 200, has none, and must not be
    // taken for a segment that is damaged.
    if (response.header("etag").empty())
        return NoAnswerOfS3(call, response, "without an ETag");
    return std::move(range.bytes);
}

Result<ObjectFacts> S3Store::Head(const std::string& name)
{
    const S3Call call = Call("look at", name, Dialect().may_read);
    for (bool again = false;; again = true) {
        auto answered = Ask(call, Request("HEAD", name));
        if (!answered.ok())
            return answered.error();
        const HttpResponse& response = answered.value();
        const auto size = ParseNumber(response.header("content-length"));
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
    const S3Call call = Call("list", prefix, Dialect().may_list);
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
        return BadObjectName(name);
    const S3Call call = Call("delete", name, Dialect().may_delete);
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

Result<std::vector<LifecycleRule>> S3Store::LifecycleRules()
{
    const S3Call call{"see the lifecycle rules of", std::string(Dialect().url) + settings_.address.bucket,
                      Dialect().may_see_lifecycle, &Dialect()};
    HttpRequest request = Request("GET", "");
    request.query = CanonicalQuery({{"lifecycle", ""}});
    const auto answered = Ask(call, std::move(request));
    if (!answered.ok())
        return answered.error();
    auto rules = LifecycleAnswered(call, answered.value());
    if (!rules.ok())
        return rules;
    return RulesBelow(std::move(rules.value()), settings_.address.prefix);
}

} // namespace wal2lake
