// Dictionaries of GitLab's kind: facts about tables, kept beside the code.
#include <utility>

#include "policy_code/document_reader.h"

namespace wal2lake
{
namespace
{

// a/b.yml: b.
std::string StemOf(const std::string& path)
{
    const std::string name = path.substr(path.rfind('/') + 1);
    return name.substr(0, name.rfind('.'));
}

// The first member that is there, of several spellings.
const YamlMember* FirstOf(const YamlNode& root, std::initializer_list<std::string_view> keys)
{
    for (const std::string_view key : keys)
        if (const YamlMember* member = root.Find(key))
            return member;
    return nullptr;
}

std::vector<std::string> IgnoredColumns(const YamlMember& member, const std::string& object,
                                        const DocumentReader& reader)
{
    std::vector<std::string> names;
    if (member.value.kind == YamlNode::Kind::kEmpty)
        return names;
    if (member.value.kind != YamlNode::Kind::kSequence)
        reader.Complain(kUnreadable, member.line(), object, "\"" + member.key.text + "\" is no list",
                        "write lines such as \"- encrypted_password\" below the key");
    for (const YamlNode& item : member.value.items) {
        if (item.kind != YamlNode::Kind::kScalar)
            reader.Complain(kUnreadable, item.line, object,
                            "a column in \"" + member.key.text + "\" is no name",
                            "write the name of one column behind each dash");
        else if (reader.CheckName(item, object))
            names.push_back(item.text);
    }
    return names;
}

// Nullopt where it names no table that could be.
std::optional<Dictionary> ReadDictionary(const YamlNode& root, const std::string& path,
                                         const DocumentReader& reader)
{
    Dictionary dictionary;
    const YamlMember* table = FirstOf(root, {"table_name", "table"});
    const std::optional<std::string> named = table == nullptr ? StemOf(path) : reader.Name(*table);
    if (!named)
        return std::nullopt;
    dictionary.table = *named;
    dictionary.place = reader.At(table == nullptr ? 0 : table->key.line);
    if (const YamlMember* schema = FirstOf(root, {"schema_name", "schema"})) {
        const std::optional<std::string> text = reader.Name(*schema);
        if (!text)
            return std::nullopt;
        dictionary.schema = *text;
    }
    const std::string object = ObjectName(dictionary.schema, dictionary.table);
    reader.CheckKeys(root, {}, object);
    const YamlMember* description = root.Find("description");
    if (description != nullptr && description->value.kind == YamlNode::Kind::kScalar)
        dictionary.description = description->value.text;
    if (const YamlMember* ignored = root.Find("ignored_columns"))
        dictionary.ignored_columns = IgnoredColumns(*ignored, object, reader);
    return dictionary;
}

} // namespace

std::vector<Dictionary> ParseDictionaries(const std::string& folder, const Documents& documents,
                                          std::vector<PolicyFinding>* findings)
{
    std::vector<Dictionary> dictionaries;
    for (const auto& [path, text] : documents) {
        const DocumentReader reader(folder, path, findings);
        const std::optional<YamlNode> root = reader.Read(text);
        // Views have dictionaries, too, and no policy.
        if (!root || root->Find("view_name") != nullptr)
            continue;
        if (std::optional<Dictionary> dictionary = ReadDictionary(*root, path, reader))
            dictionaries.push_back(std::move(*dictionary));
    }
    return dictionaries;
}

} // namespace wal2lake
