// The text of a document of a policy: whatever is read, each complaint has a place and a
// sentence; what is read without one can be written anew, and takes a column more or says
// that it cannot, and says then what it said before and that.
#include <algorithm>
#include <string>

#include "core/wire_reader.h"
#include "fuzz.h"
#include "policy_code/document.h"

namespace wal2lake::fuzz
{
namespace
{

void CheckFindings(const std::vector<PolicyFinding>& findings, const std::string& file,
                   std::string_view input)
{
    const auto lines = static_cast<size_t>(std::count(input.begin(), input.end(), '\n')) + 1;
    for (const PolicyFinding& finding : findings) {
        FUZZ_CHECK(finding.place.file == file && finding.place.line <= lines);
        FUZZ_CHECK(!finding.code.empty() && !finding.text.empty() && !finding.fix.empty());
    }
}

bool SayTheSame(const TableEntry& a, const TableEntry& b, bool with_reviewed)
{
    return a.schema == b.schema && a.table == b.table && a.label == b.label &&
           std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(), b.columns.end(),
                      [with_reviewed](const ColumnEntry& x, const ColumnEntry& y) {
                          return x.name == y.name && x.label == y.label &&
                                 (!with_reviewed || x.reviewed == y.reviewed);
                      });
}

bool IsName(const std::string& name)
{
    return !name.empty() && name.size() <= 63 && wire::IsUtf8(name) && name.find('\0') == std::string::npos;
}

TableEntry TableOf(const std::string& text)
{
    const Policy policy = ParsePolicy("p", {{"t.yml", text}});
    FUZZ_CHECK(policy.findings.empty() && policy.tables.size() == 1);
    return policy.tables[0];
}

void CheckEdit(const std::string& text, const TableEntry& table)
{
    const std::string name = table.Find("new: \"one\"\n") == nullptr ? "new: \"one\"\n" : "newer";
    const Result<std::string> edited = EditDocument(text, {{name, "red drop", text.substr(0, 40)}}, {});
    if (!edited.ok()) {
        FUZZ_CHECK(edited.error().kind == ErrorKind::kInvalid);
    } else {
        TableEntry expected = table;
        expected.columns.push_back({name, "red drop", {}, {}});
        FUZZ_CHECK(SayTheSame(TableOf(edited.value()), expected, true));
        // Nothing was taken away.
        FUZZ_CHECK(edited.value().size() > text.size());
    }
    if (table.columns.empty())
        return;
    const ColumnEntry& last = table.columns.back();
    const Result<std::string> relabelled = EditDocument(text, {}, {{last.name, "yellow"}});
    FUZZ_CHECK(relabelled.ok() || relabelled.error().kind == ErrorKind::kInvalid);
    if (relabelled.ok()) {
        TableEntry expected = table;
        expected.columns.back().label = "yellow";
        FUZZ_CHECK(SayTheSame(TableOf(relabelled.value()), expected, true));
    }
}

void CheckTable(const std::string& text, const TableEntry& table)
{
    FUZZ_CHECK(IsName(table.schema) && IsName(table.table));
    std::vector<NewColumn> columns;
    for (const ColumnEntry& column : table.columns) {
        FUZZ_CHECK(IsName(column.name) && table.Find(column.name) == &column);
        columns.push_back({column.name, column.label, column.reviewed});
    }
    FUZZ_CHECK(
        SayTheSame(TableOf(FormatDocument(table.schema, table.table, table.label, columns)), table, false));
    CheckEdit(text, table);
}

} // namespace

void Target(std::string_view input)
{
    const std::string text(input);
    const Policy policy = ParsePolicy("p", {{"t.yml", text}});
    CheckFindings(policy.findings, "p/t.yml", text);
    FUZZ_CHECK(policy.tables.size() <= 1 && (policy.tables.size() == 1 || !policy.findings.empty()));
    if (policy.findings.empty())
        CheckTable(text, policy.tables[0]);
    else
        FUZZ_CHECK(!EditDocument(text, {}, {}).ok());

    const Policy rules = ParsePolicy("p", {{"rules.yml", text}});
    CheckFindings(rules.findings, "p/rules.yml", text);
    FUZZ_CHECK(rules.tables.empty());
    (void)LabelByRule(rules.rules, "public", "users", "created_at");

    std::vector<PolicyFinding> findings;
    const std::vector<Dictionary> dictionaries = ParseDictionaries("p", {{"t.yml", text}}, &findings);
    CheckFindings(findings, "p/t.yml", text);
    FUZZ_CHECK(dictionaries.size() <= 1);
    // A pattern of somebody, a name of somebody else.
    const size_t half = text.find('\0') == std::string::npos ? text.size() / 2 : 0;
    (void)LabelByRule({Rule{text.substr(0, half), "green", {}}}, "s", "t", text.substr(half, 63).c_str());
}

} // namespace wal2lake::fuzz
