// Labels for the columns of a schema: those that somebody has decided, those of rules,
// and, if asked for, those that names, types and references speak for. Pure.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy_code/document.h"
#include "policy_code/schema.h"

namespace wal2lake
{

struct Suggestion {
    // Empty: to be left TODO, although there is something to say.
    std::string label;
    // A few words, such as "refers to public.users.id"; empty where it was decided before.
    std::string reason;
    // A rule says so, or what is wrong with what it says.
    bool by_rule = false;
};

// By column; where there is nothing to say there is none, and the column is TODO.
using Suggestions = std::map<Reference, Suggestion>;

// The label of the first rule for a column, empty for TODO: LabelByRule() with the policy's rules.
using RuleLabel = std::function<std::optional<std::string>(std::string_view schema, std::string_view table,
                                                           std::string_view column)>;

// For all columns of roots that are not excluded. A decision of the policy stands, then a label as stored, then
// a rule; `guess` asks for the rest. Few guesses open a column, and only where name and type leave no doubt.
Suggestions SuggestLabels(const Schema& schema, const Policy& policy, const RuleLabel& rule,
                          const std::vector<Dictionary>& dictionaries, bool guess);

} // namespace wal2lake
