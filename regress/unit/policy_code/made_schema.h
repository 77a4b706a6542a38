// Schemas and policies by hand, for what judges them.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "policy_code/document.h"
#include "policy_code/schema.h"

namespace wal2lake
{

// A type as "int8"; "enum" and "text[]" are what they say, and anything else is unknown.
inline SchemaType MakeType(const std::string& name)
{
    SchemaType type;
    type.name = name;
    type.base_oid = BuiltInType(name);
    type.is_enum = name == "enum";
    type.is_array = name.ends_with("[]");
    return type;
}

inline SchemaColumn MakeColumn(const std::string& name, const std::string& type)
{
    SchemaColumn column;
    column.name = name;
    column.type = MakeType(type);
    return column;
}

inline SchemaColumn Key(const std::string& name, const std::string& type)
{
    SchemaColumn column = MakeColumn(name, type);
    column.is_key = true;
    return column;
}

inline SchemaColumn Referring(const std::string& name, const std::string& type, const std::string& table,
                              const std::string& column)
{
    SchemaColumn made = MakeColumn(name, type);
    made.references.push_back({"public", table, column});
    return made;
}

inline SchemaColumn Generated(const std::string& name, const std::string& type, std::vector<std::string> from)
{
    SchemaColumn column = MakeColumn(name, type);
    column.generated_from = std::move(from);
    return column;
}

// Tables of the schema public, with lines counted from 1.
inline Schema MakeSchema(const std::vector<std::pair<std::string, std::vector<SchemaColumn>>>& tables)
{
    Schema schema;
    size_t line = 0;
    for (const auto& [name, columns] : tables) {
        SchemaTable table;
        table.schema = "public";
        table.name = name;
        table.columns = columns;
        table.line = ++line;
        for (SchemaColumn& column : table.columns) {
            column.attnum = static_cast<int>(&column - table.columns.data()) + 1;
            column.line = ++line;
        }
        schema.tables.push_back(std::move(table));
    }
    schema.Sort();
    return schema;
}

struct MadeColumn {
    std::string name;
    std::string label;
    std::string reviewed{};
};

// Documents of the schema public; "" is TODO. Each is a file of its own, whose first line names the table.
inline Policy MakePolicy(const std::vector<std::pair<std::string, std::vector<MadeColumn>>>& tables)
{
    Policy policy;
    for (const auto& [name, columns] : tables) {
        TableEntry table;
        table.table = name;
        const std::string file = "policy/" + name + ".yml";
        table.place = {file, 1};
        size_t line = 1;
        for (const MadeColumn& column : columns)
            table.columns.push_back({column.name, column.label, column.reviewed, Place{file, ++line}});
        policy.tables.push_back(std::move(table));
    }
    // As ParsePolicy() has them.
    std::sort(policy.tables.begin(), policy.tables.end(),
              [](const TableEntry& a, const TableEntry& b) { return a.table < b.table; });
    return policy;
}

} // namespace wal2lake
