#include "core/frame_reader.h"

#include <gtest/gtest.h>

#include "frames.h"

namespace wal2lake
{
namespace
{

v1::Batch FullBatch()
{
    v1::Batch batch = test::Committed(7, 0x1000, 0x1100);
    test::AddRelation(&batch, 1, "users");
    test::AddInsert(&batch, 1, 1, -5);
    auto* update = batch.add_records();
    update->set_ordinal(2);
    update->mutable_change()->set_relation_id(1);
    update->mutable_change()->set_operation(v1::OPERATION_UPDATE);
    update->mutable_change()->mutable_new_()->add_values()->set_text("x");
    auto* truncate = batch.add_records();
    truncate->set_ordinal(3);
    truncate->mutable_truncate()->add_relation_ids(1);
    truncate->mutable_truncate()->add_relation_ids(300);
    auto* stats = batch.add_records()->mutable_stats()->add_relations();
    stats->set_oid(16001);
    stats->set_namespace_("public");
    stats->set_name("users");
    stats->set_withheld(1);
    stats->set_uncarried(2);
    stats->set_not_emitted(uint64_t{1} << 40);
    return batch;
}

// Reads as the forwarder does, all the way down; the status of the first
// trouble, or kEnd.
ReadStatus ReadAll(std::string_view bytes)
{
    while (true) {
        MessageView message;
        size_t consumed = 0;
        ReadResult result = NextMessage(bytes, &message, &consumed);
        if (!result.ok())
            return result.status == ReadStatus::kNeedMore && consumed == bytes.size() ? ReadStatus::kEnd
                                                                                      : result.status;
        bytes.remove_prefix(consumed);
        BatchView batch;
        if (!(result = ScanBatch(message.batch, &batch)).ok())
            return result.status;
        RecordCursor cursor(batch);
        RecordView record;
        while ((result = cursor.Next(&record)).ok()) {
            RelationView relation;
            ChangeView change;
            std::vector<uint32_t> ids;
            std::vector<RelationStatsView> stats;
            ReadResult scanned;
            if (record.kind == RecordKind::kRelation)
                scanned = ScanRelation(record.body, &relation);
            else if (record.kind == RecordKind::kChange)
                scanned = ScanChange(record.body, &change);
            else if (record.kind == RecordKind::kTruncate)
                scanned = ScanTruncate(record.body, &ids);
            else if (record.kind == RecordKind::kStats)
                scanned = ScanStats(record.body, &stats);
            if (!scanned.ok())
                return scanned.status;
        }
        if (result.damaged())
            return result.status;
    }
}

TEST(FrameReader, ReadsWhatProtocWrote)
{
    const std::string bytes = test::Message(FullBatch());
    MessageView message;
    size_t consumed = 0;
    ASSERT_TRUE(NextMessage(bytes, &message, &consumed).ok());
    EXPECT_EQ(consumed, bytes.size());
    EXPECT_EQ(message.whole, bytes);

    BatchView batch;
    ASSERT_TRUE(ScanBatch(message.batch, &batch).ok());
    EXPECT_EQ(batch.kind, BatchKind::kCommitted);
    EXPECT_EQ(batch.committed.xid, 7U);
    EXPECT_EQ(batch.committed.commit_lsn, 0x1000U);
    EXPECT_EQ(batch.committed.end_lsn, 0x1100U);
    EXPECT_EQ(batch.committed.commit_time_us, 0x1100 * 1000);
    EXPECT_TRUE(batch.last);
    EXPECT_EQ(batch.record_count, 5U);

    RecordCursor cursor(batch);
    RecordView record;
    ASSERT_TRUE(cursor.Next(&record).ok());
    ASSERT_EQ(record.kind, RecordKind::kRelation);
    EXPECT_EQ(record.bytes, FullBatch().records(0).SerializeAsString());
    RelationView relation;
    ASSERT_TRUE(ScanRelation(record.body, &relation).ok());
    EXPECT_EQ(relation.id, 1U);
    EXPECT_EQ(relation.schema_id, 1001U);
    EXPECT_EQ(relation.oid, 16001U);
    EXPECT_EQ(relation.namespace_name, "public");
    EXPECT_EQ(relation.name, "users");
    EXPECT_EQ(relation.unclassified, 1U);

    ASSERT_TRUE(cursor.Next(&record).ok());
    ASSERT_EQ(record.kind, RecordKind::kChange);
    EXPECT_EQ(record.ordinal, 1U);
    ChangeView change;
    ASSERT_TRUE(ScanChange(record.body, &change).ok());
    EXPECT_EQ(change.relation_id, 1U);
    EXPECT_EQ(change.operation, ChangeOperation::kInsert);

    ASSERT_TRUE(cursor.Next(&record).ok());
    ASSERT_TRUE(ScanChange(record.body, &change).ok());
    EXPECT_EQ(change.operation, ChangeOperation::kUpdate);

    ASSERT_TRUE(cursor.Next(&record).ok());
    ASSERT_EQ(record.kind, RecordKind::kTruncate);
    std::vector<uint32_t> ids;
    ASSERT_TRUE(ScanTruncate(record.body, &ids).ok());
    EXPECT_EQ(ids, (std::vector<uint32_t>{1, 300}));

    ASSERT_TRUE(cursor.Next(&record).ok());
    ASSERT_EQ(record.kind, RecordKind::kStats);
    std::vector<RelationStatsView> stats;
    ASSERT_TRUE(ScanStats(record.body, &stats).ok());
    ASSERT_EQ(stats.size(), 1U);
    EXPECT_EQ(stats[0].oid, 16001U);
    EXPECT_EQ(stats[0].namespace_name, "public");
    EXPECT_EQ(stats[0].name, "users");
    EXPECT_EQ(stats[0].withheld, 1U);
    EXPECT_EQ(stats[0].uncarried, 2U);
    EXPECT_EQ(stats[0].not_emitted, uint64_t{1} << 40);
    EXPECT_EQ(cursor.Next(&record).status, ReadStatus::kEnd);
}

TEST(FrameReader, TellsTheKindsOfBatchesApart)
{
    const auto kind_of = [](const v1::Batch& batch) {
        const std::string bytes = batch.SerializeAsString();
        BatchView view;
        EXPECT_TRUE(ScanBatch(bytes, &view).ok());
        return view.kind;
    };
    v1::Batch batch;
    EXPECT_EQ(kind_of(batch), BatchKind::kNone);
    batch.mutable_in_progress();
    EXPECT_EQ(kind_of(batch), BatchKind::kInProgress);
    batch.mutable_prepared();
    EXPECT_EQ(kind_of(batch), BatchKind::kPrepared);
    batch.mutable_message();
    EXPECT_EQ(kind_of(batch), BatchKind::kMessage);
}

TEST(FrameReader, AMessageOfNoTransactionHasAPlace)
{
    v1::Batch batch;
    batch.mutable_message()->set_lsn(0x100000028);
    batch.mutable_message()->set_end_lsn(0x1000000A8);
    const std::string bytes = batch.SerializeAsString();
    BatchView view;
    ASSERT_TRUE(ScanBatch(bytes, &view).ok());
    EXPECT_TRUE(view.placed());
    EXPECT_EQ(view.committed.commit_lsn, 0x100000028U);
    EXPECT_EQ(view.committed.end_lsn, 0x1000000A8U);
    EXPECT_EQ(view.committed.commit_time_us, 0);
    batch.mutable_in_progress()->set_xid(1);
    const std::string other = batch.SerializeAsString();
    ASSERT_TRUE(ScanBatch(other, &view).ok());
    EXPECT_FALSE(view.placed());
}

TEST(FrameReader, PeeksAtWhatABatchBelongsTo)
{
    CommittedView committed;
    v1::Batch batch = FullBatch();
    EXPECT_EQ(PeekBatch(test::Message(batch), &committed), BatchKind::kCommitted);
    EXPECT_EQ(committed.xid, 7U);
    EXPECT_FALSE(committed.streamed);
    batch.mutable_committed()->set_streamed(true);
    std::string message = test::Message(batch);
    EXPECT_EQ(PeekBatch(message, &committed), BatchKind::kCommitted);
    EXPECT_TRUE(committed.streamed);
    batch.mutable_in_progress()->set_xid(9);
    EXPECT_EQ(PeekBatch(test::Message(batch), &committed), BatchKind::kInProgress);
    EXPECT_FALSE(committed.streamed);
    EXPECT_EQ(PeekBatch(test::LoneMessage(0x100, 0x180), &committed), BatchKind::kMessage);
    EXPECT_EQ(committed.end_lsn, 0x180U);
    batch.clear_kind();
    EXPECT_EQ(PeekBatch(test::Message(batch), &committed), BatchKind::kNone);
    // Whatever is left of one does no harm.
    for (; !message.empty(); message.pop_back())
        PeekBatch(message, &committed);
    EXPECT_EQ(PeekBatch(message, &committed), BatchKind::kNone);
}

TEST(FrameReader, SkipsNewlinesWhereAMessageMayBegin)
{
    const std::string one = test::Message(FullBatch());
    const std::string bytes = "\n\n" + one + "\n" + one + "\n";
    EXPECT_EQ(ReadAll(bytes), ReadStatus::kEnd);
    MessageView message;
    size_t consumed = 0;
    ASSERT_TRUE(NextMessage(bytes, &message, &consumed).ok());
    EXPECT_EQ(message.whole, one);
    EXPECT_EQ(consumed, one.size() + 2);
}

TEST(FrameReader, NewlinesAloneNeedMore)
{
    MessageView message;
    size_t consumed = 0;
    EXPECT_EQ(NextMessage("\n\n", &message, &consumed).status, ReadStatus::kNeedMore);
    EXPECT_EQ(consumed, 2U);
    EXPECT_EQ(NextMessage("", &message, &consumed).status, ReadStatus::kNeedMore);
    EXPECT_EQ(consumed, 0U);
}

TEST(FrameReader, EveryTruncationOfAStreamNeedsMore)
{
    const std::string bytes = test::Message(FullBatch());
    for (size_t size = 0; size < bytes.size(); size++) {
        // An exact copy on the heap, so that a sanitizer sees a read beyond it.
        const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
        MessageView message;
        size_t consumed = 0;
        EXPECT_EQ(NextMessage({cut.data(), cut.size()}, &message, &consumed).status, ReadStatus::kNeedMore)
            << size;
    }
}

TEST(FrameReader, NoTruncationOfFrameOrBatchCrashesOrPasses)
{
    const std::string batch = FullBatch().SerializeAsString();
    const std::string frame = test::Frame(batch);
    for (size_t size = 0; size < frame.size(); size++) {
        const std::string cut = frame.substr(0, size);
        EXPECT_EQ(ReadAll(test::Varint(cut.size()) + cut), ReadStatus::kDamaged) << size;
    }
    // A batch that is cut between two fields is a shorter batch; the frame's
    // checksum is what tells. Anywhere else it is damage.
    int damaged = 0;
    for (size_t size = 0; size < batch.size(); size++) {
        const std::vector<char> cut(batch.begin(), batch.begin() + static_cast<ptrdiff_t>(size));
        BatchView view;
        damaged += ScanBatch({cut.data(), cut.size()}, &view).damaged() ? 1 : 0;
    }
    EXPECT_GT(damaged, static_cast<int>(batch.size()) - 10);
}

TEST(FrameReader, EveryFlippedBitIsSeen)
{
    const std::string bytes = test::Message(FullBatch());
    for (size_t i = 0; i < bytes.size(); i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            std::string damaged = bytes;
            damaged[i] = static_cast<char>(damaged[i] ^ (1U << bit));
            const std::vector<char> copy(damaged.begin(), damaged.end());
            EXPECT_NE(ReadAll({copy.data(), copy.size()}), ReadStatus::kEnd) << i << "." << bit;
        }
    }
}

TEST(FrameReader, DamageBelowARightChecksumIsSeenOrHarmless)
{
    const std::string batch = FullBatch().SerializeAsString();
    int damaged = 0;
    for (size_t i = 0; i < batch.size(); i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            std::string flipped = batch;
            flipped[i] = static_cast<char>(flipped[i] ^ (1U << bit));
            const std::string frame = test::Frame(flipped);
            const ReadStatus status = ReadAll(test::Varint(frame.size()) + frame);
            EXPECT_NE(status, ReadStatus::kNeedMore);
            damaged += status == ReadStatus::kDamaged ? 1 : 0;
        }
    }
    EXPECT_GT(damaged, 50);
}

TEST(FrameReader, RejectsLengthsBeyondTheBound)
{
    MessageView message;
    size_t consumed = 0;
    EXPECT_TRUE(NextMessage(test::Varint(kMaxMessageBytes + 1), &message, &consumed).damaged());
    EXPECT_EQ(NextMessage(test::Varint(kMaxMessageBytes), &message, &consumed).status, ReadStatus::kNeedMore);
    EXPECT_TRUE(NextMessage(std::string(6, '\xff'), &message, &consumed).damaged());
}

TEST(FrameReader, RejectsAFrameWithoutChecksumOrBatch)
{
    v1::Frame only_batch;
    only_batch.set_batch("x");
    v1::Frame only_checksum;
    only_checksum.set_checksum(1);
    for (const v1::Frame& frame : {only_batch, only_checksum, v1::Frame()}) {
        const std::string bytes = frame.SerializeAsString();
        MessageView message;
        size_t consumed = 0;
        const ReadResult result = NextMessage(test::Varint(bytes.size()) + bytes, &message, &consumed);
        EXPECT_TRUE(result.damaged());
        EXPECT_STREQ(result.reason, "frame lacks its checksum or its batch");
    }
}

// Protobuf merges what comes twice; views cannot, and would show another record than protoc's classes do.
TEST(FrameReader, RefusesWhatWouldHaveToBeMerged)
{
    const auto read = [](const v1::Batch& first, const v1::Batch& second) {
        const std::string frame = test::Frame(first.SerializeAsString() + second.SerializeAsString());
        return ReadAll(test::Varint(frame.size()) + frame);
    };
    const v1::Batch committed = test::Committed(7, 0x1000, 0x1100);
    v1::Batch in_progress;
    in_progress.mutable_in_progress();
    EXPECT_EQ(read(committed, {}), ReadStatus::kEnd);
    EXPECT_EQ(read(committed, committed), ReadStatus::kDamaged);
    EXPECT_EQ(read(in_progress, committed), ReadStatus::kDamaged);

    v1::Record record;
    record.mutable_change()->set_operation(v1::OPERATION_INSERT);
    const std::string body = record.SerializeAsString();
    const auto read_record = [&](const std::string& bytes) {
        const std::string frame = test::Frame("\x2a" + test::Varint(bytes.size()) + bytes);
        return ReadAll(test::Varint(frame.size()) + frame);
    };
    v1::Record truncate;
    truncate.mutable_truncate()->add_relation_ids(1);
    EXPECT_EQ(read_record(body), ReadStatus::kEnd);
    EXPECT_EQ(read_record(body + body), ReadStatus::kDamaged);
    EXPECT_EQ(read_record(truncate.SerializeAsString() + body), ReadStatus::kDamaged);
    // A change with two new rows, which protobuf would make one.
    EXPECT_EQ(read_record(std::string("\x22\x02\x1a\x00", 4)), ReadStatus::kEnd);
    EXPECT_EQ(read_record(std::string("\x22\x04\x1a\x00\x1a\x00", 6)), ReadStatus::kDamaged);
    EXPECT_EQ(read_record(std::string("\x22\x04\x22\x00\x22\x00", 6)), ReadStatus::kDamaged);
}

TEST(FrameReader, TakesTheLowHalfOfAnOperationAsProtocDoes)
{
    const std::string body = "\x10" + test::Varint((uint64_t{1} << 32) + 3);
    v1::Change theirs;
    ASSERT_TRUE(theirs.ParseFromString(body));
    ChangeView ours;
    ASSERT_TRUE(ScanChange(body, &ours).ok());
    EXPECT_EQ(theirs.operation(), v1::OPERATION_DELETE);
    EXPECT_EQ(ours.operation, ChangeOperation::kDelete);
}

// Such a name would go into the footer of a segment, which then nobody could read.
TEST(FrameReader, RefusesNamesThatAreNoUtf8)
{
    RelationView relation;
    EXPECT_TRUE(ScanRelation("\x2a\x02\xc3\xa9", &relation).ok());
    EXPECT_TRUE(ScanRelation("\x2a\x02\xc3\x28", &relation).damaged());
    EXPECT_TRUE(ScanRelation("\x22\x01\xff", &relation).damaged());
    std::vector<RelationStatsView> stats;
    EXPECT_TRUE(ScanStats("\x0a\x03\x1a\x01\xff", &stats).damaged());
    EXPECT_TRUE(ScanStats("\x0a\x03\x12\x01\xff", &stats).damaged());
}

TEST(FrameReader, PassesOverFieldsOfALaterVersion)
{
    v1::Batch batch = test::Committed(7, 0x1000, 0x1100);
    batch.add_records()->set_ordinal(1);
    std::string bytes = batch.SerializeAsString();
    // Field 15, length-delimited, in the batch; and a record with only field 15.
    bytes += std::string("\x7a\x01z", 3) + std::string("\x2a\x03\x7a\x01z", 5);
    BatchView view;
    ASSERT_TRUE(ScanBatch(bytes, &view).ok());
    RecordCursor cursor(view);
    RecordView record;
    ASSERT_TRUE(cursor.Next(&record).ok());
    ASSERT_TRUE(cursor.Next(&record).ok());
    EXPECT_EQ(record.kind, RecordKind::kUnknown);
    EXPECT_EQ(cursor.Next(&record).status, ReadStatus::kEnd);
}

} // namespace
} // namespace wal2lake
