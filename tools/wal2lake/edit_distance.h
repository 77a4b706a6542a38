// How far apart two names are: for "did you mean".
#pragma once

#include <cstddef>
#include <string_view>

namespace wal2lake
{

// The fewest bytes to insert, remove or replace that make one of the other; most + 1 where more than `most` are.
size_t EditDistance(std::string_view a, std::string_view b, size_t most);

} // namespace wal2lake
