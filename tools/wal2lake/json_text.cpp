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

namespace
{

// Far more than anything that is read has; deeper, the stack would end.
constexpr int kDeepest = 64;

// False where it nests too deep.
bool Take(const nlohmann::json& parsed, int depth, JsonValue* taken)
{
    if (depth > kDeepest)
        return false;
    JsonValue& value = *taken;
    if (parsed.is_boolean()) {
        value.kind = JsonValue::Kind::kBool;
        value.truth = parsed.get<bool>();
    } else if (parsed.is_number()) {
        value.kind = JsonValue::Kind::kNumber;
        value.text = parsed.dump();
    } else if (parsed.is_string()) {
        value.kind = JsonValue::Kind::kText;
        value.text = parsed.get<std::string>();
    } else if (parsed.is_array()) {
        value.kind = JsonValue::Kind::kArray;
        for (const auto& item : parsed)
            if (!Take(item, depth + 1, &value.items.emplace_back()))
                return false;
    } else if (parsed.is_object()) {
        value.kind = JsonValue::Kind::kObject;
        for (const auto& [name, member] : parsed.items())
            if (!Take(member, depth + 1, &value.members[name]))
                return false;
    }
    return true;
}

} // namespace

const JsonValue* JsonValue::Find(const std::string& name) const
{
    const auto found = members.find(name);
    return found == members.end() ? nullptr : &found->second;
}

std::optional<JsonValue> ReadJson(std::string_view document)
{
    const auto parsed = nlohmann::json::parse(document, nullptr, /* allow_exceptions */ false);
    if (parsed.is_discarded())
        return std::nullopt;
    JsonValue value;
    if (!Take(parsed, 0, &value))
        return std::nullopt;
    return value;
}

} // namespace wal2lake
