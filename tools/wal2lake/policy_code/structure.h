// Reads a structure.sql: what pg_dump --schema-only or Rails writes. The only part that
// knows the server's grammar (libpg_query).
#pragma once

#include <string>
#include <vector>

#include "policy_code/finding.h"
#include "policy_code/schema.h"

namespace wal2lake
{

// The tables of `text`, which is called `file` in all places. Never fails: what is about a
// table and cannot be read is a finding (structure-unreadable), and what can be read of
// it is in the schema. So are a file that is no text in UTF-8, one without any table, and one that sets
// labels itself (labels-in-structure).
Schema ParseStructure(const std::string& file, const std::string& text, std::vector<PolicyFinding>* findings);

} // namespace wal2lake
