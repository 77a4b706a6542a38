#include "json_writer.h"

#include <charconv>
#include <cmath>

// The library serves for the escaping of strings alone: its documents have no float
// of 32 bits, and a row is written faster as text than as a tree.
#include "json_text.h"

namespace wal2lake
{
namespace
{

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
    text_ += QuoteJson(text);
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
