// What is in the lake already: a lost answer, another forwarder, a tail that cannot be.
#include "machine_rig.h"

namespace wal2lake::test
{
namespace
{

TEST(Machine, ExistsWithOurOwnBytesIsALostReply)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    Age(&rig);
    ASSERT_TRUE(rig.StorePut());
    rig.put_.reset();
    rig.Feed(event::PutFailed{{ErrorKind::kRetryable, "reply lost"}});
    rig.Advance(30'000);
    ASSERT_TRUE(rig.put_);
    rig.AnswerPut();
    EXPECT_FALSE(rig.saw("adopted"));
    EXPECT_TRUE(rig.saw("segment_written"));
    EXPECT_EQ(rig.status_->flushed_lsn, End(1));
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1)}));
}

TEST(Machine, AdoptsAShorterSegmentAndKeepsTheRest)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    rig.Send(Numbered(2, false));
    rig.Send(Numbered(3, false));
    Age(&rig);
    OtherShips(&lake, 2);
    rig.Send(Numbered(4, false));
    rig.AnswerPut();
    EXPECT_TRUE(rig.saw("adopted"));
    ASSERT_TRUE(rig.put_);
    EXPECT_EQ(rig.put_->name, "cell1.main/log/00000001/0000000000001200.w2l");
    rig.AnswerPut();
    ASSERT_TRUE(rig.put_);
    rig.AnswerPut();
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2), End(3), End(4)}));
    EXPECT_EQ(rig.max_flushed_, End(4));
}

TEST(Machine, AdoptsALongerSegmentAndDropsWhatItCovers)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    Age(&rig);
    OtherShips(&lake, 3);
    rig.Send(Numbered(2, false));
    // Half of what the other has shipped already.
    rig.Send(Opening(3));
    rig.AnswerPut();
    EXPECT_TRUE(rig.saw("adopted"));
    EXPECT_FALSE(rig.put_);
    rig.Send(test::Message(test::Committed(3, End(3) - 0x40, End(3))));
    rig.Send(Numbered(4, false));
    Age(&rig);
    rig.AnswerPut();
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2), End(3), End(4)}));
}

TEST(Machine, AdoptsSeveralInARow)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    for (uint32_t i = 1; i <= 4; i++)
        rig.Send(Numbered(i));
    Age(&rig);
    {
        Rig other(&lake);
        other.Start(Server(kOrigin));
        for (uint32_t i = 1; i <= 3; i++) {
            other.Send(Numbered(i));
            Age(&other);
            other.AnswerPut();
        }
    }
    while (rig.put_)
        rig.AnswerPut();
    EXPECT_FALSE(rig.finished());
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2), End(3), End(4)}));
}

TEST(Machine, AnIdleSegmentWhereAnotherWroteDataIsAdoptedToo)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Feed(event::Keepalive{End(2), false});
    OtherShips(&lake, 2);
    rig.Advance(Config().idle_age_ms);
    ASSERT_TRUE(rig.put_);
    rig.AnswerPut();
    EXPECT_FALSE(rig.finished());
    EXPECT_EQ(rig.machine_.durable_lsn(), End(2));
}

TEST(Machine, RefusesASegmentOfAnotherServerOrTimeline)
{
    for (const bool other_timeline : {false, true}) {
        Rig::Objects lake;
        Rig rig(&lake);
        rig.Start(Server(kOrigin));
        rig.Send(Numbered(1));
        Age(&rig);
        // What a server that was promoted elsewhere would have put there.
        const auto mine = CheckSegment(*rig.put_->bytes);
        auto header = mine.value().header;
        if (other_timeline)
            header.set_timeline(2);
        else
            header.set_system_id(1);
        SealedSegment idle;
        idle.end_lsn = End(1);
        lake[rig.put_->name] = AssembleSegment(header, idle).bytes;
        rig.AnswerPut();
        ASSERT_TRUE(rig.finished());
        EXPECT_EQ(rig.finish_->code, ExitCode::kLake);
        EXPECT_NE(rig.finish_->sentence.find(other_timeline ? "divergence" : "another server"),
                  std::string::npos)
            << rig.finish_->sentence;
    }
}

// What lies in the lake is read once more before it is called damaged.
TEST(Machine, RefusesADamagedTail)
{
    Rig::Objects lake;
    OtherShips(&lake, 1);
    lake["cell1.main/log/00000001/0000000000001000.w2l"][60] ^= 1;
    Rig rig(&lake);
    rig.AnswerReads();
    ASSERT_FALSE(rig.finished());
    rig.Advance(30'000);
    rig.AnswerReads();
    ASSERT_TRUE(rig.finished());
    EXPECT_EQ(rig.finish_->code, ExitCode::kLake);
    EXPECT_NE(rig.finish_->sentence.find("0000000000001000.w2l is damaged: offset "), std::string::npos)
        << rig.finish_->sentence;
}

TEST(Machine, ATailThatArrivesWrongOnceIsGoneOnFrom)
{
    Rig::Objects lake;
    OtherShips(&lake, 1);
    Rig rig(&lake);
    rig.wrong_reads_ = 1;
    rig.AnswerReads();
    EXPECT_EQ(rig.wrong_reads_, 0);
    ASSERT_FALSE(rig.finished()) << rig.finish_->sentence;
    ASSERT_EQ(rig.events_.count("store_failed"), 1U);
    EXPECT_NE(rig.events_.find("store_failed")->second.text.find("0000000000001000.w2l"), std::string::npos);
    rig.Advance(30'000);
    rig.Start(Server(End(1)));
    EXPECT_EQ(rig.start_lsn_, End(1));
}

TEST(Machine, WhatFailsBetweenTwoWrongReadsIsNoThird)
{
    Rig::Objects lake;
    OtherShips(&lake, 1);
    Rig rig(&lake);
    rig.wrong_reads_ = 2;
    rig.AnswerReads();
    rig.Advance(30'000);
    ASSERT_TRUE(std::exchange(rig.read_object_, std::nullopt));
    rig.Feed(event::ObjectRead{Error{ErrorKind::kRetryable, "timeout"}});
    rig.Advance(30'000);
    rig.AnswerReads();
    ASSERT_TRUE(rig.finished());
    EXPECT_EQ(rig.finish_->code, ExitCode::kLake);
}

// Wants to put two transactions where another one has put the first.
void Meet(Rig* rig, Rig::Objects* lake)
{
    rig->Start(Server(kOrigin));
    rig->Send(Numbered(1));
    rig->Send(Numbered(2, false));
    Age(rig);
    OtherShips(lake, 1);
}

TEST(Machine, WhatExistsAndArrivesWrongOnceIsAdopted)
{
    Rig::Objects lake;
    Rig rig(&lake);
    Meet(&rig, &lake);
    rig.wrong_reads_ = 1;
    rig.AnswerPut();
    ASSERT_FALSE(rig.finished()) << rig.finish_->sentence;
    EXPECT_FALSE(rig.saw("adopted"));
    EXPECT_EQ(rig.status_->flushed_lsn, kOrigin);
    rig.Advance(30'000);
    rig.AnswerPuts();
    EXPECT_TRUE(rig.saw("adopted"));
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2)}));
}

TEST(Machine, WhatExistsAndArrivesWrongTwiceIsDamaged)
{
    Rig::Objects lake;
    Rig rig(&lake);
    Meet(&rig, &lake);
    rig.wrong_reads_ = 2;
    rig.AnswerPut();
    ASSERT_FALSE(rig.finished());
    rig.Advance(30'000);
    rig.AnswerPut();
    ASSERT_TRUE(rig.finished());
    EXPECT_EQ(rig.finish_->code, ExitCode::kLake);
    EXPECT_NE(rig.finish_->sentence.find("0000000000001000.w2l is damaged: offset "), std::string::npos)
        << rig.finish_->sentence;
    EXPECT_EQ(rig.max_flushed_, kOrigin);
}

// Each is our own, its answer was lost, and it is read.
TEST(Machine, EachObjectMayArriveWrongOnce)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    for (uint32_t number = 1; number <= 3; number++) {
        rig.Send(Numbered(number, number == 1));
        Age(&rig);
        ASSERT_TRUE(rig.StorePut());
        rig.wrong_reads_ = 1;
        rig.AnswerPut();
        ASSERT_FALSE(rig.finished()) << rig.finish_->sentence;
        rig.Advance(30'000);
        rig.AnswerPuts();
        EXPECT_EQ(rig.status_->flushed_lsn, End(number));
    }
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2), End(3)}));
}

TEST(Machine, AMissingTailIsAGap)
{
    Rig::Objects lake;
    OtherShips(&lake, 1);
    lake.erase("cell1.main/log/00000001/0000000000001000.w2l");
    Rig rig(&lake);
    rig.Start(Server(End(1)));
    ASSERT_TRUE(rig.finished());
    EXPECT_EQ(rig.finish_->code, ExitCode::kLake);
    EXPECT_NE(rig.finish_->sentence.find("0/1000..0/1100"), std::string::npos) << rig.finish_->sentence;
}

// Another forwarder holds the slot and ships: each time we connect it has
// acknowledged more than was there when we looked, and nothing is missing. Once
// it pauses we come as far as to be told that the slot is in use.
TEST(Machine, ALogThatGrowsWhileWeLookIsNoGap)
{
    Rig::Objects lake;
    OtherShips(&lake, 1);
    Rig rig(&lake);
    rig.AnswerReads();
    for (uint32_t shipped = 2; shipped <= 6; shipped++) {
        ASSERT_TRUE(std::exchange(rig.connect_, false));
        OtherShips(&lake, shipped);
        rig.Feed(event::Connected{Server(End(shipped))});
        EXPECT_FALSE(rig.start_lsn_);
        rig.Advance(60'000);
        rig.AnswerReads();
        ASSERT_FALSE(rig.finished()) << rig.finish_->sentence;
        EXPECT_EQ(rig.machine_.durable_lsn(), End(shipped));
    }
    rig.Feed(event::Connected{Server(End(6))});
    EXPECT_EQ(rig.start_lsn_, End(6));
    rig.Feed(event::Disconnected{"55006", "slot is active"});
    EXPECT_FALSE(rig.finished());
}

// A sleeper that wakes may hear first that its slot is ahead. It still learns of
// its own put what is there.
TEST(Machine, ReadsTheTailAgainOnlyOnceTheOpenPutIsAnswered)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    Age(&rig);
    ASSERT_TRUE(rig.put_);
    OtherShips(&lake, 2);
    rig.Feed(event::Disconnected{"57P01", "terminating connection"});
    rig.Advance(25'000);
    rig.Feed(event::Connected{Server(End(2))});
    EXPECT_TRUE(rig.disconnected_);
    rig.Advance(60'000);
    EXPECT_FALSE(rig.read_head_ || rig.list_ || rig.read_object_);
    rig.AnswerPut();
    EXPECT_TRUE(rig.saw("adopted"));
    rig.AnswerReads();
    EXPECT_TRUE(rig.saw("tail_found"));
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2)}));
}

TEST(Machine, PutsNothingBehindATailThatVanished)
{
    Rig::Objects lake;
    OtherShips(&lake, 2);
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(3));
    Age(&rig);
    ASSERT_TRUE(rig.put_);
    lake.erase(rig.put_->predecessor);
    const auto before = lake;
    rig.AnswerPut();
    ASSERT_TRUE(rig.finished());
    EXPECT_EQ(rig.finish_->code, ExitCode::kLake);
    EXPECT_NE(rig.finish_->sentence.find("restore every object up to 0/1200"), std::string::npos)
        << rig.finish_->sentence;
    EXPECT_EQ(lake, before);
    EXPECT_LE(rig.max_flushed_, End(2));
}

TEST(Machine, GenesisWrittenByAnotherAtTheSameTimeIsFollowed)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.AnswerReads();
    rig.connect_ = false;
    SourceFacts facts = Server(kOrigin);
    rig.Feed(event::Connected{facts});
    ASSERT_TRUE(rig.put_);
    MachineConfig config = Config();
    config.writer_version = "another";
    Rig other(&lake, config);
    other.Start(facts);
    other.Send(Numbered(1));
    Age(&other);
    other.AnswerPut();
    rig.AnswerPut();
    EXPECT_FALSE(rig.finished());
    rig.Advance(1);
    rig.Start(facts);
    EXPECT_EQ(rig.start_lsn_, End(1));
}

} // namespace
} // namespace wal2lake::test
