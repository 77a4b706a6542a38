#include "policy_code/catalog.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "policy_code/finding.h"

namespace wal2lake
{
namespace
{

using Row = PostgresSource::Row;
using Rows = std::vector<Row>;

// Policies are about tables of users; a partition follows its root. What is computed when it is read is never sent.
constexpr const char* kTables = R"(
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition, l.label,
       EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'),
       CASE WHEN c.relkind IN ('r', 'p') AND NOT c.relispartition THEN wal2lake.policy_state(c.oid) END
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_seclabel l ON l.objoid = c.oid AND l.classoid = 'pg_class'::regclass AND l.objsubid = 0
                         AND l.provider = 'wal2lake'
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'wal2lake'))";

constexpr const char* kColumns = R"(
WITH RECURSIVE base (type, base) AS (
    SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
    UNION ALL
    SELECT t.oid, b.base FROM pg_type t JOIN base b ON t.typbasetype = b.type WHERE t.typtype = 'd'
)
SELECT a.attrelid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), t.oid, t.typtype = 'e', t.typcategory = 'A',
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND (i.indisprimary OR i.indisreplident)
                  AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])),
       l.label
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  JOIN base b ON b.type = a.atttypid
  JOIN pg_type t ON t.oid = b.base
  LEFT JOIN pg_seclabel l ON l.objoid = a.attrelid AND l.classoid = 'pg_class'::regclass AND l.objsubid = a.attnum
                         AND l.provider = 'wal2lake'
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
   AND a.attgenerated <> 'v'
 ORDER BY a.attrelid, a.attnum)";

// A partition, whose expression may be another from PostgreSQL 16 on, counts for its root, whose label holds.
constexpr const char* kGenerated = R"(
SELECT DISTINCT r.attrelid, r.attnum, s.attname
  FROM pg_attrdef d
  JOIN pg_attribute g ON g.attrelid = d.adrelid AND g.attnum = d.adnum AND g.attgenerated <> ''
  JOIN pg_attribute r ON r.attrelid = coalesce(pg_partition_root(d.adrelid), d.adrelid) AND r.attname = g.attname
                     AND NOT r.attisdropped
  JOIN pg_depend p ON p.refclassid = 'pg_class'::regclass AND p.refobjid = d.adrelid AND p.refobjsubid > 0
                  AND p.refobjsubid <> d.adnum
                  AND (p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
                       OR p.classid = 'pg_class'::regclass AND p.objid = d.adrelid AND p.objsubid = d.adnum)
  JOIN pg_attribute s ON s.attrelid = p.refobjid AND s.attnum = p.refobjsubid
 ORDER BY 1, 2, 3)";

// A partition counts for its root, whose label holds, on both sides; there the column may have another number.
constexpr const char* kReferences = R"(
SELECT DISTINCT r.attrelid, r.attnum, n.nspname, c.relname, a.attname
  FROM pg_constraint k
 CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS u (own, foreign_)
  JOIN pg_attribute o ON o.attrelid = k.conrelid AND o.attnum = u.own
  JOIN pg_attribute r ON r.attrelid = coalesce(pg_partition_root(k.conrelid), k.conrelid) AND r.attname = o.attname
                     AND NOT r.attisdropped
  JOIN pg_class c ON c.oid = coalesce(pg_partition_root(k.confrelid), k.confrelid)
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = u.foreign_
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = f.attname AND NOT a.attisdropped
 WHERE k.contype = 'f'
 ORDER BY 1, 2, 3, 4, 5)";

// What was called otherwise when it got the label that it has. A restore writes rows of its own, with its oids.
constexpr const char* kRenamed = R"(
SELECT h.object, h.attnum, h.name[1], h.name[2], h.name[3]
  FROM (SELECT DISTINCT ON (object, attnum) object, attnum, new_label, parse_ident(object_identity) AS name
          FROM wal2lake.label_history
         WHERE object_type = 'table column'
         ORDER BY object, attnum, changed_at DESC) AS h
  JOIN pg_class c ON c.oid = h.object
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = h.object AND a.attnum = h.attnum AND NOT a.attisdropped
  JOIN pg_seclabel l ON l.objoid = h.object AND l.classoid = 'pg_class'::regclass AND l.objsubid = h.attnum
                    AND l.provider = 'wal2lake' AND l.label = h.new_label
 WHERE h.name <> ARRAY[n.nspname, c.relname, a.attname]::text[])";

// One that has matched is not open; where that is gone it has to be declared anew.
constexpr const char* kDeclared = R"(
SELECT schema_name, table_name, column_name, label
  FROM wal2lake.declared
 WHERE matched_at IS NULL
 ORDER BY schema_name COLLATE "C", table_name COLLATE "C", column_name COLLATE "C")";

constexpr const char* kDeclaredVersions =
    "SELECT schema_name, table_name, version FROM wal2lake.declared_version";

constexpr const char* kWho = R"(
SELECT s.system_identifier, d.oid, d.datname, wal2lake.is_admin(),
       has_table_privilege('wal2lake.label_history', 'SELECT')
  FROM pg_control_system() AS s, pg_database AS d
 WHERE d.datname = current_database())";

template <typename Number>
Number NumberOf(const std::optional<std::string>& text)
{
    Number number = 0;
    if (text)
        std::from_chars(text->data(), text->data() + text->size(), number);
    return number;
}

std::string Text(const std::optional<std::string>& text)
{
    return text.value_or("");
}

// Tables while they are filled, by oid.
using ByOid = std::map<uint32_t, SchemaTable>;

SchemaColumn* FindColumn(ByOid* tables, const Row& row)
{
    const auto table = tables->find(NumberOf<uint32_t>(row[0]));
    if (table == tables->end())
        return nullptr;
    const int attnum = NumberOf<int>(row[1]);
    for (SchemaColumn& column : table->second.columns)
        if (column.attnum == attnum)
            return &column;
    return nullptr;
}

void TakeTables(const Rows& rows, ByOid* tables, Schema* schema)
{
    for (const Row& row : rows) {
        if (row[3] != "r" && row[3] != "p") {
            schema->views.push_back(ObjectName(Text(row[1]), Text(row[2])));
            continue;
        }
        SchemaTable& table = (*tables)[NumberOf<uint32_t>(row[0])];
        table.oid = NumberOf<uint32_t>(row[0]);
        table.schema = Text(row[1]);
        table.name = Text(row[2]);
        table.is_partitioned = row[3] == "p";
        table.is_partition = row[4] == "t";
        table.label = row[5];
        table.of_extension = row[6] == "t";
        table.state = Text(row[7]);
    }
}

void TakeColumns(const Rows& rows, ByOid* tables)
{
    // Oids from here on are of types that were created.
    constexpr uint32_t kFirstCreated = 16384;
    for (const Row& row : rows) {
        const auto table = tables->find(NumberOf<uint32_t>(row[0]));
        if (table == tables->end())
            continue;
        SchemaColumn& column = table->second.columns.emplace_back();
        column.attnum = NumberOf<int>(row[1]);
        column.name = Text(row[2]);
        column.type.name = Text(row[3]);
        column.type.is_enum = row[5] == "t";
        column.type.is_array = row[6] == "t";
        const auto base = NumberOf<uint32_t>(row[4]);
        column.type.base_oid = base < kFirstCreated && !column.type.is_array ? base : 0;
        column.is_key = row[7] == "t";
        column.label = row[8];
    }
}

void TakeRenames(const Rows& rows, ByOid* tables)
{
    for (const Row& row : rows) {
        SchemaColumn* column = FindColumn(tables, row);
        if (column == nullptr)
            continue;
        SchemaTable& table = tables->at(NumberOf<uint32_t>(row[0]));
        if (row[4] != column->name)
            column->labelled_as = row[4];
        if (row[2] != table.schema || row[3] != table.name)
            table.labelled_as = ObjectName(Text(row[2]), Text(row[3]));
    }
}

Error Failed(const PostgresSource& source)
{
    const SourceError& error = source.error();
    // No schema wal2lake, or one of an earlier version.
    if (error.sqlstate == "3F000" || error.sqlstate == "42883" || error.sqlstate == "42P01")
        return {ErrorKind::kPermanent,
                "database \"" + source.database() +
                    "\" has no extension wal2lake, or an older one; run CREATE EXTENSION"
                    " wal2lake, or ALTER EXTENSION wal2lake UPDATE"};
    return {ErrorKind::kPermanent, "the catalogs cannot be read: " + error.text};
}

bool ReadWho(PostgresSource* source, Catalog* catalog)
{
    Rows rows;
    if (!source->ReadRows(kWho, &rows) || rows.empty())
        return false;
    const Row& row = rows.front();
    catalog->system_id = NumberOf<uint64_t>(row[0]);
    catalog->database_oid = NumberOf<uint32_t>(row[1]);
    catalog->database = Text(row[2]);
    catalog->is_admin = row[3] == "t";
    catalog->knows_renames = row[4] == "t";
    return true;
}

bool ReadSchema(PostgresSource* source, bool with_renames, Schema* schema)
{
    Rows rows;
    ByOid tables;
    if (!source->ReadRows(kTables, &rows))
        return false;
    TakeTables(rows, &tables, schema);
    if (!source->ReadRows(kColumns, &rows))
        return false;
    TakeColumns(rows, &tables);
    if (!source->ReadRows(kGenerated, &rows))
        return false;
    for (const Row& row : rows)
        if (SchemaColumn* column = FindColumn(&tables, row))
            column->generated_from.push_back(Text(row[2]));
    if (!source->ReadRows(kReferences, &rows))
        return false;
    for (const Row& row : rows)
        if (SchemaColumn* column = FindColumn(&tables, row))
            column->references.push_back({Text(row[2]), Text(row[3]), Text(row[4])});
    if (with_renames) {
        if (!source->ReadRows(kRenamed, &rows))
            return false;
        TakeRenames(rows, &tables);
    }
    for (auto& [oid, table] : tables)
        schema->tables.push_back(std::move(table));
    schema->Sort();
    return true;
}

bool ReadDeclared(PostgresSource* source, Catalog* catalog)
{
    Rows rows;
    if (!source->ReadRows(kDeclared, &rows))
        return false;
    for (const Row& row : rows)
        catalog->declared.push_back({Text(row[0]), Text(row[1]), Text(row[2]), Text(row[3])});
    if (!source->ReadRows(kDeclaredVersions, &rows))
        return false;
    for (const Row& row : rows)
        catalog->declared_versions[{Text(row[0]), Text(row[1])}] = NumberOf<uint64_t>(row[2]);
    return true;
}

} // namespace

ColumnLabels Catalog::DeclaredFor(const std::string& in_schema, const std::string& table) const
{
    ColumnLabels labels;
    for (auto each = std::lower_bound(declared.begin(), declared.end(), Declared{in_schema, table, "", ""});
         each != declared.end() && each->schema == in_schema && each->table == table; ++each)
        labels.emplace(each->column, each->label);
    return labels;
}

uint64_t Catalog::DeclaredVersion(const std::string& in_schema, const std::string& table) const
{
    const auto found = declared_versions.find({in_schema, table});
    return found == declared_versions.end() ? 0 : found->second;
}

Result<Catalog> ReadCatalog(PostgresSource* source)
{
    Catalog catalog;
    Rows none;
    if (!source->ReadRows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", &none) ||
        !ReadWho(source, &catalog) || !ReadSchema(source, catalog.knows_renames, &catalog.schema) ||
        !ReadDeclared(source, &catalog)) {
        Error error = Failed(*source);
        source->ReadRows("ROLLBACK", &none);
        return error;
    }
    if (!source->ReadRows("COMMIT", &none))
        return Failed(*source);
    return catalog;
}

} // namespace wal2lake
