#include "policy_code/apply.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <thread>

#include "list_text.h"
#include "progress.h"

namespace wal2lake
{
namespace
{

using Rows = std::vector<PostgresSource::Row>;

constexpr const char* kInsufficientPrivilege = "42501";
constexpr const char* kHasMoved = "55000";
constexpr std::chrono::seconds kLongestPause{10};
// Tables that a line about locks names.
constexpr size_t kNamed = 3;

enum class TableState { kAsPlannedFor, kDone, kMoved };

std::string NameOfTable(const PlannedTable& table)
{
    return ObjectName(table.schema, table.name);
}

std::string DeclaredFor(const PlannedDeclarations& table)
{
    return "what is declared for " + ObjectName(table.schema, table.table);
}

std::vector<std::string> Names(const std::deque<const PlannedTable*>& tables)
{
    std::vector<std::string> names;
    names.reserve(tables.size());
    for (const PlannedTable* table : tables)
        names.push_back(NameOfTable(*table));
    return names;
}

bool HasLabels(const SchemaTable& now, const PlannedTable& planned)
{
    if (planned.new_label && now.label.value_or("") != *planned.new_label)
        return false;
    for (const PlannedColumn& column : planned.columns) {
        const SchemaColumn* found = now.Find(column.name);
        if (found == nullptr || found->attnum != column.attnum ||
            found->label != (column.new_label ? column.new_label : column.old_label))
            return false;
    }
    return true;
}

TableState StateOf(const Schema& schema, const PlannedTable& planned)
{
    const SchemaTable* now = schema.Find(planned.schema, planned.name);
    if (now == nullptr || now->oid != planned.oid)
        return TableState::kMoved;
    if (now->state == planned.state)
        return TableState::kAsPlannedFor;
    return HasLabels(*now, planned) ? TableState::kDone : TableState::kMoved;
}

// Whether what is wanted is open, or there.
bool IsDeclared(const ColumnLabels& open, const ColumnLabels& wanted, const SchemaTable* table)
{
    for (const auto& [column, label] : open)
        if (const auto found = wanted.find(column); found == wanted.end() || found->second != label)
            return false;
    return std::all_of(wanted.begin(), wanted.end(), [&](const auto& each) {
        const std::string& column = each.first;
        return open.contains(column) ||
               (table != nullptr && (column.empty() || table->Find(column) != nullptr));
    });
}

TableState StateOf(const Catalog& catalog, const PlannedDeclarations& planned)
{
    if (IsDeclared(catalog.DeclaredFor(planned.schema, planned.table), planned.wanted,
                   catalog.schema.Find(planned.schema, planned.table)))
        return TableState::kDone;
    return catalog.DeclaredVersion(planned.schema, planned.table) == planned.version
               ? TableState::kAsPlannedFor
               : TableState::kMoved;
}

std::string ArrayOf(const std::vector<std::string>& items, const char* type)
{
    std::string text = "ARRAY[";
    for (const std::string& item : items)
        text += (text.back() == '[' ? "" : ", ") + PostgresSource::Literal(item);
    return text + "]::" + type + "[]";
}

std::string SetLabels(const PlannedTable& table)
{
    std::vector<std::string> columns, labels;
    for (const PlannedColumn& column : table.columns)
        if (column.new_label) {
            columns.push_back(column.name);
            labels.push_back(*column.new_label);
        }
    return "SELECT wal2lake.set_labels(" + std::to_string(table.oid) + "::oid::regclass, " +
           PostgresSource::Literal(table.state) + ", " +
           (table.new_label ? PostgresSource::Literal(*table.new_label) : "NULL") + ", " +
           ArrayOf(columns, "name") + ", " + ArrayOf(labels, "text") + ")";
}

std::string DeclareStatement(const PlannedDeclarations& table)
{
    std::vector<std::string> columns, labels;
    for (const auto& [column, label] : table.wanted) {
        columns.push_back(column);
        labels.push_back(label);
    }
    return "SELECT wal2lake.declare(" + PostgresSource::Literal(table.schema) + ", " +
           PostgresSource::Literal(table.table) + ", " + ArrayOf(columns, "name") + ", " +
           ArrayOf(labels, "text") + ")";
}

// The same as statements that anyone who owns the table may try.
std::vector<std::string> Statements(const PlannedTable& table)
{
    const std::string name =
        PostgresSource::Identifier(table.schema) + "." + PostgresSource::Identifier(table.name);
    std::vector<std::string> statements;
    for (const PlannedColumn& column : table.columns)
        if (column.new_label)
            statements.push_back("SECURITY LABEL FOR wal2lake ON COLUMN " + name + "." +
                                 PostgresSource::Identifier(column.name) + " IS " +
                                 PostgresSource::Literal(*column.new_label));
    if (table.new_label)
        statements.push_back("SECURITY LABEL FOR wal2lake ON TABLE " + name + " IS " +
                             (table.new_label->empty() ? "NULL" : PostgresSource::Literal(*table.new_label)));
    return statements;
}

class Applier
{
  public:
    Applier(const ApplyOptions& options, PostgresSource* source) : options_(options), source_(source) {}

    bool Begin()
    {
        // What a label becomes on a type the plan has said.
        if (!Run("SET client_min_messages = warning") ||
            !Run("SET default_transaction_isolation = 'read committed'") ||
            !Run("SET lock_timeout = " + std::to_string(options_.lock_timeout_ms)))
            return false;
        Rows rows;
        if (!source_->ReadRows(
                "SELECT wal2lake.is_admin() AND has_function_privilege('wal2lake.set_labels(regclass,"
                " text, text, name[], text[])', 'EXECUTE')",
                &rows))
            return false;
        as_admin_ = rows.at(0).at(0) == "t";
        return true;
    }

    // Goes round: who was locked out waits until the others are done.
    void Label(const std::vector<const PlannedTable*>& tables, const std::string& database)
    {
        std::deque<const PlannedTable*> waiting(tables.begin(), tables.end());
        Progress progress(database, "tables labelled", tables.size());
        for (uint64_t round = 0; !waiting.empty() && round <= options_.retries; round++) {
            if (round > 0) {
                const auto pause = std::min(std::chrono::seconds(round), kLongestPause);
                progress.Say("others hold a lock on " + ListText(Names(waiting), kNamed) + "; once more in " +
                             std::to_string(pause.count()) + " s (" + std::to_string(round) + " of " +
                             std::to_string(options_.retries) + ")");
                std::this_thread::sleep_for(pause);
            }
            for (size_t left = waiting.size(); left > 0; left--) {
                const PlannedTable* table = waiting.front();
                waiting.pop_front();
                const bool ended = as_admin_ ? LabelAsAdmin(*table) : LabelAsOwner(*table);
                if (!source_->connected())
                    return;
                if (ended)
                    progress.Count();
                else
                    waiting.push_back(table);
            }
        }
        outcome_.locked = Names(waiting);
    }

    void Declare(const std::vector<const PlannedDeclarations*>& tables)
    {
        for (const PlannedDeclarations* table : tables) {
            if (!source_->connected())
                return;
            if (DeclareAsPlanned(*table))
                continue;
            const std::string statement = DeclareStatement(*table);
            if (source_->error().sqlstate == kInsufficientPrivilege)
                outcome_.refused.push_back(statement + ";");
            else
                Fail(ObjectName(table->schema, table->table));
            if (source_->connected())
                Run("ROLLBACK");
        }
    }

    ApplyOutcome& outcome() { return outcome_; }

  private:
    bool Run(const std::string& statement)
    {
        Rows none;
        return source_->ReadRows(statement, &none);
    }

    // The lock was not to be had in time, or only by making another transaction fail.
    bool IsLockedOut() const
    {
        const std::string& state = source_->error().sqlstate;
        return state == "55P03" || state == "40P01";
    }

    void Fail(const std::string& object) { outcome_.failed.push_back(object + ": " + source_->error().text); }

    // False where it is to be tried again.
    bool LabelAsAdmin(const PlannedTable& table)
    {
        if (Run(SetLabels(table)))
            outcome_.done++;
        else if (IsLockedOut())
            return false;
        else if (source_->error().sqlstate == kHasMoved)
            outcome_.moved.push_back(NameOfTable(table));
        else
            Fail(NameOfTable(table));
        return true;
    }

    bool LabelAsOwner(const PlannedTable& table)
    {
        const std::string name =
            PostgresSource::Identifier(table.schema) + "." + PostgresSource::Identifier(table.name);
        if (!Run("BEGIN") || !Run("LOCK TABLE ONLY " + name + " IN SHARE UPDATE EXCLUSIVE MODE"))
            return EndWithout(table);
        Rows rows;
        if (!source_->ReadRows(
                "SELECT wal2lake.policy_state(" + std::to_string(table.oid) + "::oid::regclass)", &rows))
            return EndWithout(table);
        if (rows.at(0).at(0) != table.state) {
            Run("ROLLBACK");
            outcome_.moved.push_back(NameOfTable(table));
            return true;
        }
        std::vector<std::string> refused;
        for (const std::string& statement : Statements(table)) {
            if (!Run("SAVEPOINT label"))
                return EndWithout(table);
            if (Run(statement))
                continue;
            if (source_->error().sqlstate != kInsufficientPrivilege)
                return EndWithout(table);
            refused.push_back(statement + ";");
            if (!Run("ROLLBACK TO SAVEPOINT label"))
                return EndWithout(table);
        }
        if (!Run("COMMIT"))
            return EndWithout(table);
        outcome_.done += refused.empty() ? 1 : 0;
        outcome_.refused.insert(outcome_.refused.end(), refused.begin(), refused.end());
        return true;
    }

    // What was declared is compared once it is replaced and nobody else can replace it: the tables before may
    // have taken long. False where a statement failed.
    bool DeclareAsPlanned(const PlannedDeclarations& table)
    {
        Rows rows;
        if (!Run("BEGIN") || !Run(DeclareStatement(table)) ||
            !source_->ReadRows("SELECT FROM wal2lake.declared_version WHERE schema_name = " +
                                   PostgresSource::Literal(table.schema) +
                                   " AND table_name = " + PostgresSource::Literal(table.table) +
                                   " AND version > " + std::to_string(table.version + 1),
                               &rows))
            return false;
        if (!rows.empty()) {
            outcome_.moved.push_back(DeclaredFor(table));
            return Run("ROLLBACK");
        }
        if (!Run("COMMIT"))
            return false;
        outcome_.declared++;
        return true;
    }

    // The transaction of a table that failed as a whole. False where it is to be tried again.
    bool EndWithout(const PlannedTable& table)
    {
        const bool again = IsLockedOut();
        if (source_->error().sqlstate == kInsufficientPrivilege)
            for (const std::string& statement : Statements(table))
                outcome_.refused.push_back(statement + ";");
        else if (!again)
            Fail(NameOfTable(table));
        if (source_->connected())
            Run("ROLLBACK");
        return !again;
    }

    const ApplyOptions& options_;
    PostgresSource* source_;
    bool as_admin_ = false;
    ApplyOutcome outcome_;
};

} // namespace

Result<ApplyOutcome> ApplyPlan(const Plan& plan, const ApplyOptions& options, PostgresSource* source)
{
    auto catalog = ReadCatalog(source);
    if (!catalog.ok())
        return catalog.error();
    if (catalog.value().system_id != plan.system_id || catalog.value().database_oid != plan.database_oid)
        return Error{ErrorKind::kInvalid, "the plan was made for database \"" + plan.database +
                                              "\" of another server, or for another database; make one here"};
    Applier applier(options, source);
    ApplyOutcome& outcome = applier.outcome();
    std::vector<const PlannedTable*> tables;
    for (const PlannedTable& table : plan.tables) {
        const TableState state = StateOf(catalog.value().schema, table);
        if (state == TableState::kAsPlannedFor)
            tables.push_back(&table);
        else if (state == TableState::kDone)
            outcome.done_before++;
        else
            outcome.moved.push_back(NameOfTable(table));
    }
    std::vector<const PlannedDeclarations*> declarations;
    for (const PlannedDeclarations& table : plan.declarations) {
        const TableState state = StateOf(catalog.value(), table);
        if (state == TableState::kAsPlannedFor)
            declarations.push_back(&table);
        else if (state == TableState::kMoved)
            outcome.moved.push_back(DeclaredFor(table));
    }
    if (!outcome.moved.empty())
        return outcome;
    if (!applier.Begin())
        return Error{ErrorKind::kPermanent, source->error().text};
    applier.Label(tables, plan.database);
    applier.Declare(declarations);
    if (!source->connected())
        outcome.failed.push_back("the connection is lost: " + source->error().text);
    return outcome;
}

} // namespace wal2lake
