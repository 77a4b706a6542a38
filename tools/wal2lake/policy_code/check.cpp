#include "policy_code/check.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "edit_distance.h"
#include "list_text.h"
#include "policy_code/codes.h"
#include "policy_code/label_text.h"
#include "policy_code/lexicon.h"

namespace wal2lake
{
namespace
{

bool IsNear(std::string_view a, std::string_view b)
{
    const size_t most = std::min(a.size(), b.size()) < 6 ? 1 : 2;
    return EditDistance(a, b, most) <= most;
}

std::string Listed(const std::vector<std::string>& names)
{
    return ListText(names, names.size());
}

// A column that both the policy and, where there is one, the structure know.
struct Decided {
    const TableEntry* table = nullptr;
    const ColumnEntry* entry = nullptr;
    const SchemaColumn* column = nullptr;
    LabelFacts facts;

    const SchemaType* type() const { return column == nullptr ? nullptr : &column->type; }
    std::string Object() const { return ObjectName(table->schema, table->table, entry->name); }
    bool is_clear() const { return facts.wrong.empty() && facts.is_clear(); }
};

class Checker
{
  public:
    Checker(const Policy& policy, const Schema* structure, const std::string& structure_file,
            const std::vector<Dictionary>& dictionaries)
        : policy_(policy), structure_(structure), structure_file_(structure_file)
    {
        for (const Dictionary& dictionary : dictionaries)
            for (const std::string& column : dictionary.ignored_columns)
                ignored_.emplace(Reference{dictionary.schema, dictionary.table, column}, dictionary.place);
    }

    std::vector<PolicyFinding> Check();

  private:
    void Find(std::string_view code, const Place& place, std::string object, std::string text,
              std::string fix);
    void FindAbout(std::string_view code, const Decided& decided, std::string text, std::string fix);
    void CheckTable(const TableEntry& entry);
    void CheckStaleTable(const TableEntry& entry);
    void CheckColumns(const TableEntry& entry, const SchemaTable* table);
    bool CheckColumn(const TableEntry& entry, const ColumnEntry& column, const SchemaTable* table);
    void CheckLabel(const TableEntry& entry, const ColumnEntry& column, const SchemaColumn* known);
    void CheckUndecided(const std::string& object, const ColumnEntry& column);
    void CheckMissing(const TableEntry& entry, const SchemaTable& table);
    void CheckMissingTables();
    void CheckGenerated(const Decided& decided);
    void CheckReferences(const Decided& decided);
    void CheckName(const Decided& decided);
    void CheckSameName(const Decided& decided);
    void CheckFewValues(const Decided& decided);
    const Decided* DecidedOf(const Reference& name) const;

    const Policy& policy_;
    const Schema* structure_;
    const std::string& structure_file_;
    std::map<Reference, Place> ignored_;
    std::map<Reference, Decided> decided_;
    // Names that a misspelt one was taken for: their being missing is the same mistake.
    std::set<Reference> meant_;
    // By name and family of the type (0 where that is not known): those that are orange or above.
    std::map<std::pair<std::string_view, unsigned>, std::vector<const Decided*>> closed_;
    std::vector<PolicyFinding> findings_;
};

void Checker::Find(std::string_view code, const Place& place, std::string object, std::string text,
                   std::string fix)
{
    findings_.push_back(MakeFinding(code, place, std::move(object), std::move(text), std::move(fix)));
}

void Checker::FindAbout(std::string_view code, const Decided& decided, std::string text, std::string fix)
{
    Find(code, decided.entry->place, decided.Object(), std::move(text), std::move(fix));
}

// The way out of what may be right after all.
std::string OrReview(const std::string& fix)
{
    return fix + "; or, if that is right, say why: {label: ..., reviewed: \"...\"}";
}

void Checker::CheckTable(const TableEntry& entry)
{
    if (structure_ == nullptr) {
        CheckColumns(entry, nullptr);
        return;
    }
    const SchemaTable* table = structure_->Find(entry.schema, entry.table);
    const std::string object = ObjectName(entry.schema, entry.table);
    if (table == nullptr)
        CheckStaleTable(entry);
    else if (table->is_partition)
        Find("not-a-root", entry.place, object, "this is a partition, and its root's labels hold for it",
             "delete the document, and label the columns in that of the partitioned table");
    else
        CheckColumns(entry, table);
}

void Checker::CheckStaleTable(const TableEntry& entry)
{
    const std::string object = ObjectName(entry.schema, entry.table);
    const std::string remove = "delete the document, unless a migration that is to come creates the table";
    if (std::find(structure_->views.begin(), structure_->views.end(), object) != structure_->views.end()) {
        Find("not-a-table", entry.place, object,
             "this is a view or a foreign table, whose rows are never sent",
             "delete the document, and label the tables that it reads");
        return;
    }
    std::vector<const SchemaTable*> near;
    for (const SchemaTable& table : structure_->tables)
        if (!table.is_partition && policy_.Find(table.schema, table.name) == nullptr &&
            IsNear(entry.schema + "." + entry.table, table.schema + "." + table.name))
            near.push_back(&table);
    if (near.size() != 1) {
        Find("stale-table", entry.place, object, "there is no such table", remove);
        return;
    }
    meant_.insert({near[0]->schema, near[0]->name, ""});
    const std::string name = ObjectName(near[0]->schema, near[0]->name);
    Find("misspelt", entry.place, object, "there is no such table; did you mean " + name + "?",
         "write " + name + ", which has no document yet");
}

void Checker::CheckColumns(const TableEntry& entry, const SchemaTable* table)
{
    for (const ColumnEntry& column : entry.columns)
        if (table == nullptr || CheckColumn(entry, column, table))
            CheckLabel(entry, column, table == nullptr ? nullptr : table->Find(column.name));
    if (table != nullptr && entry.label != "exclude")
        CheckMissing(entry, *table);
}

// False where the table has no such column.
bool Checker::CheckColumn(const TableEntry& entry, const ColumnEntry& column, const SchemaTable* table)
{
    if (table->Find(column.name) != nullptr)
        return true;
    const std::string object = ObjectName(entry.schema, entry.table, column.name);
    std::vector<std::string> near;
    for (const SchemaColumn& each : table->columns)
        if (policy_.Find(entry.schema, entry.table, each.name) == nullptr && IsNear(column.name, each.name))
            near.push_back(each.name);
    if (near.size() != 1) {
        Find("stale-column", column.place, object, "the table has no such column",
             near.empty() ? "delete the line, unless a migration that is to come adds the column"
                          : "delete the line, or write the name of one that has no label: " + Listed(near));
        return false;
    }
    meant_.insert({entry.schema, entry.table, near[0]});
    Find("misspelt", column.place, object, "the table has no such column; did you mean \"" + near[0] + "\"?",
         "write " + near[0] + ", which has no label yet");
    return false;
}

void Checker::CheckLabel(const TableEntry& entry, const ColumnEntry& column, const SchemaColumn* known)
{
    const std::string object = ObjectName(entry.schema, entry.table, column.name);
    if (column.label.empty()) {
        if (entry.label != "exclude")
            CheckUndecided(object, column);
        return;
    }
    const LabelFacts of_any = FactsOfLabel(column.label, nullptr);
    if (!of_any.wrong.empty()) {
        Find("odd-label", column.place, object, of_any.wrong, of_any.fix);
        return;
    }
    Decided decided{&entry, &column, known, of_any};
    if (known != nullptr) {
        decided.facts = FactsOfLabel(column.label, &known->type);
        if (!decided.facts.wrong.empty())
            Find("impossible-action", column.place, object, decided.facts.wrong, decided.facts.fix);
    }
    if (entry.label != "exclude")
        decided_.emplace(Reference{entry.schema, entry.table, column.name}, std::move(decided));
}

void Checker::CheckUndecided(const std::string& object, const ColumnEntry& column)
{
    Find("unlabelled", column.place, object, "nobody has decided what becomes of the column",
         "write a label instead of TODO; red drop withholds the values until somebody knows better");
    // It would silence what there is to say of whatever label comes, such as that of a rule. A finding of its
    // own, so that it is told as new of a column that was undecided before.
    if (!column.reviewed.empty())
        Find("unlabelled", column.place, object,
             "reviewed stands beside TODO, and there is no label yet that it could be about",
             "take reviewed away, and write it again if the label that is decided on needs it");
}

void Checker::CheckMissing(const TableEntry& entry, const SchemaTable& table)
{
    for (const SchemaColumn& column : table.columns)
        if (policy_.Find(entry.schema, entry.table, column.name) == nullptr &&
            !meant_.contains({entry.schema, entry.table, column.name}))
            Find("unlabelled", entry.place, ObjectName(entry.schema, entry.table, column.name),
                 "the column (" + structure_file_ + ", line " + std::to_string(column.line) +
                     ") is not in the document",
                 "add a line for it; red drop withholds the values until somebody knows better");
}

void Checker::CheckMissingTables()
{
    for (const SchemaTable& table : structure_->tables)
        if (!table.is_partition && policy_.Find(table.schema, table.name) == nullptr &&
            !meant_.contains({table.schema, table.name, ""}))
            Find("missing-table", Place{structure_file_, table.line}, ObjectName(table.schema, table.name),
                 "the table has no document, so nothing of it is sent",
                 "write one with wal2lake policy export; label: exclude says that the table is not to be "
                 "sent");
}

const Decided* Checker::DecidedOf(const Reference& name) const
{
    const auto found = decided_.find(name);
    return found == decided_.end() ? nullptr : &found->second;
}

void Checker::CheckGenerated(const Decided& decided)
{
    if (decided.column == nullptr)
        return;
    // One finding for each, so that one that is new is told from those that were there before.
    for (const std::string& name : decided.column->generated_from) {
        const Decided* read = DecidedOf({decided.table->schema, decided.table->table, name});
        if (read == nullptr || !read->is_clear())
            FindAbout("generated-copy", decided,
                      "the column is sent in clear, and is generated from " + name + ", which is not",
                      OrReview("write " + std::string(w2l_class_name(decided.facts.data_class)) +
                               " drop, or the class of what it is generated from with drop"));
    }
}

// The domain that a hashed column is in, written or its own.
std::string DomainOf(const Decided& decided)
{
    if (!decided.facts.domain.empty())
        return decided.facts.domain;
    return DefaultDomain(decided.table->schema, decided.table->table, decided.entry->name);
}

void Checker::CheckReferences(const Decided& decided)
{
    if (decided.column == nullptr)
        return;
    for (const Reference& reference : decided.column->references) {
        const Decided* other = DecidedOf(reference);
        if (other == nullptr || other == &decided || !other->facts.wrong.empty())
            continue;
        const w2l_action mine = decided.facts.action;
        const bool same_domain = mine != W2L_ACTION_HASH || DomainOf(decided) == DomainOf(*other);
        if (mine == other->facts.action && same_domain)
            continue;
        const std::string theirs = ObjectName(reference.schema, reference.table, reference.column);
        FindAbout("reference-differs", decided,
                  "the column references " + theirs + ", and " +
                      (mine == other->facts.action
                           ? "is hashed in another domain, so that the two do not join"
                           : "is " + std::string(OutcomeOf(mine)) + " where that is " +
                                 std::string(OutcomeOf(other->facts.action))),
                  OrReview("give both the same label, in the same domain where they are hashed"));
    }
}

void Checker::CheckName(const Decided& decided)
{
    const std::optional<RedName> red = RedNameOf(decided.table->table, decided.entry->name, decided.type());
    if (red)
        FindAbout("named-like-red", decided,
                  "the column is sent in clear, and has the name of " + std::string(red->what),
                  OrReview("write " + (red->domain.empty() ? "red drop"
                                                           : "red hash domain=" + std::string(red->domain))));
    const auto ignored = ignored_.find({decided.table->schema, decided.table->table, decided.entry->name});
    if (ignored != ignored_.end())
        FindAbout("ignored-column", decided,
                  "the column is sent in clear, and " + ignored->second.file + " ignores it",
                  OrReview("write red drop"));
}

unsigned FamilyNumber(const Decided& decided)
{
    return decided.type() == nullptr ? 0 : static_cast<unsigned>(FamilyOf(*decided.type()));
}

void Checker::CheckSameName(const Decided& decided)
{
    // Each table has its own, and they are not of the same kind.
    if (decided.entry->name == "id")
        return;
    const auto found = closed_.find({decided.entry->name, FamilyNumber(decided)});
    if (found == closed_.end())
        return;
    const auto elsewhere = std::find_if(found->second.begin(), found->second.end(),
                                        [&](const Decided* each) { return each->table != decided.table; });
    if (elsewhere != found->second.end())
        FindAbout("same-name-as-red", decided,
                  "the column is sent in clear, and " + (*elsewhere)->Object() + " is " +
                      w2l_class_name((*elsewhere)->facts.data_class),
                  OrReview("write the same label here"));
}

void Checker::CheckFewValues(const Decided& decided)
{
    w2l_column_label label = {};
    const std::string& text = decided.entry->label;
    if (decided.column == nullptr || !w2l_parse_column_label(text.data(), text.size(), &label, nullptr, 0))
        return;
    if (label.action_written && label.action == W2L_ACTION_HASH && decided.column->type.facts().few_values)
        FindAbout("small-domain", decided,
                  "values of type " + decided.column->type.name +
                      " are so few that their tokens tell them apart and can be guessed",
                  OrReview("write " + std::string(w2l_class_name(label.class_)) + " drop"));
}

bool ByPlace(const PolicyFinding& a, const PolicyFinding& b)
{
    return std::tie(a.place, a.object, a.code) < std::tie(b.place, b.object, b.code);
}

std::vector<PolicyFinding> Checker::Check()
{
    for (const TableEntry& entry : policy_.tables)
        CheckTable(entry);
    if (structure_ != nullptr)
        CheckMissingTables();
    for (const auto& [name, decided] : decided_)
        if (decided.facts.data_class >= W2L_CLASS_ORANGE)
            closed_[{decided.entry->name, FamilyNumber(decided)}].push_back(&decided);
    for (const auto& [name, decided] : decided_) {
        if (!decided.entry->reviewed.empty() || !decided.facts.wrong.empty())
            continue;
        CheckReferences(decided);
        CheckFewValues(decided);
        if (!decided.is_clear())
            continue;
        CheckGenerated(decided);
        CheckName(decided);
        CheckSameName(decided);
    }
    std::stable_sort(findings_.begin(), findings_.end(), ByPlace);
    return std::move(findings_);
}

bool HasLabel(const Policy& policy, const Reference& name)
{
    const ColumnEntry* entry = policy.Find(name.schema, name.table, name.column);
    return entry != nullptr && !entry->label.empty();
}

// What becomes of a column by a policy that may not know it.
w2l_action ActionBy(const Policy& policy, const Reference& name, const SchemaColumn* column)
{
    const TableEntry* table = policy.Find(name.schema, name.table);
    const auto is_labelled = [](const ColumnEntry& each) { return !each.label.empty(); };
    // A table is not sent if it is excluded, or no column of it has a label.
    if (table == nullptr || table->label == "exclude" ||
        std::none_of(table->columns.begin(), table->columns.end(), is_labelled))
        return W2L_ACTION_DROP;
    if (const ColumnEntry* entry = table->Find(name.column); entry != nullptr && !entry->label.empty())
        return FactsOfLabel(entry->label, column == nullptr ? nullptr : &column->type).action;
    return column == nullptr ? W2L_ACTION_DROP : FactsOfUnlabelled(*column).action;
}

const SchemaColumn* ColumnIn(const Schema* structure, const Reference& name)
{
    const SchemaTable* table = structure == nullptr ? nullptr : structure->Find(name.schema, name.table);
    return table == nullptr ? nullptr : table->Find(name.column);
}

class FlowFinder
{
  public:
    FlowFinder(const Policy& earlier, const Policy& later, const Schema* earlier_structure,
               const Schema* structure)
        : earlier_(earlier), later_(later), earlier_structure_(earlier_structure), structure_(structure)
    {
    }

    // A table without a document is not sent.
    std::vector<PolicyFinding> Find()
    {
        for (const TableEntry& entry : later_.tables) {
            for (const ColumnEntry& column : entry.columns)
                FindOne({entry.schema, entry.table, column.name}, column.place);
            const SchemaTable* table =
                structure_ == nullptr ? nullptr : structure_->Find(entry.schema, entry.table);
            // A key leaves as tokens without a line, too.
            if (table != nullptr)
                for (const SchemaColumn& column : table->columns)
                    if (entry.Find(column.name) == nullptr)
                        FindOne({entry.schema, entry.table, column.name}, entry.place);
        }
        std::stable_sort(findings_.begin(), findings_.end(), ByPlace);
        return std::move(findings_);
    }

  private:
    // By whose type and key the column was judged; `now` is as it is today.
    const SchemaColumn* EarlierColumn(const Reference& name, const SchemaColumn* now) const
    {
        // Of a column that is gone, or to come, labels alone are compared: it does not open with its type.
        if (earlier_structure_ == nullptr || now == nullptr)
            return now;
        const SchemaColumn* then = ColumnIn(earlier_structure_, name);
        // A label that was declared ahead was told then, as that of a type that closes nothing.
        return then == nullptr && HasLabel(earlier_, name) ? now : then;
    }

    void FindOne(const Reference& name, const Place& place)
    {
        const SchemaColumn* now = ColumnIn(structure_, name);
        const w2l_action was = ActionBy(earlier_, name, EarlierColumn(name, now));
        const w2l_action is = ActionBy(later_, name, now);
        if (is < was)
            findings_.push_back(
                MakeFinding("newly-flows", place, ObjectName(name.schema, name.table, name.column),
                            "the column was " + std::string(OutcomeOf(was)) + ", and becomes " +
                                std::string(OutcomeOf(is)),
                            "have those who answer for its values agree, or leave the label as it was"));
    }

    const Policy& earlier_;
    const Policy& later_;
    const Schema* earlier_structure_;
    const Schema* structure_;
    std::vector<PolicyFinding> findings_;
};

// "line 12" becomes "line": lines move with whatever is written above them.
std::string WithoutLineNumbers(std::string text)
{
    constexpr std::string_view kLine = "line ";
    constexpr std::string_view kDigits = "0123456789";
    for (size_t at = text.find(kLine); at != std::string::npos; at = text.find(kLine, at + 1)) {
        const size_t digits = at + kLine.size();
        text.erase(digits, std::min(text.find_first_not_of(kDigits, digits), text.size()) - digits);
    }
    return text;
}

// What a finding says, by which it is told from others of its code about the same object. What to do about it
// follows from that, and may change with what is near: it does not count.
std::string FactsOf(const PolicyFinding& finding)
{
    // The code says it all. In the text is what may change while the fact stays: the type that cannot be
    // hashed or has few values, which of several columns of that name is red, whether there is a TODO or no
    // line.
    static const std::set<std::string_view> kSameInOtherWords{"impossible-action", "same-name-as-red",
                                                              "small-domain", "unlabelled"};
    // In all others it is what the finding is about: which column is read, meant or referenced, what is wrong
    // with the label, which key is there twice.
    return kSameInOtherWords.contains(finding.code) ? "" : WithoutLineNumbers(finding.text);
}

// Nobody knows what else would be found where nothing could be read: a gate must not get used to it.
bool HidesOthers(const PolicyFinding& finding)
{
    return finding.code == "unreadable" ||
           (finding.code == "structure-unreadable" && finding.severity == PolicySeverity::kError);
}

// Documents may move; what is about no object is in its file.
auto IdentityOf(const PolicyFinding& finding)
{
    return std::tuple(finding.code, finding.severity,
                      finding.object.empty() ? finding.place.file : std::string(), finding.object,
                      FactsOf(finding));
}

} // namespace

std::vector<PolicyFinding> CheckPolicy(const Policy& policy, const Schema* structure,
                                       const std::string& structure_file,
                                       const std::vector<Dictionary>& dictionaries)
{
    return Checker(policy, structure, structure_file, dictionaries).Check();
}

std::vector<PolicyFinding> Since(const Policy& earlier, const Policy& later, const Schema* earlier_structure,
                                 const Schema* structure)
{
    return FlowFinder(earlier, later, earlier_structure, structure).Find();
}

std::vector<PolicyFinding> WithoutKnown(std::vector<PolicyFinding> findings,
                                        const std::vector<PolicyFinding>& before)
{
    // Counted: a second column of a table that cannot be read is said in the same words as the first. Of such
    // ones the last are told.
    std::map<decltype(IdentityOf(before[0])), size_t> known;
    for (const PolicyFinding& finding : before)
        known[IdentityOf(finding)]++;
    std::vector<PolicyFinding> fresh;
    for (PolicyFinding& finding : findings) {
        const auto same = known.find(IdentityOf(finding));
        if (same != known.end() && same->second > 0 && !HidesOthers(finding))
            same->second--;
        else
            fresh.push_back(std::move(finding));
    }
    return fresh;
}

} // namespace wal2lake
