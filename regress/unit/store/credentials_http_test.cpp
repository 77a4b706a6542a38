// Providers that ask a server: STS, a container's endpoint, an instance.
#include "store/credentials_providers.h"

#include "credentials_world.h"
#include "store/credentials_http.h"

namespace wal2lake
{
namespace
{

constexpr const char* kJson =
    R"({"Code": "Success", "LastUpdated": "x", "Type": "AWS-HMAC", "AccessKeyId": "AJ", "SecretAccessKey": "S/J",
        "Token": "T==", "Expiration": "2026-08-13T10:11:12Z", "AccountId": 7})";
constexpr const char* kShownJson = "AJ S/J T== 1786615872";

TEST(CredentialsParts, ReadsExpirations)
{
    EXPECT_EQ(ParseExpiration("1970-01-01T00:00:01Z"), 1);
    EXPECT_EQ(ParseExpiration("2026-08-13T10:11:12Z"), 1786615872);
    EXPECT_EQ(ParseExpiration("2026-08-13T10:11:12.345678Z"), 1786615872);
    EXPECT_EQ(ParseExpiration("2026-08-13T12:11:12+02:00"), 1786615872);
    EXPECT_EQ(ParseExpiration("2026-08-13T05:41:12-04:30"), 1786615872);
    for (const char* text : {"", "x", "2026-08-13", "2026-08-13T10:11:12", "2026-08-13T10:11:12Zx",
                             "2026-08-13T10:11:12+", "2026-08-13T10:11:12+02:00x", "1786615872"})
        EXPECT_FALSE(ParseExpiration(text)) << text;
}

TEST(CredentialsParts, ReadsAddresses)
{
    const auto address = ParseHttpAddress("https://[fd00:ec2::23]:8443/a/b");
    ASSERT_TRUE(address);
    EXPECT_EQ(address->scheme, "https");
    EXPECT_EQ(address->authority, "[fd00:ec2::23]:8443");
    EXPECT_EQ(address->host(), "fd00:ec2::23");
    EXPECT_EQ(address->path, "/a/b");
    EXPECT_EQ(ParseHttpAddress("http://h:1")->path, "/");
    for (const char* url :
         {"http://localhost:1", "http://127.0.0.1", "http://127.9.9.9:80/x", "http://[::1]:9"})
        EXPECT_TRUE(ParseHttpAddress(url)->loopback()) << url;
    for (const char* url : {"http://localhost.evil", "http://128.0.0.1", "http://127.0.0.1.evil",
                            "http://[::2]", "http://127.1"})
        EXPECT_FALSE(ParseHttpAddress(url)->loopback()) << url;
    for (const char* url : {"", "ftp://h/", "//h/", "http://", "http:///x", "http://u:p@h/", "http://h\\x/",
                            "http://h/a b", "http://h/\n", "http://h?x", "http://h/#f", "HTTP://h/"})
        EXPECT_FALSE(ParseHttpAddress(url)) << url;
}

class CredentialsHttp : public testing::Test
{
  protected:
    Result<Credentials> WebIdentity() { return WebIdentityCredentials(world_.Context())->Fetch(); }
    Result<Credentials> Container() { return ContainerCredentials(world_.Context())->Fetch(); }
    Result<Credentials> Instance() { return InstanceCredentials(world_.Context())->Fetch(); }

    void NameWebIdentity()
    {
        world_.variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = world_.Write("token", "header.pay+load/=.sig\n");
        world_.variables["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/r";
    }
    void AnswerSts(const std::string& expiration = "2026-08-13T10:11:12Z")
    {
        world_.Answer(
            200, "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
                 "<AssumeRoleWithWebIdentityResult><Audience>sts.amazonaws.com</Audience><Credentials>"
                 "<AccessKeyId>AJ</AccessKeyId><SecretAccessKey>S/J</SecretAccessKey>"
                 "<SessionToken>T==</SessionToken><Expiration>" +
                     expiration +
                     "</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
                     "</AssumeRoleWithWebIdentityResponse>");
    }

    CredentialsWorld world_;
};

TEST_F(CredentialsHttp, WebIdentityIsExchangedAtSts)
{
    EXPECT_EQ(KindOf(WebIdentity()), ErrorKind::kNotFound);
    NameWebIdentity();
    AnswerSts();
    EXPECT_EQ(Shown(WebIdentity()), kShownJson);
    ASSERT_EQ(world_.asked.size(), 1U);
    const Asked& asked = world_.asked[0];
    EXPECT_EQ(asked.method, "POST");
    EXPECT_EQ(asked.url, "https://sts.amazonaws.com/");
    EXPECT_EQ(asked.body, "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"
                          "&RoleSessionName=wal2lake&Version=2011-06-15"
                          "&WebIdentityToken=header.pay%2Bload%2F%3D.sig");
    EXPECT_EQ(asked.Header("content-type"), "application/x-www-form-urlencoded");
    EXPECT_EQ(asked.Header("authorization"), "");
    EXPECT_FALSE(asked.options.direct);
}

TEST_F(CredentialsHttp, WebIdentityReadsItsTokenAnew)
{
    NameWebIdentity();
    const auto provider = WebIdentityCredentials(world_.Context());
    AnswerSts();
    AnswerSts();
    EXPECT_TRUE(provider->Fetch().ok());
    world_.Write("token", "NEXT");
    EXPECT_TRUE(provider->Fetch().ok());
    EXPECT_NE(world_.asked[1].body.find("WebIdentityToken=NEXT"), std::string::npos);
    std::filesystem::remove(world_.folder() + "/token");
    EXPECT_EQ(KindOf(provider->Fetch()), ErrorKind::kPermanent);
    world_.Write("token", "\n");
    EXPECT_EQ(KindOf(provider->Fetch()), ErrorKind::kPermanent);
    EXPECT_EQ(world_.asked.size(), 2U);
}

TEST_F(CredentialsHttp, StsIsThatOfTheRegion)
{
    NameWebIdentity();
    const auto url = [this] {
        AnswerSts();
        EXPECT_TRUE(WebIdentity().ok());
        return world_.asked.back().url;
    };
    world_.options.region = "eu-north-1";
    world_.options.proxy = "http://proxy:3128";
    world_.variables["AWS_CA_BUNDLE"] = "/ca.pem";
    EXPECT_EQ(url(), "https://sts.eu-north-1.amazonaws.com/");
    EXPECT_EQ(world_.asked.back().options.proxy, "http://proxy:3128");
    EXPECT_EQ(world_.asked.back().options.ca_file, "/ca.pem");
    world_.variables["AWS_DEFAULT_REGION"] = "cn-north-1";
    EXPECT_EQ(url(), "https://sts.cn-north-1.amazonaws.com.cn/");
    world_.variables["AWS_REGION"] = "us-east-2";
    EXPECT_EQ(url(), "https://sts.us-east-2.amazonaws.com/");
    world_.variables["AWS_ENDPOINT_URL_STS"] = "http://127.0.0.1:9000/sts";
    EXPECT_EQ(url(), "http://127.0.0.1:9000/sts");
    EXPECT_TRUE(world_.asked.back().options.direct);
    const size_t before = world_.asked.size();
    for (const char* bad : {"http://sts.example", "sts.example", "https://u:p@sts.example"}) {
        world_.variables["AWS_ENDPOINT_URL_STS"] = bad;
        EXPECT_EQ(KindOf(WebIdentity()), ErrorKind::kInvalid) << bad;
    }
    world_.variables["AWS_ENDPOINT_URL_STS"] = "";
    world_.variables["AWS_REGION"] = "evil.example/#";
    EXPECT_EQ(KindOf(WebIdentity()), ErrorKind::kInvalid);
    EXPECT_EQ(world_.asked.size(), before);
}

TEST_F(CredentialsHttp, StsRefusesForAReason)
{
    NameWebIdentity();
    struct Case {
        int status;
        const char* code;
        ErrorKind kind;
        const char* text;
    };
    for (const Case& answer :
         {Case{400, "ExpiredTokenException", ErrorKind::kPermanent, "400 ExpiredTokenException"},
          Case{400, "IDPCommunicationError", ErrorKind::kRetryable, "400 IDPCommunicationError"},
          Case{400, "Throttling", ErrorKind::kRetryable, "400 Throttling"},
          Case{403, "AccessDenied", ErrorKind::kPermanent, "403 AccessDenied"},
          Case{403, "Mystery", ErrorKind::kPermanent, "403 with an unknown code"},
          Case{503, "ServiceUnavailable", ErrorKind::kRetryable, "503 ServiceUnavailable"},
          Case{429, "", ErrorKind::kRetryable, "429"}}) {
        world_.Answer(answer.status, std::string("<ErrorResponse><Error><Code>") + answer.code +
                                         "</Code><Message>x</Message></Error></ErrorResponse>");
        const auto result = WebIdentity();
        EXPECT_EQ(KindOf(result), answer.kind) << answer.code;
        EXPECT_EQ(Shown(result), std::string("STS at sts.amazonaws.com answered ") + answer.text);
    }
    AnswerSts("soon");
    EXPECT_EQ(KindOf(WebIdentity()), ErrorKind::kRetryable);
    for (const char* body : {"", "no XML", "<a/>", "{\"a\": 1}"}) {
        world_.Answer(200, body);
        EXPECT_EQ(KindOf(WebIdentity()), ErrorKind::kRetryable) << body;
    }
    world_.AnswerNothing();
    EXPECT_EQ(Shown(WebIdentity()), "STS: cannot connect to the host");
}

TEST_F(CredentialsHttp, ContainerIsAskedAtItsAddress)
{
    EXPECT_EQ(KindOf(Container()), ErrorKind::kNotFound);
    world_.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials?id=7";
    world_.Answer(200, kJson);
    EXPECT_EQ(Shown(Container()), kShownJson);
    EXPECT_EQ(world_.asked[0].url, "http://169.254.170.2/v2/credentials?id=7");
    EXPECT_EQ(world_.asked[0].Header("authorization"), "");
    EXPECT_TRUE(world_.asked[0].options.direct);

    world_.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = ".evil.example/";
    EXPECT_EQ(KindOf(Container()), ErrorKind::kInvalid);
    world_.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "@evil.example/";
    EXPECT_EQ(KindOf(Container()), ErrorKind::kInvalid);
    EXPECT_EQ(world_.asked.size(), 1U);
}

TEST_F(CredentialsHttp, ContainerTellsItsTokenOnlyToTheTrusted)
{
    world_.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Basic abc";
    for (const char* url : {"https://any.example/creds", "http://127.0.0.1:51679/x", "http://[::1]/x",
                            "http://localhost:1/x", "http://169.254.170.2/x",
                            "http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials"}) {
        world_.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url;
        world_.Answer(200, kJson);
        EXPECT_EQ(Shown(Container()), kShownJson) << url;
        EXPECT_EQ(world_.asked.back().url, url);
        EXPECT_EQ(world_.asked.back().Header("authorization"), "Basic abc");
        EXPECT_EQ(world_.asked.back().options.direct, std::string(url).starts_with("http:"));
    }
    const size_t before = world_.asked.size();
    for (const char* url :
         {"http://any.example/creds", "http://169.254.170.24/x", "http://127.0.0.1.evil/",
          "http://169.254.170.2@evil/", "http://169.254.169.254/", "ftp://127.0.0.1/", "x"}) {
        world_.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url;
        EXPECT_EQ(KindOf(Container()), ErrorKind::kInvalid) << url;
    }
    EXPECT_EQ(world_.asked.size(), before);
}

TEST_F(CredentialsHttp, ContainerReadsItsTokenAnew)
{
    world_.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://169.254.170.23/v1/credentials";
    world_.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "from the environment";
    world_.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = world_.Write("token", "first\n");
    const auto provider = ContainerCredentials(world_.Context());
    world_.Answer(200, kJson);
    EXPECT_TRUE(provider->Fetch().ok());
    EXPECT_EQ(world_.asked.back().Header("authorization"), "first");
    world_.Write("token", "second");
    world_.Answer(200, kJson);
    EXPECT_TRUE(provider->Fetch().ok());
    EXPECT_EQ(world_.asked.back().Header("authorization"), "second");
    world_.Write("token", "not\x01 sendable");
    EXPECT_EQ(KindOf(provider->Fetch()), ErrorKind::kInvalid);
    world_.Write("token", "");
    EXPECT_EQ(KindOf(provider->Fetch()), ErrorKind::kPermanent);
    std::filesystem::remove(world_.folder() + "/token");
    EXPECT_EQ(KindOf(provider->Fetch()), ErrorKind::kPermanent);
    EXPECT_EQ(world_.asked.size(), 2U);
}

TEST_F(CredentialsHttp, ContainerRefusesOddAnswers)
{
    world_.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/c";
    for (const char* body : {"", "[]", "{", "\"x\"", "{}", R"({"AccessKeyId": "a"})",
                             R"({"AccessKeyId": "a", "SecretAccessKey": 1})",
                             R"({"AccessKeyId": "a", "SecretAccessKey": "b", "Expiration": "soon"})",
                             R"({"AccessKeyId": "a", "SecretAccessKey": "b\r\nx-evil: 1"})",
                             R"({"AccessKeyId": "a", "SecretAccessKey": "b", "Token": "t\nx"})"}) {
        world_.Answer(200, body);
        EXPECT_EQ(KindOf(Container()), ErrorKind::kRetryable) << body;
    }
    world_.Answer(403, "{}");
    EXPECT_EQ(KindOf(Container()), ErrorKind::kPermanent);
    world_.Answer(500, "{}");
    EXPECT_EQ(KindOf(Container()), ErrorKind::kRetryable);
    world_.AnswerNothing();
    EXPECT_EQ(KindOf(Container()), ErrorKind::kRetryable);
}

TEST_F(CredentialsHttp, InstanceIsAskedByVersion2Alone)
{
    world_.Answer(200, "TOKEN==");
    world_.Answer(200, "my+role\nother");
    world_.Answer(200, kJson);
    EXPECT_EQ(Shown(Instance()), kShownJson);
    ASSERT_EQ(world_.asked.size(), 3U);
    EXPECT_EQ(world_.asked[0].method, "PUT");
    EXPECT_EQ(world_.asked[0].url, "http://169.254.169.254/latest/api/token");
    EXPECT_EQ(world_.asked[0].Header("x-aws-ec2-metadata-token-ttl-seconds"), "21600");
    EXPECT_EQ(world_.asked[1].method, "GET");
    EXPECT_EQ(world_.asked[1].url, "http://169.254.169.254/latest/meta-data/iam/security-credentials/");
    EXPECT_EQ(world_.asked[2].url,
              "http://169.254.169.254/latest/meta-data/iam/security-credentials/my%2Brole");
    for (const Asked& asked : world_.asked) {
        EXPECT_TRUE(asked.options.direct);
        EXPECT_EQ(asked.options.connect_timeout_ms, 1'000);
        EXPECT_EQ(asked.options.base_timeout_ms, 1'000);
        EXPECT_EQ(asked.Header("x-aws-ec2-metadata-token"), asked.method == "GET" ? "TOKEN==" : "");
    }
}

TEST_F(CredentialsHttp, InstanceMayBeNone)
{
    world_.AnswerNothing();
    EXPECT_EQ(KindOf(Instance()), ErrorKind::kNotFound);
    for (const int status : {403, 404, 405}) {
        world_.Answer(status, "");
        EXPECT_EQ(KindOf(Instance()), ErrorKind::kNotFound) << status;
    }
    world_.Answer(200, "TOKEN");
    world_.Answer(404, "");
    EXPECT_EQ(KindOf(Instance()), ErrorKind::kNotFound);
    EXPECT_EQ(world_.asked.size(), 6U) << "no request without a token";
    world_.variables["AWS_EC2_METADATA_DISABLED"] = "TRUE";
    EXPECT_EQ(KindOf(Instance()), ErrorKind::kNotFound);
    EXPECT_EQ(world_.asked.size(), 6U);
}

TEST_F(CredentialsHttp, InstanceMayBeElsewhere)
{
    world_.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"] = "IPv6";
    (void)Instance();
    EXPECT_EQ(world_.asked.back().url, "http://[fd00:ec2::254]/latest/api/token");
    world_.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:1338/base/";
    (void)Instance();
    EXPECT_EQ(world_.asked.back().url, "http://127.0.0.1:1338/base/latest/api/token");
    world_.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "127.0.0.1";
    EXPECT_EQ(KindOf(Instance()), ErrorKind::kInvalid);
}

TEST_F(CredentialsHttp, InstanceThatFailsIsStillOne)
{
    world_.Answer(503, "");
    EXPECT_EQ(KindOf(Instance()), ErrorKind::kRetryable);
    world_.Answer(200, "two words\n");
    EXPECT_EQ(KindOf(Instance()), ErrorKind::kRetryable);
    world_.Answer(200, "TOKEN");
    world_.AnswerNothing();
    EXPECT_EQ(KindOf(Instance()), ErrorKind::kRetryable);
    world_.Answer(200, "TOKEN");
    world_.Answer(200, "role");
    world_.Answer(200, R"({"Code": "AssumeRoleUnauthorizedAccess", "Message": "x"})");
    const auto result = Instance();
    EXPECT_EQ(KindOf(result), ErrorKind::kPermanent);
    EXPECT_NE(Shown(result).find("(AssumeRoleUnauthorizedAccess)"), std::string::npos) << Shown(result);
}

} // namespace
} // namespace wal2lake
