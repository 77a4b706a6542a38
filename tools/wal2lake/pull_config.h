// How a source is asked for what is new where it is not streamed.
#pragma once

#include <cstdint>

namespace wal2lake
{

struct PullConfig {
    // Between two questions, where the last was answered in full.
    int64_t interval_ms = 10'000;
    // WAL that one answer covers; it bounds what the server keeps of it on disk.
    uint64_t max_wal_bytes = uint64_t{256} << 20;
};

} // namespace wal2lake
