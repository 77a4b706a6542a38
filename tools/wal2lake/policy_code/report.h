// Findings as people and CI systems read them. Names and texts of others cannot drive a
// terminal nor break the format. Knows nothing of where findings come from.
#pragma once

#include <string>
#include <vector>

#include "policy_code/finding.h"

namespace wal2lake
{

// A line for each, "file:line: severity code: object: text; fix", and one with counts.
std::string FindingsAsText(const std::vector<PolicyFinding>& findings);

// JUnit's XML, as GitLab and Jenkins read it: a test that failed for each error and warning; what is
// only told, passed. One test that passed where there is nothing.
std::string FindingsAsJunit(const std::vector<PolicyFinding>& findings);

// GitLab's code quality report, a subset of Code Climate's. The fingerprint of a finding stays
// when lines move. Paths are relative to the working directory, where CI has the repository.
std::string FindingsAsCodeQuality(const std::vector<PolicyFinding>& findings);

} // namespace wal2lake
