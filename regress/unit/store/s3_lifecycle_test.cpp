// What a bucket's lifecycle configuration says, by whoever wrote it, and which of it can
// hurt a log. And how the drivers ask for it.
#include "store/s3_lifecycle.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "scripted_server.h"
#include "store/azure_store.h"
#include "store/memory_store.h"
#include "store/s3_store.h"

namespace wal2lake
{

std::ostream& operator<<(std::ostream& out, const LifecycleRule& rule)
{
    return out << rule.name << (rule.deed == LifecycleRule::Deed::kRemoves ? " removes" : " archives")
               << (rule.some ? " some" : "") << " below '" << rule.prefix << "'";
}

namespace
{

using Rules = std::vector<LifecycleRule>;

constexpr auto kRemoves = LifecycleRule::Deed::kRemoves;
constexpr auto kArchives = LifecycleRule::Deed::kArchives;

std::string Document(const std::string& rules)
{
    return R"(<?xml version="1.0" encoding="UTF-8"?>
<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">)" +
           rules + "</LifecycleConfiguration>";
}

struct Case {
    const char* what;
    // Between <Rule> and </Rule>.
    std::string rule;
    Rules found;
};

void Judge(const std::vector<Case>& cases)
{
    for (const Case& one : cases) {
        SCOPED_TRACE(one.what);
        const auto read = ReadLifecycle(Document("<Rule>" + one.rule + "</Rule>"));
        if (!read) {
            ADD_FAILURE() << "not read";
            continue;
        }
        EXPECT_EQ(*read, one.found);
    }
}

const std::string kId = "<ID>r</ID>";
const std::string kOn = kId + "<Status>Enabled</Status>";
const std::string kOld = "<Expiration><Days>30</Days></Expiration>";

std::string Filter(const std::string& filter)
{
    return kOn + "<Filter>" + filter + "</Filter>" + kOld;
}

std::string Moves(const std::string& storage_class)
{
    return "<Transition><Days>30</Days><StorageClass>" + storage_class + "</StorageClass></Transition>";
}

TEST(S3Lifecycle, KnowsEachShapeOfAFilter)
{
    Judge({
        {"the old shape", kOn + "<Prefix>logs/</Prefix>" + kOld, {{"\"r\"", "logs/", kRemoves, false}}},
        {"the old shape for all", kOn + "<Prefix></Prefix>" + kOld, {{"\"r\"", "", kRemoves, false}}},
        {"no filter", kOn + kOld, {{"\"r\"", "", kRemoves, false}}},
        {"an empty filter", Filter(""), {{"\"r\"", "", kRemoves, false}}},
        {"a prefix", Filter("<Prefix>a &amp; b/</Prefix>"), {{"\"r\"", "a & b/", kRemoves, false}}},
        {"a tag", Filter("<Tag><Key>k</Key><Value>v</Value></Tag>"), {{"\"r\"", "", kRemoves, true}}},
        {"a size",
         Filter("<ObjectSizeGreaterThan>500</ObjectSizeGreaterThan>"),
         {{"\"r\"", "", kRemoves, false}}},
        {"a prefix and a tag",
         Filter("<And><Prefix>p</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And>"),
         {{"\"r\"", "p", kRemoves, true}}},
        {"a prefix and sizes",
         Filter("<And><Prefix>p</Prefix><ObjectSizeLessThan>9</ObjectSizeLessThan></And>"),
         {{"\"r\"", "p", kRemoves, false}}},
        {"two tags",
         Filter("<And><Tag><Key>k</Key><Value>v</Value></Tag><Tag><Key>l</Key><Value>w</Value></Tag></And>"),
         {{"\"r\"", "", kRemoves, true}}},
    });
}

TEST(S3Lifecycle, KnowsWhatHurts)
{
    const Rules removes = {{"\"r\"", "", kRemoves, false}};
    const Rules archives = {{"\"r\"", "", kArchives, false}};
    Judge({
        {"disabled", kId + "<Status>Disabled</Status>" + kOld, {}},
        {"of no known state", kId + kOld, removes},
        {"on a date", kOn + "<Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>", removes},
        {"markers of what was deleted",
         kOn + "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>",
         {}},
        {"markers, as they come with days",
         kOn + "<Expiration><Days>1</Days><ExpiredObjectDeleteMarker>false</ExpiredObjectDeleteMarker>"
               "</Expiration>",
         removes},
        {"of an unknown kind", kOn + "<Expiration><Never/></Expiration>", removes},
        {"uploads",
         kOn + "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>"
               "</AbortIncompleteMultipartUpload>",
         {}},
        {"older versions",
         kOn + "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>"
               "</NoncurrentVersionExpiration><NoncurrentVersionTransition><NoncurrentDays>1</NoncurrentDays>"
               "<StorageClass>GLACIER</StorageClass></NoncurrentVersionTransition>",
         {}},
        {"cold", kOn + Moves("STANDARD_IA") + Moves("GLACIER_IR") + Moves("INTELLIGENT_TIERING"), {}},
        {"archived", kOn + Moves("GLACIER"), archives},
        {"archived deeply, later", kOn + Moves("STANDARD_IA") + Moves("DEEP_ARCHIVE"), archives},
        {"archived, then removed", kOn + Moves("GLACIER") + kOld, removes},
    });
}

TEST(S3Lifecycle, KnowsGooglesShape)
{
    const auto deletes = [](const std::string& condition) {
        return "<Action><Delete/></Action><Condition>" + condition + "</Condition>";
    };
    const Rules all = {{"number 1", "", kRemoves, false}};
    const Rules some = {{"number 1", "", kRemoves, true}};
    Judge({
        {"by age", deletes("<Age>30</Age>"), all},
        {"no condition", "<Action><Delete/></Action>", all},
        {"live ones", deletes("<Age>30</Age><IsLive>true</IsLive>"), all},
        {"by class", deletes("<MatchesStorageClass>STANDARD</MatchesStorageClass>"), all},
        {"older versions", deletes("<IsLive>false</IsLive>"), {}},
        {"versions behind newer ones", deletes("<NumberOfNewerVersions>3</NumberOfNewerVersions>"), {}},
        {"all versions", deletes("<NumberOfNewerVersions>0</NumberOfNewerVersions>"), all},
        {"versions of long ago", deletes("<DaysSinceNoncurrentTime>3</DaysSinceNoncurrentTime>"), {}},
        {"versions before", deletes("<NoncurrentTimeBefore>2030-01-01</NoncurrentTimeBefore>"), {}},
        {"by a time of their own", deletes("<DaysSinceCustomTime>3</DaysSinceCustomTime>"), some},
        {"by a date of their own", deletes("<CustomTimeBefore>2030-01-01</CustomTimeBefore>"), some},
        {"by the end of a name", deletes("<MatchesSuffix>.w2l</MatchesSuffix>"), some},
        {"by prefixes",
         deletes("<Age>1</Age><MatchesPrefix>a/</MatchesPrefix><MatchesPrefix>b</MatchesPrefix>"),
         {{"number 1", "a/", kRemoves, false}, {"number 1", "b", kRemoves, false}}},
        {"another class, read at once",
         "<Action><SetStorageClass>ARCHIVE</SetStorageClass></Action><Condition><Age>1</Age></Condition>",
         {}},
        {"uploads",
         "<Action><AbortIncompleteMultipartUpload/></Action><Condition><Age>1</Age></Condition>",
         {}},
    });
}

TEST(S3Lifecycle, NamesRulesForPeople)
{
    const auto read =
        ReadLifecycle(Document("<Rule><Status>Disabled</Status></Rule><Rule><Status>Enabled</Status>" + kOld +
                               "</Rule><Rule><ID>a\nb</ID>" + kOld + "</Rule>"));
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, (Rules{{"number 2", "", kRemoves, false}, {"\"a?b\"", "", kRemoves, false}}));
}

TEST(S3Lifecycle, IsReadOnlyFromAConfiguration)
{
    EXPECT_EQ(ReadLifecycle("<LifecycleConfiguration/>"), Rules{});
    for (const char* other : {"", "no", "<Error><Code>InternalError</Code></Error>", "<ListBucketResult/>",
                              "<LifecycleConfiguration><Rule>"})
        EXPECT_FALSE(ReadLifecycle(other)) << other;
}

TEST(S3Lifecycle, IsCutDownToTheLake)
{
    const Rules rules = {{"1", "", kRemoves, false},
                         {"2", "pro", kRemoves, false},
                         {"3", "prod/", kRemoves, false},
                         {"4", "prod/cell1", kRemoves, false},
                         {"5", "production/", kRemoves, false},
                         {"6", "prod/cell1/log/", kArchives, true}};
    EXPECT_EQ(RulesBelow(rules, "prod/"), (Rules{{"1", "", kRemoves, false},
                                                 {"2", "", kRemoves, false},
                                                 {"3", "", kRemoves, false},
                                                 {"4", "cell1", kRemoves, false},
                                                 {"6", "cell1/log/", kArchives, true}}));
    EXPECT_EQ(RulesBelow(rules, ""), rules);
}

// ---- asking ----

class KeyProvider : public CredentialsProvider
{
  public:
    Result<Credentials> Fetch() override { return Credentials{"KEY", "topsecret", "", std::nullopt}; }
    std::string name() const override { return "a test"; }
};

Result<Rules> Asked(const char* url, ScriptedReply reply, SeenRequest* seen = nullptr)
{
    ScriptedServer server([&](const SeenRequest&, size_t) { return reply; });
    StoreOptions options;
    options.endpoint = "http://" + server.authority();
    S3Settings settings;
    settings.address = (url[0] == 'g' ? ParseGcsUrl(url, options) : ParseS3Url(url, options)).value();
    settings.http.direct = true;
    S3Store store(settings, std::make_shared<CredentialsCache>(std::make_unique<KeyProvider>()),
                  StoreWarning{});
    auto rules = store.LifecycleRules();
    if (seen != nullptr)
        *seen = server.seen().at(0);
    return rules;
}

TEST(S3Lifecycle, IsAskedOfTheBucket)
{
    SeenRequest seen;
    const auto rules =
        Asked("s3://bucket/lake",
              Answer(200, Document("<Rule>" + kOn + "<Prefix>lake/x</Prefix>" + kOld + "</Rule><Rule>" + kOn +
                                   "<Prefix>other</Prefix>" + kOld + "</Rule>")),
              &seen);
    ASSERT_TRUE(rules.ok()) << rules.error().text;
    EXPECT_EQ(rules.value(), (Rules{{"\"r\"", "x", kRemoves, false}}));
    EXPECT_EQ(seen.method, "GET");
    EXPECT_EQ(seen.target, "/bucket?lifecycle=");
}

TEST(S3Lifecycle, WhatIsNoConfigurationIsNoneOrNotKnown)
{
    const auto none = Asked("s3://bucket/lake", Refusal(404, "NoSuchLifecycleConfiguration"));
    ASSERT_TRUE(none.ok()) << none.error().text;
    EXPECT_TRUE(none.value().empty());
    EXPECT_TRUE(Asked("gs://bucket/lake", Answer(200, "<LifecycleConfiguration/>")).ok());

    struct Refused {
        ScriptedReply reply;
        const char* says;
        const char* silent;
    };
    const std::vector<Refused> cases = {
        {Refusal(403, "AccessDenied"), "s3://bucket: the store answered 403 AccessDenied", "s3:ListBucket"},
        {Refusal(403, "AccessDenied"), "; allow s3:GetLifecycleConfiguration there", "lake/"},
        {Refusal(501, "NotImplemented"), "501 NotImplemented", "needs"},
        {Refusal(404, "NoSuchBucket"), "404 NoSuchBucket", "allow"},
        {Refusal(503, "SlowDown"), "503 SlowDown", "allow"},
        {Answer(200, "<html>hello</html>"), "200", "hello"},
        {Answer(200, ""), "200", "allow"},
    };
    for (const Refused& one : cases) {
        const auto asked = Asked("s3://bucket/lake", one.reply);
        ASSERT_FALSE(asked.ok()) << one.says;
        EXPECT_NE(asked.error().text.find(one.says), std::string::npos) << asked.error().text;
        EXPECT_EQ(asked.error().text.find(one.silent), std::string::npos) << asked.error().text;
        EXPECT_EQ(asked.error().text.find("topsecret"), std::string::npos);
    }
    EXPECT_NE(Asked("gs://bucket/lake", Refusal(403, "AccessDenied"))
                  .error()
                  .text.find("gs://bucket: the store answered 403 AccessDenied"),
              std::string::npos);
    EXPECT_NE(
        Asked("gs://bucket/lake", Refusal(403, "AccessDenied")).error().text.find("storage.buckets.get"),
        std::string::npos);
}

TEST(Lifecycle, IsNoneInMemoryAndUnknownInAzure)
{
    MemoryStore memory;
    ASSERT_TRUE(memory.LifecycleRules().ok());
    EXPECT_TRUE(memory.LifecycleRules().value().empty());
    ::setenv("AZURE_STORAGE_KEY", "a2V5", 1);
    ::setenv("AZURE_STORAGE_ACCOUNT", "account", 1);
    auto azure = OpenStore("az://container/lake");
    ASSERT_TRUE(azure.ok()) << azure.error().text;
    const auto rules = azure.value()->LifecycleRules();
    ::unsetenv("AZURE_STORAGE_KEY");
    ::unsetenv("AZURE_STORAGE_ACCOUNT");
    ASSERT_FALSE(rules.ok());
    EXPECT_NE(rules.error().text.find("az storage account management-policy show"), std::string::npos);
}

} // namespace
} // namespace wal2lake
