// A batch as lines of JSON, as `wal2lake cat` prints it: each line is JSON to
// another implementation, and equal bytes give equal lines.
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "messages.h"
#include "record_json.h"

namespace wal2lake::fuzz
{
namespace
{

struct Printed {
    bool ok = false;
    std::vector<std::string> lines;
};

Printed Print(std::string_view batch)
{
    Printed printed;
    RecordFilter filter;
    filter.relations = true;
    RecordPrinter printer(filter, [&](const std::string& line) {
        printed.lines.push_back(line);
        return true;
    });
    const auto done = printer.Print(batch);
    printed.ok = done.ok();
    FUZZ_CHECK(done.ok() || !done.error().text.empty());
    return printed;
}

size_t Expected(const v1::Batch& batch)
{
    size_t lines = 0;
    for (const v1::Record& record : batch.records())
        lines += record.has_relation() || record.has_change() || record.has_truncate() ||
                 record.has_stats() || record.has_ddl() ||
                 (record.has_message() &&
                  record.message().offset() + record.message().content().size() == record.message().total());
    return lines;
}

} // namespace

void Target(std::string_view input)
{
    const Printed printed = Print(input);
    for (const std::string& line : printed.lines) {
        FUZZ_CHECK(line.find('\n') == line.size() - 1);
        const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
        FUZZ_CHECK(json.is_object() && json.contains("op"));
    }
    v1::Batch batch;
    const bool parsed = Parse(&batch, input);
    FUZZ_CHECK(!printed.ok || (parsed && printed.lines.size() == Expected(batch)));
    if (!parsed)
        return;
    const Printed again = Print(batch.SerializeAsString());
    FUZZ_CHECK(again.ok == printed.ok && again.lines == printed.lines);
}

} // namespace wal2lake::fuzz
