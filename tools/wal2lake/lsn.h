// Log sequence numbers as text. Used by everything that shows or reads one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wal2lake
{

// As PostgreSQL writes it: "16/B374D848".
std::string FormatLsn(uint64_t lsn);

// Reads PostgreSQL's form, either case; nothing else is accepted.
std::optional<uint64_t> ParseLsn(std::string_view text);

} // namespace wal2lake
