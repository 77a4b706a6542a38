#include "segment_filter.h"
#include "segment_reader.h"
#include "segment_writer.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include "digest.h"
#include "frames.h"

namespace wal2lake
{
namespace
{

Result<Done> Add(SegmentBuilder* builder, RelationMap* relations, const std::string& bytes)
{
    MessageView message;
    BatchView batch;
    size_t consumed = 0;
    EXPECT_TRUE(NextMessage(bytes, &message, &consumed).ok());
    EXPECT_TRUE(ScanBatch(message.batch, &batch).ok());
    return builder->Add(message, batch, relations);
}

v1::SegmentHeader Header(uint64_t start_lsn = 0x100)
{
    v1::SegmentHeader header;
    header.set_source("cell1.main");
    header.set_start_lsn(start_lsn);
    header.set_seq(4);
    return header;
}

// What zstdcat would write.
std::string Decompress(std::string_view file)
{
    std::string plain;
    ZSTD_DCtx* context = ZSTD_createDCtx();
    ZSTD_inBuffer in{file.data(), file.size(), 0};
    while (in.pos < in.size) {
        char piece[4096];
        ZSTD_outBuffer out{piece, sizeof piece, 0};
        EXPECT_FALSE(ZSTD_isError(ZSTD_decompressStream(context, &out, &in)));
        plain.append(piece, out.pos);
    }
    ZSTD_freeDCtx(context);
    return plain;
}

TEST(Segment, IsAPlainZstdStreamOfTheMessages)
{
    SegmentBuilder builder;
    RelationMap relations;
    const std::string first = test::Transaction(1, 0x110, 0x120);
    const std::string second = test::Transaction(2, 0x120, 0x130, false, 3);
    ASSERT_TRUE(Add(&builder, &relations, first).ok());
    ASSERT_TRUE(Add(&builder, &relations, second).ok());
    const SegmentFile file = AssembleSegment(Header(), builder.Seal());
    EXPECT_EQ(Decompress(file.bytes), first + second);
    EXPECT_TRUE(builder.empty());

    const auto facts = CheckSegment(file.bytes);
    ASSERT_TRUE(facts.ok()) << facts.error().text;
    EXPECT_EQ(facts.value().header.source(), "cell1.main");
    EXPECT_EQ(facts.value().header.format_version(), 1U);
    EXPECT_EQ(facts.value().footer.end_lsn(), 0x130U);
    EXPECT_EQ(facts.value().footer.transactions(), 2U);
    EXPECT_EQ(facts.value().footer.message_bytes(), first.size() + second.size());
    EXPECT_EQ(facts.value().footer.first_commit_time_us(), 0x120 * 1000);
    EXPECT_EQ(facts.value().footer.last_commit_time_us(), 0x130 * 1000);
    ASSERT_EQ(facts.value().footer.counts_size(), 1);
    EXPECT_EQ(facts.value().footer.counts(0).name(), "users");
    EXPECT_EQ(facts.value().footer.counts(0).oid(), 16001U);
    EXPECT_EQ(facts.value().footer.counts(0).inserts(), 4U);
    EXPECT_EQ(facts.value().sha256, Sha256(file.bytes));
}

TEST(Segment, EnvelopeIsAsDocumented)
{
    SealedSegment idle;
    idle.end_lsn = 0x200;
    const std::string file = AssembleSegment(Header(), idle).bytes;
    EXPECT_EQ(Hex(file.substr(0, 4)), "572a4d18");
    EXPECT_EQ(file.substr(8, 4), "W2LH");
    EXPECT_EQ(file.substr(file.size() - 4), "W2LF");
    const auto length = static_cast<unsigned char>(file[file.size() - 8]);
    v1::SegmentFooter footer;
    ASSERT_TRUE(footer.ParseFromString(file.substr(file.size() - 8 - length, length)));
    EXPECT_EQ(footer.end_lsn(), 0x200U);
    const size_t footer_frame = file.size() - 8 - length - 8;
    EXPECT_EQ(Hex(file.substr(footer_frame, 4)), "582a4d18");
    EXPECT_EQ(footer.xxh3_128(), Xxh128(file.substr(0, footer_frame)));
    EXPECT_TRUE(CheckSegment(file).ok());
}

TEST(Segment, RepeatsRelationsAnnouncedBefore)
{
    SegmentBuilder builder;
    RelationMap relations;
    ASSERT_TRUE(Add(&builder, &relations, test::Transaction(1, 0x110, 0x120)).ok());
    builder.Seal();
    ASSERT_TRUE(Add(&builder, &relations, test::Transaction(2, 0x120, 0x130, false)).ok());
    std::vector<BatchKind> kinds;
    const auto read = CheckSegment(AssembleSegment(Header(), builder.Seal()).bytes,
                                   [&](const MessageView&, const BatchView& batch) {
                                       kinds.push_back(batch.kind);
                                       return Result<Done>(Done{});
                                   });
    ASSERT_TRUE(read.ok()) << read.error().text;
    EXPECT_EQ(kinds, (std::vector<BatchKind>{BatchKind::kNone, BatchKind::kCommitted}));
}

TEST(Segment, MessagesOfNoTransactionStandAmongThemAndSayNoTime)
{
    SegmentBuilder builder;
    RelationMap relations;
    ASSERT_TRUE(Add(&builder, &relations, test::LoneMessage(0x108, 0x110)).ok());
    ASSERT_TRUE(Add(&builder, &relations, test::Transaction(1, 0x110, 0x120)).ok());
    ASSERT_TRUE(Add(&builder, &relations, test::LoneMessage(0x120, 0x128)).ok());
    auto facts = CheckSegment(AssembleSegment(Header(), builder.Seal()).bytes);
    ASSERT_TRUE(facts.ok()) << facts.error().text;
    EXPECT_EQ(facts.value().footer.transactions(), 3U);
    EXPECT_EQ(facts.value().footer.end_lsn(), 0x128U);
    EXPECT_EQ(facts.value().footer.first_commit_time_us(), 0x120 * 1000);
    EXPECT_EQ(facts.value().footer.last_commit_time_us(), 0x120 * 1000);
    ASSERT_TRUE(Add(&builder, &relations, test::LoneMessage(0x130, 0x138)).ok());
    facts = CheckSegment(AssembleSegment(Header(), builder.Seal()).bytes);
    ASSERT_TRUE(facts.ok()) << facts.error().text;
    EXPECT_EQ(facts.value().footer.transactions(), 1U);
    EXPECT_EQ(facts.value().footer.last_commit_time_us(), 0);
}

TEST(Segment, RefusesAChangeOfAnUnknownRelation)
{
    SegmentBuilder builder;
    RelationMap relations;
    const auto added = Add(&builder, &relations, test::Transaction(1, 0x110, 0x120, false));
    ASSERT_FALSE(added.ok());
    EXPECT_EQ(added.error().kind, ErrorKind::kDamaged);
}

TEST(Segment, CountsByOperationAndAcrossRename)
{
    SegmentBuilder builder;
    RelationMap relations;
    v1::Batch batch = test::Committed(1, 0x110, 0x120);
    test::AddRelation(&batch, 1, "users");
    test::AddInsert(&batch, 1, 1, 1);
    test::AddRelation(&batch, 1, "people");
    for (const auto operation : {v1::OPERATION_UPDATE, v1::OPERATION_DELETE, v1::OPERATION_DELETE}) {
        auto* change = batch.add_records()->mutable_change();
        change->set_relation_id(1);
        change->set_operation(operation);
    }
    batch.add_records()->mutable_truncate()->add_relation_ids(1);
    ASSERT_TRUE(Add(&builder, &relations, test::Message(batch)).ok());
    const auto facts = CheckSegment(AssembleSegment(Header(), builder.Seal()).bytes);
    ASSERT_TRUE(facts.ok()) << facts.error().text;
    ASSERT_EQ(facts.value().footer.counts_size(), 2);
    const auto& people = facts.value().footer.counts(0);
    EXPECT_EQ(people.name(), "people");
    EXPECT_EQ(people.updates(), 1U);
    EXPECT_EQ(people.deletes(), 2U);
    EXPECT_EQ(people.truncates(), 1U);
    EXPECT_EQ(facts.value().footer.counts(1).inserts(), 1U);
}

// A transaction of several batches, each of about `bytes`, without its last.
std::vector<std::string> LargeTransaction(uint64_t commit_lsn, int batches, size_t bytes)
{
    std::vector<std::string> messages;
    uint64_t noise = 88172645463325252ULL;
    for (int i = 0; i < batches; i++) {
        v1::Batch batch = test::Committed(9, commit_lsn, commit_lsn + 0x10, false);
        if (i == 0)
            test::AddRelation(&batch, 1, "users");
        auto* change = batch.add_records()->mutable_change();
        change->set_relation_id(1);
        change->set_operation(v1::OPERATION_INSERT);
        std::string value(bytes, '\0');
        for (char& c : value) {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            c = static_cast<char>(noise);
        }
        change->mutable_new_()->add_values()->set_bytes(value);
        messages.push_back(test::Message(batch));
    }
    return messages;
}

TEST(Segment, DiscardsAnOpenTransactionWithoutATrace)
{
    // Small enough to wait uncompressed, and large enough to be compressed.
    for (const size_t bytes : {size_t{100}, size_t{700000}}) {
        SegmentBuilder builder;
        RelationMap relations;
        const std::string first = test::Transaction(1, 0x110, 0x120);
        ASSERT_TRUE(Add(&builder, &relations, first).ok());
        for (const std::string& message : LargeTransaction(0x120, 12, bytes))
            ASSERT_TRUE(Add(&builder, &relations, message).ok());
        EXPECT_TRUE(builder.transaction_open());
        builder.DiscardOpenTransaction();
        const std::string after = test::Transaction(3, 0x140, 0x150);
        ASSERT_TRUE(Add(&builder, &relations, after).ok());
        const SegmentFile file = AssembleSegment(Header(), builder.Seal());
        EXPECT_EQ(Decompress(file.bytes), first + after);
        EXPECT_TRUE(CheckSegment(file.bytes).ok());
    }
}

TEST(Segment, SealingLeavesAnOpenTransactionToTheNext)
{
    for (const size_t bytes : {size_t{100}, size_t{700000}}) {
        SegmentBuilder builder;
        RelationMap relations;
        const std::string first = test::Transaction(1, 0x110, 0x120);
        ASSERT_TRUE(Add(&builder, &relations, first).ok());
        std::string large;
        for (const std::string& message : LargeTransaction(0x120, 12, bytes)) {
            ASSERT_TRUE(Add(&builder, &relations, message).ok());
            large += message;
        }
        const SegmentFile before = AssembleSegment(Header(), builder.Seal());
        EXPECT_EQ(Decompress(before.bytes), first);
        EXPECT_TRUE(builder.transaction_open());
        const std::string last = test::Message(test::Committed(9, 0x120, 0x130));
        ASSERT_TRUE(Add(&builder, &relations, last).ok());
        const SegmentFile after = AssembleSegment(Header(0x120), builder.Seal());
        EXPECT_EQ(Decompress(after.bytes), large + last);
        EXPECT_TRUE(CheckSegment(before.bytes).ok());
        EXPECT_TRUE(CheckSegment(after.bytes).ok());
    }
}

std::string SmallSegment()
{
    SegmentBuilder builder;
    RelationMap relations;
    EXPECT_TRUE(Add(&builder, &relations, test::Transaction(1, 0x110, 0x120)).ok());
    EXPECT_TRUE(Add(&builder, &relations, test::Transaction(2, 0x120, 0x130, false, 2)).ok());
    return AssembleSegment(Header(), builder.Seal()).bytes;
}

TEST(Segment, EveryTruncationIsSeen)
{
    const std::string file = SmallSegment();
    for (size_t size = 0; size < file.size(); size++) {
        const auto read = CheckSegment(file.substr(0, size));
        ASSERT_FALSE(read.ok()) << size;
        EXPECT_EQ(read.error().kind, ErrorKind::kDamaged);
        EXPECT_NE(read.error().text.find("offset "), std::string::npos);
    }
}

TEST(Segment, EveryFlippedBitIsSeen)
{
    const std::string file = SmallSegment();
    ASSERT_TRUE(CheckSegment(file).ok());
    for (size_t bit = 0; bit < file.size() * 8; bit++) {
        std::string damaged = file;
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1U << bit % 8));
        EXPECT_FALSE(CheckSegment(damaged).ok()) << bit;
    }
    EXPECT_FALSE(CheckSegment(file + "x").ok());
}

// Otherwise the transaction after it could commit before it.
TEST(Segment, RefusesATransactionThatEndsBeforeItBegins)
{
    SegmentBuilder builder;
    RelationMap relations;
    ASSERT_TRUE(Add(&builder, &relations, test::Transaction(1, 0x110, 0x105)).ok());
    const auto read = CheckSegment(AssembleSegment(Header(), builder.Seal()).bytes);
    ASSERT_FALSE(read.ok());
    EXPECT_NE(read.error().text.find("does not end after it"), std::string::npos) << read.error().text;
}

TEST(Segment, ReadsInPiecesOfAnySize)
{
    const std::string file = SmallSegment();
    for (const size_t step : {size_t{1}, size_t{7}, size_t{100}}) {
        int messages = 0;
        SegmentReader reader([&](const MessageView&, const BatchView&) {
            messages++;
            return Result<Done>(Done{});
        });
        for (size_t position = 0; position < file.size(); position += step) {
            size_t used = 0;
            ASSERT_TRUE(reader.Feed(std::string_view(file).substr(position, step), &used).ok());
        }
        EXPECT_TRUE(reader.complete());
        EXPECT_EQ(messages, 2);
        EXPECT_EQ(reader.FinishSha256(), Sha256(file));
    }
}

TEST(Segment, RefusesALaterFormatVersion)
{
    std::string file = SmallSegment();
    // "W2LH", then field 1 (format_version) as the first of the header.
    ASSERT_EQ(file.substr(12, 2), "\x08\x01");
    file[13] = 2;
    const auto read = CheckSegment(file);
    ASSERT_FALSE(read.ok());
    EXPECT_NE(read.error().text.find("format version 2"), std::string::npos) << read.error().text;
}

TEST(Segment, KeepAfterCutsAtATransactionAndKeepsRelations)
{
    const std::string file = SmallSegment();
    const auto rest = KeepAfter(std::string_view(file), 0x120, 3);
    ASSERT_TRUE(rest.ok());
    EXPECT_EQ(rest.value().transactions, 1U);
    EXPECT_EQ(rest.value().end_lsn, 0x130U);
    const auto facts = CheckSegment(AssembleSegment(Header(0x120), rest.value()).bytes);
    ASSERT_TRUE(facts.ok()) << facts.error().text;
    EXPECT_EQ(facts.value().footer.counts(0).inserts(), 2U);
    EXPECT_EQ(KeepAfter(std::string_view(file), 0x130, 3).value().transactions, 0U);
    EXPECT_EQ(KeepAfter(std::string_view(file), 0x100, 3).value().transactions, 2U);
}

} // namespace
} // namespace wal2lake
