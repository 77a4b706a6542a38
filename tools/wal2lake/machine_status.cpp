// What the machine tells of itself, and what it counts for that. Decides nothing.
#include "machine.h"

namespace wal2lake
{

// Runs after each event.
void Machine::NoteProgress()
{
    if (BufferedEnd() == durable_lsn())
        moved_ms_ = now_ms_;
    if (streaming())
        streamed_ms_ = now_ms_;
    // What the server had when we connected has come, and nothing of it waits.
    if (streaming() && received_lsn_ >= facts_.wal_flush_lsn && OldestWaitingUs() == 0)
        level_us_ = wall_us_;
}

void Machine::NoteShipped(const Inflight& shipped)
{
    moved_ms_ = now_ms_;
    totals_.segments++;
    totals_.segment_bytes += shipped.file->size();
    totals_.transactions += shipped.facts.footer.transactions();
    for (const auto& entry : shipped.facts.footer.counts())
        totals_.changes.Add({entry.inserts(), entry.updates(), entry.deletes(), entry.truncates()});
    shipped.commit_times.ObserveAll(wall_us_, &totals_.commit_to_durable);
}

// Commit time of the first transaction that has come and is not in the lake.
int64_t Machine::OldestWaitingUs() const
{
    if (inflight_ && inflight_->facts.footer.transactions() > 0)
        return inflight_->facts.footer.first_commit_time_us();
    if (!sealed_.empty())
        return sealed_.front().first_commit_time_us;
    if (open_.transactions() > 0)
        return open_.first_commit_time_us();
    if (open_transaction_ && open_transaction_->end_lsn > skip_through_lsn_)
        return open_transaction_->commit_time_us;
    return 0;
}

// Since when commits may be missing in the lake, 0 where none is known to. While
// the server cannot be heard, it may have committed since we were last level.
int64_t Machine::BehindSinceUs() const
{
    const int64_t oldest = OldestWaitingUs();
    if (oldest != 0)
        return oldest;
    if (streaming() && received_lsn_ >= facts_.wal_flush_lsn)
        return 0;
    if (level_us_ != 0)
        return level_us_;
    const int64_t last = tail_ ? tail_->facts.footer.last_commit_time_us() : 0;
    return last != 0 ? last : began_us_;
}

void Machine::Describe(SourceStatus* status) const
{
    status->state = finished()     ? SourceState::kEnded
                    : streaming()  ? SourceState::kStreaming
                    : chain_known_ ? SourceState::kConnecting
                                   : SourceState::kStarting;
    status->durable_lsn = durable_lsn();
    status->received_lsn = std::max(received_lsn_, durable_lsn());
    status->wal_end_lsn = std::max({facts_.wal_flush_lsn, wal_end_, status->received_lsn});
    status->acknowledged_lsn = std::max(status_flush_lsn_, facts_.slot.confirmed_flush_lsn);
    status->buffered_bytes = buffered_bytes();
    status->paused = paused_;
    status->store_refuses = store_refuses_;
    status->waiting = BufferedEnd() != durable_lsn();
    status->moved_ms = moved_ms_;
    status->streamed_ms = streamed_ms_;
    status->heard_ms = heard_ms_;
    status->ask_interval_ms = status_interval_ms_;
    status->max_age_ms = config_.max_age_ms;
    status->behind_since_us = BehindSinceUs();
    status->totals = totals_;
    status->last_store_error_us = last_store_error_us_;
    status->last_server_error_us = last_server_error_us_;
}

} // namespace wal2lake
