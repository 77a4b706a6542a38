// The two clocks, read at the edges only: the machine is told what they say.
#pragma once

#include <chrono>
#include <cstdint>

namespace wal2lake
{

// Never goes back; means nothing outside of the process.
inline int64_t NowMs()
{
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// Unix time.
inline int64_t UnixUs()
{
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

} // namespace wal2lake
