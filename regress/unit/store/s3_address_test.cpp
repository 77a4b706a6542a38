#include "store/s3_address.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "store/store.h"

namespace wal2lake
{
namespace
{

StoreOptions InRegion()
{
    StoreOptions options;
    options.region = "eu-central-1";
    return options;
}

TEST(S3Address, NamesTheBucketInTheHost)
{
    const auto address = ParseS3Url("s3://my-bucket/a=b/c d/", InRegion());
    ASSERT_TRUE(address.ok()) << address.error().text;
    EXPECT_EQ(address.value().scheme, "https");
    EXPECT_EQ(address.value().authority, "my-bucket.s3.eu-central-1.amazonaws.com");
    EXPECT_EQ(address.value().BucketPath(), "/");
    EXPECT_EQ(address.value().ObjectPath("s/log/1.w2l"), "/a%3Db/c%20d/s/log/1.w2l");
    EXPECT_EQ(address.value().Describe("x"), "s3://my-bucket/a=b/c d/x");
    EXPECT_FALSE(address.value().InClear());
    StoreOptions china;
    china.region = "cn-north-1";
    EXPECT_EQ(ParseS3Url("s3://my-bucket", china).value().authority,
              "my-bucket.s3.cn-north-1.amazonaws.com.cn");
}

TEST(S3Address, OrInThePath)
{
    // A certificate does not cover a name with more dots.
    const auto dots = ParseS3Url("s3://my.bucket/p", InRegion());
    ASSERT_TRUE(dots.ok());
    EXPECT_EQ(dots.value().authority, "s3.eu-central-1.amazonaws.com");
    EXPECT_EQ(dots.value().BucketPath(), "/my.bucket");
    EXPECT_EQ(dots.value().ObjectPath("x"), "/my.bucket/p/x");
    StoreOptions options;
    options.endpoint = "http://127.0.0.1:9000/";
    const auto own = ParseS3Url("s3://bucket", options);
    ASSERT_TRUE(own.ok()) << own.error().text;
    EXPECT_EQ(own.value().scheme, "http");
    EXPECT_EQ(own.value().authority, "127.0.0.1:9000");
    EXPECT_EQ(own.value().region, "us-east-1");
    EXPECT_EQ(own.value().ObjectPath("x"), "/bucket/x");
    options.path_style = false;
    EXPECT_EQ(ParseS3Url("s3://bucket", options).value().authority, "bucket.127.0.0.1:9000");
    StoreOptions path = InRegion();
    path.path_style = true;
    EXPECT_EQ(ParseS3Url("s3://bucket", path).value().authority, "s3.eu-central-1.amazonaws.com");
}

TEST(S3Address, LeavesOutTheOwnPortOfAScheme)
{
    StoreOptions options;
    for (const auto& [endpoint, authority] : {std::pair{"https://s3.example.com:443", "s3.example.com"},
                                              {"http://s3.example.com:80", "s3.example.com"},
                                              {"https://s3.example.com:80", "s3.example.com:80"},
                                              {"https://[::1]:9000", "[::1]:9000"}}) {
        options.endpoint = endpoint;
        EXPECT_EQ(ParseS3Url("s3://bucket", options).value().authority, authority);
    }
}

TEST(S3Address, KnowsWhatCanBeReadOnTheWay)
{
    StoreOptions options;
    for (const auto& [endpoint, in_clear] : {std::pair{"http://127.0.0.1:9000", false},
                                             {"http://localhost", false},
                                             {"http://[::1]:9000", false},
                                             {"https://s3.example.com", false},
                                             {"http://s3.example.com", true},
                                             {"http://10.0.0.1:9000", true},
                                             {"http://localhost.example.com", true}}) {
        options.endpoint = endpoint;
        EXPECT_EQ(ParseS3Url("s3://bucket", options).value().InClear(), in_clear) << endpoint;
    }
}

TEST(S3Address, RefusesWhatMakesNoSense)
{
    for (const char* url : {"s3://", "s3:///x", "s3://ab", "s3://Upper/x", "s3://-a-b", "s3://a..b",
                            "s3://b@d/x", "s3://bucket//x", "s3://bucket/a/../b", "s3://bucket/./a",
                            "s3://bucket/a\nb", "s3://data--use1-az4--x-s3"}) {
        const auto address = ParseS3Url(url, InRegion());
        ASSERT_FALSE(address.ok()) << url;
        EXPECT_EQ(address.error().kind, ErrorKind::kInvalid);
    }
    const auto no_region = ParseS3Url("s3://bucket", {});
    ASSERT_FALSE(no_region.ok());
    EXPECT_NE(no_region.error().text.find("lake.region"), std::string::npos);
    for (const char* endpoint : {"s3.example.com", "ftp://x", "https://", "https://host/path",
                                 "https://user:pw@host", "https://host?x", "https://ho st"}) {
        StoreOptions options;
        options.endpoint = endpoint;
        const auto address = ParseS3Url("s3://bucket", options);
        ASSERT_FALSE(address.ok()) << endpoint;
        EXPECT_NE(address.error().text.find("lake.endpoint"), std::string::npos);
        EXPECT_EQ(address.error().text.find("pw"), std::string::npos) << "it may hold a password";
    }
}

class AwsEnvironment : public testing::Test
{
  protected:
    AwsEnvironment() { Clear(); }
    ~AwsEnvironment() override { Clear(); }

    static void Clear()
    {
        for (const char* name :
             {"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"})
            ::unsetenv(name);
    }
};

TEST_F(AwsEnvironment, FillsWhatTheConfigurationLeavesOpen)
{
    ::setenv("AWS_DEFAULT_REGION", "r-default", 1);
    ::setenv("AWS_ENDPOINT_URL", "https://general", 1);
    ::setenv("AWS_CA_BUNDLE", "/ca.pem", 1);
    StoreOptions filled = WithAwsEnvironment({});
    EXPECT_EQ(filled.region, "r-default");
    EXPECT_EQ(filled.endpoint, "https://general");
    EXPECT_EQ(filled.ca_file, "/ca.pem");
    ::setenv("AWS_REGION", "r", 1);
    ::setenv("AWS_ENDPOINT_URL_S3", "https://of-s3", 1);
    filled = WithAwsEnvironment({});
    EXPECT_EQ(filled.region, "r");
    EXPECT_EQ(filled.endpoint, "https://of-s3");
    StoreOptions given;
    given.region = "mine";
    EXPECT_EQ(WithAwsEnvironment(given).region, "mine");
}

TEST_F(AwsEnvironment, OpensAStoreOfAUrlAlone)
{
    EXPECT_EQ(OpenStore("s3://bucket").error().kind, ErrorKind::kInvalid) << "no region";
    ::setenv("AWS_REGION", "eu-central-1", 1);
    std::vector<std::string> warnings;
    const auto warn = [&](const std::string& text) { warnings.push_back(text); };
    EXPECT_TRUE(OpenStore("s3://bucket/p", {}, warn).ok());
    EXPECT_TRUE(warnings.empty());
    ::setenv("AWS_ENDPOINT_URL", "http://s3.example.com", 1);
    EXPECT_TRUE(OpenStore("s3://bucket/p", {}, warn).ok());
    ASSERT_EQ(warnings.size(), 1U);
    EXPECT_NE(warnings[0].find("https"), std::string::npos);
}

} // namespace
} // namespace wal2lake
