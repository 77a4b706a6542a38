// Finds tables and columns of a policy by their names, quickly: for what goes over all
// columns of a large policy.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "policy_code/document.h"

namespace wal2lake
{

// Points into the policy, which must outlive it.
class PolicyIndex
{
  public:
    explicit PolicyIndex(const Policy& policy);

    // nullptr where the policy has none of that name.
    const TableEntry* Table(std::string_view schema, std::string_view table) const;
    const ColumnEntry* Column(std::string_view schema, std::string_view table, std::string_view column) const;

  private:
    struct Entry {
        const TableEntry* table = nullptr;
        std::unordered_map<std::string_view, const ColumnEntry*> columns;
    };

    std::map<std::pair<std::string_view, std::string_view>, Entry> tables_;
};

} // namespace wal2lake
