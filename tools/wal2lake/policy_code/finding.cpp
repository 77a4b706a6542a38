#include "policy_code/finding.h"

#include <algorithm>

#include "source_postgres.h"

namespace wal2lake
{

std::string_view NameOf(PolicySeverity severity)
{
    switch (severity) {
    case PolicySeverity::kInfo:
        return "info";
    case PolicySeverity::kWarning:
        return "warning";
    case PolicySeverity::kError:
        break;
    }
    return "error";
}

namespace
{

// Plain words stay plain. A keyword may too: nobody runs this.
std::string Quoted(std::string_view name)
{
    const bool plain = !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
                       std::all_of(name.begin(), name.end(), [](char c) {
                           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
                       });
    return plain ? std::string(name) : PostgresSource::Identifier(std::string(name));
}

} // namespace

std::string ObjectName(std::string_view schema, std::string_view table)
{
    return Quoted(schema) + "." + Quoted(table);
}

std::string ObjectName(std::string_view schema, std::string_view table, std::string_view column)
{
    return ObjectName(schema, table) + "." + Quoted(column);
}

} // namespace wal2lake
