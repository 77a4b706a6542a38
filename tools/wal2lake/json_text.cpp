#include "json_text.h"

#include <nlohmann/json.hpp>

namespace wal2lake
{

std::string QuoteJson(std::string_view text)
{
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::optional<std::map<std::string, std::string>> ReadJsonTexts(std::string_view document)
{
    const auto parsed = nlohmann::json::parse(document, nullptr, /* allow_exceptions */ false);
    if (!parsed.is_object())
        return std::nullopt;
    std::map<std::string, std::string> texts;
    for (const auto& [name, value] : parsed.items())
        if (value.is_string())
            texts.emplace(name, value.get<std::string>());
    return texts;
}

} // namespace wal2lake
