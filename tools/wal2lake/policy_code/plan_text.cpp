#include "policy_code/plan_text.h"

#include <algorithm>
#include <array>

#include "list_text.h"
#include "printable.h"

namespace wal2lake
{
namespace
{

struct Heading {
    Effect effect;
    // Over the list, and in the summary.
    const char* title;
    const char* summary;
};

constexpr std::array<Heading, 5> kHeadings{{
    {Effect::kNewlyClear, "newly flows, in clear", "newly in clear"},
    {Effect::kNewlyHashed, "newly flows, as tokens", "newly as tokens"},
    {Effect::kOtherTokens, "other tokens, which do not join what the lake has", "with other tokens"},
    {Effect::kCloses, "flows no more, or as tokens only", "that close"},
    {Effect::kSame, "relabelled, and the same comes out", "relabelled"},
}};

// One line of a list: the columns of text are as wide as the widest.
using Line = std::array<std::string, 4>;

std::string Aligned(const std::vector<Line>& lines)
{
    std::array<size_t, 3> widths{};
    for (const Line& line : lines)
        for (size_t i = 0; i < widths.size(); i++)
            widths[i] = std::max(widths[i], line[i].size());
    std::string text;
    for (const Line& line : lines) {
        text += "  ";
        for (size_t i = 0; i < widths.size(); i++)
            text += line[i] + std::string(widths[i] - line[i].size() + 2, ' ');
        text += line[3] + "\n";
    }
    return text;
}

std::string LabelText(const PlannedColumn& column)
{
    const std::string before = column.old_label ? "\"" + *column.old_label + "\"" : "no label";
    const std::string after = column.new_label ? "\"" + *column.new_label + "\"" : "stays";
    return column.new_label ? before + " -> " + after : before + ", which stays";
}

Line LineOf(const PlannedTable& table, const PlannedColumn& column)
{
    std::string place = Printable(column.place.file) + ":" + std::to_string(column.place.line);
    if (column.labelled_as)
        place += "  (called " + Printable(*column.labelled_as) + " when it was labelled)";
    if (table.labelled_as)
        place += "  (labelled as a column of " + Printable(*table.labelled_as) + ")";
    return {Printable(ObjectName(table.schema, table.name, column.name)) + " " + Printable(column.type),
            std::string(OutcomeOf(column.old_action)) + " -> " + std::string(OutcomeOf(column.new_action)),
            Printable(LabelText(column)), place};
}

size_t Count(const Plan& plan, Effect effect)
{
    size_t count = 0;
    for (const PlannedTable& table : plan.tables)
        for (const PlannedColumn& column : table.columns)
            count += column.effect == effect ? 1 : 0;
    return count;
}

std::string ColumnsOf(const Plan& plan, const Heading& heading)
{
    std::vector<Line> lines;
    for (const PlannedTable& table : plan.tables)
        for (const PlannedColumn& column : table.columns)
            if (column.effect == heading.effect)
                lines.push_back(LineOf(table, column));
    if (lines.empty())
        return "";
    return std::string(heading.title) + " (" + Several(lines.size(), "column") + "):\n" + Aligned(lines) +
           "\n";
}

std::string TablesOf(const Plan& plan)
{
    std::string text;
    for (const PlannedTable& table : plan.tables)
        if (table.new_label)
            text += "  " + Printable(ObjectName(table.schema, table.name)) +
                    (table.new_label->empty() ? "  is excluded, and will be sent\n"
                                              : "  will be excluded: nothing of it is sent\n");
    return text.empty() ? "" : "tables:\n" + text + "\n";
}

std::string DeclarationsOf(const Plan& plan)
{
    std::string text;
    for (const PlannedDeclarations& table : plan.declarations) {
        const std::string name = ObjectName(table.schema, table.table);
        for (const auto& [column, label] : table.wanted)
            text += "  " + Printable(column.empty() ? name : ObjectName(table.schema, table.table, column)) +
                    "  \"" + Printable(label) + "\"\n";
        if (const size_t removed = table.removed(); removed > 0)
            text += "  " + Printable(name) + "  " + Several(removed, "declaration") + " no more\n";
    }
    return text.empty() ? ""
                        : "declared ahead, for tables and columns that do not exist yet:\n" + text + "\n";
}

} // namespace

std::string SummaryOf(const Plan& plan)
{
    if (plan.empty())
        return "nothing to do";
    std::string text = Several(plan.tables.size(), "table");
    for (const Heading& heading : kHeadings)
        if (const size_t count = Count(plan, heading.effect); count > 0)
            text += ", " + Several(count, "column") + " " + heading.summary;
    size_t added = 0, removed = 0;
    for (const PlannedDeclarations& table : plan.declarations) {
        added += table.added();
        removed += table.removed();
    }
    if (added > 0)
        text += ", " + Several(added, "label") + " declared ahead";
    if (removed > 0)
        text += ", " + Several(removed, "declaration") + " no more";
    return text;
}

std::string FormatPlan(const Plan& plan)
{
    std::string text;
    for (const Heading& heading : kHeadings)
        text += ColumnsOf(plan, heading);
    text += TablesOf(plan) + DeclarationsOf(plan);
    if (plan.undecided_columns > 0)
        text += "left alone: " + Several(plan.undecided_columns, "column") +
                " without a decision of the policy (TODO, or no entry)\n";
    if (plan.tables_without_document > 0)
        text += "left alone: " + Several(plan.tables_without_document, "table") + " without a document\n";
    if (!plan.knows_renames)
        text += "what was renamed is not known: the role may not read wal2lake.label_history\n";
    return text + "database " + Printable(plan.database) + ": " + SummaryOf(plan) + "\n";
}

} // namespace wal2lake
