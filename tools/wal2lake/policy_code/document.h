// A policy as code: a folder with one YAML document for each table (docs/policy.md).
//
//   schema: public
//   table: users
//   columns:
//     id: green
//     email: red hash domain=email
//     theme: TODO
//     token_expires_at: {label: green, reviewed: "a time, not the token"}
//
// and, in its top folder, rules.yml with labels for columns by pattern. The only part
// that knows YAML. Labels are kept as written; whether they are legal is check.h's.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy_code/finding.h"
#include "result.h"

namespace wal2lake
{

struct ColumnEntry {
    std::string name;
    // Empty where the document says TODO: nobody has decided yet.
    std::string label;
    // Why a label that looks wrong is right, in the words of who looked; empty: nobody did.
    std::string reviewed;
    Place place;
};

struct TableEntry {
    std::string schema = "public";
    std::string table;
    // "exclude", or empty.
    std::string label;
    std::vector<ColumnEntry> columns;
    // Of the line that names the table.
    Place place;

    const ColumnEntry* Find(std::string_view column) const;
};

// A pattern and the label for the columns that it matches: rules.yml, in order. A glob of
// fnmatch(3) for the column's name; with a dot, or two, one each for table and column, or for
// schema, table and column. A dot within a name is `\.` or `[.]`.
struct Rule {
    std::string pattern;
    // Empty where the file says TODO: later rules are not asked.
    std::string label;
    Place place;
};

struct Policy {
    // By schema and name; each once.
    std::vector<TableEntry> tables;
    std::vector<Rule> rules;
    // What could not be read, or was there twice; what is read is without it.
    std::vector<PolicyFinding> findings;

    // nullptr where there is none of that name.
    const TableEntry* Find(std::string_view schema, std::string_view table) const;
    const ColumnEntry* Find(std::string_view schema, std::string_view table, std::string_view column) const;
};

// The text of each document by its path below the folder, as read from a disk or from a
// revision (revision.h).
using Documents = std::map<std::string, std::string>;

// True for *.yml and *.yaml in a path below the folder, unless a part of it is hidden (`.git`).
bool IsDocument(std::string_view path);

// Every document below the folder, whatever its sub-folders are called; links to folders are
// not followed. Of a file that is too large only what is needed to refuse it. kNotFound or
// kPermanent with a sentence where the folder or a file cannot be read.
Result<Documents> ReadDocuments(const std::string& folder);

// Files are named `folder` + "/" + path in all places. Never fails: what is wrong is a finding
// (codes unreadable, duplicate, unknown-key), in order of places.
Policy ParsePolicy(const std::string& folder, const Documents& documents);

// The label of the first rule that matches, empty for TODO; nullopt where none does.
std::optional<std::string> LabelByRule(const std::vector<Rule>& rules, std::string_view schema,
                                       std::string_view table, std::string_view column);

// Where the document of a table goes: schema/table.yml, with what is neither a-z, 0-9, `_` nor `-`
// as %XX, so that names which differ in case alone do not meet on a disk that does not tell them apart.
std::string DocumentPath(std::string_view schema, std::string_view table);

// A line to write for a column: label (empty: TODO) and a comment (empty: none).
struct NewColumn {
    std::string name;
    std::string label;
    std::string comment;
};

// A new document. `label` is "exclude" or empty; `description` goes into a comment at the head. The same
// input makes the same bytes.
std::string FormatDocument(const std::string& schema, const std::string& table, const std::string& label,
                           const std::vector<NewColumn>& columns, const std::string& description = "");

// The document with lines added for new columns, behind those that it has, and other labels for some
// that it has (by name, empty: TODO); all else, comments too, stays byte by byte. `text` must be one that
// ParsePolicy() reads. kInvalid with a sentence where it is written in a way that cannot be added to, such
// as all columns on one line.
Result<std::string> EditDocument(const std::string& text, const std::vector<NewColumn>& added,
                                 const std::map<std::string, std::string>& changed);

// A table's dictionary of GitLab's kind (db/docs, db/siphon/tables): what it says of use to a policy.
struct Dictionary {
    std::string schema = "public";
    std::string table;
    std::string description;
    // Not replicated today, so not to be sent in clear without a thought.
    std::vector<std::string> ignored_columns;
    Place place;
};

// Reads `table_name` (or `table`, or the name of the file), `schema_name` or `schema`, `description` and
// `ignored_columns` of each document, and passes over all other keys. What cannot be read goes to `findings`.
std::vector<Dictionary> ParseDictionaries(const std::string& folder, const Documents& documents,
                                          std::vector<PolicyFinding>* findings);

} // namespace wal2lake
