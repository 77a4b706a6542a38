// What may be shown of an answer that anybody may have written.
#pragma once

#include <string>
#include <string_view>

namespace wal2lake
{

// A short word of letters, digits, '.', '-' and '_'; what holds anything else is
// dropped whole.
std::string HarmlessWord(std::string_view text);

// At most 200 characters in one line; what is not printable ASCII becomes '?'.
std::string HarmlessLine(std::string_view text);

} // namespace wal2lake
