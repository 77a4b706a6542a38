// `wal2lake verify`: walks chains from genesis to tail and recomputes all that
// they claim.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config.h"
#include "exit_code.h"
#include "result.h"
#include "segment_reader.h"
#include "store/store.h"
#include "tally.h"
#include "trim_mark.h"

namespace wal2lake
{

struct Problem {
    std::string object;
    std::string reason;
};

struct ChainReport {
    std::string source;
    uint64_t segments = 0;
    uint64_t parts = 0;
    uint64_t transactions = 0;
    uint64_t bytes = 0;
    uint64_t start_lsn = 0;
    uint64_t end_lsn = 0;
    // Where the log was trimmed: what lies before its first segment is not log.
    std::optional<TrimMark> mark;
    CountsByTable counts;
    std::vector<Problem> problems;
};

// Reads one object in pieces, and the parts that it lists, and checks it by itself;
// adds their sizes to `*bytes`.
Result<SegmentFacts> ReadSegment(Store& store, const std::string& name, uint64_t* bytes);

struct SegmentEnd {
    wal2lake::v1::SegmentFooter footer;
    // Of the object.
    uint64_t size = 0;
};

// Reads the footer of one object alone, mostly in two requests; kDamaged names it.
Result<SegmentEnd> ReadFooter(Store& store, const std::string& name);

// Walks the log of one source: its genesis, and all that no trim mark has taken out
// of it. An error only where the store cannot be read.
Result<ChainReport> VerifyChain(Store& store, const std::string& source);

// Sources that have a log in the lake, in order.
Result<std::vector<std::string>> ListSources(Store& store);

// Verifies one source, or all where `source` is empty; prints to standard output.
ExitCode RunVerify(const Config& config, const std::string& source, bool json);

} // namespace wal2lake
