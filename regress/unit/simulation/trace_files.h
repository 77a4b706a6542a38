// The failures that were kept, from regress/unit/simulation/traces.
#pragma once

#include <string>
#include <vector>

#include "shrink.h"

namespace wal2lake::simulation
{

struct TraceFile {
    std::string name;
    Trace trace;
};

// Those with a planted bug, or those without. Fails the test where one cannot be
// read.
std::vector<TraceFile> ReadTraces(bool with_bug);

} // namespace wal2lake::simulation
