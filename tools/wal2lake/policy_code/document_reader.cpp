#include "policy_code/document_reader.h"

#include <algorithm>
#include <map>
#include <utility>

#include "policy_code/codes.h"

namespace wal2lake
{
namespace
{

// NAMEDATALEN - 1.
constexpr size_t kLongestName = 63;

std::string Joined(const std::vector<std::string_view>& words)
{
    std::string text;
    for (size_t i = 0; i < words.size(); i++) {
        if (i > 0)
            text += i + 1 == words.size() ? " and " : ", ";
        text += words[i];
    }
    return text;
}

std::string InQuotes(std::string_view text)
{
    return "\"" + std::string(text) + "\"";
}

} // namespace

std::string FileName(const std::string& folder, const std::string& path)
{
    return folder.ends_with('/') ? folder + path : folder + "/" + path;
}

DocumentReader::DocumentReader(const std::string& folder, const std::string& path,
                               std::vector<PolicyFinding>* findings)
    : file_(FileName(folder, path)), findings_(findings)
{
}

void DocumentReader::Complain(std::string_view code, size_t line, std::string object, std::string text,
                              std::string fix) const
{
    findings_->push_back(MakeFinding(code, At(line), std::move(object), std::move(text), std::move(fix)));
}

void DocumentReader::ComplainTwice(std::string_view what, const YamlNode& second, size_t first_line,
                                   std::string object) const
{
    Complain(kDuplicate, second.line, std::move(object),
             "the " + std::string(what) + " " + InQuotes(second.text) + " is there twice, first in line " +
                 std::to_string(first_line),
             "keep one of the two");
}

std::optional<YamlNode> DocumentReader::Read(std::string_view text) const
{
    YamlProblem problem;
    std::optional<YamlNode> root = ReadYaml(text, &problem);
    if (!root) {
        Complain(kUnreadable, problem.line, {}, problem.text, problem.fix);
        return std::nullopt;
    }
    if (root->kind != YamlNode::Kind::kEmpty && root->kind != YamlNode::Kind::kMapping) {
        Complain(kUnreadable, root->line, {}, "the document is no mapping",
                 "begin with a line such as table: users");
        return std::nullopt;
    }
    return root;
}

void DocumentReader::CheckKeys(const YamlNode& mapping, const std::vector<std::string_view>& known,
                               const std::string& object) const
{
    std::map<std::string_view, size_t> lines;
    for (const YamlMember& member : mapping.members) {
        const auto [first, is_new] = lines.emplace(member.key.text, member.key.line);
        if (!is_new)
            ComplainTwice("key", member.key, first->second, object);
        else if (!known.empty() && std::find(known.begin(), known.end(), member.key.text) == known.end())
            Complain(kUnknownKey, member.key.line, object, "there is no key " + InQuotes(member.key.text),
                     (known.size() == 1 ? "the only key is " : "keys are ") + Joined(known));
    }
}

std::optional<std::string> DocumentReader::Text(const YamlMember& member, const std::string& object) const
{
    const std::string& key = member.key.text;
    if (member.value.kind != YamlNode::Kind::kScalar)
        Complain(kUnreadable, member.line(), object,
                 InQuotes(key) +
                     (member.value.kind == YamlNode::Kind::kEmpty ? " has no value" : " has no single value"),
                 "write one text behind the colon");
    else if (member.value.text.empty())
        Complain(kUnreadable, member.line(), object, InQuotes(key) + " has an empty value",
                 "write a text behind the colon, or leave the key out");
    else
        return member.value.text;
    return std::nullopt;
}

std::optional<std::string> DocumentReader::Label(const YamlMember& member, const std::string& object) const
{
    std::optional<std::string> label = Text(member, object);
    if (label == kTodo)
        label->clear();
    return label;
}

bool DocumentReader::CheckName(const YamlNode& name, const std::string& object) const
{
    if (!name.text.empty() && name.text.size() <= kLongestName)
        return true;
    if (name.text.empty())
        Complain(kUnreadable, name.line, object, "a name is empty", "write the name as the database has it");
    else
        Complain(kUnreadable, name.line, object,
                 "the name " + InQuotes(name.text) + " has " + std::to_string(name.text.size()) + " bytes",
                 "write the name as the database has it, which cuts names to " +
                     std::to_string(kLongestName) + " bytes");
    return false;
}

std::optional<std::string> DocumentReader::Name(const YamlMember& member) const
{
    std::optional<std::string> name = Text(member, {});
    if (name && !CheckName(member.value, {}))
        name.reset();
    return name;
}

} // namespace wal2lake
