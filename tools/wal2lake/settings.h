// What one invocation works on: the configuration file and the options of the
// command line put together. Made by cli.cpp, used by every command.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config.h"
#include "log.h"
#include "store/store.h"

namespace wal2lake
{

// Why --conninfo is refused: it holds a password.
inline constexpr const char* kPasswordRefused = "--conninfo holds a password, which every user of this host "
                                                "can read; use a passfile (PGPASSFILE), a service"
                                                " file or the configuration file";

// The options that name a lake and a source, as given.
struct CommonOptions {
    std::string config_path;
    std::string lake;
    std::string source;
    std::string conninfo;
    std::string slot;
    std::vector<std::string> plugin_options;
    std::string max_size;
    std::string max_age;
    std::string idle_age;
    std::string memory_budget;
    std::string log_level = "info";
    std::string log_format = "auto";
};

struct Settings {
    Config config;
    // The file that was read; empty where options were enough.
    std::string config_path;
    // The one source that was asked for, where one is needed.
    std::optional<SourceConfig> source;
};

// What a command works on: the lake alone, one source, or each that is
// configured (one where --source names it). `config.sources` holds just these.
enum class Needs { kLake, kOneSource, kSources };

// The file that -c or WAL2LAKE_CONFIG names, or the default one where it exists and
// the options are not enough; else empty.
std::string ConfigPath(const CommonOptions& options);

// Reads the file that -c or WAL2LAKE_CONFIG names, or the default one where it
// exists, and lets the options override it. kInvalid with a sentence.
Result<Settings> LoadSettings(const CommonOptions& options, Needs needs);

// Opens the lake of the configuration. What the store warns of goes to `warn`, or
// to standard error where that is empty.
Result<std::unique_ptr<Store>> OpenLake(const Config& config, StoreWarning warn = {});

Result<Log> OpenLog(const CommonOptions& options);

} // namespace wal2lake
