#include "core/frame_reader.h"

#include "core/guard.h"
#include "core/wire.h"

#include <protozero/pbf_reader.hpp>
#include <xxhash.h>

namespace wal2lake
{
namespace
{

using protozero::pbf_reader;
using wire::BytesTag;
using wire::Fixed64Tag;
using wire::VarintTag;

ReadResult Damaged(const char* reason) noexcept
{
    return {ReadStatus::kDamaged, reason};
}

std::string_view View(pbf_reader& reader)
{
    const protozero::data_view view = reader.get_view();
    return {view.data(), view.size()};
}

pbf_reader Reader(std::string_view bytes)
{
    return pbf_reader{bytes.data(), bytes.size()};
}

// protozero reports damage by throwing; nothing may leave this file.
template <typename Body>
ReadResult GuardedRead(const char* reason, Body&& body) noexcept
{
    ReadResult result;
    const w2l_status status = Guarded([&] {
        result = body();
        return W2L_OK;
    });
    return status == W2L_OK ? result : Damaged(reason);
}

// A length of kMaxMessageBytes takes four bytes; a fifth would only be padding.
constexpr size_t kMaxLengthBytes = 5;

// Reads the varint at the front of `input`: kOk, kNeedMore or kDamaged.
ReadResult ReadLength(std::string_view input, uint64_t* length, size_t* width) noexcept
{
    uint64_t value = 0;
    for (size_t i = 0; i < kMaxLengthBytes; i++) {
        if (i == input.size())
            return {ReadStatus::kNeedMore};
        const auto byte = static_cast<unsigned char>(input[i]);
        value |= static_cast<uint64_t>(byte & 0x7fU) << (7 * i);
        if ((byte & 0x80U) == 0) {
            *length = value;
            *width = i + 1;
            return {};
        }
    }
    return Damaged("message length is not a valid varint");
}

ReadResult ReadFrame(std::string_view frame, std::string_view* batch) noexcept
{
    return GuardedRead("frame is not a valid protobuf message", [&]() -> ReadResult {
        bool has_checksum = false;
        bool has_batch = false;
        uint64_t checksum = 0;
        pbf_reader reader = Reader(frame);
        while (reader.next()) {
            switch (reader.tag_and_type()) {
            case Fixed64Tag(1):
                checksum = reader.get_fixed64();
                has_checksum = true;
                break;
            case BytesTag(2):
                *batch = View(reader);
                has_batch = true;
                break;
            default:
                reader.skip();
            }
        }
        if (!has_checksum || !has_batch)
            return Damaged("frame lacks its checksum or its batch");
        if (XXH3_64bits(batch->data(), batch->size()) != checksum)
            return Damaged("checksum of the frame does not match its batch");
        return {};
    });
}

void ReadCommitted(std::string_view bytes, CommittedView* committed)
{
    pbf_reader reader = Reader(bytes);
    while (reader.next()) {
        switch (reader.tag_and_type()) {
        case VarintTag(1):
            committed->xid = reader.get_uint32();
            break;
        case VarintTag(2):
            committed->commit_lsn = reader.get_uint64();
            break;
        case VarintTag(3):
            committed->end_lsn = reader.get_uint64();
            break;
        case VarintTag(4):
            committed->commit_time_us = reader.get_int64();
            break;
        default:
            reader.skip();
        }
    }
}

void ReadRecord(std::string_view bytes, RecordView* record)
{
    *record = RecordView{};
    record->bytes = bytes;
    pbf_reader reader = Reader(bytes);
    while (reader.next()) {
        switch (reader.tag_and_type()) {
        case VarintTag(1):
            record->ordinal = reader.get_uint64();
            break;
        case VarintTag(2):
            record->subxid = reader.get_uint32();
            break;
        case BytesTag(3):
            record->kind = RecordKind::kRelation;
            record->body = View(reader);
            break;
        case BytesTag(4):
            record->kind = RecordKind::kChange;
            record->body = View(reader);
            break;
        case BytesTag(5):
            record->kind = RecordKind::kTruncate;
            record->body = View(reader);
            break;
        case BytesTag(6):
            record->kind = RecordKind::kMessage;
            record->body = View(reader);
            break;
        case BytesTag(7):
            record->kind = RecordKind::kStats;
            record->body = View(reader);
            break;
        default:
            reader.skip();
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

ReadResult ScanBatch(std::string_view bytes, BatchView* batch) noexcept
{
    return GuardedRead("batch is not a valid protobuf message", [&]() -> ReadResult {
        *batch = BatchView{};
        batch->bytes = bytes;
        pbf_reader reader = Reader(bytes);
        while (reader.next()) {
            switch (reader.tag_and_type()) {
            case BytesTag(1):
                batch->kind = BatchKind::kCommitted;
                ReadCommitted(View(reader), &batch->committed);
                break;
            case BytesTag(2):
                batch->kind = BatchKind::kInProgress;
                reader.skip();
                break;
            case BytesTag(3):
                batch->kind = BatchKind::kPrepared;
                reader.skip();
                break;
            case BytesTag(4):
                batch->kind = BatchKind::kMessage;
                reader.skip();
                break;
            case BytesTag(5):
                batch->record_count++;
                reader.skip();
                break;
            case VarintTag(6):
                batch->last = reader.get_uint64() != 0;
                break;
            default:
                reader.skip();
            }
        }
        return {};
    });
}

ReadResult RecordCursor::Next(RecordView* record) noexcept
{
    return GuardedRead("record is not a valid protobuf message", [&]() -> ReadResult {
        pbf_reader reader = Reader(rest_);
        while (reader.next()) {
            if (reader.tag_and_type() != BytesTag(5)) {
                reader.skip();
                continue;
            }
            const std::string_view bytes = View(reader);
            const protozero::data_view rest = reader.data();
            rest_ = {rest.data(), rest.size()};
            ReadRecord(bytes, record);
            return {};
        }
        rest_ = {};
        return {ReadStatus::kEnd};
    });
}

ReadResult ScanRelation(std::string_view body, RelationView* relation) noexcept
{
    return GuardedRead("relation is not a valid protobuf message", [&]() -> ReadResult {
        *relation = RelationView{};
        pbf_reader reader = Reader(body);
        while (reader.next()) {
            switch (reader.tag_and_type()) {
            case VarintTag(1):
                relation->id = reader.get_uint32();
                break;
            case Fixed64Tag(2):
                relation->schema_id = reader.get_fixed64();
                break;
            case VarintTag(3):
                relation->oid = reader.get_uint32();
                break;
            case BytesTag(4):
                relation->namespace_name = View(reader);
                break;
            case BytesTag(5):
                relation->name = View(reader);
                break;
            default:
                reader.skip();
            }
        }
        return {};
    });
}

ReadResult ScanChange(std::string_view body, ChangeView* change) noexcept
{
    return GuardedRead("change is not a valid protobuf message", [&]() -> ReadResult {
        *change = ChangeView{};
        pbf_reader reader = Reader(body);
        while (reader.next()) {
            switch (reader.tag_and_type()) {
            case VarintTag(1):
                change->relation_id = reader.get_uint32();
                break;
            case VarintTag(2): {
                const uint64_t number = reader.get_uint64();
                change->operation =
                    number <= 3 ? static_cast<ChangeOperation>(number) : ChangeOperation::kUnspecified;
                break;
            }
            default:
                reader.skip();
            }
        }
        return {};
    });
}

ReadResult ScanTruncate(std::string_view body, std::vector<uint32_t>* relation_ids) noexcept
{
    return GuardedRead("truncate is not a valid protobuf message", [&]() -> ReadResult {
        pbf_reader reader = Reader(body);
        while (reader.next()) {
            switch (reader.tag_and_type()) {
            case VarintTag(1):
                relation_ids->push_back(reader.get_uint32());
                break;
            case BytesTag(1):
                for (const uint32_t id : reader.get_packed_uint32())
                    relation_ids->push_back(id);
                break;
            default:
                reader.skip();
            }
        }
        return {};
    });
}

ReadResult ScanStats(std::string_view body, std::vector<RelationStatsView>* relations) noexcept
{
    return GuardedRead("stats is not a valid protobuf message", [&]() -> ReadResult {
        pbf_reader reader = Reader(body);
        while (reader.next()) {
            if (reader.tag_and_type() != BytesTag(1)) {
                reader.skip();
                continue;
            }
            RelationStatsView stats;
            pbf_reader entry = reader.get_message();
            while (entry.next()) {
                switch (entry.tag_and_type()) {
                case VarintTag(1):
                    stats.oid = entry.get_uint32();
                    break;
                case BytesTag(2):
                    stats.namespace_name = View(entry);
                    break;
                case BytesTag(3):
                    stats.name = View(entry);
                    break;
                case VarintTag(4):
                    stats.withheld = entry.get_uint64();
                    break;
                case VarintTag(5):
                    stats.uncarried = entry.get_uint64();
                    break;
                case VarintTag(6):
                    stats.not_emitted = entry.get_uint64();
                    break;
                default:
                    entry.skip();
                }
            }
            relations->push_back(stats);
        }
        return {};
    });
}

} // namespace wal2lake
