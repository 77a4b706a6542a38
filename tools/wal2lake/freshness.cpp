#include "freshness.h"

#include <algorithm>

namespace wal2lake
{
namespace
{

constexpr size_t kMaxRuns = 4096;

} // namespace

void FreshnessHistogram::Observe(double seconds, uint64_t transactions)
{
    // Clocks of two hosts may differ by more than a commit takes.
    seconds = std::max(seconds, 0.0);
    const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
    counts[static_cast<size_t>(bound - kBounds.begin())] += transactions;
    sum_seconds += seconds * static_cast<double>(transactions);
}

void CommitTimes::Add(int64_t commit_time_us)
{
    if (!runs_.empty() && commit_time_us - runs_.back().first_us < width_us_) {
        runs_.back().first_us = std::min(runs_.back().first_us, commit_time_us);
        runs_.back().transactions++;
        return;
    }
    if (runs_.size() == kMaxRuns)
        Widen();
    runs_.push_back({commit_time_us, 1});
}

// Until half of the room is free again.
void CommitTimes::Widen()
{
    while (runs_.size() > kMaxRuns / 2) {
        width_us_ *= 2;
        std::vector<Run> wider;
        for (const Run& run : runs_) {
            if (!wider.empty() && run.first_us - wider.back().first_us < width_us_)
                wider.back().transactions += run.transactions;
            else
                wider.push_back(run);
        }
        runs_ = std::move(wider);
    }
}

void CommitTimes::ObserveAll(int64_t now_us, FreshnessHistogram* histogram) const
{
    for (const Run& run : runs_)
        histogram->Observe(static_cast<double>(now_us - run.first_us) / 1e6, run.transactions);
}

} // namespace wal2lake
