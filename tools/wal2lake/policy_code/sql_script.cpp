#include "policy_code/sql_script.h"

#include <algorithm>
#include <initializer_list>

#include "core/wire_reader.h"
#include "utf8.h"

namespace wal2lake
{
namespace
{

bool IsBlank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

bool IsWordStart(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<signed char>(c) < 0;
}

bool IsWord(char c)
{
    return IsWordStart(c) || (c >= '0' && c <= '9') || c == '$';
}

// For what begins and does not end.
constexpr size_t kNever = std::string_view::npos;

size_t Behind(std::string_view text, std::string_view end, size_t from)
{
    const size_t found = text.find(end, from);
    return found == kNever ? kNever : found + end.size();
}

// The last line may have no end.
size_t BehindLine(std::string_view text, size_t at)
{
    return std::min(Behind(text, "\n", at), text.size());
}

size_t BehindBlockComment(std::string_view text, size_t at)
{
    size_t depth = 0;
    while (at < text.size()) {
        const std::string_view two = text.substr(at, 2);
        if (two == "/*")
            depth++;
        else if (two == "*/" && --depth == 0)
            return at + 2;
        at += two == "/*" || two == "*/" ? 2 : 1;
    }
    return kNever;
}

// Behind a comment that begins there; `at` where none does.
size_t BehindComment(std::string_view text, size_t at)
{
    const std::string_view two = text.substr(at, 2);
    return two == "--" ? BehindLine(text, at) : two == "/*" ? BehindBlockComment(text, at) : at;
}

// The quote with which a string goes on in another line, behind the one that closed it.
size_t ContinuedAt(std::string_view text, size_t at)
{
    bool in_other_line = false;
    while (at < text.size()) {
        const bool is_comment = text.substr(at, 2) == "--";
        if (!is_comment && !IsBlank(text[at]))
            return in_other_line && text[at] == '\'' ? at : kNever;
        in_other_line = in_other_line || is_comment || text[at] == '\n' || text[at] == '\r';
        at = is_comment ? BehindLine(text, at) : at + 1;
    }
    return kNever;
}

// Behind a string or a quoted name, in which the quote is doubled.
size_t BehindQuoted(std::string_view text, size_t quote)
{
    const char both[] = {text[quote], text[quote], '\0'};
    size_t at = text.find(text[quote], quote + 1);
    while (at != kNever && text.substr(at, 2) == both)
        at = text.find(text[quote], at + 2);
    return at == kNever ? kNever : at + 1;
}

// A string of the kind E'...', in which a backslash takes the next quote, too.
size_t BehindEscapeString(std::string_view text, size_t quote)
{
    size_t at = quote + 1;
    while (at < text.size()) {
        if (text[at] == '\\' || text.substr(at, 2) == "''")
            at += 2;
        else if (text[at] != '\'')
            at++;
        else if (const size_t next = ContinuedAt(text, at + 1); next != kNever)
            at = next + 1;
        else
            return at + 1;
    }
    return kNever;
}

size_t BehindWord(std::string_view text, size_t at)
{
    size_t end = at;
    while (end < text.size() && IsWord(text[end]))
        end++;
    const std::string_view word = text.substr(at, end - at);
    const bool is_escape_string = (word == "E" || word == "e") && end < text.size() && text[end] == '\'';
    return is_escape_string ? BehindEscapeString(text, end) : end;
}

size_t BehindDollarQuote(std::string_view text, size_t dollar)
{
    size_t end = dollar + 1;
    if (end < text.size() && IsWordStart(text[end]))
        while (end < text.size() && IsWord(text[end]) && text[end] != '$')
            end++;
    if (end >= text.size() || text[end] != '$')
        return dollar + 1;
    return Behind(text, text.substr(dollar, end - dollar + 1), end + 1);
}

// Behind the word, the quoted thing, the comment or the single byte that is there.
size_t BehindToken(std::string_view text, size_t at)
{
    switch (text[at]) {
    case '\'':
    case '"':
        return BehindQuoted(text, at);
    case '$':
        return BehindDollarQuote(text, at);
    default:
        return IsWordStart(text[at]) ? BehindWord(text, at) : std::max(BehindComment(text, at), at + 1);
    }
}

bool EqualsInCapitals(std::string_view text, std::string_view capitals)
{
    return std::equal(text.begin(), text.end(), capitals.begin(), capitals.end(), [](char a, char b) {
        return (a >= 'a' && a <= 'z' ? static_cast<char>(a - 'a' + 'A') : a) == b;
    });
}

bool IsCopyFromStdin(std::string_view statement)
{
    constexpr std::string_view kCopy = "COPY ";
    constexpr std::string_view kEnd = " FROM STDIN";
    return statement.size() > kCopy.size() + kEnd.size() &&
           EqualsInCapitals(statement.substr(0, kCopy.size()), kCopy) &&
           EqualsInCapitals(statement.substr(statement.size() - kEnd.size()), kEnd);
}

// Behind the line "\." that ends the rows of a COPY.
size_t BehindRows(std::string_view script, size_t at)
{
    at = BehindLine(script, at);
    while (at < script.size()) {
        const size_t next = BehindLine(script, at);
        std::string_view line = script.substr(at, next - at);
        while (!line.empty() && IsBlank(line.back()))
            line.remove_suffix(1);
        if (line == "\\.")
            return next;
        at = next;
    }
    return kNever;
}

// To the first byte of the next statement.
size_t SkipBetween(std::string_view script, size_t at, std::optional<OpenEnd>* open)
{
    while (at < script.size()) {
        if (IsBlank(script[at]) || script[at] == ';') {
            at++;
        } else if (script[at] == '\\') {
            at = BehindLine(script, at);
        } else if (const size_t behind = BehindComment(script, at); behind == kNever) {
            *open = {"comment", at};
            return script.size();
        } else if (behind != at) {
            at = behind;
        } else {
            break;
        }
    }
    return at;
}

// Up to a byte of `ends` that is in no quotes, comment, inner parentheses or brackets.
size_t FindOutside(std::string_view text, size_t at, std::string_view ends, std::optional<OpenEnd>* open)
{
    size_t depth = 0;
    size_t outermost = 0;
    while (at < text.size()) {
        const char c = text[at];
        if (depth == 0 && ends.find(c) != std::string_view::npos)
            return at;
        if ((c == '(' || c == '[') && depth++ == 0)
            outermost = at;
        else if ((c == ')' || c == ']') && depth > 0)
            depth--;
        const size_t behind = BehindToken(text, at);
        if (behind == kNever) {
            *open = {c == '/' ? "comment" : "quote", at};
            return text.size();
        }
        at = behind;
    }
    if (depth > 0)
        *open = {text[outermost] == '[' ? "bracket" : "parenthesis", outermost};
    return text.size();
}

std::string_view Trimmed(std::string_view text)
{
    while (!text.empty() && IsBlank(text.back()))
        text.remove_suffix(1);
    while (!text.empty() && IsBlank(text.front()))
        text.remove_prefix(1);
    return text;
}

bool IsOneOf(std::string_view word, std::initializer_list<std::string_view> words)
{
    return std::find(words.begin(), words.end(), word) != words.end();
}

} // namespace

std::vector<SqlStatement> SplitScript(std::string_view script, std::optional<OpenEnd>* open)
{
    // What Windows puts before UTF-8; psql passes over it, too.
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    std::optional<OpenEnd> found;
    std::vector<SqlStatement> statements;
    size_t at = SkipBetween(script, script.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0, &found);
    while (at < script.size()) {
        const size_t end = FindOutside(script, at, ";", &found);
        const std::string_view text = Trimmed(script.substr(at, end - at));
        statements.push_back({text, at, found.has_value()});
        size_t behind = end;
        if (IsCopyFromStdin(text))
            behind = BehindRows(script, end);
        if (behind == kNever) {
            found = {"COPY", at};
            break;
        }
        at = SkipBetween(script, behind, &found);
    }
    if (open != nullptr)
        *open = found;
    return statements;
}

std::vector<std::string> FirstWords(std::string_view statement, size_t count)
{
    std::optional<OpenEnd> ignored;
    std::vector<std::string> words;
    size_t at = 0;
    while (words.size() < count) {
        at = SkipBetween(statement, at, &ignored);
        if (at >= statement.size() || !IsWordStart(statement[at]))
            break;
        std::string word;
        for (; at < statement.size() && IsWord(statement[at]); at++) {
            const char c = statement[at];
            word += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        }
        words.push_back(std::move(word));
    }
    return words;
}

SqlKind KindOf(std::string_view statement)
{
    const std::vector<std::string> words = FirstWords(statement, 7);
    const auto word = [&](size_t i) { return i < words.size() ? words[i] : std::string(); };
    const auto other_if = [](bool matters) { return matters ? SqlKind::kOther : SqlKind::kNone; };
    if (word(0) == "CREATE") {
        size_t i = 1;
        while (IsOneOf(word(i), {"OR", "REPLACE", "GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED",
                                 "RECURSIVE", "MATERIALIZED", "FOREIGN"}))
            i++;
        if (word(i) == "TABLE")
            return word(i - 1) == "FOREIGN" ? SqlKind::kOther : SqlKind::kCreateTable;
        if (word(i) == "VIEW")
            return SqlKind::kCreateView;
        if (word(i) == "SCHEMA")
            return SqlKind::kCreateSchema;
        if (word(i) == "UNIQUE" && word(i + 1) == "INDEX")
            return SqlKind::kUniqueIndex;
        return other_if(IsOneOf(word(i), {"TYPE", "DOMAIN"}));
    }
    if (word(0) == "ALTER")
        return other_if(word(1) == "TABLE");
    if (word(0) == "DROP")
        return other_if(IsOneOf(word(1), {"TABLE", "VIEW", "MATERIALIZED", "FOREIGN"}));
    return other_if((word(0) == "SET" && IsOneOf(word(1), {"SEARCH_PATH", "SESSION", "LOCAL"})) ||
                    (word(0) == "SECURITY" && word(1) == "LABEL"));
}

std::vector<std::string_view> SplitElements(std::string_view text)
{
    std::optional<OpenEnd> ignored;
    std::vector<std::string_view> elements;
    size_t at = FindOutside(text, 0, "(", &ignored);
    while (at < text.size() && text[at] != ')') {
        const size_t end = FindOutside(text, at + 1, ",)", &ignored);
        if (end == text.size())
            return {};
        elements.push_back(Trimmed(text.substr(at + 1, end - at - 1)));
        at = end;
    }
    return elements;
}

std::pair<std::string_view, std::string_view> AroundElements(std::string_view text,
                                                             const std::vector<std::string_view>& elements)
{
    const auto begin = static_cast<size_t>(elements.front().data() - text.data());
    const auto end = static_cast<size_t>(elements.back().data() - text.data()) + elements.back().size();
    return {text.substr(0, text.rfind('(', begin)), text.substr(text.find(')', end) + 1)};
}

std::vector<size_t> CutsOf(std::string_view element)
{
    constexpr size_t kLast = 16;
    constexpr size_t kFirst = 64;
    constexpr const char* kBlank = " \t\n";
    std::vector<size_t> cuts{element.size()};
    while (cuts.size() <= kLast && cuts.back() > 0) {
        const size_t at = element.find_last_of(kBlank, cuts.back() - 1);
        cuts.push_back(at == std::string_view::npos ? 0 : at);
    }
    std::vector<size_t> first;
    for (size_t at = element.find_first_of(kBlank); at < cuts.back() && first.size() < kFirst;
         at = element.find_first_of(kBlank, at + 1))
        first.push_back(at);
    cuts.insert(cuts.end(), first.rbegin(), first.rend());
    return cuts;
}

std::string AsStored(std::string_view element, size_t length)
{
    std::string_view before = Trimmed(element.substr(0, length));
    const size_t word = before.find_last_of(" \t\n)") + 1;
    if (EqualsInCapitals(before.substr(word), "VIRTUAL"))
        before = before.substr(0, word);
    return std::string(before) + " STORED" + std::string(element.substr(length));
}

size_t OffsetOfCharacter(std::string_view text, size_t position)
{
    size_t at = 0;
    for (size_t left = position; left > 1 && at < text.size(); left--)
        do
            at++;
        while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
    return at;
}

std::optional<size_t> NoTextAt(std::string_view text)
{
    const size_t zero = text.find('\0');
    if (zero == std::string_view::npos && wire::IsUtf8(text))
        return std::nullopt;
    for (std::string_view left = text; !left.empty();) {
        const size_t at = text.size() - left.size();
        if (at == zero || TakeUtf8(&left).code < 0)
            return at;
    }
    return std::nullopt;
}

LineIndex::LineIndex(std::string_view text) : starts_{0}
{
    for (size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1))
        starts_.push_back(at + 1);
}

size_t LineIndex::LineOf(size_t offset) const
{
    return static_cast<size_t>(std::upper_bound(starts_.begin(), starts_.end(), offset) - starts_.begin());
}

} // namespace wal2lake
