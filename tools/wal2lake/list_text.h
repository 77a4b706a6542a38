// Numbers of things, and things one after the other, in sentences.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace wal2lake
{

// "1 table", "3 tables".
std::string Several(size_t number, const char* one);

// "a, b, c and 4 more" and "a and 6 more".
std::string ListText(const std::vector<std::string>& names, size_t shown);

} // namespace wal2lake
