// What has to change in a database so that its labels are those of a policy. Pure:
// compares a Policy with a Catalog; plan_text.h shows it, plan_file.h keeps it,
// apply.h carries it out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policy_code/catalog.h"
#include "policy_code/document.h"
#include "policy_code/label_text.h"

namespace wal2lake
{

// What becomes of the values of a column, most dangerous first.
enum class Effect {
    // In clear, and was not.
    kNewlyClear,
    // As a token, and was withheld.
    kNewlyHashed,
    // Still a token, but another one: what was joined with it is no more.
    kOtherTokens,
    // Withheld or hashed, and was not.
    kCloses,
    // The same comes out: class, or words of the label.
    kSame,
};

struct PlannedColumn {
    int attnum = 0;
    std::string name;
    std::string type;
    std::optional<std::string> old_label;
    // Absent where the label stays: the table's alone changes what comes out.
    std::optional<std::string> new_label;
    w2l_action old_action = W2L_ACTION_DROP;
    w2l_action new_action = W2L_ACTION_DROP;
    Effect effect = Effect::kSame;
    std::optional<std::string> labelled_as;
    Place place;
};

struct PlannedTable {
    uint32_t oid = 0;
    std::string schema;
    std::string name;
    // wal2lake.policy_state() that the plan was made for.
    std::string state;
    std::optional<std::string> old_label;
    // Absent: stays. Empty: is removed.
    std::optional<std::string> new_label;
    std::optional<std::string> labelled_as;
    // Columns whose label changes, or what comes out.
    std::vector<PlannedColumn> columns;
};

// What is to be declared for one table, in place of what is declared now.
struct PlannedDeclarations {
    std::string schema;
    std::string table;
    // By name; "" is the table itself.
    ColumnLabels wanted;
    // What was declared for it when the plan was made, and how often that had been changed.
    ColumnLabels standing;
    uint64_t version = 0;

    // How much of it is new, and how much of what was there goes.
    size_t added() const;
    size_t removed() const;
};

struct Plan {
    uint64_t system_id = 0;
    uint32_t database_oid = 0;
    std::string database;
    bool knows_renames = false;
    std::vector<PlannedTable> tables;
    std::vector<PlannedDeclarations> declarations;
    // What the policy does not decide, and so stays: columns with a TODO or without an entry, tables
    // without a document, counted.
    size_t undecided_columns = 0;
    size_t tables_without_document = 0;

    bool empty() const { return tables.empty() && declarations.empty(); }
};

// `findings` gets what makes a plan impossible: labels that the server would refuse, documents of partitions.
Plan MakePlan(const Policy& policy, const Catalog& catalog, std::vector<PolicyFinding>* findings);

} // namespace wal2lake
