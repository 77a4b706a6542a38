// Quotes texts for JSON, and reads what servers answer and what the command itself wrote.
// The only file behind it includes nlohmann-json.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wal2lake
{

// With quotation marks; bytes that are no UTF-8 become U+FFFD.
std::string QuoteJson(std::string_view text);

// Those members of an object whose values are strings; absent where `document` is
// no JSON object.
std::optional<std::map<std::string, std::string>> ReadJsonTexts(std::string_view document);

// The same, with those that are whole numbers and not negative, in decimal digits.
std::optional<std::map<std::string, std::string>> ReadJsonFields(std::string_view document);

// A value of any kind.
struct JsonValue {
    enum class Kind { kNull, kBool, kNumber, kText, kArray, kObject };

    Kind kind = Kind::kNull;
    bool truth = false;
    // A text, or the digits of a whole number.
    std::string text;
    std::vector<JsonValue> items;
    std::map<std::string, JsonValue> members;

    // nullptr where this is no object, or has no such member.
    const JsonValue* Find(const std::string& name) const;
};

// Absent where `document` is no JSON, or nests deeper than 64 levels.
std::optional<JsonValue> ReadJson(std::string_view document);

} // namespace wal2lake
