// A store that is slow, full or closed, the memory budget, and a stop.
#include "machine_rig.h"

namespace wal2lake::test
{
namespace
{

TEST(Machine, ReadingPausesAtTheBudgetAndResumes)
{
    Rig::Objects lake;
    MachineConfig config = Config();
    config.max_size = 2'000;
    config.memory_budget = 16'000;
    Rig rig(&lake, config);
    rig.Start(Server(kOrigin));
    uint32_t number = 1;
    for (; !rig.paused_ && number < 500; number++)
        rig.Send(Transaction(number, End(number) - 0x40, End(number), true, 60));
    ASSERT_TRUE(rig.paused_);
    EXPECT_LT(rig.machine_.buffered_bytes(), config.memory_budget);
    const int before = rig.statuses_;
    rig.Advance(20'000);
    EXPECT_GT(rig.statuses_, before);
    while (rig.put_)
        rig.AnswerPut();
    EXPECT_FALSE(rig.paused_);
    Age(&rig);
    while (rig.put_)
        rig.AnswerPut();
    EXPECT_EQ(rig.Shipped().size(), number - 1);
}

// Nobody reads what a stopping server asks for then, so it is asked.
TEST(Machine, LeavesAServerThatStopsWhileReadingIsPaused)
{
    Rig::Objects lake;
    MachineConfig config = Config();
    config.max_size = 2'000;
    config.memory_budget = 16'000;
    Rig rig(&lake, config);
    rig.Start(Server(kOrigin));
    rig.Advance(5'000);
    uint32_t number = 1;
    for (; !rig.paused_ && number < 500; number++)
        rig.Send(Transaction(number, End(number) - 0x40, End(number), true, 60));
    ASSERT_TRUE(rig.paused_);
    EXPECT_EQ(rig.asked_server_, 0);
    rig.connect_ = false;
    for (int i = 1; i <= 4; i++) {
        EXPECT_LE(rig.machine_.deadline_ms(), rig.now_ms_ + 1'000);
        rig.Advance(1'000);
        EXPECT_EQ(rig.asked_server_, i);
    }
    EXPECT_FALSE(rig.disconnected_);
    rig.Feed(event::ServerStopping{});
    EXPECT_TRUE(rig.disconnected_);
    EXPECT_TRUE(rig.saw("drain_failed"));
    rig.Advance(9'000);
    EXPECT_FALSE(rig.connect_);
    EXPECT_EQ(rig.asked_server_, 4);
    while (rig.put_)
        rig.AnswerPut();
    EXPECT_EQ(rig.Shipped().size(), number - 1);
}

TEST(Machine, WhileAStagedTransactionComesTheServerIsAskedBesideIt)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Opening(1));
    EXPECT_EQ(rig.asked_server_, 0);
    rig.Feed(event::ServerStopping{});
    EXPECT_FALSE(rig.disconnected_);
    rig.Feed(event::Replaying{true});
    rig.Advance(1'000);
    EXPECT_EQ(rig.asked_server_, 1);
    rig.Feed(event::Replaying{false});
    rig.Advance(1'000);
    EXPECT_EQ(rig.asked_server_, 1);
    rig.Feed(event::Replaying{true});
    rig.Feed(event::ServerStopping{});
    EXPECT_TRUE(rig.disconnected_);
    EXPECT_TRUE(rig.saw("drain_failed"));
}

TEST(Machine, WithoutAStageItGoesOnAndTriesAgainLater)
{
    Rig::Objects lake;
    MachineConfig config = Config();
    config.staged = true;
    Rig rig(&lake, config);
    rig.Start(Server(kOrigin));
    EXPECT_TRUE(rig.in_progress_);
    rig.Send(Numbered(1));
    rig.Send(Opening(2));
    const auto reconnect = [&rig] {
        rig.connect_ = false;
        rig.start_lsn_.reset();
        rig.Feed(event::Connected{Server(kOrigin)});
        rig.Feed(event::Streaming{});
    };
    rig.Feed(event::StageFailed{{ErrorKind::kRetryable, "stage.directory /x: full"}});
    EXPECT_TRUE(rig.saw("stage_failed"));
    ASSERT_TRUE(rig.connect_);
    reconnect();
    EXPECT_FALSE(rig.in_progress_);
    rig.Send(Numbered(1));
    rig.Send(Numbered(2));
    rig.AnswerPuts();
    Age(&rig);
    rig.AnswerPuts();
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2)}));

    rig.Advance(3'600'000);
    rig.AnswerPuts();
    rig.Feed(event::Disconnected{"", "the server went away"});
    rig.Advance(20'000);
    ASSERT_TRUE(rig.connect_);
    reconnect();
    EXPECT_TRUE(rig.in_progress_);
}

TEST(Machine, AStreamThatCannotBeStagedEndsIt)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Feed(event::StageFailed{{ErrorKind::kDamaged, "a transaction in progress has no id"}});
    ASSERT_TRUE(rig.finished());
    EXPECT_EQ(rig.finish_->code, ExitCode::kSource);
}

TEST(Machine, AFullDiskIsWaitedOutAndNothingIsLost)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    Age(&rig);
    for (int i = 0; i < 50; i++) {
        ASSERT_TRUE(rig.put_) << i;
        rig.put_.reset();
        rig.Feed(event::PutFailed{{ErrorKind::kRetryable, "cannot write /lake/x: No space left on device"}});
        EXPECT_FALSE(rig.finished());
        rig.Advance(20'000);
    }
    EXPECT_EQ(rig.status_->flushed_lsn, kOrigin);
    // 1,000 s have passed: one line every half minute at most.
    EXPECT_LE(rig.events_.count("store_failed"), 34U);
    EXPECT_GE(rig.events_.count("store_failed"), 10U);
    rig.AnswerPut();
    EXPECT_TRUE(rig.saw("store_recovered"));
    EXPECT_EQ(rig.status_->flushed_lsn, End(1));
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1)}));
}

TEST(Machine, AStoreThatRefusesFromTheStartEndsIt)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.AnswerReads();
    rig.connect_ = false;
    rig.Feed(event::Connected{Server(kOrigin)});
    rig.put_.reset();
    rig.Feed(event::PutFailed{{ErrorKind::kPermanent, "cannot create /lake/x: Permission denied"}});
    ASSERT_TRUE(rig.finished());
    EXPECT_EQ(rig.finish_->code, ExitCode::kStore);
    EXPECT_TRUE(rig.disconnected_);
}

// Rights that were taken away may be given back; until then the server is answered,
// nothing is acknowledged, and somebody is told.
TEST(Machine, AStoreThatRefusesLaterIsAskedAgain)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    Age(&rig);
    SourceStatus status;
    for (int i = 1; i <= 20; i++) {
        ASSERT_TRUE(rig.put_) << i;
        rig.put_.reset();
        rig.Feed(event::PutFailed{{ErrorKind::kPermanent, "cannot create /lake/x: Permission denied"}});
        EXPECT_EQ(rig.events_.count("store_refused"), static_cast<size_t>(i));
        rig.machine_.Describe(&status);
        EXPECT_TRUE(WhyNotMoving(status, rig.now_ms_)->starts_with("the store refuses"));
        const int told = rig.statuses_;
        for (int second = 0; second < 19; second++) {
            rig.Advance(1'000);
            ASSERT_FALSE(rig.put_) << "not more often than every 20 s";
        }
        EXPECT_GT(rig.statuses_, told);
        rig.Advance(1'000);
    }
    EXPECT_FALSE(rig.finished());
    EXPECT_EQ(rig.status_->flushed_lsn, kOrigin);
    rig.AnswerPut();
    EXPECT_TRUE(rig.saw("store_recovered"));
    rig.machine_.Describe(&status);
    EXPECT_FALSE(status.store_refuses);
    EXPECT_EQ(rig.status_->flushed_lsn, End(1));
    EXPECT_EQ(rig.Shipped(), Lsns{End(1)});
}

TEST(Machine, StopSealsShipsAcknowledgesAndLeaves)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    rig.Send(Opening(2));
    rig.Feed(event::StopRequested{});
    ASSERT_TRUE(rig.put_);
    EXPECT_FALSE(rig.finished());
    rig.AnswerPut();
    ASSERT_TRUE(rig.finished());
    EXPECT_EQ(rig.finish_->code, ExitCode::kOk);
    EXPECT_EQ(rig.status_->flushed_lsn, End(1));
    EXPECT_TRUE(rig.disconnected_);
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1)}));
}

TEST(Machine, StopDoesNotWaitForEverForTheStore)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    rig.Feed(event::StopRequested{});
    rig.Advance(19'000);
    EXPECT_FALSE(rig.finished());
    rig.Advance(1'000);
    ASSERT_TRUE(rig.finished());
    EXPECT_EQ(rig.finish_->code, ExitCode::kStore);
    EXPECT_EQ(rig.max_flushed_, kOrigin);
}

TEST(Machine, StopBeforeAnythingIsKnownLeavesAtOnce)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Feed(event::StopRequested{});
    ASSERT_TRUE(rig.finished());
    EXPECT_EQ(rig.finish_->code, ExitCode::kOk);
}

} // namespace
} // namespace wal2lake::test
