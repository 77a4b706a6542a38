// The schema and the labels of a database, as its catalogs have them.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "policy_code/schema.h"
#include "result.h"
#include "source_postgres.h"

namespace wal2lake
{

// A label for what does not exist yet: a row of wal2lake.declared that is still open.
struct Declared {
    std::string schema;
    std::string table;
    // Empty: the table itself.
    std::string column;
    std::string label;

    auto operator<=>(const Declared&) const = default;
};

// Labels by column.
using ColumnLabels = std::map<std::string, std::string>;

struct Catalog {
    Schema schema;
    // By name.
    std::vector<Declared> declared;
    // How often what is declared for a table was changed, by schema and table; where never, nothing.
    std::map<std::pair<std::string, std::string>, uint64_t> declared_versions;
    // Whether the role may do all, or only what the owner of a table may.
    bool is_admin = false;
    // False where the role may not read wal2lake.label_history: then nobody knows what was renamed.
    bool knows_renames = false;
    // Which database this is.
    uint64_t system_id = 0;
    uint32_t database_oid = 0;
    std::string database;

    // What is declared for one table.
    ColumnLabels DeclaredFor(const std::string& in_schema, const std::string& table) const;
    uint64_t DeclaredVersion(const std::string& in_schema, const std::string& table) const;
};

// Reads all of it in one transaction that sees one state. kPermanent with a sentence.
Result<Catalog> ReadCatalog(PostgresSource* source);

} // namespace wal2lake
