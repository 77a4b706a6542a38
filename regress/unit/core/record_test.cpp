// The record encoder against the golden messages, which protoc made
// (tools/dev/golden.sh): the same content through our calls gives the same bytes.
#include "core/record.h"

#include "batch_builder.h"
#include "golden.h"

#include <algorithm>
#include <cctype>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <xxhash.h>

namespace wal2lake
{
namespace
{

using std::string;

// The test key of docs/token_vectors.json.
class Keys
{
  public:
    Keys() { EXPECT_EQ(w2l_tokenizer_new(reinterpret_cast<const uint8_t*>(kSecret), &tokenizer_), W2L_OK); }
    ~Keys() { w2l_tokenizer_free(tokenizer_); }
    Keys(const Keys&) = delete;
    Keys& operator=(const Keys&) = delete;

    const w2l_domain* Domain(const string& name)
    {
        const w2l_domain* domain = nullptr;
        EXPECT_EQ(w2l_tokenizer_domain(tokenizer_, name.data(), name.size(), &domain), W2L_OK);
        return domain;
    }

  private:
    static constexpr char kSecret[] = "wal2lake regression test key 01!";
    w2l_tokenizer* tokenizer_ = nullptr;
};

w2l_column Clear(uint32_t attnum, const char* name, uint32_t type_oid, const char* type_name,
                 w2l_encoding encoding, w2l_class class_ = W2L_CLASS_GREEN)
{
    return {attnum, name,   type_oid,         type_name, -1,       type_oid, 0,
            false,  class_, W2L_ACTION_CLEAR, "",        encoding, nullptr};
}
w2l_column Hashed(uint32_t attnum, const char* name, uint32_t type_oid, const char* type_name,
                  w2l_encoding encoding, w2l_class class_, const char* domain)
{
    return {attnum, name,   type_oid,        type_name, -1,       type_oid, 0,
            false,  class_, W2L_ACTION_HASH, domain,    encoding, nullptr};
}
w2l_column ClearText(uint32_t attnum, const char* name, w2l_class class_ = W2L_CLASS_YELLOW)
{
    return Clear(attnum, name, 25, "pg_catalog.text", W2L_ENCODING_TEXT, class_);
}

w2l_relation Relation(uint32_t id, uint32_t oid, const char* name, w2l_replica_identity identity,
                      const std::vector<w2l_column>& columns, const char* key_id)
{
    return {id, oid, "public", name, 0, "", "", identity, columns.data(), columns.size(), key_id};
}

const std::vector<w2l_column>& UserColumns()
{
    static const std::vector<w2l_column> columns = [] {
        std::vector<w2l_column> made = {
            Clear(1, "id", 23, "pg_catalog.int4", W2L_ENCODING_INT),
            {2, "bio", 25, "pg_catalog.text", -1, 25, 0, false, W2L_CLASS_NONE, W2L_ACTION_DROP, "",
             W2L_ENCODING_TEXT, nullptr},
            Hashed(4, "email", 25, "pg_catalog.text", W2L_ENCODING_TEXT, W2L_CLASS_RED, "email"),
            ClearText(5, "name"),
        };
        made[0].is_key = made[2].is_key = true;
        return made;
    }();
    return columns;
}
w2l_relation Users(w2l_replica_identity identity)
{
    return Relation(7, 16400, "users", identity, UserColumns(), "k2026");
}

w2l_change Change(uint64_t ordinal, uint32_t relation_id, w2l_operation operation)
{
    w2l_change change = {};
    change.ordinal = ordinal;
    change.relation_id = relation_id;
    change.operation = operation;
    return change;
}
void SetNew(w2l_change* change, Values& values)
{
    change->has_new = true;
    change->new_row = Row(values);
}
void SetOld(w2l_change* change, w2l_old_kind kind, Values& values)
{
    change->old_kind = kind;
    change->old_row = Row(values);
}

constexpr w2l_committed kCommitted = {5, 0x28, 0x60, 1767225600000000, false};
constexpr std::string_view kAlice = "alice@example.com";

string InsertEveryKind()
{
    Keys keys;
    using namespace std::string_view_literals;
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const char* int8 = "pg_catalog.int8";
    const char* float8 = "pg_catalog.float8";
    const char* float4 = "pg_catalog.float4";
    std::vector<w2l_column> columns = {
        Clear(1, "id", 20, int8, W2L_ENCODING_INT),
        ClearText(2, "nothing", W2L_CLASS_GREEN),
        Clear(3, "int_min", 20, int8, W2L_ENCODING_INT),
        Clear(4, "int_max", 20, int8, W2L_ENCODING_INT),
        Clear(5, "int_zero", 23, "pg_catalog.int4", W2L_ENCODING_INT),
        Clear(6, "float_value", 701, float8, W2L_ENCODING_FLOAT64),
        Clear(7, "float_nan", 701, float8, W2L_ENCODING_FLOAT64),
        Clear(8, "float_inf", 701, float8, W2L_ENCODING_FLOAT64),
        Clear(9, "float_minus_zero", 701, float8, W2L_ENCODING_FLOAT64),
        Clear(10, "real_value", 700, float4, W2L_ENCODING_FLOAT32),
        Clear(11, "real_nan", 700, float4, W2L_ENCODING_FLOAT32),
        Clear(12, "real_minus_inf", 700, float4, W2L_ENCODING_FLOAT32),
        Clear(13, "yes", 16, "pg_catalog.bool", W2L_ENCODING_BOOL),
        Clear(14, "no", 16, "pg_catalog.bool", W2L_ENCODING_BOOL),
        ClearText(15, "empty"),
        ClearText(16, "text"),
        Clear(17, "no_bytes", 17, "pg_catalog.bytea", W2L_ENCODING_BYTES, W2L_CLASS_YELLOW),
        Clear(18, "bytes", 17, "pg_catalog.bytea", W2L_ENCODING_BYTES, W2L_CLASS_YELLOW),
        Clear(19, "amount", 1700, "pg_catalog.numeric", W2L_ENCODING_NUMERIC, W2L_CLASS_YELLOW),
        Hashed(20, "account_id", 20, int8, W2L_ENCODING_INT, W2L_CLASS_ORANGE, "account.id"),
        Hashed(21, "email", 25, "pg_catalog.text", W2L_ENCODING_TEXT, W2L_CLASS_RED, "email"),
        Hashed(22, "ready_made", 25, "pg_catalog.text", W2L_ENCODING_TEXT, W2L_CLASS_RED,
               "public.kinds.ready_made"),
        ClearText(23, "unchanged"),
        {24, "withheld", 25, "pg_catalog.text", -1, 25, 0, false, W2L_CLASS_REGULATED_RED, W2L_ACTION_DROP,
         "", W2L_ENCODING_TEXT, nullptr},
        ClearText(25, "too_large"),
        Clear(26, "output_failed", 600, "pg_catalog.point", W2L_ENCODING_OUTPUT_TEXT, W2L_CLASS_YELLOW),
        ClearText(27, "invalid_text"),
    };
    columns[0].is_key = true;
    columns[18].typmod = 655366;
    Values row = {
        Int(1),
        Null(),
        Int(std::numeric_limits<int64_t>::min()),
        Int(std::numeric_limits<int64_t>::max()),
        Int(0),
        Float64(1.5),
        Float64(std::numeric_limits<double>::quiet_NaN()),
        Float64(kInfinity),
        Float64(-0.0),
        Float32(0.1f),
        Float32(std::numeric_limits<float>::quiet_NaN()),
        Float32(-std::numeric_limits<float>::infinity()),
        Bool(true),
        Bool(false),
        Text(""),
        Text("it's \303\251t\303\251\n"),
        OfBytes(W2L_VALUE_BYTES, ""),
        OfBytes(W2L_VALUE_BYTES, "\0\1\n\377"sv),
        OfBytes(W2L_VALUE_NUMERIC, "-12.3400"),
        HashInt(keys.Domain("account.id"), 1),
        HashBytes(keys.Domain("email"), W2L_CANONICAL_TEXT, kAlice),
        Token("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"sv),
        Unchanged(),
        Withheld(),
        Uncarried(W2L_REASON_TOO_LARGE, 1048577),
        Uncarried(W2L_REASON_OUTPUT_FAILED, 0),
        Uncarried(W2L_REASON_INVALID_TEXT, 3),
    };
    w2l_change insert = Change(1, 1, W2L_INSERT);
    SetNew(&insert, row);
    BatchBuilder builder;
    builder.Begin({741, 0x16B3748, 0x16B3780, 1767225600000001, false});
    builder.Append(Relation(1, 16385, "kinds", W2L_IDENTITY_DEFAULT, columns, "k2026"));
    builder.Append(insert);
    return builder.Finish(true);
}

string UpdateKey()
{
    Keys keys;
    w2l_value email = HashBytes(keys.Domain("email"), W2L_CANONICAL_TEXT, kAlice);
    Values new_row = {Int(-65), Withheld(), email, Unchanged()};
    Values old_row = {Int(64), email};
    w2l_change update = Change(300, 7, W2L_UPDATE);
    SetNew(&update, new_row);
    SetOld(&update, W2L_OLD_KEY, old_row);
    BatchBuilder builder;
    builder.Begin({4294967295, 0xFFFFFFFFFFFFFF00, 0xFFFFFFFFFFFFFFFF, -1, false});
    builder.Append(Users(W2L_IDENTITY_INDEX));
    builder.Append(update);
    return builder.Finish(true);
}

string ValueChunks()
{
    BatchBuilder builder;
    builder.Begin(kCommitted);
    builder.Append(Users(W2L_IDENTITY_FULL));
    const std::string_view old_name = "old name";
    builder.Append(w2l_chunk{1, 7, W2L_SIDE_OLD, 5, W2L_VALUE_TEXT, 0, 8, old_name.data(), 5, 0});
    builder.Append(w2l_chunk{1, 7, W2L_SIDE_OLD, 5, W2L_VALUE_TEXT, 5, 8, old_name.data() + 5, 3, 0});
    const std::string_view bytes("\x00\xff\n", 3);
    builder.Append(w2l_chunk{1, 7, W2L_SIDE_NEW, 5, W2L_VALUE_BYTES, 0, 3, bytes.data(), bytes.size(), 0});
    Values new_row = {Int(1), Withheld(), Null(), Chunked()};
    Values old_row = {Int(1), Withheld(), Null(), Chunked()};
    w2l_change update = Change(1, 7, W2L_UPDATE);
    SetNew(&update, new_row);
    SetOld(&update, W2L_OLD_FULL, old_row);
    builder.Append(update);
    const std::string_view digits = "12";
    builder.Append(
        w2l_chunk{2, 300, W2L_SIDE_NEW, 9, W2L_VALUE_NUMERIC, 1048576, 1100000, digits.data(), 2, 0});
    return builder.Finish(true);
}

string UpdateFull()
{
    Keys keys;
    Values first_new = {Int(2), Withheld(), Null(), Text("new")};
    Values first_old = {Int(1), Withheld(),
                        HashBytes(keys.Domain("email"), W2L_CANONICAL_BPCHAR, "alice@example.com   "),
                        Text("")};
    Values second_new = {Int(2), Withheld(), Null(), Text("newer")};
    w2l_change first = Change(1, 7, W2L_UPDATE);
    SetNew(&first, first_new);
    SetOld(&first, W2L_OLD_FULL, first_old);
    w2l_change second = Change(2, 7, W2L_UPDATE);
    SetNew(&second, second_new);
    second.old_row = Row(first_old); // to be ignored, as old_kind is NONE
    BatchBuilder builder;
    builder.Begin({5, 0x100000000, 0x100000028, 1767225600000000, false});
    builder.Append(Users(W2L_IDENTITY_FULL));
    builder.Append(first);
    builder.Append(second);
    return builder.Finish(true);
}

string DeleteKey()
{
    Keys keys;
    Values old_row = {Int(1), HashBytes(keys.Domain("email"), W2L_CANONICAL_TEXT, kAlice)};
    w2l_change by_key = Change(1, 7, W2L_DELETE);
    SetOld(&by_key, W2L_OLD_KEY, old_row);
    BatchBuilder builder;
    builder.Begin(kCommitted);
    builder.Append(Users(W2L_IDENTITY_DEFAULT));
    builder.Append(by_key);
    builder.Append(Change(2, 8, W2L_DELETE));
    return builder.Finish(true);
}

string Truncate()
{
    const uint32_t ids[] = {7, 200, 4294967295};
    BatchBuilder builder;
    builder.Begin(kCommitted);
    builder.Append(Users(W2L_IDENTITY_NOTHING));
    builder.Append(w2l_truncate{1, ids, 3, true, true, 0});
    builder.Append(w2l_truncate{2, ids, 1, false, false, 0});
    return builder.Finish(true);
}

string Ddl()
{
    BatchBuilder builder;
    builder.Begin(kCommitted);
    builder.Append(w2l_ddl{1, W2L_DDL_DROP_TABLE, 16400, "public", "users", 0, "", "", 0, "", "", 0});
    builder.Append(w2l_ddl{3, W2L_DDL_RENAME_COLUMN, UINT32_MAX, "app schema", "caf\303\251", 1600, "b",
                           "a.b", 0, "", "", 0});
    builder.Append(w2l_ddl{300, W2L_DDL_DETACH_PARTITION, 16500, "public", "events_2026_01", 0, "", "", 16490,
                           "app schema", "events", 0});
    builder.Append(w2l_ddl{301, W2L_DDL_RENAME_SCHEMA, 2200, "", "public", 0, "", "app", 0, "", "", 0});
    builder.Append(w2l_ddl{302, W2L_DDL_ALTER_TYPE, 16700, "public", "mood", 0, "", "", 0, "", "", 0});
    builder.Append(w2l_ddl{303, W2L_DDL_UNSPECIFIED, 1, "", "", 0, "", "", 0, "", "", 0});
    return builder.Finish(true);
}

string Messages()
{
    const std::string_view text = "it's caf\303\251";
    const std::string_view bytes("\x00\xff\n", 3);
    BatchBuilder builder;
    builder.Begin(kCommitted);
    builder.Append(w2l_message{1, "app", 0, text.size(), text.data(), text.size(), 0});
    builder.Append(w2l_message{3, "app.long", 0, bytes.size(), bytes.data(), bytes.size(), 0});
    builder.Append(w2l_message{300, "app", 0, 0, nullptr, 0, 0});
    string all = builder.Finish(true);
    builder.BeginMessage(0x100000028, 0x1000000A8);
    builder.Append(w2l_message{1, "app", 0, 6, "one", 3, 0});
    all += builder.Finish(false);
    builder.BeginMessage(0x100000028, 0x1000000A8);
    builder.Append(w2l_message{1, "app", 3, 6, "two", 3, 0});
    return all + builder.Finish(true);
}

// With a missing value of each way to write one: small, computed before, of bytes, a message of its own.
std::vector<w2l_column> PartitionColumns()
{
    using namespace std::string_view_literals;
    static const Values missing = {
        Int(-7), Token("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"sv),
        Text("{'a',\303\251}"), Uncarried(W2L_REASON_TOO_LARGE, 1048577)};
    std::vector<w2l_column> columns = {
        {1, "id", 20, "pg_catalog.int8", -1, 20, 0, true, W2L_CLASS_GREEN, W2L_ACTION_CLEAR, "",
         W2L_ENCODING_INT, nullptr},
        {2, "contact", 16600, "app schema.email", -1, 1043, 0, false, W2L_CLASS_RED, W2L_ACTION_HASH,
         "app%20schema.events.contact", W2L_ENCODING_TEXT, nullptr},
        {3, "tags", 1009, "pg_catalog._text", -1, 1009, 25, false, W2L_CLASS_YELLOW, W2L_ACTION_CLEAR, "",
         W2L_ENCODING_OUTPUT_TEXT, nullptr},
        {4, "at", 1184, "pg_catalog.timestamptz", 0, 1184, 0, false, W2L_CLASS_GREEN, W2L_ACTION_CLEAR, "",
         W2L_ENCODING_TIMESTAMPTZ, nullptr},
        {1600, "price", 1700, "pg_catalog.numeric", std::numeric_limits<int32_t>::max(), 1700, 0, false,
         W2L_CLASS_ORANGE, W2L_ACTION_DROP, "", W2L_ENCODING_NUMERIC, nullptr},
        {1601, "mood", 16700, "app schema.mood", std::numeric_limits<int32_t>::min(), 16700, 0, false,
         W2L_CLASS_REGULATED_RED, W2L_ACTION_DROP, "", W2L_ENCODING_ENUM, nullptr},
        {1602, "unlabelled", 2950, "pg_catalog.uuid", -1, 2950, 0, false, W2L_CLASS_NONE, W2L_ACTION_DROP, "",
         W2L_ENCODING_UUID, nullptr},
    };
    for (size_t i = 0; i < missing.size(); ++i)
        columns[i].missing = &missing[i];
    return columns;
}
w2l_relation Partition(const std::vector<w2l_column>& columns)
{
    return {4294967295,
            4000000000,
            "app schema",
            "events_2026_01",
            16500,
            "app schema",
            "\303\251v\303\251nements.all",
            W2L_IDENTITY_DEFAULT,
            columns.data(),
            columns.size(),
            "k2026"};
}

string RelationCase()
{
    std::vector<w2l_column> columns = PartitionColumns();
    BatchBuilder builder;
    builder.Begin(kCommitted);
    builder.Append(Partition(columns));
    builder.Append(Relation(1, 16386, "no_columns", W2L_IDENTITY_NOTHING, {}, ""));
    return builder.Finish(true);
}

string Stats()
{
    BatchBuilder builder;
    builder.Begin(kCommitted);
    builder.Append(std::vector<w2l_relation_stats>{{16385, "public", "users", UINT64_MAX, 1, 0},
                                                   {16386, "public", "secrets", 0, 0, 300},
                                                   {16387, "public", "quiet", 0, 0, 0}});
    return builder.Finish(true);
}

string LastOnly()
{
    BatchBuilder builder;
    builder.Begin(kCommitted);
    return builder.Finish(true);
}

// Both through one buffer, as the plugin has it.
string TwoBatches()
{
    Keys keys;
    w2l_value email = HashBytes(keys.Domain("email"), W2L_CANONICAL_TEXT, kAlice);
    Values alice = {Int(1), Withheld(), email, Text("Alice")};
    Values bob = {Int(2), Withheld(), email, Text("Bob")};
    w2l_change first = Change(1, 7, W2L_INSERT);
    SetNew(&first, alice);
    w2l_change third = Change(3, 7, W2L_INSERT);
    SetNew(&third, bob);
    BatchBuilder builder;
    builder.Begin(kCommitted);
    builder.Append(Users(W2L_IDENTITY_DEFAULT));
    builder.Append(first);
    string messages = builder.Finish(false);
    builder.Begin(kCommitted);
    builder.Append(third);
    return messages + builder.Finish(true);
}

string InProgress()
{
    const uint32_t ids[] = {7};
    w2l_change in_subtransaction = Change(1, 7, W2L_DELETE);
    in_subtransaction.subxid = 4294967295;
    w2l_chunk chunk = {304, 7, W2L_SIDE_NEW, 5, W2L_VALUE_TEXT, 0, 4, "pie", 3, 702};
    BatchBuilder builder;
    builder.BeginInProgress(700);
    builder.Append(Users(W2L_IDENTITY_NOTHING));
    builder.Append(in_subtransaction);
    builder.Append(Change(2, 7, W2L_DELETE));
    builder.AppendSkipped(702, 300);
    builder.AppendSkipped(0, 1);
    builder.Append(chunk);
    builder.Append(w2l_truncate{305, ids, 1, false, false, 703});
    builder.AppendStreamAbort(702);
    builder.AppendStreamAbort(0);
    const string messages = builder.Finish(false);
    w2l_committed committed = kCommitted;
    committed.xid = 700;
    committed.streamed = true;
    builder.Begin(committed);
    return messages + builder.Finish(true);
}

const std::map<string, std::function<string()>>& Builders()
{
    static const std::map<string, std::function<string()>> builders = {{"ddl", Ddl},
                                                                       {"message", Messages},
                                                                       {"delete_key", DeleteKey},
                                                                       {"in_progress", InProgress},
                                                                       {"insert_every_kind", InsertEveryKind},
                                                                       {"last_only", LastOnly},
                                                                       {"relation", RelationCase},
                                                                       {"stats", Stats},
                                                                       {"truncate", Truncate},
                                                                       {"two_batches", TwoBatches},
                                                                       {"update_full", UpdateFull},
                                                                       {"update_key", UpdateKey},
                                                                       {"value_chunks", ValueChunks}};
    return builders;
}

TEST(GoldenCases, EveryOneIsBuilt)
{
    std::vector<string> names;
    for (const auto& [name, build] : Builders())
        names.push_back(name);
    EXPECT_EQ(names, golden::Cases());
}

class Golden : public testing::TestWithParam<string>
{
};

TEST_P(Golden, EncoderGivesProtocsBytes)
{
    string ours = Builders().at(GetParam())();
    string protocs = golden::Read(GetParam(), "message.bin");
    ASSERT_EQ(ours.size(), protocs.size());
    for (size_t i = 0; i < ours.size(); ++i)
        ASSERT_EQ(ours[i], protocs[i]) << "first difference at byte " << i;
}

TEST_P(Golden, ProtocReadsBackWhatWasMeant)
{
    std::vector<v1::Batch> meant = golden::BatchesFromText(GetParam());
    std::vector<v1::Batch> read = golden::BatchesFromBytes(Builders().at(GetParam())());
    ASSERT_EQ(read.size(), meant.size());
    for (size_t i = 0; i < read.size(); ++i)
        EXPECT_EQ(read[i].DebugString(), meant[i].DebugString());
}

// The bytes hold no field that the contract does not have.
TEST_P(Golden, NothingIsUnknownToProtoc)
{
    for (v1::Batch& batch : golden::BatchesFromBytes(Builders().at(GetParam())())) {
        string before = batch.SerializeAsString();
        batch.DiscardUnknownFields();
        EXPECT_EQ(batch.SerializeAsString(), before);
    }
}

INSTANTIATE_TEST_SUITE_P(, Golden, testing::ValuesIn(golden::Cases()),
                         [](const auto& tested) { return tested.param; });

// The word of a kind is that of the contract, and says the kind again.
TEST(DdlKinds, AreThoseOfTheContract)
{
    const auto* kinds = v1::Ddl::Kind_descriptor();
    ASSERT_EQ(kinds->value_count(), W2L_DDL_SET_UNLOGGED + 1);
    for (int i = 0; i < kinds->value_count(); ++i) {
        const int number = kinds->value(i)->number();
        string word = kinds->value(i)->name().substr(string("KIND_").size());
        std::transform(word.begin(), word.end(), word.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        EXPECT_EQ(w2l_ddl_kind_name(number), word);
        EXPECT_EQ(w2l_ddl_kind_of(word.c_str()), number);
    }
    EXPECT_EQ(w2l_ddl_kind_name(-1), string("unspecified"));
    EXPECT_EQ(w2l_ddl_kind_name(W2L_DDL_SET_UNLOGGED + 1), string("unspecified"));
    EXPECT_EQ(w2l_ddl_kind_of("merge_partitions"), W2L_DDL_UNSPECIFIED);
    EXPECT_EQ(w2l_ddl_kind_of(""), W2L_DDL_UNSPECIFIED);
}

// A NULL, an empty text, an unchanged, a withheld and an uncarried value are five things.
TEST(Values, AreToldApart)
{
    std::vector<v1::Batch> batches = golden::BatchesFromBytes(InsertEveryKind());
    ASSERT_EQ(batches.size(), 1u);
    const v1::Row& row = batches[0].records(1).change().new_();
    ASSERT_EQ(row.values_size(), 27);
    EXPECT_EQ(row.values(1).value_case(), v1::Value::VALUE_NOT_SET);
    EXPECT_EQ(row.values(4).value_case(), v1::Value::kInt);
    EXPECT_EQ(row.values(13).value_case(), v1::Value::kBool);
    EXPECT_EQ(row.values(14).value_case(), v1::Value::kText);
    EXPECT_EQ(row.values(14).text(), "");
    EXPECT_EQ(row.values(16).value_case(), v1::Value::kBytes);
    EXPECT_EQ(row.values(19).token().size(), 16u);
    EXPECT_EQ(row.values(22).marker(), v1::MARKER_UNCHANGED);
    EXPECT_EQ(row.values(23).marker(), v1::MARKER_WITHHELD);
    EXPECT_EQ(row.values(24).value_case(), v1::Value::kUncarried);
}

// ---- schema ids ----

uint64_t SchemaId(const w2l_relation& relation)
{
    uint64_t id = 0;
    EXPECT_EQ(w2l_relation_schema_id(&relation, &id), W2L_OK);
    return id;
}

TEST(SchemaId, CoversProtocsBytesWithoutTheTwoIds)
{
    for (const string& name : golden::Cases()) {
        for (const v1::Batch& batch : golden::BatchesFromBytes(Builders().at(name)())) {
            for (const v1::Record& record : batch.records()) {
                if (!record.has_relation())
                    continue;
                v1::Relation covered = record.relation();
                covered.clear_id();
                covered.clear_schema_id();
                string bytes = covered.SerializeAsString();
                EXPECT_EQ(record.relation().schema_id(), XXH3_64bits(bytes.data(), bytes.size())) << name;
            }
        }
    }
}

TEST(SchemaId, IsTheOneThatIsSent)
{
    std::vector<w2l_column> columns = PartitionColumns();
    EXPECT_EQ(SchemaId(Partition(columns)),
              golden::BatchesFromText("relation")[0].records(0).relation().schema_id());
}

TEST(SchemaId, DiffersWithEveryFieldButTheId)
{
    std::vector<w2l_column> columns = PartitionColumns();
    w2l_relation original = Partition(columns);
    std::set<uint64_t> ids = {SchemaId(original)};
    size_t expected = 1;
    auto expect_new = [&](const w2l_relation& relation, const char* what) {
        EXPECT_TRUE(ids.insert(SchemaId(relation)).second) << what;
        ++expected;
    };
    auto with_relation = [&](const char* what, auto set) {
        w2l_relation relation = original;
        set(relation);
        expect_new(relation, what);
    };
    with_relation("oid", [](w2l_relation& r) { r.oid++; });
    with_relation("namespace", [](w2l_relation& r) { r.namespace_ = "app"; });
    with_relation("name", [](w2l_relation& r) { r.name = "events"; });
    with_relation("root oid", [](w2l_relation& r) { r.root_oid++; });
    with_relation("root namespace", [](w2l_relation& r) { r.root_namespace = ""; });
    with_relation("root name", [](w2l_relation& r) { r.root_name = "all"; });
    with_relation("identity", [](w2l_relation& r) { r.replica_identity = W2L_IDENTITY_FULL; });
    with_relation("column count", [](w2l_relation& r) { r.column_count--; });
    with_relation("key", [](w2l_relation& r) { r.key_id = "k2027"; });
    auto with_column = [&](const char* what, auto set) {
        std::vector<w2l_column> changed = columns;
        set(changed[1]);
        expect_new(Partition(changed), what);
    };
    with_column("attnum", [](w2l_column& c) { c.attnum++; });
    with_column("column name", [](w2l_column& c) { c.name = "mail"; });
    with_column("type", [](w2l_column& c) { c.type_oid++; });
    with_column("type name", [](w2l_column& c) { c.type_name = "other"; });
    with_column("typmod", [](w2l_column& c) { c.typmod = 0; });
    with_column("base type", [](w2l_column& c) { c.base_type_oid++; });
    with_column("element type", [](w2l_column& c) { c.element_type_oid = 25; });
    with_column("is key", [](w2l_column& c) { c.is_key = true; });
    with_column("class", [](w2l_column& c) { c.class_ = W2L_CLASS_ORANGE; });
    with_column("action", [](w2l_column& c) { c.action = W2L_ACTION_CLEAR; });
    with_column("domain", [](w2l_column& c) { c.domain = "contact"; });
    with_column("encoding", [](w2l_column& c) { c.encoding = W2L_ENCODING_ENUM; });
    EXPECT_EQ(ids.size(), expected);

    w2l_relation renumbered = original;
    renumbered.id = 1;
    EXPECT_EQ(SchemaId(renumbered), SchemaId(original));
}

} // namespace
} // namespace wal2lake
