// The codes of what is wrong with a policy: an API, since people filter by them. docs/policy.md
// lists them, and a test compares.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "policy_code/finding.h"

namespace wal2lake
{

struct PolicyCode {
    std::string_view name;
    PolicySeverity severity;
    std::string_view meaning;
};

// By name.
std::span<const PolicyCode> AllPolicyCodes();

// A finding with the severity of its code, which must be in the list.
PolicyFinding MakeFinding(std::string_view code, Place place, std::string object, std::string text,
                          std::string fix);

} // namespace wal2lake
