#include "policy_code/yaml_text.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <iterator>

#include "core/wire_reader.h"
#include "printable.h"
#include "utf8.h"

namespace wal2lake
{
namespace
{

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Outside of YAML's printable characters, or a line break in YAML 1.1 alone.
bool IsBroken(int32_t code)
{
    return (code < 0x20 && code != '\t') || (code >= 0x7F && code <= 0x9F) || code == 0x2028 ||
           code == 0x2029 || code == 0xFEFF || code == 0xFFFE || code == 0xFFFF;
}

bool HasBroken(std::string_view line)
{
    while (!line.empty())
        if (IsBroken(TakeUtf8(&line).code))
            return true;
    return false;
}

// Calls look(number from 1, line without its end) until that answers something.
template <typename Look>
std::optional<YamlProblem> FirstOfLines(std::string_view text, Look&& look)
{
    for (size_t number = 1; !text.empty(); number++) {
        const size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        if (end != std::string_view::npos && line.ends_with('\r'))
            line.remove_suffix(1);
        if (std::optional<YamlProblem> problem = look(number, line))
            return problem;
        text.remove_prefix(std::min(end, text.size() - 1) + 1);
    }
    return std::nullopt;
}

bool IsLetter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// YAML 1.1 takes these, in each case, for something else than texts.
bool IsWord(std::string_view text)
{
    std::string lower;
    std::transform(text.begin(), text.end(), std::back_inserter(lower),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const char* word : {"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
        if (lower == word)
            return true;
    return false;
}

bool IsPlain(std::string_view text)
{
    return !text.empty() && IsLetter(text.front()) && text.back() != ' ' && !IsWord(text) &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return IsLetter(c) || (c >= '0' && c <= '9') ||
                      std::string_view("-./= ").find(c) != std::string_view::npos;
           });
}

std::string Escape(int32_t code)
{
    switch (code) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        break;
    }
    char text[16];
    std::snprintf(text, sizeof text,
                  code < 0x100     ? "\\x%02X"
                  : code < 0x10000 ? "\\u%04X"
                                   : "\\U%08X",
                  static_cast<unsigned>(code));
    return text;
}

} // namespace

std::string_view WithoutByteOrderMark(std::string_view document)
{
    return document.starts_with(kByteOrderMark) ? document.substr(kByteOrderMark.size()) : document;
}

std::optional<YamlProblem> ProblemOfText(std::string_view text)
{
    if (text.size() > kMaxDocumentBytes)
        return YamlProblem{0, "it is larger than " + std::to_string(kMaxDocumentBytes >> 20) + " MiB",
                           "give each table a file of its own"};
    return FirstOfLines(text, [](size_t number, std::string_view line) -> std::optional<YamlProblem> {
        if (!wire::IsUtf8(line))
            return YamlProblem{number, "the line is no UTF-8", "save the file as UTF-8"};
        if (HasBroken(line))
            return YamlProblem{number, "the line has a control character",
                               "write it as an escape such as \\x01 or \\u2028, in double quotes"};
        return std::nullopt;
    });
}

std::optional<YamlProblem> HiddenCharacter(std::string_view text)
{
    return FirstOfLines(text, [](size_t number, std::string_view line) -> std::optional<YamlProblem> {
        while (!line.empty()) {
            const Utf8Character character = TakeUtf8(&line);
            // Of what is broken ReadYaml() complains.
            const bool is_harmless = character.code == '\t' || character.code == 0x200C ||
                                     character.code == 0x200D || IsBroken(character.code);
            if (!is_harmless && Printable(character.bytes) != character.bytes)
                return YamlProblem{
                    number, "the line has a character that is not seen, or turns the direction of text",
                    "write it as an escape such as \\u202E, in double quotes"};
        }
        return std::nullopt;
    });
}

size_t QuotedLength(std::string_view text)
{
    const char quote = text.front();
    for (size_t at = 1; at < text.size(); at++) {
        const bool escapes = quote == '"' && text[at] == '\\';
        const bool doubled = quote == '\'' && text.substr(at, 2) == "''";
        if (escapes || doubled)
            at++;
        else if (text[at] == quote)
            return at + 1;
    }
    return 0;
}

std::string YamlScalar(std::string_view text)
{
    if (IsPlain(text))
        return std::string(text);
    std::string quoted = "\"";
    while (!text.empty()) {
        const Utf8Character character = TakeUtf8(&text);
        const int32_t code = character.code < 0 ? 0xFFFD : character.code;
        if (code == '"' || code == '\\' || code == 0xFFFD || IsBroken(code) ||
            Printable(character.bytes) != character.bytes)
            quoted += Escape(code);
        else
            quoted += character.bytes;
    }
    return quoted + '"';
}

std::string YamlComment(std::string_view comment)
{
    const std::string sentence = PrintableSentence(comment);
    std::string written;
    for (std::string_view rest = sentence; !rest.empty();) {
        const Utf8Character character = TakeUtf8(&rest);
        written += IsBroken(character.code) ? std::string_view("?") : character.bytes;
    }
    return written.empty() ? written : "  # " + written;
}

} // namespace wal2lake
