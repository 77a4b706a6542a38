// What /metrics, /healthz and /livez answer for a given board.
#include "metrics.h"

#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

constexpr MetricsContext kContext{50'000, 1'700'000'100'000'000, 1'700'000'000'000'000, 21'600'000};

BoardEntry Healthy(const std::string& id)
{
    BoardEntry entry;
    entry.id = id;
    entry.status.state = SourceState::kStreaming;
    entry.status.streamed_ms = kContext.now_ms;
    entry.status.heard_ms = kContext.now_ms;
    entry.status.ask_interval_ms = 10'000;
    return entry;
}

std::string Metrics(const std::vector<BoardEntry>& sources)
{
    const HttpAnswer answer = AnswerMonitoring("/metrics", sources, kContext);
    EXPECT_EQ(answer.status, 200);
    return answer.body;
}

// The value of a line "name{labels} value"; a text that says so where there is none.
std::string ValueOf(const std::string& text, const std::string& series)
{
    const size_t found = ("\n" + text).find("\n" + series + " ");
    if (found == std::string::npos)
        return "no series " + series;
    const size_t begin = found + series.size() + 1;
    return text.substr(begin, text.find('\n', begin) - begin);
}

TEST(Metrics, NumbersOfASourceCarryItsId)
{
    BoardEntry entry = Healthy("cell1.main");
    entry.status.wal_end_lsn = 0x16B374D848;
    entry.status.durable_lsn = 0x16B374D840;
    entry.status.behind_since_us = kContext.now_us - 2'500'000;
    entry.status.totals.segments = 12;
    entry.status.totals.changes = {1, 2, 3, 4};
    entry.refusals.counts[4] = 2;
    const std::string text = Metrics({entry, Healthy("b")});
    EXPECT_EQ(ValueOf(text, "wal2lake_durable_lsn{source=\"cell1.main\"}"), "97500059712");
    EXPECT_EQ(ValueOf(text, "wal2lake_lag_bytes{source=\"cell1.main\"}"), "8");
    EXPECT_EQ(ValueOf(text, "wal2lake_lag_seconds{source=\"cell1.main\"}"), "2.5");
    EXPECT_EQ(ValueOf(text, "wal2lake_lag_seconds{source=\"b\"}"), "0");
    EXPECT_EQ(ValueOf(text, "wal2lake_segments_total{source=\"cell1.main\"}"), "12");
    EXPECT_EQ(ValueOf(text, "wal2lake_changes_total{source=\"cell1.main\",operation=\"delete\"}"), "3");
    EXPECT_EQ(ValueOf(text, "wal2lake_refusals_total{source=\"cell1.main\",kind=\"source\"}"), "2");
    EXPECT_EQ(ValueOf(text, "wal2lake_state{source=\"b\",state=\"streaming\"}"), "1");
    EXPECT_EQ(ValueOf(text, "wal2lake_state{source=\"b\",state=\"resting\"}"), "0");
    EXPECT_EQ(ValueOf(text, "wal2lake_moving{source=\"b\"}"), "1");
    EXPECT_EQ(ValueOf(text, "process_start_time_seconds"), "1700000000");
}

TEST(Metrics, TheHistogramIsCumulative)
{
    BoardEntry entry = Healthy("a");
    entry.status.totals.commit_to_durable.Observe(0.2, 3);
    entry.status.totals.commit_to_durable.Observe(45, 2);
    entry.status.totals.commit_to_durable.Observe(90'000, 1);
    const std::string text = Metrics({entry});
    const std::string name = "wal2lake_commit_to_durable_seconds";
    EXPECT_EQ(ValueOf(text, name + "_bucket{source=\"a\",le=\"0.1\"}"), "0");
    EXPECT_EQ(ValueOf(text, name + "_bucket{source=\"a\",le=\"30\"}"), "3");
    EXPECT_EQ(ValueOf(text, name + "_bucket{source=\"a\",le=\"21600\"}"), "5");
    EXPECT_EQ(ValueOf(text, name + "_bucket{source=\"a\",le=\"+Inf\"}"), "6");
    EXPECT_EQ(ValueOf(text, name + "_count{source=\"a\"}"), "6");
}

// A table that was dropped and made again must not give one series twice, which
// would spoil the whole scrape; and names are anything but harmless.
TEST(Metrics, TablesOfOneNameAreOneSeriesAndNamesAreEscaped)
{
    BoardEntry entry = Healthy("a");
    StatsByOid stats;
    stats[1] = {"public", "users", 2, 0, 0};
    stats[2] = {"public", "users", 3, 0, 0};
    stats[3] = {"public", "a\"b\\\nc", 1, 0, 0};
    entry.status.tables = std::make_shared<const StatsByOid>(stats);
    const std::string text = Metrics({entry});
    EXPECT_EQ(ValueOf(text, "wal2lake_withheld_values_total{source=\"a\",table=\"public.users\"}"), "5");
    EXPECT_EQ(ValueOf(text, R"(wal2lake_withheld_values_total{source="a",table="public.a\"b\\\nc"})"), "1");
}

TEST(Metrics, UnclassifiedColumnsAndTablesThatAreNotSent)
{
    BoardEntry entry = Healthy("a");
    StatsByOid stats;
    stats[1] = {"public", "users", 2, 0, 0, 3, false};
    stats[2] = {"public", "orders", 0, 0, 7, 0, true};
    stats[3] = {"public", "notes", 0, 0, 9, 0, false};
    entry.status.tables = std::make_shared<const StatsByOid>(stats);
    const std::string text = Metrics({entry, Healthy("b")});
    EXPECT_EQ(ValueOf(text, "wal2lake_unclassified_columns{source=\"a\",table=\"public.users\"}"), "3");
    EXPECT_EQ(ValueOf(text, "wal2lake_unclassified_columns{source=\"a\",table=\"public.notes\"}"), "0");
    EXPECT_EQ(ValueOf(text, "wal2lake_tables_not_emitted{source=\"a\"}"), "1");
    EXPECT_EQ(ValueOf(text, "wal2lake_tables_not_emitted{source=\"b\"}"), "0");
}

TEST(Health, NamesTheSourceThatDoesNotMove)
{
    BoardEntry resting = Healthy("b");
    resting.status.state = SourceState::kResting;
    const std::vector<BoardEntry> both{Healthy("a"), resting};
    const HttpAnswer all = AnswerMonitoring("/healthz", both, kContext);
    EXPECT_EQ(all.status, 503);
    EXPECT_NE(all.body.find(R"({"source":"a","moving":true,"state":"streaming"})"), std::string::npos);
    EXPECT_NE(all.body.find(R"({"source":"b","moving":false,"state":"resting","reason":")"),
              std::string::npos);
    EXPECT_EQ(AnswerMonitoring("/healthz/a", both, kContext).status, 200);
    EXPECT_EQ(AnswerMonitoring("/healthz/b", both, kContext).status, 503);
    EXPECT_EQ(AnswerMonitoring("/livez", both, kContext).status, 200);
    EXPECT_EQ(AnswerMonitoring("/healthz/c", both, kContext).status, 404);
    EXPECT_EQ(AnswerMonitoring("/healthzb", both, kContext).status, 404);
    EXPECT_EQ(AnswerMonitoring("/", both, kContext).status, 404);
}

TEST(Health, ALoopThatHangsIsNotAlive)
{
    BoardEntry hanging = Healthy("a");
    hanging.status.busy_since_ms = kContext.now_ms - 121'000;
    EXPECT_EQ(AnswerMonitoring("/livez", {hanging}, kContext).status, 503);
    EXPECT_EQ(AnswerMonitoring("/healthz", {hanging}, kContext).status, 503);
}

TEST(Endpoint, APortThatIsTakenIsSaidSo)
{
    const auto answer = [](const std::string&) { return HttpAnswer{}; };
    const auto first = Endpoint::Open({"127.0.0.1", 0}, answer);
    ASSERT_TRUE(first.ok()) << first.error().text;
    const auto second = Endpoint::Open({"127.0.0.1", first.value()->port()}, answer);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().kind, ErrorKind::kRetryable) << second.error().text;
}

} // namespace
} // namespace wal2lake
