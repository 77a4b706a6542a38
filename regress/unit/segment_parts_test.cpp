// A segment whose transaction is in parts: they are read behind it, and whatever is
// wrong with one is seen.
#include <gtest/gtest.h>

#include "chain.h"
#include "digest.h"
#include "frames.h"
#include "segment_reader.h"
#include "segment_writer.h"
#include "store/memory_store.h"
#include "verify.h"

namespace wal2lake
{
namespace
{

constexpr uint64_t kStart = 0x100;
constexpr uint64_t kCommit = 0x110;
constexpr uint64_t kEnd = 0x120;
constexpr uint32_t kBatches = 40;

// A lake of one segment and its parts, of about 1,000 bytes each.
class PartedLake : public testing::Test
{
  protected:
    PartedLake()
    {
        SegmentBuilder builder(1, 1'000);
        RelationMap relations;
        uint32_t number = 0;
        const auto take = [&] {
            for (std::string piece = builder.TakePiece(1'000); !piece.empty();
                 piece = builder.TakePiece(1'000)) {
                const std::string name = FormatPartName({"cell1.main", 1, kCommit, "w", ++number});
                EXPECT_TRUE(store_.PutIfAbsent(name, piece).ok());
                auto& part = parts_.emplace_back();
                part.set_name(WithoutSource("cell1.main", name));
                part.set_bytes(piece.size());
                part.set_sha256(Sha256(piece));
            }
        };
        for (uint32_t batch = 0; batch < kBatches; batch++) {
            Add(&builder, &relations, batch);
            take();
        }
        EXPECT_TRUE(builder.in_pieces());
        builder.EndPiece();
        take();
        sealed_ = builder.Seal();
        EXPECT_FALSE(builder.in_pieces());
    }

    static void Add(SegmentBuilder* builder, RelationMap* relations, uint32_t batch)
    {
        v1::Batch made = test::Committed(7, kCommit, kEnd, batch + 1 == kBatches);
        if (batch == 0)
            test::AddRelation(&made, 1, "users");
        for (uint32_t i = 1; i <= 20; i++)
            test::AddInsert(&made, batch * 20 + i, 1, batch * 7919 + i);
        const std::string bytes = test::Message(made);
        MessageView message;
        BatchView view;
        size_t consumed = 0;
        ASSERT_TRUE(NextMessage(bytes, &message, &consumed).ok());
        ASSERT_TRUE(ScanBatch(message.batch, &view).ok());
        ASSERT_TRUE(builder->Add(message, view, relations).ok());
    }

    // Writes the segment, with what `parts_` lists.
    std::string WriteSegment()
    {
        v1::SegmentHeader header;
        header.set_source("cell1.main");
        header.set_start_lsn(kStart);
        SealedSegment sealed = sealed_;
        sealed.parts = parts_;
        const SegmentFile file = AssembleSegment(std::move(header), std::move(sealed));
        std::string name = FormatSegmentName({"cell1.main", 1, kStart});
        EXPECT_TRUE(store_.Delete(name).ok());
        EXPECT_TRUE(store_.PutIfAbsent(name, file.bytes).ok());
        return name;
    }

    // The first reason why it cannot be read, or empty.
    std::string WhyNot()
    {
        uint64_t bytes = 0;
        const auto facts = ReadSegment(store_, WriteSegment(), &bytes);
        return facts.ok() ? std::string() : facts.error().text;
    }

    std::string PartObject(size_t index) const { return BelowSource("cell1.main", parts_[index].name()); }

    MemoryStore store_;
    SealedSegment sealed_;
    std::vector<v1::Part> parts_;
};

TEST_F(PartedLake, IsReadWhole)
{
    ASSERT_GE(parts_.size(), 3U);
    uint64_t bytes = 0;
    const auto facts = ReadSegment(store_, WriteSegment(), &bytes);
    ASSERT_TRUE(facts.ok()) << facts.error().text;
    EXPECT_EQ(facts.value().footer.counts(0).inserts(), kBatches * 20U);
    uint64_t stored = 0;
    for (const auto& [name, object] : store_.objects())
        stored += object.size();
    EXPECT_EQ(bytes, stored);
}

TEST_F(PartedLake, WithoutItsPartsTheFileAloneIsBelieved)
{
    const auto facts = CheckSegment(store_.objects()[WriteSegment()]);
    ASSERT_TRUE(facts.ok()) << facts.error().text;
    EXPECT_EQ(facts.value().footer.end_lsn(), kEnd);
}

TEST_F(PartedLake, EveryFlippedByteOfAPartIsSeen)
{
    std::string& object = store_.objects()[PartObject(1)];
    for (char& byte : object) {
        byte = static_cast<char>(byte ^ 1);
        EXPECT_NE(WhyNot(), "");
        byte = static_cast<char>(byte ^ 1);
    }
    EXPECT_EQ(WhyNot(), "");
}

TEST_F(PartedLake, APartThatIsMissingShortLongOrOutOfPlaceIsNamed)
{
    const std::string object = store_.objects()[PartObject(1)];
    const std::string name = parts_[1].name();
    store_.objects().erase(PartObject(1));
    EXPECT_NE(WhyNot().find(name), std::string::npos);
    store_.objects()[PartObject(1)] = object + object;
    EXPECT_NE(WhyNot().find(name), std::string::npos);
    for (size_t length : {size_t{0}, object.size() / 2, object.size() - 1}) {
        store_.objects()[PartObject(1)] = object.substr(0, length);
        EXPECT_NE(WhyNot().find(name), std::string::npos) << length;
    }
    store_.objects()[PartObject(1)] = object;
    ASSERT_EQ(WhyNot(), "");

    const auto listed = parts_;
    std::swap(parts_[0], parts_[1]);
    EXPECT_NE(WhyNot(), "") << "out of order";
    parts_ = listed;
    parts_.pop_back();
    EXPECT_NE(WhyNot(), "") << "the last one is not listed";
    parts_ = listed;
    parts_.push_back(parts_.back());
    EXPECT_NE(WhyNot(), "") << "the last one is listed twice";
    parts_ = listed;
    parts_[0].clear_sha256();
    EXPECT_NE(WhyNot(), "") << "without a hash";
}

TEST(PartName, IsReadAsItIsWritten)
{
    const PartName name{"cell1.main", 3, 0x16B3748, "0123abcd-2", 17};
    EXPECT_EQ(FormatPartName(name), "cell1.main/parts/00000003/00000000016b3748/0123abcd-2/00000017");
    EXPECT_EQ(ParsePartName(FormatPartName(name)), name);
    EXPECT_TRUE(FormatPartName(name).starts_with(PartsPrefix("cell1.main", 3, 0x16B3748)));
    for (const char* bad :
         {"cell1.main/log/00000003/00000000016b3748.w2l",
          "cell1.main/parts/00000003/00000000016b3748/00000017",
          "cell1.main/parts/00000003/00000000016b3748//00000017", "cell1.main/parts/3/16b3748/w/00000017",
          "cell1.main/parts/00000003/00000000016b3748/w/17",
          "cell1.main/parts/00000003/00000000016b3748/W/00000017",
          "cell1.main/parts/00000000/00000000016b3748/w/00000017",
          "/parts/00000003/00000000016b3748/w/00000017"})
        EXPECT_FALSE(ParsePartName(bad)) << bad;
}

} // namespace
} // namespace wal2lake
