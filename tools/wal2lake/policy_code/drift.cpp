#include "policy_code/drift.h"

#include <algorithm>

#include "policy_code/codes.h"

namespace wal2lake
{
namespace
{

constexpr const char* kApply = "run wal2lake policy plan and apply, or change the document";

std::string Quoted(const std::string& label)
{
    return "\"" + label + "\"";
}

class Comparison
{
  public:
    Comparison(const Policy& policy, const std::string& folder, const Catalog& catalog)
        : policy_(policy), folder_(folder), catalog_(catalog)
    {
    }

    std::vector<PolicyFinding> Find()
    {
        for (const SchemaTable& table : catalog_.schema.tables)
            if (!table.is_partition)
                LookAtTable(table);
        for (const TableEntry& entry : policy_.tables)
            LookAtEntry(entry);
        std::stable_sort(findings_.begin(), findings_.end(),
                         [](const PolicyFinding& a, const PolicyFinding& b) { return a.place < b.place; });
        return std::move(findings_);
    }

  private:
    void Add(const char* code, Place place, std::string object, std::string text, std::string fix)
    {
        findings_.push_back(
            MakeFinding(code, std::move(place), std::move(object), std::move(text), std::move(fix)));
    }

    Place WouldBeAt(const SchemaTable& table) const
    {
        return {folder_ + "/" + DocumentPath(table.schema, table.name), 0};
    }

    void LookAtTable(const SchemaTable& table)
    {
        const TableEntry* entry = policy_.Find(table.schema, table.name);
        if (entry == nullptr)
            return LookAtTableWithoutDocument(table);
        const std::string name = ObjectName(table.schema, table.name);
        const std::string live = table.label.value_or("");
        if (live != entry->label)
            Add("label-differs", entry->place, name,
                live.empty() ? "is sent, and excluded by the document"
                             : "has the label " + Quoted(live) + " in the database alone",
                kApply);
        if (table.labelled_as)
            Add("renamed", entry->place, name,
                "was called " + *table.labelled_as + " when its columns were labelled; labels went along",
                "see that they are those of this document");
        for (const SchemaColumn& column : table.columns)
            LookAtColumn(table, *entry, column);
    }

    void LookAtTableWithoutDocument(const SchemaTable& table)
    {
        const auto labelled = std::count_if(table.columns.begin(), table.columns.end(),
                                            [](const auto& column) { return column.label.has_value(); });
        // Its extension's own business, until somebody labels it.
        if (table.of_extension && labelled == 0)
            return;
        const std::string sent = table.label == "exclude" ? "excluded"
                                 : labelled == 0          ? "not sent"
                                                          : "sent by labels that are in no document";
        Add("table-without-document", WouldBeAt(table), ObjectName(table.schema, table.name),
            "has no document; it is " + sent, "run wal2lake policy export");
    }

    void LookAtColumn(const SchemaTable& table, const TableEntry& entry, const SchemaColumn& column)
    {
        const ColumnEntry* decided = entry.Find(column.name);
        const std::string name = ObjectName(table.schema, table.name, column.name);
        const Place place = decided == nullptr ? entry.place : decided->place;
        const std::string wanted = decided == nullptr ? "" : decided->label;
        if (column.labelled_as)
            Add("renamed", place, name,
                "was called " + ObjectName(table.schema, table.name, *column.labelled_as) +
                    " when it was labelled; the label went along",
                "see that it is that of this document");
        if (column.label.value_or("") == wanted) {
            if (wanted.empty() && entry.label.empty())
                Add("unclassified", place, name, "has no label, and nobody has decided: it is withheld",
                    "write a label, then plan and apply");
            return;
        }
        if (!column.label)
            Add("not-applied", place, name,
                "has no label in the database, and " + Quoted(wanted) + " in the document", kApply);
        else if (wanted.empty())
            Add("not-in-policy", place, name,
                "has the label " + Quoted(*column.label) + ", and the document does not decide",
                "run wal2lake policy export, or write the label");
        else
            Add("label-differs", place, name,
                "has the label " + Quoted(*column.label) + " in the database, and " + Quoted(wanted) +
                    " in the document",
                kApply);
    }

    // What is in the document and not in the database.
    void LookAtEntry(const TableEntry& entry)
    {
        const SchemaTable* table = catalog_.schema.Find(entry.schema, entry.table);
        if (table == nullptr && !entry.label.empty())
            LookAhead(entry, "", entry.label, entry.place, ObjectName(entry.schema, entry.table));
        for (const ColumnEntry& column : entry.columns)
            if (!column.label.empty() && (table == nullptr || table->Find(column.name) == nullptr))
                LookAhead(entry, column.name, column.label, column.place,
                          ObjectName(entry.schema, entry.table, column.name));
    }

    void LookAhead(const TableEntry& entry, const std::string& column, const std::string& label,
                   const Place& place, std::string object)
    {
        const Declared wanted{entry.schema, entry.table, column, label};
        if (std::binary_search(catalog_.declared.begin(), catalog_.declared.end(), wanted))
            Add("waiting", place, std::move(object), "is declared ahead, and does not exist yet",
                "delete it here if it never will");
        else
            Add("not-declared", place, std::move(object), "is not in the database, and is not declared ahead",
                "run wal2lake policy plan and apply, or delete it here");
    }

    const Policy& policy_;
    const std::string& folder_;
    const Catalog& catalog_;
    std::vector<PolicyFinding> findings_;
};

} // namespace

std::vector<PolicyFinding> FindDrift(const Policy& policy, const std::string& folder, const Catalog& catalog)
{
    return Comparison(policy, folder, catalog).Find();
}

} // namespace wal2lake
