// Servers, slots and logs that do not belong together, and errors of the server.
#include <functional>

#include "machine_rig.h"

namespace wal2lake::test
{
namespace
{

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

// What a role that pulls is told: nothing that it cannot do.
TEST(Machine, SaysHowToPull)
{
    FenceNames names{"cell1.main", "wal2lake", "file:///lake", true};
    const auto says = [&names](const char* sqlstate, const char* text, RefusalKind kind, const char* words) {
        const auto refusal = ClassifySourceError(names, sqlstate, text);
        ASSERT_TRUE(refusal) << sqlstate;
        EXPECT_EQ(refusal->kind, kind) << sqlstate;
        EXPECT_NE(refusal->sentence.find(words), std::string::npos) << refusal->sentence;
        EXPECT_EQ(refusal->sentence.find("slot create"), std::string::npos) << refusal->sentence;
        EXPECT_EQ(refusal->sentence.find("ALTER ROLE"), std::string::npos) << refusal->sentence;
    };
    const char* const make = "SELECT wal2lake.create_pull_source('wal2lake', 'the role');";
    says("3F000", "schema \"wal2lake_pull_wal2lake\" does not exist", RefusalKind::kPassing, make);
    says("42883", "function peek does not exist", RefusalKind::kPassing, make);
    says("42501", "permission denied for function peek", RefusalKind::kPassing, make);
    says("42501", "access to output plugin is not allowed by output_plugin_libraries", RefusalKind::kPassing,
         "add wal2lake to output_plugin_libraries");
    says("53400", "temporary file size exceeds temp_file_limit (64kB)", RefusalKind::kPassing,
         "mode = \"stream\"");
    says("42704", "replication slot \"wal2lake\" does not exist", RefusalKind::kSlotGone,
         "pg_create_logical_replication_slot");
    says("W2L02", "the slot belongs to another plugin", RefusalKind::kSlotGone, "new source id");
    // A slot that was moved is compared with the lake first.
    EXPECT_FALSE(ClassifySourceError(names, "W2L01", "the slot stands at 0/2"));
    EXPECT_FALSE(ClassifySourceError(names, "55006", "slot is active"));
    names.pull = false;
    EXPECT_NE(ClassifySourceError(names, "42501", "must be replication role")->sentence.find("ALTER ROLE"),
              std::string::npos);
    EXPECT_FALSE(ClassifySourceError(names, "53400", "temporary file size exceeds temp_file_limit (64kB)"));
}

} // namespace
} // namespace wal2lake::test
