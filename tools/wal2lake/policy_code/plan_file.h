// A plan as JSON: what `policy plan --json` prints and `policy apply --plan` carries out. The format is an
// API (docs/policy.md): members are added, never changed.
#pragma once

#include <string>

#include "policy_code/plan.h"

namespace wal2lake
{

std::string FormatPlanJson(const Plan& plan);

// kInvalid where `text` is no plan of this format.
Result<Plan> ParsePlanJson(const std::string& text);

} // namespace wal2lake
