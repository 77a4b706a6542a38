// `wal2lake status`: how far each source is, asked of the lake and of the server.
// Needs no running forwarder and asks none: it is for when nobody knows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "exit_code.h"
#include "settings.h"
#include "source_postgres.h"

namespace wal2lake
{

// The last object of a log.
struct LakePosition {
    uint64_t durable_lsn = 0;
    // Of its last transaction, Unix time by the server's clock; 0 without one.
    int64_t last_commit_us = 0;
    // When it was written, Unix time by the store's clock; 0 where unknown.
    int64_t written_us = 0;
};

// What was found out about one source. A sentence stands where something could
// not be, with the exit code it means.
struct PositionReport {
    std::string source;
    std::optional<LakePosition> lake;
    std::optional<SlotPosition> slot;
    ExitCode code = ExitCode::kOk;
    std::string trouble;

    std::optional<uint64_t> lag_bytes;
    // Age of the oldest commit that may be missing: at most this much.
    std::optional<double> lag_seconds;
    std::optional<uint64_t> retained_bytes;
};

// Fills in what follows from both positions: lags, and kLate where the source is
// older than `freshness_ms`. `now_us` is the store's clock.
void Assess(int64_t freshness_ms, int64_t now_us, PositionReport* report);

// Reports on every source of the settings to standard output.
ExitCode RunStatus(const Settings& settings, bool json);

} // namespace wal2lake
