// Options of the plugin: the first line is a name, the rest its value. Whatever a
// client asks, what holds stays within its bounds, and a refusal changes nothing.
#include <string>

#include "core/options.h"
#include "fuzz.h"

namespace wal2lake::fuzz
{

void Target(std::string_view input)
{
    const size_t end = input.find('\n');
    const std::string name(input.substr(0, end));
    const std::string value(end == std::string_view::npos ? "" : input.substr(end + 1));
    w2l_options options = w2l_default_options();
    const w2l_options before = options;
    const char* hint = nullptr;
    const w2l_option_answer answer = w2l_take_option(
        name.c_str(), end == std::string_view::npos ? nullptr : value.c_str(), &options, &hint);
    FUZZ_CHECK(options.max_batch_bytes >= W2L_MIN_BATCH_BYTES);
    FUZZ_CHECK(options.max_batch_bytes <= W2L_MAX_BATCH_BYTES);
    if (answer == W2L_OPTION_TAKEN)
        return;
    FUZZ_CHECK(options.max_batch_bytes == before.max_batch_bytes);
    FUZZ_CHECK(options.local_origin_only == before.local_origin_only);
    FUZZ_CHECK((hint != nullptr && *hint != '\0') == (answer != W2L_OPTION_NEEDS_VALUE));
    FUZZ_CHECK(answer != W2L_OPTION_NEEDS_VALUE || end == std::string_view::npos);
}

} // namespace wal2lake::fuzz
