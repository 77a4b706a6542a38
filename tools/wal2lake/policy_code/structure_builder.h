// Puts together what the statements of a structure.sql said one after the other, and
// draws what follows once all are known: whose key a column is in, what it references.
// For structure.cpp, which reads the statements; knows nothing of SQL's text.
#pragma once

#include <compare>
#include <map>
#include <set>
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

// The schema of temporary tables and views, as far as a script can name it.
inline constexpr const char* kTemporarySchema = "pg_temp";

// A table as far as it has been told.
struct BuiltTable {
    SchemaTable table;
    // Those it inherits from, or the one that it is a partition of.
    std::vector<SqlName> parents;
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

    SqlName name() const { return {table.schema, table.name}; }
    SchemaColumn* Find(const std::string& column);
    // Gives it the next attnum. One that is there already, as inherited ones may be, keeps that; it is
    // then generated from what either definition says.
    SchemaColumn* Add(SchemaColumn column);
    void Drop(const std::string& column);
    void DropConstraint(const std::string& name);
    // `name` may be empty.
    void AddUnique(const std::string& name, const std::vector<std::string>& keys);
    void SetParent(const SqlName& parent, bool is_one);
};

class StructureBuilder
{
  public:
    // Where names without a schema lead to: to the first that has them.
    void SetSearchPath(std::vector<std::string> schemas);
    void SearchFirst(const std::string& schema) { search_path_.insert(search_path_.begin(), schema); }
    const std::vector<std::string>& search_path() const { return search_path_; }
    // `schema` may be empty. A temporary one hides others of its name.
    SqlName TableName(const std::string& schema, const std::string& name) const;
    SqlName NewName(const std::string& schema, const std::string& name) const;

    void AddEnum(const SqlName& name);
    void AddDomain(const SqlName& name, const SchemaType& base);
    // A type by its name's parts and its modifiers, as they are written.
    SchemaType TypeOf(const std::vector<std::string>& names, const std::vector<std::string>& modifiers,
                      bool is_array) const;

    // nullptr where there is one of that name, or it is temporary.
    BuiltTable* AddTable(const SqlName& name, size_t line);
    // nullptr where there is none: a view, a temporary table, or one that could not be read.
    BuiltTable* FindTable(const SqlName& name);
    void DropTable(const SqlName& name);
    void RenameTable(const SqlName& from, const SqlName& to);
    void RenameColumn(const SqlName& name, const std::string& from, const std::string& to);
    // Columns of another table as those of an heir. False where there is no such table.
    bool CopyColumns(const SqlName& from, bool generated, BuiltTable* to);
    // For a column that was added to a table, or given another type: its heirs have it, too.
    void PassToHeirs(const SqlName& name, const std::string& column);

    void SetPartition(const SqlName& name, const SqlName& of, bool is_one);

    void AddView(const SqlName& name);
    void DropView(const SqlName& name);

    // The whole. What does not fit together goes to `findings`, in the name of `file`.
    Schema Build(const std::string& file, std::vector<PolicyFinding>* findings);

  private:
    const SchemaType* FindType(const std::string& schema, const std::string& name) const;
    // Those of any generation: partitions, and tables that inherit.
    std::vector<BuiltTable*> HeirsOf(const SqlName& name);
    void RenameColumnOfOne(const SqlName& name, const std::string& from, const std::string& to);
    BuiltTable* RootOf(BuiltTable* table);
    void PassGeneratedToRoots(const BuiltTable& partition);
    void MarkKeys(const std::string& file, BuiltTable* table, std::vector<PolicyFinding>* findings);
    void AddReferences(BuiltTable* table);

    std::vector<std::string> search_path_ = {"public"};
    // Enums and domains.
    std::map<SqlName, SchemaType> types_;
    std::map<SqlName, BuiltTable> tables_;
    // Tables and views of the session.
    std::set<std::string> temporary_;
    std::vector<std::string> views_;
};

} // namespace wal2lake
