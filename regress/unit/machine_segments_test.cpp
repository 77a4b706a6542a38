// What becomes a segment, in which order, and what a crash leaves to do again.
#include "machine_rig.h"

namespace wal2lake::test
{
namespace
{

TEST(Machine, WritesGenesisBeforeItStreams)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.AnswerReads();
    ASSERT_TRUE(rig.connect_);
    rig.Feed(event::Connected{Server(kOrigin)});
    ASSERT_TRUE(rig.put_);
    EXPECT_EQ(rig.put_->name, "cell1.main/log/00000001/0000000000000000.w2l");
    EXPECT_FALSE(rig.start_lsn_);
    const auto facts = CheckSegment(*rig.put_->bytes);
    ASSERT_TRUE(facts.ok());
    EXPECT_EQ(facts.value().header.genesis().epoch(), 1U);
    EXPECT_EQ(facts.value().header.seq(), 0U);
    EXPECT_EQ(facts.value().header.start_lsn(), kOrigin);
    EXPECT_EQ(facts.value().header.system_id(), 7000U);
    EXPECT_EQ(facts.value().header.database_oid(), 16384U);
    EXPECT_EQ(facts.value().header.slot(), "wal2lake");
    EXPECT_EQ(facts.value().footer.end_lsn(), kOrigin);
    rig.AnswerPut();
    EXPECT_EQ(rig.start_lsn_, kOrigin);
}

TEST(Machine, ShipsWholeTransactionsAndThenAcknowledges)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    rig.Send(Numbered(2, false));
    EXPECT_FALSE(rig.put_);
    Age(&rig);
    ASSERT_TRUE(rig.put_);
    EXPECT_EQ(rig.put_->name, "cell1.main/log/00000001/0000000000001000.w2l");
    rig.Advance(30'000);
    EXPECT_EQ(rig.status_->flushed_lsn, kOrigin);
    EXPECT_EQ(rig.status_->received_lsn, End(2));
    rig.AnswerPut();
    EXPECT_EQ(rig.status_->flushed_lsn, End(2));
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2)}));
    EXPECT_EQ(rig.head_, "cell1.main/log/00000001/0000000000001000.w2l\n");
}

TEST(Machine, SealsBySize)
{
    Rig::Objects lake;
    MachineConfig config = Config();
    config.max_size = 2'000;
    Rig rig(&lake, config);
    rig.Start(Server(kOrigin));
    for (uint32_t i = 1; i < 40 && !rig.put_; i++)
        rig.Send(Transaction(i, End(i) - 0x40, End(i), true, 50));
    ASSERT_TRUE(rig.put_);
    rig.AnswerPut();
    EXPECT_FALSE(rig.Shipped().empty());
}

TEST(Machine, CrashBeforePutSendsAgain)
{
    Rig::Objects lake;
    {
        Rig rig(&lake);
        rig.Start(Server(kOrigin));
        rig.Send(Numbered(1));
        Age(&rig);
        ASSERT_TRUE(rig.put_);
    }
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    EXPECT_EQ(rig.start_lsn_, kOrigin);
    rig.Send(Numbered(1));
    rig.Send(Numbered(2));
    Age(&rig);
    rig.AnswerPut();
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2)}));
}

TEST(Machine, CrashAfterPutBeforeAcknowledgeResumesFromTheChain)
{
    Rig::Objects lake;
    {
        Rig rig(&lake);
        rig.Start(Server(kOrigin));
        rig.Send(Numbered(1));
        Age(&rig);
        ASSERT_TRUE(rig.StorePut());
    }
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    EXPECT_EQ(rig.start_lsn_, End(1));
    EXPECT_EQ(rig.status_->flushed_lsn, End(1));
    // The server may send again what was never acknowledged.
    rig.Send(Numbered(1));
    rig.Send(Numbered(2, false));
    Age(&rig);
    rig.AnswerPut();
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2)}));
}

TEST(Machine, CrashAfterAcknowledgeAndAServerThatForgotDropsTheReplay)
{
    Rig::Objects lake;
    {
        Rig rig(&lake);
        rig.Start(Server(kOrigin));
        rig.Send(Numbered(1));
        rig.Send(Numbered(2));
        Age(&rig);
        rig.AnswerPut();
        ASSERT_EQ(rig.status_->flushed_lsn, End(2));
    }
    Rig rig(&lake);
    rig.Start(Server(End(1)));
    EXPECT_EQ(rig.start_lsn_, End(2));
    rig.Send(Numbered(1));
    rig.Send(Numbered(2, false));
    rig.Send(Numbered(3, false));
    Age(&rig);
    rig.AnswerPut();
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2), End(3)}));
}

TEST(Machine, RecordsIdleProgressBeforeItIsAcknowledged)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Feed(event::Keepalive{0x9000, false});
    rig.Advance(Config().idle_age_ms - 10'000);
    EXPECT_FALSE(rig.put_);
    EXPECT_EQ(rig.status_->flushed_lsn, kOrigin);
    rig.Advance(10'000);
    ASSERT_TRUE(rig.put_);
    EXPECT_EQ(rig.status_->flushed_lsn, kOrigin);
    rig.AnswerPut();
    EXPECT_EQ(rig.status_->flushed_lsn, 0x9000U);
    EXPECT_TRUE(rig.Shipped().empty());
    rig.Advance(2 * Config().idle_age_ms);
    EXPECT_FALSE(rig.put_);
}

TEST(Machine, RecordsIdleProgressAtOnceAfterAGigabyteOfWal)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Feed(event::Keepalive{kOrigin + (uint64_t{1} << 30), false});
    ASSERT_TRUE(rig.put_);
    rig.AnswerPut();
    EXPECT_EQ(rig.machine_.durable_lsn(), kOrigin + (uint64_t{1} << 30));
}

TEST(Machine, NoIdleSegmentWhileATransactionIsOpen)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Opening(1));
    rig.Feed(event::Keepalive{kOrigin + (uint64_t{1} << 31), false});
    rig.Advance(2 * Config().idle_age_ms);
    EXPECT_FALSE(rig.put_);
    EXPECT_EQ(rig.status_->flushed_lsn, kOrigin);
}

TEST(Machine, RefusesWhatBreaksTheContract)
{
    const std::string good = Numbered(1);
    v1::Batch prepared;
    prepared.mutable_prepared();
    for (const std::string& bad : {good.substr(0, good.size() - 1), std::string("hello, world"),
                                   test::Message(prepared), Numbered(1, false)}) {
        Rig::Objects lake;
        Rig rig(&lake);
        rig.Start(Server(kOrigin));
        rig.Send(bad);
        ASSERT_TRUE(rig.finished());
        EXPECT_EQ(rig.finish_->code, ExitCode::kSource);
        EXPECT_EQ(rig.max_flushed_, kOrigin);
    }
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(2));
    rig.Send(Numbered(1));
    EXPECT_TRUE(rig.finished()) << "out of order";
}

} // namespace
} // namespace wal2lake::test
