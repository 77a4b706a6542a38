/*
 * Lines of text under construction, for frame_text and record_text.
 */
#ifndef WAL2LAKE_CORE_TEXT_LINES_H
#define WAL2LAKE_CORE_TEXT_LINES_H

#include "core/wire_reader.h"

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace wal2lake
{

/* Text of some messages, and whether anything in them turned out to be damaged. */
class Lines
{
  public:
    explicit Lines(bool positions) : positions_(positions) {}

    bool positions() const { return positions_; }
    wire::FieldReader Fields(std::string_view bytes) { return wire::FieldReader(bytes, &damaged_); }
    wire::PackedReader Packed(std::string_view bytes) { return wire::PackedReader(bytes, &damaged_); }
    bool damaged() const { return damaged_; }
    void Damage() { damaged_ = true; }
    std::string Take() { return std::move(text_); }

    Lines& Start()
    {
        if (!text_.empty())
            text_ += '\n';
        return *this;
    }
    Lines& Add(std::string_view text)
    {
        text_ += text;
        return *this;
    }
    Lines& Add(uint64_t number) { return Add(std::to_string(number)); }
    Lines& AddSigned(int64_t number) { return Add(std::to_string(number)); }
    Lines& AddLsn(uint64_t lsn)
    {
        char shown[32];
        std::snprintf(shown, sizeof shown, "%X/%X", static_cast<unsigned>(lsn >> 32),
                      static_cast<unsigned>(lsn));
        return Add(shown);
    }
    Lines& AddHex(std::string_view bytes)
    {
        for (char byte : bytes) {
            char digits[3];
            std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(static_cast<uint8_t>(byte)));
            text_ += digits;
        }
        return *this;
    }
    /* A name of the database's, with control characters as \xNN, so that a line stays a line. */
    Lines& AddName(std::string_view name)
    {
        for (char c : name)
            AddByte(c, false);
        return *this;
    }
    /* In single quotes, with quotes doubled and control characters as \xNN, so that a line stays a line. */
    Lines& AddQuoted(std::string_view text)
    {
        text_ += '\'';
        for (char c : text)
            AddByte(c, true);
        text_ += '\'';
        return *this;
    }
    template <typename Float>
    Lines& AddFloat(Float number)
    {
        char shown[64];
        auto end = std::to_chars(shown, shown + sizeof shown, number).ptr;
        return Add(std::string_view(shown, static_cast<size_t>(end - shown)));
    }

  private:
    void AddByte(char c, bool quoted)
    {
        if (quoted && c == '\'') {
            text_ += "''";
        } else if (static_cast<uint8_t>(c) < 0x20 || (quoted && c == '\\')) {
            char escaped[5];
            std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
            text_ += escaped;
        } else {
            text_ += c;
        }
    }

    bool positions_;
    bool damaged_ = false;
    std::string text_;
};

} // namespace wal2lake

#endif
