// Every secret is marked, every provider is made to fail in every way, and no text
// that comes out has a mark in it. Servers answer with the secrets where they do
// not belong, as those that echo a request do.
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "credentials_world.h"
#include "store/credentials_providers.h"

namespace wal2lake
{
namespace
{

constexpr const char* kMark = "Canary7";

using Make = std::unique_ptr<CredentialsProvider> (*)(const CredentialsContext&);

class CredentialsSecrecy : public testing::Test
{
  protected:
    // The texts of a fetch that must fail.
    void Fail(Make make)
    {
        const auto provider = make(world_.Context());
        const auto result = provider->Fetch();
        ASSERT_FALSE(result.ok());
        for (const std::string& text : {result.error().text, provider->name()}) {
            EXPECT_EQ(text.find(kMark), std::string::npos) << text;
            texts_.insert(text);
        }
        world_.script.clear();
    }

    CredentialsWorld world_;
    std::set<std::string> texts_;
};

const char* const kBodies[] = {
    "",
    "Canary7",
    "Canary7 with blanks",
    "Canary7\r\nCanary7",
    "{\"AccessKeyId\": \"Canary7\"}",
    "{\"AccessKeyId\": \"Canary7\", \"SecretAccessKey\": \"Canary7\\n\"}",
    "{\"AccessKeyId\": \"Canary7\\n\", \"SecretAccessKey\": \"Canary7\"}",
    "{\"AccessKeyId\": \"Canary7\", \"SecretAccessKey\": \"Canary7\", \"Token\": \"Canary7\\u0001\"}",
    "{\"AccessKeyId\": \"Canary7\", \"SecretAccessKey\": \"Canary7\", \"Expiration\": \"Canary7\"}",
    "{\"Code\": \"Canary7\", \"Message\": \"Canary7\"}",
    "{\"Canary7\": \"Canary7\", Canary7",
    "<Canary7>Canary7",
    "<Canary7>Canary7</Canary7>",
    "<ErrorResponse><Error><Code>Canary7</Code><Message>Canary7</Message></Error></ErrorResponse>",
    R"(<R><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>Canary7</AccessKeyId>
<SecretAccessKey>Canary7</SecretAccessKey><SessionToken>Canary7</SessionToken>
<Expiration>Canary7</Expiration></Credentials></AssumeRoleWithWebIdentityResult></R>)",
    R"(<R><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>Canary7</AccessKeyId>
<SecretAccessKey>Canary7 Canary7</SecretAccessKey><SessionToken>Canary7</SessionToken>
<Expiration>2026-08-13T10:11:12Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></R>)",
};
const int kStatuses[] = {200, 301, 400, 401, 403, 404, 429, 500, 503};

TEST_F(CredentialsSecrecy, OfTheEnvironment)
{
    for (const char* id : {"", "Canary7", "Canary7\n"})
        for (const char* secret : {"", "Canary7 ", "Canary7\x7f"})
            for (const char* token : {"", "Canary7"}) {
                world_.variables = {{"AWS_ACCESS_KEY_ID", id},
                                    {"AWS_SECRET_ACCESS_KEY", secret},
                                    {"AWS_SESSION_TOKEN", token}};
                Fail(EnvironmentCredentials);
            }
    EXPECT_GE(texts_.size(), 5U);
}

TEST_F(CredentialsSecrecy, OfFiles)
{
    for (const char* text : {
             "",
             "Canary7",
             "[Canary7",
             "[default]\nCanary7",
             "[default]\n=Canary7\n",
             "[default]\naws_access_key_id = Canary7\n",
             "[default]\naws_secret_access_key = Canary7\n",
             "[default]\naws_access_key_id = Canary7\naws_secret_access_key = Canary7 Canary7\n",
             "[default]\naws_access_key_id = SEC RET\naws_secret_access_key = Canary7\n",
             "[default]\naws_access_key_id=A\naws_secret_access_key=X\naws_session_token=Canary7\x01\n",
             "[default]\ncredential_process = helper --password Canary7\n",
             "[default]\nrole_arn = Canary7\nsource_profile = Canary7\n",
             "[default]\nrole_arn = Canary7\nweb_identity_token_file = /none\n",
         }) {
        const std::string path = world_.Write(".aws/credentials", text);
        Fail(ProfileCredentials);
        world_.options.file = path;
        Fail(FileCredentials);
        world_.options.file.clear();
    }
    world_.Write(".aws/credentials",
                 "[default]\naws_access_key_id = Canary7\naws_secret_access_key = Canary7\n",
                 std::filesystem::perms{0644});
    world_.options.file = world_.folder() + "/.aws/credentials";
    Fail(FileCredentials);
    EXPECT_GE(texts_.size(), 12U);
}

TEST_F(CredentialsSecrecy, OfWebIdentities)
{
    world_.variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = world_.Write("token", "Canary7");
    Fail(WebIdentityCredentials);
    world_.variables["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/r";
    world_.AnswerNothing();
    Fail(WebIdentityCredentials);
    for (const int status : kStatuses)
        for (const char* body : kBodies) {
            world_.Answer(status, body);
            Fail(WebIdentityCredentials);
            EXPECT_NE(world_.asked.back().body.find(kMark), std::string::npos);
        }
    world_.variables["AWS_ENDPOINT_URL_STS"] = "https://user:Canary7@sts.example/";
    Fail(WebIdentityCredentials);
    EXPECT_GE(texts_.size(), 12U);
}

TEST_F(CredentialsSecrecy, OfContainers)
{
    for (const char* url : {"http://user:Canary7@127.0.0.1/", "http://evil/?Canary7", "Canary7"}) {
        world_.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url;
        Fail(ContainerCredentials);
    }
    world_.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://127.0.0.1/Canary7?Canary7=Canary7";
    world_.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Basic Canary7\n";
    Fail(ContainerCredentials);
    world_.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = world_.Write("token", "Bearer Canary7\x01");
    Fail(ContainerCredentials);
    world_.Write("token", "Bearer Canary7");
    world_.AnswerNothing();
    Fail(ContainerCredentials);
    for (const int status : kStatuses)
        for (const char* body : kBodies) {
            world_.Answer(status, body);
            Fail(ContainerCredentials);
            EXPECT_NE(world_.asked.back().Header("authorization").find(kMark), std::string::npos);
        }
    EXPECT_GE(texts_.size(), 12U);
}

TEST_F(CredentialsSecrecy, OfInstances)
{
    world_.AnswerNothing();
    Fail(InstanceCredentials);
    for (const int status : kStatuses)
        for (const char* body : kBodies)
            for (int good = 0; good < 3; good++) {
                // The token is taken as it is, and so is the name of the role.
                for (int i = 0; i < good; i++)
                    world_.Answer(200, "Canary7");
                world_.Answer(status, body);
                Fail(InstanceCredentials);
            }
    world_.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://user:Canary7@127.0.0.1/";
    Fail(InstanceCredentials);
    EXPECT_GE(texts_.size(), 12U);
}

TEST_F(CredentialsSecrecy, OfTheWholeChain)
{
    world_.variables["AWS_SECRET_ACCESS_KEY"] = "Canary7";
    Fail(DefaultCredentials);
    world_.variables.clear();
    world_.variables["HOME"] = world_.folder();
    world_.Answer(404, "Canary7");
    Fail(DefaultCredentials);
}

} // namespace
} // namespace wal2lake
