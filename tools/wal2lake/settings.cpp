#include "settings.h"

#include <cstdio>
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

// The sources that options and file name together.
Result<std::vector<SourceConfig>> PickSources(const CommonOptions& options, const Settings& settings,
                                              Needs needs)
{
    const Config& config = settings.config;
    std::vector<SourceConfig> picked = config.sources;
    if (!options.source.empty()) {
        std::erase_if(picked, [&](const SourceConfig& source) { return source.id != options.source; });
        if (picked.empty() && options.conninfo.empty() && !config.sources.empty())
            return Invalid("the configuration has no source \"" + options.source +
                           "\"; add it, or give --conninfo");
        if (picked.empty())
            picked.emplace_back().id = options.source;
    }
    if (picked.empty() && settings.config_path.empty())
        return Invalid(std::string("no source is configured: there is no ") + kDefaultConfigPath +
                       "; write it, name another file with -c, or give --source and --conninfo");
    if (picked.empty())
        return Invalid("no source is configured in " + settings.config_path +
                       "; add a [[source]], or give --source and --conninfo");
    if (picked.size() > 1 && needs == Needs::kOneSource)
        return Invalid("the configuration has " + std::to_string(picked.size()) +
                       " sources; name one with --source");
    return picked;
}

// Lets the options that describe a source override what the file says of it.
Result<Done> ApplyToSource(const CommonOptions& options, std::vector<SourceConfig>* sources)
{
    const bool any = !options.conninfo.empty() || !options.slot.empty() || !options.plugin_options.empty();
    if (!any)
        return Done{};
    if (sources->size() > 1)
        return Invalid("--conninfo, --slot and --option are about one source, and the configuration has " +
                       std::to_string(sources->size()) + "; name it with --source");
    SourceConfig& source = sources->front();
    if (!options.conninfo.empty())
        source.conninfo = options.conninfo;
    if (!options.slot.empty())
        source.slot = options.slot;
    for (const std::string& option : options.plugin_options) {
        const size_t equals = option.find('=');
        if (equals == std::string::npos || equals == 0)
            return Invalid("--option \"" + option + "\" is not name=value");
        source.options[option.substr(0, equals)] = option.substr(equals + 1);
    }
    return Done{};
}

} // namespace

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

Result<Settings> LoadSettings(const CommonOptions& options, Needs needs)
{
    Settings settings;
    const std::string path = ConfigPath(options);
    settings.config_path = path;
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
        return Invalid(kPasswordRefused);
    if (needs != Needs::kLake) {
        auto sources = PickSources(options, settings, needs);
        if (!sources.ok())
            return sources.error();
        const auto overridden = ApplyToSource(options, &sources.value());
        if (!overridden.ok())
            return overridden.error();
        config.sources = std::move(sources.value());
        if (needs == Needs::kOneSource)
            settings.source = config.sources.front();
    }
    const auto checked = CheckConfig(config);
    if (!checked.ok())
        return checked.error();
    return settings;
}

Result<std::unique_ptr<Store>> OpenLake(const Config& config, StoreWarning warn)
{
    if (!warn)
        warn = [](const std::string& text) { std::fprintf(stderr, "wal2lake: %s\n", text.c_str()); };
    return OpenStore(config.lake_url, config.store, warn);
}

Result<Log> OpenLog(const CommonOptions& options)
{
    const auto level = ParseLogLevel(options.log_level);
    if (!level)
        return Invalid("--log-level \"" + options.log_level + "\" is none of debug, info, warning, error");
    const auto format = ParseLogFormat(options.log_format);
    if (!format)
        return Invalid("--log-format \"" + options.log_format + "\" is none of auto, text, json");
    return Log(*level, *format);
}

} // namespace wal2lake
