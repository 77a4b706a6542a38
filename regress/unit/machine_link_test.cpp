// The connection: its loss, status messages, a server that shuts down.
#include "machine_rig.h"

namespace wal2lake::test
{
namespace
{

TEST(Machine, DisconnectDiscardsTheOpenTransactionAndSealsTheRest)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    rig.Send(Opening(2));
    rig.Feed(event::Disconnected{"", "server closed the connection unexpectedly"});
    ASSERT_TRUE(rig.put_);
    rig.connect_ = false;
    rig.Advance(25'000);
    ASSERT_TRUE(rig.connect_);
    // The new session starts at the tail while the put is still open.
    rig.Feed(event::Connected{Server(kOrigin)});
    EXPECT_EQ(rig.start_lsn_, kOrigin);
    rig.Feed(event::Streaming{});
    rig.Send(Numbered(1));
    rig.Send(Numbered(2));
    rig.AnswerPut();
    Age(&rig);
    rig.AnswerPut();
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2)}));
}

// Relations are kept for the segments that use them, so their number must not be the server's to choose.
TEST(Machine, ConnectsAnewWhereTooManyRelationsWereAnnounced)
{
    const auto with_table = [](uint32_t number, uint32_t id) {
        v1::Batch batch = Committed(number, End(number) - 0x40, End(number));
        AddRelation(&batch, id, "t" + std::to_string(id));
        AddInsert(&batch, 1, id, number);
        return Message(batch);
    };
    Rig::Objects lake;
    MachineConfig config = Config();
    config.max_relation_bytes = 2'000;
    Rig rig(&lake, config);
    rig.Start(Server(kOrigin));
    // Announced again and again, one table takes no more than once.
    uint32_t number = 1;
    for (; number <= 20; number++)
        rig.Send(with_table(number, 1));
    EXPECT_FALSE(rig.connect_);
    uint32_t id = 2;
    for (; !rig.connect_ && id < 100; id++)
        rig.Send(with_table(number++, id));
    EXPECT_TRUE(rig.saw("many_relations"));
    EXPECT_GT(id, 4U);
    EXPECT_LT(id, 10U);
    // What came is sealed. The same session goes on from there, and sends what is not acknowledged once more.
    ASSERT_TRUE(rig.put_);
    rig.connect_ = false;
    rig.Feed(event::Connected{Server(kOrigin)});
    rig.Feed(event::Streaming{});
    for (uint32_t again = 1; again < number; again++)
        rig.Send(with_table(again, again <= 20 ? 1 : again - 19));
    EXPECT_FALSE(rig.connect_);
    rig.Send(with_table(number, id - 1));
    rig.AnswerPuts();
    Age(&rig);
    rig.AnswerPuts();
    Lsns all;
    for (uint32_t i = 1; i <= number; i++)
        all.push_back(End(i));
    EXPECT_EQ(rig.Shipped(), all);
}

TEST(Machine, RetriesGrowWithJitterUpToTheCap)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.AnswerReads();
    int64_t longest = 0;
    for (int i = 0; i < 30; i++) {
        ASSERT_TRUE(rig.connect_);
        rig.connect_ = false;
        rig.Feed(event::Disconnected{"", "connection refused"});
        const int64_t wait = rig.machine_.deadline_ms() - rig.now_ms_;
        EXPECT_GT(wait, 0);
        EXPECT_LE(wait, 10'000);
        longest = std::max(longest, wait);
        rig.Advance(wait);
    }
    EXPECT_GT(longest, 5'000);
}

TEST(Machine, StatusRunsOnItsOwnTimer)
{
    Rig::Objects lake;
    Rig rig(&lake);
    SourceFacts facts = Server(kOrigin);
    facts.wal_sender_timeout_ms = 9'000;
    rig.Start(facts);
    rig.Send(Numbered(1));
    Age(&rig);
    ASSERT_TRUE(rig.put_);
    // The store hangs; the server must not lose patience.
    const int before = rig.statuses_;
    for (int i = 0; i < 10; i++) {
        EXPECT_LE(rig.machine_.deadline_ms() - rig.now_ms_, 3'000);
        rig.Advance(3'000);
    }
    EXPECT_GE(rig.statuses_ - before, 10);
    EXPECT_EQ(rig.status_->flushed_lsn, kOrigin);
}

TEST(Machine, AnswersRequestsButNeverMoreThanTenASecond)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Advance(1'000);
    const int before = rig.statuses_;
    for (int i = 0; i < 1'000; i++) {
        rig.Feed(event::Keepalive{kOrigin, true});
        rig.Advance(1);
    }
    EXPECT_GE(rig.statuses_ - before, 5);
    EXPECT_LE(rig.statuses_ - before, 11);
}

// A server that shuts down: it asks, we answer, it asks again.
void Drain(Rig* rig, uint64_t wal_end)
{
    for (int i = 0; i < 4; i++) {
        rig->Feed(event::Keepalive{wal_end, true});
        rig->Advance(100);
    }
}

TEST(Machine, ShipsAtOnceForADrainingServer)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    Drain(&rig, 0x9000);
    ASSERT_TRUE(rig.put_);
    rig.AnswerPut();
    // Then what follows the last transaction, so that flush reaches the end.
    ASSERT_TRUE(rig.put_);
    rig.AnswerPut();
    rig.Advance(100);
    EXPECT_EQ(rig.status_->flushed_lsn, 0x9000U);
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1)}));
}

TEST(Machine, LeavesADrainingServerThatTheStoreKeepsWaiting)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    Drain(&rig, 0x9000);
    ASSERT_TRUE(rig.put_);
    rig.Advance(2'500);
    EXPECT_TRUE(rig.disconnected_);
    EXPECT_EQ(rig.max_flushed_, kOrigin);
    rig.connect_ = false;
    rig.Advance(9'000);
    EXPECT_FALSE(rig.connect_);
    rig.Advance(1'500);
    EXPECT_TRUE(rig.connect_);
    rig.AnswerPut();
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1)}));
}

TEST(Machine, OrdinaryRequestsAreNoDraining)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    for (int i = 0; i < 20; i++) {
        rig.Feed(event::Keepalive{0x9000, true});
        rig.Advance(1'500);
    }
    EXPECT_FALSE(rig.saw("draining"));
    EXPECT_FALSE(rig.put_);
}

// A source that is pulled: nothing more comes before what came is acknowledged.
TEST(Machine, ASessionThatIsOverIsSealedAtOnce)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    EXPECT_FALSE(rig.put_);
    rig.Feed(event::Keepalive{End(2), false, true});
    ASSERT_TRUE(rig.put_);
    rig.AnswerPut();
    EXPECT_EQ(rig.status_->flushed_lsn, End(1));
    // Progress behind it is no transaction, and may wait.
    rig.Feed(event::Keepalive{End(3), false, true});
    EXPECT_FALSE(rig.put_);
    EXPECT_EQ(rig.Shipped(), Lsns{End(1)});
}

TEST(Machine, ASessionThatIsOverAnnouncedNothingForTheNext)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    rig.Feed(event::Keepalive{End(1), false, true});
    rig.Send(Numbered(2, false));
    ASSERT_TRUE(rig.finished());
    EXPECT_EQ(rig.finish_->code, ExitCode::kSource);
    EXPECT_NE(rig.finish_->sentence.find("breaks the contract"), std::string::npos) << rig.finish_->sentence;
}

TEST(Machine, ASessionDoesNotEndWithinATransaction)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Opening(1));
    rig.Feed(event::Keepalive{End(1), false, true});
    ASSERT_TRUE(rig.finished());
    EXPECT_NE(rig.finish_->sentence.find("within the transaction"), std::string::npos);
}

TEST(Machine, ProgressIsRecordedAfterSoMuchWal)
{
    Rig::Objects lake;
    MachineConfig config = Config();
    config.idle_wal_bytes = 0x200;
    Rig rig(&lake, config);
    rig.Start(Server(kOrigin));
    rig.Feed(event::Keepalive{kOrigin + 0x1ff});
    EXPECT_FALSE(rig.put_);
    rig.Feed(event::Keepalive{kOrigin + 0x200});
    EXPECT_TRUE(rig.put_);
}

} // namespace
} // namespace wal2lake::test
