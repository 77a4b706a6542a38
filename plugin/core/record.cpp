#include "core/record.h"

#include "core/guard.h"
#include "core/wire.h"

#include <array>
#include <string>
#include <string_view>

#include <protozero/pbf_writer.hpp>

#include <xxhash.h>

using namespace wal2lake;
using namespace wal2lake::wire;

namespace
{

/* The message's length (up to 5 bytes), checksum (9), batch tag and length (6) go in front once they are known. */
constexpr size_t kPrefix = 24;
/* Tags, lengths and small fields of a ddl around its names: 72 at most. */
constexpr size_t kDdlOverhead = 96;
/* Tags, lengths and small fields of a change around its rows: 51 at most. */
constexpr size_t kChangeOverhead = 64;
/* The same of a chunk around its bytes: 79 at most. */
constexpr size_t kChunkOverhead = 80;
/* Tags and lengths of a value around its bytes; a token fits in as well. */
constexpr size_t kValueOverhead = 24;
/* The same of a column, and of a relation, around their names. */
constexpr size_t kColumnOverhead = 96;
constexpr size_t kRelationOverhead = 160;

namespace batch_field
{
constexpr uint32_t kCommitted = 1, kInProgress = 2, kMessage = 4, kRecords = 5, kLast = 6;
}
namespace record_field
{
constexpr uint32_t kOrdinal = 1, kSubxid = 2, kRelation = 3, kChange = 4, kTruncate = 5, kMessage = 6,
                   kStats = 7, kValueChunk = 8, kDdl = 9, kStreamAbort = 10, kSkipped = 11;
}
namespace change_field
{
constexpr uint32_t kRelationId = 1, kOperation = 2, kNew = 3, kOld = 4, kOldKind = 5;
}
namespace value_field
{
constexpr uint32_t kInt = 1, kFloat64 = 2, kFloat32 = 3, kBool = 4, kText = 5, kBytes = 6, kNumeric = 7,
                   kToken = 8, kMarker = 9, kUncarried = 10;
}
constexpr uint8_t kMarkerUnchanged = 1;
constexpr uint8_t kMarkerWithheld = 2;
constexpr uint8_t kMarkerChunked = 3;

/* The field of a value that is sent as its bytes; 0 for all others. */
uint32_t BytesField(const w2l_value& value)
{
    switch (value.kind) {
    case W2L_VALUE_TEXT:
        return value_field::kText;
    case W2L_VALUE_BYTES:
        return value_field::kBytes;
    case W2L_VALUE_NUMERIC:
        return value_field::kNumeric;
    default:
        return 0;
    }
}

/* ---- writing; room is checked before each value ---- */

/* What the bytes of a value take with its inner tag and length. */
size_t LengthDelimitedSize(size_t length)
{
    return 1 + VarintSize(length) + length;
}

size_t UncarriedSize(const w2l_value& value)
{
    size_t size = value.reason != 0 ? 2 : 0;
    if (value.integer != 0)
        size += 1 + VarintSize(static_cast<uint64_t>(value.integer));
    return size;
}

uint8_t* PutLengthDelimited(uint8_t* at, uint32_t field, const char* bytes, size_t length)
{
    at = PutByte(at, BytesTag(field));
    at = PutVarint(at, length);
    return PutBytes(at, bytes, length);
}

uint8_t* PutMarker(uint8_t* at, uint8_t marker)
{
    at = PutByte(at, VarintTag(value_field::kMarker));
    return PutByte(at, marker);
}

/* The 16 bytes of a token; *status is left alone unless libcrypto failed. */
uint8_t* PutToken(uint8_t* at, const w2l_value& value, w2l_status* status)
{
    at = PutByte(at, BytesTag(value_field::kToken));
    at = PutByte(at, W2L_TOKEN_BYTES);
    if (value.kind == W2L_VALUE_TOKEN)
        return PutBytes(at, value.token, W2L_TOKEN_BYTES);
    w2l_status answer =
        value.kind == W2L_VALUE_HASH_INT
            ? w2l_token_of_int(value.domain, static_cast<w2l_canonical>(value.canonical), value.integer, at)
            : w2l_token_of_bytes(value.domain, static_cast<w2l_canonical>(value.canonical), value.bytes,
                                 value.length, at);
    if (answer != W2L_OK)
        *status = answer;
    return at + W2L_TOKEN_BYTES;
}

uint8_t* PutUncarried(uint8_t* at, const w2l_value& value)
{
    at = PutByte(at, BytesTag(value_field::kUncarried));
    at = PutVarint(at, UncarriedSize(value));
    if (value.reason != 0) {
        at = PutByte(at, VarintTag(1));
        at = PutByte(at, value.reason);
    }
    if (value.integer != 0) {
        at = PutByte(at, VarintTag(2));
        at = PutVarint(at, static_cast<uint64_t>(value.integer));
    }
    return at;
}

/* A Value of at most 127 bytes, without its own tag and length. */
uint8_t* PutSmallValue(uint8_t* at, const w2l_value& value, w2l_status* status)
{
    switch (static_cast<w2l_value_kind>(value.kind)) {
    case W2L_VALUE_INT:
        at = PutByte(at, VarintTag(value_field::kInt));
        return PutVarint(at, protozero::encode_zigzag64(value.integer));
    case W2L_VALUE_FLOAT64:
        at = PutByte(at, Fixed64Tag(value_field::kFloat64));
        return PutFixed(at, value.float64);
    case W2L_VALUE_FLOAT32:
        at = PutByte(at, Fixed32Tag(value_field::kFloat32));
        return PutFixed(at, value.float32);
    case W2L_VALUE_BOOL:
        at = PutByte(at, VarintTag(value_field::kBool));
        return PutByte(at, value.integer != 0);
    case W2L_VALUE_UNCHANGED:
        return PutMarker(at, kMarkerUnchanged);
    case W2L_VALUE_WITHHELD:
        return PutMarker(at, kMarkerWithheld);
    case W2L_VALUE_CHUNKED:
        return PutMarker(at, kMarkerChunked);
    case W2L_VALUE_UNCARRIED:
        return PutUncarried(at, value);
    case W2L_VALUE_TOKEN:
    case W2L_VALUE_HASH_INT:
    case W2L_VALUE_HASH_BYTES:
        return PutToken(at, value, status);
    case W2L_VALUE_NULL:
    case W2L_VALUE_TEXT:
    case W2L_VALUE_BYTES:
    case W2L_VALUE_NUMERIC:
        break;
    }
    return at;
}

/* The Values of a row, each with tag and length; nullptr where one does not fit before `limit`. */
uint8_t* PutValues(uint8_t* at, const uint8_t* limit, const w2l_row& row, w2l_status* status)
{
    for (size_t i = 0; i < row.count; ++i) {
        const w2l_value& value = row.values[i];
        const uint32_t bytes_field = BytesField(value);
        const size_t length = bytes_field != 0 ? value.length : 0;
        if (at + kValueOverhead > limit || static_cast<size_t>(limit - at) - kValueOverhead < length)
            return nullptr;
        at = PutByte(at, BytesTag(1));
        if (bytes_field != 0) {
            at = PutVarint(at, LengthDelimitedSize(length));
            at = PutLengthDelimited(at, bytes_field, value.bytes, length);
        } else {
            /* One pass over the values: the length is known once what it counts is written. */
            uint8_t* end = PutSmallValue(at + 1, value, status);
            *at = static_cast<uint8_t>(end - at - 1);
            at = end;
        }
    }
    return at;
}

/* Moves what lies between at + gap and `end` to at + width; answers its new end. */
uint8_t* CloseGap(uint8_t* at, size_t gap, size_t width, uint8_t* end)
{
    const auto length = static_cast<size_t>(end - at) - gap;
    if (gap != width)
        std::memmove(at + width, at + gap, length);
    return at + width + length;
}

/*
 * A row behind its tag and length; nullptr where it does not fit. The width of the
 * length is guessed from the row that was the last (*size, in and out): rows of a
 * table are alike, so what was written seldom moves.
 */
uint8_t* PutRow(uint8_t* at, const uint8_t* limit, uint32_t field, const w2l_row& row, size_t* size,
                w2l_status* status)
{
    const size_t gap = 1 + VarintSize(*size);
    uint8_t* end = PutValues(at + gap, limit, row, status);
    if (end == nullptr)
        return nullptr;
    *size = static_cast<size_t>(end - at) - gap;
    end = CloseGap(at, gap, 1 + VarintSize(*size), end);
    PutVarint(PutByte(at, BytesTag(field)), *size);
    return end;
}

size_t SubxidSize(uint32_t subxid)
{
    return subxid != 0 ? 1 + VarintSize(subxid) : 0;
}

uint8_t* PutSubxid(uint8_t* at, uint32_t subxid)
{
    return subxid != 0 ? PutVarint(PutByte(at, VarintTag(record_field::kSubxid)), subxid) : at;
}

/* What a change's record begins with, for rows of `rows` bytes in all, tags and lengths included. */
struct ChangeHeader {
    ChangeHeader(const w2l_change& described, size_t rows)
        : change(described),
          body(1 + VarintSize(change.relation_id) + 2 + rows + (change.old_kind != W2L_OLD_NONE ? 2 : 0)),
          record(1 + VarintSize(change.ordinal) + SubxidSize(change.subxid) + LengthDelimitedSize(body)),
          size(LengthDelimitedSize(record) - rows - (change.old_kind != W2L_OLD_NONE ? 2 : 0))
    {
    }

    void Put(uint8_t* at) const
    {
        at = PutByte(at, BytesTag(batch_field::kRecords));
        at = PutVarint(at, record);
        at = PutByte(at, VarintTag(record_field::kOrdinal));
        at = PutVarint(at, change.ordinal);
        at = PutSubxid(at, change.subxid);
        at = PutByte(at, BytesTag(record_field::kChange));
        at = PutVarint(at, body);
        at = PutByte(at, VarintTag(change_field::kRelationId));
        at = PutVarint(at, change.relation_id);
        at = PutByte(at, VarintTag(change_field::kOperation));
        PutByte(at, static_cast<uint8_t>(change.operation));
    }

    const w2l_change& change;
    size_t body;
    size_t record;
    size_t size;
};

/* ---- chunks: large, so copied once ---- */

/* The number of ValueChunk.Kind. */
uint8_t ChunkKind(const w2l_chunk& chunk)
{
    switch (chunk.kind) {
    case W2L_VALUE_TEXT:
        return 1;
    case W2L_VALUE_BYTES:
        return 2;
    case W2L_VALUE_NUMERIC:
        return 3;
    default:
        return 0;
    }
}

/* What is written as a varint behind its tag, in the order of the fields; 0 is left out. */
struct NumberField {
    uint32_t field;
    uint64_t number;
};
std::array<NumberField, 7> NumbersOf(const w2l_chunk& chunk)
{
    return {{{1, chunk.relation_id},
             {2, static_cast<uint64_t>(chunk.side)},
             {3, chunk.attnum},
             {4, ChunkKind(chunk)},
             {5, chunk.offset},
             {6, chunk.total},
             {7, chunk.offset + chunk.length == chunk.total}}};
}

/* ---- the rare records, through protozero's writer and a string ---- */

void AddText(protozero::pbf_writer& writer, uint32_t field, const char* text)
{
    if (text[0] != '\0')
        writer.add_string(field, text);
}

void AddUint(protozero::pbf_writer& writer, uint32_t field, uint64_t number)
{
    if (number != 0)
        writer.add_uint64(field, number);
}

w2l_status AddValue(protozero::pbf_writer& parent, uint32_t field, const w2l_value& value)
{
    const uint32_t bytes_field = BytesField(value);
    if (bytes_field != 0) {
        protozero::pbf_writer(parent, field).add_bytes(bytes_field, value.bytes, value.length);
        return W2L_OK;
    }
    w2l_status status = W2L_OK;
    std::array<uint8_t, kValueOverhead> small{};
    const uint8_t* end = PutSmallValue(small.data(), value, &status);
    parent.add_message(field, reinterpret_cast<const char*>(small.data()),
                       static_cast<size_t>(end - small.data()));
    return status;
}

w2l_status AddColumn(protozero::pbf_writer& parent, const w2l_column& column)
{
    protozero::pbf_writer writer(parent, 10);
    AddUint(writer, 1, column.attnum);
    AddText(writer, 2, column.name);
    AddUint(writer, 3, column.type_oid);
    AddText(writer, 4, column.type_name);
    if (column.typmod != 0)
        writer.add_sint32(5, column.typmod);
    AddUint(writer, 6, column.base_type_oid);
    AddUint(writer, 7, column.element_type_oid);
    AddUint(writer, 8, column.is_key);
    AddUint(writer, 9, column.class_);
    AddUint(writer, 10, column.action);
    AddText(writer, 11, column.domain);
    AddUint(writer, 12, column.encoding);
    return column.missing != nullptr ? AddValue(writer, 13, *column.missing) : W2L_OK;
}

/* Relation without id and schema_id: what the schema id covers. */
w2l_status RelationBody(const w2l_relation& relation, std::string* body)
{
    protozero::pbf_writer writer(*body);
    AddUint(writer, 3, relation.oid);
    AddText(writer, 4, relation.namespace_);
    AddText(writer, 5, relation.name);
    AddUint(writer, 6, relation.root_oid);
    AddText(writer, 7, relation.root_namespace);
    AddText(writer, 8, relation.root_name);
    AddUint(writer, 9, relation.replica_identity);
    for (size_t i = 0; i < relation.column_count; ++i)
        if (const w2l_status status = AddColumn(writer, relation.columns[i]); status != W2L_OK)
            return status;
    AddText(writer, 11, relation.key_id);
    return W2L_OK;
}

uint64_t Checksum(const void* bytes, size_t length)
{
    return XXH3_64bits(bytes, length);
}

/* A serialized Record around a serialized member. An empty member is written too: it is what makes the kind. */
std::string Record(uint64_t ordinal, uint32_t subxid, uint32_t field, const std::string& body)
{
    std::string record;
    protozero::pbf_writer writer(record);
    AddUint(writer, record_field::kOrdinal, ordinal);
    AddUint(writer, record_field::kSubxid, subxid);
    writer.add_message(field, body);
    return record;
}

/* Appends `record`, a serialized Record, to the batch. */
w2l_status AppendRecord(w2l_batch* batch, const std::string& record)
{
    size_t total = 1 + VarintSize(record.size()) + record.size();
    if (total > batch->capacity - batch->length)
        return W2L_NO_SPACE;
    uint8_t* at = batch->data + batch->length;
    PutLengthDelimited(at, batch_field::kRecords, record.data(), record.size());
    batch->length += total;
    return W2L_OK;
}

/* `facts`: the serialized member that says what the batch belongs to. */
w2l_status BeginBatch(w2l_batch* batch, uint32_t field, const std::string& facts)
{
    batch->length = 0;
    batch->hint = {};
    if (batch->capacity < W2L_BATCH_OVERHEAD)
        return W2L_NO_SPACE;
    uint8_t* end = PutLengthDelimited(batch->data + kPrefix, field, facts.data(), facts.size());
    batch->length = static_cast<size_t>(end - batch->data);
    return W2L_OK;
}

} // namespace

extern "C" size_t w2l_bound_change(const w2l_change* change) noexcept
{
    size_t bound = 2 * kChangeOverhead;
    const w2l_row* rows[] = {change->has_new ? &change->new_row : nullptr,
                             change->old_kind != W2L_OLD_NONE ? &change->old_row : nullptr};
    for (const w2l_row* row : rows) {
        if (row == nullptr)
            continue;
        bound += row->count * kValueOverhead;
        for (size_t i = 0; i < row->count; ++i)
            if (BytesField(row->values[i]) != 0)
                bound += row->values[i].length;
    }
    return bound;
}

extern "C" size_t w2l_bound_chunk(const w2l_chunk* chunk) noexcept
{
    return kChunkOverhead + chunk->length;
}

extern "C" size_t w2l_bound_relation(const w2l_relation* relation) noexcept
{
    size_t bound = kRelationOverhead + std::strlen(relation->namespace_) + std::strlen(relation->name) +
                   std::strlen(relation->root_namespace) + std::strlen(relation->root_name) +
                   std::strlen(relation->key_id);
    for (size_t i = 0; i < relation->column_count; ++i) {
        const w2l_column& column = relation->columns[i];
        bound += kColumnOverhead + std::strlen(column.name) + std::strlen(column.type_name) +
                 std::strlen(column.domain);
        if (column.missing != nullptr)
            bound += kValueOverhead + (BytesField(*column.missing) != 0 ? column.missing->length : 0);
    }
    return bound;
}

extern "C" size_t w2l_bound_truncate(const w2l_truncate* truncate) noexcept
{
    return kChangeOverhead + truncate->relation_count * 5;
}

extern "C" size_t w2l_bound_ddl(const w2l_ddl* ddl) noexcept
{
    size_t bound = kDdlOverhead;
    for (const char* name :
         {ddl->namespace_, ddl->name, ddl->column, ddl->old_name, ddl->parent_namespace, ddl->parent_name})
        bound += std::strlen(name);
    return bound;
}

extern "C" size_t w2l_bound_message(const w2l_message* message) noexcept
{
    return kChangeOverhead + std::strlen(message->prefix) + message->length;
}

extern "C" size_t w2l_bound_stats(const w2l_relation_stats* stats, size_t count) noexcept
{
    size_t bound = kChangeOverhead;
    for (size_t i = 0; i < count; ++i)
        bound += kColumnOverhead + std::strlen(stats[i].namespace_) + std::strlen(stats[i].name);
    return bound;
}

extern "C" w2l_status w2l_batch_begin(w2l_batch* batch, const w2l_committed* committed) noexcept
{
    return Guarded([&]() -> w2l_status {
        std::string facts;
        protozero::pbf_writer writer(facts);
        AddUint(writer, 1, committed->xid);
        AddUint(writer, 2, committed->commit_lsn);
        AddUint(writer, 3, committed->end_lsn);
        if (committed->commit_time_us != 0)
            writer.add_int64(4, committed->commit_time_us);
        AddUint(writer, 5, committed->streamed);
        return BeginBatch(batch, batch_field::kCommitted, facts);
    });
}

extern "C" w2l_status w2l_batch_begin_in_progress(w2l_batch* batch, uint32_t xid) noexcept
{
    return Guarded([&]() -> w2l_status {
        std::string facts;
        protozero::pbf_writer writer(facts);
        AddUint(writer, 1, xid);
        return BeginBatch(batch, batch_field::kInProgress, facts);
    });
}

extern "C" w2l_status w2l_batch_begin_message(w2l_batch* batch, uint64_t lsn, uint64_t end_lsn) noexcept
{
    return Guarded([&]() -> w2l_status {
        std::string facts;
        protozero::pbf_writer writer(facts);
        AddUint(writer, 1, end_lsn);
        AddUint(writer, 2, lsn);
        return BeginBatch(batch, batch_field::kMessage, facts);
    });
}

extern "C" w2l_status w2l_batch_append_change(w2l_batch* batch, const w2l_change* change) noexcept
{
    if (batch->capacity - batch->length < kChangeOverhead)
        return W2L_NO_SPACE;
    uint8_t* const start = batch->data + batch->length;
    /* Values end before this, so that all around them has room without being asked for. */
    const uint8_t* const limit = batch->data + batch->capacity - kChangeOverhead;
    const size_t gap = ChangeHeader(*change, batch->hint.rows).size;

    w2l_status status = W2L_OK;
    uint8_t* at = start + gap;
    if (change->has_new)
        at = PutRow(at, limit, change_field::kNew, change->new_row, &batch->hint.new_row, &status);
    if (at != nullptr && change->old_kind != W2L_OLD_NONE)
        at = PutRow(at, limit, change_field::kOld, change->old_row, &batch->hint.old_row, &status);
    if (at == nullptr)
        return W2L_NO_SPACE;
    if (status != W2L_OK)
        return status;

    const size_t rows = static_cast<size_t>(at - start) - gap;
    const ChangeHeader header(*change, rows);
    at = CloseGap(start, gap, header.size, at);
    header.Put(start);
    if (change->old_kind != W2L_OLD_NONE) {
        at = PutByte(at, VarintTag(change_field::kOldKind));
        at = PutByte(at, static_cast<uint8_t>(change->old_kind));
    }
    batch->hint.rows = rows;
    batch->length = static_cast<size_t>(at - batch->data);
    return W2L_OK;
}

extern "C" w2l_status w2l_batch_append_chunk(w2l_batch* batch, const w2l_chunk* chunk) noexcept
{
    constexpr uint32_t kData = 8;
    const auto numbers = NumbersOf(*chunk);
    size_t body = LengthDelimitedSize(chunk->length);
    for (const auto& [field, number] : numbers)
        if (number != 0)
            body += 1 + VarintSize(number);
    const size_t ordinal = chunk->ordinal != 0 ? 1 + VarintSize(chunk->ordinal) : 0;
    const size_t record = ordinal + SubxidSize(chunk->subxid) + LengthDelimitedSize(body);
    if (LengthDelimitedSize(record) > batch->capacity - batch->length)
        return W2L_NO_SPACE;

    uint8_t* at = batch->data + batch->length;
    at = PutByte(at, BytesTag(batch_field::kRecords));
    at = PutVarint(at, record);
    if (ordinal != 0)
        at = PutVarint(PutByte(at, VarintTag(record_field::kOrdinal)), chunk->ordinal);
    at = PutSubxid(at, chunk->subxid);
    at = PutByte(at, BytesTag(record_field::kValueChunk));
    at = PutVarint(at, body);
    for (const auto& [field, number] : numbers)
        if (number != 0)
            at = PutVarint(PutByte(at, VarintTag(field)), number);
    at = PutLengthDelimited(at, kData, chunk->bytes, chunk->length);
    batch->length = static_cast<size_t>(at - batch->data);
    return W2L_OK;
}

extern "C" w2l_status w2l_batch_append_relation(w2l_batch* batch, const w2l_relation* relation) noexcept
{
    return Guarded([&]() -> w2l_status {
        std::string body;
        const w2l_status encoded = RelationBody(*relation, &body);
        if (encoded != W2L_OK)
            return encoded;
        std::string message;
        protozero::pbf_writer writer(message);
        AddUint(writer, 1, relation->id);
        writer.add_fixed64(2, Checksum(body.data(), body.size()));
        message.append(body);
        return AppendRecord(batch, Record(0, 0, record_field::kRelation, message));
    });
}

extern "C" w2l_status w2l_batch_append_truncate(w2l_batch* batch, const w2l_truncate* truncate) noexcept
{
    return Guarded([&]() -> w2l_status {
        std::string body;
        {
            protozero::pbf_writer message(body);
            message.add_packed_uint32(1, truncate->relation_ids,
                                      truncate->relation_ids + truncate->relation_count);
            AddUint(message, 2, truncate->cascade);
            AddUint(message, 3, truncate->restart_identity);
        }
        return AppendRecord(batch,
                            Record(truncate->ordinal, truncate->subxid, record_field::kTruncate, body));
    });
}

extern "C" w2l_status w2l_batch_append_ddl(w2l_batch* batch, const w2l_ddl* ddl) noexcept
{
    return Guarded([&]() -> w2l_status {
        std::string body;
        protozero::pbf_writer message(body);
        AddUint(message, 1, ddl->kind);
        AddUint(message, 2, ddl->oid);
        AddText(message, 3, ddl->namespace_);
        AddText(message, 4, ddl->name);
        AddUint(message, 5, ddl->attnum);
        AddText(message, 6, ddl->column);
        AddText(message, 7, ddl->old_name);
        AddUint(message, 8, ddl->parent_oid);
        AddText(message, 9, ddl->parent_namespace);
        AddText(message, 10, ddl->parent_name);
        return AppendRecord(batch, Record(ddl->ordinal, ddl->subxid, record_field::kDdl, body));
    });
}

extern "C" w2l_status w2l_batch_append_message(w2l_batch* batch, const w2l_message* message) noexcept
{
    return Guarded([&]() -> w2l_status {
        std::string body;
        protozero::pbf_writer writer(body);
        AddText(writer, 1, message->prefix);
        if (message->length > 0)
            writer.add_bytes(2, message->bytes, message->length);
        AddUint(writer, 3, message->offset);
        AddUint(writer, 4, message->total);
        return AppendRecord(batch, Record(message->ordinal, message->subxid, record_field::kMessage, body));
    });
}

extern "C" w2l_status w2l_batch_append_stats(w2l_batch* batch, const w2l_relation_stats* stats,
                                             size_t count) noexcept
{
    return Guarded([&]() -> w2l_status {
        std::string body;
        for (size_t i = 0; i < count; ++i) {
            protozero::pbf_writer message(body);
            protozero::pbf_writer entry(message, 1);
            AddUint(entry, 1, stats[i].oid);
            AddText(entry, 2, stats[i].namespace_);
            AddText(entry, 3, stats[i].name);
            AddUint(entry, 4, stats[i].withheld);
            AddUint(entry, 5, stats[i].uncarried);
            AddUint(entry, 6, stats[i].not_emitted);
        }
        return AppendRecord(batch, Record(0, 0, record_field::kStats, body));
    });
}

extern "C" w2l_status w2l_batch_append_stream_abort(w2l_batch* batch, uint32_t subxid) noexcept
{
    return Guarded([&] { return AppendRecord(batch, Record(0, subxid, record_field::kStreamAbort, {})); });
}

extern "C" w2l_status w2l_batch_append_skipped(w2l_batch* batch, uint32_t subxid, uint64_t changes) noexcept
{
    return Guarded([&] {
        std::string body;
        protozero::pbf_writer message(body);
        AddUint(message, 1, changes);
        return AppendRecord(batch, Record(0, subxid, record_field::kSkipped, body));
    });
}

extern "C" w2l_status w2l_batch_finish(w2l_batch* batch, bool last, const uint8_t** message,
                                       size_t* message_length) noexcept
{
    if (batch->length < kPrefix || batch->capacity - batch->length < 2)
        return W2L_INVALID;
    uint8_t* body = batch->data + kPrefix;
    uint8_t* end = batch->data + batch->length;
    if (last) {
        end = PutByte(end, VarintTag(batch_field::kLast));
        end = PutByte(end, 1);
    }
    size_t body_size = static_cast<size_t>(end - body);
    size_t frame_size = 9 + 1 + VarintSize(body_size) + body_size;

    size_t prefix_size = VarintSize(frame_size) + 9 + 1 + VarintSize(body_size);
    uint8_t* start = body - prefix_size;
    uint8_t* at = PutVarint(start, frame_size);
    at = PutByte(at, Fixed64Tag(1));
    at = PutFixed(at, Checksum(body, body_size));
    at = PutByte(at, BytesTag(2));
    PutVarint(at, body_size);

    *message = start;
    *message_length = prefix_size + body_size;
    batch->length = 0;
    return W2L_OK;
}

extern "C" w2l_status w2l_relation_schema_id(const w2l_relation* relation, uint64_t* schema_id) noexcept
{
    return Guarded([&]() -> w2l_status {
        std::string body;
        const w2l_status status = RelationBody(*relation, &body);
        *schema_id = Checksum(body.data(), body.size());
        return status;
    });
}
