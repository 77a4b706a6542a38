// What one source of `run` is doing, as others may see it: filled by the machine
// and the driver, kept on the board below, read by metrics.cpp. Whether a source
// counts as moving is decided here, from such a snapshot and the time alone.
//
// Never holds a text of server or store: those may name what nobody should see.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <poll.h>

#include "exit_code.h"
#include "freshness.h"
#include "tally.h"

namespace wal2lake
{

enum class SourceState : uint8_t {
    // Looks for the end of its log.
    kStarting,
    kConnecting,
    kStreaming,
    // Refused, and tried again later, beside other sources.
    kResting,
    // Will do nothing any more.
    kEnded,
};
inline constexpr std::array kSourceStates{SourceState::kStarting, SourceState::kConnecting,
                                          SourceState::kStreaming, SourceState::kResting,
                                          SourceState::kEnded};
const char* NameOf(SourceState state);

// Counted since the source was last begun; they start again at 0 with it.
struct SourceTotals {
    uint64_t segments = 0;
    // Of segments and parts.
    uint64_t segment_bytes = 0;
    uint64_t parts = 0;
    // Written by another forwarder, or earlier by us, and met on our way.
    uint64_t adopted_segments = 0;
    uint64_t transactions = 0;
    TableCounts changes;
    FreshnessHistogram commit_to_durable;
    uint64_t store_retries = 0;
    // Attempts at the server that failed, and streams that broke.
    uint64_t server_retries = 0;
    uint64_t streams = 0;
};

// Times "_ms" are of the driver's monotonic clock, "_us" are Unix time.
struct SourceStatus {
    SourceState state = SourceState::kStarting;
    // Since when its thread has not come back to where it waits; nothing while it
    // waits.
    std::optional<int64_t> busy_since_ms;

    uint64_t wal_end_lsn = 0;
    uint64_t received_lsn = 0;
    uint64_t durable_lsn = 0;
    uint64_t acknowledged_lsn = 0;
    uint64_t buffered_bytes = 0;
    // Transactions in progress, on disk.
    uint64_t staged_bytes = 0;
    uint64_t staged_transactions = 0;
    bool paused = false;
    // The last request to the store was refused: somebody has to mend that.
    bool store_refuses = false;

    // Whole transactions, or idle progress, wait for the store.
    bool waiting = false;
    // When the durable position moved last, or nothing waited.
    int64_t moved_ms = 0;
    // When it streamed last; nothing where it never did.
    std::optional<int64_t> streamed_ms;
    // When anything came from the server last, and how often it is asked.
    int64_t heard_ms = 0;
    int64_t ask_interval_ms = 0;
    // How long progress may take, by configuration.
    int64_t max_age_ms = 0;
    // Commits since then may be missing in the lake; 0 where none is known to.
    int64_t behind_since_us = 0;

    SourceTotals totals;
    std::shared_ptr<const StatsByOid> tables;
    // Unix time of the last one, 0 for none.
    int64_t last_store_error_us = 0;
    int64_t last_server_error_us = 0;

    uint64_t lag_bytes() const { return wal_end_lsn > durable_lsn ? wal_end_lsn - durable_lsn : 0; }
    double lag_seconds(int64_t now_us) const;
    int64_t busy_ms(int64_t now_ms) const { return busy_since_ms ? now_ms - *busy_since_ms : 0; }
};

// Nothing where the source moves: it streams, the server answers, and what waits
// for the store does not wait too long. Otherwise why not.
std::optional<std::string> WhyNotMoving(const SourceStatus& status, int64_t now_ms);

// Whether its thread waits, or comes back soon, whatever it waits for.
bool IsAlive(const SourceStatus& status, int64_t now_ms);

// A source that refused, by exit code.
struct Refusals {
    std::array<uint64_t, 6> counts{};
    std::array<int64_t, 6> last_us{};
};

struct BoardEntry {
    std::string id;
    SourceStatus status;
    Refusals refusals;
};

// Where the drivers of a process put their snapshots, and the one place that knows
// whether the thread of a source lives.
class StatusBoard
{
  public:
    explicit StatusBoard(const std::vector<std::string>& ids);

    // poll(), for the thread of `source`: it may wait here as long as it likes. One
    // that does not come back for long hangs in a call that nothing can interrupt.
    int Poll(size_t source, pollfd* fds, nfds_t count, int timeout_ms);
    // The same, for whoever waits for its server.
    std::function<int(pollfd*, nfds_t, int)> PollOf(size_t source);
    void Publish(size_t source, SourceStatus status);
    // The source stopped with `code` and is resting or ended, and its thread with it.
    void Stopped(size_t source, ExitCode code, SourceState state, int64_t now_us);
    std::vector<BoardEntry> Read() const;

  private:
    mutable std::mutex mutex_;
    std::vector<BoardEntry> entries_;
    // Beside the snapshots, because it changes with each turn of a loop.
    std::vector<std::atomic<int64_t>> busy_since_ms_;
};

} // namespace wal2lake
