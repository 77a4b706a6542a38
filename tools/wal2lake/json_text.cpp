#include "json_text.h"

#include <cstdint>

#include <nlohmann/json.hpp>

namespace wal2lake
{

std::string QuoteJson(std::string_view text)
{
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

namespace
{

std::optional<std::map<std::string, std::string>> ReadMembers(std::string_view document, bool numbers)
{
    const auto parsed = nlohmann::json::parse(document, nullptr, /* allow_exceptions */ false);
    if (!parsed.is_object())
        return std::nullopt;
    std::map<std::string, std::string> texts;
    for (const auto& [name, value] : parsed.items()) {
        if (value.is_string())
            texts.emplace(name, value.get<std::string>());
        else if (numbers && value.is_number_unsigned())
            texts.emplace(name, std::to_string(value.get<uint64_t>()));
    }
    return texts;
}

} // namespace

std::optional<std::map<std::string, std::string>> ReadJsonTexts(std::string_view document)
{
    return ReadMembers(document, false);
}

std::optional<std::map<std::string, std::string>> ReadJsonFields(std::string_view document)
{
    return ReadMembers(document, true);
}

} // namespace wal2lake
