// The driver against scripted answers: what it sends, and what it makes of whatever
// comes back. That a real server believes it is for the end-to-end tests.
#include "store/s3_store.h"

#include <atomic>
#include <cstdlib>

#include <gtest/gtest.h>

#include "clock.h"
#include "answer_cases.h"
#include "scripted_server.h"

namespace wal2lake
{
namespace
{

const std::map<std::string, std::string> kETag = {{"ETag", "\"0\""}};

// Gives "KEY0", "KEY1", ... a new one each time it is asked.
class CountingProvider : public CredentialsProvider
{
  public:
    Result<Credentials> Fetch() override
    {
        if (broken)
            return *broken;
        return Credentials{"KEY" + std::to_string(fetched_++), "topsecret", "TOKEN", std::nullopt};
    }
    std::string name() const override { return "a test"; }

    std::optional<Error> broken;

  private:
    int fetched_ = 0;
};

struct Rig {
    explicit Rig(ScriptedServer::Script script, std::optional<Error> broken = std::nullopt)
        : server(std::move(script)), broken_(std::move(broken))
    {
        settings.address.bucket = "bucket";
        settings.address.prefix = "pre fix/";
        settings.address.region = "eu-test-1";
        settings.address.scheme = "http";
        settings.address.authority = server.authority();
        settings.address.path_style = true;
        settings.http.direct = true;
    }

    S3Store& store()
    {
        if (!store_) {
            auto provider = std::make_unique<CountingProvider>();
            provider->broken = broken_;
            store_ =
                std::make_unique<S3Store>(settings, std::make_shared<CredentialsCache>(std::move(provider)),
                                          [this](const std::string& text) { warnings.push_back(text); });
        }
        return *store_;
    }

    ScriptedServer server;
    S3Settings settings;
    std::vector<std::string> warnings;

  private:
    std::optional<Error> broken_;
    std::unique_ptr<S3Store> store_;
};

// Neither a header nor a secret belongs into a sentence.
void ExpectSilent(const std::string& text)
{
    for (const char* secret : {"topsecret", "TOKEN", "Signature=", "Credential=", "KEY0", "AWS4", "payload"})
        EXPECT_EQ(text.find(secret), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}

TEST(S3Store, PutsWithConditionHashAndEncryption)
{
    Rig rig([](const SeenRequest&, size_t) { return Answer(200, "", kETag); });
    rig.settings.encryption = "aws:kms";
    rig.settings.kms_key_id = "arn:aws:kms:eu-test-1:1:key/k";
    ASSERT_TRUE(rig.store().PutIfAbsent("s/log/1.w2l", "payload").ok());
    ASSERT_TRUE(rig.store().Overwrite("s/head", "").ok());
    const SeenRequest put = rig.server.seen().at(0);
    EXPECT_EQ(put.method, "PUT");
    EXPECT_EQ(put.target, "/bucket/pre%20fix/s/log/1.w2l");
    EXPECT_EQ(put.body, "payload");
    EXPECT_EQ(put.header("if-none-match"), "*");
    // echo -n payload | openssl md5 -binary | base64; ... | sha256sum
    EXPECT_EQ(put.header("content-md5"), "Mhw89IbtUJFk7eweGYH+yA==");
    EXPECT_EQ(put.header("x-amz-content-sha256"),
              "239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5");
    EXPECT_EQ(put.header("x-amz-server-side-encryption"), "aws:kms");
    EXPECT_EQ(put.header("x-amz-server-side-encryption-aws-kms-key-id"), "arn:aws:kms:eu-test-1:1:key/k");
    EXPECT_EQ(put.header("x-amz-security-token"), "TOKEN");
    EXPECT_EQ(put.header("expect"), "");
    EXPECT_EQ(put.header("content-encoding"), "");
    const std::string authorization = put.header("authorization");
    EXPECT_NE(authorization.find("/eu-test-1/s3/aws4_request"), std::string::npos) << authorization;
    // What could be altered on the way is signed.
    for (const char* name :
         {"content-md5", "host", "if-none-match", "x-amz-content-sha256", "x-amz-security-token",
          "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"})
        EXPECT_NE(authorization.find(name), std::string::npos) << name;
    const SeenRequest hint = rig.server.seen().at(1);
    EXPECT_EQ(hint.header("if-none-match"), "");
    EXPECT_EQ(hint.header("content-length"), "0");
    EXPECT_EQ(hint.connection, put.connection) << "the connection is kept";
}

TEST(S3Store, SendsNoHeaderThatIsNotConfigured)
{
    Rig rig([](const SeenRequest&, size_t) { return Answer(200, "", kETag); });
    ASSERT_TRUE(rig.store().PutIfAbsent("a", "x").ok());
    EXPECT_EQ(rig.server.seen().at(0).headers.count("x-amz-server-side-encryption"), 0U);
    EXPECT_EQ(rig.server.seen().at(0).headers.count("x-amz-server-side-encryption-aws-kms-key-id"), 0U);
}

TEST(S3Store, NamesTheBucketInTheHost)
{
    Rig rig([](const SeenRequest&, size_t) { return Answer(200, "", kETag); });
    StoreOptions options;
    options.endpoint = "http://s3.example.com";
    options.path_style = false;
    rig.settings.address = ParseS3Url("s3://bucket/p", options).value();
    // A proxy sees where a request is meant to go.
    rig.settings.http.direct = false;
    rig.settings.http.proxy = "http://" + rig.server.authority();
    ASSERT_TRUE(rig.store().PutIfAbsent("a", "x").ok());
    EXPECT_EQ(rig.server.seen().at(0).target, "http://bucket.s3.example.com/p/a");
    EXPECT_EQ(rig.server.seen().at(0).header("host"), "bucket.s3.example.com");
}

std::vector<AnswerCase> CommonCases()
{
    const std::map<std::string, std::string> elsewhere = {{"x-amz-bucket-region", "us-west-2"}};
    return {
        {"closed", {"", true}, ErrorKind::kRetryable, "no answer"},
        {"half a header", {"HTTP/1.1 200 OK\r\nContent-Le", true}, ErrorKind::kRetryable, "no answer"},
        {"half a body",
         {"HTTP/1.1 200 OK\r\nETag: \"0\"\r\nContent-Length: 9\r\n\r\nhalf", true},
         ErrorKind::kRetryable,
         "no answer"},
        {"408", Answer(408), ErrorKind::kRetryable, "408"},
        {"409", Refusal(409, "ConditionalRequestConflict"), ErrorKind::kRetryable,
         "ConditionalRequestConflict"},
        {"409 aborted", Refusal(409, "OperationAborted"), ErrorKind::kRetryable, "OperationAborted"},
        {"409 of an unknown kind", Answer(409), ErrorKind::kRetryable, "409"},
        {"429", Answer(429), ErrorKind::kRetryable, "429"},
        {"499", Answer(499), ErrorKind::kRetryable, "499"},
        {"500", Refusal(500, "InternalError"), ErrorKind::kRetryable, "500 InternalError"},
        {"502", Answer(502, "<html>Bad Gateway</html>"), ErrorKind::kRetryable, "502"},
        {"503", Answer(503), ErrorKind::kRetryable, "503"},
        {"SlowDown", Refusal(503, "SlowDown", "Please reduce your request rate."), ErrorKind::kRetryable,
         "503 SlowDown (\"Please reduce your request rate.\")"},
        {"504", Answer(504), ErrorKind::kRetryable, "504"},
        {"RequestTimeout", Refusal(400, "RequestTimeout"), ErrorKind::kRetryable, "400 RequestTimeout"},
        {"KMS throttles", Refusal(400, "KMS.ThrottlingException"), ErrorKind::kRetryable,
         "KMS.ThrottlingException"},
        {"altered on the way", Refusal(400, "XAmzContentSHA256Mismatch"), ErrorKind::kRetryable, "400"},
        {"BadDigest", Refusal(400, "BadDigest"), ErrorKind::kRetryable, "BadDigest"},
        {"400", Refusal(400, "InvalidRequest", "nonsense"), ErrorKind::kPermanent,
         "400 InvalidRequest (\"nonsense\")"},
        {"400 of no S3", Answer(400, "<html>payload</html>"), ErrorKind::kPermanent, "no answer of S3"},
        {"InvalidDigest", Refusal(400, "InvalidDigest"), ErrorKind::kPermanent, "InvalidDigest"},
        {"401", Answer(401), ErrorKind::kPermanent, "allow s3:"},
        {"AccessDenied", Refusal(403, "AccessDenied", "Access Denied"), ErrorKind::kPermanent,
         "403 AccessDenied (\"Access Denied\"); allow s3:"},
        {"KMS denies", Refusal(400, "KMS.DisabledException"), ErrorKind::kPermanent, "lake.kms_key_id"},
        {"wrong secret", Refusal(403, "SignatureDoesNotMatch"), ErrorKind::kPermanent, "credentials"},
        {"NoSuchBucket", Refusal(404, "NoSuchBucket"), ErrorKind::kPermanent, "create the bucket"},
        {"404 of no S3", Answer(404, "<html>not here</html>"), ErrorKind::kPermanent, "no answer of S3"},
        {"405", Refusal(405, "MethodNotAllowed"), ErrorKind::kPermanent, "405"},
        {"407", Answer(407), ErrorKind::kPermanent, "lake.proxy"},
        {"501", Refusal(501, "NotImplemented"), ErrorKind::kPermanent, "cannot do what a lake needs"},
        {"301", Refusal(301, "PermanentRedirect", "no", elsewhere), ErrorKind::kPermanent,
         "lake.region = \"us-west-2\""},
        {"307", Answer(307, "", {{"Location", "http://127.0.0.1:1/"}}), ErrorKind::kPermanent,
         "lake.endpoint"},
        {"wrong region",
         Answer(400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>us-west-2</Region></Error>"),
         ErrorKind::kPermanent, "lake.region = \"us-west-2\""},
        {"a message of many lines", Refusal(400, "Odd", "a\nb\x01" + std::string(1000, 'c')),
         ErrorKind::kPermanent, "400"},
        {"a code of odd characters", Refusal(400, "a b\"; rm"), ErrorKind::kPermanent, "answered 400 ("},
    };
}

void Judge(const char* operation, const StoreOperation& run, const std::vector<AnswerCase>& cases)
{
    JudgeAnswers<Rig>(operation, run, cases, "s3://bucket/pre fix/", ExpectSilent);
}

TEST(S3Store, KnowsEveryAnswerToAPut)
{
    auto cases = CommonCases();
    cases.push_back({"412", Refusal(412, "PreconditionFailed"), ErrorKind::kExists, "s/log/1.w2l exists"});
    cases.push_back({"412 without a body", Answer(412), ErrorKind::kExists, "s/log/1.w2l exists"});
    cases.push_back({"404 NoSuchKey", Refusal(404, "NoSuchKey"), ErrorKind::kNotFound, "404"});
    cases.push_back({"200 with an error", Refusal(200, "InternalError", "try again", kETag),
                     ErrorKind::kRetryable, "200 InternalError"});
    cases.push_back(
        {"200 of something else", Answer(200, "<html>Welcome</html>"), ErrorKind::kRetryable, "ETag"});
    cases.push_back({"202", Answer(202, "", kETag), ErrorKind::kRetryable, "202"});
    Judge(
        "put", [](Store& store) { return ErrorOf(store.PutIfAbsent("s/log/1.w2l", "payload")); }, cases);
}

TEST(S3Store, AnOverwriteNeverExists)
{
    Judge("overwrite", [](Store& store) { return ErrorOf(store.Overwrite("s/head", "payload")); },
          {{"412", Refusal(412, "PreconditionFailed"), ErrorKind::kPermanent, "s/head exists"}});
}

TEST(S3Store, KnowsEveryAnswerToAGet)
{
    auto cases = CommonCases();
    cases.push_back({"404", Refusal(404, "NoSuchKey"), ErrorKind::kNotFound, "s/log/1.w2l"});
    cases.push_back({"404 without a body", Answer(404), ErrorKind::kNotFound, "s/log/1.w2l"});
    cases.push_back({"half of a range",
                     {"HTTP/1.1 206 Partial\r\nContent-Range: bytes 10-13/100\r\n"
                      "Content-Length: 4\r\n\r\nab",
                      true},
                     ErrorKind::kRetryable,
                     "no answer"});
    cases.push_back({"200 with an error", Refusal(200, "InternalError"), ErrorKind::kRetryable, "ETag"});
    cases.push_back({"a shorter range", Answer(206, "ab", {{"Content-Range", "bytes 10-11/100"}}),
                     ErrorKind::kRetryable, "another range"});
    cases.push_back({"another range", Answer(206, "abcd", {{"Content-Range", "bytes 0-3/100"}}),
                     ErrorKind::kRetryable, "another range"});
    cases.push_back({"no range", Answer(206, "abcd"), ErrorKind::kRetryable, "another range"});
    cases.push_back({"no length",
                     {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n0123456789abcd", true},
                     ErrorKind::kRetryable,
                     "how long"});
    Judge(
        "get", [](Store& store) { return ErrorOf(store.Get("s/log/1.w2l", 10, 4)); }, cases);
}

TEST(S3Store, KnowsEveryAnswerToAListing)
{
    auto cases = CommonCases();
    cases.push_back({"404", Refusal(404, "NoSuchKey"), ErrorKind::kPermanent, "404"});
    cases.push_back(
        {"200 with an error", Refusal(200, "InternalError"), ErrorKind::kRetryable, "200 InternalError"});
    cases.push_back(
        {"200 of something else", Answer(200, "<html>Welcome</html>"), ErrorKind::kRetryable, "listing"});
    cases.push_back({"half a listing", Answer(200, "<ListBucketResult><Contents><Key>pre fix/s/"),
                     ErrorKind::kRetryable, "listing"});
    cases.push_back({"other names",
                     Answer(200, "<ListBucketResult><Contents><Key>else</Key></Contents></ListBucketResult>"),
                     ErrorKind::kRetryable, "other names"});
    cases.push_back({"no order",
                     Answer(200, "<ListBucketResult><Contents><Key>pre fix/s/b</Key></Contents>"
                                 "<Contents><Key>pre fix/s/a</Key></Contents></ListBucketResult>"),
                     ErrorKind::kPermanent, "byte order"});
    cases.push_back(
        {"start-after not heeded",
         Answer(200, "<ListBucketResult><Contents><Key>pre fix/s/0</Key></Contents></ListBucketResult>"),
         ErrorKind::kPermanent, "byte order"});
    cases.push_back({"no end",
                     Answer(200, "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"),
                     ErrorKind::kRetryable, "there is more"});
    Judge(
        "list", [](Store& store) { return ErrorOf(store.List("s/", "s/0", 10)); }, cases);
}

TEST(S3Store, KnowsEveryAnswerToADelete)
{
    auto cases = CommonCases();
    cases.push_back({"200 with an error", Refusal(200, "InternalError"), ErrorKind::kRetryable, "200"});
    Judge(
        "delete", [](Store& store) { return ErrorOf(store.Delete("s/x")); }, cases);
    for (const auto& fine : {Answer(204), Answer(200), Refusal(404, "NoSuchKey")}) {
        Rig rig([&](const SeenRequest&, size_t) { return fine; });
        EXPECT_TRUE(rig.store().Delete("s/x").ok());
    }
}

TEST(S3Store, ReadsRangesAndWholeObjects)
{
    Rig rig([](const SeenRequest&, size_t number) {
        switch (number) {
        case 0:
            return Answer(206, "abcd", {{"Content-Range", "bytes 10-13/100"}, {"ETag", "\"0\""}});
        case 1:
            return Answer(206, "yz", {{"Content-Range", "bytes 98-99/100"}, {"ETag", "\"0\""}});
        case 2:
            return Refusal(416, "InvalidRange");
        case 3:
            return Answer(200, "0123456789abcdef", kETag);
        default:
            return Answer(200, "01234", kETag);
        }
    });
    EXPECT_EQ(rig.store().Get("a", 10, 4).value(), "abcd");
    EXPECT_EQ(rig.server.seen().back().header("range"), "bytes=10-13");
    EXPECT_EQ(rig.store().Get("a", 98, 4).value(), "yz");
    EXPECT_EQ(rig.store().Get("a", 100, 4).value(), "");
    EXPECT_EQ(rig.store().Get("a", 10, 4).value(), "abcd") << "a server without ranges";
    EXPECT_EQ(rig.store().Get("a", 10, 4).value(), "");
}

TEST(S3Store, LooksAtAnObject)
{
    Rig rig([](const SeenRequest& request, size_t number) {
        if (number == 0)
            return Answer(200, "",
                          {{"Content-Length", "1234"}, {"Last-Modified", "Thu, 01 Jan 1970 00:00:10 GMT"}});
        if (number == 1)
            return Answer(404);
        // Why HEAD is refused only another method tells.
        return request.method == "HEAD" ? Answer(403, "", {{"Content-Length", "240"}})
                                        : Refusal(403, "AccessDenied", "by policy");
    });
    const auto facts = rig.store().Head("a");
    ASSERT_TRUE(facts.ok()) << facts.error().text;
    EXPECT_EQ(facts.value().size, 1234U);
    EXPECT_EQ(facts.value().written_us, 10'000'000);
    EXPECT_EQ(rig.store().Head("a").error().kind, ErrorKind::kNotFound);
    const auto denied = rig.store().Head("a");
    EXPECT_EQ(denied.error().kind, ErrorKind::kPermanent);
    EXPECT_NE(denied.error().text.find("by policy"), std::string::npos) << denied.error().text;
}

TEST(S3Store, ListsPageByPage)
{
    Rig rig([](const SeenRequest&, size_t number) {
        if (number == 0)
            return Answer(
                200,
                "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
                "<NextContinuationToken>a+/=</NextContinuationToken>"
                "<Contents><Key>pre+fix/s/1</Key><Size>1</Size></Contents>"
                "<Contents><Key>pre%20fix/s/1+of+a+kind</Key></Contents>"
                "<Contents><Key>pre+fix/s/2</Key></Contents></ListBucketResult>");
        return Answer(200, "<ListBucketResult><IsTruncated>false</IsTruncated>"
                           "<Contents><Key>pre fix/s/3</Key></Contents></ListBucketResult>");
    });
    const auto page = rig.store().List("s/", "s/0", 5000);
    ASSERT_TRUE(page.ok()) << page.error().text;
    EXPECT_EQ(page.value().names, (std::vector<std::string>{"s/1", "s/2", "s/3"}));
    EXPECT_FALSE(page.value().more);
    EXPECT_EQ(rig.server.seen().at(0).target,
              "/bucket?encoding-type=url&list-type=2&max-keys=1000&prefix=pre%20fix%2Fs%2F"
              "&start-after=pre%20fix%2Fs%2F0");
    EXPECT_EQ(rig.server.seen().at(1).target,
              "/bucket?continuation-token=a%2B%2F%3D&encoding-type=url&list-type=2"
              "&max-keys=1000&prefix=pre%20fix%2Fs%2F");
    // Not more than is asked for.
    Rig once([](const SeenRequest&, size_t) {
        return Answer(200, "<ListBucketResult><IsTruncated>true</IsTruncated>"
                           "<Contents><Key>pre fix/s/1</Key></Contents></ListBucketResult>");
    });
    const auto one = once.store().List("s/", "", 1);
    ASSERT_TRUE(one.ok()) << one.error().text;
    EXPECT_TRUE(one.value().more);
    EXPECT_EQ(once.server.seen().size(), 1U);
    EXPECT_NE(once.server.seen().at(0).target.find("max-keys=1&"), std::string::npos);
    EXPECT_EQ(once.server.seen().at(0).target.find("start-after"), std::string::npos);
}

std::string AmzDate(int64_t unix_s)
{
    const time_t seconds = unix_s;
    char text[32];
    std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", std::gmtime(&seconds));
    return text;
}

std::string HttpDate(int64_t unix_s)
{
    const time_t seconds = unix_s;
    char text[64];
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", std::gmtime(&seconds));
    return text;
}

// A store whose clock goes `ahead_s` before ours and which takes what is signed
// within a quarter of an hour.
ScriptedReply WithClock(const SeenRequest& request, int64_t ahead_s)
{
    const int64_t now_s = UnixUs() / 1'000'000 + ahead_s;
    const std::string signed_at = request.header("x-amz-date");
    const bool in_time = signed_at >= AmzDate(now_s - 900) && signed_at <= AmzDate(now_s + 900);
    if (in_time)
        return Answer(200, "", {{"ETag", "\"0\""}, {"Content-Length", "0"}, {"Date", HttpDate(now_s)}});
    if (request.method == "HEAD")
        return Answer(403, "", {{"Date", HttpDate(now_s)}});
    return Refusal(403, "RequestTimeTooSkewed", "too far", {{"Date", HttpDate(now_s)}});
}

TEST(S3Store, SignsWithTheTimeOfTheStore)
{
    for (const int64_t ahead_s : {1200, -1200}) {
        Rig rig([&](const SeenRequest& request, size_t) { return WithClock(request, ahead_s); });
        const auto put = rig.store().PutIfAbsent("a", "x");
        ASSERT_TRUE(put.ok()) << put.error().text;
        EXPECT_EQ(rig.server.seen().size(), 2U);
        ASSERT_EQ(rig.warnings.size(), 1U);
        EXPECT_NE(rig.warnings[0].find(ahead_s > 0 ? "s behind" : "s ahead"), std::string::npos)
            << rig.warnings[0];
        ASSERT_TRUE(rig.store().PutIfAbsent("b", "x").ok());
        EXPECT_EQ(rig.server.seen().size(), 3U) << "it is remembered";
        EXPECT_EQ(rig.warnings.size(), 1U);
    }
    // The same where only HEAD is sent, whose refusals say nothing.
    Rig head([&](const SeenRequest& request, size_t) { return WithClock(request, 1200); });
    const auto facts = head.store().Head("a");
    EXPECT_TRUE(facts.ok()) << facts.error().text;
}

TEST(S3Store, DoesNotAskForEverWhatTimeItIs)
{
    Rig rig([](const SeenRequest&, size_t) {
        return Refusal(403, "RequestTimeTooSkewed", "no", {{"Date", HttpDate(0)}});
    });
    const auto put = rig.store().PutIfAbsent("a", "x");
    ASSERT_FALSE(put.ok());
    EXPECT_EQ(put.error().kind, ErrorKind::kPermanent);
    EXPECT_NE(put.error().text.find("set the clock"), std::string::npos) << put.error().text;
    EXPECT_EQ(rig.server.seen().size(), 2U);
    Rig no_date([](const SeenRequest&, size_t) { return Refusal(403, "RequestTimeTooSkewed"); });
    EXPECT_EQ(no_date.store().PutIfAbsent("a", "x").error().kind, ErrorKind::kPermanent);
    EXPECT_EQ(no_date.server.seen().size(), 1U);
}

TEST(S3Store, AsksForOtherCredentialsOnce)
{
    for (const auto& [status, code] : {std::pair{400, "ExpiredToken"},
                                       {403, "InvalidAccessKeyId"},
                                       {400, "InvalidToken"},
                                       {403, "SignatureDoesNotMatch"}}) {
        Rig rig([&, status = status, code = code](const SeenRequest& request, size_t) {
            return request.header("authorization").find("KEY0/") != std::string::npos
                       ? Refusal(status, code)
                       : Answer(200, "", kETag);
        });
        const auto put = rig.store().PutIfAbsent("a", "payload");
        EXPECT_TRUE(put.ok()) << code << put.error().text;
        ASSERT_EQ(rig.server.seen().size(), 2U);
        EXPECT_EQ(rig.server.seen().at(1).body, "payload");
        EXPECT_NE(rig.server.seen().at(1).header("authorization").find("KEY1/"), std::string::npos);

        Rig never(
            [&, status = status, code = code](const SeenRequest&, size_t) { return Refusal(status, code); });
        const auto refused = never.store().PutIfAbsent("a", "x");
        ASSERT_FALSE(refused.ok());
        EXPECT_EQ(refused.error().kind, ErrorKind::kPermanent);
        EXPECT_NE(refused.error().text.find("renew the credentials"), std::string::npos)
            << refused.error().text;
        ExpectSilent(refused.error().text);
        EXPECT_EQ(never.server.seen().size(), 2U);
    }
}

TEST(S3Store, WithoutCredentialsNothingIsSent)
{
    for (const auto& [from, to] : {std::pair{ErrorKind::kRetryable, ErrorKind::kRetryable},
                                   {ErrorKind::kNotFound, ErrorKind::kPermanent},
                                   {ErrorKind::kPermanent, ErrorKind::kPermanent}}) {
        Rig rig([](const SeenRequest&, size_t) { return Answer(200); }, Error{from, "there are none"});
        const auto put = rig.store().PutIfAbsent("a", "x");
        ASSERT_FALSE(put.ok());
        EXPECT_EQ(put.error().kind, to);
        EXPECT_NE(put.error().text.find("there are none"), std::string::npos) << put.error().text;
        EXPECT_TRUE(rig.server.seen().empty());
    }
}

TEST(S3Store, RefusesWhatS3CannotTakeAtOnce)
{
    Rig rig([](const SeenRequest&, size_t) { return Answer(200, "", kETag); });
    // Only its size is looked at.
    const std::string_view huge("", (size_t{5} << 30) + 1);
    const auto put = rig.store().PutIfAbsent("a", huge);
    ASSERT_FALSE(put.ok());
    EXPECT_EQ(put.error().kind, ErrorKind::kPermanent);
    EXPECT_NE(put.error().text.find("5 GiB"), std::string::npos);
    EXPECT_TRUE(rig.server.seen().empty());
}

} // namespace
} // namespace wal2lake
