#include "printable.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstdio>

#include "utf8.h"

namespace wal2lake
{
namespace
{

// Controls, what is not seen, what turns the direction, tags.
bool Drives(int32_t code)
{
    struct Range {
        int32_t first, last;
    };
    constexpr auto kRanges = std::to_array<Range>({{-1, 0x1F},
                                                   {0x7F, 0x9F},
                                                   {0xAD, 0xAD},
                                                   {0x61C, 0x61C},
                                                   {0x180E, 0x180E},
                                                   {0x200B, 0x200F},
                                                   {0x2028, 0x202E},
                                                   {0x2060, 0x206F},
                                                   {0xFEFF, 0xFEFF},
                                                   {0xFFF9, 0xFFFB},
                                                   {0xE0000, 0xE007F}});
    return std::any_of(kRanges.begin(), kRanges.end(),
                       [code](const Range& range) { return code >= range.first && code <= range.last; });
}

bool HasDriver(std::string_view text)
{
    while (!text.empty())
        if (Drives(TakeUtf8(&text).code))
            return true;
    return false;
}

std::string Written(const char* format, int32_t number)
{
    char text[16];
    std::snprintf(text, sizeof text, format, static_cast<unsigned>(number));
    return text;
}

std::string Escaped(const Utf8Character& character)
{
    if (character.code < 0)
        return Written("\\x%02x", static_cast<uint8_t>(character.bytes.front()));
    return character.code < 0x80 ? Written("\\x%02x", character.code) : Written("\\u{%x}", character.code);
}

std::string Shown(std::string_view text, std::string_view kept, std::string_view blanks)
{
    std::string shown;
    while (!text.empty()) {
        const Utf8Character character = TakeUtf8(&text);
        if (!Drives(character.code) || kept.find(character.bytes) != std::string_view::npos)
            shown += character.bytes;
        else
            shown += blanks.find(character.bytes) != std::string_view::npos ? " " : Escaped(character);
    }
    return shown;
}

// What is within quotes of U&"..." and U&'...', or with `in_e` of E'...'.
std::string WithEscapes(std::string_view content, bool in_e)
{
    std::string written;
    while (!content.empty()) {
        const Utf8Character character = TakeUtf8(&content);
        const int32_t code = character.code;
        if (code == -1)
            written += '?';
        else if (Drives(code))
            written += in_e ? Written(code > 0xFFFF ? "\\U%08X" : "\\u%04X", code)
                            : Written(code > 0xFFFF ? "\\+%06X" : "\\%04X", code);
        else if (code == '\\' && !in_e)
            written += "\\\\";
        else
            written += character.bytes;
    }
    return written;
}

// The length of what is quoted at the beginning of `sql`, quotes included. An end
// that is missing is the end.
size_t QuotedLength(std::string_view sql, bool in_e)
{
    const char quote = sql.front();
    for (size_t at = 1; at < sql.size(); at++) {
        const bool escapes = in_e && sql[at] == '\\';
        const bool doubled = sql[at] == quote && at + 1 < sql.size() && sql[at + 1] == quote;
        if (escapes || doubled)
            at++;
        else if (sql[at] == quote)
            return at + 1;
    }
    return sql.size();
}

} // namespace

std::string Printable(std::string_view text)
{
    return Shown(text, "", "");
}

std::string PrintableSentence(std::string_view text)
{
    return Shown(text, "", "\n\t");
}

std::string PrintableSql(std::string_view sql)
{
    std::string written;
    while (!sql.empty()) {
        const size_t quote = std::min(sql.find_first_of("'\""), sql.size());
        written += Shown(sql.substr(0, quote), "\n\t", "");
        sql.remove_prefix(quote);
        if (sql.empty())
            break;
        const bool in_e = sql.front() == '\'' && written.ends_with('E') &&
                          (written.size() == 1 ||
                           std::isalnum(static_cast<unsigned char>(written[written.size() - 2])) == 0);
        const std::string_view quoted = sql.substr(0, QuotedLength(sql, in_e));
        if (!HasDriver(quoted))
            written += quoted;
        else
            written += (in_e ? "" : "U&") + WithEscapes(quoted, in_e);
        sql.remove_prefix(quoted.size());
    }
    return written;
}

} // namespace wal2lake
