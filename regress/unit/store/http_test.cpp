#include "store/http.h"

#include <gtest/gtest.h>

#include "clock.h"
#include "scripted_server.h"

namespace wal2lake
{
namespace
{

HttpRequest To(const ScriptedServer& server, const char* method, std::string_view body = {})
{
    HttpRequest request;
    request.method = method;
    request.scheme = "http";
    request.authority = server.authority();
    request.path = "/b/a%3Db/../c";
    request.query = "x=&y=%2F";
    request.body = body;
    return request;
}

HttpOptions Direct()
{
    HttpOptions options;
    options.direct = true;
    return options;
}

TEST(Http, SendsWhatIsAskedAndNothingElse)
{
    ScriptedServer server([](const SeenRequest&, size_t) {
        return Answer(200, "hello", {{"ETag", "\"e\" "}, {"X-Empty", ""}});
    });
    HttpClient client(Direct());
    HttpRequest request = To(server, "PUT", "body");
    request.headers = {{"if-none-match", "*"}, {"x-empty", ""}};
    const auto response = client.Exchange(request);
    ASSERT_TRUE(response.ok()) << response.error().text;
    EXPECT_EQ(response.value().status, 200);
    EXPECT_EQ(response.value().body, "hello");
    EXPECT_EQ(response.value().header("etag"), "\"e\"");
    EXPECT_EQ(response.value().header("x-empty"), "");
    EXPECT_EQ(response.value().header("none"), "");
    const SeenRequest seen = server.seen().at(0);
    EXPECT_EQ(seen.method, "PUT");
    EXPECT_EQ(seen.target, "/b/a%3Db/../c?x=&y=%2F");
    EXPECT_EQ(seen.body, "body");
    EXPECT_EQ(seen.header("host"), server.authority());
    std::vector<std::string> names;
    for (const auto& [name, value] : seen.headers)
        names.push_back(name);
    EXPECT_EQ(names, (std::vector<std::string>{"accept", "content-length", "host", "if-none-match",
                                               "user-agent", "x-empty"}));
}

TEST(Http, EveryMethodSaysHowMuchItSends)
{
    ScriptedServer server([](const SeenRequest& request, size_t) {
        return request.method == "HEAD" ? Answer(200, "", {{"Content-Length", "77"}}) : Answer(200, "x");
    });
    HttpClient client(Direct());
    for (const char* method : {"GET", "HEAD", "DELETE", "PUT", "POST"}) {
        const auto response = client.Exchange(To(server, method));
        ASSERT_TRUE(response.ok()) << method << response.error().text;
        EXPECT_EQ(server.seen().back().method, method);
        const bool sends = std::string(method).starts_with('P');
        EXPECT_EQ(server.seen().back().header("content-length"), sends ? "0" : "") << method;
        EXPECT_EQ(response.value().header("content-length"), std::string(method) == "HEAD" ? "77" : "1");
    }
    EXPECT_EQ(server.seen().back().connection, 0U) << "connections are kept";
}

TEST(Http, SendsAndReadsEveryByte)
{
    std::string bytes;
    for (int i = 0; i < 3'000'000; i++)
        bytes += static_cast<char>(i * 7);
    ScriptedServer server([](const SeenRequest& request, size_t) { return Answer(200, request.body); });
    HttpClient client(Direct());
    for (const char* method : {"PUT", "POST"}) {
        const auto response = client.Exchange(To(server, method, bytes));
        ASSERT_TRUE(response.ok()) << response.error().text;
        EXPECT_TRUE(response.value().body == bytes);
        EXPECT_EQ(server.seen().back().header("expect"), "");
        EXPECT_EQ(server.seen().back().header("transfer-encoding"), "");
    }
}

TEST(Http, FollowsNoRedirect)
{
    ScriptedServer server([](const SeenRequest&, size_t) {
        return Answer(307, "", {{"Location", "http://127.0.0.1:1/elsewhere"}});
    });
    HttpClient client(Direct());
    const auto response = client.Exchange(To(server, "GET"));
    ASSERT_TRUE(response.ok()) << response.error().text;
    EXPECT_EQ(response.value().status, 307);
    EXPECT_EQ(server.seen().size(), 1U);
}

TEST(Http, TakesAnAnswerThatFollowsContinue)
{
    ScriptedServer server([](const SeenRequest&, size_t) {
        ScriptedReply reply = Answer(200, "ok", {{"Second", "yes"}});
        reply.bytes = "HTTP/1.1 100 Continue\r\nFirst: yes\r\n\r\n" + reply.bytes;
        return reply;
    });
    HttpClient client(Direct());
    const auto response = client.Exchange(To(server, "PUT", "x"));
    ASSERT_TRUE(response.ok()) << response.error().text;
    EXPECT_EQ(response.value().status, 200);
    EXPECT_EQ(response.value().header("first"), "");
    EXPECT_EQ(response.value().header("second"), "yes");
}

// What comes back where no whole answer does, and whether a new connection is used
// afterwards.
TEST(Http, NoWholeAnswerIsRetryableAndDropsTheConnection)
{
    const std::pair<const char*, ScriptedReply> cases[] = {
        {"closed", {"", true}},
        {"half a header", {"HTTP/1.1 200 OK\r\nContent-Le", true}},
        {"half a body", {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", true}},
        {"half a chunk", {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123", true}},
        {"a chunk and no end", {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n", true}},
        {"no HTTP", {"220 mail.example.com ESMTP\r\n", true}},
    };
    for (const auto& [name, reply] : cases) {
        ScriptedServer server([&, broken = reply](const SeenRequest& request, size_t) {
            return request.method == "PUT" ? broken : Answer(200, "fine");
        });
        HttpClient client(Direct());
        ASSERT_TRUE(client.Exchange(To(server, "GET")).ok());
        const auto broken = client.Exchange(To(server, "PUT", "secret body"));
        ASSERT_FALSE(broken.ok()) << name;
        EXPECT_EQ(broken.error().kind, ErrorKind::kRetryable) << name << ": " << broken.error().text;
        EXPECT_NE(broken.error().text.find("http://" + server.authority()), std::string::npos);
        EXPECT_EQ(broken.error().text.find("secret"), std::string::npos);
        EXPECT_EQ(broken.error().text.find("%3D"), std::string::npos) << broken.error().text;
        const auto after = client.Exchange(To(server, "GET"));
        ASSERT_TRUE(after.ok()) << name << ": " << after.error().text;
        EXPECT_GT(server.seen().back().connection, server.seen().front().connection) << name;
    }
}

TEST(Http, ASlowAnswerIsGivenUp)
{
    ScriptedServer server([](const SeenRequest&, size_t) {
        ScriptedReply reply = Answer(200, std::string(4000, 'x'));
        reply.pause_ms = 50;
        return reply;
    });
    HttpOptions options = Direct();
    options.base_timeout_ms = 300;
    const int64_t began_ms = NowMs();
    const auto response = HttpClient(options).Exchange(To(server, "GET"));
    ASSERT_FALSE(response.ok());
    EXPECT_EQ(response.error().kind, ErrorKind::kRetryable);
    EXPECT_NE(response.error().text.find("within"), std::string::npos) << response.error().text;
    EXPECT_LT(NowMs() - began_ms, 3000);

    options.base_timeout_ms = 60'000;
    options.stall_timeout_s = 1;
    const auto stalled = HttpClient(options).Exchange(To(server, "GET"));
    ASSERT_FALSE(stalled.ok());
    EXPECT_EQ(stalled.error().kind, ErrorKind::kRetryable) << stalled.error().text;
    EXPECT_LT(NowMs() - began_ms, 8000);
}

TEST(Http, ALargeBodyMayTakeLonger)
{
    ScriptedServer server([](const SeenRequest&, size_t) {
        ScriptedReply reply = Answer(200, "done");
        reply.pause_ms = 200;
        return reply;
    });
    HttpOptions options = Direct();
    options.base_timeout_ms = 100;
    // One MiB at 256 KiB/s are four seconds more.
    const auto response = HttpClient(options).Exchange(To(server, "PUT", std::string(1 << 20, 'x')));
    EXPECT_TRUE(response.ok()) << response.error().text;
}

TEST(Http, ABodyThatIsTooLargeIsRefused)
{
    ScriptedServer server([](const SeenRequest&, size_t) { return Answer(200, std::string(2000, 'x')); });
    HttpOptions options = Direct();
    options.max_response = 1000;
    const auto response = HttpClient(options).Exchange(To(server, "GET"));
    ASSERT_FALSE(response.ok());
    EXPECT_EQ(response.error().kind, ErrorKind::kPermanent);
    EXPECT_NE(response.error().text.find("larger than 1000"), std::string::npos) << response.error().text;
}

TEST(Http, WhatCannotWorkIsPermanent)
{
    HttpRequest request;
    request.scheme = "http";
    request.authority = "127.0.0.1:1";
    EXPECT_EQ(HttpClient(Direct()).Exchange(request).error().kind, ErrorKind::kRetryable) << "nobody listens";
    request.headers = {{"x", "a\r\nInjected: yes"}};
    EXPECT_EQ(HttpClient(Direct()).Exchange(request).error().kind, ErrorKind::kPermanent);
    request.headers.clear();
    request.scheme = "file";
    EXPECT_EQ(HttpClient(Direct()).Exchange(request).error().kind, ErrorKind::kPermanent);
    request.scheme = "https";
    HttpOptions options = Direct();
    options.ca_file = "/nonexistent/ca.pem";
    ScriptedServer server([](const SeenRequest&, size_t) { return Answer(200); });
    request.authority = server.authority();
    const auto no_ca = HttpClient(options).Exchange(request);
    ASSERT_FALSE(no_ca.ok());
    EXPECT_EQ(no_ca.error().kind, ErrorKind::kPermanent) << no_ca.error().text;
    EXPECT_NE(no_ca.error().text.find("lake.ca_file"), std::string::npos) << no_ca.error().text;
}

TEST(Http, GoesThroughAProxyAndKeepsItsPasswordToItself)
{
    ScriptedServer proxy([](const SeenRequest&, size_t) { return Answer(200, "by proxy"); });
    HttpOptions options;
    options.proxy = "http://user:topsecret@" + proxy.authority();
    HttpRequest request;
    request.scheme = "http";
    request.authority = "bucket.example.com";
    const auto response = HttpClient(options).Exchange(request);
    ASSERT_TRUE(response.ok()) << response.error().text;
    EXPECT_EQ(response.value().body, "by proxy");
    EXPECT_EQ(proxy.seen().at(0).target, "http://bucket.example.com/");
    for (const char* broken : {"nonsense://user:topsecret@127.0.0.1:1", "http://user:topsecret@127.0.0.1:1",
                               "http://user:topsecret@[", "http://user:topsecret@nowhere.invalid"}) {
        options.proxy = broken;
        const auto failed = HttpClient(options).Exchange(request);
        ASSERT_FALSE(failed.ok()) << broken;
        EXPECT_EQ(failed.error().text.find("topsecret"), std::string::npos) << failed.error().text;
    }
}

TEST(Http, ReadsDates)
{
    EXPECT_EQ(ParseHttpDate("Thu, 01 Jan 1970 00:00:10 GMT"), 10);
    EXPECT_EQ(ParseHttpDate("Wed, 25 Nov 2026 21:22:00 GMT"), 1795641720);
    EXPECT_EQ(ParseHttpDate(""), std::nullopt);
    EXPECT_EQ(ParseHttpDate("soon"), std::nullopt);
}

} // namespace
} // namespace wal2lake
