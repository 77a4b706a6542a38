// Where a policy and a database have come apart, both ways: for a job that looks every night. A plan says
// what apply would do; this says too what it would leave alone.
#pragma once

#include <string>
#include <vector>

#include "policy_code/catalog.h"
#include "policy_code/document.h"

namespace wal2lake
{

// Codes, texts and fixes as in docs/policy.md; by place. `folder` names documents that are not there yet.
std::vector<PolicyFinding> FindDrift(const Policy& policy, const std::string& folder, const Catalog& catalog);

} // namespace wal2lake
