#include "json_writer.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace wal2lake
{
namespace
{

// Length of the well-formed UTF-8 sequence at the front, 0 where there is none.
size_t SequenceLength(std::string_view text)
{
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = byte(0);
    size_t length = 0;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        length = 2;
    else if (lead >= 0xe0 && lead <= 0xef)
        length = 3;
    else if (lead >= 0xf0 && lead <= 0xf4)
        length = 4;
    if (length == 0 || text.size() < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((byte(i) & 0xc0U) != 0x80)
            return 0;
    const bool overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
    const bool out_of_range = (lead == 0xed && byte(1) > 0x9f) || (lead == 0xf4 && byte(1) > 0x8f);
    return overlong || out_of_range ? 0 : length;
}

template <typename Number>
std::string Shortest(Number number)
{
    char text[64];
    const auto [end, error] = std::to_chars(text, text + sizeof text, number);
    return error == std::errc{} ? std::string(text, end) : std::string("null");
}

} // namespace

void JsonWriter::Separate()
{
    if (needs_comma_)
        text_ += ',';
    needs_comma_ = true;
}

JsonWriter& JsonWriter::BeginObject()
{
    Separate();
    text_ += '{';
    needs_comma_ = false;
    return *this;
}

JsonWriter& JsonWriter::EndObject()
{
    text_ += '}';
    needs_comma_ = true;
    return *this;
}

JsonWriter& JsonWriter::BeginArray()
{
    Separate();
    text_ += '[';
    needs_comma_ = false;
    return *this;
}

JsonWriter& JsonWriter::EndArray()
{
    text_ += ']';
    needs_comma_ = true;
    return *this;
}

JsonWriter& JsonWriter::Key(std::string_view name)
{
    String(name);
    text_ += ':';
    needs_comma_ = false;
    return *this;
}

JsonWriter& JsonWriter::String(std::string_view text)
{
    Separate();
    text_ += '"';
    while (!text.empty()) {
        const size_t length = SequenceLength(text);
        if (length == 0) {
            text_ += "\xef\xbf\xbd";
            text.remove_prefix(1);
            continue;
        }
        const char c = text[0];
        if (c == '"' || c == '\\') {
            text_ += '\\';
            text_ += c;
        } else if (c == '\n') {
            text_ += "\\n";
        } else if (c == '\t') {
            text_ += "\\t";
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
            text_ += escape;
        } else {
            text_ += text.substr(0, length);
        }
        text.remove_prefix(length);
    }
    text_ += '"';
    return *this;
}

JsonWriter& JsonWriter::Int(int64_t number)
{
    Separate();
    text_ += std::to_string(number);
    return *this;
}

JsonWriter& JsonWriter::Uint(uint64_t number)
{
    Separate();
    text_ += std::to_string(number);
    return *this;
}

JsonWriter& JsonWriter::Double(double number)
{
    if (std::isnan(number))
        return String("NaN");
    if (std::isinf(number))
        return String(number > 0 ? "Infinity" : "-Infinity");
    Separate();
    text_ += Shortest(number);
    return *this;
}

JsonWriter& JsonWriter::Float(float number)
{
    if (std::isnan(number) || std::isinf(number))
        return Double(number);
    Separate();
    text_ += Shortest(number);
    return *this;
}

JsonWriter& JsonWriter::Bool(bool value)
{
    Separate();
    text_ += value ? "true" : "false";
    return *this;
}

JsonWriter& JsonWriter::Null()
{
    Separate();
    text_ += "null";
    return *this;
}

std::string JsonWriter::Take()
{
    std::string text = std::move(text_);
    text_.clear();
    needs_comma_ = false;
    return text;
}

} // namespace wal2lake
