// What a source tells of itself, and when it counts as moving.
#include "source_status.h"

#include <thread>

#include <unistd.h>

#include "clock.h"
#include "machine_rig.h"

namespace wal2lake
{
namespace
{

using test::Config;
using test::Rig;
using test::Server;

constexpr uint64_t kOrigin = 0x1000;
constexpr int64_t kSecondUs = 1'000'000;
// Unix time at the rig's first moment.
constexpr int64_t kEpochUs = 1'700'000'000 * kSecondUs;

uint64_t End(uint32_t number)
{
    return kOrigin + 0x100 * uint64_t{number};
}

std::string CommittedAt(uint32_t number, int64_t commit_us, bool last = true)
{
    v1::Batch batch = test::Committed(number, End(number) - 0x40, End(number), last);
    batch.mutable_committed()->set_commit_time_us(commit_us);
    test::AddRelation(&batch, 1, "users");
    test::AddInsert(&batch, 1, 1, number);
    return test::Message(batch);
}

// Level with us when we connect.
SourceFacts Level()
{
    SourceFacts facts = Server(kOrigin);
    facts.wal_flush_lsn = kOrigin;
    return facts;
}

int64_t Wall(const Rig& rig)
{
    return kEpochUs + rig.now_ms_ * 1000;
}

void Pass(Rig* rig, int64_t ms)
{
    rig->now_ms_ += ms;
    rig->Feed(event::Tick{rig->now_ms_, 0, 0, Wall(*rig)});
}

SourceStatus Look(const Rig& rig)
{
    SourceStatus status;
    rig.machine_.Describe(&status);
    return status;
}

bool Moves(const Rig& rig)
{
    return !WhyNotMoving(Look(rig), rig.now_ms_);
}

struct Streaming {
    explicit Streaming(const SourceFacts& facts = Level(), MachineConfig config = Config())
        : rig(&lake, std::move(config))
    {
        Pass(&rig, 0);
        rig.Start(facts);
        Pass(&rig, 0);
    }

    Rig::Objects lake;
    Rig rig;
};

TEST(SourceStatus, ALevelSourceIsNotBehindAndMoves)
{
    Streaming source;
    EXPECT_EQ(Look(source.rig).state, SourceState::kStreaming);
    EXPECT_EQ(Look(source.rig).lag_bytes(), 0U);
    EXPECT_EQ(Look(source.rig).behind_since_us, 0);
    EXPECT_TRUE(Moves(source.rig));
}

TEST(SourceStatus, BehindSinceTheFirstCommitThatIsNotDurable)
{
    Streaming source;
    const int64_t commit = Wall(source.rig) - 5 * kSecondUs;
    source.rig.Send(CommittedAt(1, commit));
    source.rig.Send(CommittedAt(2, commit + kSecondUs));
    EXPECT_EQ(Look(source.rig).behind_since_us, commit);
    EXPECT_EQ(Look(source.rig).lag_bytes(), End(2) - kOrigin);
    EXPECT_NEAR(Look(source.rig).lag_seconds(Wall(source.rig)), 5, 0.001);
    Pass(&source.rig, Config().max_age_ms);
    ASSERT_TRUE(source.rig.put_);
    EXPECT_EQ(Look(source.rig).behind_since_us, commit) << "on its way is not there";
    source.rig.AnswerPut();
    EXPECT_EQ(Look(source.rig).behind_since_us, 0);
    EXPECT_EQ(Look(source.rig).lag_bytes(), 0U);
}

TEST(SourceStatus, ATransactionThatIsStillArrivingIsBehindToo)
{
    Streaming source;
    const int64_t commit = Wall(source.rig) - kSecondUs;
    source.rig.Send(CommittedAt(1, commit, false));
    EXPECT_EQ(Look(source.rig).behind_since_us, commit);
    EXPECT_FALSE(Look(source.rig).waiting);
}

TEST(SourceStatus, UntilItCatchesUpItIsBehindSinceTheLogsLastCommit)
{
    Rig::Objects lake;
    const int64_t commit = kEpochUs - 3600 * kSecondUs;
    {
        Rig first(&lake);
        Pass(&first, 0);
        first.Start(Level());
        first.Send(CommittedAt(1, commit));
        Pass(&first, Config().max_age_ms);
        first.AnswerPut();
    }
    Rig second(&lake);
    Pass(&second, 0);
    SourceFacts facts = Server(End(1));
    facts.wal_flush_lsn = End(9);
    second.Start(facts);
    EXPECT_EQ(Look(second).behind_since_us, commit);
    EXPECT_EQ(Look(second).lag_bytes(), End(9) - End(1));
    second.Feed(event::Keepalive{End(9), false});
    EXPECT_EQ(Look(second).behind_since_us, 0);
}

TEST(SourceStatus, WithoutTheServerItIsBehindSinceItWasLevelLast)
{
    Streaming source;
    const int64_t level = Wall(source.rig);
    source.rig.Feed(event::Disconnected{"", "gone"});
    Pass(&source.rig, 60'000);
    EXPECT_EQ(Look(source.rig).behind_since_us, level);
    EXPECT_EQ(Look(source.rig).totals.server_retries, 1U);
    EXPECT_GT(Look(source.rig).last_server_error_us, 0);
}

TEST(SourceStatus, CountsWhatBecameDurable)
{
    Streaming source;
    const uint64_t before = Look(source.rig).totals.segments;
    source.rig.Send(CommittedAt(1, Wall(source.rig)));
    source.rig.Send(CommittedAt(2, Wall(source.rig)));
    Pass(&source.rig, Config().max_age_ms);
    source.rig.AnswerPut();
    const SourceTotals totals = Look(source.rig).totals;
    EXPECT_EQ(totals.segments, before + 1);
    EXPECT_EQ(totals.transactions, 2U);
    EXPECT_EQ(totals.changes.inserts, 2U);
    uint64_t bytes = 0;
    for (const auto& [name, object] : source.lake)
        if (ParseSegmentName(name))
            bytes += object.size();
    EXPECT_EQ(totals.segment_bytes, bytes);
    // Both waited for the age of a segment, a minute.
    EXPECT_NEAR(totals.commit_to_durable.sum_seconds, 120, 1);
    EXPECT_EQ(totals.commit_to_durable.counts[8] + totals.commit_to_durable.counts[9], 2U);
}

TEST(SourceStatus, AStoreThatDoesNotAnswerStopsIt)
{
    Streaming source;
    source.rig.Send(CommittedAt(1, Wall(source.rig)));
    Pass(&source.rig, Config().max_age_ms);
    ASSERT_TRUE(source.rig.put_);
    source.rig.Feed(event::Keepalive{End(1), false});
    EXPECT_TRUE(Moves(source.rig));
    for (int i = 0; i < 3 * 6 + 2; i++) {
        Pass(&source.rig, 10'000);
        source.rig.Feed(event::Keepalive{End(1), false});
    }
    const auto reason = WhyNotMoving(Look(source.rig), source.rig.now_ms_);
    ASSERT_TRUE(reason);
    EXPECT_NE(reason->find("store"), std::string::npos) << *reason;
    source.rig.AnswerPut();
    EXPECT_TRUE(Moves(source.rig));
}

TEST(SourceStatus, AServerThatSaysNothingIsAskedAndThenStopsIt)
{
    Streaming source;
    Pass(&source.rig, 9'000);
    EXPECT_FALSE(source.rig.status_->reply_wanted);
    Pass(&source.rig, 1'000);
    EXPECT_TRUE(source.rig.status_->reply_wanted);
    EXPECT_TRUE(Moves(source.rig));
    for (int i = 0; i < 3; i++)
        Pass(&source.rig, 10'000);
    const auto reason = WhyNotMoving(Look(source.rig), source.rig.now_ms_);
    ASSERT_TRUE(reason);
    EXPECT_NE(reason->find("server"), std::string::npos) << *reason;
    source.rig.Feed(event::Keepalive{kOrigin, false});
    EXPECT_TRUE(Moves(source.rig));
}

TEST(SourceStatus, AnIdleSourceThatAnswersMovesForEver)
{
    Streaming source;
    for (int i = 0; i < 400; i++) {
        Pass(&source.rig, 10'000);
        source.rig.Feed(event::Keepalive{kOrigin, false});
        ASSERT_TRUE(Moves(source.rig)) << i;
    }
}

TEST(SourceStatus, AHugeTransactionThatGoesOnArrivingMoves)
{
    Streaming source;
    for (int i = 0; i < 400; i++) {
        Pass(&source.rig, 10'000);
        source.rig.Send(CommittedAt(1, kEpochUs, false));
        ASSERT_TRUE(Moves(source.rig)) << i;
    }
    EXPECT_NEAR(Look(source.rig).lag_seconds(Wall(source.rig)), 4000, 10);
}

TEST(SourceStatus, AShortInterruptionIsForgiven)
{
    Streaming source;
    source.rig.Feed(event::Disconnected{"", "gone"});
    Pass(&source.rig, 5'000);
    EXPECT_TRUE(Moves(source.rig));
    Pass(&source.rig, 6'000);
    EXPECT_FALSE(Moves(source.rig));
}

TEST(SourceStatus, NothingMovesBeforeItStreamsOrWhileItRests)
{
    Rig::Objects lake;
    Rig rig(&lake);
    EXPECT_FALSE(Moves(rig)) << "the tail is not known";
    rig.AnswerReads();
    EXPECT_FALSE(Moves(rig)) << "never connected";
    SourceStatus resting;
    resting.state = SourceState::kResting;
    EXPECT_TRUE(WhyNotMoving(resting, 0));
}

TEST(SourceStatus, AThreadThatDoesNotComeBackIsNotAlive)
{
    SourceStatus status;
    EXPECT_TRUE(IsAlive(status, 1'000'000)) << "it waits, for whatever";
    status.busy_since_ms = 1'000'000;
    EXPECT_TRUE(IsAlive(status, 1'120'000));
    EXPECT_FALSE(IsAlive(status, 1'120'001));
    EXPECT_EQ(status.busy_ms(1'120'001), 120'001);
}

TEST(SourceStatus, TablesAreToldByTheirStats)
{
    Streaming source;
    v1::Batch batch = test::Committed(1, End(1) - 0x40, End(1));
    test::AddRelation(&batch, 1, "users");
    test::AddInsert(&batch, 1, 1, 1);
    auto* stats = batch.add_records()->mutable_stats()->add_relations();
    stats->set_oid(16001);
    stats->set_namespace_("public");
    stats->set_name("users");
    stats->set_withheld(7);
    stats->set_uncarried(8);
    stats->set_not_emitted(1'000'000'000'000);
    EXPECT_EQ(source.rig.machine_.table_stats_heard(), 0U);
    source.rig.Send(test::Message(batch));
    EXPECT_EQ(source.rig.machine_.table_stats_heard(), 2U) << "the relation, and the statistics";
    source.rig.Feed(event::Disconnected{"", "gone"});
    const StatsByOid& told = source.rig.machine_.table_stats();
    ASSERT_EQ(told.count(16001), 1U);
    EXPECT_EQ(told.at(16001).namespace_name + "." + told.at(16001).name, "public.users");
    EXPECT_EQ(told.at(16001).withheld, 7U);
    EXPECT_EQ(told.at(16001).uncarried, 8U);
    EXPECT_EQ(told.at(16001).not_emitted, 1'000'000'000'000U);
    EXPECT_EQ(told.at(16001).unclassified, 1U);
}

// What is not sent is known by its statistics alone, until it is sent.
TEST(SourceStatus, ATableIsSilentUntilItIsAnnounced)
{
    Streaming source;
    const StatsByOid& told = source.rig.machine_.table_stats();
    const auto not_emitted = [&](uint64_t commit, uint64_t number) {
        v1::Batch batch = test::Committed(commit, End(commit) - 0x40, End(commit));
        auto* stats = batch.add_records()->mutable_stats()->add_relations();
        stats->set_oid(16001);
        stats->set_not_emitted(number);
        source.rig.Send(test::Message(batch));
    };
    not_emitted(1, 7);
    EXPECT_TRUE(told.at(16001).silent);
    v1::Batch batch = test::Committed(2, End(2) - 0x40, End(2));
    test::AddRelation(&batch, 1, "users");
    test::AddInsert(&batch, 1, 1, 1);
    source.rig.Send(test::Message(batch));
    EXPECT_FALSE(told.at(16001).silent) << "it has a label now";
    not_emitted(3, 7);
    EXPECT_FALSE(told.at(16001).silent) << "the same was told before";
    not_emitted(4, 8);
    EXPECT_TRUE(told.at(16001).silent) << "its labels are gone again";
}

TEST(StatusBoard, KeepsRefusalsAndLetsASourceThatStoppedFallBehind)
{
    StatusBoard board({"a", "b"});
    SourceStatus streaming;
    streaming.state = SourceState::kStreaming;
    streaming.totals.streams = 1;
    board.Publish(1, streaming);
    board.Stopped(1, ExitCode::kSource, SourceState::kResting, 5);
    board.Publish(1, streaming);
    board.Stopped(1, ExitCode::kSource, SourceState::kResting, 9);
    const BoardEntry entry = board.Read()[1];
    EXPECT_EQ(entry.id, "b");
    EXPECT_EQ(entry.status.state, SourceState::kResting);
    EXPECT_EQ(entry.status.behind_since_us, 9);
    EXPECT_EQ(entry.refusals.counts[4], 2U);
    EXPECT_EQ(entry.refusals.last_us[4], 9);
    EXPECT_EQ(board.Read()[0].refusals.counts[4], 0U);
}

TEST(StatusBoard, AThreadIsBusyUnlessItWaitsOrHasStopped)
{
    const int64_t before = NowMs();
    StatusBoard board({"a", "b"});
    const auto busy_since = [&](size_t source) { return board.Read()[source].status.busy_since_ms; };
    ASSERT_TRUE(busy_since(0)) << "it has not come to where it waits";
    EXPECT_GE(*busy_since(0), before);
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    std::thread waiting([&] {
        pollfd fd{ends[0], POLLIN, 0};
        EXPECT_EQ(board.Poll(1, &fd, 1, 60'000), 1);
    });
    while (busy_since(1))
        std::this_thread::yield();
    board.Publish(1, {});
    EXPECT_FALSE(busy_since(1)) << "what it publishes changes nothing about that";
    EXPECT_TRUE(busy_since(0));
    const int64_t woken = NowMs();
    EXPECT_EQ(::write(ends[1], "x", 1), 1);
    waiting.join();
    ASSERT_TRUE(busy_since(1));
    EXPECT_GE(*busy_since(1), woken);
    board.Stopped(1, ExitCode::kSource, SourceState::kResting, 5);
    EXPECT_FALSE(busy_since(1));
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST(StatusBoard, ASourceThatIsTriedAgainIsBehindSinceItStopped)
{
    StatusBoard board({"a"});
    board.Stopped(0, ExitCode::kSource, SourceState::kResting, 5);
    SourceStatus again;
    board.Publish(0, again);
    EXPECT_EQ(board.Read()[0].status.behind_since_us, 5);
    again.behind_since_us = 9;
    board.Publish(0, again);
    EXPECT_EQ(board.Read()[0].status.behind_since_us, 5);
    again.totals.streams = 1;
    board.Publish(0, again);
    EXPECT_EQ(board.Read()[0].status.behind_since_us, 9);
}

} // namespace
} // namespace wal2lake
