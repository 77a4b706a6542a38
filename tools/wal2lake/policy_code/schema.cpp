#include "policy_code/schema.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

namespace wal2lake
{
namespace
{

auto NameOf(const SchemaTable& table)
{
    return std::tie(table.schema, table.name);
}

} // namespace

const SchemaColumn* SchemaTable::Find(std::string_view column) const
{
    const auto found = std::find_if(columns.begin(), columns.end(),
                                    [&](const SchemaColumn& each) { return each.name == column; });
    return found == columns.end() ? nullptr : &*found;
}

void Schema::Sort()
{
    std::sort(tables.begin(), tables.end(),
              [](const SchemaTable& a, const SchemaTable& b) { return NameOf(a) < NameOf(b); });
    std::sort(views.begin(), views.end());
}

const SchemaTable* Schema::Find(std::string_view schema, std::string_view table) const
{
    const auto wanted = std::tie(schema, table);
    const auto found =
        std::lower_bound(tables.begin(), tables.end(), wanted, [](const SchemaTable& each, const auto& name) {
            return std::tuple<std::string_view, std::string_view>(NameOf(each)) < name;
        });
    return found == tables.end() || found->schema != schema || found->name != table ? nullptr : &*found;
}

uint32_t BuiltInType(std::string_view name)
{
    // Those of core/types.cpp: oids of built-in types never change.
    static const std::unordered_map<std::string_view, uint32_t> types{
        {"bool", 16},        {"bytea", 17},         {"char", 18},       {"name", 19},
        {"int8", 20},        {"int2", 21},          {"int4", 23},       {"text", 25},
        {"oid", 26},         {"json", 114},         {"cidr", 650},      {"float4", 700},
        {"float8", 701},     {"macaddr8", 774},     {"macaddr", 829},   {"inet", 869},
        {"bpchar", 1042},    {"varchar", 1043},     {"date", 1082},     {"time", 1083},
        {"timestamp", 1114}, {"timestamptz", 1184}, {"interval", 1186}, {"timetz", 1266},
        {"numeric", 1700},   {"uuid", 2950},        {"jsonb", 3802},    {"xml", 142},
        {"money", 790},      {"tsvector", 3614}};
    const auto found = types.find(name);
    return found == types.end() ? 0 : found->second;
}

} // namespace wal2lake
