// What the thread of a source shows of itself to those who watch over it.
//
// The driver writes, run.cpp reads from another thread. A thread that waits in
// its poll() comes back by itself, whatever server and store do; one that is
// busy for minutes hangs in a call that nothing can interrupt. So a source whose
// server or store is down still has a heartbeat.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace wal2lake
{

class Heartbeat
{
  public:
    // The loop turns: it has come back from its poll().
    void Turn(bool streaming)
    {
        streaming_ = streaming;
        busy_since_ms_ = NowMs();
    }
    // It waits where it can be woken, or does not run.
    void Rest(bool streaming)
    {
        streaming_ = streaming;
        busy_since_ms_ = kResting;
    }

    bool streaming() const { return streaming_; }
    // For how long the loop has not come back.
    std::chrono::milliseconds busy() const
    {
        const int64_t since = busy_since_ms_;
        return std::chrono::milliseconds(since == kResting ? 0 : NowMs() - since);
    }

  private:
    static constexpr int64_t kResting = -1;

    static int64_t NowMs()
    {
        return std::chrono::duration_cast<std::chrono::milliseconds>(
                   std::chrono::steady_clock::now().time_since_epoch())
            .count();
    }

    std::atomic<int64_t> busy_since_ms_ = kResting;
    std::atomic<bool> streaming_ = false;
};

} // namespace wal2lake
