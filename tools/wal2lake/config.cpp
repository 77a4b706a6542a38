#include "config.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <sstream>

#include <libpq-fe.h>
// A file can break what toml++ asserts, such as that a digit follows the T of a
// time; left alone, it finds the error itself. With NDEBUG the assertions become
// assumptions of the compiler, which is worse.
#undef NDEBUG
#define TOML_ASSERT(expression) static_assert(true)
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "chain.h"

namespace wal2lake
{
namespace
{

struct Unit {
    std::string_view suffix;
    uint64_t factor;
};

Error Invalid(std::string text)
{
    return {ErrorKind::kInvalid, std::move(text)};
}

template <size_t N>
Result<uint64_t> ParseWithUnit(std::string_view text, const Unit (&units)[N], const char* examples)
{
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view suffix = text.substr(static_cast<size_t>(end - text.data()));
    if (error == std::errc{})
        for (const Unit& unit : units)
            if (suffix == unit.suffix && number <= (uint64_t{1} << 62) / unit.factor)
                return number * unit.factor;
    return Invalid("\"" + std::string(text) + "\" is not a number with a unit, such as " + examples);
}

// Walks the tables of a file and turns the first thing it does not understand
// into one sentence.
class Reader
{
  public:
    Reader(std::string path, Config* config) : path_(std::move(path)), config_(config) {}

    Result<Done> Read(const toml::table& root)
    {
        for (const auto& [key, node] : root) {
            const std::string name(key.str());
            if (name == "lake")
                ReadTable(node, name, {{"url", [&](const auto& n) { Text(n, &config_->lake_url); }}});
            else if (name == "segment")
                ReadTable(
                    node, name,
                    {{"max_size", [&](const auto& n) { Size(n, &config_->max_size); }},
                     {"max_age", [&](const auto& n) { Duration(n, &config_->max_age_ms); }},
                     {"idle_age", [&](const auto& n) { Duration(n, &config_->idle_age_ms); }},
                     {"compression_level", [&](const auto& n) { Level(n, &config_->compression_level); }}});
            else if (name == "memory")
                ReadTable(node, name, {{"budget", [&](const auto& n) { Size(n, &config_->memory_budget); }}});
            else if (name == "metrics")
                ReadTable(node, name, {{"listen", [&](const auto& n) {
                                            Text(n, &config_->metrics_listen);
                                            config_->metrics_listen_given = true;
                                        }}});
            else if (name == "slo")
                ReadTable(node, name,
                          {{"freshness", [&](const auto& n) { Duration(n, &config_->freshness_ms); }}});
            else if (name == "source")
                ReadSources(node);
            else
                Unknown(key, "", {"lake", "segment", "memory", "metrics", "slo", "source"});
        }
        if (!error_.empty())
            return Invalid(error_);
        return Done{};
    }

  private:
    using Fields = std::map<std::string, std::function<void(const toml::node&)>>;

    void Fail(const toml::source_region& where, const std::string& what)
    {
        if (error_.empty())
            error_ = path_ + ":" + std::to_string(where.begin.line) + ": " + what;
    }

    void Unknown(const toml::key& key, const std::string& table, const std::vector<std::string>& known)
    {
        const std::string near = NearestName(key.str(), known);
        const std::string prefix = table.empty() ? "" : table + ".";
        std::string list;
        for (const std::string& name : known)
            list += (list.empty() ? "" : ", ") + prefix + name;
        Fail(key.source(),
             "unknown key \"" + prefix + std::string(key.str()) + "\"; " +
                 (near.empty() ? "known are " + list : "did you mean \"" + prefix + near + "\"?"));
    }

    void ReadTable(const toml::node& node, const std::string& table, const Fields& fields)
    {
        if (!node.is_table()) {
            Fail(node.source(), "\"" + table + "\" must be a table, written as " +
                                    (table == "source" ? "[[source]]" : "[" + table + "]"));
            return;
        }
        std::vector<std::string> known;
        for (const auto& [name, read] : fields)
            known.push_back(name);
        for (const auto& [key, value] : *node.as_table()) {
            const auto field = fields.find(std::string(key.str()));
            if (field == fields.end()) {
                Unknown(key, table, known);
                continue;
            }
            key_ = table + "." + field->first;
            field->second(value);
        }
    }

    void ReadSources(const toml::node& node)
    {
        if (!node.is_array_of_tables()) {
            Fail(node.source(), "\"source\" must be written as [[source]]");
            return;
        }
        for (const toml::node& entry : *node.as_array()) {
            SourceConfig source;
            ReadTable(entry, "source",
                      {{"id", [&](const auto& n) { Text(n, &source.id); }},
                       {"conninfo", [&](const auto& n) { Text(n, &source.conninfo); }},
                       {"slot", [&](const auto& n) { Text(n, &source.slot); }},
                       {"options", [&](const auto& n) { Options(n, &source.options); }}});
            if (source.id.empty())
                Fail(entry.source(), "source has no id; add id = \"...\"");
            config_->sources.push_back(std::move(source));
        }
    }

    void Text(const toml::node& node, std::string* out)
    {
        const auto text = node.value_exact<std::string>();
        if (text)
            *out = *text;
        else
            Fail(node.source(), "\"" + key_ + "\" must be a string in quotes");
    }

    template <typename Number, typename Parse>
    void Quantity(const toml::node& node, Number* out, Parse parse)
    {
        std::string text;
        Text(node, &text);
        if (!error_.empty())
            return;
        const auto number = parse(text);
        if (number.ok())
            *out = number.value();
        else
            Fail(node.source(), "\"" + key_ + "\": " + number.error().text);
    }

    void Size(const toml::node& node, uint64_t* out) { Quantity(node, out, ParseSize); }
    void Duration(const toml::node& node, int64_t* out) { Quantity(node, out, ParseDuration); }

    void Level(const toml::node& node, int* out)
    {
        const auto value = node.value_exact<int64_t>();
        if (value && *value >= kLowestCompressionLevel && *value <= kHighestCompressionLevel && *value != 0)
            *out = static_cast<int>(*value);
        else
            Fail(node.source(), "\"" + key_ + "\" must be a whole number without quotes, from " +
                                    std::to_string(kLowestCompressionLevel) + " to " +
                                    std::to_string(kHighestCompressionLevel) + " but not 0");
    }

    void Options(const toml::node& node, PluginOptions* out)
    {
        if (!node.is_table()) {
            Fail(node.source(), "\"source.options\" must be a table, such as { origin = \"none\" }");
            return;
        }
        for (const auto& [key, value] : *node.as_table()) {
            key_ = "source.options." + std::string(key.str());
            Text(value, &(*out)[std::string(key.str())]);
        }
    }

    std::string path_;
    Config* config_;
    std::string key_;
    std::string error_;
};

} // namespace

Result<uint64_t> ParseSize(std::string_view text)
{
    static constexpr Unit kUnits[] = {{"B", 1}, {"KiB", 1U << 10}, {"MiB", 1U << 20}, {"GiB", 1U << 30}};
    return ParseWithUnit(text, kUnits, "64MiB (B, KiB, MiB, GiB)");
}

Result<int64_t> ParseDuration(std::string_view text)
{
    static constexpr Unit kUnits[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
    const auto parsed = ParseWithUnit(text, kUnits, "60s (ms, s, m, h, d)");
    if (!parsed.ok())
        return parsed.error();
    return static_cast<int64_t>(parsed.value());
}

Result<ListenAddress> ParseListenAddress(std::string_view text)
{
    const size_t colon = text.rfind(':');
    ListenAddress address;
    if (colon != std::string_view::npos) {
        std::string_view host = text.substr(0, colon);
        if (host.starts_with('[') && host.ends_with(']'))
            host = host.substr(1, host.size() - 2);
        else if (host.find(':') != std::string_view::npos)
            host = {};
        address.host = host;
        const std::string_view port = text.substr(colon + 1);
        const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
        if (!host.empty() && error == std::errc{} && end == port.data() + port.size() && address.port >= 0 &&
            address.port <= 65535)
            return address;
    }
    return Invalid("\"" + std::string(text) + "\" is not an address with a port, such as 127.0.0.1:8732");
}

std::string NearestName(std::string_view name, const std::vector<std::string>& known)
{
    std::string best;
    size_t best_distance = std::max<size_t>(2, name.size() / 3) + 1;
    for (const std::string& candidate : known) {
        std::vector<size_t> row(candidate.size() + 1);
        std::iota(row.begin(), row.end(), size_t{0});
        for (size_t i = 1; i <= name.size(); i++) {
            size_t diagonal = row[0];
            row[0] = i;
            for (size_t j = 1; j <= candidate.size(); j++) {
                const size_t substituted = diagonal + (name[i - 1] == candidate[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
            }
        }
        if (row.back() < best_distance) {
            best_distance = row.back();
            best = candidate;
        }
    }
    return best;
}

Result<Config> ParseConfig(std::string_view text, const std::string& path)
{
    Config config;
    try {
        const toml::table root = toml::parse(text, path);
        const auto read = Reader(path, &config).Read(root);
        if (!read.ok())
            return read.error();
    } catch (const toml::parse_error& error) {
        return Invalid(path + ":" + std::to_string(error.source().begin.line) + ": " +
                       std::string(error.description()));
    }
    const auto checked = CheckConfig(config);
    if (!checked.ok())
        return Invalid(path + ": " + checked.error().text);
    return config;
}

Result<Config> ReadConfig(const std::string& path)
{
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    if (file)
        text << file.rdbuf();
    if (!file)
        return Invalid("cannot read configuration file " + path +
                       "; name one with -c, or give --lake, --source, --conninfo and --slot");
    return ParseConfig(text.str(), path);
}

Result<Done> CheckConfig(const Config& config)
{
    if (config.max_size < (uint64_t{64} << 10) || config.max_size > (uint64_t{1} << 30))
        return Invalid("segment.max_size must be between 64KiB and 1GiB");
    if (config.max_age_ms < 100)
        return Invalid("segment.max_age must be at least 100ms");
    if (config.idle_age_ms < 1000)
        return Invalid("segment.idle_age must be at least 1s");
    if (config.memory_budget / 4 < config.max_size)
        return Invalid("memory.budget must be at least four times segment.max_size");
    if (config.freshness_ms < 1000)
        return Invalid("slo.freshness must be at least 1s");
    if (!config.metrics_listen.empty()) {
        const auto address = ParseListenAddress(config.metrics_listen);
        if (!address.ok())
            return Invalid("metrics.listen: " + address.error().text);
    }
    std::set<std::string> ids;
    for (const SourceConfig& source : config.sources) {
        if (!IsSourceId(source.id))
            return Invalid("source id \"" + source.id +
                           "\" is not valid; use lower-case letters, digits, '.', '_' and '-'");
        if (!ids.insert(source.id).second)
            return Invalid("source id \"" + source.id + "\" is used twice; give one of them another id");
        const bool slot_ok = !source.slot.empty() && source.slot.size() < 64 &&
                             std::all_of(source.slot.begin(), source.slot.end(), [](char c) {
                                 return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
                             });
        if (!slot_ok)
            return Invalid("slot \"" + source.slot +
                           "\" is not a valid slot name; use lower-case letters, digits and '_'");
    }
    return Done{};
}

bool HoldsPassword(const std::string& conninfo)
{
    PQconninfoOption* options = PQconninfoParse(conninfo.c_str(), nullptr);
    // What libpq cannot read may hide one as well.
    bool found = options == nullptr && conninfo.find("password") != std::string::npos;
    for (PQconninfoOption* option = options; option != nullptr && option->keyword != nullptr; option++)
        if (std::string_view(option->keyword) == "password" && option->val != nullptr)
            found = true;
    PQconninfoFree(options);
    return found;
}

} // namespace wal2lake
