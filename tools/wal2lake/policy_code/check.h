// What is wrong with a policy, and what a change of it lets out: for `policy check`. Pure;
// needs no database, and finds more with the structure at hand. codes.h lists the codes.
#pragma once

#include <string>
#include <vector>

#include "policy_code/document.h"
#include "policy_code/finding.h"
#include "policy_code/schema.h"

namespace wal2lake
{

// By place. `structure` may be nullptr; `structure_file` is what it was read from. What the readers of
// documents and structure found themselves is not repeated. A column with `reviewed` is excused from
// warnings and from generated-copy.
std::vector<PolicyFinding> CheckPolicy(const Policy& policy, const Schema* structure,
                                       const std::string& structure_file,
                                       const std::vector<Dictionary>& dictionaries);

// What flows by `later` and did not by `earlier`, by place. Either structure may be nullptr; `structure` is
// of the later one. Without that only columns that have a line are looked at; without the earlier one it is
// taken to have been the same.
std::vector<PolicyFinding> Since(const Policy& earlier, const Policy& later, const Schema* earlier_structure,
                                 const Schema* structure);

// Without those that were there before: of the same code and severity, about the same object, and saying the
// same. Of several such ones as many are taken away as there were. What could not be read stays: it may hide
// more.
std::vector<PolicyFinding> WithoutKnown(std::vector<PolicyFinding> findings,
                                        const std::vector<PolicyFinding>& before);

} // namespace wal2lake
