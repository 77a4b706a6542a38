// One line of the log before it is written. Made by the state machine and the
// commands, written by log.cpp. Never holds a column value.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace wal2lake
{

enum class LogLevel {
    kDebug,
    kInfo,
    kWarning,
    kError,
};

struct LogEntry {
    using Value = std::variant<std::string, int64_t, uint64_t>;

    LogLevel level = LogLevel::kInfo;
    // A stable word for machines, such as "segment_written".
    std::string event;
    // The same for people: lower case, no full stop.
    std::string text;
    std::vector<std::pair<std::string, Value>> fields;
};

} // namespace wal2lake
