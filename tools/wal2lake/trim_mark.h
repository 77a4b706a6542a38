// The mark that `wal2lake trim` leaves in a log before it deletes what is older.
// Whoever walks a log begins at the newest mark: what lies below it, but the
// genesis, is not log any more, whether it still exists or not.
//
//   <source>/events/trim-<epoch, 8 digits>-<start LSN, 16 hex digits>.json
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "chain.h"
#include "result.h"
#include "store/store.h"

namespace wal2lake
{

// What the log was where it was cut, so that a missing beginning is known from a
// gap, and what goes on behind it from what does not.
struct TrimMark {
    SegmentName first_kept;
    uint64_t start_lsn = 0;
    uint64_t seq = 0;
    // 32 raw bytes, of the last segment that went.
    std::string previous_sha256;
    // For people to see.
    int64_t written_us = 0;
    std::string writer;

    // True for a segment that is not log any more. Genesis always is.
    bool Covers(const SegmentName& name) const;
    // True for a part of a transaction that commits before the first kept segment.
    bool Covers(const PartName& name) const;
    // Whether both tell the same of the log, whoever wrote them.
    bool SameCut(const TrimMark& other) const;
};

std::string EventsPrefix(const std::string& source);
std::string FormatTrimMarkName(const SegmentName& first_kept);
// The first kept segment that the name tells; nullopt for what is no mark's name.
std::optional<SegmentName> ParseTrimMarkName(std::string_view text);

std::string FormatTrimMark(const TrimMark& mark);
// kDamaged where the bytes are not what a mark of this name holds.
Result<TrimMark> ParseTrimMark(const std::string& name, std::string_view bytes);

// The newest mark of a source, or nothing for a log that was never trimmed.
Result<std::optional<TrimMark>> FindTrimMark(Store& store, const std::string& source);

// Tells readers of many segments which of them are not log any more. Marks are read
// once for each source, and again when asked to.
class TrimMarks
{
  public:
    explicit TrimMarks(Store* store) : store_(store) {}

    // For the name of any object; false for what is no segment's.
    Result<bool> Covers(const std::string& name);
    // For a segment that has just been missed: whether a trim took it meanwhile.
    Result<bool> TookMeanwhile(const std::string& name);

  private:
    Store* store_;
    std::map<std::string, std::optional<TrimMark>> by_source_;
};

} // namespace wal2lake
