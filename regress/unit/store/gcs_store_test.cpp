// What is Google's own in the driver for S3: words, address and credentials. All else
// is in s3_store_test.cpp.
#include <cstdlib>

#include <gtest/gtest.h>

#include "scripted_server.h"
#include "store/s3_store.h"

namespace wal2lake
{
namespace
{

class KeyProvider : public CredentialsProvider
{
  public:
    Result<Credentials> Fetch() override { return Credentials{"GOOGKEY", "topsecret", "", std::nullopt}; }
    std::string name() const override { return "a test"; }
};

struct Rig {
    explicit Rig(ScriptedServer::Script script) : server(std::move(script))
    {
        StoreOptions options;
        options.endpoint = "http://" + server.authority();
        settings.address = ParseGcsUrl("gs://bucket/pre fix", options).value();
        settings.http.direct = true;
    }

    S3Store& store()
    {
        if (!store_)
            store_ = std::make_unique<S3Store>(
                settings, std::make_shared<CredentialsCache>(std::make_unique<KeyProvider>()),
                StoreWarning{});
        return *store_;
    }

    ScriptedServer server;
    S3Settings settings;

  private:
    std::unique_ptr<S3Store> store_;
};

ScriptedReply Stored(const SeenRequest& /*request*/, size_t /*number*/)
{
    return Answer(200, "", {{"ETag", "\"0\""}});
}

TEST(GcsStore, CreatesByGeneration)
{
    Rig rig(Stored);
    rig.settings.kms_key_id = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
    ASSERT_TRUE(rig.store().PutIfAbsent("s/log/1.w2l", "payload").ok());
    ASSERT_TRUE(rig.store().Overwrite("s/head", "x").ok());
    const SeenRequest put = rig.server.seen().at(0);
    EXPECT_EQ(put.target, "/bucket/pre%20fix/s/log/1.w2l");
    EXPECT_EQ(put.header("x-goog-if-generation-match"), "0");
    EXPECT_EQ(put.header("content-md5"), "Mhw89IbtUJFk7eweGYH+yA==");
    EXPECT_EQ(put.header("x-goog-content-sha256"),
              "239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5");
    EXPECT_EQ(put.header("x-goog-encryption-kms-key-name"), rig.settings.kms_key_id);
    const std::string authorization = put.header("authorization");
    EXPECT_TRUE(authorization.starts_with("GOOG4-HMAC-SHA256 Credential=GOOGKEY/")) << authorization;
    EXPECT_NE(authorization.find("/auto/storage/goog4_request"), std::string::npos) << authorization;
    EXPECT_NE(authorization.find("x-goog-if-generation-match"), std::string::npos) << authorization;
    // GCS refuses a request in both dialects, and heeds no If-None-Match of a put.
    for (const auto& [name, value] : put.headers) {
        EXPECT_FALSE(name.starts_with("x-amz-")) << name;
        EXPECT_NE(name, "if-none-match");
    }
    EXPECT_EQ(rig.server.seen().at(1).headers.count("x-goog-if-generation-match"), 0U);
}

TEST(GcsStore, SpeaksOfItsOwnPermissions)
{
    const auto said = [](int status, const std::string& code, auto call) {
        Rig rig([&](const SeenRequest&, size_t) { return Refusal(status, code); });
        const auto result = call(rig.store());
        EXPECT_FALSE(result.ok());
        EXPECT_EQ(result.error().kind, ErrorKind::kPermanent);
        std::string text = result.error().text;
        EXPECT_EQ(text.find("topsecret"), std::string::npos);
        EXPECT_NE(text.find("gs://bucket/pre fix/"), std::string::npos) << text;
        return text;
    };
    const auto put = [](S3Store& store) { return store.PutIfAbsent("a", "x"); };
    const auto hint = [](S3Store& store) { return store.Overwrite("a", "x"); };
    EXPECT_NE(
        said(403, "AccessDenied", put).find("allow storage.objects.create there, and storage.objects.list"),
        std::string::npos);
    EXPECT_NE(said(403, "AccessDenied", hint).find("storage.objects.create and storage.objects.delete"),
              std::string::npos);
    EXPECT_NE(said(403, "InvalidSecurity", put).find("renew the credentials"), std::string::npos);
    Rig page([](const SeenRequest&, size_t) { return Answer(404, "<html>nothing</html>"); });
    EXPECT_NE(page.store().Get("a", 0, 1).error().text.find("no answer of Google Cloud Storage"),
              std::string::npos);
}

TEST(GcsStore, KnowsWhenANameIsTaken)
{
    Rig rig([](const SeenRequest&, size_t) { return Refusal(412, "PreconditionFailed"); });
    EXPECT_EQ(rig.store().PutIfAbsent("a", "x").error().kind, ErrorKind::kExists);
}

TEST(GcsStore, TakesFiveTebibytesAtOnce)
{
    Rig rig(Stored);
    // Only its size is looked at.
    const std::string_view huge("", (size_t{5} << 40) + 1);
    const auto put = rig.store().PutIfAbsent("a", huge);
    ASSERT_FALSE(put.ok());
    EXPECT_NE(put.error().text.find("5120 GiB that Google Cloud Storage"), std::string::npos)
        << put.error().text;
    EXPECT_TRUE(rig.server.seen().empty());
}

TEST(GcsAddress, IsOneForTheWholeWorld)
{
    const auto address = ParseGcsUrl("gs://my_bucket.x/a=b/c d/", {});
    ASSERT_TRUE(address.ok()) << address.error().text;
    EXPECT_EQ(address.value().scheme, "https");
    EXPECT_EQ(address.value().authority, "storage.googleapis.com");
    EXPECT_EQ(address.value().region, "auto");
    EXPECT_EQ(address.value().ObjectPath("x"), "/my_bucket.x/a%3Db/c%20d/x");
    EXPECT_EQ(address.value().Describe("x"), "gs://my_bucket.x/a=b/c d/x");
    StoreOptions in_host;
    in_host.path_style = false;
    EXPECT_EQ(ParseGcsUrl("gs://bucket", in_host).value().authority, "bucket.storage.googleapis.com");
    for (const char* url : {"gs://", "gs://Upper", "gs://bucket//x", "s3://bucket"})
        EXPECT_EQ(ParseGcsUrl(url, {}).error().kind, ErrorKind::kInvalid) << url;
}

class GcsEnvironment : public testing::Test
{
  protected:
    GcsEnvironment() { Clear(); }
    ~GcsEnvironment() override { Clear(); }

    static void Clear()
    {
        for (const char* name : {"STORAGE_EMULATOR_HOST", "AWS_ENDPOINT_URL", "AWS_REGION"})
            ::unsetenv(name);
    }
};

TEST_F(GcsEnvironment, KnowsAnEmulatorAndNothingOfAmazon)
{
    ::setenv("AWS_ENDPOINT_URL", "https://s3.example.com", 1);
    EXPECT_EQ(WithGoogleEnvironment({}).endpoint, "");
    ::setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:4443", 1);
    EXPECT_EQ(WithGoogleEnvironment({}).endpoint, "http://127.0.0.1:4443");
    ::setenv("STORAGE_EMULATOR_HOST", "https://emulator", 1);
    EXPECT_EQ(WithGoogleEnvironment({}).endpoint, "https://emulator");
    StoreOptions given;
    given.endpoint = "https://mine";
    EXPECT_EQ(WithGoogleEnvironment(given).endpoint, "https://mine");
}

TEST_F(GcsEnvironment, RefusesWhatIsAmazons)
{
    StoreOptions encrypted;
    encrypted.encryption = "AES256";
    EXPECT_NE(OpenStore("gs://bucket", encrypted).error().text.find("lake.encryption"), std::string::npos);
    StoreOptions profile;
    profile.profile = "x";
    EXPECT_NE(OpenStore("gs://bucket", profile).error().text.find("lake.credentials_file"),
              std::string::npos);
    profile.credentials_file = "/cred";
    EXPECT_TRUE(OpenStore("gs://bucket", profile).ok());
}

} // namespace
} // namespace wal2lake
