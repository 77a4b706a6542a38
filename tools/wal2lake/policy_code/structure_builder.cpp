#include "policy_code/structure_builder.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "policy_code/codes.h"

namespace wal2lake
{
namespace
{

// How format_type() writes a type that the parser calls otherwise; modifiers stand between the two.
struct Spelling {
    std::string_view name;
    std::string_view behind{};
};

Spelling SpellingOf(std::string_view name)
{
    static const std::unordered_map<std::string_view, Spelling> spellings{
        {"bool", {"boolean"}},
        {"bpchar", {"character"}},
        {"char", {"\"char\""}},
        {"float4", {"real"}},
        {"float8", {"double precision"}},
        {"int2", {"smallint"}},
        {"int4", {"integer"}},
        {"int8", {"bigint"}},
        {"time", {"time", " without time zone"}},
        {"timestamp", {"timestamp", " without time zone"}},
        {"timestamptz", {"timestamp", " with time zone"}},
        {"timetz", {"time", " with time zone"}},
        {"varbit", {"bit varying"}},
        {"varchar", {"character varying"}}};
    const auto found = spellings.find(name);
    return found == spellings.end() ? Spelling{name} : found->second;
}

// An integer that a sequence fills is an integer.
std::string_view WithoutSerial(std::string_view name)
{
    if (name == "serial" || name == "serial4")
        return "int4";
    if (name == "bigserial" || name == "serial8")
        return "int8";
    return name == "smallserial" || name == "serial2" ? "int2" : name;
}

// Those of an interval are its fields, as a number, and then its digits.
std::string Modifiers(std::string_view type, const std::vector<std::string>& modifiers)
{
    std::string text;
    for (size_t i = type == "interval" ? 1 : 0; i < modifiers.size(); i++)
        text += (text.empty() ? "(" : ",") + modifiers[i];
    return text.empty() ? text : text + ")";
}

std::string Joined(const std::vector<std::string>& names)
{
    std::string text;
    for (const std::string& name : names)
        text += (text.empty() ? "" : ".") + name;
    return text;
}

void Replace(std::vector<std::string>* names, const std::string& from, const std::string& to)
{
    std::replace(names->begin(), names->end(), from, to);
}

template <typename Name>
void Unite(const std::vector<Name>& names, std::vector<Name>* with)
{
    for (const Name& name : names)
        if (std::find(with->begin(), with->end(), name) == with->end())
            with->push_back(name);
}

} // namespace

SchemaColumn* BuiltTable::Find(const std::string& column)
{
    const auto found = std::find_if(table.columns.begin(), table.columns.end(),
                                    [&](const SchemaColumn& each) { return each.name == column; });
    return found == table.columns.end() ? nullptr : &*found;
}

SchemaColumn* BuiltTable::Add(SchemaColumn column)
{
    if (SchemaColumn* found = Find(column.name)) {
        Unite(column.generated_from, &found->generated_from);
        found->type = std::move(column.type);
        found->line = column.line;
        return found;
    }
    column.attnum = ++last_attnum;
    table.columns.push_back(std::move(column));
    return &table.columns.back();
}

void BuiltTable::Drop(const std::string& column)
{
    std::erase_if(table.columns, [&](const SchemaColumn& each) { return each.name == column; });
    const auto has = [&](const std::vector<std::string>& columns) {
        return std::find(columns.begin(), columns.end(), column) != columns.end();
    };
    if (has(primary_key))
        primary_key.clear();
    std::erase_if(unique, [&](const auto& each) { return has(each.second); });
    std::erase_if(foreign_keys, [&](const ForeignKey& key) { return has(key.columns); });
}

void BuiltTable::DropConstraint(const std::string& name)
{
    if (name == (primary_constraint.empty() ? table.name + "_pkey" : primary_constraint)) {
        primary_key.clear();
        primary_index.clear();
    }
    unique.erase(name);
    std::erase_if(foreign_keys, [&](const ForeignKey& key) { return key.constraint == name; });
}

void BuiltTable::AddUnique(const std::string& name, const std::vector<std::string>& keys)
{
    // The server's own name for it, unless that is taken or too long.
    std::string index = table.name;
    for (const std::string& key : keys)
        index += "_" + key;
    unique[name.empty() ? index + "_key" : name] = keys;
}

void BuiltTable::SetParent(const SqlName& parent, bool is_one)
{
    std::erase(parents, parent);
    if (is_one)
        parents.push_back(parent);
}

void StructureBuilder::SetSearchPath(std::vector<std::string> schemas)
{
    std::erase_if(schemas, [](const std::string& schema) {
        return schema.empty() || schema == "pg_catalog" || schema == "$user";
    });
    if (schemas.empty())
        schemas.emplace_back("public");
    search_path_ = std::move(schemas);
}

SqlName StructureBuilder::NewName(const std::string& schema, const std::string& name) const
{
    return {!schema.empty() ? schema : search_path_.empty() ? "public" : search_path_.front(), name};
}

SqlName StructureBuilder::TableName(const std::string& schema, const std::string& name) const
{
    if (!schema.empty())
        return {schema, name};
    const bool is_temporary = temporary_.contains(name);
    const bool is_in_path =
        std::find(search_path_.begin(), search_path_.end(), kTemporarySchema) != search_path_.end();
    if (is_temporary && !is_in_path)
        return {kTemporarySchema, name};
    for (const std::string& each : search_path_)
        if (each == kTemporarySchema ? is_temporary : tables_.contains({each, name}))
            return {each, name};
    return NewName(schema, name);
}

void StructureBuilder::AddEnum(const SqlName& name)
{
    SchemaType type;
    type.is_enum = true;
    types_[name] = type;
}

void StructureBuilder::AddDomain(const SqlName& name, const SchemaType& base)
{
    types_[name] = base;
}

const SchemaType* StructureBuilder::FindType(const std::string& schema, const std::string& name) const
{
    if (!schema.empty()) {
        const auto found = types_.find({schema, name});
        return found == types_.end() ? nullptr : &found->second;
    }
    for (const std::string& each : search_path_)
        if (const SchemaType* type = FindType(each, name); type != nullptr)
            return type;
    return nullptr;
}

SchemaType StructureBuilder::TypeOf(const std::vector<std::string>& names,
                                    const std::vector<std::string>& modifiers, bool is_array) const
{
    SchemaType type;
    if (names.empty()) {
        type.name = "unknown";
        return type;
    }
    const std::string schema = names.size() > 1 ? names[names.size() - 2] : "";
    const std::string name(schema.empty() ? WithoutSerial(names.back()) : names.back());
    if (schema.empty() || schema == "pg_catalog")
        type.base_oid = BuiltInType(name);
    const bool is_built_in = type.base_oid != 0 || schema == "pg_catalog";
    const SchemaType* known = is_built_in ? nullptr : FindType(schema, name);
    if (known != nullptr)
        type = *known;
    const Spelling spelling = SpellingOf(name);
    type.name = is_built_in
                    ? std::string(spelling.name) + Modifiers(name, modifiers) + std::string(spelling.behind)
                    : Joined(names) + Modifiers(name, modifiers);
    if (is_array) {
        type.name += "[]";
        type.base_oid = 0;
        type.is_enum = false;
        type.is_array = true;
    }
    return type;
}

BuiltTable* StructureBuilder::AddTable(const SqlName& name, size_t line)
{
    if (name.schema == kTemporarySchema) {
        temporary_.insert(name.name);
        return nullptr;
    }
    const auto [position, added] = tables_.try_emplace(name);
    if (!added)
        return nullptr;
    position->second.table.schema = name.schema;
    position->second.table.name = name.name;
    position->second.table.line = line;
    return &position->second;
}

BuiltTable* StructureBuilder::FindTable(const SqlName& name)
{
    const auto found = tables_.find(name);
    return found == tables_.end() ? nullptr : &found->second;
}

void StructureBuilder::DropTable(const SqlName& name)
{
    if (name.schema == kTemporarySchema)
        temporary_.erase(name.name);
    if (tables_.erase(name) == 0)
        return;
    for (auto& [each, table] : tables_) {
        std::erase(table.parents, name);
        // Foreign keys to it went before, or with CASCADE.
        std::erase_if(table.foreign_keys, [&](const ForeignKey& key) { return key.table == name; });
    }
}

void StructureBuilder::RenameTable(const SqlName& from, const SqlName& to)
{
    if (from.schema == kTemporarySchema && temporary_.erase(from.name) > 0)
        temporary_.insert(to.name);
    auto node = tables_.extract(from);
    if (node.empty())
        return;
    node.key() = to;
    node.mapped().table.schema = to.schema;
    node.mapped().table.name = to.name;
    tables_.insert(std::move(node));
    for (auto& [name, table] : tables_) {
        std::replace(table.parents.begin(), table.parents.end(), from, to);
        for (ForeignKey& key : table.foreign_keys)
            if (key.table == from)
                key.table = to;
    }
}

std::vector<BuiltTable*> StructureBuilder::HeirsOf(const SqlName& name)
{
    std::multimap<SqlName, BuiltTable*> children;
    for (auto& [each, table] : tables_)
        for (const SqlName& parent : table.parents)
            children.emplace(parent, &table);
    std::vector<BuiltTable*> heirs;
    // A file may have them go in a circle.
    std::set<SqlName> seen{name};
    std::vector<SqlName> open{name};
    while (!open.empty()) {
        const auto [begin, end] = children.equal_range(open.back());
        open.pop_back();
        for (auto child = begin; child != end; ++child)
            if (seen.insert(child->second->name()).second) {
                heirs.push_back(child->second);
                open.push_back(child->second->name());
            }
    }
    return heirs;
}

void StructureBuilder::PassToHeirs(const SqlName& name, const std::string& column)
{
    BuiltTable* table = FindTable(name);
    const SchemaColumn* given = table == nullptr ? nullptr : table->Find(column);
    if (given == nullptr)
        return;
    for (BuiltTable* heir : HeirsOf(name)) {
        const SchemaColumn* found = heir->Find(column);
        SchemaColumn copy;
        copy.name = given->name;
        copy.type = given->type;
        copy.generated_from = given->generated_from;
        copy.line = found == nullptr ? given->line : found->line;
        heir->Add(std::move(copy));
    }
}

void StructureBuilder::RenameColumn(const SqlName& name, const std::string& from, const std::string& to)
{
    RenameColumnOfOne(name, from, to);
    for (const BuiltTable* heir : HeirsOf(name))
        RenameColumnOfOne(heir->name(), from, to);
}

void StructureBuilder::RenameColumnOfOne(const SqlName& name, const std::string& from, const std::string& to)
{
    for (auto& [each, table] : tables_)
        for (ForeignKey& key : table.foreign_keys) {
            if (each == name)
                Replace(&key.columns, from, to);
            if (key.table == name)
                Replace(&key.their_columns, from, to);
        }
    BuiltTable* table = FindTable(name);
    if (table == nullptr)
        return;
    for (SchemaColumn& column : table->table.columns) {
        if (column.name == from)
            column.name = to;
        Replace(&column.generated_from, from, to);
    }
    Replace(&table->primary_key, from, to);
    for (auto& [index, columns] : table->unique)
        Replace(&columns, from, to);
}

bool StructureBuilder::CopyColumns(const SqlName& from, bool generated, BuiltTable* to)
{
    const BuiltTable* source = FindTable(from);
    if (source == nullptr)
        return false;
    for (const SchemaColumn& column : source->table.columns) {
        SchemaColumn copy;
        copy.name = column.name;
        copy.type = column.type;
        if (generated)
            copy.generated_from = column.generated_from;
        copy.line = to->table.line;
        to->Add(std::move(copy));
    }
    return true;
}

void StructureBuilder::SetPartition(const SqlName& name, const SqlName& of, bool is_one)
{
    BuiltTable* partition = FindTable(name);
    if (partition == nullptr)
        return;
    partition->table.is_partition = is_one;
    partition->SetParent(of, is_one);
}

void StructureBuilder::AddView(const SqlName& name)
{
    if (name.schema == kTemporarySchema)
        temporary_.insert(name.name);
    else
        views_.push_back(ObjectName(name.schema, name.name));
}

void StructureBuilder::DropView(const SqlName& name)
{
    if (name.schema == kTemporarySchema)
        temporary_.erase(name.name);
    std::erase(views_, ObjectName(name.schema, name.name));
}

void StructureBuilder::MarkKeys(const std::string& file, BuiltTable* table,
                                std::vector<PolicyFinding>* findings)
{
    if (!table->primary_index.empty())
        if (const auto found = table->unique.find(table->primary_index); found != table->unique.end())
            table->primary_key = found->second;
    std::vector<std::string> key = table->primary_key;
    if (!table->identity_index.empty()) {
        const auto found = table->unique.find(table->identity_index);
        const std::string primary =
            table->primary_constraint.empty() ? table->table.name + "_pkey" : table->primary_constraint;
        if (found != table->unique.end())
            key.insert(key.end(), found->second.begin(), found->second.end());
        else if (table->identity_index != primary)
            findings->push_back(
                MakeFinding("structure-unreadable", Place{file, table->identity_line},
                            ObjectName(table->table.schema, table->table.name),
                            "the index that is the replica identity was not found in the file",
                            "add its CREATE UNIQUE INDEX, or take a dump of the whole database"));
    }
    for (const std::string& name : key)
        if (SchemaColumn* column = table->Find(name))
            column->is_key = true;
}

// The table whose policy holds for that one, itself where it is no partition; nullptr where the file does not
// have it.
BuiltTable* StructureBuilder::RootOf(BuiltTable* table)
{
    std::set<SqlName> seen;
    while (table != nullptr && table->table.is_partition && seen.insert(table->name()).second)
        table = table->parents.empty() ? nullptr : FindTable(table->parents.back());
    return table;
}

void StructureBuilder::AddReferences(BuiltTable* table)
{
    BuiltTable* own = RootOf(table);
    if (own == nullptr)
        return;
    for (const ForeignKey& key : table->foreign_keys) {
        BuiltTable* other = FindTable(key.table);
        const BuiltTable* root = RootOf(other);
        std::vector<std::string> theirs = key.their_columns;
        if (theirs.empty() && other != nullptr)
            theirs = other->primary_key.empty() && root != nullptr ? root->primary_key : other->primary_key;
        // One that leads nowhere counts, too: whose values these are is not known then.
        theirs.resize(key.columns.size());
        const SqlName name = root == nullptr ? key.table : root->name();
        for (size_t i = 0; i < key.columns.size(); i++)
            if (SchemaColumn* column = own->Find(key.columns[i]))
                Unite<Reference>({{name.schema, name.name, theirs[i]}}, &column->references);
    }
}

// A partition has no policy of its own, and since PostgreSQL 16 may generate a column in another way
// than its root: what is decided of the root's column must hold for all.
void StructureBuilder::PassGeneratedToRoots(const BuiltTable& partition)
{
    std::set<SqlName> seen{partition.name()};
    const BuiltTable* each = &partition;
    while (each->table.is_partition && !each->parents.empty() && seen.insert(each->parents.back()).second) {
        BuiltTable* parent = FindTable(each->parents.back());
        if (parent == nullptr)
            return;
        for (const SchemaColumn& column : partition.table.columns)
            if (SchemaColumn* same = column.generated_from.empty() ? nullptr : parent->Find(column.name))
                Unite(column.generated_from, &same->generated_from);
        each = parent;
    }
}

Schema StructureBuilder::Build(const std::string& file, std::vector<PolicyFinding>* findings)
{
    for (auto& [name, table] : tables_)
        MarkKeys(file, &table, findings);
    for (auto& [name, table] : tables_)
        AddReferences(&table);
    for (const auto& [name, table] : tables_)
        PassGeneratedToRoots(table);
    Schema schema;
    for (auto& [name, table] : tables_)
        schema.tables.push_back(std::move(table.table));
    schema.views = std::move(views_);
    const bool is_said = std::any_of(findings->begin(), findings->end(), [](const PolicyFinding& finding) {
        return finding.code == "structure-unreadable";
    });
    if (schema.tables.empty() && schema.views.empty() && !is_said)
        findings->push_back(
            MakeFinding("structure-unreadable", Place{file, 1}, "",
                        "no CREATE TABLE is in it, or only of tables that are temporary or dropped again",
                        "name the file that pg_dump --schema-only wrote"));
    schema.Sort();
    return schema;
}

} // namespace wal2lake
