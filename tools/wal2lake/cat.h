// `wal2lake cat`: frames, segments, folders, lakes or standard input as JSON lines.
#pragma once

#include <string>
#include <vector>

#include "exit_code.h"
#include "record_json.h"
#include "store/store_options.h"

namespace wal2lake
{

struct CatOptions {
    // Files, folders and URLs of a lake, a part of it or one segment; standard input
    // where empty.
    std::vector<std::string> paths;
    // How the stores of URLs are reached.
    StoreOptions store;
    RecordFilter filter;
    // Go on with what is added to a folder.
    bool follow = false;
};

// True for what names a store and not a file.
bool IsStoreUrl(const std::string& path);

// Lines go to `out`, one sentence about what is wrong to standard error.
ExitCode RunCat(const CatOptions& options, const RecordPrinter::Emit& out);

} // namespace wal2lake
