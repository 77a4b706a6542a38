#include "machine.h"

#include "machine_rig.h"

namespace wal2lake
{
namespace
{

using test::Config;
using test::Rig;
using test::Server;
using test::Transaction;

using Lsns = std::vector<uint64_t>;

constexpr uint64_t kOrigin = 0x1000;

// The transaction that ends at 0x1000 + 0x100 * number.
std::string Numbered(uint32_t number, bool announce = true)
{
    return Transaction(number, kOrigin + 0x100 * number - 0x40, kOrigin + 0x100 * number, announce);
}

uint64_t End(uint32_t number)
{
    return kOrigin + 0x100 * number;
}

// A batch of a transaction whose last one has not come.
std::string Opening(uint32_t number)
{
    v1::Batch batch = test::Committed(number, End(number) - 0x40, End(number), false);
    test::AddRelation(&batch, 1, "users");
    test::AddInsert(&batch, 1, 1, number);
    return test::Message(batch);
}

// Seals what is buffered by age.
void Age(Rig* rig)
{
    rig->Advance(Config().max_age_ms);
}

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

TEST(Machine, ALargeTransactionIsOneSegment)
{
    Rig::Objects lake;
    MachineConfig config = Config();
    config.max_size = 2'000;
    config.memory_budget = 8'000;
    Rig rig(&lake, config);
    rig.Start(Server(kOrigin));
    for (int i = 0; i < 200; i++) {
        rig.Send(Opening(1));
        EXPECT_FALSE(rig.put_);
        EXPECT_FALSE(rig.paused_);
    }
    EXPECT_EQ(rig.events_.count("large_transaction"), 1U);
    rig.Send(test::Message(test::Committed(1, End(1) - 0x40, End(1))));
    ASSERT_TRUE(rig.put_);
    rig.AnswerPut();
    EXPECT_EQ(rig.Shipped(), (Lsns{End(1)}));
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

// Two forwarders, both at genesis; `other` has shipped transactions 1 to `to`.
void OtherShips(Rig::Objects* lake, uint32_t to)
{
    Rig other(lake);
    other.Start(Server(kOrigin));
    for (uint32_t i = 1; i <= to; i++)
        other.Send(Numbered(i, i == 1));
    Age(&other);
    other.AnswerPut();
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

TEST(Machine, RefusesADamagedTail)
{
    Rig::Objects lake;
    OtherShips(&lake, 1);
    lake["cell1.main/log/00000001/0000000000001000.w2l"][60] ^= 1;
    Rig rig(&lake);
    rig.AnswerReads();
    ASSERT_TRUE(rig.finished());
    EXPECT_EQ(rig.finish_->code, ExitCode::kLake);
    EXPECT_NE(rig.finish_->sentence.find("0000000000001000.w2l is damaged: offset "), std::string::npos)
        << rig.finish_->sentence;
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

// What the machine says to a server that does not fit, after one shipped segment.
action::Finish Refused(const std::function<void(SourceFacts*)>& change, bool with_log = true)
{
    Rig::Objects lake;
    if (with_log)
        OtherShips(&lake, 1);
    Rig rig(&lake);
    SourceFacts facts = Server(with_log ? End(1) : kOrigin);
    change(&facts);
    rig.Start(facts);
    EXPECT_TRUE(rig.finished());
    EXPECT_FALSE(rig.start_lsn_);
    return rig.finish_.value_or(action::Finish{});
}

TEST(Machine, FencesTheServerAtConnect)
{
    struct Case {
        std::function<void(SourceFacts*)> change;
        ExitCode code;
        const char* words;
    };
    const Case cases[] = {
        {[](SourceFacts* f) { f->system_id = 1; }, ExitCode::kLake, "another server"},
        {[](SourceFacts* f) { f->database_oid = 5; }, ExitCode::kLake, "from database"},
        {[](SourceFacts* f) { f->timeline = 2; }, ExitCode::kLake, "after a failover"},
        {[](SourceFacts* f) { f->timeline = 0; }, ExitCode::kLake, "not the primary any more"},
        {[](SourceFacts* f) { f->slot.confirmed_flush_lsn = End(2); }, ExitCode::kLake, "0/1100..0/1200"},
        {[](SourceFacts* f) { f->wal_flush_lsn = End(1) - 1; }, ExitCode::kLake, "set back"},
        {[](SourceFacts* f) { f->slot.wal_status = "lost"; }, ExitCode::kSource, "removed WAL"},
        {[](SourceFacts* f) { f->slot.exists = false; }, ExitCode::kSource, "does not exist"},
        {[](SourceFacts* f) { f->slot.plugin = "pgoutput"; }, ExitCode::kSource, "plugin \"pgoutput\""},
        {[](SourceFacts* f) { f->slot.type = "physical"; }, ExitCode::kSource, "physical"},
        {[](SourceFacts* f) { f->slot.database = "other"; }, ExitCode::kSource, "dbname=other"},
        {[](SourceFacts* f) { f->slot.two_phase = true; }, ExitCode::kSource, "TWO_PHASE"},
    };
    for (const Case& refused : cases) {
        const action::Finish finish = Refused(refused.change);
        EXPECT_EQ(finish.code, refused.code) << finish.sentence;
        EXPECT_NE(finish.sentence.find(refused.words), std::string::npos) << finish.sentence;
    }
}

TEST(Machine, RefusesAUsedSlotWithoutALog)
{
    const auto finish = Refused([](SourceFacts* facts) { facts->slot.total_txns = 3; }, false);
    EXPECT_EQ(finish.code, ExitCode::kLake);
    EXPECT_NE(finish.sentence.find("wal2lake slot create"), std::string::npos) << finish.sentence;
}

TEST(Machine, RefusesTheLogOfAnotherSlotOrSource)
{
    Rig::Objects lake;
    OtherShips(&lake, 1);
    MachineConfig config = Config();
    config.names.slot = "other";
    Rig slot(&lake, config);
    slot.AnswerReads();
    ASSERT_TRUE(slot.finished());
    EXPECT_NE(slot.finish_->sentence.find("read from slot \"wal2lake\", not \"other\""), std::string::npos);

    Rig::Objects moved;
    for (const auto& [name, bytes] : lake)
        moved["b" + name.substr(name.find('/'))] = bytes;
    config = Config();
    config.names.source = "b";
    Rig source(&moved, config);
    source.AnswerReads();
    ASSERT_TRUE(source.finished());
    EXPECT_EQ(source.finish_->code, ExitCode::kLake);
    EXPECT_NE(source.finish_->sentence.find("belongs to source \"cell1.main\""), std::string::npos);
}

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

TEST(Machine, SortsServerErrorsIntoFatalAndPassing)
{
    struct Case {
        const char* sqlstate;
        const char* text;
        bool fatal;
    };
    for (const Case& error : {Case{"", "connection refused", false}, Case{"55006", "slot is active", false},
                              Case{"57P01", "terminating", false}, Case{"57P03", "starting up", false},
                              Case{"53300", "too many connections", false}, Case{"08006", "gone", false},
                              Case{"42501", "output plugin \"wal2lake\" is not allowed", true},
                              Case{"42704", "slot does not exist", true}, Case{"28P01", "password", true},
                              Case{"28000", "no pg_hba.conf entry", true}, Case{"3D000", "no database", true},
                              Case{"58P01", "could not access file", true},
                              Case{"55000", "wal2lake_policy must be preloaded", true},
                              Case{"22023", "unrecognized option", true}}) {
        Rig::Objects lake;
        Rig rig(&lake);
        rig.AnswerReads();
        rig.connect_ = false;
        rig.Feed(event::Disconnected{error.sqlstate, error.text});
        EXPECT_EQ(rig.finished(), error.fatal) << error.sqlstate;
        if (rig.finished()) {
            EXPECT_EQ(rig.finish_->code, ExitCode::kSource);
            EXPECT_NE(rig.finish_->sentence.find(error.text), std::string::npos);
        } else {
            EXPECT_TRUE(rig.saw("reconnect"));
            rig.Advance(25'000);
            EXPECT_TRUE(rig.connect_);
        }
    }
}

// Once it was served, a refusal that a reload or a grant lifts is no reason to
// end: nothing is lost, and nobody has to start us again.
TEST(Machine, WaitsOutWhatTheServerCanTakeBack)
{
    for (const char* sqlstate : {"42501", "28P01", "28000", "58P01"}) {
        Rig::Objects lake;
        Rig rig(&lake);
        rig.Start(Server(kOrigin));
        for (int i = 0; i < 20; i++) {
            rig.Feed(
                event::Disconnected{sqlstate, "library \"wal2lake\" may not be used as an output plugin"});
            ASSERT_FALSE(rig.finished()) << sqlstate;
            rig.connect_ = false;
            rig.Advance(20'000);
            ASSERT_TRUE(rig.connect_);
        }
        EXPECT_EQ(rig.events_.count("refused"), 20U);
        const LogEntry& line = rig.events_.find("refused")->second;
        EXPECT_EQ(line.level, LogLevel::kError);
        EXPECT_NE(line.text.find("may not be used as an output plugin; "), std::string::npos) << line.text;
        rig.Feed(event::Connected{Server(kOrigin)});
        rig.Feed(event::Streaming{});
        rig.Send(Numbered(1));
        Age(&rig);
        rig.AnswerPut();
        EXPECT_EQ(rig.Shipped(), Lsns{End(1)});
    }
    for (const char* sqlstate : {"3D000", "55000", "22023"}) {
        Rig::Objects lake;
        Rig rig(&lake);
        rig.Start(Server(kOrigin));
        rig.Feed(event::Disconnected{sqlstate, "no"});
        EXPECT_TRUE(rig.finished()) << sqlstate;
    }
}

// A slot that is gone or was made anew: the server will not send again what we
// hold, so it goes into the lake before we leave.
TEST(Machine, ShipsWhatItHoldsBeforeItLeavesALostSlot)
{
    SourceFacts dropped = Server(kOrigin);
    dropped.slot = SlotFacts{};
    SourceFacts lost = Server(kOrigin);
    lost.slot.wal_status = "lost";
    const SourceFacts anew = Server(End(9));
    struct Case {
        SourceFacts facts;
        ExitCode code;
        const char* words;
    };
    for (const Case& now :
         {Case{dropped, ExitCode::kSource, "does not exist any more"},
          Case{lost, ExitCode::kSource, "removed WAL"}, Case{anew, ExitCode::kLake, "0/1200..0/1900"}}) {
        Rig::Objects lake;
        Rig rig(&lake);
        rig.Start(Server(kOrigin));
        rig.Send(Numbered(1));
        Age(&rig);
        rig.Send(Numbered(2, false));
        rig.Feed(event::Disconnected{"57P01", "terminating connection"});
        const auto connect = [&] {
            rig.Advance(25'000);
            rig.AnswerReads();
            if (std::exchange(rig.connect_, false))
                rig.Feed(event::Connected{now.facts});
            rig.AnswerReads();
        };
        for (int i = 0; i < 3; i++)
            connect();
        ASSERT_FALSE(rig.finished());
        for (int i = 0; i < 3 && !rig.finished(); i++) {
            while (rig.put_)
                rig.AnswerPut();
            connect();
        }
        EXPECT_EQ(rig.Shipped(), (Lsns{End(1), End(2)}));
        ASSERT_TRUE(rig.finished());
        EXPECT_EQ(rig.finish_->code, now.code);
        EXPECT_NE(rig.finish_->sentence.find(now.words), std::string::npos) << rig.finish_->sentence;
    }
}

// What another server sent is no part of this log's history any more.
TEST(Machine, ShipsNothingBeforeItLeavesAnotherServer)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    rig.Feed(event::Disconnected{"57P01", "terminating connection"});
    rig.Advance(25'000);
    SourceFacts other = Server(kOrigin);
    other.timeline = 2;
    rig.Feed(event::Connected{other});
    ASSERT_TRUE(rig.finished());
    EXPECT_NE(rig.finish_->sentence.find("after a failover"), std::string::npos) << rig.finish_->sentence;
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
        EXPECT_LE(wait, 20'000);
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

TEST(Machine, AStoreThatMayNotBeWrittenEndsIt)
{
    Rig::Objects lake;
    Rig rig(&lake);
    rig.Start(Server(kOrigin));
    rig.Send(Numbered(1));
    Age(&rig);
    rig.put_.reset();
    rig.Feed(event::PutFailed{{ErrorKind::kPermanent, "cannot create /lake/x: Permission denied"}});
    ASSERT_TRUE(rig.finished());
    EXPECT_EQ(rig.finish_->code, ExitCode::kStore);
    EXPECT_TRUE(rig.disconnected_);
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
} // namespace wal2lake
