// How long commits take to become durable: commit times are collected while a
// segment is built, and observed when the store has confirmed it.
//
// Used by segment_writer.cpp and by the machine; shown by metrics.cpp. Bounded,
// however many transactions a segment holds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace wal2lake
{

// Transactions by the seconds from commit to durable.
struct FreshnessHistogram {
    // Upper bounds; the last ones are half and whole of a usual promise of 6 h.
    static constexpr std::array<double, 16> kBounds{0.1, 0.25, 0.5, 1,   2.5,  5,    10,     30,
                                                    60,  120,  300, 900, 1800, 3600, 10'800, 21'600};

    // One for each bound, and one for what is above all of them.
    std::array<uint64_t, kBounds.size() + 1> counts{};
    double sum_seconds = 0;

    void Observe(double seconds, uint64_t transactions);
};

// Commit times of a segment's transactions, in runs of neighbours.
class CommitTimes
{
  public:
    void Add(int64_t commit_time_us);
    // All of them became durable at `now_us`.
    void ObserveAll(int64_t now_us, FreshnessHistogram* histogram) const;
    size_t runs() const { return runs_.size(); }

  private:
    // Within `width_us_` of the first; never shown younger than it is.
    struct Run {
        int64_t first_us = 0;
        uint64_t transactions = 0;
    };

    void Widen();

    std::vector<Run> runs_;
    int64_t width_us_ = 10'000;
};

} // namespace wal2lake
