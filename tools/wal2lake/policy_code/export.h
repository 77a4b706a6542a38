// The documents of a policy for a schema: what has to be written so that each table has one, and each column
// a line. Pure; what a person wrote is never changed, but for a TODO that is decided now.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "policy_code/document.h"
#include "policy_code/schema.h"
#include "policy_code/suggest.h"

namespace wal2lake
{

struct ExportRequest {
    std::string folder;
    // What is there, and as it was parsed.
    Documents documents;
    Policy policy;
    std::vector<Dictionary> dictionaries;
    bool suggest = false;
    bool overwrite = false;
};

struct ExportOutcome {
    // Path below the folder and text of what is new or changes.
    Documents written;
    size_t new_documents = 0;
    size_t changed_documents = 0;
    size_t same_documents = 0;
    // Of the columns that got a line or lost a TODO, where their labels come from.
    size_t from_database = 0;
    size_t from_rules = 0;
    size_t suggested = 0;
    // Lines that say TODO, old and new.
    size_t undecided = 0;
    size_t partitions = 0;
    std::vector<std::string> skipped_views;
    std::vector<std::string> skipped_of_extensions;
    // Columns whose documents say something else than the database; they stay, but with `overwrite`.
    std::vector<std::string> differing;
    // Named in documents, and not in the schema.
    std::vector<std::string> ahead;
    // Documents that cannot be added to.
    std::vector<PolicyFinding> refused;
};

ExportOutcome ExportPolicy(const Schema& schema, const ExportRequest& request);

} // namespace wal2lake
