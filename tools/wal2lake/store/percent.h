// Undoes percent-encoding. (Encoding is part of what is signed: sigv4.h.)
#pragma once

#include <string>
#include <string_view>

namespace wal2lake
{

// What is no %XX stays as it is, '+' too.
std::string PercentDecoded(std::string_view text);

} // namespace wal2lake
