#include "core/policy.h"

extern "C" w2l_verdict w2l_no_verdict(void) noexcept
{
    return {W2L_CLASS_NONE, W2L_ACTION_NONE, nullptr, 0};
}

extern "C" w2l_verdict w2l_verdict_of_label(const char* text, size_t length, w2l_type type) noexcept
{
    w2l_column_label label;
    if (!w2l_parse_column_label(text, length, &label, nullptr, 0))
        return {W2L_CLASS_NONE, W2L_ACTION_DROP, nullptr, 0};

    w2l_verdict verdict = {label.class_, label.action, label.domain, label.domain_length};
    bool hash_by_default = label.action == W2L_ACTION_HASH && !label.action_written;
    if (label.action == W2L_ACTION_HASH &&
        (type.canonical == W2L_CANONICAL_NONE || (hash_by_default && type.few_values)))
        verdict = {label.class_, W2L_ACTION_DROP, nullptr, 0};
    return verdict;
}

extern "C" w2l_verdict w2l_verdict_unlabelled(bool is_key, w2l_type type) noexcept
{
    bool hash = is_key && type.canonical != W2L_CANONICAL_NONE;
    return {W2L_CLASS_NONE, hash ? W2L_ACTION_HASH : W2L_ACTION_DROP, nullptr, 0};
}

extern "C" w2l_verdict w2l_stricter(w2l_verdict first, w2l_verdict second) noexcept
{
    w2l_verdict result = second.action >= first.action ? second : first;
    result.class_ = first.class_ > second.class_ ? first.class_ : second.class_;
    return result;
}
