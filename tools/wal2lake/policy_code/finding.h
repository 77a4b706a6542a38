// What is wrong with a policy, where, and what to do about it: made by the reader of
// documents and by `policy check`, printed by report.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wal2lake
{

// Errors and warnings fail a check; info does not.
enum class PolicySeverity { kInfo, kWarning, kError };

// A line of a file, from 1; 0 where the file as a whole is meant.
struct Place {
    std::string file;
    size_t line = 0;

    auto operator<=>(const Place&) const = default;
};

struct PolicyFinding {
    PolicySeverity severity = PolicySeverity::kError;
    // From docs/policy.md, such as "unlabelled"; an API, as doctor's codes are.
    std::string code;
    Place place;
    // What it is about, as schema.table or schema.table.column, quoted as in SQL where it must be; may be
    // empty.
    std::string object;
    // One sentence, lower case, without full stop.
    std::string text;
    // What to do; may be empty.
    std::string fix;
};

// "info", "warning", "error".
std::string_view NameOf(PolicySeverity severity);

// schema.table and schema.table.column, each name in double quotes where SQL wants it.
std::string ObjectName(std::string_view schema, std::string_view table);
std::string ObjectName(std::string_view schema, std::string_view table, std::string_view column);

} // namespace wal2lake
