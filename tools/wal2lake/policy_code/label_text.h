// What the label of a column says, for the parts that judge and compare policies: the
// server's own parser and rules (core/label.h, core/policy.h), in C++.
#pragma once

#include <string>
#include <string_view>

#include "core/label.h"
#include "core/policy.h"
#include "policy_code/schema.h"

namespace wal2lake
{

struct LabelFacts {
    w2l_class data_class = W2L_CLASS_NONE;
    // What the label does to values of the type.
    w2l_action action = W2L_ACTION_DROP;
    // Of a hash; empty: the column's own.
    std::string domain;
    // Why the hook would refuse the label on this type, and what to write instead; empty: it would not.
    std::string wrong;
    std::string fix;

    bool is_clear() const { return action == W2L_ACTION_CLEAR; }
};

// `label` as written. With no type (nullptr) only what any type would refuse is wrong.
LabelFacts FactsOfLabel(std::string_view label, const SchemaType* type);

// What happens to a column without a label: withheld, or in a key hashed in its own domain.
LabelFacts FactsOfUnlabelled(const SchemaColumn& column);

// The domain of a hash that names none, of a column of a root table.
std::string DefaultDomain(const std::string& schema, const std::string& table, const std::string& column);

// "clear", "hashed", "withheld".
std::string_view OutcomeOf(w2l_action action);

} // namespace wal2lake
