// `wal2lake cat`: frames, segments, folders or standard input as JSON lines.
#pragma once

#include <string>
#include <vector>

#include "exit_code.h"
#include "record_json.h"

namespace wal2lake
{

struct CatOptions {
    // Files and folders; standard input where empty.
    std::vector<std::string> paths;
    RecordFilter filter;
    // Go on with what is added to a folder.
    bool follow = false;
};

// Lines go to `out`, one sentence about what is wrong to standard error.
ExitCode RunCat(const CatOptions& options, const RecordPrinter::Emit& out);

} // namespace wal2lake
