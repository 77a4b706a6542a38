// A batch under a right checksum, by our reader and renderer and by protoc's
// classes. What ours take, protoc's take too, with the same values; what protoc's
// write, ours take.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/frame_reader.h"
#include "core/frame_text.h"
#include "fuzz.h"
#include "messages.h"

namespace wal2lake::fuzz
{
namespace
{

struct Walk {
    bool sound = false;
    BatchView batch;
    std::vector<RecordView> records;
    std::vector<RelationView> relations;
    std::vector<ChangeView> changes;
    std::vector<std::vector<uint32_t>> truncates;
    std::vector<std::vector<RelationStatsView>> stats;
    std::vector<uint64_t> skipped;
};

bool WalkBody(const RecordView& record, Walk* walk)
{
    switch (record.kind) {
    case RecordKind::kRelation: {
        RelationView& view = walk->relations.emplace_back();
        if (!ScanRelation(record.body, &view).ok())
            return false;
        FUZZ_CHECK(Within(view.name, record.body) && Within(view.namespace_name, record.body));
        return true;
    }
    case RecordKind::kChange:
        return ScanChange(record.body, &walk->changes.emplace_back()).ok();
    case RecordKind::kTruncate:
        return ScanTruncate(record.body, &walk->truncates.emplace_back()).ok();
    case RecordKind::kStats:
        return ScanStats(record.body, &walk->stats.emplace_back()).ok();
    case RecordKind::kSkipped:
        return ScanSkipped(record.body, &walk->skipped.emplace_back()).ok();
    default:
        return true;
    }
}

// Reads as the forwarder does, all the way down.
Walk WalkBatch(std::string_view bytes)
{
    Walk walk;
    if (!ScanBatch(bytes, &walk.batch).ok())
        return walk;
    RecordCursor cursor(walk.batch);
    RecordView record;
    ReadResult next;
    bool sound = true;
    while ((next = cursor.Next(&record)).ok()) {
        FUZZ_CHECK(Within(record.bytes, bytes) && Within(record.body, record.bytes));
        walk.records.push_back(record);
        FUZZ_CHECK(walk.records.size() <= walk.batch.record_count);
        sound = WalkBody(record, &walk) && sound;
    }
    FUZZ_CHECK(next.damaged() || walk.records.size() == walk.batch.record_count);
    walk.sound = sound && !next.damaged();
    return walk;
}

BatchKind KindOf(const v1::Batch& batch)
{
    switch (batch.kind_case()) {
    case v1::Batch::kCommitted:
        return BatchKind::kCommitted;
    case v1::Batch::kInProgress:
        return BatchKind::kInProgress;
    case v1::Batch::kPrepared:
        return BatchKind::kPrepared;
    case v1::Batch::kMessage:
        return BatchKind::kMessage;
    case v1::Batch::KIND_NOT_SET:
        break;
    }
    return BatchKind::kNone;
}

RecordKind KindOf(const v1::Record& record)
{
    switch (record.record_case()) {
    case v1::Record::kRelation:
        return RecordKind::kRelation;
    case v1::Record::kChange:
        return RecordKind::kChange;
    case v1::Record::kTruncate:
        return RecordKind::kTruncate;
    case v1::Record::kMessage:
        return RecordKind::kMessage;
    case v1::Record::kStats:
        return RecordKind::kStats;
    case v1::Record::kValueChunk:
        return RecordKind::kValueChunk;
    case v1::Record::kDdl:
        return RecordKind::kDdl;
    case v1::Record::kStreamAbort:
        return RecordKind::kStreamAbort;
    case v1::Record::kSkipped:
        return RecordKind::kSkipped;
    case v1::Record::RECORD_NOT_SET:
        break;
    }
    return RecordKind::kUnknown;
}

void CompareStats(const std::vector<RelationStatsView>& ours, const v1::Stats& theirs)
{
    FUZZ_CHECK(ours.size() == static_cast<size_t>(theirs.relations_size()));
    for (int i = 0; i < theirs.relations_size(); i++) {
        const RelationStatsView& view = ours[static_cast<size_t>(i)];
        const v1::RelationStats& entry = theirs.relations(i);
        FUZZ_CHECK(view.oid == entry.oid());
        FUZZ_CHECK(view.namespace_name == entry.namespace_() && view.name == entry.name());
        FUZZ_CHECK(view.withheld == entry.withheld());
        FUZZ_CHECK(view.uncarried == entry.uncarried());
        FUZZ_CHECK(view.not_emitted == entry.not_emitted());
    }
}

void CompareChange(const ChangeView& ours, const v1::Change& theirs)
{
    FUZZ_CHECK(ours.relation_id == theirs.relation_id());
    const bool known = v1::Operation_IsValid(theirs.operation());
    FUZZ_CHECK(static_cast<int>(ours.operation) == (known ? theirs.operation() : 0));
}

void CompareRelation(const RelationView& ours, const v1::Relation& theirs)
{
    FUZZ_CHECK(ours.id == theirs.id() && ours.oid == theirs.oid());
    FUZZ_CHECK(ours.schema_id == theirs.schema_id());
    FUZZ_CHECK(ours.namespace_name == theirs.namespace_() && ours.name == theirs.name());
    FUZZ_CHECK(ours.unclassified ==
               static_cast<uint32_t>(std::count_if(
                   theirs.columns().begin(), theirs.columns().end(),
                   [](const v1::Column& column) { return column.class_() == v1::CLASS_UNSPECIFIED; })));
}

void Compare(const Walk& ours, const v1::Batch& theirs)
{
    FUZZ_CHECK(ours.batch.kind == KindOf(theirs));
    FUZZ_CHECK(ours.batch.last == theirs.last());
    if (theirs.has_committed()) {
        FUZZ_CHECK(ours.batch.committed.xid == theirs.committed().xid());
        FUZZ_CHECK(ours.batch.committed.commit_lsn == theirs.committed().commit_lsn());
        FUZZ_CHECK(ours.batch.committed.end_lsn == theirs.committed().end_lsn());
        FUZZ_CHECK(ours.batch.committed.commit_time_us == theirs.committed().commit_time_us());
        FUZZ_CHECK(ours.batch.committed.streamed == theirs.committed().streamed());
    } else if (theirs.has_message()) {
        FUZZ_CHECK(ours.batch.committed.commit_lsn == theirs.message().lsn());
        FUZZ_CHECK(ours.batch.committed.end_lsn == theirs.message().end_lsn());
        FUZZ_CHECK(ours.batch.committed.xid == 0 && ours.batch.committed.commit_time_us == 0);
    }
    FUZZ_CHECK(ours.batch.in_progress_xid == theirs.in_progress().xid());
    FUZZ_CHECK(ours.records.size() == static_cast<size_t>(theirs.records_size()));
    size_t relation = 0, change = 0, truncate = 0, stats = 0, skipped = 0;
    for (int i = 0; i < theirs.records_size(); i++) {
        const RecordView& view = ours.records[static_cast<size_t>(i)];
        const v1::Record& record = theirs.records(i);
        FUZZ_CHECK(view.kind == KindOf(record));
        FUZZ_CHECK(view.ordinal == record.ordinal() && view.subxid == record.subxid());
        if (record.has_relation())
            CompareRelation(ours.relations[relation++], record.relation());
        if (record.has_change())
            CompareChange(ours.changes[change++], record.change());
        if (record.has_truncate()) {
            const auto& ids = record.truncate().relation_ids();
            FUZZ_CHECK(std::equal(ids.begin(), ids.end(), ours.truncates[truncate].begin(),
                                  ours.truncates[truncate].end()));
            truncate++;
        }
        if (record.has_stats())
            CompareStats(ours.stats[stats++], record.stats());
        if (record.has_skipped())
            FUZZ_CHECK(ours.skipped[skipped++] == record.skipped().changes());
    }
}

// The lines that decode_frame shows, or nothing where it refuses.
std::optional<std::string> Render(std::string_view batch)
{
    const std::string message = MessageAround(batch);
    w2l_frame_text* renderer = nullptr;
    FUZZ_CHECK(w2l_frame_text_new(&renderer) == W2L_OK);
    const std::unique_ptr<w2l_frame_text, void (*)(w2l_frame_text*)> owner(
        renderer, [](w2l_frame_text* freed) { w2l_frame_text_free(freed); });
    const char* text = nullptr;
    const char* reason = nullptr;
    const w2l_status status =
        w2l_frame_text_render(renderer, message.data(), message.size(), true, &text, &reason);
    FUZZ_CHECK(status == W2L_OK || (status == W2L_INVALID && *reason != '\0'));
    if (status != W2L_OK)
        return std::nullopt;
    return std::string(text);
}

} // namespace

void Target(std::string_view input)
{
    const Walk ours = WalkBatch(input);
    const std::optional<std::string> shown = Render(input);
    v1::Batch theirs;
    const bool parsed = Parse(&theirs, input);
    // The renderer reads all of it, the walk what the forwarder needs.
    FUZZ_CHECK(!shown || ours.sound);
    FUZZ_CHECK(!shown || parsed);
    if (!parsed)
        return;
    if (ours.sound)
        Compare(ours, theirs);
    const std::string written = theirs.SerializeAsString();
    if (MayNestDeeply(written))
        return;
    const Walk again = WalkBatch(written);
    FUZZ_CHECK(again.sound);
    Compare(again, theirs);
    const std::optional<std::string> shown_again = Render(written);
    FUZZ_CHECK(shown_again);
    FUZZ_CHECK(!shown || *shown == *shown_again);
    v1::Batch shown_text;
    shown_text.add_records()->mutable_message()->set_prefix(*shown_again);
    FUZZ_CHECK(Parse(&theirs, shown_text.SerializeAsString()) /* the text is UTF-8 */);
}

} // namespace wal2lake::fuzz
