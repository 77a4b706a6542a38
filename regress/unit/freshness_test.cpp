#include "freshness.h"

#include <numeric>

#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

uint64_t Sum(const FreshnessHistogram& histogram)
{
    return std::accumulate(histogram.counts.begin(), histogram.counts.end(), uint64_t{0});
}

TEST(Freshness, EachTransactionFallsIntoItsBucket)
{
    FreshnessHistogram histogram;
    histogram.Observe(-3, 1);
    histogram.Observe(0.1, 1);
    histogram.Observe(0.11, 5);
    histogram.Observe(21'600, 1);
    histogram.Observe(21'601, 2);
    EXPECT_EQ(histogram.counts[0], 2U) << "a bound belongs to its bucket, a clock that is ahead to the first";
    EXPECT_EQ(histogram.counts[1], 5U);
    EXPECT_EQ(histogram.counts[15], 1U);
    EXPECT_EQ(histogram.counts[16], 2U);
    EXPECT_NEAR(histogram.sum_seconds, 0.1 + 0.55 + 21'600 + 43'202, 0.001);
}

TEST(Freshness, CommitTimesAreKeptOneByOneWhileThereIsRoom)
{
    CommitTimes times;
    for (int64_t i = 0; i < 1000; i++)
        times.Add(i * 1'000'000);
    FreshnessHistogram histogram;
    times.ObserveAll(1000 * 1'000'000, &histogram);
    EXPECT_EQ(Sum(histogram), 1000U);
    EXPECT_NEAR(histogram.sum_seconds, 1000.0 * 1001 / 2, 0.001);
    // 1 to 60 seconds old.
    EXPECT_EQ(std::accumulate(histogram.counts.begin(), histogram.counts.begin() + 9, uint64_t{0}), 60U);
}

TEST(Freshness, AMillionCommitsTakeBoundedRoomAndAreNeverShownYounger)
{
    CommitTimes times;
    double exact = 0;
    constexpr int64_t kNow = int64_t{1'000'000} * 50'000;
    for (int64_t i = 0; i < 1'000'000; i++) {
        times.Add(i * 50'000);
        exact += static_cast<double>(kNow - i * 50'000) / 1e6;
    }
    EXPECT_LE(times.runs(), 4096U);
    FreshnessHistogram histogram;
    times.ObserveAll(kNow, &histogram);
    EXPECT_EQ(Sum(histogram), 1'000'000U);
    EXPECT_GE(histogram.sum_seconds, exact);
    EXPECT_LT(histogram.sum_seconds, exact * 1.01);
}

} // namespace
} // namespace wal2lake
