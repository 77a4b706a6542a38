#include "verify.h"

#include "machine_rig.h"
#include "store/memory_store.h"

namespace wal2lake
{
namespace
{

class Verify : public testing::Test
{
  protected:
    Verify()
    {
        test::Rig rig(&store_.objects());
        rig.Start(test::Server(0x1000));
        for (uint32_t i = 1; i <= 3; i++) {
            rig.Send(test::Transaction(i, 0x1000 + 0x100 * i, 0x1080 + 0x100 * i, true, 2));
            rig.Advance(60'000);
            rig.AnswerPut();
        }
    }

    std::string Name(int i)
    {
        return FormatSegmentName(ListSegments(store_, "cell1.main").value()[static_cast<size_t>(i)]);
    }

    // The reasons found, joined.
    std::string Problems()
    {
        const auto report = VerifyChain(store_, "cell1.main");
        EXPECT_TRUE(report.ok());
        std::string all;
        for (const Problem& problem : report.value().problems)
            all += problem.object + ": " + problem.reason + "\n";
        return all;
    }

    MemoryStore store_;
};

TEST_F(Verify, FindsASoundChainSound)
{
    const auto report = VerifyChain(store_, "cell1.main");
    ASSERT_TRUE(report.ok());
    EXPECT_TRUE(report.value().problems.empty());
    EXPECT_EQ(report.value().segments, 4U);
    EXPECT_EQ(report.value().transactions, 3U);
    EXPECT_EQ(report.value().start_lsn, 0x1000U);
    EXPECT_EQ(report.value().end_lsn, 0x1380U);
    EXPECT_EQ(report.value().counts.begin()->second.inserts, 6U);
    EXPECT_EQ(ListSources(store_).value(), (std::vector<std::string>{"cell1.main"}));
}

TEST_F(Verify, NamesAMissingSegment)
{
    store_.objects().erase(Name(2));
    EXPECT_NE(Problems().find("gap: the segment before ends at 0/1180, this one starts at 0/1280"),
              std::string::npos)
        << Problems();
}

TEST_F(Verify, NamesAMissingGenesis)
{
    store_.objects().erase(Name(0));
    EXPECT_NE(Problems().find("without its genesis"), std::string::npos) << Problems();
}

TEST_F(Verify, NamesDamageAndWhere)
{
    const std::string name = Name(2);
    std::string& bytes = store_.objects()[name];
    bytes[bytes.size() / 2] ^= 4;
    EXPECT_NE(Problems().find(name + ": offset "), std::string::npos) << Problems();
}

TEST_F(Verify, NamesASegmentThatWasReplaced)
{
    // Sound by itself, but not the one its successor was chained to.
    const std::string name = Name(2);
    const auto facts = CheckSegment(store_.objects()[name]);
    SealedSegment other;
    other.end_lsn = facts.value().footer.end_lsn();
    store_.objects()[name] = AssembleSegment(facts.value().header, other).bytes;
    EXPECT_EQ(Problems(), Name(3) + ": previous_sha256 is not the hash of the segment before\n");
}

TEST_F(Verify, NamesASegmentUnderAWrongName)
{
    store_.objects()[FormatSegmentName({"cell1.main", 1, 0x2000})] = store_.objects()[Name(3)];
    EXPECT_NE(Problems().find("which the name does not say"), std::string::npos) << Problems();
}

} // namespace
} // namespace wal2lake
