#include "policy_code/document.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "policy_code/codes.h"
#include "policy_code/document_reader.h"

namespace wal2lake
{
namespace
{

auto NameOf(const TableEntry& table)
{
    return std::tie(table.schema, table.table);
}

bool IsRules(const std::string& path)
{
    return path == "rules.yml" || path == "rules.yaml";
}

// The label of a column, or with `reviewed` in a mapping.
std::optional<ColumnEntry> ReadColumn(const YamlMember& member, const std::string& object,
                                      const DocumentReader& reader)
{
    ColumnEntry column{member.key.text, {}, {}, reader.At(member.key.line)};
    const YamlNode& value = member.value;
    std::optional<std::string> label;
    if (value.kind != YamlNode::Kind::kMapping) {
        label = reader.Label(member, object);
    } else {
        reader.CheckKeys(value, {"label", "reviewed"}, object);
        if (const YamlMember* written = value.Find("label"))
            label = reader.Label(*written, object);
        else
            reader.Complain(kUnreadable, value.line, object, "the column has no label",
                            "add label: TODO, or a label");
        if (const YamlMember* reviewed = value.Find("reviewed"))
            column.reviewed = reader.Text(*reviewed, object).value_or("");
    }
    if (!label || !reader.CheckName(member.key, object))
        return std::nullopt;
    column.label = std::move(*label);
    return column;
}

void ReadColumns(const YamlMember& columns, const DocumentReader& reader, TableEntry* table)
{
    const std::string name = ObjectName(table->schema, table->table);
    if (columns.value.kind == YamlNode::Kind::kEmpty)
        return;
    if (columns.value.kind != YamlNode::Kind::kMapping) {
        reader.Complain(kUnreadable, columns.line(), name, "the columns are no mapping",
                        "write lines such as id: green below the key");
        return;
    }
    std::map<std::string_view, size_t> lines;
    for (const YamlMember& member : columns.value.members) {
        const std::string object = ObjectName(table->schema, table->table, member.key.text);
        const auto [first, is_new] = lines.emplace(member.key.text, member.key.line);
        if (!is_new)
            reader.ComplainTwice("column", member.key, first->second, object);
        else if (std::optional<ColumnEntry> column = ReadColumn(member, object, reader))
            table->columns.push_back(std::move(*column));
    }
}

// Nullopt, with a complaint, where no table is named.
std::optional<TableEntry> ReadTable(const YamlNode& root, const DocumentReader& reader)
{
    TableEntry table;
    const YamlMember* name = root.Find("table");
    if (name == nullptr)
        reader.Complain(kUnreadable, root.line, {}, "the document names no table",
                        "add a line such as table: users");
    const std::optional<std::string> named = name == nullptr ? std::nullopt : reader.Name(*name);
    if (named) {
        table.table = *named;
        table.place = reader.At(name->key.line);
    }
    if (const YamlMember* schema = root.Find("schema")) {
        const std::optional<std::string> text = reader.Name(*schema);
        // What is meant is not known then.
        if (!text)
            return std::nullopt;
        table.schema = *text;
    }
    const std::string object = named ? ObjectName(table.schema, table.table) : "";
    reader.CheckKeys(root, {"schema", "table", "label", "columns"}, object);
    if (!named)
        return std::nullopt;
    if (const YamlMember* label = root.Find("label")) {
        const std::optional<std::string> text = reader.Text(*label, object);
        if (text == "exclude")
            table.label = *text;
        else if (text)
            reader.Complain(kUnreadable, label->line(), object,
                            "a table cannot have the label \"" + *text + "\"",
                            "write label: exclude, or leave the key out");
    }
    if (const YamlMember* columns = root.Find("columns"))
        ReadColumns(*columns, reader, &table);
    return table;
}

// Each table once, in order.
void SortTables(Policy* policy)
{
    std::vector<TableEntry>& tables = policy->tables;
    std::stable_sort(tables.begin(), tables.end(),
                     [](const TableEntry& a, const TableEntry& b) { return NameOf(a) < NameOf(b); });
    std::vector<TableEntry> once;
    for (TableEntry& table : tables) {
        if (once.empty() || NameOf(once.back()) != NameOf(table)) {
            once.push_back(std::move(table));
            continue;
        }
        const Place& first = once.back().place;
        policy->findings.push_back(MakeFinding(kDuplicate, table.place, ObjectName(table.schema, table.table),
                                               "the table has a document already, " + first.file + ", line " +
                                                   std::to_string(first.line),
                                               "keep one of the two"));
    }
    tables = std::move(once);
}

} // namespace

const ColumnEntry* TableEntry::Find(std::string_view column) const
{
    const auto found = std::find_if(columns.begin(), columns.end(),
                                    [&](const ColumnEntry& each) { return each.name == column; });
    return found == columns.end() ? nullptr : &*found;
}

const TableEntry* Policy::Find(std::string_view schema, std::string_view table) const
{
    using Name = std::tuple<std::string_view, std::string_view>;
    const auto found =
        std::lower_bound(tables.begin(), tables.end(), Name(schema, table),
                         [](const TableEntry& each, const Name& name) { return Name(NameOf(each)) < name; });
    return found == tables.end() || Name(NameOf(*found)) != Name(schema, table) ? nullptr : &*found;
}

const ColumnEntry* Policy::Find(std::string_view schema, std::string_view table,
                                std::string_view column) const
{
    const TableEntry* entry = Find(schema, table);
    return entry == nullptr ? nullptr : entry->Find(column);
}

Policy ParsePolicy(const std::string& folder, const Documents& documents)
{
    Policy policy;
    bool has_rules = false;
    for (const auto& [path, text] : documents) {
        const DocumentReader reader(folder, path, &policy.findings);
        if (const std::optional<YamlProblem> hidden = HiddenCharacter(WithoutByteOrderMark(text)))
            reader.Complain(kUnreadable, hidden->line, {}, hidden->text, hidden->fix);
        const std::optional<YamlNode> root = reader.Read(text);
        if (!root)
            continue;
        if (!IsRules(path)) {
            if (std::optional<TableEntry> table = ReadTable(*root, reader))
                policy.tables.push_back(std::move(*table));
        } else if (has_rules) {
            reader.Complain(kDuplicate, 0, {}, "there are both rules.yaml and rules.yml",
                            "keep one of the two");
        } else {
            policy.rules = ReadRules(*root, reader);
            has_rules = true;
        }
    }
    SortTables(&policy);
    std::stable_sort(policy.findings.begin(), policy.findings.end(),
                     [](const PolicyFinding& a, const PolicyFinding& b) { return a.place < b.place; });
    return policy;
}

std::string DocumentPath(std::string_view schema, std::string_view table)
{
    static constexpr char kDigits[] = "0123456789ABCDEF";
    std::string path;
    for (const std::string_view name : {schema, table}) {
        path += path.empty() ? "" : "/";
        for (const char c : name) {
            const auto byte = static_cast<unsigned char>(c);
            if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')
                path += c;
            else
                path += std::string{'%', kDigits[byte >> 4U], kDigits[byte & 0xFU]};
        }
    }
    return path + ".yml";
}

} // namespace wal2lake
