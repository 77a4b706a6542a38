// Puts together what the statements of a structure.sql said one after the other, and
// draws what follows once all are known: whose key a column is in, what it references.
// For structure.cpp, which reads the statements; knows nothing of SQL's text.
#pragma once

#include <compare>
#include <map>
#include <string>
#include <vector>

#include "policy_code/finding.h"
#include "policy_code/schema.h"

namespace wal2lake
{

// Of a table or a type.
struct SqlName {
    std::string schema;
    std::string name;

    auto operator<=>(const SqlName&) const = default;
};

struct ForeignKey {
    std::string constraint;
    std::vector<std::string> columns;
    SqlName table;
    // Empty: the primary key.
    std::vector<std::string> their_columns;
};

// A table as far as it has been told.
struct BuiltTable {
    SchemaTable table;
    int last_attnum = 0;
    std::string primary_constraint;
    std::vector<std::string> primary_key;
    // Where the primary key was made of an index.
    std::string primary_index;
    // The index that is the replica identity, and the line that says so.
    std::string identity_index;
    size_t identity_line = 0;
    // Columns of unique indexes and constraints by their names.
    std::map<std::string, std::vector<std::string>> unique;
    std::vector<ForeignKey> foreign_keys;

    SchemaColumn* Find(const std::string& column);
    // Gives it the next attnum; one that is there already, as inherited ones may be, stays.
    SchemaColumn* Add(SchemaColumn column);
    void Drop(const std::string& column);
    void DropConstraint(const std::string& name);
};

class StructureBuilder
{
  public:
    // Where names without a schema lead to: to the first that has them.
    void SetSearchPath(std::vector<std::string> schemas) { search_path_ = std::move(schemas); }
    // `schema` may be empty.
    SqlName TableName(const std::string& schema, const std::string& name) const;
    SqlName NewName(const std::string& schema, const std::string& name) const;

    void AddEnum(const SqlName& name);
    void AddDomain(const SqlName& name, const SchemaType& base);
    // A type by its name's parts and its modifiers, as they are written.
    SchemaType TypeOf(const std::vector<std::string>& names, const std::vector<std::string>& modifiers,
                      bool is_array) const;

    // nullptr where there is one of that name.
    BuiltTable* AddTable(const SqlName& name, size_t line);
    // nullptr where there is none: a view, a temporary table, or one that could not be read.
    BuiltTable* FindTable(const SqlName& name);
    void DropTable(const SqlName& name) { tables_.erase(name); }
    void RenameTable(const SqlName& from, const SqlName& to);
    void RenameColumn(const SqlName& name, const std::string& from, const std::string& to);
    // Columns of another table as those of an heir. False where there is no such table.
    bool CopyColumns(const SqlName& from, bool generated, BuiltTable* to);

    void AddView(const SqlName& name);
    void DropView(const SqlName& name);

    // The whole. What does not fit together goes to `findings`, in the name of `file`.
    Schema Build(const std::string& file, std::vector<PolicyFinding>* findings);

  private:
    const SchemaType* FindType(const std::string& schema, const std::string& name) const;
    void MarkKeys(const std::string& file, BuiltTable* table, std::vector<PolicyFinding>* findings);
    void AddReferences(BuiltTable* table);

    std::vector<std::string> search_path_ = {"public"};
    // Enums and domains.
    std::map<SqlName, SchemaType> types_;
    std::map<SqlName, BuiltTable> tables_;
    std::vector<std::string> views_;
};

} // namespace wal2lake
