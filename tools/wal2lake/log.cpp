#include "log.h"

#include <cstdio>
#include <cstdlib>
#include <ctime>

#include <unistd.h>

#include "json_writer.h"

namespace wal2lake
{
namespace
{

const char* LevelName(LogLevel level)
{
    switch (level) {
    case LogLevel::kDebug:
        return "debug";
    case LogLevel::kInfo:
        return "info";
    case LogLevel::kWarning:
        return "warning";
    case LogLevel::kError:
        break;
    }
    return "error";
}

const char* LevelColor(LogLevel level)
{
    switch (level) {
    case LogLevel::kDebug:
        return "\033[2m";
    case LogLevel::kInfo:
        return "\033[32m";
    case LogLevel::kWarning:
        return "\033[33m";
    case LogLevel::kError:
        break;
    }
    return "\033[31m";
}

std::string Now()
{
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    char text[48];
    const size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(text + size, sizeof text - size, ".%03dZ", static_cast<int>(now.tv_nsec / 1'000'000));
    return text;
}

// Server and operating system choose some of the texts; a line stays a line.
std::string OneLine(std::string_view text)
{
    std::string line;
    for (const char c : text)
        line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    while (line.ends_with(' '))
        line.pop_back();
    return line;
}

} // namespace

std::string FormatLogText(const LogEntry& entry, const std::string& time, const std::string& source,
                          bool color)
{
    std::string line = time + " ";
    const std::string level = LevelName(entry.level);
    line += color ? LevelColor(entry.level) + level + "\033[0m" : level;
    line += std::string(8 - level.size(), ' ') + (source.empty() ? "" : source + ": ") + OneLine(entry.text);
    for (const auto& [name, value] : entry.fields) {
        line += "  " + name + "=";
        if (const auto* text = std::get_if<std::string>(&value))
            line += OneLine(*text);
        else if (const auto* number = std::get_if<int64_t>(&value))
            line += std::to_string(*number);
        else
            line += std::to_string(std::get<uint64_t>(value));
    }
    return line;
}

std::string FormatLogJson(const LogEntry& entry, const std::string& time, const std::string& source)
{
    JsonWriter json;
    json.BeginObject();
    json.Key("time").String(time);
    json.Key("level").String(LevelName(entry.level));
    json.Key("event").String(entry.event);
    if (!source.empty())
        json.Key("source").String(source);
    json.Key("message").String(OneLine(entry.text));
    for (const auto& [name, value] : entry.fields) {
        json.Key(name);
        if (const auto* text = std::get_if<std::string>(&value))
            json.String(*text);
        else if (const auto* number = std::get_if<int64_t>(&value))
            json.Int(*number);
        else
            json.Uint(std::get<uint64_t>(value));
    }
    json.EndObject();
    return json.Take();
}

Log::Log(LogLevel level, LogFormat format, std::string source) : level_(level), source_(std::move(source))
{
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    json_ = format == LogFormat::kJson || (format == LogFormat::kAuto && !terminal);
    const char* no_color = std::getenv("NO_COLOR");
    color_ = terminal && (no_color == nullptr || *no_color == '\0');
}

Log Log::ForSource(std::string source) const
{
    Log log = *this;
    log.source_ = std::move(source);
    return log;
}

void Log::Write(const LogEntry& entry) const
{
    if (entry.level < level_)
        return;
    const std::string time = Now();
    const std::string line =
        (json_ ? FormatLogJson(entry, time, source_) : FormatLogText(entry, time, source_, color_)) + "\n";
    // One write, so that lines of several processes do not mix. A log that
    // cannot be written must not stop the forwarder.
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

std::optional<LogLevel> ParseLogLevel(std::string_view text)
{
    for (const LogLevel level : {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError})
        if (text == LevelName(level))
            return level;
    return std::nullopt;
}

std::optional<LogFormat> ParseLogFormat(std::string_view text)
{
    if (text == "auto")
        return LogFormat::kAuto;
    if (text == "text")
        return LogFormat::kText;
    if (text == "json")
        return LogFormat::kJson;
    return std::nullopt;
}

} // namespace wal2lake
