// The verdict of `wal2lake status` from what lake and server say.
#include "status.h"

#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kNowUs = 1'700'000'000'000'000;

PositionReport Report(uint64_t durable_lsn, uint64_t wal_end_lsn)
{
    PositionReport report;
    report.lake = LakePosition{durable_lsn, 0, 0};
    SlotPosition slot;
    slot.exists = true;
    slot.restart_lsn = 900;
    slot.wal_end_lsn = wal_end_lsn;
    slot.now_us = kNowUs;
    report.slot = slot;
    return report;
}

TEST(Status, ALakeAtTheEndOfTheWalIsNotBehindHoweverOldItIs)
{
    PositionReport report = Report(1000, 1000);
    report.lake->last_commit_us = kNowUs - 100 * kHourMs * 1000;
    Assess(kHourMs, kNowUs, &report);
    EXPECT_EQ(report.lag_bytes, 0U);
    EXPECT_EQ(report.lag_seconds, 0);
    EXPECT_EQ(report.retained_bytes, 100U);
    EXPECT_EQ(report.code, ExitCode::kOk);
}

TEST(Status, BehindSinceTheLastCommitInTheLakeByTheServersClock)
{
    PositionReport report = Report(1000, 1500);
    report.lake->last_commit_us = kNowUs - 7'000'000;
    report.lake->written_us = kNowUs;
    Assess(kHourMs, kNowUs + 99'000'000, &report);
    EXPECT_EQ(report.lag_bytes, 500U);
    EXPECT_EQ(report.lag_seconds, 7);
    EXPECT_EQ(report.code, ExitCode::kOk);
    Assess(6'999, kNowUs, &report);
    EXPECT_EQ(report.code, ExitCode::kLate);
}

TEST(Status, AnObjectWithoutTransactionsCountsFromWhenItWasWritten)
{
    PositionReport report = Report(1000, 1500);
    report.lake->written_us = kNowUs - 60'000'000;
    Assess(kHourMs, kNowUs, &report);
    EXPECT_EQ(report.lag_seconds, 60);
    PositionReport unknown = Report(1000, 1500);
    Assess(kHourMs, kNowUs, &unknown);
    EXPECT_FALSE(unknown.lag_seconds);
    EXPECT_EQ(unknown.lag_bytes, 500U);
}

TEST(Status, WithoutOneHalfNothingIsClaimed)
{
    PositionReport report = Report(1000, 1500);
    report.slot.reset();
    report.code = ExitCode::kSource;
    Assess(kHourMs, kNowUs, &report);
    EXPECT_FALSE(report.lag_bytes || report.lag_seconds || report.retained_bytes);
    EXPECT_EQ(report.code, ExitCode::kSource);
}

TEST(Status, ALogAheadOfTheServerIsAnotherServers)
{
    PositionReport report = Report(2000, 1500);
    Assess(kHourMs, kNowUs, &report);
    EXPECT_EQ(report.code, ExitCode::kLake);
    EXPECT_FALSE(report.lag_bytes);
}

} // namespace
} // namespace wal2lake
