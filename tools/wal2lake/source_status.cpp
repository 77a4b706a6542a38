#include "source_status.h"

#include <algorithm>

#include "clock.h"

namespace wal2lake
{
namespace
{

// A short hiccup, of server or store, is no standstill.
constexpr int64_t kGraceMs = 10'000;
// Looking up the name of a server may take half a minute.
constexpr int64_t kLoopMs = 120'000;
// In busy_since_ms_, of a thread that waits.
constexpr int64_t kWaits = -1;

std::string Seconds(int64_t ms)
{
    return std::to_string(ms / 1000) + " s";
}

} // namespace

const char* NameOf(SourceState state)
{
    switch (state) {
    case SourceState::kStarting:
        return "starting";
    case SourceState::kConnecting:
        return "connecting";
    case SourceState::kStreaming:
        return "streaming";
    case SourceState::kResting:
        return "resting";
    case SourceState::kEnded:
        return "ended";
    }
    return "unknown";
}

double SourceStatus::lag_seconds(int64_t now_us) const
{
    return behind_since_us == 0 ? 0
                                : static_cast<double>(std::max<int64_t>(now_us - behind_since_us, 0)) / 1e6;
}

bool IsAlive(const SourceStatus& status, int64_t now_ms)
{
    return status.busy_ms(now_ms) <= kLoopMs;
}

std::optional<std::string> WhyNotMoving(const SourceStatus& status, int64_t now_ms)
{
    switch (status.state) {
    case SourceState::kResting:
        return "the source refused, it is tried again after a rest; its log lines say why";
    case SourceState::kEnded:
        return "the source has ended";
    case SourceState::kStarting:
        if (!status.streamed_ms || now_ms - *status.streamed_ms > kGraceMs)
            return "looking for the end of its log in the lake";
        break;
    case SourceState::kConnecting:
        if (!status.streamed_ms)
            return "not connected to the server yet";
        if (now_ms - *status.streamed_ms > kGraceMs)
            return "not connected to the server for " + Seconds(now_ms - *status.streamed_ms);
        break;
    case SourceState::kStreaming:
        break;
    }
    if (!IsAlive(status, now_ms))
        return "its loop has not turned for " + Seconds(status.busy_ms(now_ms));
    if (status.store_refuses)
        return "the store refuses; the log line store_refused says what to do";
    if (status.waiting && now_ms - status.moved_ms > 3 * status.max_age_ms + kGraceMs)
        return "nothing has become durable for " + Seconds(now_ms - status.moved_ms) + ", " +
               std::to_string(status.buffered_bytes) + " bytes wait for the store";
    // A paused source reads nothing, and waits for the store, which was judged.
    if (status.state == SourceState::kStreaming && !status.paused &&
        now_ms - status.heard_ms > 3 * status.ask_interval_ms)
        return "nothing was heard from the server for " + Seconds(now_ms - status.heard_ms);
    return std::nullopt;
}

StatusBoard::StatusBoard(const std::vector<std::string>& ids) : busy_since_ms_(ids.size())
{
    for (const std::string& id : ids)
        entries_.push_back({id, {}, {}});
    for (auto& since : busy_since_ms_)
        since = NowMs();
}

int StatusBoard::Poll(size_t source, pollfd* fds, nfds_t count, int timeout_ms)
{
    busy_since_ms_[source] = kWaits;
    const int ready = ::poll(fds, count, timeout_ms);
    busy_since_ms_[source] = NowMs();
    return ready;
}

std::function<int(pollfd*, nfds_t, int)> StatusBoard::PollOf(size_t source)
{
    return [this, source](pollfd* fds, nfds_t count, int timeout_ms) {
        return Poll(source, fds, count, timeout_ms);
    };
}

void StatusBoard::Publish(size_t source, SourceStatus status)
{
    const std::lock_guard lock(mutex_);
    SourceStatus& known = entries_[source].status;
    // Begun anew after a rest, a source knows less of its past than we do.
    if (status.totals.streams == 0 && known.behind_since_us != 0)
        status.behind_since_us = status.behind_since_us == 0
                                     ? known.behind_since_us
                                     : std::min(status.behind_since_us, known.behind_since_us);
    known = std::move(status);
}

void StatusBoard::Stopped(size_t source, ExitCode code, SourceState state, int64_t now_us)
{
    const std::lock_guard lock(mutex_);
    BoardEntry& entry = entries_[source];
    busy_since_ms_[source] = kWaits;
    entry.status.state = state;
    entry.status.paused = false;
    entry.status.buffered_bytes = 0;
    entry.status.staged_bytes = 0;
    entry.status.staged_transactions = 0;
    // Whatever comes from now on is missing until it streams again.
    if (entry.status.behind_since_us == 0)
        entry.status.behind_since_us = now_us;
    const auto number = static_cast<size_t>(code);
    if (code != ExitCode::kOk && number < entry.refusals.counts.size()) {
        entry.refusals.counts[number]++;
        entry.refusals.last_us[number] = now_us;
    }
}

std::vector<BoardEntry> StatusBoard::Read() const
{
    const std::lock_guard lock(mutex_);
    std::vector<BoardEntry> entries = entries_;
    for (size_t i = 0; i < entries.size(); i++)
        if (const int64_t since = busy_since_ms_[i]; since != kWaits)
            entries[i].status.busy_since_ms = since;
    return entries;
}

} // namespace wal2lake
