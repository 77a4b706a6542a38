// rules.yml: labels for columns by pattern.
#include <map>
#include <utility>

#include <fnmatch.h>

#include "policy_code/document_reader.h"

namespace wal2lake
{
namespace
{

constexpr size_t kLongestPattern = 255;

// Behind the `]` of the bracket expression that begins at `at`; behind its `[` where it has no end.
size_t BracketEnd(std::string_view pattern, size_t at)
{
    size_t next = at + 1;
    if (next < pattern.size() && (pattern[next] == '!' || pattern[next] == '^'))
        next++;
    if (next < pattern.size() && pattern[next] == ']')
        next++;
    while (next < pattern.size() && pattern[next] != ']') {
        const char kind = pattern[next] == '[' && next + 1 < pattern.size() ? pattern[next + 1] : '\0';
        const size_t end = kind == ':' || kind == '.' || kind == '='
                               ? pattern.find(std::string{kind, ']'}, next + 2)
                               : std::string_view::npos;
        if (end != std::string_view::npos)
            next = end + 2;
        else
            next += pattern[next] == '\\' ? 2 : 1;
    }
    return next < pattern.size() ? next + 1 : at + 1;
}

// At each dot that is neither escaped nor in brackets: a dot within a name is none between names.
std::vector<std::string> Parts(std::string_view pattern)
{
    std::vector<std::string> parts(1);
    for (size_t at = 0; at < pattern.size();) {
        if (pattern[at] == '.') {
            parts.emplace_back();
            at++;
            continue;
        }
        const size_t end = pattern[at] == '[' ? BracketEnd(pattern, at) : at + (pattern[at] == '\\' ? 2 : 1);
        parts.back() += pattern.substr(at, end - at);
        at = end;
    }
    return parts;
}

bool Matches(const std::string& pattern, std::string_view name)
{
    return ::fnmatch(pattern.c_str(), std::string(name).c_str(), 0) == 0;
}

bool CheckPattern(const YamlNode& pattern, const DocumentReader& reader)
{
    if (pattern.text.empty() || pattern.text.size() > kLongestPattern)
        reader.Complain(kUnreadable, pattern.line, {},
                        pattern.text.empty() ? "a pattern is empty" : "a pattern is longer than 255 bytes",
                        "write a pattern such as *_at");
    else if (Parts(pattern.text).size() > 3)
        reader.Complain(
            kUnreadable, pattern.line, {}, "the pattern \"" + pattern.text + "\" has more than two dots",
            "write column, table.column or schema.table.column, with \\. for a dot within a name");
    else
        return true;
    return false;
}

} // namespace

std::vector<Rule> ReadRules(const YamlNode& root, const DocumentReader& reader)
{
    std::vector<Rule> rules;
    reader.CheckKeys(root, {"rules"}, {});
    const YamlMember* list = root.Find("rules");
    if (list == nullptr || list->value.kind == YamlNode::Kind::kEmpty)
        return rules;
    if (list->value.kind != YamlNode::Kind::kMapping) {
        reader.Complain(kUnreadable, list->line(), {}, "the rules are no mapping",
                        "write lines such as \"*_at\": green below the key");
        return rules;
    }
    std::map<std::string_view, size_t> lines;
    for (const YamlMember& member : list->value.members) {
        const auto [first, is_new] = lines.emplace(member.key.text, member.key.line);
        if (!is_new) {
            reader.ComplainTwice("pattern", member.key, first->second, {});
            continue;
        }
        const bool is_pattern = CheckPattern(member.key, reader);
        std::optional<std::string> label = reader.Label(member, {});
        if (is_pattern && label)
            rules.push_back({member.key.text, std::move(*label), reader.At(member.key.line)});
    }
    return rules;
}

std::optional<std::string> LabelByRule(const std::vector<Rule>& rules, std::string_view schema,
                                       std::string_view table, std::string_view column)
{
    const std::string_view names[] = {schema, table, column};
    for (const Rule& rule : rules) {
        const std::vector<std::string> parts = Parts(rule.pattern);
        bool matches = parts.size() <= 3;
        for (size_t i = 0; i < parts.size() && matches; i++)
            matches = Matches(parts[i], names[3 - parts.size() + i]);
        if (matches)
            return rule.label;
    }
    return std::nullopt;
}

} // namespace wal2lake
