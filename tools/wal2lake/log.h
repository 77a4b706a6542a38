// Writes log lines to standard error: for people where it is a terminal, one
// JSON object a line elsewhere. Called from any thread. Knows nothing of what it
// writes; that no column value is in it is for the callers to keep.
//
// Its own few lines rather than a logging library: one write() a line, no thread,
// no file, no pattern, and fields that stay typed up to the JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "log_entry.h"

namespace wal2lake
{

enum class LogFormat {
    kAuto,
    kText,
    kJson,
};

class Log
{
  public:
    // Colours where text goes to a terminal and NO_COLOR is not set.
    Log(LogLevel level, LogFormat format, std::string source = {});

    // The same, for lines about one source.
    Log ForSource(std::string source) const;

    void Write(const LogEntry& entry) const;
    bool debug() const { return level_ == LogLevel::kDebug; }

  private:
    LogLevel level_;
    bool json_;
    bool color_;
    std::string source_;
};

// One line without its newline; `time` is ISO 8601. For Log and its tests.
std::string FormatLogText(const LogEntry& entry, const std::string& time, const std::string& source,
                          bool color);
std::string FormatLogJson(const LogEntry& entry, const std::string& time, const std::string& source);

std::optional<LogLevel> ParseLogLevel(std::string_view text);
std::optional<LogFormat> ParseLogFormat(std::string_view text);

} // namespace wal2lake
