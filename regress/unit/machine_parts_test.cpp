// Transactions larger than a segment: they go into the lake in parts while they
// arrive, and count once a segment lists them.
#include "machine_rig.h"

namespace wal2lake::test
{
namespace
{

constexpr uint64_t kMaxSize = 2'000;

MachineConfig Small()
{
    MachineConfig config = Config();
    config.max_size = kMaxSize;
    config.memory_budget = 16'000;
    config.writer_id = "one";
    return config;
}

// A batch of transaction `number` with enough in it that a few fill a part.
std::string Bulky(uint32_t number, uint32_t batch, bool last = false)
{
    v1::Batch message = Committed(number, End(number) - 0x40, End(number), last);
    AddRelation(&message, 1, "users");
    for (uint32_t i = 0; i < 40; i++)
        AddInsert(&message, batch * 40 + i + 1, 1,
                  static_cast<int64_t>(number) * 7919 + batch * 104729 + i * 31);
    return Message(message);
}

// `batches` of a transaction, without its end; every put is answered.
void Pour(Rig* rig, uint32_t number, uint32_t batches)
{
    for (uint32_t i = 0; i < batches; i++) {
        rig->Send(Bulky(number, i));
        rig->AnswerPuts();
        EXPECT_LE(rig->machine_.buffered_bytes(), 3 * kMaxSize);
    }
}

void Complete(Rig* rig, uint32_t number, uint32_t batches)
{
    rig->Send(Bulky(number, batches, true));
    rig->AnswerPuts();
}

TEST(Parts, ALargeTransactionIsInTheLakeOnceAndAtOnce)
{
    Rig::Objects lake;
    Rig rig(&lake, Small());
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    Pour(&rig, 2, 60);
    EXPECT_GE(rig.Parts().size(), 3U);
    EXPECT_EQ(rig.Parts()[0], "cell1.main/parts/00000001/00000000000011c0/one/00000001");
    EXPECT_EQ(rig.Shipped(), Lsns{End(1)}) << "what was whole before is not held back";
    EXPECT_EQ(rig.machine_.durable_lsn(), End(1));
    EXPECT_EQ(rig.events_.count("large_transaction"), 1U);
    Complete(&rig, 2, 60);
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2)}));
    EXPECT_EQ(rig.machine_.durable_lsn(), End(2));
    rig.Send(Numbered(3, false));
    Age(&rig);
    rig.AnswerPuts();
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2), End(3)})) << "the log goes on behind it";

    SourceStatus status;
    rig.machine_.Describe(&status);
    EXPECT_EQ(status.totals.parts, rig.Parts().size());
    EXPECT_EQ(status.totals.transactions, 3U);
}

// Nothing but the end of the segment that lists them tells the server to forget.
TEST(Parts, AreNotAcknowledged)
{
    Rig::Objects lake;
    Rig rig(&lake, Small());
    rig.Start(Server(kOrigin));
    Pour(&rig, 1, 60);
    rig.Send(Bulky(1, 60, true));
    while (ParsePartName(rig.put_->name))
        rig.AnswerPut();
    rig.Advance(60'000);
    EXPECT_EQ(rig.status_->flushed_lsn, kOrigin);
    EXPECT_TRUE(rig.Shipped().empty());
    rig.AnswerPut();
    EXPECT_EQ(rig.status_->flushed_lsn, End(1));
}

TEST(Parts, ASlowStoreStopsReading)
{
    Rig::Objects lake;
    Rig rig(&lake, Small());
    rig.Start(Server(kOrigin));
    uint32_t batch = 0;
    for (; !rig.paused_ && batch < 1'000; batch++)
        rig.Send(Bulky(1, batch));
    ASSERT_TRUE(rig.paused_);
    EXPECT_LE(rig.machine_.buffered_bytes(), Small().memory_budget / 2 + 2 * kMaxSize);
    while (rig.paused_)
        rig.AnswerPut();
    rig.AnswerPuts();
    Complete(&rig, 1, batch);
    EXPECT_EQ(rig.Shipped(), Lsns{End(1)});
}

TEST(Parts, BeginAnewAfterADisconnect)
{
    Rig::Objects lake;
    Rig rig(&lake, Small());
    rig.Start(Server(kOrigin));
    Pour(&rig, 1, 60);
    const auto left = rig.Parts();
    ASSERT_FALSE(left.empty());
    rig.Feed(event::Disconnected{"", "gone"});
    rig.Advance(60'000);
    rig.Start(Server(kOrigin));
    EXPECT_EQ(rig.start_lsn_, kOrigin);
    Pour(&rig, 1, 60);
    EXPECT_GT(rig.Parts().size(), left.size());
    Complete(&rig, 1, 60);
    EXPECT_EQ(rig.Shipped(), Lsns{End(1)});
    for (const std::string& name : left)
        EXPECT_FALSE(lake.contains(name)) << name << " is swept once the log is past it";
}

// The transaction is sealed, its parts wait for the store, and the server sends it
// again: what is cut off then is not what waits.
TEST(Parts, ThatWaitAreNotThoseOfARepetition)
{
    Rig::Objects lake;
    Rig rig(&lake, Small());
    rig.Start(Server(kOrigin));
    for (uint32_t i = 0; i < 60; i++)
        rig.Send(Bulky(1, i));
    rig.Send(Bulky(1, 60, true));
    for (int again = 0; again < 2; again++) {
        rig.Feed(event::Disconnected{"", "gone"});
        rig.Advance(60'000);
        rig.Start(Server(kOrigin));
        rig.Send(Bulky(1, 0));
    }
    rig.AnswerPuts();
    EXPECT_EQ(rig.Shipped(), Lsns{End(1)});
}

TEST(Parts, OfACrashAreSweptByTheNextForwarder)
{
    Rig::Objects lake;
    {
        Rig rig(&lake, Small());
        rig.Start(Server(kOrigin));
        Pour(&rig, 1, 60);
        ASSERT_FALSE(rig.Parts().empty());
    }
    MachineConfig config = Small();
    config.writer_id = "two";
    Rig rig(&lake, config);
    rig.Start(Server(kOrigin));
    Pour(&rig, 1, 60);
    Complete(&rig, 1, 60);
    EXPECT_EQ(rig.Shipped(), Lsns{End(1)});
    for (const std::string& name : rig.Parts())
        EXPECT_EQ(ParsePartName(name)->writer, "two");
}

TEST(Parts, ALostAnswerIsNoFork)
{
    Rig::Objects lake;
    Rig rig(&lake, Small());
    rig.Start(Server(kOrigin));
    for (uint32_t i = 0; !rig.put_; i++)
        rig.Send(Bulky(1, i));
    ASSERT_TRUE(ParsePartName(rig.put_->name));
    const std::string name = rig.put_->name;
    ASSERT_TRUE(rig.StorePut());
    rig.put_.reset();
    rig.Feed(event::PutFailed{Error{ErrorKind::kRetryable, "the answer was lost"}});
    rig.Advance(60'000);
    ASSERT_TRUE(rig.put_);
    EXPECT_EQ(rig.put_->name, name);
    rig.AnswerPuts();
    EXPECT_FALSE(rig.finished());
    Complete(&rig, 1, 60);
    EXPECT_EQ(rig.Shipped(), Lsns{End(1)});
}

TEST(Parts, OneThatArrivesWrongOnceIsReadOnceMore)
{
    Rig::Objects lake;
    Rig rig(&lake, Small());
    rig.Start(Server(kOrigin));
    for (uint32_t i = 0; !rig.put_; i++)
        rig.Send(Bulky(1, i));
    ASSERT_TRUE(rig.StorePut());
    rig.wrong_reads_ = 1;
    rig.AnswerPut();
    ASSERT_FALSE(rig.finished()) << rig.finish_->sentence;
    EXPECT_FALSE(rig.saw("part_written"));
    rig.Advance(30'000);
    rig.AnswerPuts();
    EXPECT_TRUE(rig.saw("part_written"));
    Complete(&rig, 1, 60);
    EXPECT_EQ(rig.Shipped(), Lsns{End(1)});
}

TEST(Parts, OfAnotherOfTheSameNameAreNotTakenForOurs)
{
    Rig::Objects lake;
    lake["cell1.main/parts/00000001/00000000000010c0/one/00000001"] = "somebody else's";
    Rig rig(&lake, Small());
    rig.Start(Server(kOrigin));
    for (uint32_t i = 0; !rig.put_; i++)
        rig.Send(Bulky(1, i));
    rig.AnswerPut();
    ASSERT_FALSE(rig.finished());
    rig.Advance(30'000);
    rig.AnswerPut();
    ASSERT_TRUE(rig.finished());
    EXPECT_EQ(rig.finish_->code, ExitCode::kLake);
    EXPECT_NE(rig.finish_->sentence.find("two forwarders share the name \"one\""), std::string::npos);
}

// Another forwarder ships the transaction while ours is still arriving.
TEST(Parts, OfWhatAnotherShippedAreForgotten)
{
    Rig::Objects lake;
    Rig rig(&lake, Small());
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    Age(&rig);
    ASSERT_TRUE(rig.put_);
    for (uint32_t i = 0; i < 60; i++)
        rig.Send(Bulky(2, i));
    {
        MachineConfig config = Small();
        config.writer_id = "two";
        Rig other(&lake, config);
        other.Start(Server(kOrigin));
        other.Send(Numbered(1));
        Pour(&other, 2, 60);
        Complete(&other, 2, 60);
    }
    rig.AnswerPuts();
    Complete(&rig, 2, 60);
    EXPECT_EQ(rig.events_.count("adopted"), 1U);
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2)}));
    rig.Send(Numbered(3, false));
    Age(&rig);
    rig.AnswerPuts();
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2), End(3)}));
}

TEST(Parts, AStopLeavesNoHalf)
{
    Rig::Objects lake;
    Rig rig(&lake, Small());
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    Pour(&rig, 2, 60);
    rig.Feed(event::StopRequested{});
    rig.AnswerPuts();
    ASSERT_TRUE(rig.finished());
    EXPECT_EQ(rig.finish_->code, ExitCode::kOk);
    EXPECT_EQ(rig.Shipped(), Lsns{End(1)});
}

} // namespace
} // namespace wal2lake::test
