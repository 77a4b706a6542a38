// The driver against scripted answers: what it sends, and what it makes of whatever
// comes back. That Azure's emulator believes it is for the end-to-end tests.
#include "store/azure_store.h"

#include <gtest/gtest.h>

#include "clock.h"
#include "answer_cases.h"
#include "scripted_server.h"

namespace wal2lake
{
namespace
{

const std::map<std::string, std::string> kDone = {{"ETag", "\"0x1\""}, {"x-ms-request-id", "1"}};

// A new key each time it is asked; or a signature.
class CountingProvider : public CredentialsProvider
{
  public:
    explicit CountingProvider(std::string signature) : signature_(std::move(signature)) {}

    Result<Credentials> Fetch() override
    {
        if (!signature_.empty())
            return Credentials{"", "", signature_ + std::to_string(fetched_++), std::nullopt};
        return Credentials{"", "topsecret" + std::to_string(fetched_++), "", std::nullopt};
    }
    std::string name() const override { return "a test"; }

  private:
    std::string signature_;
    int fetched_ = 0;
};

struct Rig {
    explicit Rig(ScriptedServer::Script script, std::string signature = "")
        : server(std::move(script)), signature_(std::move(signature))
    {
        settings.address.account = "account";
        settings.address.container = "lake";
        settings.address.prefix = "pre fix/";
        settings.address.scheme = "http";
        settings.address.authority = server.authority();
        settings.address.account_path = "/account";
        settings.http.direct = true;
    }

    AzureStore& store()
    {
        if (!store_)
            store_ = std::make_unique<AzureStore>(
                settings, std::make_shared<CredentialsCache>(std::make_unique<CountingProvider>(signature_)),
                [this](const std::string& text) { warnings.push_back(text); });
        return *store_;
    }

    ScriptedServer server;
    AzureSettings settings;
    std::vector<std::string> warnings;

  private:
    std::string signature_;
    std::unique_ptr<AzureStore> store_;
};

// As Azure refuses: its code is in a header, too, and the message has lines of its own.
ScriptedReply Refused(int status, const std::string& code, std::map<std::string, std::string> headers = {})
{
    headers.emplace("x-ms-error-code", code);
    return Answer(status,
                  "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>" + code +
                      "</Code><Message>No.\nRequestId:1\nTime:2026</Message>"
                      "<AuthenticationErrorDetail>sig=topsecret</AuthenticationErrorDetail></Error>",
                  headers);
}

void ExpectSilent(const std::string& text)
{
    for (const char* secret : {"topsecret", "SharedKey", "sig=", "payload", "RequestId"})
        EXPECT_EQ(text.find(secret), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}

TEST(AzureStore, PutsABlockBlobWithConditionAndMd5)
{
    Rig rig([](const SeenRequest&, size_t) { return Answer(201, "", kDone); });
    ASSERT_TRUE(rig.store().PutIfAbsent("s/log/1.w2l", "payload").ok());
    ASSERT_TRUE(rig.store().Overwrite("s/head", "").ok());
    const SeenRequest put = rig.server.seen().at(0);
    EXPECT_EQ(put.method, "PUT");
    EXPECT_EQ(put.target, "/account/lake/pre%20fix/s/log/1.w2l");
    EXPECT_EQ(put.body, "payload");
    EXPECT_EQ(put.header("if-none-match"), "*");
    EXPECT_EQ(put.header("x-ms-blob-type"), "BlockBlob");
    EXPECT_EQ(put.header("x-ms-version"), "2021-12-02");
    // echo -n payload | openssl md5 -binary | base64
    EXPECT_EQ(put.header("content-md5"), "Mhw89IbtUJFk7eweGYH+yA==");
    EXPECT_TRUE(put.header("authorization").starts_with("SharedKey account:")) << put.header("authorization");
    EXPECT_EQ(put.header("content-type"), "") << "it would have to be signed";
    const SeenRequest hint = rig.server.seen().at(1);
    EXPECT_EQ(hint.headers.count("if-none-match"), 0U);
    EXPECT_EQ(hint.header("content-length"), "0");
    EXPECT_EQ(hint.connection, put.connection) << "the connection is kept";
}

TEST(AzureStore, CarriesASignatureInsteadOfSigning)
{
    Rig rig([](const SeenRequest&, size_t) { return Refused(403, "AuthenticationFailed"); },
            "sp=rcwdl&sig=topsecret");
    const auto put = rig.store().PutIfAbsent("a", "x");
    ASSERT_FALSE(put.ok());
    ExpectSilent(put.error().text);
    EXPECT_EQ(rig.server.seen().at(0).target, "/account/lake/pre%20fix/a?sp=rcwdl&sig=topsecret0");
    EXPECT_EQ(rig.server.seen().at(0).headers.count("authorization"), 0U);
    EXPECT_EQ(rig.server.seen().at(1).target, "/account/lake/pre%20fix/a?sp=rcwdl&sig=topsecret1")
        << "it is asked for anew once";
    EXPECT_EQ(rig.server.seen().size(), 2U);
    EXPECT_FALSE(rig.store().List("s/", "", 1).ok());
    EXPECT_TRUE(rig.server.seen().at(2).target.ends_with("&restype=container&sp=rcwdl&sig=topsecret1"))
        << rig.server.seen().at(2).target;
    // A connection that breaks is told without the query, too.
    Rig broken([](const SeenRequest&, size_t) { return ScriptedReply{"", true}; }, "sig=topsecret");
    ExpectSilent(broken.store().Get("a", 0, 1).error().text);
}

std::vector<AnswerCase> CommonCases()
{
    return {
        {"closed", {"", true}, ErrorKind::kRetryable, "no answer"},
        {"half a header", {"HTTP/1.1 201 OK\r\nContent-Le", true}, ErrorKind::kRetryable, "no answer"},
        {"408", Answer(408), ErrorKind::kRetryable, "408"},
        {"429", Refused(429, "TooManyRequests"), ErrorKind::kRetryable, "429 TooManyRequests"},
        {"500", Refused(500, "InternalError"), ErrorKind::kRetryable, "500 InternalError (\"No.\")"},
        {"500 timed out", Refused(500, "OperationTimedOut"), ErrorKind::kRetryable, "OperationTimedOut"},
        {"502", Answer(502, "<html>Bad Gateway</html>"), ErrorKind::kRetryable, "502"},
        {"503", Refused(503, "ServerBusy"), ErrorKind::kRetryable, "503 ServerBusy"},
        {"504", Answer(504), ErrorKind::kRetryable, "504"},
        {"409 deleted", Refused(409, "ContainerBeingDeleted"), ErrorKind::kRetryable,
         "ContainerBeingDeleted"},
        {"409 unknown", Refused(409, "SomethingNew"), ErrorKind::kRetryable, "SomethingNew"},
        {"409 archived", Refused(409, "BlobArchived"), ErrorKind::kPermanent, "archive tier"},
        {"409 page blob", Refused(409, "InvalidBlobType"), ErrorKind::kPermanent, "InvalidBlobType"},
        {"409 leased", Refused(409, "LeaseIdMismatchWithBlobOperation"), ErrorKind::kPermanent,
         "end the lease"},
        {"412 leased", Refused(412, "LeaseIdMissing"), ErrorKind::kPermanent, "end the lease"},
        {"altered on the way", Refused(400, "Md5Mismatch"), ErrorKind::kRetryable, "400 Md5Mismatch"},
        {"400", Refused(400, "InvalidUri"), ErrorKind::kPermanent, "400 InvalidUri"},
        {"400 of no Azure", Answer(400, "<html>payload</html>"), ErrorKind::kPermanent, "no answer of Azure"},
        {"401", Refused(401, "NoAuthenticationInformation"), ErrorKind::kPermanent, "renew the key"},
        {"wrong key", Refused(403, "AuthenticationFailed"), ErrorKind::kPermanent,
         "403 AuthenticationFailed (\"No.\"); renew the key"},
        {"wrong network", Refused(403, "AuthorizationFailure"), ErrorKind::kPermanent, "let this network in"},
        {"not allowed", Refused(403, "AuthorizationPermissionMismatch"), ErrorKind::kPermanent, "allow "},
        {"no keys", Refused(403, "KeyBasedAuthenticationNotPermitted"), ErrorKind::kPermanent,
         "user delegation"},
        {"no http", Refused(400, "AccountRequiresHttps"), ErrorKind::kPermanent, "https alone"},
        {"other address", Refused(403, "AuthorizationSourceIPMismatch"), ErrorKind::kPermanent,
         "other addresses"},
        {"no container", Refused(404, "ContainerNotFound"), ErrorKind::kPermanent, "create the container"},
        {"404 of no Azure", Answer(404, "<html>not here</html>"), ErrorKind::kPermanent,
         "no answer of Azure"},
        {"404 of nobody", Answer(404), ErrorKind::kPermanent, "no answer of Azure"},
        {"407", Answer(407), ErrorKind::kPermanent, "lake.proxy"},
        {"501", Answer(501), ErrorKind::kPermanent, "cannot do what a lake needs"},
        {"307", Answer(307, "", {{"Location", "http://127.0.0.1:1/"}}), ErrorKind::kPermanent,
         "lake.endpoint"},
        {"odd code", Refused(400, "a b\"; rm"), ErrorKind::kPermanent, "answered 400 (\"No.\")"},
    };
}

void Judge(const char* operation, const StoreOperation& run, const std::vector<AnswerCase>& cases)
{
    JudgeAnswers<Rig>(operation, run, cases, "az://lake/pre fix/", ExpectSilent);
}

TEST(AzureStore, KnowsEveryAnswerToACreate)
{
    auto cases = CommonCases();
    for (const auto& [status, code] : {std::pair{409, "BlobAlreadyExists"},
                                       {412, "ConditionNotMet"},
                                       {409, "BlobImmutableDueToPolicy"},
                                       {403, "UnauthorizedBlobOverwrite"}})
        cases.push_back({code, Refused(status, code), ErrorKind::kExists, "s/log/1.w2l exists"});
    cases.push_back({"412 without a body", Answer(412), ErrorKind::kExists, "s/log/1.w2l exists"});
    cases.push_back({"no ETag", Answer(201, "", {{"x-ms-request-id", "1"}}), ErrorKind::kRetryable, "ETag"});
    cases.push_back(
        {"nobody's", Answer(201, "", {{"ETag", "\"1\""}}), ErrorKind::kRetryable, "request's id"});
    cases.push_back({"200", Answer(200, "<html>Welcome</html>", kDone), ErrorKind::kRetryable, "200"});
    Judge(
        "create", [](Store& store) { return ErrorOf(store.PutIfAbsent("s/log/1.w2l", "payload")); }, cases);
}

TEST(AzureStore, AnOverwriteNeverExists)
{
    Judge(
        "overwrite", [](Store& store) { return ErrorOf(store.Overwrite("s/head", "payload")); },
        {{"409", Refused(409, "BlobAlreadyExists"), ErrorKind::kRetryable, "BlobAlreadyExists"},
         {"412", Refused(412, "ConditionNotMet"), ErrorKind::kPermanent, "ConditionNotMet"},
         {"403", Refused(403, "UnauthorizedBlobOverwrite"), ErrorKind::kPermanent, "allow writing (w)"},
         {"policy", Refused(409, "BlobImmutableDueToPolicy"), ErrorKind::kPermanent, "immutability policy"}});
}

TEST(AzureStore, KnowsEveryAnswerToAGet)
{
    auto cases = CommonCases();
    cases.push_back({"404", Refused(404, "BlobNotFound"), ErrorKind::kNotFound, "s/log/1.w2l"});
    cases.push_back({"another range", Answer(206, "abcd", {{"Content-Range", "bytes 0-3/100"}}),
                     ErrorKind::kRetryable, "another range"});
    cases.push_back({"no length",
                     {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n0123456789abcd", true},
                     ErrorKind::kRetryable,
                     "how long"});
    Judge(
        "get", [](Store& store) { return ErrorOf(store.Get("s/log/1.w2l", 10, 4)); }, cases);
}

TEST(AzureStore, KnowsEveryAnswerToAListing)
{
    const auto listing = [](const std::string& names) {
        return Answer(200,
                      "<EnumerationResults><Blobs>" + names + "</Blobs><NextMarker /></EnumerationResults>");
    };
    auto cases = CommonCases();
    cases.push_back({"404", Refused(404, "BlobNotFound"), ErrorKind::kPermanent, "404"});
    cases.push_back(
        {"something else", Answer(200, "<html>Welcome</html>"), ErrorKind::kRetryable, "listing"});
    cases.push_back({"half a listing", Answer(200, "<EnumerationResults><Blobs><Blob><Name>pre fix/s/"),
                     ErrorKind::kRetryable, "listing"});
    cases.push_back(
        {"other names", listing("<Blob><Name>else</Name></Blob>"), ErrorKind::kRetryable, "other names"});
    cases.push_back({"no order",
                     listing("<Blob><Name>pre fix/s/b</Name></Blob><Blob><Name>pre fix/s/a</Name></Blob>"),
                     ErrorKind::kPermanent, "byte order"});
    cases.push_back(
        {"no end",
         Answer(200, "<EnumerationResults><Blobs /><NextMarker>m</NextMarker></EnumerationResults>"),
         ErrorKind::kRetryable, "goes on where it was"});
    Judge(
        "list", [](Store& store) { return ErrorOf(store.List("s/", "s/0", 10)); }, cases);
}

TEST(AzureStore, KnowsEveryAnswerToADelete)
{
    Judge(
        "delete", [](Store& store) { return ErrorOf(store.Delete("s/x")); }, CommonCases());
    for (const auto& fine : {Answer(202), Refused(404, "BlobNotFound")}) {
        Rig rig([&](const SeenRequest&, size_t) { return fine; });
        EXPECT_TRUE(rig.store().Delete("s/x").ok());
        EXPECT_EQ(rig.server.seen().at(0).header("x-ms-delete-snapshots"), "include");
    }
}

TEST(AzureStore, ReadsRanges)
{
    Rig rig([](const SeenRequest&, size_t number) {
        if (number == 0)
            return Answer(206, "abcd", {{"Content-Range", "bytes 10-13/100"}});
        return number == 1 ? Refused(416, "InvalidRange") : Answer(200, "0123456789abcdef");
    });
    EXPECT_EQ(rig.store().Get("a", 10, 4).value(), "abcd");
    EXPECT_EQ(rig.server.seen().back().header("x-ms-range"), "bytes=10-13");
    EXPECT_EQ(rig.store().Get("a", 100, 4).value(), "");
    EXPECT_EQ(rig.store().Get("a", 10, 4).value(), "abcd") << "a server without ranges";
}

TEST(AzureStore, LooksAtABlob)
{
    Rig rig([](const SeenRequest&, size_t number) {
        if (number == 0)
            return Answer(200, "",
                          {{"Content-Length", "1234"}, {"Last-Modified", "Thu, 01 Jan 1970 00:00:10 GMT"}});
        // A refusal of HEAD has a code in its headers alone.
        return Answer(
            number == 1 ? 404 : 403, "",
            {{"x-ms-error-code", number == 1 ? "BlobNotFound" : "AuthorizationPermissionMismatch"}});
    });
    const auto facts = rig.store().Head("a");
    ASSERT_TRUE(facts.ok()) << facts.error().text;
    EXPECT_EQ(facts.value().size, 1234U);
    EXPECT_EQ(facts.value().written_us, 10'000'000);
    EXPECT_EQ(rig.store().Head("a").error().kind, ErrorKind::kNotFound);
    EXPECT_NE(rig.store().Head("a").error().text.find("allow reading (r)"), std::string::npos);
}

std::string Listing(const std::vector<std::string>& names, const std::string& marker)
{
    std::string blobs;
    for (const std::string& name : names)
        blobs += "<Blob><Name>pre fix/" + name +
                 "</Name><Properties><BlobType>BlockBlob</BlobType></Properties></Blob>";
    return "<?xml version=\"1.0\"?><EnumerationResults ServiceEndpoint=\"x\"><Blobs>" + blobs +
           "</Blobs><NextMarker>" + marker + "</NextMarker></EnumerationResults>";
}

TEST(AzureStore, ListsFromAName)
{
    Rig rig([](const SeenRequest&, size_t number) {
        return Answer(200, number == 0 ? Listing({"s/0", "s/1", "s/2"}, "m/1 +")
                                       : Listing({"s/3", "s/4"}, "more"));
    });
    const auto page = rig.store().List("s/", "s/0", 3);
    ASSERT_TRUE(page.ok()) << page.error().text;
    EXPECT_EQ(page.value().names, (std::vector<std::string>{"s/1", "s/2", "s/3"}));
    EXPECT_TRUE(page.value().more);
    EXPECT_EQ(rig.server.seen().at(0).target,
              "/account/lake?comp=list&maxresults=4&prefix=pre%20fix%2Fs%2F&restype=container"
              "&startFrom=pre%20fix%2Fs%2F0");
    EXPECT_EQ(rig.server.seen().at(0).header("x-ms-version"), "2026-02-06");
    EXPECT_EQ(rig.server.seen().at(1).target,
              "/account/lake?comp=list&marker=m%2F1%20%2B&maxresults=4&prefix=pre%20fix%2Fs%2F"
              "&restype=container&startFrom=pre%20fix%2Fs%2F0");
    EXPECT_EQ(rig.server.seen().size(), 2U);
}

TEST(AzureStore, PassesOverFolders)
{
    Rig rig([](const SeenRequest&, size_t) {
        return Answer(200, "<EnumerationResults><Blobs><Blob><Name>pre fix/s</Name><Properties>"
                           "<ResourceType>directory</ResourceType></Properties></Blob>"
                           "<Blob><Name>pre fix/s/1</Name><Properties><ResourceType>file</ResourceType>"
                           "</Properties></Blob></Blobs></EnumerationResults>");
    });
    EXPECT_EQ(rig.store().List("", "", 9).value().names, (std::vector<std::string>{"s/1"}));
}

// Right where the store knows nothing of startFrom, whether it says so or not.
TEST(AzureStore, PassesOverNamesWhereAStoreStartsAtTheFirst)
{
    for (const bool says_so : {false, true}) {
        SCOPED_TRACE(says_so);
        Rig rig([says_so](const SeenRequest& request, size_t) {
            if (says_so && request.header("x-ms-version") != "2021-12-02")
                return Refused(400, "InvalidHeaderValue");
            if (request.target.find("marker=a&") != std::string::npos)
                return Answer(200, Listing({"s/3", "s/4"}, "b"));
            if (request.target.find("marker=b&") != std::string::npos)
                return Answer(200, Listing({"s/5", "s/6"}, ""));
            return Answer(200, Listing({"s/1", "s/2"}, "a"));
        });
        const auto page = rig.store().List("s/", "s/4", 1);
        ASSERT_TRUE(page.ok()) << page.error().text;
        EXPECT_EQ(page.value().names, (std::vector<std::string>{"s/5"}));
        EXPECT_TRUE(page.value().more);
        const auto seen = rig.server.seen();
        ASSERT_EQ(seen.size(), says_so ? 4U : 3U);
        EXPECT_NE(seen.at(0).target.find("maxresults=2&"), std::string::npos);
        EXPECT_NE(seen.back().target.find("maxresults=5000&"), std::string::npos) << "in large steps";
        EXPECT_EQ(seen.back().target.find("startFrom") == std::string::npos, says_so);
        EXPECT_EQ(rig.store().List("s/", "s/6", 1).value().names.size(), 0U);
    }
}

std::string HttpDate(int64_t unix_s)
{
    const time_t seconds = unix_s;
    char text[64];
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", std::gmtime(&seconds));
    return text;
}

TEST(AzureStore, SignsWithTheTimeOfTheStore)
{
    for (const int64_t ahead_s : {1200, -1200}) {
        Rig rig([ahead_s](const SeenRequest& request, size_t) {
            const int64_t now_s = UnixUs() / 1'000'000 + ahead_s;
            const auto signed_s = ParseHttpDate(request.header("x-ms-date"));
            if (signed_s && std::abs(*signed_s - now_s) < 900)
                return Answer(201, "", kDone);
            return Refused(403, "AuthenticationFailed", {{"Date", HttpDate(now_s)}});
        });
        const auto put = rig.store().PutIfAbsent("a", "x");
        ASSERT_TRUE(put.ok()) << put.error().text;
        EXPECT_EQ(rig.server.seen().size(), 2U);
        ASSERT_EQ(rig.warnings.size(), 1U);
        EXPECT_NE(rig.warnings[0].find(ahead_s > 0 ? "s behind" : "s ahead"), std::string::npos);
        ASSERT_TRUE(rig.store().PutIfAbsent("b", "x").ok());
        EXPECT_EQ(rig.server.seen().size(), 3U) << "it is remembered";
    }
}

TEST(AzureStore, AsksForAnotherKeyOnce)
{
    Rig rig([](const SeenRequest&, size_t number) {
        return number == 0 ? Refused(403, "AuthenticationFailed") : Answer(201, "", kDone);
    });
    ASSERT_TRUE(rig.store().PutIfAbsent("a", "payload").ok());
    ASSERT_EQ(rig.server.seen().size(), 2U);
    EXPECT_EQ(rig.server.seen().at(1).body, "payload");
    EXPECT_NE(rig.server.seen().at(0).header("authorization"),
              rig.server.seen().at(1).header("authorization"));
    EXPECT_TRUE(rig.warnings.empty());
}

TEST(AzureStore, RefusesWhatAzureCannotTakeAtOnce)
{
    Rig rig([](const SeenRequest&, size_t) { return Answer(201, "", kDone); });
    // Only its size is looked at.
    const auto put = rig.store().PutIfAbsent("a", std::string_view("", (size_t{5000} << 20) + 1));
    ASSERT_FALSE(put.ok());
    EXPECT_EQ(put.error().kind, ErrorKind::kPermanent);
    EXPECT_NE(put.error().text.find("5000 MiB"), std::string::npos);
    EXPECT_TRUE(rig.server.seen().empty());
}

} // namespace
} // namespace wal2lake
