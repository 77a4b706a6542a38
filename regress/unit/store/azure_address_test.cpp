#include "store/azure_address.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "store/store.h"

namespace wal2lake
{
namespace
{

TEST(AzureAddress, IsBelowTheAccount)
{
    const auto address = ParseAzureUrl("az://my-container/a=b/c d/", {}, {"myaccount", ""});
    ASSERT_TRUE(address.ok()) << address.error().text;
    EXPECT_EQ(address.value().scheme, "https");
    EXPECT_EQ(address.value().authority, "myaccount.blob.core.windows.net");
    EXPECT_EQ(address.value().ContainerPath(), "/my-container");
    EXPECT_EQ(address.value().ObjectPath("s/1.w2l"), "/my-container/a%3Db/c%20d/s/1.w2l");
    EXPECT_EQ(address.value().Describe("x"), "az://my-container/a=b/c d/x");
}

TEST(AzureAddress, FindsTheAccountInTheEndpoint)
{
    struct Case {
        const char* endpoint;
        const char* account;
        const char* authority;
        const char* container_path;
    };
    for (const Case& one :
         {Case{"https://mine.blob.core.windows.net/", "mine", "mine.blob.core.windows.net", "/lake"},
          {"https://mine.blob.core.chinacloudapi.cn", "mine", "mine.blob.core.chinacloudapi.cn", "/lake"},
          {"http://127.0.0.1:10000/devstoreaccount1", "devstoreaccount1", "127.0.0.1:10000",
           "/devstoreaccount1/lake"},
          {"https://blobs.example.com", "theirs", "blobs.example.com", "/lake"}}) {
        StoreOptions options;
        options.endpoint = one.endpoint;
        const auto address = ParseAzureUrl("az://lake", options, {"theirs", "https://not.asked"});
        ASSERT_TRUE(address.ok()) << address.error().text;
        EXPECT_EQ(address.value().account, one.account);
        EXPECT_EQ(address.value().authority, one.authority);
        EXPECT_EQ(address.value().ContainerPath(), one.container_path);
    }
    EXPECT_EQ(ParseAzureUrl("az://lake", {}, {"", "http://127.0.0.1:10000/acc"}).value().ContainerPath(),
              "/acc/lake");
}

TEST(AzureAddress, RefusesWhatMakesNoSense)
{
    for (const char* url :
         {"az://", "az:///x", "az://ab", "az://Upper/x", "az://a--b", "az://-ab", "az://a_b", "az://a.b",
          "az://lake//x", "az://lake/../x", "az://lake/a\nb", "s3://lake"})
        EXPECT_EQ(ParseAzureUrl(url, {}, {"account", ""}).error().kind, ErrorKind::kInvalid) << url;
    const auto no_account = ParseAzureUrl("az://lake", {}, {});
    ASSERT_FALSE(no_account.ok());
    EXPECT_NE(no_account.error().text.find("AZURE_STORAGE_ACCOUNT"), std::string::npos);
    EXPECT_FALSE(ParseAzureUrl("az://lake", {}, {"evil.example.com/", ""}).ok());
    for (const char* endpoint :
         {"mine.blob.core.windows.net", "https://u:pw@host", "https://h/a/b", "https://h/a?sig=pw"}) {
        StoreOptions options;
        options.endpoint = endpoint;
        const auto address = ParseAzureUrl("az://lake", options, {"account", ""});
        ASSERT_FALSE(address.ok()) << endpoint;
        EXPECT_EQ(address.error().text.find("pw"), std::string::npos) << "it may hold a secret";
    }
}

TEST(AzureAddress, OpensAStoreOfAUrl)
{
    ::setenv("AZURE_STORAGE_ACCOUNT", "myaccount", 1);
    ::unsetenv("AZURE_STORAGE_SERVICE_ENDPOINT");
    EXPECT_TRUE(OpenStore("az://lake/p").ok());
    StoreOptions options;
    options.kms_key_id = "k";
    EXPECT_NE(OpenStore("az://lake", options).error().text.find("encryption scope"), std::string::npos);
    options = {};
    options.profile = "x";
    EXPECT_NE(OpenStore("az://lake", options).error().text.find("lake.credentials_file"), std::string::npos);
    options = {};
    options.endpoint = "http://mine.blob.example.com";
    std::vector<std::string> warnings;
    EXPECT_TRUE(
        OpenStore("az://lake", options, [&](const std::string& text) { warnings.push_back(text); }).ok());
    ASSERT_EQ(warnings.size(), 1U);
    EXPECT_NE(warnings[0].find("https"), std::string::npos);
    ::unsetenv("AZURE_STORAGE_ACCOUNT");
}

} // namespace
} // namespace wal2lake
