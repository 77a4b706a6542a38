#include "trace_files.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace wal2lake::simulation
{

std::vector<TraceFile> ReadTraces(bool with_bug)
{
    std::vector<TraceFile> files;
    for (const auto& entry : std::filesystem::directory_iterator(WAL2LAKE_TRACES)) {
        if (entry.path().extension() != ".trace")
            continue;
        std::ifstream file(entry.path());
        std::stringstream text;
        text << file.rdbuf();
        const auto trace = ParseTrace(text.str());
        EXPECT_TRUE(file && trace.ok()) << entry.path() << (trace.ok() ? "" : ": " + trace.error().text);
        if (trace.ok() && trace.value().bug.empty() != with_bug)
            files.push_back({entry.path().filename(), trace.value()});
    }
    return files;
}

} // namespace wal2lake::simulation
