// What a trim takes away, and how, over any store. Used by the command and its
// tests; prints nothing and asks nobody.
//
// Deleted are segments from the oldest on, never a genesis and never the tail, and
// parts that no kept segment lists. A trim mark is written first. Stopped at any
// point, the next plan of the same source has what is left.
//
// Why a view of the tail that is out of date does no harm: what is planned lies
// before a segment that exists and is the tail or older, and a log only grows. So
// the tail of any later moment is kept, too. Somebody who wakes up behind the mark
// cannot go on there: whoever puts an object asks for its predecessor before and
// after (store_worker.cpp), and the predecessor goes before its successor.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "result.h"
#include "store/store.h"
#include "trim_mark.h"

namespace wal2lake
{

// Exactly one of both.
struct TrimCut {
    // The first segment kept is the last one that starts here or earlier.
    std::optional<uint64_t> before_lsn;
    // Or the first one whose last commit is not older than this; a segment without
    // commits goes with those before it. Unix time.
    std::optional<int64_t> before_us;
};

struct TrimPlan {
    std::string source;
    // Where the log begins afterwards; nothing where it was never trimmed and is not
    // now. To be written where it is new.
    std::optional<TrimMark> mark;
    bool mark_is_new = false;
    // Names to delete, in this order.
    std::vector<std::string> segments;
    std::vector<std::string> parts;
    // So many of the segments lie below an earlier mark: a trim was interrupted.
    size_t left_over = 0;
    uint64_t bytes = 0;

    bool empty() const { return segments.empty() && parts.empty(); }
};

// Is told of each object that was looked at or deleted.
using TrimProgress = std::function<void()>;

// Reads, and changes nothing. kInvalid where the cut makes no sense for this log,
// kDamaged where log or mark are not sound enough to cut, else the store's error.
Result<TrimPlan> PlanTrim(Store& store, const std::string& source, const TrimCut& cut,
                          const TrimProgress& progress = {});

// Writes the mark and deletes. `*deleted` counts objects, also where it fails.
Result<Done> CarryOutTrim(Store& store, const TrimPlan& plan, uint64_t* deleted,
                          const TrimProgress& progress = {});

} // namespace wal2lake
