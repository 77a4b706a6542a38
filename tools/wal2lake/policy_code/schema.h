// The tables and columns that a policy is about, as a database has them (catalog.h) or
// a structure.sql (structure.h). Facts only: what follows from them is in suggest.h,
// check.h and plan.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/types.h"

namespace wal2lake
{

struct SchemaType {
    // As format_type() has it, such as "character varying(255)"; for people.
    std::string name;
    // The built-in type under any domain, such as 1043; 0 where it is none, or an array.
    uint32_t base_oid = 0;
    bool is_enum = false;
    bool is_array = false;

    w2l_type facts() const { return w2l_type_of(base_oid, is_enum); }
};

// The column that a foreign key of one or several columns points this one at; of a partition that of its
// root. In a file there may be no such table, and where it does not say the column, that is empty.
struct Reference {
    std::string schema;
    std::string table;
    std::string column;

    auto operator<=>(const Reference&) const = default;
};

struct SchemaColumn {
    std::string name;
    // In the database that of pg_attribute; in a file the place in the table.
    int attnum = 0;
    SchemaType type;
    // Part of the primary key, or of the index that is the replica identity.
    bool is_key = false;
    // Columns of the table that it is generated from.
    std::vector<std::string> generated_from;
    std::vector<Reference> references;
    // The label as stored; a file has none.
    std::optional<std::string> label;
    // The name that it had when it was labelled, where that was another.
    std::optional<std::string> labelled_as;
    // In the file.
    size_t line = 0;
};

struct SchemaTable {
    std::string schema;
    std::string name;
    uint32_t oid = 0;
    // A partition: no policy of its own, the root's holds.
    bool is_partition = false;
    bool is_partitioned = false;
    // It came with an extension, such as a list of its settings.
    bool of_extension = false;
    // The label on the table itself.
    std::optional<std::string> label;
    // The name that it had when it was labelled, as schema.table, where that was another.
    std::optional<std::string> labelled_as;
    // In the database: changes with its names, types and labels (wal2lake.policy_state).
    std::string state;
    // In order of attnum.
    std::vector<SchemaColumn> columns;
    size_t line = 0;

    const SchemaColumn* Find(std::string_view column) const;
};

struct Schema {
    // By schema and name; no temporary ones.
    std::vector<SchemaTable> tables;
    // Views, materialized views and foreign tables, which have no policy: as in SQL.
    std::vector<std::string> views;

    // Puts the tables in order, which Find() relies on.
    void Sort();
    const SchemaTable* Find(std::string_view schema, std::string_view table) const;
};

// The oid of a built-in type by the name that the parser or the catalog gives it, such
// as "int8", "varchar" or "timestamptz"; 0 for any other.
uint32_t BuiltInType(std::string_view name);

} // namespace wal2lake
