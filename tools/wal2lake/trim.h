// `wal2lake trim`: the only thing that deletes from a log. What it deletes is
// decided by trim_plan.h; here it is asked for, shown and reported.
#pragma once

#include <string>

#include "config.h"
#include "exit_code.h"
#include "result.h"
#include "trim_plan.h"

namespace wal2lake
{

struct TrimOptions {
    // As typed; empty where not given.
    std::string before_lsn;
    std::string older_than;
    bool dry_run = false;
    bool yes = false;
    bool json = false;
};

// kInvalid with a sentence where not exactly one of both is given, or it is garbage.
Result<TrimCut> ParseTrimCut(const TrimOptions& options, int64_t now_us);

// Trims one source, or each of the configuration where `source` is empty: others that
// share the lake are somebody else's. Prints one line for each to standard output.
ExitCode RunTrim(const Config& config, const std::string& source, const TrimOptions& options);

} // namespace wal2lake
