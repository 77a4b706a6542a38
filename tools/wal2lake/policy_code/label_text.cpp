#include "policy_code/label_text.h"

#include <array>

#include "core/token.h"

namespace wal2lake
{
namespace
{

// What type a column without one is judged by: text can do all that any type can.
constexpr uint32_t kText = 25;

std::string Domain(const w2l_verdict& verdict)
{
    return verdict.domain == nullptr ? "" : std::string(verdict.domain, verdict.domain_length);
}

} // namespace

LabelFacts FactsOfLabel(std::string_view label, const SchemaType* type)
{
    const w2l_type type_facts = type == nullptr ? w2l_type_of(kText, false) : type->facts();
    LabelFacts facts;
    w2l_column_label parsed = {};
    std::array<char, 300> reason{};
    if (!w2l_parse_column_label(label.data(), label.size(), &parsed, reason.data(), reason.size())) {
        facts.wrong = reason.data();
        facts.fix = "write class [action] [domain=name], such as red hash domain=email";
        return facts;
    }
    const w2l_verdict verdict = w2l_verdict_of_label(label.data(), label.size(), type_facts);
    facts.data_class = parsed.class_;
    facts.action = verdict.action;
    if (verdict.action == W2L_ACTION_HASH)
        facts.domain = Domain(verdict);
    if (type != nullptr && parsed.action == W2L_ACTION_HASH && parsed.action_written &&
        type_facts.canonical == W2L_CANONICAL_NONE) {
        facts.wrong = "values of type " + type->name + " cannot be hashed";
        facts.fix = "write " + std::string(w2l_class_name(parsed.class_)) + " drop";
    }
    return facts;
}

LabelFacts FactsOfUnlabelled(const SchemaColumn& column)
{
    LabelFacts facts;
    facts.action = w2l_verdict_unlabelled(column.is_key, column.type.facts()).action;
    return facts;
}

std::string DefaultDomain(const std::string& schema, const std::string& table, const std::string& column)
{
    std::array<char, W2L_MAX_DOMAIN + 1> domain{};
    // What it needs is there: it can only be out of memory.
    if (w2l_default_domain(schema.c_str(), table.c_str(), column.c_str(), domain.data(), domain.size()) !=
        W2L_OK)
        return "";
    return domain.data();
}

std::string_view OutcomeOf(w2l_action action)
{
    return action == W2L_ACTION_CLEAR ? "clear" : action == W2L_ACTION_HASH ? "hashed" : "withheld";
}

} // namespace wal2lake
