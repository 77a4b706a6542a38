// The part of the state machine that carries transactions larger than a segment:
// pieces of them go into the lake while they arrive, each as an object of a name
// that nobody else uses, and count for nothing until a segment lists them.
#include "machine.h"

#include <algorithm>

#include "digest.h"
#include "lsn.h"
#include "mutant.h"

namespace wal2lake
{
namespace
{

// Small enough that one is received while one is sent.
constexpr uint64_t kMostPartBytes = uint64_t{16} << 20;

} // namespace

uint64_t Machine::PartSize() const
{
    return std::min(config_.max_size, kMostPartBytes);
}

// Cuts what arrives of a transaction that has outgrown a segment, or that has to
// leave because memory is spent. What was whole before it is sealed by then.
void Machine::CutParts()
{
    if (!tail_ || !open_transaction_ || !open_.transaction_open() || open_.transactions() > 0)
        return;
    if (open_.size() < (open_.in_pieces() ? PartSize() : config_.max_size) && !IsPressed())
        return;
    do {
        std::string piece = open_.TakePiece(PartSize());
        if (piece.empty())
            return;
        if (open_parts_.empty())
            Note(LogLevel::kInfo, "large_transaction",
                 "the transaction at " + FormatLsn(open_transaction_->commit_lsn) +
                     " is larger than a segment; it goes into the lake in parts",
                 {{"commit_lsn", FormatLsn(open_transaction_->commit_lsn)}});
        parted_ = open_transaction_;
        QueuePart(std::move(piece));
    } while (open_.size() >= PartSize());
}

void Machine::QueuePart(std::string bytes)
{
    Part part;
    part.name = {config_.names.source, tail_->name.epoch, parted_->commit_lsn, config_.writer_id,
                 ++part_number_};
    part.end_lsn = parted_->end_lsn;
    auto& listed = open_parts_.emplace_back();
    listed.set_name(WithoutSource(part.name.source, FormatPartName(part.name)));
    listed.set_bytes(bytes.size());
    listed.set_sha256(Sha256(bytes));
    part.bytes = std::make_shared<const std::string>(std::move(bytes));
    parts_.push_back(std::move(part));
}

// The last batch has come: the rest of it is a part too, and a segment of its own
// lists them all.
void Machine::FinishParts()
{
    open_.EndPiece();
    for (std::string piece = open_.TakePiece(PartSize()); !piece.empty(); piece = open_.TakePiece(PartSize()))
        QueuePart(std::move(piece));
    Seal("parts");
    sealed_.back().parts = std::exchange(open_parts_, {});
}

// The transaction that is arriving will come again, or is in the lake already.
void Machine::DiscardOpenTransaction()
{
    // Not so where it comes again and its parts, sealed, wait for the store.
    const bool cut = open_.in_pieces();
    open_.DiscardOpenTransaction();
    if (!cut)
        return;
    DiscardParts(parted_->end_lsn);
    if (!Planted(Bug::kKeepParts))
        open_parts_.clear();
}

// Those that are in the lake already are swept by whoever ships the transaction.
void Machine::DiscardParts(uint64_t end_lsn)
{
    for (Part& part : parts_)
        part.discarded = part.discarded || part.end_lsn == end_lsn;
    // The first may be on its way: its answer is waited for.
    const bool asked = store_op_ == StoreOp::kPutPart || store_op_ == StoreOp::kReadPart;
    parts_.erase(std::remove_if(parts_.begin() + (asked ? 1 : 0), parts_.end(),
                                [](const Part& part) { return part.discarded; }),
                 parts_.end());
}

// Segments first, since they are what is acknowledged; but one that lists parts
// only behind them.
bool Machine::PartIsDue() const
{
    if (parts_.empty())
        return false;
    if (Planted(Bug::kListBeforeParts))
        return sealed_.empty();
    return sealed_.empty() ||
           (!sealed_.front().parts.empty() && parts_.front().end_lsn == sealed_.front().end_lsn);
}

void Machine::IssuePart()
{
    store_op_ = StoreOp::kPutPart;
    Do(action::PutObject{FormatPartName(parts_.front().name), parts_.front().bytes, {}});
}

void Machine::PartStored()
{
    StoreAgain();
    const Part& part = parts_.front();
    moved_ms_ = now_ms_;
    totals_.parts++;
    totals_.segment_bytes += part.bytes->size();
    Note(LogLevel::kInfo, "part_written", "part of a large transaction written",
         {{"name", FormatPartName(part.name)}, {"bytes", uint64_t{part.bytes->size()}}});
    parts_.pop_front();
}

// A name that is ours alone exists: the answer to an earlier request was lost. It
// is read all the same; what a segment will list must be what is there.
void Machine::PartRead(const event::ObjectRead& read)
{
    if (parts_.front().discarded) {
        parts_.pop_front();
        return;
    }
    if (!read.bytes.ok()) {
        ReadAgainLater(read.bytes.error());
        return;
    }
    if (*read.bytes.value() == *parts_.front().bytes) {
        doubted_.clear();
        PartStored();
        return;
    }
    const std::string name = FormatPartName(parts_.front().name);
    if (ReadsOnceMore(name, "other than it was put"))
        return;
    Fail(ExitCode::kLake, config_.names.lake + "/" + name +
                              " exists and is not ours: two forwarders share the name \"" +
                              config_.writer_id + "\"; start again");
}

// What lies beside the log of a transaction that the tail lists, and is not listed,
// was left by writers that were cut off: the log is past it, so it never counts.
void Machine::Sweep()
{
    const auto& parts = tail_->facts.footer.parts();
    if (parts.empty())
        return;
    std::vector<std::string> keep;
    for (const auto& part : parts)
        keep.push_back(BelowSource(tail_->name.source, part.name()));
    const auto name = ParsePartName(keep.front());
    if (Planted(Bug::kSweepListed))
        keep.pop_back();
    if (name)
        Do(action::SweepParts{PartsPrefix(name->source, name->epoch, name->commit_lsn), std::move(keep)});
}

} // namespace wal2lake
