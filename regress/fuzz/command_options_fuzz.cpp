// The options of the command line, one a line, the first byte of which says
// which. No configuration file is read: lake, source and conninfo are given.
#include <map>
#include <string>

#include "fuzz.h"
#include "settings.h"

namespace wal2lake::fuzz
{
namespace
{

CommonOptions OptionsFrom(std::string_view input)
{
    CommonOptions options;
    options.lake = "file:///fuzz";
    options.source = "fuzz";
    options.conninfo = "host=/fuzz";
    while (!input.empty()) {
        const size_t end = std::min(input.find('\n'), input.size());
        const std::string line(input.substr(0, end));
        input.remove_prefix(std::min(end + 1, input.size()));
        if (line.empty())
            continue;
        const std::string text = line.substr(1);
        const std::map<char, std::string*> fields = {{'l', &options.lake},     {'i', &options.source},
                                                     {'c', &options.conninfo}, {'s', &options.slot},
                                                     {'z', &options.max_size}, {'a', &options.max_age},
                                                     {'d', &options.idle_age}, {'m', &options.memory_budget}};
        const auto field = fields.find(line[0]);
        if (field != fields.end() && !text.empty())
            *field->second = text;
        else if (line[0] == 'o')
            options.plugin_options.push_back(text);
    }
    return options;
}

} // namespace

void Target(std::string_view input)
{
    const CommonOptions options = OptionsFrom(input);
    const auto settings = LoadSettings(options, Needs::kOneSource);
    if (!settings.ok()) {
        FUZZ_CHECK(settings.error().kind == ErrorKind::kInvalid && !settings.error().text.empty());
        return;
    }
    FUZZ_CHECK(CheckConfig(settings.value().config).ok());
    FUZZ_CHECK(settings.value().source.has_value());
    const SourceConfig& source = *settings.value().source;
    FUZZ_CHECK(source.id == options.source && source.conninfo == options.conninfo);
    FUZZ_CHECK(settings.value().config.lake_url == options.lake);
    PluginOptions expected;
    for (const std::string& option : options.plugin_options) {
        const size_t equals = option.find('=');
        FUZZ_CHECK(equals != std::string::npos && equals > 0);
        expected[option.substr(0, equals)] = option.substr(equals + 1);
    }
    FUZZ_CHECK(source.options == expected);
}

} // namespace wal2lake::fuzz
