#include "settings.h"

#include <cstdlib>

#include <unistd.h>

#include "chain.h"

namespace wal2lake
{
namespace
{

Error Invalid(std::string text)
{
    return {ErrorKind::kInvalid, std::move(text)};
}

std::string ConfigPath(const CommonOptions& options)
{
    if (!options.config_path.empty())
        return options.config_path;
    const char* environment = std::getenv("WAL2LAKE_CONFIG");
    if (environment != nullptr && *environment != '\0')
        return environment;
    const bool enough = !options.lake.empty() && !options.source.empty() && !options.conninfo.empty();
    if (::access(kDefaultConfigPath, F_OK) == 0 && !enough)
        return kDefaultConfigPath;
    return "";
}

Result<Done> ApplyQuantities(const CommonOptions& options, Config* config)
{
    const auto size = [](const char* name, const std::string& text, uint64_t* out) -> Result<Done> {
        if (text.empty())
            return Done{};
        const auto parsed = ParseSize(text);
        if (!parsed.ok())
            return Invalid(std::string(name) + ": " + parsed.error().text);
        *out = parsed.value();
        return Done{};
    };
    const auto duration = [](const char* name, const std::string& text, int64_t* out) -> Result<Done> {
        if (text.empty())
            return Done{};
        const auto parsed = ParseDuration(text);
        if (!parsed.ok())
            return Invalid(std::string(name) + ": " + parsed.error().text);
        *out = parsed.value();
        return Done{};
    };
    for (const auto& applied : {size("--max-size", options.max_size, &config->max_size),
                                duration("--max-age", options.max_age, &config->max_age_ms),
                                duration("--idle-age", options.idle_age, &config->idle_age_ms),
                                size("--memory-budget", options.memory_budget, &config->memory_budget)})
        if (!applied.ok())
            return applied;
    return Done{};
}

Result<SourceConfig> PickSource(const CommonOptions& options, const Config& config)
{
    if (!options.source.empty()) {
        for (const SourceConfig& source : config.sources)
            if (source.id == options.source)
                return source;
        if (options.conninfo.empty() && !config.sources.empty())
            return Invalid("the configuration has no source \"" + options.source +
                           "\"; add it, or give --conninfo");
        SourceConfig source;
        source.id = options.source;
        return source;
    }
    if (config.sources.size() > 1)
        return Invalid("the configuration has " + std::to_string(config.sources.size()) +
                       " sources and this version forwards one at a time; name it with --source");
    if (config.sources.empty())
        return Invalid("no source is configured; add a [[source]] to the configuration, or give --source and"
                       " --conninfo");
    return config.sources.front();
}

} // namespace

Result<Settings> LoadSettings(const CommonOptions& options, bool needs_source)
{
    Settings settings;
    const std::string path = ConfigPath(options);
    if (!path.empty()) {
        auto config = ReadConfig(path);
        if (!config.ok())
            return config.error();
        settings.config = std::move(config.value());
    }
    Config& config = settings.config;
    if (!options.lake.empty())
        config.lake_url = options.lake;
    const auto applied = ApplyQuantities(options, &config);
    if (!applied.ok())
        return applied.error();
    if (!options.source.empty() && !IsSourceId(options.source))
        return Invalid("source id \"" + options.source +
                       "\" is not valid; use lower-case letters, digits, '.', '_' and '-'");
    if (HoldsPassword(options.conninfo))
        return Invalid("--conninfo holds a password, which every user of this host can read; use a passfile"
                       " (PGPASSFILE), a service file or the configuration file");
    if (needs_source) {
        auto source = PickSource(options, config);
        if (!source.ok())
            return source.error();
        if (!options.conninfo.empty())
            source.value().conninfo = options.conninfo;
        if (!options.slot.empty())
            source.value().slot = options.slot;
        for (const std::string& option : options.plugin_options) {
            const size_t equals = option.find('=');
            if (equals == std::string::npos || equals == 0)
                return Invalid("--option \"" + option + "\" is not name=value");
            source.value().options[option.substr(0, equals)] = option.substr(equals + 1);
        }
        settings.source = source.value();
        config.sources = {source.value()};
    }
    const auto checked = CheckConfig(config);
    if (!checked.ok())
        return checked.error();
    return settings;
}

Result<Log> OpenLog(const CommonOptions& options, const std::string& source)
{
    const auto level = ParseLogLevel(options.log_level);
    if (!level)
        return Invalid("--log-level \"" + options.log_level + "\" is none of debug, info, warning, error");
    const auto format = ParseLogFormat(options.log_format);
    if (!format)
        return Invalid("--log-format \"" + options.log_format + "\" is none of auto, text, json");
    return Log(*level, *format, source);
}

} // namespace wal2lake
