// What the sources of one process hold in memory together. Each driver reports
// its own share as often as it likes and hears of the others; the machine
// decides what to do about it. No locks: a number that is a moment old is fine.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace wal2lake
{

class MemoryBudget
{
  public:
    explicit MemoryBudget(size_t sources) : held_(sources) {}

    size_t sources() const { return held_.size(); }

    struct Others {
        uint64_t sum = 0;
        uint64_t largest = 0;
    };

    // Bytes that source number `source` holds now; answers what the others do.
    Others Report(size_t source, uint64_t held)
    {
        held_[source].store(held, std::memory_order_relaxed);
        Others others;
        for (size_t i = 0; i < held_.size(); i++) {
            const uint64_t other = i == source ? 0 : held_[i].load(std::memory_order_relaxed);
            others.sum += other;
            others.largest = std::max(others.largest, other);
        }
        return others;
    }

  private:
    std::vector<std::atomic<uint64_t>> held_;
};

} // namespace wal2lake
