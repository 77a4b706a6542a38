#include "log.h"

#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

const LogEntry kEntry{LogLevel::kWarning,
                      "reconnect",
                      "connection lost:\nserver said \"no\"",
                      {{"name", std::string("a b")}, {"ms", int64_t{-5}}, {"bytes", uint64_t{7}}}};

TEST(Log, JsonIsOneObjectALine)
{
    EXPECT_EQ(FormatLogJson(kEntry, "T", "cell1.main"),
              R"({"time":"T","level":"warning","event":"reconnect","source":"cell1.main",)"
              R"("message":"connection lost: server said \"no\"","name":"a b","ms":-5,"bytes":7})");
}

TEST(Log, TextIsOneLine)
{
    EXPECT_EQ(FormatLogText(kEntry, "T", "", false),
              "T warning connection lost: server said \"no\"  name=a b  ms=-5  bytes=7");
    EXPECT_EQ(FormatLogText(kEntry, "T", "cell1.main", false),
              "T warning cell1.main: connection lost: server said \"no\"  name=a b  ms=-5  bytes=7");
    EXPECT_NE(FormatLogText(kEntry, "T", "", true).find("\033[33mwarning\033[0m"), std::string::npos);
}

TEST(Log, KnowsItsLevelsAndFormats)
{
    EXPECT_EQ(ParseLogLevel("debug"), LogLevel::kDebug);
    EXPECT_FALSE(ParseLogLevel("loud"));
    EXPECT_EQ(ParseLogFormat("json"), LogFormat::kJson);
    EXPECT_FALSE(ParseLogFormat("xml"));
}

} // namespace
} // namespace wal2lake
