// The text of a configuration file, which is never opened: what is accepted keeps
// all bounds, and what is refused is named by its line or its key.
#include <cctype>
#include <set>
#include <string>

#include "config.h"
#include "fuzz.h"

namespace wal2lake::fuzz
{
namespace
{

constexpr std::string_view kPath = "fuzz.toml";

void CheckError(std::string_view text)
{
    FUZZ_CHECK(text.starts_with(kPath) && text.substr(kPath.size()).starts_with(':'));
    const std::string_view rest = text.substr(kPath.size() + 1);
    const bool names_line = !rest.empty() && std::isdigit(static_cast<unsigned char>(rest[0])) != 0;
    bool names_key = false;
    for (const char* key :
         {"segment.", "memory.budget", "slo.freshness", "metrics.listen", "source id", "slot"})
        names_key = names_key || rest.starts_with(std::string(" ") + key);
    FUZZ_CHECK(names_line != names_key);
    FUZZ_CHECK(!names_line || rest[0] != '0');
}

void CheckAccepted(const Config& config)
{
    FUZZ_CHECK(CheckConfig(config).ok());
    FUZZ_CHECK(config.max_size >= 65536 && config.max_size <= 1073741824);
    FUZZ_CHECK(config.max_age_ms >= 100 && config.idle_age_ms >= 1000 && config.freshness_ms >= 1000);
    FUZZ_CHECK(config.memory_budget >= 4 * config.max_size);
    FUZZ_CHECK(config.metrics_listen.empty() || ParseListenAddress(config.metrics_listen).ok());
    std::set<std::string> ids;
    for (const SourceConfig& source : config.sources) {
        FUZZ_CHECK(!source.id.empty() && ids.insert(source.id).second);
        FUZZ_CHECK(source.id.find_first_of("/\\\n ") == std::string::npos && source.id[0] != '.');
        FUZZ_CHECK(!source.slot.empty() && source.slot.size() < 64);
    }
}

} // namespace

void Target(std::string_view input)
{
    const auto config = ParseConfig(input, std::string(kPath));
    if (config.ok())
        CheckAccepted(config.value());
    else
        CheckError(config.error().text);
    (void)HoldsPassword(std::string(input));
    const auto address = ParseListenAddress(input);
    if (address.ok()) {
        const int port = address.value().port;
        FUZZ_CHECK(port >= 0 && port <= 65535 && !address.value().host.empty());
    }
    const auto size = ParseSize(input);
    FUZZ_CHECK(!size.ok() || size.value() <= uint64_t{1} << 62);
    const auto duration = ParseDuration(input);
    FUZZ_CHECK(!duration.ok() || duration.value() >= 0);
}

} // namespace wal2lake::fuzz
