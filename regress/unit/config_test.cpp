#include "config.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

std::string ErrorOf(const std::string& text)
{
    const auto config = ParseConfig(text, "f.toml");
    EXPECT_FALSE(config.ok()) << text;
    if (config.ok())
        return "";
    EXPECT_EQ(config.error().kind, ErrorKind::kInvalid);
    return config.error().text;
}

TEST(Config, TheShippedExampleShowsTheDefaults)
{
    const auto example = ReadConfig(WAL2LAKE_EXAMPLE_CONFIG);
    ASSERT_TRUE(example.ok()) << example.error().text;
    const Config defaults;
    EXPECT_EQ(example.value().lake_url, defaults.lake_url);
    EXPECT_EQ(example.value().store, defaults.store);
    EXPECT_EQ(example.value().max_size, defaults.max_size);
    EXPECT_EQ(example.value().max_age_ms, defaults.max_age_ms);
    EXPECT_EQ(example.value().idle_age_ms, defaults.idle_age_ms);
    EXPECT_EQ(example.value().compression_level, defaults.compression_level);
    EXPECT_EQ(example.value().memory_budget, defaults.memory_budget);
    EXPECT_EQ(example.value().metrics_listen, defaults.metrics_listen);
    EXPECT_EQ(example.value().freshness_ms, defaults.freshness_ms);
    ASSERT_EQ(example.value().sources.size(), 1U);
    EXPECT_EQ(example.value().sources[0].slot, SourceConfig().slot);
    EXPECT_EQ(example.value().sources[0].pull, SourceConfig().pull);
    EXPECT_EQ(example.value().sources[0].poll.interval_ms, SourceConfig().poll.interval_ms);
    EXPECT_EQ(example.value().sources[0].poll.max_wal_bytes, SourceConfig().poll.max_wal_bytes);
    EXPECT_TRUE(example.value().sources[0].options.empty());
}

TEST(Config, AnAddressToListenOnHasHostAndPort)
{
    EXPECT_FALSE(Config().metrics_listen_given);
    const auto given = ParseConfig("[metrics]\nlisten = \"127.0.0.1:9000\"", "f.toml");
    ASSERT_TRUE(given.ok());
    EXPECT_TRUE(given.value().metrics_listen_given);
    const auto off = ParseConfig("[metrics]\nlisten = \"\"", "f.toml");
    ASSERT_TRUE(off.ok());
    EXPECT_EQ(off.value().metrics_listen, "");

    const auto six = ParseListenAddress("[::1]:8732");
    ASSERT_TRUE(six.ok());
    EXPECT_EQ(six.value().host, "::1");
    EXPECT_EQ(six.value().port, 8732);
    for (const char* wrong : {"8732", ":8732", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000",
                              "127.0.0.1:-1", "::1:8732", "127.0.0.1:80 "})
        EXPECT_NE(ErrorOf("[metrics]\nlisten = \"" + std::string(wrong) + "\"").find("metrics.listen"),
                  std::string::npos)
            << wrong;
}

TEST(Config, TheShippedExampleCommentsEveryKey)
{
    std::ifstream file(WAL2LAKE_EXAMPLE_CONFIG);
    std::string before;
    std::string line;
    int keys = 0;
    while (std::getline(file, line)) {
        if (line.find(" = ") != std::string::npos && line[0] != '#') {
            EXPECT_TRUE(before.starts_with("# ")) << line;
            keys++;
        }
        before = line;
    }
    EXPECT_EQ(keys, 26);
}

TEST(Config, ReadsEveryKey)
{
    const auto config = ParseConfig(R"(
        [lake]
        url = "s3://bucket/p"
        region = "r"
        endpoint = "https://e"
        path_style = true
        ca_file = "/ca.pem"
        proxy = "http://p:1"
        encryption = "aws:kms"
        kms_key_id = "k"
        profile = "x"
        credentials_file = "/cred"
        [segment]
        max_size = "1MiB"
        max_age = "500ms"
        idle_age = "2h"
        compression_level = -3
        [memory]
        budget = "1GiB"
        [stage]
        directory = "/stage"
        max_size = "3GiB"
        [[source]]
        id = "a"
        conninfo = "dbname=x"
        slot = "s"
        options = { tables = "public.users", origin = "none" }
        [[source]]
        id = "b"
    )",
                                    "f.toml");
    ASSERT_TRUE(config.ok()) << config.error().text;
    EXPECT_EQ(config.value().lake_url, "s3://bucket/p");
    EXPECT_EQ(config.value().store,
              (StoreOptions{"r", "https://e", true, "/ca.pem", "http://p:1", "aws:kms", "k", "x", "/cred"}));
    EXPECT_EQ(config.value().max_size, 1U << 20);
    EXPECT_EQ(config.value().max_age_ms, 500);
    EXPECT_EQ(config.value().idle_age_ms, 7'200'000);
    EXPECT_EQ(config.value().compression_level, -3);
    EXPECT_EQ(config.value().memory_budget, 1U << 30);
    EXPECT_EQ(config.value().stage.directory, "/stage");
    EXPECT_EQ(config.value().stage.max_size, uint64_t{3} << 30);
    ASSERT_EQ(config.value().sources.size(), 2U);
    EXPECT_EQ(config.value().sources[0].conninfo, "dbname=x");
    EXPECT_EQ(config.value().sources[0].slot, "s");
    EXPECT_EQ(config.value().sources[0].options,
              (PluginOptions{{"tables", "public.users"}, {"origin", "none"}}));
}

TEST(Config, StreamingIsAskedForByTheStage)
{
    const std::string source = "[[source]]\nid = \"a\"\noptions = { streaming = ";
    EXPECT_TRUE(ParseConfig(source + "\"off\" }\n", "f.toml").ok());
    EXPECT_NE(ErrorOf(source + "\"on\" }\n").find("stage.max_size"), std::string::npos);
    EXPECT_NE(ErrorOf("[stage]\ndirectory = \"stage\"\n").find("absolute path"), std::string::npos);
}

TEST(Config, ASourceMayBePulled)
{
    const std::string source = "[[source]]\nid = \"a\"\nmode = \"pull\"\n";
    const auto config = ParseConfig(source + "poll_interval = \"2s\"\npoll_wal = \"1MiB\"\n", "f.toml");
    ASSERT_TRUE(config.ok()) << config.error().text;
    const SourceConfig& pulled = config.value().sources[0];
    ASSERT_NE(pulled.pulled(), nullptr);
    EXPECT_EQ(pulled.pulled()->interval_ms, 2'000);
    EXPECT_EQ(pulled.pulled()->max_wal_bytes, uint64_t{1} << 20);
    EXPECT_EQ(ParseConfig("[[source]]\nid = \"a\"\n", "f.toml").value().sources[0].pulled(), nullptr);
    EXPECT_NE(ErrorOf("[[source]]\nid = \"a\"\nmode = \"push\"\n").find("f.toml:3:"), std::string::npos);
    EXPECT_NE(ErrorOf(source + "poll_interval = \"99ms\"\n").find("at least 100ms"), std::string::npos);
    EXPECT_NE(ErrorOf(source + "poll_wal = \"63KiB\"\n").find("at least 64KiB"), std::string::npos);
    EXPECT_NE(ErrorOf(source + "options = { origin = \"none\" }\n").find("create_pull_source"),
              std::string::npos);
    EXPECT_TRUE(ParseConfig(source + "slot = \"" + std::string(49, 's') + "\"\n", "f.toml").ok());
    EXPECT_NE(ErrorOf(source + "slot = \"" + std::string(50, 's') + "\"\n").find("too long"),
              std::string::npos);
}

TEST(Config, NamesLineAndNearestKey)
{
    EXPECT_EQ(ErrorOf("[segment]\nmax_siz = \"1MiB\"\n"),
              "f.toml:2: unknown key \"segment.max_siz\"; did you mean \"segment.max_size\"?");
    EXPECT_EQ(ErrorOf("\n[sorce]\nid = \"a\"\n"),
              "f.toml:2: unknown key \"sorce\"; did you mean \"source\"?");
    EXPECT_EQ(
        ErrorOf("[lake]\nzzzzzzzz = 1\n"),
        "f.toml:2: unknown key \"lake.zzzzzzzz\"; known are lake.ca_file, lake.credentials_file, "
        "lake.encryption,"
        " lake.endpoint, lake.kms_key_id, lake.path_style, lake.profile, lake.proxy, lake.region, lake.url");
    EXPECT_EQ(ErrorOf("[[source]]\nid = \"a\"\nslots = \"x\"\n"),
              "f.toml:3: unknown key \"source.slots\"; did you mean \"source.slot\"?");
}

// Left alone, toml++ asks whether such a letter is a blank, and the answer is undefined.
TEST(Config, NamesTheLineOfALetterOutsideOfAscii)
{
    for (const char* text :
         {"\n\xc3\xa9 = 1\n", "\na \xd2\x8c= 1\n", "\n\xe2\x82\xac\n", "\n[lak\xc3\xa9]\n"}) {
        const auto config = ParseConfig(text, "w.toml");
        ASSERT_FALSE(config.ok()) << text;
        EXPECT_TRUE(config.error().text.starts_with("w.toml:2: ")) << config.error().text;
    }
}

TEST(Config, WhereTheBucketStandsIsYesNoOrAutomatic)
{
    const auto of = [](const std::string& value) {
        return ParseConfig("[lake]\npath_style = " + value, "f.toml").value().store.path_style;
    };
    EXPECT_EQ(of("true"), true);
    EXPECT_EQ(of("false"), false);
    EXPECT_EQ(of("\"auto\""), std::nullopt);
    for (const char* wrong : {"\"yes\"", "1", "\"\""})
        EXPECT_EQ(ErrorOf("[lake]\npath_style = " + std::string(wrong)),
                  "f.toml:2: \"lake.path_style\" must be true, false or \"auto\"");
}

TEST(Config, RefusesAStoreThatMakesNoSense)
{
    EXPECT_EQ(ErrorOf("[lake]\nencryption = \"aes\""),
              "f.toml: lake.encryption \"aes\" is none of \"AES256\" and \"aws:kms\"");
    EXPECT_EQ(ErrorOf("[lake]\nkms_key_id = \"k\""),
              "f.toml: lake.kms_key_id needs lake.encryption = \"aws:kms\"");
    EXPECT_EQ(ErrorOf("[lake]\nkms_key_id = \"k\"\nencryption = \"AES256\""),
              "f.toml: lake.kms_key_id needs lake.encryption = \"aws:kms\"");
    // Google has one kind of encryption.
    EXPECT_TRUE(ParseConfig("[lake]\nurl = \"gs://bucket\"\nkms_key_id = \"k\"", "f.toml").ok());
    EXPECT_EQ(ErrorOf("[lake]\nca_file = \"ca.pem\""),
              "f.toml: lake.ca_file \"ca.pem\" must be an absolute path");
    EXPECT_EQ(ErrorOf("[lake]\ncredentials_file = \"~/c\""),
              "f.toml: lake.credentials_file \"~/c\" must be an absolute path");
}

TEST(Config, RefusesValuesThatMakeNoSense)
{
    EXPECT_EQ(ErrorOf("[segment]\nmax_size = 64\n"),
              "f.toml:2: \"segment.max_size\" must be a string in quotes");
    EXPECT_EQ(ErrorOf("[segment]\nmax_size = \"64MB\"\n"),
              "f.toml:2: \"segment.max_size\": \"64MB\" is not a number with a unit, such as 64MiB (B, KiB,"
              " MiB, GiB)");
    EXPECT_NE(ErrorOf("[segment]\nmax_age = \"60\"\n").find("such as 60s"), std::string::npos);
    for (const char* level : {"0", "20", "-8", "\"1\"", "1.0", "99999999999999999"})
        EXPECT_EQ(ErrorOf("[segment]\ncompression_level = " + std::string(level) + "\n"),
                  "f.toml:2: \"segment.compression_level\" must be a whole number without quotes, from -7 to"
                  " 19 but not 0");
    EXPECT_NE(ErrorOf("[segment]\nmax_size = \"1KiB\"\n").find("between 64KiB and 1GiB"), std::string::npos);
    EXPECT_NE(ErrorOf("[memory]\nbudget = \"65MiB\"\n").find("four times segment.max_size"),
              std::string::npos);
    EXPECT_NE(ErrorOf("[source]\nid = \"a\"\n").find("[[source]]"), std::string::npos);
    EXPECT_NE(ErrorOf("[[source]]\nslot = \"a\"\n").find("source has no id"), std::string::npos);
    EXPECT_NE(ErrorOf("[[source]]\nid = \"A b\"\n").find("lower-case"), std::string::npos);
    EXPECT_NE(ErrorOf("[[source]]\nid = \"a\"\n[[source]]\nid = \"a\"\n").find("used twice"),
              std::string::npos);
    EXPECT_NE(ErrorOf("[[source]]\nid = \"a\"\nslot = \"a-b\"\n").find("slot name"), std::string::npos);
    EXPECT_NE(ErrorOf("x = \n").find("f.toml:1: "), std::string::npos);
    EXPECT_FALSE(ReadConfig("/nonexistent/f.toml").ok());
}

TEST(Config, SizesAndDurations)
{
    EXPECT_EQ(ParseSize("0B").value(), 0U);
    EXPECT_EQ(ParseSize("3GiB").value(), uint64_t{3} << 30);
    EXPECT_EQ(ParseDuration("1d").value(), 86'400'000);
    for (const char* text :
         {"", "MiB", "-1MiB", "1 MiB", "1.5MiB", "99999999999999999999B", "9999999999999GiB"})
        EXPECT_FALSE(ParseSize(text).ok()) << text;
}

TEST(Config, SeesPasswordsInConnectionStrings)
{
    EXPECT_TRUE(HoldsPassword("host=x password=secret"));
    EXPECT_TRUE(HoldsPassword("postgresql://u:secret@h/db"));
    EXPECT_TRUE(HoldsPassword("password=secret ' broken"));
    EXPECT_FALSE(HoldsPassword("host=x user=u passfile=/p"));
    EXPECT_FALSE(HoldsPassword(""));
}

} // namespace
} // namespace wal2lake
