#include "core/label.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

/* Compiled without exceptions and linked into a library without libstdc++: no
 * container, no std::string_view::substr (it throws). */

namespace
{

/* A piece of the label. */
struct Word {
    const char* begin;
    size_t length;

    bool Is(const char* text) const
    {
        return std::strlen(text) == length && std::memcmp(begin, text, length) == 0;
    }

    /* The rest after `prefix`, or a Word with a null begin. */
    Word After(const char* prefix) const
    {
        size_t size = std::strlen(prefix);
        if (length < size || std::memcmp(begin, prefix, size) != 0)
            return {nullptr, 0};
        return {begin + size, length - size};
    }
};

/* Splits at spaces; a word is never empty. */
class Words
{
  public:
    Words(const char* text, size_t length) : cursor_(text), end_(text + length) {}

    bool Next(Word* word)
    {
        while (cursor_ < end_ && *cursor_ == ' ')
            ++cursor_;
        if (cursor_ == end_)
            return false;
        const char* begin = cursor_;
        while (cursor_ < end_ && *cursor_ != ' ')
            ++cursor_;
        *word = {begin, static_cast<size_t>(cursor_ - begin)};
        return true;
    }

  private:
    const char* cursor_;
    const char* end_;
};

/* Where a sentence goes, and always false, so that a parser can return it. */
class Complaint
{
  public:
    Complaint(char* text, size_t size) : text_(text), size_(size) {}

    __attribute__((format(printf, 2, 3))) bool Say(const char* format, ...)
    {
        if (text_ != nullptr && size_ > 0) {
            va_list arguments;
            va_start(arguments, format);
            std::vsnprintf(text_, size_, format, arguments);
            va_end(arguments);
        }
        return false;
    }

  private:
    char* text_;
    size_t size_;
};

/* For "%.*s" of text that may be long: at most 64 bytes, whole characters of UTF-8. */
int Shown(const Word& word)
{
    if (word.length <= 64)
        return static_cast<int>(word.length);
    int length = 64;
    while (length > 0 && (word.begin[length] & 0xC0) == 0x80)
        --length;
    return length;
}

constexpr const char* kClassNames[] = {"unlabelled", "green", "yellow", "orange", "red", "regulated_red"};
constexpr const char* kActionNames[] = {"none", "clear", "hash", "drop"};

w2l_action DefaultAction(w2l_class value)
{
    switch (value) {
    case W2L_CLASS_GREEN:
    case W2L_CLASS_YELLOW:
        return W2L_ACTION_CLEAR;
    case W2L_CLASS_ORANGE:
    case W2L_CLASS_RED:
        return W2L_ACTION_HASH;
    default:
        return W2L_ACTION_DROP;
    }
}

bool IsLowerOrDigit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool IsDomainByte(char c)
{
    return IsLowerOrDigit(c) || (c >= 'A' && c <= 'Z') || std::strchr("_.:/%-", c) != nullptr;
}

bool IsDomain(const Word& word)
{
    if (word.length == 0 || word.length > W2L_MAX_DOMAIN)
        return false;
    for (size_t i = 0; i < word.length; ++i)
        if (word.begin[i] == '\0' || !IsDomainByte(word.begin[i]))
            return false;
    /* K of the domain "check" would begin with the key's published check digits. */
    return !word.Is("check");
}

bool IsCheck(const Word& word)
{
    if (word.length != W2L_CHECK_DIGITS)
        return false;
    for (size_t i = 0; i < word.length; ++i)
        if (!((word.begin[i] >= '0' && word.begin[i] <= '9') ||
              (word.begin[i] >= 'a' && word.begin[i] <= 'f')))
            return false;
    return true;
}

/* What holds for every label. */
bool IsSane(size_t length, Complaint& complaint)
{
    if (length > W2L_MAX_LABEL)
        return complaint.Say("label is longer than %d bytes", W2L_MAX_LABEL);
    return true;
}

} // namespace

extern "C" bool w2l_parse_column_label(const char* text, size_t length, w2l_column_label* out, char* error,
                                       size_t error_size) noexcept
{
    Complaint complaint(error, error_size);
    if (!IsSane(length, complaint))
        return false;

    Words words(text, length);
    Word word;
    if (!words.Next(&word))
        return complaint.Say("label is empty; write \"class [action] [domain=name]\"");

    w2l_column_label label = {};
    for (int value = W2L_CLASS_GREEN; value <= W2L_CLASS_REGULATED_RED; ++value)
        if (word.Is(kClassNames[value]))
            label.class_ = static_cast<w2l_class>(value);
    if (label.class_ == W2L_CLASS_NONE)
        return complaint.Say("class \"%.*s\" is unknown; use regulated_red, red, orange, yellow or green",
                             Shown(word), word.begin);
    label.action = DefaultAction(label.class_);

    bool more = words.Next(&word);
    if (more && word.After("domain=").begin == nullptr) {
        label.action = W2L_ACTION_NONE;
        for (int value = W2L_ACTION_CLEAR; value <= W2L_ACTION_DROP; ++value)
            if (word.Is(kActionNames[value]))
                label.action = static_cast<w2l_action>(value);
        if (label.action == W2L_ACTION_NONE)
            return complaint.Say("\"%.*s\" is neither an action (clear, hash, drop) nor domain=name",
                                 Shown(word), word.begin);
        label.action_written = true;
        more = words.Next(&word);
    }
    if (more && word.After("domain=").begin != nullptr) {
        Word domain = word.After("domain=");
        if (!IsDomain(domain))
            return complaint.Say("domain \"%.*s\" is not a name of 1 to %d letters, digits and _ . : / %% - "
                                 "(nor may it be \"check\")",
                                 Shown(domain), domain.begin, W2L_MAX_DOMAIN);
        label.domain = domain.begin;
        label.domain_length = domain.length;
        more = words.Next(&word);
    }
    if (more)
        return complaint.Say("unexpected \"%.*s\"; a label is \"class [action] [domain=name]\"", Shown(word),
                             word.begin);
    if (label.action == W2L_ACTION_CLEAR && label.class_ > W2L_CLASS_YELLOW)
        return complaint.Say("clear is legal for yellow and green only, not for %s",
                             kClassNames[label.class_]);
    if (label.domain != nullptr && label.action != W2L_ACTION_HASH)
        return complaint.Say("a domain is legal with hash only, not with %s", kActionNames[label.action]);
    *out = label;
    return true;
}

extern "C" bool w2l_parse_table_label(const char* text, size_t length, w2l_table_label* out, char* error,
                                      size_t error_size) noexcept
{
    Complaint complaint(error, error_size);
    if (!IsSane(length, complaint))
        return false;

    Words words(text, length);
    Word word, rest;
    bool any = words.Next(&word);
    if (any && !words.Next(&rest)) {
        if (word.Is("exclude")) {
            *out = W2L_TABLE_EXCLUDE;
            return true;
        }
        if (word.Is("inherit")) {
            *out = W2L_TABLE_INHERIT;
            return true;
        }
    }
    return complaint.Say("a label on a table is \"exclude\" or, on a partition, \"inherit\"; classes are "
                         "labels on columns");
}

extern "C" bool w2l_parse_database_label(const char* text, size_t length, w2l_database_label* out,
                                         char* error, size_t error_size) noexcept
{
    Complaint complaint(error, error_size);
    if (!IsSane(length, complaint))
        return false;

    Words words(text, length);
    Word word;
    w2l_database_label label = {};
    Word key = words.Next(&word) ? word.After("key=") : Word{nullptr, 0};
    if (key.begin == nullptr || !w2l_is_key_id(key.begin, key.length))
        return complaint.Say("a label on a database is \"key=id [check=8 hex digits]\"");
    std::memcpy(label.key_id, key.begin, key.length);
    if (words.Next(&word)) {
        Word check = word.After("check=");
        if (check.begin == nullptr || !IsCheck(check))
            return complaint.Say("\"%.*s\" is not check= with 8 lower-case hex digits", Shown(word),
                                 word.begin);
        std::memcpy(label.check, check.begin, check.length);
        if (words.Next(&word))
            return complaint.Say(
                "unexpected \"%.*s\"; a label on a database is \"key=id [check=8 hex digits]\"", Shown(word),
                word.begin);
    }
    *out = label;
    return true;
}

extern "C" bool w2l_is_key_id(const char* id, size_t length) noexcept
{
    if (length == 0 || length > W2L_MAX_KEY_ID || !IsLowerOrDigit(id[0]))
        return false;
    for (size_t i = 1; i < length; ++i)
        if (!IsLowerOrDigit(id[i]) && id[i] != '_' && id[i] != '-')
            return false;
    return true;
}

extern "C" const char* w2l_class_name(w2l_class value) noexcept
{
    return value >= W2L_CLASS_NONE && value <= W2L_CLASS_REGULATED_RED ? kClassNames[value] : "unlabelled";
}

extern "C" const char* w2l_action_name(w2l_action value) noexcept
{
    return value >= W2L_ACTION_NONE && value <= W2L_ACTION_DROP ? kActionNames[value] : "none";
}
