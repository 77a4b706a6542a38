// The configuration file (tools/wal2lake/wal2lake.example.toml names every key)
// and its values. Read once at start by the commands. Knows nothing of what the
// values are for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "compression_level.h"
#include "pull_config.h"
#include "result.h"
#include "source.h"
#include "stage.h"
#include "store/store_options.h"

namespace wal2lake
{

struct SourceConfig {
    std::string id;
    // A libpq connection string. Passwords belong into a passfile or service.
    std::string conninfo = "host=/var/run/postgresql";
    std::string slot = "wal2lake";
    PluginOptions options;
    // Asked for what is new by a role without REPLICATION, instead of streamed.
    bool pull = false;
    PullConfig poll;

    const PullConfig* pulled() const { return pull ? &poll : nullptr; }
};

struct Config {
    std::string lake_url = "file:///var/lib/wal2lake";
    StoreOptions store;
    uint64_t max_size = uint64_t{64} << 20;
    int64_t max_age_ms = 60'000;
    int64_t idle_age_ms = 600'000;
    int compression_level = kDefaultCompressionLevel;
    StageConfig stage;
    uint64_t memory_budget = uint64_t{256} << 20;
    // Address and port of the endpoint for metrics; empty for none.
    std::string metrics_listen = "127.0.0.1:8732";
    // Whether the file says so: then it must work.
    bool metrics_listen_given = false;
    // How old the lake may be.
    int64_t freshness_ms = 21'600'000;
    std::vector<SourceConfig> sources;
};

struct ListenAddress {
    std::string host;
    int port = 0;
};

// "127.0.0.1:8732" or "[::1]:8732"; port 0 lets the system choose.
Result<ListenAddress> ParseListenAddress(std::string_view text);

inline constexpr const char* kDefaultConfigPath = "/etc/wal2lake/wal2lake.toml";

// Reads and checks a file. kInvalid names file, line and the fix.
Result<Config> ReadConfig(const std::string& path);

// The same of text, for tests; `path` is for the sentences.
Result<Config> ParseConfig(std::string_view text, const std::string& path);

// What no file and no option may break; called after options are applied too.
Result<Done> CheckConfig(const Config& config);

// "64MiB" (KiB, MiB, GiB, or B) and "60s" (ms, s, m, h, d).
Result<uint64_t> ParseSize(std::string_view text);
Result<int64_t> ParseDuration(std::string_view text);

// True where a connection string holds a password, which other users of the
// host could read from the command line.
bool HoldsPassword(const std::string& conninfo);

// Which of `known` was probably meant; empty where nothing is near.
std::string NearestName(std::string_view name, const std::vector<std::string>& known);

} // namespace wal2lake
