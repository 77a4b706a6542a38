#include "policy_code/policy_index.h"

namespace wal2lake
{

PolicyIndex::PolicyIndex(const Policy& policy)
{
    for (const TableEntry& table : policy.tables) {
        Entry& entry = tables_[{table.schema, table.table}];
        entry.table = &table;
        for (const ColumnEntry& column : table.columns)
            entry.columns.emplace(column.name, &column);
    }
}

const TableEntry* PolicyIndex::Table(std::string_view schema, std::string_view table) const
{
    const auto found = tables_.find({schema, table});
    return found == tables_.end() ? nullptr : found->second.table;
}

const ColumnEntry* PolicyIndex::Column(std::string_view schema, std::string_view table,
                                       std::string_view column) const
{
    const auto found = tables_.find({schema, table});
    if (found == tables_.end())
        return nullptr;
    const auto entry = found->second.columns.find(column);
    return entry == found->second.columns.end() ? nullptr : entry->second;
}

} // namespace wal2lake
