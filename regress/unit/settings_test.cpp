#include "settings.h"

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

namespace wal2lake
{
namespace
{

class SettingsTest : public testing::Test
{
  protected:
    SettingsTest() { ::unsetenv("WAL2LAKE_CONFIG"); }
    ~SettingsTest() override { ::unlink(path_.c_str()); }

    void Write(const std::string& text)
    {
        std::ofstream(path_) << text;
        options_.config_path = path_;
    }

    std::string Refusal()
    {
        const auto settings = LoadSettings(options_, Needs::kOneSource);
        EXPECT_FALSE(settings.ok());
        return settings.ok() ? "" : settings.error().text;
    }

    std::string path_ = "/tmp/wal2lake-settings-" + std::to_string(::getpid()) + ".toml";
    CommonOptions options_;
};

TEST_F(SettingsTest, OptionsAloneAreEnough)
{
    options_.lake = "file:///l";
    options_.source = "a";
    options_.conninfo = "dbname=x";
    options_.slot = "s";
    options_.max_age = "2s";
    options_.plugin_options = {"tables=public.users", "origin="};
    const auto settings = LoadSettings(options_, Needs::kOneSource);
    ASSERT_TRUE(settings.ok()) << settings.error().text;
    EXPECT_EQ(settings.value().config.lake_url, "file:///l");
    EXPECT_EQ(settings.value().config.max_age_ms, 2000);
    EXPECT_EQ(settings.value().source->slot, "s");
    EXPECT_EQ(settings.value().source->options, (PluginOptions{{"tables", "public.users"}, {"origin", ""}}));
}

TEST_F(SettingsTest, OptionsOverrideTheFileOfTheEnvironment)
{
    Write("[lake]\nurl = \"file:///from_file\"\n[[source]]\nid = \"a\"\nconninfo = \"dbname=f\"\n");
    options_.config_path.clear();
    ::setenv("WAL2LAKE_CONFIG", path_.c_str(), 1);
    options_.lake = "file:///over";
    const auto settings = LoadSettings(options_, Needs::kOneSource);
    ::unsetenv("WAL2LAKE_CONFIG");
    ASSERT_TRUE(settings.ok()) << settings.error().text;
    EXPECT_EQ(settings.value().config.lake_url, "file:///over");
    EXPECT_EQ(settings.value().source->conninfo, "dbname=f");
}

TEST_F(SettingsTest, OneSourceWhereOneIsNeeded)
{
    Write("[[source]]\nid = \"a\"\n[[source]]\nid = \"b\"\nslot = \"of_b\"\n");
    EXPECT_NE(Refusal().find("name one with --source"), std::string::npos);
    options_.source = "b";
    EXPECT_EQ(LoadSettings(options_, Needs::kOneSource).value().source->slot, "of_b");
    options_.source = "c";
    EXPECT_NE(Refusal().find("has no source \"c\""), std::string::npos);
}

TEST_F(SettingsTest, AllSourcesOrTheOneThatIsNamed)
{
    Write("[[source]]\nid = \"a\"\n[[source]]\nid = \"b\"\nslot = \"of_b\"\n");
    EXPECT_EQ(LoadSettings(options_, Needs::kSources).value().config.sources.size(), 2U);
    options_.slot = "other";
    const auto refused = LoadSettings(options_, Needs::kSources);
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().text.find("about one source"), std::string::npos);
    options_.source = "b";
    const auto one = LoadSettings(options_, Needs::kSources);
    ASSERT_EQ(one.value().config.sources.size(), 1U);
    EXPECT_EQ(one.value().config.sources.front().slot, "other");
}

TEST_F(SettingsTest, RefusesWithTheFix)
{
    Write("");
    EXPECT_EQ(Refusal(),
              "no source is configured in " + path_ + "; add a [[source]], or give --source and --conninfo");
    options_.config_path.clear();
    if (::access(kDefaultConfigPath, F_OK) != 0) {
        EXPECT_EQ(Refusal(),
                  "no source is configured: there is no /etc/wal2lake/wal2lake.toml; write it, name"
                  " another file with -c, or give --source and --conninfo");
    }
    options_.source = "a";
    options_.conninfo = "dbname=x password=secret";
    const std::string refusal = Refusal();
    EXPECT_NE(refusal.find("passfile"), std::string::npos);
    EXPECT_EQ(refusal.find("secret"), std::string::npos);
    options_.conninfo = "dbname=x";
    options_.plugin_options = {"novalue"};
    EXPECT_NE(Refusal().find("not name=value"), std::string::npos);
    options_.plugin_options.clear();
    options_.max_size = "12";
    EXPECT_NE(Refusal().find("--max-size"), std::string::npos);
    options_.max_size.clear();
    options_.slot = "Bad";
    EXPECT_NE(Refusal().find("slot name"), std::string::npos);
    options_.config_path = "/nonexistent.toml";
    EXPECT_NE(Refusal().find("/nonexistent.toml"), std::string::npos);
}

} // namespace
} // namespace wal2lake
