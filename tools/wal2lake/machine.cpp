#include "machine.h"

#include <algorithm>

#include "lsn.h"
#include "mutant.h"

namespace wal2lake
{
namespace
{

constexpr int64_t kMaxStatusIntervalMs = 10'000;
// A draining server answers each reply with the next request at once.
constexpr int64_t kMinReplyIntervalMs = 100;
constexpr int64_t kRetryBaseMs = 100;
constexpr int64_t kRetryCapMs = 10'000;
constexpr int kDrainRequests = 3;
constexpr int64_t kDrainWindowMs = 2'000;
constexpr int64_t kDrainPatienceMs = 2'000;
constexpr int64_t kDrainBackoffMs = 10'000;
constexpr int64_t kAskServerMs = 1'000;
// After the stage was full or broken.
constexpr int64_t kUnstagedMs = 3'600'000;
constexpr int64_t kStopPatienceMs = 20'000;
constexpr int64_t kOpenSegmentLogMs = 50;
constexpr int64_t kFarMs = 3'600'000;

} // namespace

Machine::Machine(MachineConfig config)
    : config_(std::move(config)), random_(config_.seed), finder_(config_.names.source),
      open_(config_.compression_level, config_.max_size)
{
}

void Machine::Step(const Event& event, Actions* actions)
{
    actions_ = actions;
    if (!finished())
        std::visit([this](const auto& typed) { On(typed); }, event);
    if (!finished())
        Advance();
    actions_ = nullptr;
}

// The one place that decides what the server may forget. Nothing but the end of
// a segment that the store confirmed, or that was read back from it.
uint64_t Machine::FlushLsn() const
{
    if (Planted(Bug::kAckBeforePut))
        return std::max(received_lsn_, durable_lsn());
    if (Planted(Bug::kIdleBeforeSegment) && BufferedEnd() == durable_lsn() && open_.empty())
        return std::max(wal_end_, durable_lsn());
    return durable_lsn();
}

uint64_t Machine::BufferedEnd() const
{
    if (open_.transactions() > 0)
        return open_.end_lsn();
    if (!sealed_.empty())
        return sealed_.back().end_lsn;
    if (inflight_)
        return std::max(inflight_->facts.footer.end_lsn(), durable_lsn());
    return durable_lsn();
}

uint64_t Machine::buffered_bytes() const
{
    uint64_t bytes = open_.size();
    for (const SealedSegment& sealed : sealed_)
        bytes += sealed.size();
    if (inflight_)
        bytes += inflight_->file->size();
    for (const Part& part : parts_)
        bytes += part.bytes->size();
    return bytes;
}

bool Machine::IsPressed() const
{
    const uint64_t held = buffered_bytes();
    return NothingGoesOut() && held > largest_elsewhere_ && held + held_elsewhere_ >= MemoryLimit();
}

int64_t Machine::Jitter(int attempts)
{
    const int64_t ceiling = std::min(kRetryCapMs, kRetryBaseMs << std::min(attempts, 10));
    return std::uniform_int_distribution<int64_t>(kRetryBaseMs / 2, ceiling)(random_);
}

void Machine::Note(LogLevel level, std::string event, std::string text,
                   std::vector<std::pair<std::string, LogEntry::Value>> fields)
{
    Do(action::Log{{level, std::move(event), std::move(text), std::move(fields)}});
}

void Machine::Fail(ExitCode code, const std::string& sentence)
{
    if (link_ != Link::kDown)
        Do(action::Disconnect{});
    link_ = Link::kFinished;
    Do(action::Finish{code, sentence});
}

void Machine::On(const event::Tick& tick)
{
    now_ms_ = std::max(now_ms_, tick.now_ms);
    wall_us_ = tick.wall_us;
    if (began_us_ == 0)
        began_us_ = wall_us_;
    held_elsewhere_ = tick.held_elsewhere;
    largest_elsewhere_ = tick.largest_elsewhere;
}

void Machine::On(const event::Connected& connected)
{
    if (link_ != Link::kConnecting)
        return;
    link_ = Link::kConnected;
    const SourceFacts& facts = connected.facts;
    Note(LogLevel::kInfo, "connected",
         "connected to PostgreSQL " + facts.server_version + ", database " + facts.database,
         {{"system_id", std::to_string(facts.system_id)},
          {"timeline", uint64_t{facts.timeline}},
          {"confirmed_flush_lsn", FormatLsn(facts.slot.confirmed_flush_lsn)}});
    const auto refusal = CheckFacts(facts);
    if (!refusal) {
        // Only now: what is buffered is put under these facts.
        facts_ = facts;
        status_interval_ms_ = kMaxStatusIntervalMs;
        if (facts_.wal_sender_timeout_ms > 0)
            status_interval_ms_ = std::clamp<int64_t>(facts_.wal_sender_timeout_ms / 3, kMinReplyIntervalMs,
                                                      kMaxStatusIntervalMs);
        return;
    }
    // Another forwarder may have shipped and acknowledged since we looked. What
    // the server had confirmed before we looked must be there since; where it is
    // not, looking once more does not help.
    const bool slot_ahead = tail_ ? facts.slot.confirmed_flush_lsn > durable_lsn() : true;
    const bool may_help = !looked_for_lsn_ || (tail_ && durable_lsn() >= *looked_for_lsn_);
    if (slot_ahead && facts.slot.exists && may_help)
        LookAgain(facts.slot.confirmed_flush_lsn);
    else
        Refuse(*refusal);
}

// Why this server and this slot cannot go on with the log as we know it.
std::optional<Refusal> Machine::CheckFacts(const SourceFacts& facts) const
{
    if (Planted(Bug::kConnectUnfenced))
        return std::nullopt;
    if (tail_)
        return CheckServer(config_.names, facts, *tail_);
    const auto refusal = CheckSlot(config_.names, facts);
    return refusal ? refusal : CheckUnusedSlot(config_.names, facts);
}

// What we hold when a slot is gone may be nowhere else any more: it goes into the
// lake first, then the server is asked once more.
void Machine::Refuse(const Refusal& refusal)
{
    if (refusal.kind != RefusalKind::kSlotGone || (!inflight_ && sealed_.empty())) {
        Fail(refusal);
        return;
    }
    if (link_ != Link::kDown)
        Do(action::Disconnect{});
    LoseLink(0);
    ship_first_ = true;
    Note(LogLevel::kError, "refused", refusal.sentence + "; shipping what is held before leaving",
         {{"buffered_bytes", buffered_bytes()}});
}

void Machine::On(const event::Streaming&)
{
    if (link_ != Link::kStarting)
        return;
    link_ = Link::kStreaming;
    looked_for_lsn_.reset();
    served_ = true;
    status_due_ = true;
    heard_ms_ = now_ms_;
    totals_.streams++;
    Note(LogLevel::kInfo, "start_position", "streaming from " + FormatLsn(durable_lsn()),
         {{"start_lsn", FormatLsn(durable_lsn())}, {"slot", config_.names.slot}});
}

void Machine::On(const event::Message& message)
{
    if (!streaming() || stopping_)
        return;
    heard_ms_ = now_ms_;
    connect_attempts_ = 0;
    drain_count_ = 0;
    draining_since_ms_.reset();
    std::string_view rest = message.bytes;
    while (!rest.empty() && !finished()) {
        MessageView view;
        size_t consumed = 0;
        const ReadResult next = NextMessage(rest, &view, &consumed);
        rest.remove_prefix(consumed);
        if (rest.empty() && next.status == ReadStatus::kNeedMore)
            return;
        if (!next.ok()) {
            Fail(ExitCode::kSource, std::string("the server sent a message that is damaged: ") +
                                        (next.damaged() ? next.reason : "it is cut short") +
                                        "; check that slot and plugin belong to this version of wal2lake");
            return;
        }
        if (!TakeBatch(view))
            return;
    }
}

// False where the stream does not go on: the machine has failed, or connects anew.
bool Machine::TakeBatch(const MessageView& message)
{
    const auto fail = [this](const std::string& what) {
        Fail(ExitCode::kSource, "the server sent a batch that breaks the contract: " + what +
                                    "; update plugin and command to the same version");
        return false;
    };
    BatchView batch;
    const ReadResult scanned = ScanBatch(message.batch, &batch);
    if (!scanned.ok())
        return fail(scanned.reason);
    if (batch.kind == BatchKind::kNone) {
        // Of transactions in progress, which another session would send again from the beginning.
        const uint64_t before = relations_.bytes();
        const auto announced = relations_.AnnounceAll(batch);
        repeated_relation_bytes_ += relations_.bytes() - before;
        return announced.ok() || fail(announced.error().text);
    }
    if (!batch.placed())
        return fail("it belongs to no committed transaction");

    const CommittedView& committed = batch.committed;
    if (open_transaction_ && open_transaction_->end_lsn != committed.end_lsn)
        return fail("transaction at " + FormatLsn(open_transaction_->commit_lsn) + " has no last batch");
    if (!open_transaction_ && committed.commit_lsn < session_end_lsn_)
        return fail("transaction at " + FormatLsn(committed.commit_lsn) + " comes after " +
                    FormatLsn(session_end_lsn_));
    if (committed.end_lsn <= committed.commit_lsn)
        return fail("transaction at " + FormatLsn(committed.commit_lsn) + " does not end after it");
    open_transaction_ = committed;
    if (batch.last) {
        open_transaction_.reset();
        session_end_lsn_ = committed.end_lsn;
        received_lsn_ = std::max(received_lsn_, committed.end_lsn);
    }
    if (committed.end_lsn <= skip_through_lsn_) {
        const auto announced = relations_.AnnounceAll(batch);
        repeated_relation_bytes_ = relations_.bytes();
        return announced.ok() || fail(announced.error().text);
    }
    if (committed.commit_lsn < skip_through_lsn_)
        return fail("transaction at " + FormatLsn(committed.commit_lsn) + " overlaps what is in the lake");
    if (open_.empty())
        open_since_ms_ = now_ms_;
    const auto added = open_.Add(message, batch, &relations_);
    if (!added.ok())
        return fail(added.error().text);
    if (batch.last && open_.in_pieces())
        FinishParts();
    else if (batch.last && relations_.bytes() - repeated_relation_bytes_ > config_.max_relation_bytes)
        return BeginAnotherSession();
    return true;
}

// Behind transactions that are new here, so each session gets further. Always false.
bool Machine::BeginAnotherSession()
{
    SendStatus();
    Do(action::Disconnect{});
    Note(LogLevel::kInfo, "many_relations",
         "the server has announced as many tables as are kept; connecting anew to forget those out of use",
         {{"relation_bytes", relations_.bytes()}});
    LoseLink(0);
    return false;
}

void Machine::On(const event::Keepalive& keepalive)
{
    if (!streaming())
        return;
    heard_ms_ = now_ms_;
    connect_attempts_ = 0;
    wal_end_ = std::max(wal_end_, keepalive.wal_end);
    if (!open_transaction_)
        received_lsn_ = std::max(received_lsn_, keepalive.wal_end);
    if (keepalive.session_over)
        EndSession();
    if (!keepalive.reply_requested)
        return;
    status_due_ = true;
    NoticeDraining(keepalive);
}

// Nothing more comes before it is in the lake, so there is nothing to wait for;
// and the next session counts its relations anew.
void Machine::EndSession()
{
    if (open_transaction_) {
        Fail(ExitCode::kSource, "the server ended its session within the transaction at " +
                                    FormatLsn(open_transaction_->commit_lsn) +
                                    "; update plugin and command to the same version");
        return;
    }
    Seal("poll");
    relations_.Clear();
    repeated_relation_bytes_ = 0;
}

// A server that shuts down repeats its request at one position as often as we
// answer; in normal service requests are half a timeout apart.
void Machine::NoticeDraining(const event::Keepalive& keepalive)
{
    if (keepalive.wal_end != drain_wal_end_ || drain_count_ == 0 ||
        now_ms_ - drain_first_ms_ > kDrainWindowMs) {
        drain_wal_end_ = keepalive.wal_end;
        drain_first_ms_ = now_ms_;
        drain_count_ = 0;
    }
    drain_count_++;
    if (drain_count_ < kDrainRequests || draining_since_ms_)
        return;
    draining_since_ms_ = now_ms_;
    Note(LogLevel::kInfo, "draining",
         "the server waits for acknowledgement, as it does to shut down; sealing at once",
         {{"wal_end", FormatLsn(keepalive.wal_end)}});
}

void Machine::On(const event::Replaying& replaying)
{
    if (!streaming())
        return;
    replaying_ = replaying.on;
    asked_server_ms_ = now_ms_;
}

// The server can keep open transactions itself, on its own disk: slower, and it
// needs nothing of us.
void Machine::On(const event::StageFailed& failed)
{
    if (link_ == Link::kDown)
        return;
    if (failed.error.kind == ErrorKind::kDamaged) {
        Fail(ExitCode::kSource, "the server sent a batch that breaks the contract: " + failed.error.text +
                                    "; update plugin and command to the same version");
        return;
    }
    unstaged_until_ms_ = now_ms_ + kUnstagedMs;
    Do(action::Disconnect{});
    LoseLink(0);
    Note(LogLevel::kWarning, "stage_failed",
         failed.error.text + "; the server keeps open transactions itself for an hour, nothing is lost",
         {{"after_ms", kUnstagedMs}});
}

// While reading is paused the server's requests are not seen, and it may not
// get as far as to make them. The store was too slow already: no use to wait.
void Machine::On(const event::ServerStopping&)
{
    if (streaming() && (paused_ || replaying_))
        LeaveDraining();
}

void Machine::LeaveDraining()
{
    SendStatus();
    Do(action::Disconnect{});
    Note(LogLevel::kWarning, "drain_failed",
         "the store did not answer in time; leaving so that the server can shut down",
         {{"after_ms", kDrainBackoffMs}});
    LoseLink(kDrainBackoffMs);
}

void Machine::On(const event::Disconnected& disconnected)
{
    if (link_ == Link::kDown)
        return;
    const bool was_streaming = streaming();
    LoseLink(0);
    totals_.server_retries++;
    last_server_error_us_ = wall_us_;
    const auto refusal = ClassifySourceError(config_.names, disconnected.sqlstate, disconnected.text);
    const bool waits = refusal && served_ && refusal->kind == RefusalKind::kPassing;
    if (refusal && !stopping_ && !waits) {
        Refuse(*refusal);
        return;
    }
    connect_at_ms_ = now_ms_ + Jitter(connect_attempts_++);
    if (waits) {
        Note(LogLevel::kError, "refused", refusal->sentence + "; trying again",
             {{"sqlstate", disconnected.sqlstate}, {"after_ms", connect_at_ms_ - now_ms_}});
        return;
    }
    const std::string text =
        disconnected.sqlstate == "55006"
            ? "slot \"" + config_.names.slot +
                  "\" is in use by another connection, often our own former one; trying again: "
            : std::string(was_streaming ? "connection lost, reconnecting: "
                                        : "cannot connect, trying again: ");
    Note(LogLevel::kWarning, "reconnect", text + disconnected.text,
         {{"sqlstate", disconnected.sqlstate}, {"after_ms", connect_at_ms_ - now_ms_}});
}

void Machine::On(const event::StopRequested&)
{
    if (stopping_)
        return;
    stopping_ = true;
    stop_deadline_ms_ = now_ms_ + kStopPatienceMs;
    Note(LogLevel::kInfo, "stopping", "stop requested; shipping what is complete", {});
    DiscardOpenTransaction();
    Seal("stop");
}

// Frames of two sessions never share a segment: what is whole is sealed, what
// is not will be sent again.
void Machine::LoseLink(int64_t retry_after_ms)
{
    link_ = Link::kDown;
    connect_at_ms_ = now_ms_ + retry_after_ms;
    if (!Planted(Bug::kHalfTransaction))
        DiscardOpenTransaction();
    open_transaction_.reset();
    Seal("disconnect");
    relations_.Clear();
    repeated_relation_bytes_ = 0;
    drain_count_ = 0;
    draining_since_ms_.reset();
    paused_ = false;
    replaying_ = false;
}

void Machine::Seal(const char* reason)
{
    if (open_.transactions() == 0)
        return;
    sealed_.push_back(open_.Seal());
    open_since_ms_ = now_ms_;
    logged_open_transactions_ = 0;
    const SealedSegment& sealed = sealed_.back();
    Note(LogLevel::kInfo, "sealed", std::string("segment sealed: ") + reason,
         {{"reason", reason},
          {"end_lsn", FormatLsn(sealed.end_lsn)},
          {"transactions", sealed.transactions},
          {"bytes", uint64_t{sealed.size()}}});
}

void Machine::Advance()
{
    AskForTail();
    if (!finished())
        AdvanceLink();
    if (!finished())
        AdvanceSegments();
    if (!finished())
        AdvanceIdle();
    if (!finished())
        AdvanceStatus();
    if (!finished())
        AdvanceReading();
    if (!finished() && stopping_)
        AdvanceStop();
    if (!finished())
        LogOpenSegment();
    NoteProgress();
    ComputeDeadline();
}

void Machine::AdvanceLink()
{
    if (!chain_known_ || stopping_)
        return;
    ship_first_ = ship_first_ && (inflight_ || !sealed_.empty());
    if (ship_first_)
        return;
    if (link_ == Link::kDown && now_ms_ >= connect_at_ms_) {
        link_ = Link::kConnecting;
        Do(action::Connect{});
    } else if (link_ == Link::kConnected && !tail_ && !inflight_) {
        StartGenesis();
    } else if (link_ == Link::kConnected && tail_) {
        // A genesis that was on its way when we connected is of an earlier
        // connection; the server has not been compared with it.
        if (const auto refusal = CheckFacts(facts_)) {
            Refuse(*refusal);
            return;
        }
        link_ = Link::kStarting;
        skip_through_lsn_ = Planted(Bug::kReplayTwice) ? durable_lsn() : BufferedEnd();
        session_end_lsn_ = 0;
        wal_end_ = 0;
        received_lsn_ = durable_lsn();
        Do(action::StartStreaming{durable_lsn(), config_.staged && now_ms_ >= unstaged_until_ms_});
    }
}

void Machine::AdvanceSegments()
{
    const bool nothing_waits = NothingGoesOut();
    if (open_.transactions() > 0) {
        if (open_.size() >= config_.max_size)
            Seal("size");
        else if (draining_since_ms_)
            Seal("draining");
        else if (nothing_waits && now_ms_ - open_since_ms_ >= config_.max_age_ms)
            Seal("age");
        else if (IsPressed())
            Seal("memory");
    }
    CutParts();
    if (!chain_known_)
        return;
    if (inflight_) {
        if (store_op_ == StoreOp::kNone && now_ms_ >= store_retry_ms_)
            IssuePut();
    } else if (PartIsDue()) {
        if (tail_ && store_op_ == StoreOp::kNone && now_ms_ >= store_retry_ms_)
            IssuePart();
    } else if (!sealed_.empty() && tail_ && store_op_ == StoreOp::kNone) {
        SealedSegment next = std::move(sealed_.front());
        sealed_.pop_front();
        StartPut(std::move(next));
    }
}

// Everything before wal_end_ was sent to us before the keepalive that said so,
// so with nothing buffered there is nothing between the tail and it.
void Machine::AdvanceIdle()
{
    if (!streaming() || stopping_ || inflight_ || !sealed_.empty() || !open_.empty() || open_transaction_ ||
        store_op_ != StoreOp::kNone || wal_end_ <= durable_lsn())
        return;
    const bool due = draining_since_ms_ || now_ms_ - last_durable_ms_ >= config_.idle_age_ms ||
                     wal_end_ - durable_lsn() >= config_.idle_wal_bytes;
    if (!due)
        return;
    SealedSegment idle;
    idle.end_lsn = wal_end_;
    StartPut(std::move(idle));
}

void Machine::AdvanceStatus()
{
    if (!streaming())
        return;
    if (draining_since_ms_ && durable_lsn() >= drain_wal_end_ && BufferedEnd() == durable_lsn()) {
        draining_since_ms_.reset();
        drain_count_ = 0;
    }
    if (draining_since_ms_ && now_ms_ - *draining_since_ms_ >= kDrainPatienceMs &&
        durable_lsn() < std::max(wal_end_, BufferedEnd())) {
        LeaveDraining();
        return;
    }
    const int64_t since = now_ms_ - last_status_ms_;
    const bool wanted = status_due_ || FlushLsn() > status_flush_lsn_;
    if (since >= status_interval_ms_ || (wanted && since >= kMinReplyIntervalMs) ||
        (wanted && Planted(Bug::kAnswerAll)))
        SendStatus();
}

void Machine::SendStatus()
{
    const uint64_t flushed = FlushLsn();
    // A server that has said nothing for so long is asked for a sign.
    const bool ask = !paused_ && now_ms_ - heard_ms_ >= status_interval_ms_;
    Do(action::SendStatus{std::max(received_lsn_, flushed), flushed, ask});
    if (flushed > status_flush_lsn_)
        Note(LogLevel::kInfo, "acknowledged", "acknowledged " + FormatLsn(flushed),
             {{"flush_lsn", FormatLsn(flushed)}});
    status_flush_lsn_ = std::max(status_flush_lsn_, flushed);
    status_due_ = false;
    last_status_ms_ = now_ms_;
}

// A source waits only while it holds more than its part of what all may hold
// together: whatever the others do, it can go on within that. While nothing is
// on its way out, stopping would stop for ever.
void Machine::AdvanceReading()
{
    if (!streaming())
        return;
    const bool going_out = !NothingGoesOut();
    const uint64_t limit = MemoryLimit();
    const uint64_t part = limit / config_.sources;
    const uint64_t held = buffered_bytes();
    const uint64_t together = held + held_elsewhere_;
    if (!paused_ && going_out && together >= limit && held >= part && !Planted(Bug::kNoBudget)) {
        paused_ = true;
        asked_server_ms_ = now_ms_;
        Do(action::PauseReading{});
        Note(LogLevel::kInfo, "paused", "memory budget reached; reading waits for the store",
             {{"buffered_bytes", held}});
    } else if (paused_ && (!going_out || together < limit - limit / 4 || held < part - part / 4)) {
        paused_ = false;
        Do(action::ResumeReading{});
        Note(LogLevel::kInfo, "resumed", "reading resumes", {{"buffered_bytes", held}});
    } else if ((paused_ || replaying_) && now_ms_ - asked_server_ms_ >= kAskServerMs) {
        asked_server_ms_ = now_ms_;
        Do(action::AskServer{});
    }
}

void Machine::AdvanceStop()
{
    const bool shipped = !inflight_ && sealed_.empty();
    if (!shipped && now_ms_ < stop_deadline_ms_)
        return;
    if (streaming())
        SendStatus();
    if (!shipped) {
        Fail(ExitCode::kStore, "stopped before the store answered; nothing is lost, the server sends again"
                               " what is not in " +
                                   config_.names.lake);
        return;
    }
    Fail(ExitCode::kOk,
         tail_ ? "stopped; all that was complete is in the lake up to " + FormatLsn(durable_lsn())
               : std::string("stopped before the log was begun"));
}

void Machine::LogOpenSegment()
{
    if (!config_.debug || open_.transactions() == logged_open_transactions_ ||
        now_ms_ - logged_open_ms_ < kOpenSegmentLogMs)
        return;
    logged_open_ms_ = now_ms_;
    logged_open_transactions_ = open_.transactions();
    Note(LogLevel::kDebug, "open_segment",
         "open segment: " + std::to_string(open_.transactions()) + " transactions, " +
             std::to_string(open_.size()) + " bytes",
         {{"transactions", open_.transactions()}, {"bytes", uint64_t{open_.size()}}});
}

void Machine::ComputeDeadline()
{
    int64_t next = now_ms_ + kFarMs;
    const auto at = [&next](int64_t time) { next = std::min(next, time); };
    if (store_op_ == StoreOp::kNone && (!chain_known_ || inflight_ || !parts_.empty()))
        at(store_retry_ms_);
    if (chain_known_ && link_ == Link::kDown && !stopping_ && !ship_first_)
        at(connect_at_ms_);
    if (streaming()) {
        at(last_status_ms_ + status_interval_ms_);
        if (status_due_ || FlushLsn() > status_flush_lsn_)
            at(last_status_ms_ + kMinReplyIntervalMs);
        if (draining_since_ms_)
            at(*draining_since_ms_ + kDrainPatienceMs);
        if (wal_end_ > durable_lsn() && open_.empty())
            at(std::max(now_ms_ + kMinReplyIntervalMs, last_durable_ms_ + config_.idle_age_ms));
    }
    if (streaming() && (paused_ || replaying_))
        at(asked_server_ms_ + kAskServerMs);
    if (open_.transactions() > 0 && !inflight_ && sealed_.empty())
        at(open_since_ms_ + config_.max_age_ms);
    if (stopping_)
        at(stop_deadline_ms_);
    if (config_.debug && open_.transactions() != logged_open_transactions_)
        at(logged_open_ms_ + kOpenSegmentLogMs);
    deadline_ms_ = std::max(next, now_ms_);
}

} // namespace wal2lake
