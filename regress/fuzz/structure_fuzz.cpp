// A structure.sql: whatever the bytes are, it falls into statements within it, and what is
// read of tables keeps together: names, lines, keys and references that exist.
#include <algorithm>
#include <string>
#include <vector>

#include "fuzz.h"
#include "policy_code/sql_script.h"
#include "policy_code/structure.h"

namespace wal2lake::fuzz
{
namespace
{

void CheckSplit(std::string_view input)
{
    size_t end = 0;
    for (const SqlStatement& statement : SplitScript(input)) {
        FUZZ_CHECK(!statement.text.empty() && Within(statement.text, input));
        FUZZ_CHECK(statement.offset == static_cast<size_t>(statement.text.data() - input.data()));
        FUZZ_CHECK(statement.offset >= end);
        end = statement.offset + statement.text.size();
        for (const std::string_view element : SplitElements(statement.text))
            FUZZ_CHECK(Within(element, statement.text));
        FUZZ_CHECK(FirstWords(statement.text, 3).size() <= 3);
    }
}

void CheckTable(const SchemaTable& table, size_t lines)
{
    FUZZ_CHECK(!table.schema.empty() && !table.name.empty() && table.line >= 1 && table.line <= lines);
    int before = 0;
    for (const SchemaColumn& column : table.columns) {
        FUZZ_CHECK(!column.name.empty() && !column.type.name.empty() && column.attnum > before);
        FUZZ_CHECK(column.line >= 1 && column.line <= lines);
        before = column.attnum;
    }
}

} // namespace

void Target(std::string_view input)
{
    CheckSplit(input);
    const auto lines = 1 + static_cast<size_t>(std::count(input.begin(), input.end(), '\n'));
    std::vector<PolicyFinding> findings;
    const Schema schema = ParseStructure("structure.sql", std::string(input), &findings);
    for (const SchemaTable& table : schema.tables) {
        FUZZ_CHECK(schema.Find(table.schema, table.name) == &table);
        CheckTable(table, lines);
    }
    for (const PolicyFinding& finding : findings) {
        FUZZ_CHECK(!finding.code.empty() && !finding.text.empty() && !finding.fix.empty());
        FUZZ_CHECK(finding.place.line >= 1 && finding.place.line <= lines);
    }
}

} // namespace wal2lake::fuzz
