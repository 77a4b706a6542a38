#include "policy_code/suggest.h"

#include <algorithm>
#include <set>

#include "policy_code/label_text.h"
#include "policy_code/lexicon.h"

namespace wal2lake
{
namespace
{

struct Cell {
    const SchemaTable* table = nullptr;
    const SchemaColumn* column = nullptr;
    // Columns whose values these are, by foreign keys or by name.
    std::vector<const Cell*> references;
    // One that is not there, such as of a table that the file does not have.
    const Reference* lost = nullptr;
    std::vector<const Cell*> generated_from;
    Suggestion suggestion;
    // A decision, a rule, or what a rule fails on: no guess changes it.
    bool settled = false;

    bool known() const { return settled || !suggestion.label.empty(); }
    std::string Name() const { return ObjectName(table->schema, table->name, column->name); }
    LabelFacts facts() const { return FactsOfLabel(suggestion.label, &column->type); }
};

std::string LabelOf(w2l_class data_class, w2l_action action, const std::string& domain = "")
{
    std::string name = w2l_class_name(data_class);
    if (action == W2L_ACTION_CLEAR)
        return name;
    return name + " " + w2l_action_name(action) + (domain.empty() ? "" : " domain=" + domain);
}

bool HasRedName(const Cell& cell)
{
    return RedNameOf(cell.table->name, cell.column->name, &cell.column->type).has_value();
}

constexpr const char* kRedDrop = "red drop";

class Suggester
{
  public:
    Suggester(const Schema& schema, const Policy& policy, const RuleLabel& rule,
              const std::vector<Dictionary>& dictionaries)
        : schema_(schema), policy_(policy), rule_(rule)
    {
        for (const Dictionary& dictionary : dictionaries)
            for (const std::string& column : dictionary.ignored_columns)
                ignored_.insert({dictionary.schema, dictionary.table, column});
        for (const SchemaTable& table : schema_.tables)
            if (!table.is_partition)
                for (const SchemaColumn& column : table.columns) {
                    Cell& cell = cells_[{table.schema, table.name, column.name}];
                    cell.table = &table;
                    cell.column = &column;
                }
    }

    void Settle();
    void Guess();
    Suggestions Result() const;

  private:
    void SettleByRule(Cell* cell) const;
    void Link(Cell* cell) const;
    const Cell* Find(const Reference& name) const;
    const Cell* CellByConvention(const Cell& cell) const;
    bool FollowAll();
    static bool Follow(Cell* cell);
    static bool FollowGenerated(Cell* cell);
    static Suggestion GuessAlone(const Cell& cell);
    bool IsExcluded(const SchemaTable& table) const;

    const Schema& schema_;
    const Policy& policy_;
    const RuleLabel& rule_;
    std::set<Reference> ignored_;
    std::map<Reference, Cell> cells_;
};

void Suggester::Settle()
{
    for (auto& [name, cell] : cells_) {
        const ColumnEntry* entry = policy_.Find(name.schema, name.table, name.column);
        if (entry != nullptr && !entry->label.empty())
            cell.suggestion.label = entry->label;
        else if (cell.column->label)
            cell.suggestion.label = *cell.column->label;
        cell.settled = !cell.suggestion.label.empty();
        if (!cell.settled && rule_)
            SettleByRule(&cell);
    }
}

void Suggester::SettleByRule(Cell* cell) const
{
    const std::optional<std::string> label =
        rule_(cell->table->schema, cell->table->name, cell->column->name);
    if (!label)
        return;
    cell->settled = true;
    const LabelFacts facts = FactsOfLabel(*label, &cell->column->type);
    if (label->empty())
        cell->suggestion = {"", "a rule says TODO"};
    else if (facts.wrong.empty())
        cell->suggestion = {*label, "by rule", true};
    else
        cell->suggestion = {"", "a rule says " + *label + ", but " + facts.wrong, true};
}

const Cell* Suggester::Find(const Reference& name) const
{
    const auto found = cells_.find(name);
    return found == cells_.end() ? nullptr : &found->second;
}

// `user_id` where there is no foreign key is the id of table `users` in the same schema, if that is
// of the same type.
const Cell* Suggester::CellByConvention(const Cell& cell) const
{
    const std::string& name = cell.column->name;
    constexpr std::string_view kEnd = "_id";
    if (name.size() <= kEnd.size() || !name.ends_with(kEnd))
        return nullptr;
    const std::string one = name.substr(0, name.size() - kEnd.size());
    std::vector<std::string> tables{one + "s", one + "es"};
    if (one.ends_with('y'))
        tables.push_back(one.substr(0, one.size() - 1) + "ies");
    for (const std::string& table : tables) {
        const Cell* id = Find({cell.table->schema, table, "id"});
        if (id != nullptr && FamilyOf(id->column->type) == FamilyOf(cell.column->type) &&
            FamilyOf(id->column->type) != TypeFamily::kOther)
            return id;
    }
    return nullptr;
}

void Suggester::Link(Cell* cell) const
{
    for (const Reference& reference : cell->column->references) {
        const Cell* other = Find(reference);
        if (other == nullptr)
            cell->lost = &reference;
        else if (other != cell)
            cell->references.push_back(other);
    }
    if (cell->column->references.empty())
        if (const Cell* other = CellByConvention(*cell); other != nullptr)
            cell->references.push_back(other);
    for (const std::string& name : cell->column->generated_from)
        if (const Cell* other = Find({cell->table->schema, cell->table->name, name}); other != nullptr)
            cell->generated_from.push_back(other);
}

// The label of a column, for another that has the same values: hashed in the same domain, so that they join.
std::optional<std::string> LabelLike(const Cell& cell)
{
    const LabelFacts facts = cell.facts();
    if (!facts.wrong.empty())
        return std::nullopt;
    if (facts.action != W2L_ACTION_HASH || !facts.domain.empty())
        return LabelOf(facts.data_class, facts.action, facts.domain);
    // As wal2lake.classify() writes it out.
    const std::string domain = DefaultDomain(cell.table->schema, cell.table->name, cell.column->name);
    if (domain.empty())
        return std::nullopt;
    return LabelOf(facts.data_class, facts.action, domain);
}

// The strictest label of those that it references. One that says clear opens nothing while another is not
// known, nor a column with a red name.
bool Suggester::Follow(Cell* cell)
{
    Suggestion best;
    LabelFacts strictest;
    bool all_known = cell->lost == nullptr;
    for (const Cell* other : cell->references) {
        const std::optional<std::string> label =
            other->suggestion.label.empty() ? std::nullopt : LabelLike(*other);
        if (!label) {
            all_known = false;
            continue;
        }
        const LabelFacts facts = FactsOfLabel(*label, &cell->column->type);
        const bool stricter = best.label.empty() || facts.action > strictest.action ||
                              (facts.action == strictest.action && facts.data_class > strictest.data_class);
        if (!stricter)
            continue;
        strictest = facts;
        // A hash of few values can be guessed, whatever it would join with.
        const bool taken = facts.wrong.empty() &&
                           (facts.action != W2L_ACTION_HASH || !cell->column->type.facts().few_values);
        best = {taken ? *label : LabelOf(facts.data_class, W2L_ACTION_DROP), "refers to " + other->Name()};
    }
    const bool opens = strictest.is_clear();
    if (best.label.empty() || (opens && (!all_known || HasRedName(*cell))))
        return false;
    cell->suggestion = best;
    return true;
}

// What is made of a value that is not sent in clear is not sent at all: no hash of it would join.
bool Suggester::FollowGenerated(Cell* cell)
{
    w2l_class data_class = W2L_CLASS_NONE;
    const Cell* closed = nullptr;
    bool all_known = true;
    for (const Cell* other : cell->generated_from) {
        if (other->suggestion.label.empty()) {
            all_known = false;
            continue;
        }
        const LabelFacts facts = other->facts();
        data_class = std::max(data_class, facts.data_class);
        if (closed == nullptr && !facts.is_clear())
            closed = other;
    }
    if (data_class == W2L_CLASS_NONE || (closed == nullptr && (!all_known || HasRedName(*cell))))
        return false;
    if (closed != nullptr)
        cell->suggestion = {LabelOf(data_class, W2L_ACTION_DROP), "made of " + closed->Name()};
    else
        cell->suggestion = {LabelOf(data_class, W2L_ACTION_CLEAR),
                            "made of " + cell->generated_from[0]->Name()};
    return true;
}

bool Suggester::FollowAll()
{
    bool any = false;
    for (auto& [name, cell] : cells_)
        if (!cell.known())
            any = (cell.column->generated_from.empty() ? Follow(&cell) : FollowGenerated(&cell)) || any;
    return any;
}

// From name and type alone.
Suggestion Suggester::GuessAlone(const Cell& cell)
{
    const SchemaColumn& column = *cell.column;
    const TypeFamily family = FamilyOf(column.type);
    if (const std::optional<RedName> red = RedNameOf(cell.table->name, column.name, &column.type)) {
        const std::string reason = "named like " + std::string(red->what);
        const bool hashable = family == TypeFamily::kText || family == TypeFamily::kNumber ||
                              family == TypeFamily::kNetwork || family == TypeFamily::kUuid;
        if (!red->domain.empty() && hashable && column.generated_from.empty()) {
            const std::string hash = LabelOf(W2L_CLASS_RED, W2L_ACTION_HASH, std::string(red->domain));
            if (FactsOfLabel(hash, &column.type).wrong.empty())
                return {hash, reason};
        }
        return {kRedDrop, reason};
    }
    if (family == TypeFamily::kDocument)
        return {kRedDrop, "of type " + column.type.name + ", which may hold anything"};
    if (!column.generated_from.empty())
        return {};
    if (family == TypeFamily::kNetwork)
        return {LabelOf(W2L_CLASS_RED, W2L_ACTION_HASH, column.type.name.starts_with("mac") ? "mac" : "ip"),
                "of type " + column.type.name};
    if (column.is_key && column.name == "id" && family == TypeFamily::kNumber &&
        (column.type.base_oid == BuiltInType("int8") || column.type.base_oid == BuiltInType("int4")))
        return {"green", "a number that the database gave"};
    const std::string_view open = OpenNameOf(column.name, column.type);
    return open.empty() ? Suggestion{} : Suggestion{"green", std::string(open)};
}

// Has the same values, and nobody knows yet what those are: a name alone opens nothing then.
std::optional<std::string> UnknownReference(const Cell& cell)
{
    for (const Cell* other : cell.references)
        if (other->suggestion.label.empty())
            return "refers to " + other->Name() + ", which has no label";
    if (cell.lost == nullptr)
        return std::nullopt;
    const auto& [schema, table, column] = *cell.lost;
    return "refers to " + (column.empty() ? ObjectName(schema, table) : ObjectName(schema, table, column)) +
           ", which is not known";
}

void Suggester::Guess()
{
    for (auto& [name, cell] : cells_) {
        Link(&cell);
        // Not replicated today, and nobody has said that it should be. A key would no longer name its row.
        if (!cell.known() && ignored_.contains(name) && !cell.column->is_key)
            cell.suggestion = {kRedDrop, "ignored by a dictionary"};
    }
    for (auto& [name, cell] : cells_)
        if (!cell.known() && cell.references.empty() && cell.lost == nullptr && cell.generated_from.empty())
            cell.suggestion = GuessAlone(cell);
    while (FollowAll()) {
    }
    // Those that refer to what nobody knows, or in a circle.
    for (auto& [name, cell] : cells_) {
        if (cell.known())
            continue;
        cell.suggestion = GuessAlone(cell);
        if (const auto unknown = UnknownReference(cell); unknown && cell.known() && cell.facts().is_clear())
            cell.suggestion = {"", *unknown};
        while (cell.known() && FollowAll()) {
        }
    }
}

bool Suggester::IsExcluded(const SchemaTable& table) const
{
    const TableEntry* entry = policy_.Find(table.schema, table.name);
    return entry != nullptr ? entry->label == "exclude" : table.label == "exclude";
}

Suggestions Suggester::Result() const
{
    Suggestions suggestions;
    for (const auto& [name, cell] : cells_)
        if ((!cell.suggestion.label.empty() || !cell.suggestion.reason.empty()) && !IsExcluded(*cell.table))
            suggestions.emplace(name, cell.suggestion);
    return suggestions;
}

} // namespace

Suggestions SuggestLabels(const Schema& schema, const Policy& policy, const RuleLabel& rule,
                          const std::vector<Dictionary>& dictionaries, bool guess)
{
    Suggester suggester(schema, policy, rule, dictionaries);
    suggester.Settle();
    if (guess)
        suggester.Guess();
    return suggester.Result();
}

} // namespace wal2lake
