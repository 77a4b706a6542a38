#include "store/azure_credentials.h"

#include "credentials_world.h"

namespace wal2lake
{
namespace
{

constexpr const char* kSignature = "sv=2021-12-02&se=2026-11-25T22%3A00%3A00Z&sr=c&sp=rcwdl&sig=a%2Bb%3D";

class AzureCredentialsTest : public testing::Test
{
  protected:
    Result<Credentials> Fetched() { return AzureCredentials(world_.Context())->Fetch(); }

    // No error shows what it is about.
    void ExpectRefused(const std::string& because)
    {
        const auto fetched = Fetched();
        ASSERT_FALSE(fetched.ok());
        EXPECT_NE(fetched.error().text.find(because), std::string::npos) << fetched.error().text;
        for (const char* secret : {"c2Vj", "sig=", "topsecret"})
            EXPECT_EQ(fetched.error().text.find(secret), std::string::npos) << fetched.error().text;
    }

    CredentialsWorld world_;
};

TEST_F(AzureCredentialsTest, AreThoseOfTheEnvironment)
{
    ExpectRefused("AZURE_STORAGE_KEY");
    world_.variables["AZURE_STORAGE_KEY"] = "c2VjcmV0"; // "secret"
    EXPECT_EQ(Shown(Fetched()), " secret  -");
    world_.variables["AZURE_STORAGE_SAS_TOKEN"] = kSignature;
    ExpectRefused("leave one out");
    world_.variables["AZURE_STORAGE_KEY"] = "";
    EXPECT_EQ(Shown(Fetched()), "  " + std::string(kSignature) + " 1795644000");
    world_.variables["AZURE_STORAGE_SAS_TOKEN"] = std::string("?") + kSignature;
    EXPECT_EQ(Fetched().value().session_token, kSignature);
    world_.variables["AZURE_STORAGE_SAS_TOKEN"] = "sig=x";
    EXPECT_FALSE(Fetched().value().expires_s) << "some say nothing of their end";
}

TEST_F(AzureCredentialsTest, RefuseWhatTheyCannotBe)
{
    for (const char* key : {"topsecret!", "c2Vj cmV0", "c2VjcmV0=", "===="}) {
        world_.variables["AZURE_STORAGE_KEY"] = key;
        ExpectRefused("not one in base64");
    }
    world_.variables.erase("AZURE_STORAGE_KEY");
    for (const char* signature :
         {"topsecret", "sp=r&sig=a b", "sp=r&sig=a\nb", "sp=r&sig=a#b", "https://x/?sig=a", "sp=r"}) {
        world_.variables["AZURE_STORAGE_SAS_TOKEN"] = signature;
        ExpectRefused("shared access signature");
    }
}

TEST_F(AzureCredentialsTest, AreThoseOfAFileAndOfNothingElse)
{
    world_.variables["AZURE_STORAGE_KEY"] = "c2VjcmV0";
    world_.options.file =
        world_.Write("azure", "[cloud]\nname = AzureCloud\n[storage]\nkey = a2V5\n"
                              "[other]\nsas_token = ?sp=r&sig=x\n[both]\nkey = c2Vj\nsas_token = sig=x\n"
                              "[none]\naccount = x\n");
    EXPECT_EQ(Shown(Fetched()), " key  -");
    world_.options.profile = "other";
    EXPECT_EQ(Shown(Fetched()), "  sp=r&sig=x -");
    world_.options.profile = "both";
    ExpectRefused("leave one out");
    world_.options.profile = "none";
    ExpectRefused("section [none]");
    world_.options.file = world_.Write("open", "[storage]\nkey = c2VjcmV0\n", std::filesystem::perms{0644});
    ExpectRefused("others can read");
    world_.options.file = world_.folder() + "/missing";
    ExpectRefused("missing");
}

TEST_F(AzureCredentialsTest, AreReadAnew)
{
    world_.options.file = world_.Write("azure", "[storage]\nkey = b2xk\n");
    const auto provider = AzureCredentials(world_.Context());
    EXPECT_EQ(provider->Fetch().value().secret_access_key, "old");
    world_.Write("azure", "[storage]\nkey = bmV3\n");
    EXPECT_EQ(provider->Fetch().value().secret_access_key, "new");
}

} // namespace
} // namespace wal2lake
