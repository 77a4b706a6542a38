#include "policy_code/export.h"

#include <algorithm>
#include <utility>

#include "core/wire_reader.h"
#include "policy_code/codes.h"

namespace wal2lake
{
namespace
{

class Exporter
{
  public:
    Exporter(const Schema& schema, const ExportRequest& request)
        : schema_(schema), request_(request),
          suggestions_(SuggestLabels(
              schema, request.policy,
              [&](std::string_view in_schema, std::string_view table, std::string_view column) {
                  return LabelByRule(request.policy.rules, in_schema, table, column);
              },
              request.dictionaries, request.suggest))
    {
        for (const Dictionary& dictionary : request.dictionaries)
            descriptions_[{dictionary.schema, dictionary.table}] = dictionary.description;
    }

    ExportOutcome Export()
    {
        for (const SchemaTable& table : schema_.tables)
            ExportTable(table);
        outcome_.skipped_views = schema_.views;
        for (const TableEntry& entry : request_.policy.tables)
            NoteAhead(entry);
        return std::move(outcome_);
    }

  private:
    using Changed = std::map<std::string, std::string>;

    static bool IsLabelled(const SchemaTable& table)
    {
        bool labelled = table.label.has_value();
        for (const SchemaColumn& column : table.columns)
            labelled = labelled || column.label;
        return labelled;
    }

    // Those of a database in SQL_ASCII may be any bytes.
    static bool HasUtf8Names(const SchemaTable& table)
    {
        return wire::IsUtf8(table.schema) && wire::IsUtf8(table.name) &&
               std::all_of(table.columns.begin(), table.columns.end(),
                           [](const SchemaColumn& column) { return wire::IsUtf8(column.name); });
    }

    void ExportTable(const SchemaTable& table)
    {
        const TableEntry* entry = request_.policy.Find(table.schema, table.name);
        if (table.is_partition) {
            outcome_.partitions++;
            return;
        }
        if (table.of_extension && entry == nullptr && !IsLabelled(table)) {
            outcome_.skipped_of_extensions.push_back(ObjectName(table.schema, table.name));
            return;
        }
        if (!HasUtf8Names(table)) {
            outcome_.refused.push_back(
                MakeFinding("not-editable", Place{request_.folder, 0}, ObjectName(table.schema, table.name),
                            "a name of it is not UTF-8, which no document can hold",
                            "rename it, or label that table with SECURITY LABEL alone"));
            return;
        }
        // "inherit" is of partitions, and says nothing of a root.
        const std::string there = table.label == "exclude" ? "exclude" : "";
        const std::string table_label = entry != nullptr ? entry->label : there;
        if (entry != nullptr && table_label != there && IsLabelled(table))
            NoteOtherTableLabel(table, *entry);
        std::vector<NewColumn> added;
        Changed changed;
        for (const SchemaColumn& column : table.columns) {
            const ColumnEntry* decided = entry == nullptr ? nullptr : entry->Find(column.name);
            // Of a table that is not sent nobody has to decide columns.
            if (table_label.empty() || decided != nullptr || column.label)
                ExportColumn(table, column, decided, &added, &changed);
        }
        if (entry == nullptr)
            Write(table, table_label, added);
        else
            Edit(*entry, added, changed);
    }

    // Whether a table is sent at all is no line that could be edited: with it columns come and go.
    void NoteOtherTableLabel(const SchemaTable& table, const TableEntry& entry)
    {
        const std::string name = ObjectName(table.schema, table.name);
        if (!request_.overwrite)
            outcome_.differing.push_back(name);
        else
            outcome_.refused.push_back(MakeFinding(
                "not-editable", entry.place, name,
                entry.label.empty() ? "the database has the whole table excluded, the document does not"
                                    : "the document excludes the whole table, the database does not",
                "delete the document to have it written anew, or change its label by hand"));
    }

    void ExportColumn(const SchemaTable& table, const SchemaColumn& column, const ColumnEntry* decided,
                      std::vector<NewColumn>* added, Changed* changed)
    {
        if (decided != nullptr && !decided->label.empty()) {
            if (!column.label || *column.label == decided->label)
                return;
            if (request_.overwrite && !decided->reviewed.empty()) {
                RefuseReviewed(table, *decided, *column.label);
                return;
            }
            outcome_.differing.push_back(ObjectName(table.schema, table.name, column.name));
            if (request_.overwrite)
                changed->emplace(column.name, *column.label);
            return;
        }
        // What was reviewed was no label: it must not silence what is said of one.
        if (decided != nullptr && !decided->reviewed.empty()) {
            outcome_.undecided++;
            return;
        }
        const Suggestion found = LabelFor(table, column);
        outcome_.undecided += found.label.empty() ? 1 : 0;
        if (decided == nullptr)
            added->push_back({column.name, found.label,
                              column.type.name + (found.reason.empty() ? "" : "; " + found.reason)});
        else if (!found.label.empty())
            changed->emplace(column.name, found.label);
    }

    // Why another label was right says nothing of the database's.
    void RefuseReviewed(const SchemaTable& table, const ColumnEntry& decided, const std::string& label)
    {
        outcome_.refused.push_back(MakeFinding(
            "not-editable", decided.place, ObjectName(table.schema, table.name, decided.name),
            "the database has \"" + label + "\", and `reviewed` is about the label that stands here",
            "write the label and what `reviewed` says of it by hand"));
    }

    // Counts where it comes from, too.
    Suggestion LabelFor(const SchemaTable& table, const SchemaColumn& column)
    {
        if (column.label) {
            outcome_.from_database++;
            return {*column.label, ""};
        }
        const auto suggested = suggestions_.find({table.schema, table.name, column.name});
        if (suggested == suggestions_.end())
            return {};
        if (!suggested->second.label.empty())
            (suggested->second.by_rule ? outcome_.from_rules : outcome_.suggested)++;
        return suggested->second;
    }

    void Write(const SchemaTable& table, const std::string& label, const std::vector<NewColumn>& columns)
    {
        const std::string path = DocumentPath(table.schema, table.name);
        if (request_.documents.contains(path)) {
            outcome_.refused.push_back(MakeFinding(
                "path-taken", Place{request_.folder + "/" + path, 0}, ObjectName(table.schema, table.name),
                "the document is of another table", "give it another name, and export again"));
            return;
        }
        outcome_.written[path] = FormatDocument(table.schema, table.name, label, columns, Description(table));
        outcome_.new_documents++;
    }

    std::string Description(const SchemaTable& table) const
    {
        const auto found = descriptions_.find({table.schema, table.name});
        return found == descriptions_.end() ? "" : found->second;
    }

    void Edit(const TableEntry& entry, const std::vector<NewColumn>& added, const Changed& changed)
    {
        if (added.empty() && changed.empty()) {
            outcome_.same_documents++;
            return;
        }
        const std::string path = entry.place.file.substr(request_.folder.size() + 1);
        const auto edited = EditDocument(request_.documents.at(path), added, changed);
        if (!edited.ok()) {
            outcome_.refused.push_back(
                MakeFinding("not-editable", entry.place, ObjectName(entry.schema, entry.table),
                            edited.error().text, "write each column on a line of its own, and export again"));
            return;
        }
        outcome_.written[path] = edited.value();
        outcome_.changed_documents++;
    }

    void NoteAhead(const TableEntry& entry)
    {
        const SchemaTable* table = schema_.Find(entry.schema, entry.table);
        if (table == nullptr) {
            outcome_.ahead.push_back(ObjectName(entry.schema, entry.table));
            return;
        }
        for (const ColumnEntry& column : entry.columns)
            if (table->Find(column.name) == nullptr)
                outcome_.ahead.push_back(ObjectName(entry.schema, entry.table, column.name));
    }

    const Schema& schema_;
    const ExportRequest& request_;
    std::map<std::pair<std::string, std::string>, std::string> descriptions_;
    Suggestions suggestions_;
    ExportOutcome outcome_;
};

} // namespace

ExportOutcome ExportPolicy(const Schema& schema, const ExportRequest& request)
{
    return Exporter(schema, request).Export();
}

} // namespace wal2lake
