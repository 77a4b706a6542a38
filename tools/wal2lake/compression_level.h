// The levels of zstd with which segments may be written; any of them is read.
#pragma once

namespace wal2lake
{

inline constexpr int kLowestCompressionLevel = -7;
inline constexpr int kDefaultCompressionLevel = 1;
// Above it a compressor needs more memory than the budget allows for.
inline constexpr int kHighestCompressionLevel = 19;

} // namespace wal2lake
