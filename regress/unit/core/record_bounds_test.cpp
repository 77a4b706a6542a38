// Properties of the encoder on random records: the bound is never too small,
// capacity is respected to the byte, a refused append leaves no trace, and protoc
// reads what was meant.
#include "core/record.h"

#include "batch_builder.h"
#include "golden.h"
#include "random_records.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

using std::string;

constexpr w2l_committed kCommitted = {741, 0x16B3748, 0x16B3780, 1767225600000001, false};

string TokenOf(const w2l_value& value)
{
    uint8_t token[W2L_TOKEN_BYTES];
    w2l_status status = value.kind == W2L_VALUE_HASH_INT
                            ? w2l_token_of_int(value.domain, static_cast<w2l_canonical>(value.canonical),
                                               value.integer, token)
                            : w2l_token_of_bytes(value.domain, static_cast<w2l_canonical>(value.canonical),
                                                 value.bytes, value.length, token);
    EXPECT_EQ(status, W2L_OK);
    return {reinterpret_cast<char*>(token), sizeof token};
}

// What a value should be on the wire, said with protoc's class.
v1::Value Meant(const w2l_value& value)
{
    v1::Value meant;
    switch (static_cast<w2l_value_kind>(value.kind)) {
    case W2L_VALUE_NULL:
        break;
    case W2L_VALUE_INT:
        meant.set_int_(value.integer);
        break;
    case W2L_VALUE_FLOAT64:
        meant.set_float64(value.float64);
        break;
    case W2L_VALUE_FLOAT32:
        meant.set_float32(value.float32);
        break;
    case W2L_VALUE_BOOL:
        meant.set_bool_(value.integer != 0);
        break;
    case W2L_VALUE_TEXT:
        meant.set_text(string(value.bytes, value.length));
        break;
    case W2L_VALUE_BYTES:
        meant.set_bytes(string(value.bytes, value.length));
        break;
    case W2L_VALUE_NUMERIC:
        meant.set_numeric(string(value.bytes, value.length));
        break;
    case W2L_VALUE_TOKEN:
        meant.set_token(string(reinterpret_cast<const char*>(value.token), W2L_TOKEN_BYTES));
        break;
    case W2L_VALUE_HASH_INT:
    case W2L_VALUE_HASH_BYTES:
        meant.set_token(TokenOf(value));
        break;
    case W2L_VALUE_UNCHANGED:
        meant.set_marker(v1::MARKER_UNCHANGED);
        break;
    case W2L_VALUE_WITHHELD:
        meant.set_marker(v1::MARKER_WITHHELD);
        break;
    case W2L_VALUE_CHUNKED:
        meant.set_marker(v1::MARKER_CHUNKED);
        break;
    case W2L_VALUE_UNCARRIED:
        meant.mutable_uncarried()->set_reason(static_cast<v1::Uncarried::Reason>(value.reason));
        meant.mutable_uncarried()->set_bytes(static_cast<uint64_t>(value.integer));
        break;
    }
    return meant;
}

v1::Record Meant(const w2l_change& change)
{
    v1::Record record;
    record.set_ordinal(change.ordinal);
    record.set_subxid(change.subxid);
    v1::Change& meant = *record.mutable_change();
    meant.set_relation_id(change.relation_id);
    meant.set_operation(static_cast<v1::Operation>(change.operation));
    meant.set_old_kind(static_cast<v1::OldKind>(change.old_kind));
    auto add = [](v1::Row* row, const w2l_row& values) {
        for (size_t i = 0; i < values.count; ++i)
            *row->add_values() = Meant(values.values[i]);
    };
    if (change.has_new)
        add(meant.mutable_new_(), change.new_row);
    if (change.old_kind != W2L_OLD_NONE)
        add(meant.mutable_old(), change.old_row);
    return record;
}

v1::Record Meant(const w2l_relation& relation)
{
    v1::Record record;
    v1::Relation& meant = *record.mutable_relation();
    uint64_t schema_id = 0;
    EXPECT_EQ(w2l_relation_schema_id(&relation, &schema_id), W2L_OK);
    meant.set_id(relation.id);
    meant.set_schema_id(schema_id);
    meant.set_oid(relation.oid);
    meant.set_namespace_(relation.namespace_);
    meant.set_name(relation.name);
    meant.set_root_oid(relation.root_oid);
    meant.set_root_namespace(relation.root_namespace);
    meant.set_root_name(relation.root_name);
    meant.set_replica_identity(static_cast<v1::ReplicaIdentity>(relation.replica_identity));
    for (size_t i = 0; i < relation.column_count; ++i) {
        const w2l_column& column = relation.columns[i];
        v1::Column& added = *meant.add_columns();
        added.set_attnum(column.attnum);
        added.set_name(column.name);
        added.set_type_oid(column.type_oid);
        added.set_type_name(column.type_name);
        added.set_typmod(column.typmod);
        added.set_base_type_oid(column.base_type_oid);
        added.set_element_type_oid(column.element_type_oid);
        added.set_is_key(column.is_key);
        added.set_class_(static_cast<v1::Class>(column.class_));
        added.set_action(static_cast<v1::Action>(column.action));
        added.set_domain(column.domain);
        added.set_encoding(static_cast<v1::Encoding>(column.encoding));
        if (column.missing != nullptr)
            *added.mutable_missing() = Meant(*column.missing);
    }
    meant.set_key_id(relation.key_id);
    return record;
}

v1::Record Meant(const w2l_chunk& chunk)
{
    v1::Record record;
    record.set_ordinal(chunk.ordinal);
    record.set_subxid(chunk.subxid);
    v1::ValueChunk& meant = *record.mutable_value_chunk();
    meant.set_relation_id(chunk.relation_id);
    meant.set_side(static_cast<v1::ValueChunk::Side>(chunk.side));
    meant.set_attnum(chunk.attnum);
    meant.set_kind(chunk.kind == W2L_VALUE_TEXT    ? v1::ValueChunk::KIND_TEXT
                   : chunk.kind == W2L_VALUE_BYTES ? v1::ValueChunk::KIND_BYTES
                                                   : v1::ValueChunk::KIND_NUMERIC);
    meant.set_offset(chunk.offset);
    meant.set_total(chunk.total);
    meant.set_last(chunk.offset + chunk.length == chunk.total);
    meant.set_data(string(chunk.bytes, chunk.length));
    return record;
}

v1::Record Meant(const w2l_truncate& truncate)
{
    v1::Record record;
    record.set_ordinal(truncate.ordinal);
    record.set_subxid(truncate.subxid);
    v1::Truncate& meant = *record.mutable_truncate();
    for (size_t i = 0; i < truncate.relation_count; ++i)
        meant.add_relation_ids(truncate.relation_ids[i]);
    meant.set_cascade(truncate.cascade);
    meant.set_restart_identity(truncate.restart_identity);
    return record;
}

v1::Record Meant(const w2l_ddl& ddl)
{
    v1::Record record;
    record.set_ordinal(ddl.ordinal);
    record.set_subxid(ddl.subxid);
    v1::Ddl& meant = *record.mutable_ddl();
    meant.set_kind(static_cast<v1::Ddl::Kind>(ddl.kind));
    meant.set_oid(ddl.oid);
    meant.set_namespace_(ddl.namespace_);
    meant.set_name(ddl.name);
    meant.set_attnum(ddl.attnum);
    meant.set_column(ddl.column);
    meant.set_old_name(ddl.old_name);
    meant.set_parent_oid(ddl.parent_oid);
    meant.set_parent_namespace(ddl.parent_namespace);
    meant.set_parent_name(ddl.parent_name);
    return record;
}

v1::Record Meant(const w2l_message& message)
{
    v1::Record record;
    record.set_ordinal(message.ordinal);
    record.set_subxid(message.subxid);
    v1::Message& meant = *record.mutable_message();
    meant.set_prefix(message.prefix);
    meant.set_content(std::string(message.bytes, message.length));
    meant.set_offset(message.offset);
    meant.set_total(message.total);
    return record;
}

v1::Record Meant(const std::vector<w2l_relation_stats>& stats)
{
    v1::Record record;
    record.mutable_stats();
    for (const w2l_relation_stats& entry : stats) {
        v1::RelationStats& added = *record.mutable_stats()->add_relations();
        added.set_oid(entry.oid);
        added.set_namespace_(entry.namespace_);
        added.set_name(entry.name);
        added.set_withheld(entry.withheld);
        added.set_uncarried(entry.uncarried);
        added.set_not_emitted(entry.not_emitted);
    }
    return record;
}

w2l_status AppendTo(w2l_batch* batch, const w2l_change& change)
{
    return w2l_batch_append_change(batch, &change);
}
w2l_status AppendTo(w2l_batch* batch, w2l_chunk& chunk)
{
    return w2l_batch_append_chunk(batch, &chunk);
}
w2l_status AppendTo(w2l_batch* batch, w2l_relation& relation)
{
    return w2l_batch_append_relation(batch, &relation);
}
w2l_status AppendTo(w2l_batch* batch, w2l_truncate& truncate)
{
    return w2l_batch_append_truncate(batch, &truncate);
}
w2l_status AppendTo(w2l_batch* batch, w2l_ddl& ddl)
{
    return w2l_batch_append_ddl(batch, &ddl);
}
w2l_status AppendTo(w2l_batch* batch, w2l_message& message)
{
    return w2l_batch_append_message(batch, &message);
}
w2l_status AppendTo(w2l_batch* batch, std::vector<w2l_relation_stats>& stats)
{
    return w2l_batch_append_stats(batch, stats.data(), stats.size());
}
size_t Bound(const w2l_change& change)
{
    return w2l_bound_change(&change);
}
size_t Bound(const w2l_chunk& chunk)
{
    return w2l_bound_chunk(&chunk);
}
size_t Bound(const w2l_relation& relation)
{
    return w2l_bound_relation(&relation);
}
size_t Bound(const w2l_truncate& truncate)
{
    return w2l_bound_truncate(&truncate);
}
size_t Bound(const w2l_ddl& ddl)
{
    return w2l_bound_ddl(&ddl);
}
size_t Bound(const w2l_message& message)
{
    return w2l_bound_message(&message);
}
size_t Bound(const std::vector<w2l_relation_stats>& stats)
{
    return w2l_bound_stats(stats.data(), stats.size());
}

// A begun batch in a buffer of exactly `capacity` bytes on the heap.
class TightBatch
{
  public:
    explicit TightBatch(size_t capacity) : bytes_(new uint8_t[capacity])
    {
        batch_ = {bytes_.get(), capacity, 0, {}};
        EXPECT_EQ(w2l_batch_begin(&batch_, &kCommitted), W2L_OK);
    }
    w2l_batch* get() { return &batch_; }
    string Content() const { return {reinterpret_cast<char*>(bytes_.get()), batch_.length}; }
    string Finish()
    {
        const uint8_t* message = nullptr;
        size_t length = 0;
        EXPECT_EQ(w2l_batch_finish(&batch_, true, &message, &length), W2L_OK);
        return {reinterpret_cast<const char*>(message), length};
    }

  private:
    std::unique_ptr<uint8_t[]> bytes_;
    w2l_batch batch_;
};

// How long a batch is after begin: nothing below it holds a record.
size_t BegunLength()
{
    TightBatch batch(W2L_BATCH_OVERHEAD);
    return batch.get()->length;
}

// Whether what a record takes to the byte is enough to append it; a change, whose
// values are written in one pass, may be refused below its bound.
template <typename Record>
constexpr bool kExact = !std::is_same_v<std::remove_const_t<Record>, w2l_change>;

// Everything that holds for any record.
template <typename Record>
void CheckAppend(Record& record)
{
    size_t bound = Bound(record);
    TightBatch roomy(W2L_BATCH_OVERHEAD + bound);
    size_t before = roomy.get()->length;
    ASSERT_EQ(AppendTo(roomy.get(), record), W2L_OK);
    size_t used = roomy.get()->length - before;
    ASSERT_LE(used, bound);

    std::vector<v1::Batch> read = golden::BatchesFromBytes(roomy.Finish());
    ASSERT_EQ(read.size(), 1u);
    ASSERT_EQ(read[0].records_size(), 1);
    ASSERT_EQ(read[0].records(0).SerializeAsString(), Meant(record).SerializeAsString());

    size_t exact = std::max<size_t>(before + used, W2L_BATCH_OVERHEAD);
    if (exact != before + used)
        return;
    TightBatch tight(exact);
    const string begun = tight.Content();
    const w2l_status status = AppendTo(tight.get(), record);
    ASSERT_TRUE(status == W2L_OK || (status == W2L_NO_SPACE && !kExact<Record>)) << status;
    ASSERT_EQ(status == W2L_OK ? tight.get()->length : exact, exact);
    if (status == W2L_NO_SPACE) {
        ASSERT_EQ(tight.Content(), begun);
    }
    TightBatch small(exact);
    small.get()->capacity = exact - 1;
    string content = small.Content();
    ASSERT_EQ(AppendTo(small.get(), record), W2L_NO_SPACE);
    ASSERT_EQ(small.Content(), content);
}

TEST(Append, RandomChanges)
{
    RandomRecords random(1);
    for (int i = 0; i < 3000 && !HasFailure(); ++i) {
        w2l_change change = random.Change();
        CheckAppend(change);
    }
}

// The encoder guesses the width of lengths from the change before: rows that grow and
// shrink within one batch, in a buffer that has room for the bounds and no more.
TEST(Append, ChangesOfAnySizeAfterEachOther)
{
    RandomRecords random(8);
    for (int round = 0; round < 300 && !HasFailure(); ++round) {
        w2l_batch batch = {};
        std::vector<uint8_t> bytes(W2L_BATCH_OVERHEAD);
        const auto resize = [&](size_t capacity) {
            bytes.resize(capacity);
            bytes.shrink_to_fit();
            batch.data = bytes.data();
            batch.capacity = capacity;
        };
        resize(W2L_BATCH_OVERHEAD);
        ASSERT_EQ(w2l_batch_begin(&batch, &kCommitted), W2L_OK);
        std::vector<string> meant;
        for (size_t i = random.Below(30) + 2; i > 0; --i) {
            const w2l_change change = random.Change();
            resize(batch.length + Bound(change));
            ASSERT_EQ(w2l_batch_append_change(&batch, &change), W2L_OK);
            meant.push_back(Meant(change).SerializeAsString());
        }
        resize(batch.length + W2L_BATCH_OVERHEAD);
        const uint8_t* message = nullptr;
        size_t length = 0;
        ASSERT_EQ(w2l_batch_finish(&batch, true, &message, &length), W2L_OK);
        const auto read = golden::BatchesFromBytes({reinterpret_cast<const char*>(message), length});
        ASSERT_EQ(read.size(), 1u);
        ASSERT_EQ(static_cast<size_t>(read[0].records_size()), meant.size());
        for (size_t i = 0; i < meant.size(); ++i)
            ASSERT_EQ(read[0].records(static_cast<int>(i)).SerializeAsString(), meant[i])
                << round << " " << i;
    }
}

TEST(Append, RandomChunks)
{
    RandomRecords random(9);
    for (int i = 0; i < 3000 && !HasFailure(); ++i) {
        w2l_chunk chunk = random.Chunk();
        CheckAppend(chunk);
    }
}

TEST(Append, RandomRelations)
{
    RandomRecords random(2);
    for (int i = 0; i < 1000 && !HasFailure(); ++i) {
        w2l_relation relation = random.Relation();
        CheckAppend(relation);
    }
}

TEST(Append, RandomTruncates)
{
    RandomRecords random(3);
    for (int i = 0; i < 1000 && !HasFailure(); ++i) {
        w2l_truncate truncate = random.Truncate();
        CheckAppend(truncate);
    }
}

TEST(Append, RandomDdls)
{
    RandomRecords random(10);
    for (int i = 0; i < 2000 && !HasFailure(); ++i) {
        w2l_ddl ddl = random.Ddl();
        CheckAppend(ddl);
    }
}

TEST(Append, RandomMessages)
{
    RandomRecords random(11);
    for (int i = 0; i < 2000 && !HasFailure(); ++i) {
        w2l_message message = random.Message();
        CheckAppend(message);
    }
}

TEST(Append, RandomStats)
{
    RandomRecords random(4);
    for (int i = 0; i < 1000 && !HasFailure(); ++i) {
        std::vector<w2l_relation_stats> stats = random.Stats();
        CheckAppend(stats);
    }
}

// The largest of everything at once: the bound has no slack to hide in.
TEST(Append, WidestFieldsStayWithinTheBound)
{
    RandomRecords random(5);
    Values row;
    for (int kind = 0; kind <= W2L_VALUE_HASH_BYTES; ++kind) {
        auto value_kind = static_cast<w2l_value_kind>(kind);
        w2l_value value = Int(std::numeric_limits<int64_t>::min(), value_kind);
        if (value_kind == W2L_VALUE_TEXT || value_kind == W2L_VALUE_BYTES || value_kind == W2L_VALUE_NUMERIC)
            value = OfBytes(value_kind, "");
        else if (value_kind == W2L_VALUE_HASH_BYTES)
            value = HashBytes(random.domain(), W2L_CANONICAL_TEXT, "");
        else if (value_kind == W2L_VALUE_HASH_INT)
            value.canonical = W2L_CANONICAL_INT;
        value.domain = random.domain();
        value.reason = W2L_REASON_INVALID_TEXT;
        Values alone(200, value);
        w2l_change change = {UINT64_MAX, UINT32_MAX,   W2L_UPDATE, true,
                             Row(alone), W2L_OLD_FULL, Row(alone), UINT32_MAX};
        CheckAppend(change);
        row.push_back(value);
    }
    w2l_change empty = {UINT64_MAX, UINT32_MAX, W2L_DELETE, false, {}, W2L_OLD_NONE, {}, UINT32_MAX};
    CheckAppend(empty);
    w2l_change empty_rows = {UINT64_MAX, UINT32_MAX, W2L_UPDATE, true, {}, W2L_OLD_FULL, {}, UINT32_MAX};
    CheckAppend(empty_rows);
    const char byte = 'x';
    w2l_chunk chunk = {UINT64_MAX,     UINT32_MAX, W2L_SIDE_OLD, UINT32_MAX, W2L_VALUE_NUMERIC,
                       UINT64_MAX - 1, UINT64_MAX, &byte,        1,          UINT32_MAX};
    CheckAppend(chunk);
    w2l_column column = {UINT32_MAX,
                         "",
                         UINT32_MAX,
                         "",
                         std::numeric_limits<int32_t>::min(),
                         UINT32_MAX,
                         UINT32_MAX,
                         true,
                         W2L_CLASS_REGULATED_RED,
                         W2L_ACTION_DROP,
                         "",
                         W2L_ENCODING_OUTPUT_TEXT,
                         nullptr};
    std::vector<w2l_column> columns(1600, column);
    w2l_relation relation = {UINT32_MAX,     UINT32_MAX,     "", "", UINT32_MAX, "", "", W2L_IDENTITY_NOTHING,
                             columns.data(), columns.size(), ""};
    CheckAppend(relation);
    std::vector<uint32_t> ids(10000, UINT32_MAX);
    w2l_truncate truncate = {UINT64_MAX, ids.data(), ids.size(), true, true, UINT32_MAX};
    CheckAppend(truncate);
    w2l_ddl ddl = {UINT64_MAX, W2L_DDL_SET_UNLOGGED, UINT32_MAX, "n", "n", UINT32_MAX, "n",
                   "n",        UINT32_MAX,           "n",        "n", 0};
    CheckAppend(ddl);
    w2l_message message = {UINT64_MAX, "n", UINT64_MAX - 1, UINT64_MAX, &byte, 1, UINT32_MAX};
    CheckAppend(message);
    std::vector<w2l_relation_stats> stats(1000, {UINT32_MAX, "", "", UINT64_MAX, UINT64_MAX, UINT64_MAX});
    CheckAppend(stats);
}

TEST(Append, LargeValue)
{
    string megabyte(1 << 20, 'x');
    Values row = {Text(megabyte), Null(), OfBytes(W2L_VALUE_BYTES, megabyte)};
    w2l_change change = {1, 1, W2L_INSERT, true, Row(row), W2L_OLD_NONE, {}, 0};
    CheckAppend(change);
    w2l_chunk chunk = {1, 1, W2L_SIDE_NEW, 1, W2L_VALUE_BYTES, 0, 1 << 21, megabyte.data(), megabyte.size(),
                       0};
    CheckAppend(chunk);
}

TEST(Append, StreamControlStaysWithinItsBound)
{
    w2l_batch batch = {};
    std::vector<uint8_t> room(W2L_BATCH_OVERHEAD + 2 * W2L_CONTROL_BOUND);
    batch.data = room.data();
    batch.capacity = room.size();
    ASSERT_EQ(w2l_batch_begin_in_progress(&batch, UINT32_MAX), W2L_OK);
    size_t before = batch.length;
    EXPECT_EQ(w2l_batch_append_skipped(&batch, UINT32_MAX, UINT64_MAX), W2L_OK);
    EXPECT_LE(batch.length - before, size_t{W2L_CONTROL_BOUND});
    before = batch.length;
    EXPECT_EQ(w2l_batch_append_stream_abort(&batch, UINT32_MAX), W2L_OK);
    EXPECT_LE(batch.length - before, size_t{W2L_CONTROL_BOUND});
    batch.capacity = batch.length;
    EXPECT_EQ(w2l_batch_append_stream_abort(&batch, 1), W2L_NO_SPACE);
    EXPECT_EQ(w2l_batch_append_skipped(&batch, 1, 1), W2L_NO_SPACE);
}

// Protoc writes an empty Truncate or Stats as two bytes; without them the record is of no kind. The plugin asks for
// neither today.
TEST(Append, EmptyMessagesAreStillThere)
{
    w2l_truncate truncate = {1, nullptr, 0, false, false, 0};
    CheckAppend(truncate);
    std::vector<w2l_relation_stats> stats;
    CheckAppend(stats);
}

// Any capacity from too small for the first byte up to exactly enough.
TEST(Append, NoSpaceLeavesTheBatchAsItWas)
{
    Values row = {Int(1), Text("some text"), Withheld(), Null()};
    w2l_change change = {1, 1, W2L_UPDATE, true, Row(row), W2L_OLD_FULL, Row(row), 0};
    w2l_column column = {1,
                         "id",
                         23,
                         "pg_catalog.int4",
                         -1,
                         23,
                         0,
                         true,
                         W2L_CLASS_GREEN,
                         W2L_ACTION_CLEAR,
                         "",
                         W2L_ENCODING_INT,
                         nullptr};
    w2l_relation relation = {1, 2, "public", "t", 0, "", "", W2L_IDENTITY_DEFAULT, &column, 1, ""};
    const uint32_t ids[] = {1, 2, 3};
    w2l_truncate truncate = {1, ids, 3, true, false, 0};
    std::vector<w2l_relation_stats> stats = {{1, "public", "t", 1, 2, 3}};

    auto check = [](auto& record) {
        TightBatch measured(4096);
        size_t before = measured.get()->length;
        ASSERT_EQ(AppendTo(measured.get(), record), W2L_OK);
        size_t used = measured.get()->length - before;
        string expected = measured.Finish();
        const size_t enough = kExact<std::decay_t<decltype(record)>> ? used : Bound(record);
        for (size_t room = 0; room <= enough; ++room) {
            TightBatch batch(4096);
            batch.get()->capacity = before + room;
            string content = batch.Content();
            w2l_status status = AppendTo(batch.get(), record);
            ASSERT_TRUE(status == W2L_OK ? room >= used : status == W2L_NO_SPACE && room < enough) << room;
            batch.get()->capacity = 4096;
            if (status == W2L_OK) {
                ASSERT_EQ(batch.Finish(), expected) << room;
                continue;
            }
            ASSERT_EQ(batch.Content(), content) << room;
            // And the batch goes on as if nothing had been asked.
            ASSERT_EQ(AppendTo(batch.get(), record), W2L_OK);
            ASSERT_EQ(batch.Finish(), expected) << room;
        }
    };
    check(change);
    check(relation);
    check(truncate);
    check(stats);
}

// A value with no canonical form, after values that were written already.
TEST(Append, ValueThatCannotBeHashedLeavesTheBatchAsItWas)
{
    RandomRecords random(6);
    Values good = {Int(1), Text("one")};
    w2l_change first = {1, 1, W2L_INSERT, true, Row(good), W2L_OLD_NONE, {}, 0};
    TightBatch expected(4096);
    ASSERT_EQ(AppendTo(expected.get(), first), W2L_OK);
    string expected_message = expected.Finish();

    for (w2l_value bad : {HashBytes(random.domain(), W2L_CANONICAL_NUMERIC, "no number"),
                          HashBytes(random.domain(), W2L_CANONICAL_UUID, "short"),
                          HashBytes(random.domain(), W2L_CANONICAL_NONE, "any")}) {
        TightBatch batch(4096);
        ASSERT_EQ(AppendTo(batch.get(), first), W2L_OK);
        string content = batch.Content();
        Values in_new = {Text("kept out"), bad, Text("kept out")};
        w2l_change change = {2, 1, W2L_INSERT, true, Row(in_new), W2L_OLD_NONE, {}, 0};
        EXPECT_EQ(AppendTo(batch.get(), change), W2L_INVALID);
        EXPECT_EQ(batch.Content(), content);
        w2l_change in_old = {2, 1, W2L_UPDATE, true, Row(good), W2L_OLD_FULL, Row(in_new), 0};
        EXPECT_EQ(AppendTo(batch.get(), in_old), W2L_INVALID);
        EXPECT_EQ(batch.Content(), content);
        EXPECT_EQ(batch.Finish(), expected_message);
    }
}

// A clear value never gets near a hashed one's bytes.
TEST(Append, HashedValueLeavesNoClearByteInTheBuffer)
{
    RandomRecords random(7);
    string secret = "alice-the-canary@example.com";
    Values row = {HashBytes(random.domain(), W2L_CANONICAL_TEXT, secret),
                  HashInt(random.domain(), 0x4142434445464748)};
    w2l_change change = {1, 1, W2L_INSERT, true, Row(row), W2L_OLD_FULL, Row(row), 0};
    std::vector<uint8_t> buffer(4096, 0);
    w2l_batch batch = {buffer.data(), buffer.size(), 0, {}};
    ASSERT_EQ(w2l_batch_begin(&batch, &kCommitted), W2L_OK);
    ASSERT_EQ(AppendTo(&batch, change), W2L_OK);
    // All of the buffer, not only what is sent.
    string all(reinterpret_cast<char*>(buffer.data()), buffer.size());
    for (size_t i = 0; i + 6 <= secret.size(); ++i)
        EXPECT_EQ(all.find(secret.substr(i, 6)), string::npos) << i;
    EXPECT_EQ(all.find("HGFEDCBA"), string::npos);
    EXPECT_EQ(all.find("ABCDEFGH"), string::npos);
}

TEST(Batch, OverheadIsEnoughForTheWidestFacts)
{
    w2l_committed widest = {UINT32_MAX, UINT64_MAX, UINT64_MAX, -1, false};
    auto bytes = std::make_unique<uint8_t[]>(W2L_BATCH_OVERHEAD);
    w2l_batch batch = {bytes.get(), W2L_BATCH_OVERHEAD, 0, {}};
    ASSERT_EQ(w2l_batch_begin(&batch, &widest), W2L_OK);
    const uint8_t* message = nullptr;
    size_t length = 0;
    ASSERT_EQ(w2l_batch_finish(&batch, true, &message, &length), W2L_OK);
    auto read = golden::BatchesFromBytes({reinterpret_cast<const char*>(message), length});
    ASSERT_EQ(read.size(), 1u);
    EXPECT_EQ(read[0].committed().commit_time_us(), -1);
    EXPECT_TRUE(read[0].last());
}

TEST(Batch, TooSmallABufferIsRefused)
{
    uint8_t bytes[W2L_BATCH_OVERHEAD];
    const uint8_t* message = nullptr;
    size_t length = 0;
    for (size_t capacity : {size_t{0}, size_t{1}, size_t{W2L_BATCH_OVERHEAD - 1}}) {
        w2l_batch batch = {bytes, capacity, 7, {}};
        EXPECT_EQ(w2l_batch_begin(&batch, &kCommitted), W2L_NO_SPACE);
        EXPECT_EQ(batch.length, 0u);
        EXPECT_EQ(w2l_batch_finish(&batch, true, &message, &length), W2L_INVALID);
    }
}

TEST(Batch, FinishWithoutRoomOrBeginIsRefused)
{
    TightBatch batch(4096);
    const uint8_t* message = nullptr;
    size_t length = 0;
    for (size_t room : {0, 1}) {
        batch.get()->capacity = batch.get()->length + room;
        EXPECT_EQ(w2l_batch_finish(batch.get(), true, &message, &length), W2L_INVALID);
    }
    batch.get()->capacity = batch.get()->length + 2;
    EXPECT_EQ(w2l_batch_finish(batch.get(), true, &message, &length), W2L_OK);
    EXPECT_EQ(w2l_batch_finish(batch.get(), true, &message, &length), W2L_INVALID)
        << "the next call must be begin";
}

TEST(Batch, BeginForgetsWhatWasThere)
{
    Values row = {Text("of the transaction before")};
    w2l_change change = {1, 1, W2L_INSERT, true, Row(row), W2L_OLD_NONE, {}, 0};
    TightBatch batch(4096);
    string empty = TightBatch(4096).Finish();
    ASSERT_EQ(AppendTo(batch.get(), change), W2L_OK);
    ASSERT_EQ(w2l_batch_begin(batch.get(), &kCommitted), W2L_OK);
    EXPECT_EQ(batch.Finish(), empty);
}

// Frames of every size around the borders of the length's varints.
TEST(Batch, EveryFrameSizeReadsBackAndNoneIsTenBytes)
{
    for (size_t size = 0; size < 400; ++size) {
        string text(size, 'x');
        Values row = {Text(text)};
        w2l_change change = {1, 1, W2L_INSERT, true, Row(row), W2L_OLD_NONE, {}, 0};
        TightBatch batch(4096);
        ASSERT_EQ(AppendTo(batch.get(), change), W2L_OK);
        string message = batch.Finish();
        EXPECT_NE(message[0], '\n');
        auto read = golden::BatchesFromBytes(message);
        ASSERT_EQ(read.size(), 1u);
        EXPECT_EQ(read[0].records(0).change().new_().values(0).text(), text);
    }
    w2l_committed nothing = {};
    BatchBuilder builder;
    builder.Begin(nothing);
    EXPECT_NE(builder.Finish(false)[0], '\n') << "the shortest frame there is";
}

TEST(Batch, BeganBatchIsShorterThanItsOverhead)
{
    EXPECT_LT(BegunLength() + 2, size_t{W2L_BATCH_OVERHEAD});
}

} // namespace
} // namespace wal2lake
