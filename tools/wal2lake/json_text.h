// Quotes texts for JSON, and reads the small objects with which servers answer.
// The only file behind it includes nlohmann-json.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace wal2lake
{

// With quotation marks; bytes that are no UTF-8 become U+FFFD.
std::string QuoteJson(std::string_view text);

// Those members of an object whose values are strings; absent where `document` is
// no JSON object.
std::optional<std::map<std::string, std::string>> ReadJsonTexts(std::string_view document);

// The same, with those that are whole numbers and not negative, in decimal digits.
std::optional<std::map<std::string, std::string>> ReadJsonFields(std::string_view document);

} // namespace wal2lake
