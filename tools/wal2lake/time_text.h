// Native dates and times as PostgreSQL's ISO text ("2026-08-13",
// "0044-03-15 BC", "24:00:00", "2026-08-13 10:00:00.5+00"). For people's eyes
// and for comparison with psql; time zone is always UTC.
#pragma once

#include <cstdint>
#include <string>

namespace wal2lake
{

// Days since 1970-01-01, proleptic Gregorian.
std::string DateText(int64_t days);
// Microseconds since midnight.
std::string TimeText(int64_t microseconds);
// Microseconds since 1970-01-01 00:00:00; `zone` is "" or "+00".
std::string TimestampText(int64_t microseconds, const char* zone);
// The same as RFC 3339, always with six decimals: "2026-08-13T10:00:00.000000Z".
std::string Rfc3339(int64_t microseconds);

} // namespace wal2lake
