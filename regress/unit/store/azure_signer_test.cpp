// Two sources of truth: the text that Microsoft's documentation signs, and requests that
// its own library for Python and our tests' client have signed alike.
#include "store/azure_signer.h"

#include <gtest/gtest.h>

#include "digest.h"
#include "store/sigv4.h"

namespace wal2lake
{
namespace
{

constexpr const char* kKey = "an account key that is 64 bytes long, as those of Azure are....!";
constexpr int64_t kTime = 1795644000; // Wed, 25 Nov 2026 22:00:00 GMT

std::string Header(const HttpRequest& request, std::string_view name)
{
    std::string values;
    for (const auto& [key, value] : request.headers)
        if (key == name)
            values += (values.empty() ? "" : " | ") + value;
    return values;
}

std::string Signed(const char* method, const std::string& path, const std::string& query, HttpHeaders headers,
                   std::string_view body = "")
{
    HttpRequest request;
    request.method = method;
    request.path = path;
    request.query = query;
    request.headers = std::move(headers);
    request.body = body;
    SignSharedKey(&request, "myaccount", kKey, kTime);
    EXPECT_EQ(Header(request, "x-ms-date"), "Wed, 25 Nov 2026 22:00:00 GMT");
    return Header(request, "authorization");
}

// "Authorize with Shared Key", the example of Get Container Metadata.
TEST(AzureSigner, SignsTheDocumentedText)
{
    HttpRequest request;
    request.path = "/mycontainer";
    request.query = "restype=container&comp=metadata&timeout=20";
    request.headers = {{"x-ms-version", "2015-02-21"}};
    SignSharedKey(&request, "myaccount", kKey, 1435361952);
    const std::string text = "GET\n\n\n\n\n\n\n\n\n\n\n\n"
                             "x-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
                             "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20";
    EXPECT_EQ(Header(request, "authorization"), "SharedKey myaccount:" + Base64(HmacSha256(kKey, text)));
}

TEST(AzureSigner, SignsLikeAzuresOwnLibrary)
{
    EXPECT_EQ(Signed("PUT", "/mycontainer/pre%20fix/s/log/1.w2l", "",
                     {{"x-ms-version", "2021-12-02"},
                      {"content-md5", "Mhw89IbtUJFk7eweGYH+yA=="},
                      {"if-none-match", "*"},
                      {"x-ms-blob-type", "BlockBlob"}},
                     "payload"),
              "SharedKey myaccount:TSVuIIcN82ldINiEgLDoZoIBr5ErWQMcg19rLcqiduM=");
    EXPECT_EQ(Signed("PUT", "/mycontainer/empty", "",
                     {{"x-ms-version", "2021-12-02"}, {"x-ms-blob-type", "BlockBlob"}}),
              "SharedKey myaccount:v9xlo48N5fjKgAhwnbEO8kTIPf7GWgQqP4A4rM+Tv0o=");
    EXPECT_EQ(Signed("GET", "/mycontainer",
                     CanonicalQuery({{"restype", "container"},
                                     {"comp", "list"},
                                     {"maxresults", "11"},
                                     {"prefix", "l a/\303\274%+"},
                                     {"startFrom", "l a/\303\274%+0"}}),
                     {{"x-ms-version", "2026-02-06"}}),
              "SharedKey myaccount:GD9LfZp6UpC64PUmpiwbAg1cNhCbdLb91f9pR/ZXmmY=");
    EXPECT_EQ(
        Signed("GET", "/mycontainer/a", "", {{"x-ms-version", "2021-12-02"}, {"x-ms-range", "bytes=10-13"}}),
        "SharedKey myaccount:r2VUvjhw4ep22ISAFoxt4HVYiNMFS8NAWFHzE06eikU=");
}

TEST(AzureSigner, SignsTheSameRequestAgain)
{
    HttpRequest request;
    request.path = "/c/a";
    request.headers = {{"x-ms-version", "2021-12-02"}};
    HttpRequest fresh = request;
    SignSharedKey(&request, "myaccount", "another key", kTime - 86'400);
    SignSharedKey(&request, "myaccount", kKey, kTime);
    SignSharedKey(&fresh, "myaccount", kKey, kTime);
    EXPECT_EQ(request.headers, fresh.headers);
}

TEST(AzureSigner, KnowsBase64)
{
    EXPECT_EQ(Base64(""), "");
    EXPECT_EQ(Base64("a"), "YQ==");
    EXPECT_EQ(Base64("\xff\xfe\xfd"), "//79");
    EXPECT_EQ(FromBase64("YQ=="), "a");
    EXPECT_EQ(FromBase64("YWI="), "ab");
    EXPECT_EQ(FromBase64("//79"), "\xff\xfe\xfd");
    for (const char* none : {"Y", "YQ=", "Y===", "====", "YQ==YQ==", "YQ\n=", " YQ=", "Y-==", "Y=Q="})
        EXPECT_FALSE(FromBase64(none)) << none;
}

} // namespace
} // namespace wal2lake
