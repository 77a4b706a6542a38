// Names that protocols and formats compare without regard to case; only ASCII has any.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace wal2lake
{

inline std::string LowerCase(std::string_view text)
{
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return lower;
}

} // namespace wal2lake
