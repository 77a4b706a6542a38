#include "core/frame_reader.h"

#include "core/guard.h"
#include "core/wire_reader.h"

#include <utility>

#include <xxhash.h>

namespace wal2lake
{
namespace
{

using wire::BytesTag;
using wire::FieldReader;
using wire::Fixed64Tag;
using wire::VarintTag;

ReadResult Damaged(const char* reason) noexcept
{
    return {ReadStatus::kDamaged, reason};
}

// Walks the fields of `bytes` with `take`, which may set the flag too; damaged with `reason` where one of them did.
template <typename Take>
ReadResult ReadFields(std::string_view bytes, const char* reason, Take&& take)
{
    bool damaged = false;
    FieldReader field(bytes, &damaged);
    while (field.Next())
        take(field, &damaged);
    return damaged ? Damaged(reason) : ReadResult{};
}

// Of a message whose fields are of no interest, whether it is one.
void PassOver(std::string_view bytes, bool* damaged)
{
    FieldReader field(bytes, damaged);
    while (field.Next()) {
    }
}

// A length of kMaxMessageBytes takes four bytes; a fifth would only be padding.
constexpr size_t kMaxLengthBytes = 5;

// Reads the varint at the front of `input`: kOk, kNeedMore or kDamaged.
ReadResult ReadLength(std::string_view input, uint64_t* length, size_t* width) noexcept
{
    std::string_view rest = input;
    if (!wire::TakeVarint(&rest, kMaxLengthBytes, length)) {
        if (input.size() < kMaxLengthBytes)
            return {ReadStatus::kNeedMore};
        return Damaged("message length is not a valid varint");
    }
    *width = input.size() - rest.size();
    return {};
}

ReadResult ReadFrame(std::string_view frame, std::string_view* batch) noexcept
{
    bool has_checksum = false;
    bool has_batch = false;
    uint64_t checksum = 0;
    const ReadResult read =
        ReadFields(frame, "frame is not a valid protobuf message", [&](auto& field, bool*) {
            if (field.tag() == Fixed64Tag(1)) {
                checksum = field.Fixed64();
                has_checksum = true;
            } else if (field.tag() == BytesTag(2)) {
                *batch = field.Bytes();
                has_batch = true;
            }
        });
    if (!read.ok())
        return read;
    if (!has_checksum || !has_batch)
        return Damaged("frame lacks its checksum or its batch");
    if (XXH3_64bits(batch->data(), batch->size()) != checksum)
        return Damaged("checksum of the frame does not match its batch");
    return {};
}

// The class of a Column, 0 where it has none.
uint64_t ReadColumnClass(std::string_view bytes, bool* damaged)
{
    uint64_t data_class = 0;
    FieldReader column(bytes, damaged);
    while (column.Next())
        if (column.tag() == VarintTag(9))
            data_class = column.Uint32();
    return data_class;
}

void ReadCommitted(std::string_view bytes, CommittedView* committed, bool* damaged)
{
    FieldReader field(bytes, damaged);
    while (field.Next()) {
        switch (field.tag()) {
        case VarintTag(1):
            committed->xid = field.Uint32();
            break;
        case VarintTag(2):
            committed->commit_lsn = field.Uint64();
            break;
        case VarintTag(3):
            committed->end_lsn = field.Uint64();
            break;
        case VarintTag(4):
            committed->commit_time_us = field.Int64();
            break;
        case VarintTag(5):
            committed->streamed = field.Bool();
            break;
        }
    }
}

void ReadInProgress(std::string_view bytes, uint32_t* xid, bool* damaged)
{
    FieldReader field(bytes, damaged);
    while (field.Next())
        if (field.tag() == VarintTag(1))
            *xid = field.Uint32();
}

void ReadPosition(std::string_view bytes, CommittedView* position, bool* damaged)
{
    FieldReader field(bytes, damaged);
    while (field.Next()) {
        if (field.tag() == VarintTag(1))
            position->end_lsn = field.Uint64();
        else if (field.tag() == VarintTag(2))
            position->commit_lsn = field.Uint64();
    }
}

// kNone and kUnknown for what is no member of the oneof that says what a batch or a record is.
BatchKind BatchKindOf(uint64_t tag)
{
    switch (tag) {
    case BytesTag(1):
        return BatchKind::kCommitted;
    case BytesTag(2):
        return BatchKind::kInProgress;
    case BytesTag(3):
        return BatchKind::kPrepared;
    case BytesTag(4):
        return BatchKind::kMessage;
    default:
        return BatchKind::kNone;
    }
}

RecordKind RecordKindOf(uint64_t tag)
{
    switch (tag) {
    case BytesTag(3):
        return RecordKind::kRelation;
    case BytesTag(4):
        return RecordKind::kChange;
    case BytesTag(5):
        return RecordKind::kTruncate;
    case BytesTag(6):
        return RecordKind::kMessage;
    case BytesTag(7):
        return RecordKind::kStats;
    case BytesTag(8):
        return RecordKind::kValueChunk;
    case BytesTag(9):
        return RecordKind::kDdl;
    case BytesTag(10):
        return RecordKind::kStreamAbort;
    case BytesTag(11):
        return RecordKind::kSkipped;
    default:
        return RecordKind::kUnknown;
    }
}

void ReadRecord(std::string_view bytes, RecordView* record, bool* damaged)
{
    *record = RecordView{};
    record->bytes = bytes;
    FieldReader field(bytes, damaged);
    while (field.Next()) {
        const RecordKind kind = RecordKindOf(field.tag());
        if (field.tag() == VarintTag(1)) {
            record->ordinal = field.Uint64();
        } else if (field.tag() == VarintTag(2)) {
            record->subxid = field.Uint32();
        } else if (kind != RecordKind::kUnknown) {
            // Protobuf would merge two bodies of one kind, which views cannot; no writer sends two.
            *damaged = *damaged || record->kind != RecordKind::kUnknown;
            record->kind = kind;
            record->body = field.Bytes();
        }
    }
}

} // namespace

ReadResult NextMessage(std::string_view input, MessageView* message, size_t* consumed) noexcept
{
    size_t start = 0;
    while (start < input.size() && input[start] == '\n')
        start++;
    *consumed = start;
    const std::string_view rest = input.substr(start);

    uint64_t length = 0;
    size_t width = 0;
    const ReadResult result = ReadLength(rest, &length, &width);
    if (!result.ok())
        return result;
    if (length > kMaxMessageBytes)
        return Damaged("message is longer than 64 MiB");
    if (rest.size() - width < length)
        return {ReadStatus::kNeedMore};

    message->whole = rest.substr(0, width + length);
    *consumed = start + width + length;
    return ReadFrame(rest.substr(width, length), &message->batch);
}

BatchKind PeekBatch(std::string_view message, CommittedView* committed) noexcept
{
    *committed = CommittedView{};
    uint64_t length = 0;
    size_t width = 0;
    if (!ReadLength(message, &length, &width).ok())
        return BatchKind::kNone;
    bool damaged = false;
    FieldReader frame(message.substr(width), &damaged);
    while (frame.Next()) {
        if (frame.tag() != BytesTag(2))
            continue;
        FieldReader batch(frame.Bytes(), &damaged);
        const BatchKind kind = batch.Next() ? BatchKindOf(batch.tag()) : BatchKind::kNone;
        if (kind == BatchKind::kCommitted)
            ReadCommitted(batch.Bytes(), committed, &damaged);
        else if (kind == BatchKind::kMessage)
            ReadPosition(batch.Bytes(), committed, &damaged);
        return kind;
    }
    return BatchKind::kNone;
}

ReadResult ScanBatch(std::string_view bytes, BatchView* batch) noexcept
{
    *batch = BatchView{};
    batch->bytes = bytes;
    return ReadFields(bytes, "batch is not a valid protobuf message", [&](auto& field, bool* damaged) {
        const BatchKind kind = BatchKindOf(field.tag());
        if (field.tag() == BytesTag(5)) {
            batch->record_count++;
        } else if (field.tag() == VarintTag(6)) {
            batch->last = field.Bool();
        } else if (kind != BatchKind::kNone) {
            *damaged = *damaged || batch->kind != BatchKind::kNone;
            batch->kind = kind;
            if (kind == BatchKind::kCommitted)
                ReadCommitted(field.Bytes(), &batch->committed, damaged);
            else if (kind == BatchKind::kInProgress)
                ReadInProgress(field.Bytes(), &batch->in_progress_xid, damaged);
            else if (kind == BatchKind::kMessage)
                ReadPosition(field.Bytes(), &batch->committed, damaged);
            else
                PassOver(field.Bytes(), damaged);
        }
    });
}

ReadResult RecordCursor::Next(RecordView* record) noexcept
{
    bool damaged = false;
    FieldReader field(rest_, &damaged);
    while (field.Next()) {
        if (field.tag() != BytesTag(5))
            continue;
        rest_ = field.rest();
        ReadRecord(field.Bytes(), record, &damaged);
        return damaged ? Damaged("record is not a valid protobuf message") : ReadResult{};
    }
    rest_ = {};
    return damaged ? Damaged("record is not a valid protobuf message") : ReadResult{ReadStatus::kEnd};
}

ReadResult ScanRelation(std::string_view body, RelationView* relation) noexcept
{
    *relation = RelationView{};
    return ReadFields(body, "relation is not a valid protobuf message", [&](auto& field, bool* damaged) {
        switch (field.tag()) {
        case VarintTag(1):
            relation->id = field.Uint32();
            break;
        case Fixed64Tag(2):
            relation->schema_id = field.Fixed64();
            break;
        case VarintTag(3):
            relation->oid = field.Uint32();
            break;
        case BytesTag(4):
            relation->namespace_name = field.Text();
            break;
        case BytesTag(5):
            relation->name = field.Text();
            break;
        case BytesTag(10):
            relation->unclassified += ReadColumnClass(field.Bytes(), damaged) == 0 ? 1 : 0;
            break;
        }
    });
}

ReadResult ScanChange(std::string_view body, ChangeView* change) noexcept
{
    *change = ChangeView{};
    bool has_new = false;
    bool has_old = false;
    return ReadFields(body, "change is not a valid protobuf message", [&](auto& field, bool* damaged) {
        switch (field.tag()) {
        case VarintTag(1):
            change->relation_id = field.Uint32();
            break;
        case VarintTag(2): {
            const int32_t number = field.Enum();
            change->operation = number >= 0 && number <= 3 ? static_cast<ChangeOperation>(number)
                                                           : ChangeOperation::kUnspecified;
            break;
        }
        case BytesTag(3):
            *damaged = *damaged || std::exchange(has_new, true);
            break;
        case BytesTag(4):
            *damaged = *damaged || std::exchange(has_old, true);
            break;
        }
    });
}

ReadResult ScanSkipped(std::string_view body, uint64_t* changes) noexcept
{
    *changes = 0;
    return ReadFields(body, "skipped is not a valid protobuf message", [&](auto& field, bool*) {
        if (field.tag() == VarintTag(1))
            *changes = field.Uint64();
    });
}

ReadResult ScanTruncate(std::string_view body, std::vector<uint32_t>* relation_ids) noexcept
{
    ReadResult result;
    const w2l_status status = Guarded([&] {
        result =
            ReadFields(body, "truncate is not a valid protobuf message", [&](auto& field, bool* damaged) {
                if (field.tag() == VarintTag(1)) {
                    relation_ids->push_back(field.Uint32());
                } else if (field.tag() == BytesTag(1)) {
                    wire::PackedReader ids(field.Bytes(), damaged);
                    while (ids.Next())
                        relation_ids->push_back(ids.Uint32());
                }
            });
        return W2L_OK;
    });
    return status == W2L_OK ? result : Damaged("truncate does not fit into memory");
}

namespace
{

RelationStatsView ReadRelationStats(std::string_view bytes, bool* damaged)
{
    RelationStatsView stats;
    FieldReader field(bytes, damaged);
    while (field.Next()) {
        switch (field.tag()) {
        case VarintTag(1):
            stats.oid = field.Uint32();
            break;
        case BytesTag(2):
            stats.namespace_name = field.Text();
            break;
        case BytesTag(3):
            stats.name = field.Text();
            break;
        case VarintTag(4):
            stats.withheld = field.Uint64();
            break;
        case VarintTag(5):
            stats.uncarried = field.Uint64();
            break;
        case VarintTag(6):
            stats.not_emitted = field.Uint64();
            break;
        }
    }
    return stats;
}

} // namespace

ReadResult ScanStats(std::string_view body, std::vector<RelationStatsView>* relations) noexcept
{
    ReadResult result;
    const w2l_status status = Guarded([&] {
        result = ReadFields(body, "stats is not a valid protobuf message", [&](auto& field, bool* damaged) {
            if (field.tag() == BytesTag(1))
                relations->push_back(ReadRelationStats(field.Bytes(), damaged));
        });
        return W2L_OK;
    });
    return status == W2L_OK ? result : Damaged("stats does not fit into memory");
}

} // namespace wal2lake
