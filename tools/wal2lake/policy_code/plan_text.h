// A plan for people: what newly flows first.
#pragma once

#include <string>

#include "policy_code/plan.h"

namespace wal2lake
{

std::string FormatPlan(const Plan& plan);

// "14 columns newly in clear, 3 newly as tokens, ...", without what there is none of; "nothing to do".
std::string SummaryOf(const Plan& plan);

} // namespace wal2lake
