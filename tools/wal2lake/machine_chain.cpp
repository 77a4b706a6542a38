// The half of the state machine that speaks with the store: finding the tail,
// putting segments, adopting what exists.
#include "machine.h"

#include "digest.h"
#include "lsn.h"
#include "mutant.h"
#include "segment_filter.h"
#include "segment_reader.h"

namespace wal2lake
{
namespace
{

constexpr int64_t kStoreWarningMs = 30'000;
// How often a store that refuses is asked again: often enough for whoever mends it.
constexpr int64_t kRefusedProbeMs = 20'000;

wal2lake::v1::SegmentHeader IdentityOf(const MachineConfig& config, const SourceFacts& facts)
{
    wal2lake::v1::SegmentHeader header;
    header.set_source(config.names.source);
    header.set_database(facts.database);
    header.set_database_oid(facts.database_oid);
    header.set_system_id(facts.system_id);
    header.set_timeline(facts.timeline);
    header.set_slot(config.names.slot);
    header.set_options_fingerprint(OptionsFingerprint(config.options));
    header.set_writer("wal2lake " + config.writer_version);
    return header;
}

} // namespace

SegmentFile MakeGenesis(const MachineConfig& config, const SourceFacts& facts)
{
    auto header = IdentityOf(config, facts);
    header.set_start_lsn(facts.slot.confirmed_flush_lsn);
    header.mutable_genesis()->set_epoch(kFirstEpoch);
    SealedSegment empty;
    empty.end_lsn = facts.slot.confirmed_flush_lsn;
    return AssembleSegment(std::move(header), std::move(empty));
}

void Machine::AskForTail()
{
    // A stop ships what is buffered, for which the tail must be known.
    const bool of_use = !stopping_ || inflight_ || !sealed_.empty();
    if (chain_known_ || !of_use || store_op_ != StoreOp::kNone || now_ms_ < store_retry_ms_)
        return;
    if (!finder_.done()) {
        store_op_ = StoreOp::kFindTail;
        const TailFinder::Request request = finder_.request();
        if (const auto* head = std::get_if<TailFinder::GetHead>(&request)) {
            Do(action::ReadHead{head->name});
        } else {
            const auto& list = std::get<TailFinder::ListAfter>(request);
            Do(action::ListAfter{list.prefix, list.after, list.limit});
        }
        return;
    }
    if (finder_.tail()) {
        store_op_ = StoreOp::kReadTail;
        reading_ = finder_.tail();
        Do(action::ReadObject{FormatSegmentName(*reading_)});
        return;
    }
    if (tail_) {
        Fail(ExitCode::kLake, "the log of \"" + config_.names.source + "\" has vanished from " +
                                  config_.names.lake + " while we ran; restore it");
        return;
    }
    chain_known_ = true;
    Note(LogLevel::kInfo, "no_log", "the lake has no log of this source yet; it begins at the slot",
         {{"lake", config_.names.lake}});
}

void Machine::On(const event::HeadRead& read)
{
    if (store_op_ != StoreOp::kFindTail)
        return;
    store_op_ = StoreOp::kNone;
    finder_.OnHead(read.bytes);
}

void Machine::On(const event::Listed& listed)
{
    if (store_op_ != StoreOp::kFindTail)
        return;
    store_op_ = StoreOp::kNone;
    if (!listed.page.ok()) {
        StoreFailed(listed.page.error());
        return;
    }
    store_attempts_ = 0;
    finder_.OnList(listed.page.value());
}

void Machine::On(const event::ObjectRead& read)
{
    const StoreOp op = store_op_;
    store_op_ = StoreOp::kNone;
    if (op == StoreOp::kReadTail)
        TailRead(read);
    else if (op == StoreOp::kReadExisting)
        ExistingRead(read);
    else if (op == StoreOp::kReadPart)
        PartRead(read);
}

// Waits and tries again. Says so at once and then at most every half minute.
//
// A store that refuses has to be mended by somebody. Whoever starts us should hear
// of it; but once it has worked, leaving would only add a restart to the trouble,
// and a right that is given back needs nobody to start us again.
void Machine::StoreFailed(const Error& error)
{
    const bool refuses = error.kind == ErrorKind::kPermanent || error.kind == ErrorKind::kInvalid;
    if (error.kind != ErrorKind::kRetryable && !(refuses && store_worked_)) {
        Fail(ExitCode::kStore, error.text);
        return;
    }
    totals_.store_retries++;
    last_store_error_us_ = wall_us_;
    store_refuses_ = refuses;
    if (refuses) {
        store_retry_ms_ = now_ms_ + kRefusedProbeMs;
        store_warned_ms_ = now_ms_;
        Note(LogLevel::kError, "store_refused",
             error.text + "; asked again every 20 s, nothing is lost while the server keeps its WAL",
             {{"attempts", int64_t{++store_attempts_}}, {"buffered_bytes", buffered_bytes()}});
        return;
    }
    store_retry_ms_ = now_ms_ + Jitter(store_attempts_++);
    if (store_warned_ms_ != INT64_MIN && now_ms_ - store_warned_ms_ < kStoreWarningMs)
        return;
    store_warned_ms_ = now_ms_;
    Note(LogLevel::kWarning, "store_failed", error.text + "; trying again",
         {{"attempts", int64_t{store_attempts_}}, {"buffered_bytes", buffered_bytes()}});
}

// What existed is gone again, or unreadable for now: asking to create it decides anew.
void Machine::ReadAgainLater(Error error)
{
    if (error.kind == ErrorKind::kNotFound)
        error.kind = ErrorKind::kRetryable;
    StoreFailed(error);
}

// What arrives wrong may have been altered on its way here; what lies in the lake
// wrong arrives so again. So the first time it is read once more, after a pause, and
// this is true.
bool Machine::ReadsOnceMore(const std::string& name, const std::string& wrong)
{
    if (doubted_ == name)
        return false;
    doubted_ = name;
    ReadAgainLater({ErrorKind::kRetryable, config_.names.lake + "/" + name + " arrived " + wrong});
    return true;
}

void Machine::FoundDamaged(const std::string& name, const Error& error)
{
    if (ReadsOnceMore(name, "damaged: " + error.text))
        return;
    Fail(ExitCode::kLake, config_.names.lake + "/" + name + " is damaged: " + error.text +
                              "; restore it from a copy, then run wal2lake verify");
}

void Machine::TailRead(const event::ObjectRead& read)
{
    const std::string name = FormatSegmentName(*reading_);
    if (!read.bytes.ok()) {
        if (read.bytes.error().kind == ErrorKind::kNotFound && finder_.tail_is_hint())
            finder_.DistrustHint();
        else
            StoreFailed(read.bytes.error());
        return;
    }
    auto checked = CheckSegment(*read.bytes.value());
    if (!checked.ok()) {
        FoundDamaged(name, checked.error());
        return;
    }
    doubted_.clear();
    Tail tail{*reading_, std::move(checked.value())};
    // What is buffered goes behind this object before a server is asked again, so
    // it must be of the server whose log we know.
    auto refusal = CheckTail(config_.names, tail);
    if (!refusal && tail_)
        refusal = CheckOrigin(config_.names, *tail_, tail);
    if (refusal) {
        Fail(*refusal);
        return;
    }
    if (tail.end_lsn() < durable_lsn()) {
        Fail(ExitCode::kLake, "the log of \"" + config_.names.source + "\" in " + config_.names.lake +
                                  " ended at " + FormatLsn(durable_lsn()) + " and now ends at " +
                                  FormatLsn(tail.end_lsn()) +
                                  "; objects were removed while we ran, restore them");
        return;
    }
    tail_ = std::move(tail);
    chain_known_ = true;
    StoreAgain();
    last_durable_ms_ = now_ms_;
    if (!DropThrough(tail_->end_lsn()))
        return;
    Note(LogLevel::kInfo, "tail_found", "the log ends at " + FormatLsn(tail_->end_lsn()),
         {{"name", name}, {"end_lsn", FormatLsn(tail_->end_lsn())}});
    Sweep();
}

void Machine::StartGenesis()
{
    Launch({config_.names.source, kFirstEpoch, 0}, MakeGenesis(config_, facts_), {}, {});
}

void Machine::StartPut(SealedSegment sealed)
{
    auto header = IdentityOf(config_, facts_);
    header.set_start_lsn(tail_->end_lsn());
    header.set_seq(tail_->facts.header.seq() + 1);
    if (!Planted(Bug::kUnchained))
        header.set_previous_sha256(tail_->facts.sha256);
    std::optional<SealedSegment> listing;
    if (!sealed.parts.empty())
        listing = sealed;
    CommitTimes commit_times = std::move(sealed.commit_times);
    Launch({config_.names.source, tail_->name.epoch, tail_->end_lsn()},
           AssembleSegment(std::move(header), std::move(sealed)), std::move(commit_times),
           std::move(listing));
}

void Machine::Launch(SegmentName name, SegmentFile file, CommitTimes commit_times,
                     std::optional<SealedSegment> listing)
{
    std::string sha256 = Sha256(file.bytes);
    inflight_ = Inflight{std::move(name),
                         std::make_shared<const std::string>(std::move(file.bytes)),
                         {std::move(file.header), std::move(file.footer), std::move(sha256)},
                         now_ms_,
                         std::move(commit_times),
                         std::move(listing)};
    IssuePut();
}

void Machine::IssuePut()
{
    store_op_ = StoreOp::kPut;
    const bool first = inflight_->genesis() || Planted(Bug::kUnanchored);
    Do(action::PutObject{FormatSegmentName(inflight_->name), inflight_->file,
                         first ? std::string() : FormatSegmentName(tail_->name)});
    if (Planted(Bug::kNameBeforeConfirm)) {
        store_op_ = StoreOp::kNone;
        Confirm();
    }
}

void Machine::On(const event::PutDone&)
{
    const StoreOp op = store_op_;
    if (op != StoreOp::kPut && op != StoreOp::kPutPart)
        return;
    store_op_ = StoreOp::kNone;
    if (op == StoreOp::kPut)
        Confirm();
    else
        PartStored();
}

void Machine::StoreAgain()
{
    store_worked_ = true;
    store_refuses_ = false;
    store_attempts_ = 0;
    if (store_warned_ms_ == INT64_MIN)
        return;
    store_warned_ms_ = INT64_MIN;
    Note(LogLevel::kInfo, "store_recovered", "the store takes objects again", {});
}

// What is in flight is in the lake: it becomes the tail.
void Machine::Confirm()
{
    StoreAgain();
    Inflight done = std::move(*inflight_);
    inflight_.reset();
    NoteShipped(done);
    tail_ = Tail{done.name, std::move(done.facts)};
    last_durable_ms_ = now_ms_;
    const std::string name = FormatSegmentName(done.name);
    if (done.genesis())
        Note(LogLevel::kInfo, "genesis_written", "log begun at " + FormatLsn(tail_->end_lsn()),
             {{"name", name}, {"end_lsn", FormatLsn(tail_->end_lsn())}});
    else
        Note(LogLevel::kInfo, "segment_written", "segment written, end " + FormatLsn(tail_->end_lsn()),
             {{"name", name},
              {"end_lsn", FormatLsn(tail_->end_lsn())},
              {"transactions", tail_->facts.footer.transactions()},
              {"bytes", uint64_t{done.file->size()}},
              {"ms", now_ms_ - done.began_ms}});
    Do(action::WriteHead{HeadName(config_.names.source), FormatHead(done.name)});
    Sweep();
}

void Machine::On(const event::PutFailed& failed)
{
    const StoreOp op = store_op_;
    if (op != StoreOp::kPut && op != StoreOp::kPutPart)
        return;
    store_op_ = StoreOp::kNone;
    StoreFailed(failed.error);
    if (op == StoreOp::kPutPart && parts_.front().discarded)
        parts_.pop_front();
}

// Going on would leave a gap that nobody notices before a verify: the server was
// told that what is missing now is safe.
void Machine::On(const event::PredecessorGone&)
{
    if (store_op_ != StoreOp::kPut)
        return;
    store_op_ = StoreOp::kNone;
    Fail(ExitCode::kLake, "the end of the log, " + FormatSegmentName(tail_->name) + ", has vanished from " +
                              config_.names.lake +
                              " while we ran: the lake is not mounted, or was set back to an older state;"
                              " restore every object up to " +
                              FormatLsn(durable_lsn()) +
                              ", then start again; or others went on and trimmed the log while this process"
                              " stood still: then only start again");
}

void Machine::On(const event::PutExists&)
{
    if (store_op_ == StoreOp::kPutPart) {
        store_op_ = StoreOp::kReadPart;
        Do(action::ReadObject{FormatPartName(parts_.front().name)});
        return;
    }
    if (store_op_ != StoreOp::kPut)
        return;
    if (Planted(Bug::kExistsIsSuccess)) {
        store_op_ = StoreOp::kNone;
        Confirm();
        return;
    }
    store_op_ = StoreOp::kReadExisting;
    reading_ = inflight_->name;
    Do(action::ReadObject{FormatSegmentName(*reading_)});
}

void Machine::ExistingRead(const event::ObjectRead& read)
{
    const std::string name = FormatSegmentName(*reading_);
    if (!read.bytes.ok()) {
        ReadAgainLater(read.bytes.error());
        return;
    }
    if (*read.bytes.value() == *inflight_->file) {
        doubted_.clear();
        // Our own object: the answer to an earlier request was lost.
        Confirm();
        return;
    }
    auto checked = CheckSegment(*read.bytes.value());
    if (!checked.ok()) {
        FoundDamaged(name, checked.error());
        return;
    }
    doubted_.clear();
    Tail found{*reading_, std::move(checked.value())};
    if (inflight_->genesis()) {
        const auto refusal = CheckTail(config_.names, found);
        if (refusal)
            Fail(*refusal);
        else {
            inflight_.reset();
            LookAgain(0);
        }
        return;
    }
    const auto refusal = CheckSuccessor(config_.names, *tail_, found);
    if (refusal && !Planted(Bug::kAdoptUnfenced))
        Fail(*refusal);
    else
        Adopt(std::move(found));
}

// Reads the tail once more, without a connection, since the log has moved: what
// the server said is older than the tail will be. Not without a pause as long as
// another one moves it.
void Machine::LookAgain(uint64_t confirmed_lsn)
{
    if (looked_for_lsn_)
        store_retry_ms_ = now_ms_ + Jitter(connect_attempts_++);
    looked_for_lsn_ = confirmed_lsn;
    Do(action::Disconnect{});
    LoseLink(0);
    finder_ = TailFinder(config_.names.source);
    chain_known_ = false;
}

void Machine::Adopt(Tail tail)
{
    tail_ = std::move(tail);
    last_durable_ms_ = now_ms_;
    moved_ms_ = now_ms_;
    totals_.adopted_segments++;
    store_attempts_ = 0;
    Note(LogLevel::kInfo, "adopted",
         "segment exists and continues the log; adopted its end " + FormatLsn(tail_->end_lsn()),
         {{"name", FormatSegmentName(tail_->name)},
          {"end_lsn", FormatLsn(tail_->end_lsn())},
          {"transactions", tail_->facts.footer.transactions()}});
    if (!DropThrough(Planted(Bug::kKeepCovered) ? 0 : tail_->end_lsn()))
        return;
    Do(action::WriteHead{HeadName(config_.names.source), FormatHead(tail_->name)});
    Sweep();
}

// Removes every transaction that ends at `lsn` or before from the buffers, also
// the one that is still arriving. False where that failed.
bool Machine::DropThrough(uint64_t lsn)
{
    std::deque<SealedSegment> kept;
    const auto keep = [&](Result<SealedSegment> rest) {
        if (!rest.ok()) {
            Fail(ExitCode::kInternal, "a buffered segment cannot be read: " + rest.error().text);
            return false;
        }
        if (rest.value().transactions > 0)
            kept.push_back(std::move(rest.value()));
        return true;
    };
    if (open_transaction_ && open_transaction_->end_lsn <= lsn)
        DiscardOpenTransaction();
    if (open_.transactions() > 0)
        Seal("adoption");
    if (inflight_ && inflight_->listing) {
        if (inflight_->listing->end_lsn > lsn)
            kept.push_back(std::move(*inflight_->listing));
    } else if (inflight_ &&
               !keep(KeepAfter(std::string_view(*inflight_->file), lsn, config_.compression_level))) {
        return false;
    }
    inflight_.reset();
    for (SealedSegment& sealed : sealed_) {
        if (!sealed.parts.empty()) {
            // One transaction: it stays whole or goes.
            if (sealed.end_lsn > lsn)
                kept.push_back(std::move(sealed));
            else
                DiscardParts(sealed.end_lsn);
        } else if (sealed.end_lsn > lsn &&
                   !keep(KeepAfter(std::move(sealed), lsn, config_.compression_level)))
            return false;
    }
    sealed_ = std::move(kept);
    skip_through_lsn_ = std::max(skip_through_lsn_, lsn);
    return true;
}

} // namespace wal2lake
