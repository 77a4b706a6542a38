#include "policy_code/plan.h"

#include <algorithm>
#include <map>
#include <set>

#include "policy_code/codes.h"

namespace wal2lake
{
namespace
{

constexpr const char* kExclude = "exclude";

// What a column of a table comes out as, before or after.
struct Outcome {
    w2l_action action = W2L_ACTION_DROP;
    std::string domain;
};

// A table none of whose columns is labelled is not sent at all.
Outcome OutcomeOfColumn(const SchemaTable& table, const SchemaColumn& column,
                        const std::optional<std::string>& label, bool emitted)
{
    if (!emitted)
        return {};
    const LabelFacts facts = label ? FactsOfLabel(*label, &column.type) : FactsOfUnlabelled(column);
    Outcome outcome{facts.action, facts.domain};
    if (outcome.action == W2L_ACTION_HASH && outcome.domain.empty())
        outcome.domain = DefaultDomain(table.schema, table.name, column.name);
    return outcome;
}

Effect EffectOf(const Outcome& before, const Outcome& after)
{
    if (after.action == before.action) {
        const bool other = after.action == W2L_ACTION_HASH && after.domain != before.domain;
        return other ? Effect::kOtherTokens : Effect::kSame;
    }
    if (after.action > before.action)
        return Effect::kCloses;
    return after.action == W2L_ACTION_CLEAR ? Effect::kNewlyClear : Effect::kNewlyHashed;
}

// The label that a column will have.
std::optional<std::string> LabelAfter(const SchemaColumn& column, const ColumnEntry* entry)
{
    if (entry == nullptr || entry->label.empty())
        return column.label;
    return entry->label;
}

bool IsEmitted(bool excluded, const std::vector<std::optional<std::string>>& labels)
{
    return !excluded &&
           std::any_of(labels.begin(), labels.end(), [](const auto& label) { return label.has_value(); });
}

class Planner
{
  public:
    Planner(const Policy& policy, const Catalog& catalog, std::vector<PolicyFinding>* findings)
        : policy_(policy), catalog_(catalog), findings_(findings)
    {
    }

    Plan Make()
    {
        plan_.system_id = catalog_.system_id;
        plan_.database_oid = catalog_.database_oid;
        plan_.database = catalog_.database;
        plan_.knows_renames = catalog_.knows_renames;
        for (const SchemaTable& table : catalog_.schema.tables)
            if (!table.is_partition && policy_.Find(table.schema, table.name) == nullptr &&
                !table.of_extension)
                plan_.tables_without_document++;
        std::set<std::pair<std::string, std::string>> seen;
        for (const TableEntry& entry : policy_.tables) {
            seen.emplace(entry.schema, entry.table);
            PlanTable(entry);
        }
        // Declared by a policy that had a document of the table.
        for (const Declared& declared : catalog_.declared)
            if (seen.emplace(declared.schema, declared.table).second)
                Declare(declared.schema, declared.table, {});
        return std::move(plan_);
    }

  private:
    void Refuse(const Place& place, std::string object, const char* code, std::string text, std::string fix)
    {
        findings_->push_back(MakeFinding(code, place, std::move(object), std::move(text), std::move(fix)));
    }

    // False where the server would refuse the label.
    bool IsLegal(const TableEntry& table, const ColumnEntry& column, const SchemaType* type)
    {
        const LabelFacts facts = FactsOfLabel(column.label, type);
        if (facts.wrong.empty())
            return true;
        const bool odd = !FactsOfLabel(column.label, nullptr).wrong.empty();
        Refuse(column.place, ObjectName(table.schema, table.table, column.name),
               odd ? "odd-label" : "impossible-action", facts.wrong, facts.fix);
        return false;
    }

    void PlanTable(const TableEntry& entry)
    {
        const SchemaTable* table = catalog_.schema.Find(entry.schema, entry.table);
        ColumnLabels ahead;
        if (table != nullptr && table->is_partition) {
            Refuse(entry.place, ObjectName(entry.schema, entry.table), "not-a-root",
                   "is a partition, whose root's policy holds",
                   "delete the document; a partition follows its root");
            return;
        }
        if (table == nullptr && !entry.label.empty())
            ahead.emplace("", entry.label);
        for (const ColumnEntry& column : entry.columns)
            if (table == nullptr || table->Find(column.name) == nullptr)
                if (!column.label.empty() && IsLegal(entry, column, nullptr))
                    ahead.emplace(column.name, column.label);
        Declare(entry.schema, entry.table, ahead);
        if (table != nullptr)
            Compare(entry, *table);
    }

    void Compare(const TableEntry& entry, const SchemaTable& table)
    {
        PlannedTable planned{table.oid,   table.schema, table.name,        table.state,
                             table.label, {},           table.labelled_as, {}};
        const bool was_excluded = table.label == kExclude;
        const bool is_excluded = entry.label == kExclude;
        if (was_excluded != is_excluded)
            planned.new_label = is_excluded ? kExclude : "";
        std::vector<std::optional<std::string>> before, after;
        for (const SchemaColumn& column : table.columns) {
            before.push_back(column.label);
            after.push_back(LabelAfter(column, entry.Find(column.name)));
        }
        const bool was_emitted = IsEmitted(was_excluded, before);
        const bool is_emitted = IsEmitted(is_excluded, after);
        for (size_t i = 0; i < table.columns.size(); i++) {
            const SchemaColumn& column = table.columns[i];
            const ColumnEntry* decided = entry.Find(column.name);
            if (!is_excluded && (decided == nullptr || decided->label.empty()))
                plan_.undecided_columns++;
            if (decided != nullptr && !decided->label.empty() && !IsLegal(entry, *decided, &column.type))
                continue;
            const Outcome old_outcome = OutcomeOfColumn(table, column, before[i], was_emitted);
            const Outcome new_outcome = OutcomeOfColumn(table, column, after[i], is_emitted);
            const Effect effect = EffectOf(old_outcome, new_outcome);
            const bool relabels = before[i] != after[i];
            if (!relabels && effect == Effect::kSame)
                continue;
            planned.columns.push_back({column.attnum, column.name, column.type.name, before[i],
                                       relabels ? after[i] : std::nullopt, old_outcome.action,
                                       new_outcome.action, effect, column.labelled_as,
                                       decided == nullptr ? entry.place : decided->place});
        }
        if (planned.new_label || !planned.columns.empty())
            plan_.tables.push_back(std::move(planned));
    }

    // Plans declarations where they are others than those that stand.
    void Declare(const std::string& schema, const std::string& table, const ColumnLabels& wanted)
    {
        const ColumnLabels standing = catalog_.DeclaredFor(schema, table);
        if (standing != wanted)
            plan_.declarations.push_back(
                {schema, table, wanted, standing, catalog_.DeclaredVersion(schema, table)});
    }

    const Policy& policy_;
    const Catalog& catalog_;
    std::vector<PolicyFinding>* findings_;
    Plan plan_;
};

} // namespace

size_t PlannedDeclarations::added() const
{
    return static_cast<size_t>(std::count_if(wanted.begin(), wanted.end(), [&](const auto& each) {
        const auto before = standing.find(each.first);
        return before == standing.end() || before->second != each.second;
    }));
}

size_t PlannedDeclarations::removed() const
{
    return static_cast<size_t>(std::count_if(standing.begin(), standing.end(),
                                             [&](const auto& each) { return !wanted.contains(each.first); }));
}

Plan MakePlan(const Policy& policy, const Catalog& catalog, std::vector<PolicyFinding>* findings)
{
    return Planner(policy, catalog, findings).Make();
}

} // namespace wal2lake
