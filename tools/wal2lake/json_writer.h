// Writes one JSON document from left to right; keys stay in the order they are
// given. Used for log lines and by cat and verify. Text must be UTF-8; bytes
// that are not become U+FFFD.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace wal2lake
{

class JsonWriter
{
  public:
    JsonWriter& BeginObject();
    JsonWriter& EndObject();
    JsonWriter& BeginArray();
    JsonWriter& EndArray();
    // Before each member of an object.
    JsonWriter& Key(std::string_view name);

    JsonWriter& String(std::string_view text);
    JsonWriter& Int(int64_t number);
    JsonWriter& Uint(uint64_t number);
    // The shortest text that reads back to the same number; NaN and infinities,
    // which JSON has not, as the strings "NaN", "Infinity", "-Infinity".
    JsonWriter& Double(double number);
    JsonWriter& Float(float number);
    JsonWriter& Bool(bool value);
    JsonWriter& Null();

    // The document; the writer is empty afterwards.
    std::string Take();

  private:
    void Separate();

    std::string text_;
    bool needs_comma_ = false;
};

} // namespace wal2lake
