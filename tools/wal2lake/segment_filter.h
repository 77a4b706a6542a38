// Cuts the transactions that the lake already holds out of buffered segments.
// Used by the state machine when it adopts an object that somebody else wrote.
#pragma once

#include <cstdint>
#include <string_view>

#include "result.h"
#include "segment_writer.h"

namespace wal2lake
{

// The transactions of `file`, an assembled segment, that end after `lsn`, with
// all relations they need. May be empty (no transactions).
Result<SealedSegment> KeepAfter(std::string_view file, uint64_t lsn, int compression_level);

// The same of a sealed segment that was not assembled yet.
Result<SealedSegment> KeepAfter(SealedSegment sealed, uint64_t lsn, int compression_level);

} // namespace wal2lake
