// Environment, files, and the order of all providers.
#include "store/credentials_providers.h"

#include <sys/stat.h>
#include <unistd.h>

#include "credentials_world.h"

namespace wal2lake
{
namespace
{

class CredentialsFiles : public testing::Test
{
  protected:
    Result<Credentials> FromProfile() { return ProfileCredentials(world_.Context())->Fetch(); }
    Result<Credentials> FromFile(const std::string& path)
    {
        world_.options.file = path;
        return FileCredentials(world_.Context())->Fetch();
    }
    Result<Credentials> FromEnvironment() { return EnvironmentCredentials(world_.Context())->Fetch(); }

    CredentialsWorld world_;
};

constexpr const char* kKeys = "[default]\naws_access_key_id = AK\naws_secret_access_key = SK\n";

TEST_F(CredentialsFiles, EnvironmentGivesAPair)
{
    EXPECT_EQ(KindOf(FromEnvironment()), ErrorKind::kNotFound);
    world_.variables["AWS_ACCESS_KEY_ID"] = "AK";
    EXPECT_EQ(KindOf(FromEnvironment()), ErrorKind::kInvalid);
    world_.variables["AWS_SECRET_ACCESS_KEY"] = "S/K+";
    EXPECT_EQ(Shown(FromEnvironment()), "AK S/K+  -");
    world_.variables["AWS_SESSION_TOKEN"] = "T==";
    EXPECT_EQ(Shown(FromEnvironment()), "AK S/K+ T== -");
    world_.variables["AWS_SECRET_ACCESS_KEY"] = "S/K+\n";
    EXPECT_EQ(KindOf(FromEnvironment()), ErrorKind::kInvalid);
    world_.variables["AWS_ACCESS_KEY_ID"] = "";
    EXPECT_EQ(Shown(FromEnvironment()), "AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not");
}

TEST_F(CredentialsFiles, ConfiguredFileIsReadAnew)
{
    const std::string path = world_.Write("keys", kKeys);
    EXPECT_EQ(Shown(FromFile(path)), "AK SK  -");
    const auto provider = FileCredentials(world_.Context());
    EXPECT_TRUE(provider->Fetch().ok());
    world_.Write("keys", "[default]\naws_access_key_id=AK2\naws_secret_access_key=SK2\naws_session_token=T2\n"
                         "[other]\naws_access_key_id=AK3\naws_secret_access_key=SK3\n");
    EXPECT_EQ(Shown(provider->Fetch()), "AK2 SK2 T2 -");
    world_.options.profile = "other";
    EXPECT_EQ(Shown(FromFile(path)), "AK3 SK3  -");
    world_.options.profile = "none";
    EXPECT_EQ(KindOf(FromFile(path)), ErrorKind::kInvalid);
}

TEST_F(CredentialsFiles, ConfiguredFileIsForItsOwnerAlone)
{
    using std::filesystem::perms;
    const bool root = ::geteuid() == 0;
    for (const unsigned mode : {0400U, 0600U, 0700U})
        EXPECT_TRUE(FromFile(world_.Write("keys", kKeys, perms{mode})).ok()) << std::oct << mode;
    for (const unsigned mode : {0440U, 0640U})
        EXPECT_EQ(FromFile(world_.Write("keys", kKeys, perms{mode})).ok(), root) << std::oct << mode;
    for (const unsigned mode : {0444U, 0604U, 0644U, 0660U, 0602U, 0610U, 0666U})
        EXPECT_EQ(KindOf(FromFile(world_.Write("keys", kKeys, perms{mode}))), ErrorKind::kInvalid)
            << std::oct << mode;
    if (root) {
        const std::string path = world_.Write("keys", kKeys);
        ASSERT_EQ(::chown(path.c_str(), 12'345, 0), 0);
        EXPECT_EQ(KindOf(FromFile(path)), ErrorKind::kInvalid);
    }
}

TEST_F(CredentialsFiles, ConfiguredFileMustBeThere)
{
    EXPECT_EQ(KindOf(FromFile(world_.folder() + "/none")), ErrorKind::kPermanent);
    EXPECT_EQ(KindOf(FromFile(world_.folder())), ErrorKind::kPermanent);
    const std::string pipe = world_.folder() + "/pipe";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    EXPECT_FALSE(FromFile(pipe).ok());
    EXPECT_EQ(KindOf(FromFile(world_.Write("large", std::string(70'000, '#')))), ErrorKind::kInvalid);
}

TEST_F(CredentialsFiles, ReadsTheFormatOfAws)
{
    world_.Write(".aws/credentials",
                 "\xef\xbb\xbf# comment\r\n; comment\r\n\r\n[other]\r\naws_access_key_id=X\r\n"
                 "  [ default ]  \r\n"
                 "AWS_Access_Key_ID\t=  AK  # note\r\n"
                 "s3 =\r\n  aws_secret_access_key = nested\r\n"
                 "aws_secret_access_key=S#K;=/+\r\naws_session_token = T ; note\r\n");
    EXPECT_EQ(Shown(FromProfile()), "AK S#K;=/+ T -");
}

TEST_F(CredentialsFiles, TellsWhichLineIsBroken)
{
    for (const char* line : {"SECRET", "[SECRET", "=SECRET"}) {
        world_.Write(".aws/credentials", std::string("[default]\n\n") + line + "\n");
        const auto result = FromProfile();
        EXPECT_EQ(KindOf(result), ErrorKind::kInvalid);
        EXPECT_NE(Shown(result).find("line 3 of \"" + world_.folder() + "/.aws/credentials\""),
                  std::string::npos);
        EXPECT_EQ(Shown(result).find("SECRET"), std::string::npos);
    }
    world_.Write(".aws/credentials", "aws_access_key_id = outside\n");
    EXPECT_EQ(KindOf(FromProfile()), ErrorKind::kInvalid);
}

TEST_F(CredentialsFiles, FindsTheProfileInBothFiles)
{
    EXPECT_EQ(KindOf(FromProfile()), ErrorKind::kNotFound);
    world_.Write(".aws/config", "[default]\nregion = eu-central-1\n[profile work]\naws_access_key_id = AC\n"
                                "aws_secret_access_key = SC\n[profile \"my own\"]\naws_access_key_id = AQ\n"
                                "aws_secret_access_key = SQ\n");
    EXPECT_EQ(KindOf(FromProfile()), ErrorKind::kNotFound);
    world_.variables["AWS_PROFILE"] = "work";
    EXPECT_EQ(Shown(FromProfile()), "AC SC  -");
    world_.Write(".aws/credentials", "[work]\naws_access_key_id = AW\naws_secret_access_key = SW\n");
    EXPECT_EQ(Shown(FromProfile()), "AW SW  -");
    // Half a pair is not completed from the other file.
    world_.Write(".aws/credentials", "[work]\naws_access_key_id = AW\n");
    EXPECT_EQ(KindOf(FromProfile()), ErrorKind::kInvalid);
    world_.options.profile = "my own";
    EXPECT_EQ(Shown(FromProfile()), "AQ SQ  -");
    world_.options.profile = "none";
    EXPECT_EQ(KindOf(FromProfile()), ErrorKind::kInvalid);
}

TEST_F(CredentialsFiles, VariablesNameOtherFiles)
{
    world_.Write(".aws/credentials", kKeys);
    world_.variables["AWS_SHARED_CREDENTIALS_FILE"] =
        world_.Write("elsewhere", "[default]\naws_access_key_id = AE\naws_secret_access_key = SE\n");
    EXPECT_EQ(Shown(FromProfile()), "AE SE  -");
    world_.variables["AWS_SHARED_CREDENTIALS_FILE"] = "/dev/null";
    EXPECT_EQ(KindOf(FromProfile()), ErrorKind::kNotFound);
    world_.variables["AWS_CONFIG_FILE"] =
        world_.Write("config", "[default]\naws_access_key_id = AF\naws_secret_access_key = SF\n");
    EXPECT_EQ(Shown(FromProfile()), "AF SF  -");
    // That a variable names is wanted: trouble with it is trouble.
    world_.variables["AWS_SHARED_CREDENTIALS_FILE"] = world_.folder();
    EXPECT_EQ(KindOf(FromProfile()), ErrorKind::kPermanent);
}

TEST_F(CredentialsFiles, SaysWhatItCannotUse)
{
    for (const char* setting :
         {"credential_process = /bin/helper", "sso_session = x", "sso_start_url = https://x",
          "role_arn = arn:aws:iam::1:role/r\nsource_profile = other"}) {
        world_.Write(".aws/config", std::string("[default]\n") + setting + "\n");
        const auto result = FromProfile();
        EXPECT_EQ(KindOf(result), ErrorKind::kInvalid) << setting;
        EXPECT_NE(Shown(result).find("cannot use"), std::string::npos) << Shown(result);
    }
}

TEST_F(CredentialsFiles, ProfileNamesAWebIdentity)
{
    world_.Write(".aws/config", "[default]\nrole_arn = arn:aws:iam::1:role/r\nregion = eu-west-3\n"
                                "role_session_name = mine\nweb_identity_token_file = " +
                                    world_.Write("token", "JWT\n") + "\n");
    world_.Answer(200, "<A><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AS</AccessKeyId>"
                       "<SecretAccessKey>SS</SecretAccessKey><SessionToken>TS</SessionToken>"
                       "<Expiration>2026-08-13T10:11:12Z</Expiration></Credentials>"
                       "</AssumeRoleWithWebIdentityResult></A>");
    EXPECT_EQ(Shown(FromProfile()), "AS SS TS 1786615872");
    ASSERT_EQ(world_.asked.size(), 1U);
    EXPECT_EQ(world_.asked[0].url, "https://sts.eu-west-3.amazonaws.com/");
    EXPECT_NE(world_.asked[0].body.find("RoleSessionName=mine"), std::string::npos);
}

class CredentialsOrder : public CredentialsFiles
{
  protected:
    std::string Chosen()
    {
        provider_ = DefaultCredentials(world_.Context());
        const auto result = provider_->Fetch();
        return result.ok() ? provider_->name() : result.error().text;
    }

    std::unique_ptr<CredentialsProvider> provider_;
};

constexpr const char* kAnswer =
    R"({"AccessKeyId": "AJ", "SecretAccessKey": "SJ", "Token": "TJ", "Expiration": "2026-08-13T10:11:12Z"})";

TEST_F(CredentialsOrder, IsThatOfTheTools)
{
    EXPECT_EQ(
        Chosen().find("no credentials found (environment: AWS_ACCESS_KEY_ID is not set; web identity: "), 0U);
    ASSERT_EQ(world_.asked.size(), 1U) << "only the instance was asked over the network";

    world_.Answer(200, "TOKEN");
    world_.Answer(200, "role");
    world_.Answer(200, kAnswer);
    EXPECT_EQ(Chosen(), "instance metadata");

    world_.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/creds";
    world_.Answer(200, kAnswer);
    EXPECT_EQ(Chosen(), "container");

    world_.Write(".aws/credentials", kKeys);
    EXPECT_EQ(Chosen(), "profile \"default\"");

    world_.variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = world_.Write("token", "JWT");
    EXPECT_EQ(Chosen(), "credentials: AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not");

    world_.variables["AWS_ACCESS_KEY_ID"] = "AK";
    world_.variables["AWS_SECRET_ACCESS_KEY"] = "SK";
    EXPECT_EQ(Chosen(), "environment");

    world_.options.profile = "default";
    EXPECT_EQ(Chosen(), "profile \"default\"");

    world_.options.file = world_.folder() + "/none";
    EXPECT_EQ(Chosen().find("credentials: cannot read"), 0U);
    EXPECT_TRUE(world_.script.empty());
}

TEST_F(CredentialsOrder, WhatIsBrokenIsNotPassedOver)
{
    world_.Write(".aws/credentials", "[default]\naws_access_key_id = AK\n");
    world_.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/creds";
    EXPECT_EQ(Chosen(), "credentials: profile \"default\" has no aws_secret_access_key");
    EXPECT_TRUE(world_.asked.empty());
}

TEST_F(CredentialsOrder, StaysWithWhatItFound)
{
    world_.Write(".aws/credentials", kKeys);
    EXPECT_EQ(Chosen(), "profile \"default\"");
    std::filesystem::remove(world_.folder() + "/.aws/credentials");
    world_.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/creds";
    world_.Answer(200, kAnswer);
    EXPECT_EQ(KindOf(provider_->Fetch()), ErrorKind::kRetryable);
    EXPECT_TRUE(world_.asked.empty());
    world_.Write(".aws/credentials", "[default]\naws_access_key_id=AK2\naws_secret_access_key=SK2\n");
    EXPECT_EQ(Shown(provider_->Fetch()), "AK2 SK2  -");
}

} // namespace
} // namespace wal2lake
