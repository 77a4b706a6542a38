// Security labels: what is written out again reads the same, and nothing but a
// good label with yellow or green ever yields clear.
#include <cstring>
#include <string>

#include "core/label.h"
#include "core/policy.h"
#include "fuzz.h"

namespace wal2lake::fuzz
{
namespace
{

// The sentence of a refusal, which must fit the room it was given.
template <typename Parse>
bool WithEachRoom(Parse&& parse)
{
    char error[400];
    std::memset(error, '#', sizeof error);
    const bool ok = parse(error, sizeof error);
    FUZZ_CHECK(ok || std::memchr(error, '\0', sizeof error) != nullptr);
    FUZZ_CHECK(ok || error[0] != '\0');
    for (const size_t room : {size_t{0}, size_t{1}, size_t{7}, size_t{40}}) {
        std::memset(error, '#', sizeof error);
        FUZZ_CHECK(parse(error, room) == ok);
        for (size_t i = room; i < sizeof error; i++)
            FUZZ_CHECK(error[i] == '#');
    }
    FUZZ_CHECK(parse(nullptr, 0) == ok);
    return ok;
}

void CheckVerdicts(std::string_view text, bool ok, const w2l_column_label& label)
{
    for (const uint32_t oid : {16U, 17U, 20U, 21U, 25U, 1042U, 1700U, 2950U, 999999U}) {
        const w2l_type type = w2l_type_of(oid, false);
        const w2l_verdict verdict = w2l_verdict_of_label(text.data(), text.size(), type);
        FUZZ_CHECK(verdict.action != W2L_ACTION_NONE);
        if (!ok)
            FUZZ_CHECK(verdict.action == W2L_ACTION_DROP);
        else
            FUZZ_CHECK(verdict.action >= label.action && verdict.class_ == label.class_);
        if (verdict.action == W2L_ACTION_CLEAR)
            FUZZ_CHECK(verdict.class_ == W2L_CLASS_GREEN || verdict.class_ == W2L_CLASS_YELLOW);
        if (verdict.action == W2L_ACTION_HASH)
            FUZZ_CHECK(type.canonical != W2L_CANONICAL_NONE);
        FUZZ_CHECK(verdict.domain == nullptr || verdict.action == W2L_ACTION_HASH);
        const w2l_verdict folded = w2l_stricter(verdict, w2l_verdict_unlabelled(false, type));
        FUZZ_CHECK(folded.action == W2L_ACTION_DROP && folded.class_ == verdict.class_);
    }
}

std::string Format(const w2l_column_label& label)
{
    std::string text = w2l_class_name(label.class_);
    if (label.action_written)
        text += std::string(" ") + w2l_action_name(label.action);
    if (label.domain != nullptr)
        text += " domain=" + std::string(label.domain, label.domain_length);
    return text;
}

void CheckColumn(std::string_view text)
{
    w2l_column_label label = {};
    const bool ok = WithEachRoom([&](char* error, size_t size) {
        return w2l_parse_column_label(text.data(), text.size(), &label, error, size);
    });
    CheckVerdicts(text, ok, label);
    if (!ok)
        return;
    FUZZ_CHECK(text.size() <= W2L_MAX_LABEL);
    FUZZ_CHECK(label.domain == nullptr || Within({label.domain, label.domain_length}, text));
    const std::string written = Format(label);
    w2l_column_label again = {};
    FUZZ_CHECK(w2l_parse_column_label(written.data(), written.size(), &again, nullptr, 0));
    FUZZ_CHECK(again.class_ == label.class_ && again.action == label.action);
    FUZZ_CHECK(again.action_written == label.action_written);
    FUZZ_CHECK(Format(again) == written);
}

void CheckOthers(std::string_view text)
{
    w2l_table_label table = W2L_TABLE_NONE;
    const bool table_ok = WithEachRoom([&](char* error, size_t size) {
        return w2l_parse_table_label(text.data(), text.size(), &table, error, size);
    });
    FUZZ_CHECK(table_ok == (table != W2L_TABLE_NONE));

    w2l_database_label database = {};
    const bool ok = WithEachRoom([&](char* error, size_t size) {
        return w2l_parse_database_label(text.data(), text.size(), &database, error, size);
    });
    if (!ok)
        return;
    FUZZ_CHECK(w2l_is_key_id(database.key_id, std::strlen(database.key_id)));
    FUZZ_CHECK(std::strlen(database.check) == 0 || std::strlen(database.check) == W2L_CHECK_DIGITS);
    std::string written = std::string("key=") + database.key_id;
    if (database.check[0] != '\0')
        written += std::string(" check=") + database.check;
    w2l_database_label again = {};
    FUZZ_CHECK(w2l_parse_database_label(written.data(), written.size(), &again, nullptr, 0));
    FUZZ_CHECK(std::strcmp(again.key_id, database.key_id) == 0);
    FUZZ_CHECK(std::strcmp(again.check, database.check) == 0);
}

} // namespace

void Target(std::string_view input)
{
    CheckColumn(input);
    CheckOthers(input);
}

} // namespace wal2lake::fuzz
