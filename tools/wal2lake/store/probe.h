// Whether a store keeps the one promise that the log stands on: of several who create
// the same object at the same moment one succeeds, and its bytes are what is read.
//
// Some stores ignore the condition, and some look first and write then. Neither
// shows in ordinary use; both would fork a log one day. So it is tried, by `run`
// before the first segment, by `slot create` and, shorter, by `doctor`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "result.h"
#include "store/store.h"

namespace wal2lake
{

// Below this no source has anything. Objects of a probe that was cut off may stay.
inline constexpr const char* kProbeFolder = "_wal2lake/probe/";
// When the lake was last found to keep its promise.
inline constexpr const char* kProbedName = "_wal2lake/probed";

struct ProbeSize {
    size_t writers = 16;
    size_t rounds = 20;
};

struct ProbeVerdict {
    bool exclusive = true;
    // Where not: what happened.
    std::string sentence;
};

// For whoever is refused: `lake` with that verdict.
std::string NotExclusive(const std::string& lake, const ProbeVerdict& verdict);

// Opens one more store on the same lake, for a writer of its own.
using OpenAnother = std::function<Result<std::unique_ptr<Store>>()>;

// `rounds` times `writers` different objects of one name at once. An error where that
// could not be tried: the kind is that of the store's.
Result<ProbeVerdict> ProbeStore(const OpenAnother& open, ProbeSize size = {});

// The same, unless it was found good within a day before `now_us`; notes that it was.
Result<ProbeVerdict> ProbeStoreDaily(const OpenAnother& open, int64_t now_us);

} // namespace wal2lake
