#include "policy_code/sql_script.h"

#include <algorithm>

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

// Behind what `end` finds, or the end of the text where it is not found.
size_t Behind(std::string_view text, std::string_view end, size_t from)
{
    const size_t found = text.find(end, from);
    return found == std::string_view::npos ? text.size() : found + end.size();
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
    return text.size();
}

// Behind a comment that begins there; `at` where none does.
size_t BehindComment(std::string_view text, size_t at)
{
    const std::string_view two = text.substr(at, 2);
    return two == "--" ? Behind(text, "\n", at) : two == "/*" ? BehindBlockComment(text, at) : at;
}

// A string of the kind E'...', in which a backslash takes the next quote.
bool IsEscapeString(std::string_view text, size_t quote)
{
    return quote > 0 && (text[quote - 1] == 'e' || text[quote - 1] == 'E') &&
           (quote == 1 || !IsWord(text[quote - 2]));
}

size_t BehindString(std::string_view text, size_t quote)
{
    if (!IsEscapeString(text, quote))
        return Behind(text, "'", quote + 1);
    size_t at = quote + 1;
    while (at < text.size() && text[at] != '\'')
        at += text[at] == '\\' ? 2 : 1;
    return std::min(at + 1, text.size());
}

size_t BehindDollarQuote(std::string_view text, size_t dollar)
{
    if (dollar > 0 && IsWord(text[dollar - 1]))
        return dollar + 1;
    size_t end = dollar + 1;
    if (end < text.size() && IsWordStart(text[end]))
        while (end < text.size() && IsWord(text[end]) && text[end] != '$')
            end++;
    if (end >= text.size() || text[end] != '$')
        return dollar + 1;
    return Behind(text, text.substr(dollar, end - dollar + 1), end + 1);
}

// Behind the quoted thing, the comment or the single byte that is there.
size_t BehindToken(std::string_view text, size_t at)
{
    switch (text[at]) {
    case '\'':
        return BehindString(text, at);
    case '"':
        return Behind(text, "\"", at + 1);
    case '$':
        return BehindDollarQuote(text, at);
    default:
        return std::max(BehindComment(text, at), at + 1);
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
    at = Behind(script, "\n", at);
    while (at < script.size()) {
        const size_t next = Behind(script, "\n", at);
        std::string_view line = script.substr(at, next - at);
        while (!line.empty() && IsBlank(line.back()))
            line.remove_suffix(1);
        at = next;
        if (line == "\\.")
            break;
    }
    return at;
}

// To the first byte of the next statement.
size_t SkipBetween(std::string_view script, size_t at)
{
    while (at < script.size()) {
        if (IsBlank(script[at]) || script[at] == ';')
            at++;
        else if (script[at] == '\\')
            at = Behind(script, "\n", at);
        else if (const size_t behind = BehindComment(script, at); behind != at)
            at = behind;
        else
            break;
    }
    return at;
}

// Up to a byte of `ends` that is in no quotes, comment or inner parentheses.
size_t FindOutside(std::string_view text, size_t at, std::string_view ends)
{
    size_t depth = 0;
    while (at < text.size()) {
        const char c = text[at];
        if (depth == 0 && ends.find(c) != std::string_view::npos)
            return at;
        if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        at = BehindToken(text, at);
    }
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

} // namespace

std::vector<SqlStatement> SplitScript(std::string_view script)
{
    std::vector<SqlStatement> statements;
    size_t at = SkipBetween(script, 0);
    while (at < script.size()) {
        const size_t end = FindOutside(script, at, ";");
        const std::string_view text = Trimmed(script.substr(at, end - at));
        statements.push_back({text, at});
        if (IsCopyFromStdin(text))
            at = BehindRows(script, end);
        else
            at = end;
        at = SkipBetween(script, at);
    }
    return statements;
}

std::vector<std::string> FirstWords(std::string_view statement, size_t count)
{
    std::vector<std::string> words;
    size_t at = 0;
    while (words.size() < count) {
        at = SkipBetween(statement, at);
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

std::vector<std::string_view> SplitElements(std::string_view text)
{
    std::vector<std::string_view> elements;
    size_t at = FindOutside(text, 0, "(");
    while (at < text.size() && text[at] != ')') {
        const size_t end = FindOutside(text, at + 1, ",)");
        if (end == text.size())
            return {};
        elements.push_back(Trimmed(text.substr(at + 1, end - at - 1)));
        at = end;
    }
    return elements;
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
