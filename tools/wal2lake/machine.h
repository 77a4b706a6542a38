// The forwarder's state machine for one source: everything that decides what is
// put into the lake, under which name, and what is acknowledged.
//
// Driven by driver.cpp with real events and by the tests with invented ones. No
// I/O, no clock, no threads, no libpq: Step(event) changes the state and answers
// with actions. Equal events give equal actions.
//
// The rules it keeps (docs/architecture.md):
//   - flush LSN sent = end of the last segment known to be durable, always;
//   - a name is used only after its predecessor was confirmed, and is the
//     predecessor's end; one PutObject is open at a time;
//   - a segment holds whole transactions of one plugin session;
//   - "exists" means: read it, fence it, adopt its end, drop what it covers.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>

#include "chain.h"
#include "fence.h"
#include "machine_events.h"
#include "segment_writer.h"
#include "source_status.h"
#include "tally.h"

namespace wal2lake
{

struct MachineConfig {
    FenceNames names;
    PluginOptions options;
    uint64_t max_size = uint64_t{64} << 20;
    int64_t max_age_ms = 60'000;
    int64_t idle_age_ms = 600'000;
    // Progress is recorded after so much WAL, too, while nothing changes.
    uint64_t idle_wal_bytes = uint64_t{1} << 30;
    // Of the process, and how many sources share it.
    uint64_t memory_budget = uint64_t{256} << 20;
    uint64_t sources = 1;
    int compression_level = kDefaultCompressionLevel;
    // What the relations of one session of the plugin may take before another one is begun, which announces those alone
    // that it uses. They are kept to be repeated at the front of segments.
    uint64_t max_relation_bytes = uint64_t{32} << 20;
    // Whether there is a stage for transactions in progress.
    bool staged = false;
    std::string writer_version;
    // Names what this process writes beside the log, "[a-z0-9-]+": no two processes
    // may have the same.
    std::string writer_id = "writer";
    // For the jitter of retries.
    uint32_t seed = 1;
    // Whether "open_segment" lines are worth making.
    bool debug = false;
};

// The object that begins a log at the slot's consistent point.
SegmentFile MakeGenesis(const MachineConfig& config, const SourceFacts& facts);

class Machine
{
  public:
    explicit Machine(MachineConfig config);

    // Appends what is to be done now to `*actions`.
    void Step(const Event& event, Actions* actions);

    // When the next Tick is due at the latest.
    int64_t deadline_ms() const { return deadline_ms_; }
    bool finished() const { return link_ == Link::kFinished; }

    // For tests and the log: end of what is durable in the lake, 0 if unknown.
    uint64_t durable_lsn() const { return tail_ ? tail_->end_lsn() : 0; }
    uint64_t buffered_bytes() const;

    // What others may see (machine_status.cpp); fills all but the tables.
    void Describe(SourceStatus* status) const;
    // Counters of tables, as the plugin told of them last, and how often it has.
    const StatsByOid& table_stats() const { return relations_.stats(); }
    uint64_t table_stats_heard() const { return relations_.stats_heard(); }

  private:
    enum class Link { kDown, kConnecting, kConnected, kStarting, kStreaming, kFinished };
    enum class StoreOp { kNone, kFindTail, kReadTail, kPut, kReadExisting, kPutPart, kReadPart };

    // A segment on its way into the lake.
    struct Inflight {
        SegmentName name;
        Bytes file;
        SegmentFacts facts;
        int64_t began_ms = 0;
        CommitTimes commit_times;
        // Where the transaction is in parts: the segment without its place, to be
        // placed again if another one is found there.
        std::optional<SealedSegment> listing;

        bool genesis() const { return name.start_lsn == 0; }
    };

    // A piece of a transaction that is larger than a segment, on its way.
    struct Part {
        PartName name;
        Bytes bytes;
        uint64_t end_lsn = 0;
        bool discarded = false;
    };

    void On(const event::Tick& tick);
    void On(const event::HeadRead& read);
    void On(const event::Listed& listed);
    void On(const event::ObjectRead& read);
    void On(const event::PutDone& done);
    void On(const event::PutExists& exists);
    void On(const event::PutFailed& failed);
    void On(const event::PredecessorGone& gone);
    void On(const event::Connected& connected);
    void On(const event::Streaming& streaming);
    void On(const event::Message& message);
    void On(const event::Keepalive& keepalive);
    void On(const event::Replaying& replaying);
    void On(const event::StageFailed& failed);
    void On(const event::ServerStopping& stopping);
    void On(const event::Disconnected& disconnected);
    void On(const event::StopRequested& stop);

    // Finding and adopting the chain (machine_chain.cpp).
    void AskForTail();
    void StoreFailed(const Error& error);
    void ReadAgainLater(Error error);
    bool ReadsOnceMore(const std::string& name, const std::string& wrong);
    void FoundDamaged(const std::string& name, const Error& error);
    void TailRead(const event::ObjectRead& read);
    void ExistingRead(const event::ObjectRead& read);
    void Adopt(Tail tail);
    bool DropThrough(uint64_t lsn);
    void StartPut(SealedSegment sealed);
    void Launch(SegmentName name, SegmentFile file, CommitTimes commit_times,
                std::optional<SealedSegment> listing);
    void StartGenesis();
    void IssuePut();
    void StoreAgain();
    void Confirm();
    void LookAgain(uint64_t confirmed_lsn);

    // Transactions in parts (machine_parts.cpp).
    void CutParts();
    void QueuePart(std::string bytes);
    void FinishParts();
    void DiscardParts(uint64_t end_lsn);
    void DiscardOpenTransaction();
    bool PartIsDue() const;
    void IssuePart();
    void PartStored();
    void PartRead(const event::ObjectRead& read);
    void Sweep();
    uint64_t PartSize() const;

    // The stream (machine.cpp).
    std::optional<Refusal> CheckFacts(const SourceFacts& facts) const;
    bool TakeBatch(const MessageView& message);
    bool BeginAnotherSession();
    void EndSession();
    void NoticeDraining(const event::Keepalive& keepalive);
    void LeaveDraining();
    void Seal(const char* reason);
    void LoseLink(int64_t retry_after_ms);
    void Refuse(const Refusal& refusal);

    // Runs after each event: whatever has become due.
    void Advance();
    void AdvanceLink();
    void AdvanceSegments();
    void AdvanceIdle();
    void AdvanceStatus();
    void AdvanceReading();
    void AdvanceStop();
    void LogOpenSegment();
    void ComputeDeadline();

    // What is told of it (machine_status.cpp).
    void NoteProgress();
    void NoteShipped(const Inflight& shipped);
    int64_t OldestWaitingUs() const;
    int64_t BehindSinceUs() const;

    void SendStatus();
    void Fail(ExitCode code, const std::string& sentence);
    void Fail(const Refusal& refusal) { Fail(refusal.code, refusal.sentence); }
    void Note(LogLevel level, std::string event, std::string text,
              std::vector<std::pair<std::string, LogEntry::Value>> fields = {});
    template <typename T>
    void Do(T action)
    {
        actions_->emplace_back(std::move(action));
    }

    // What may be acknowledged. The one place.
    uint64_t FlushLsn() const;
    // End of the last transaction that is in the lake or on its way there.
    uint64_t BufferedEnd() const;
    // Half of the budget: the other half is for the copy an assembled segment is,
    // for compression and for the connections.
    uint64_t MemoryLimit() const { return config_.memory_budget / 2; }
    bool streaming() const { return link_ == Link::kStreaming; }
    // Nothing is on its way into the lake, or ready to go.
    bool NothingGoesOut() const { return !inflight_ && sealed_.empty() && parts_.empty(); }
    // The budget is spent and nobody holds more than we do.
    bool IsPressed() const;
    int64_t Jitter(int attempts);

    MachineConfig config_;
    Actions* actions_ = nullptr;
    std::minstd_rand random_;
    int64_t now_ms_ = 0;
    uint64_t held_elsewhere_ = 0;
    uint64_t largest_elsewhere_ = 0;
    int64_t deadline_ms_ = 0;

    Link link_ = Link::kDown;
    StoreOp store_op_ = StoreOp::kNone;
    bool stopping_ = false;
    int64_t stop_deadline_ms_ = 0;

    // The chain.
    TailFinder finder_;
    bool chain_known_ = false;
    // The tail was read again because the slot was ahead of the one we knew:
    // where the slot was. Until a session begins.
    std::optional<uint64_t> looked_for_lsn_;
    std::optional<SegmentName> reading_;
    // The object that was read last and was not what it should be; empty otherwise.
    std::string doubted_;
    std::optional<Tail> tail_;
    int64_t store_retry_ms_ = 0;
    int store_attempts_ = 0;
    // It has answered as it should, since we started; and it refuses now.
    bool store_worked_ = false;
    bool store_refuses_ = false;
    int64_t store_warned_ms_ = INT64_MIN;
    int64_t last_durable_ms_ = 0;

    // The server.
    SourceFacts facts_;
    int64_t connect_at_ms_ = 0;
    int connect_attempts_ = 0;
    // The server has served us since we started, so a refusal is something new.
    bool served_ = false;
    // Nothing is asked of the server until what we hold is in the lake.
    bool ship_first_ = false;
    int64_t status_interval_ms_ = 10'000;
    int64_t last_status_ms_ = INT64_MIN / 2;
    bool status_due_ = false;
    uint64_t status_flush_lsn_ = 0;
    bool paused_ = false;
    // What comes was staged; the server itself is not heard.
    bool replaying_ = false;
    int64_t asked_server_ms_ = 0;
    // Until when the server keeps transactions in progress itself.
    int64_t unstaged_until_ms_ = INT64_MIN;

    // The session.
    RelationMap relations_;
    // What they took when the last transaction came that was here already.
    uint64_t repeated_relation_bytes_ = 0;
    // Replayed transactions that end here or before are in the lake already.
    uint64_t skip_through_lsn_ = 0;
    uint64_t session_end_lsn_ = 0;
    // The transaction whose last batch has not come, dropped or not.
    std::optional<CommittedView> open_transaction_;
    uint64_t wal_end_ = 0;
    uint64_t received_lsn_ = 0;

    // Draining: the server waits for our acknowledgement to shut down.
    uint64_t drain_wal_end_ = 0;
    int drain_count_ = 0;
    int64_t drain_first_ms_ = 0;
    std::optional<int64_t> draining_since_ms_;

    // Buffers, oldest first: inflight_, sealed_, open_.
    SegmentBuilder open_;
    int64_t open_since_ms_ = 0;
    std::deque<SealedSegment> sealed_;
    std::optional<Inflight> inflight_;
    // Parts of the open transaction, or of one in sealed_, that are not in the lake
    // yet; and how a segment will list those of the open one.
    std::deque<Part> parts_;
    std::vector<wal2lake::v1::Part> open_parts_;
    // The transaction that was cut last.
    std::optional<CommittedView> parted_;
    uint32_t part_number_ = 0;
    uint64_t logged_open_transactions_ = 0;
    int64_t logged_open_ms_ = INT64_MIN / 2;

    // For Describe(); decide nothing. `heard_ms_` also tells when to ask the server
    // for a sign.
    int64_t wall_us_ = 0;
    int64_t began_us_ = 0;
    int64_t level_us_ = 0;
    int64_t moved_ms_ = 0;
    int64_t heard_ms_ = 0;
    std::optional<int64_t> streamed_ms_;
    SourceTotals totals_;
    int64_t last_store_error_us_ = 0;
    int64_t last_server_error_us_ = 0;
};

} // namespace wal2lake
