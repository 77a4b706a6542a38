// Reads the wire contract (proto/wal2lake/v1/wal2lake.proto) without building
// objects: splits a byte stream into messages, checks them, and shows batches
// and records as views into the caller's bytes.
//
// Called by the forwarder for every byte it receives, by the readers of
// segments, and by the plugin's SQL function that renders frames. Knows nothing
// of transport, segments or the server, and never allocates except where a
// function says so.
//
// Every function is noexcept and answers with a ReadResult. Views live as long
// as the bytes they were made from. Input may be damaged in any way; the answer
// is then kDamaged with a sentence, and outputs are unspecified.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace wal2lake
{

enum class ReadStatus : uint8_t {
    kOk,
    // The bytes end inside a message, or where one could begin.
    kNeedMore,
    // Nothing follows (cursors only).
    kEnd,
    kDamaged,
};

struct ReadResult {
    ReadStatus status = ReadStatus::kOk;
    // A plain sentence of static lifetime where damaged, empty otherwise.
    const char* reason = "";

    bool ok() const noexcept { return status == ReadStatus::kOk; }
    bool damaged() const noexcept { return status == ReadStatus::kDamaged; }
};

// No message may be longer. The plugin stays far below (docs/record_format.md).
inline constexpr size_t kMaxMessageBytes = size_t{64} << 20;

struct MessageView {
    // The message as it travels: varint length and Frame, without newlines.
    std::string_view whole;
    // Frame.batch, whose checksum was found right.
    std::string_view batch;
};

// Takes one message from the front of `input`, where a message may begin.
// `*consumed` is how many bytes the caller is done with, newlines included; it
// is set for kOk and kNeedMore.
ReadResult NextMessage(std::string_view input, MessageView* message, size_t* consumed) noexcept;

enum class BatchKind : uint8_t {
    kNone,
    kCommitted,
    kInProgress,
    kPrepared,
    kMessage,
};

struct CommittedView {
    uint32_t xid = 0;
    uint64_t commit_lsn = 0;
    uint64_t end_lsn = 0;
    int64_t commit_time_us = 0;
    // Its records came before, in batches of kind kInProgress.
    bool streamed = false;
};

struct BatchView {
    BatchKind kind = BatchKind::kNone;
    // Meaningful where kind is kCommitted, and where it is kMessage: the message is
    // then one that belongs to no transaction, and these are its position alone.
    CommittedView committed;
    // Meaningful where kind is kInProgress.
    uint32_t in_progress_xid = 0;
    bool last = false;
    uint64_t record_count = 0;
    // The bytes it was scanned from, for RecordCursor.
    std::string_view bytes;

    // What a log holds has a place in it: a transaction that has committed, or a
    // message of none.
    bool placed() const noexcept { return kind == BatchKind::kCommitted || kind == BatchKind::kMessage; }
};

// What the batch of a whole message belongs to, looking at nothing else: neither is
// the checksum compared nor are records passed over. kNone also where there is
// nothing to be seen.
BatchKind PeekBatch(std::string_view message, CommittedView* committed) noexcept;

// Scans a batch down to the borders of its records.
ReadResult ScanBatch(std::string_view bytes, BatchView* batch) noexcept;

enum class RecordKind : uint8_t {
    // Nothing this version knows; a reader passes over it.
    kUnknown,
    kRelation,
    kChange,
    kTruncate,
    kMessage,
    kStats,
    kValueChunk,
    kDdl,
    kStreamAbort,
    kSkipped,
};

struct RecordView {
    uint64_t ordinal = 0;
    uint32_t subxid = 0;
    RecordKind kind = RecordKind::kUnknown;
    // The member of the oneof, such as a serialized Change.
    std::string_view body;
    // The serialized Record itself.
    std::string_view bytes;
};

// Walks the records of a scanned batch in order.
class RecordCursor
{
  public:
    explicit RecordCursor(const BatchView& batch) noexcept : rest_(batch.bytes) {}

    // kOk with the next record, kEnd after the last.
    ReadResult Next(RecordView* record) noexcept;

  private:
    std::string_view rest_;
};

struct RelationView {
    uint32_t id = 0;
    uint64_t schema_id = 0;
    uint32_t oid = 0;
    std::string_view namespace_name;
    std::string_view name;
    // Columns that nobody has classified: withheld, or tokens of a key.
    uint32_t unclassified = 0;
};

ReadResult ScanRelation(std::string_view body, RelationView* relation) noexcept;

enum class ChangeOperation : uint8_t {
    kUnspecified = 0,
    kInsert = 1,
    kUpdate = 2,
    kDelete = 3,
};

struct ChangeView {
    uint32_t relation_id = 0;
    // kUnspecified also for a number this version does not know.
    ChangeOperation operation = ChangeOperation::kUnspecified;
};

ReadResult ScanChange(std::string_view body, ChangeView* change) noexcept;

// Appends Truncate.relation_ids to `*relation_ids`; allocates there.
ReadResult ScanTruncate(std::string_view body, std::vector<uint32_t>* relation_ids) noexcept;

// How many changes a Skipped record stands for.
ReadResult ScanSkipped(std::string_view body, uint64_t* changes) noexcept;

struct RelationStatsView {
    uint32_t oid = 0;
    std::string_view namespace_name;
    std::string_view name;
    uint64_t withheld = 0;
    uint64_t uncarried = 0;
    uint64_t not_emitted = 0;
};

// Appends Stats.relations to `*relations`; allocates there.
ReadResult ScanStats(std::string_view body, std::vector<RelationStatsView>* relations) noexcept;

} // namespace wal2lake
