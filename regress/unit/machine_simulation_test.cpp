// The state machine against a server and a store that misbehave at random, from
// printed seeds: crashes of the forwarder at every boundary, lost replies, a
// zombie second forwarder, connections that break, a server that forgets
// acknowledgements. Whatever happens, each transaction is in the chain exactly
// once and in order, and nothing was acknowledged before it was in the lake.
#include <random>

#include "machine_rig.h"

namespace wal2lake
{
namespace
{

using test::Rig;

struct Commit {
    uint32_t xid;
    uint64_t commit_lsn;
    uint64_t end_lsn;
    int batches;
};

// The WAL of a server and its slot.
struct FakeServer {
    std::vector<Commit> wal;
    uint64_t wal_end = 0x1000;
    uint64_t confirmed_flush = 0x1000;
    uint64_t saved_flush = 0x1000;

    void Write(std::mt19937* random)
    {
        const uint64_t start = wal_end + 8 * ((*random)() % 20);
        wal.push_back({static_cast<uint32_t>(wal.size() + 1), start, start + 0x40,
                       static_cast<int>((*random)() % 4) + 1});
        wal_end = start + 0x40;
    }

    // What is acknowledged is gone for good: asking for it again is not possible.
    void Acknowledge(uint64_t flushed) { confirmed_flush = std::max(confirmed_flush, flushed); }

    // A crash may take the confirmed position back to what was saved.
    void Crash() { confirmed_flush = saved_flush; }
};

// A forwarder with its connection. The server sends whole transactions from
// where the slot or the client is, each in its batches.
class Forwarder
{
  public:
    Forwarder(Rig::Objects* lake, FakeServer* server, uint32_t seed) : server_(server)
    {
        MachineConfig config = test::Config();
        config.max_size = 1'500;
        config.memory_budget = 12'000;
        config.max_age_ms = 500;
        config.idle_age_ms = 2'000;
        config.seed = seed;
        rig_ = std::make_unique<Rig>(lake, config);
    }

    Rig& rig() { return *rig_; }

    void Connect()
    {
        rig_->AnswerReads();
        if (!rig_->connect_)
            return;
        rig_->connect_ = false;
        SourceFacts facts = test::Server(server_->confirmed_flush);
        facts.wal_flush_lsn = server_->wal_end;
        rig_->Feed(event::Connected{facts});
    }

    void StartStreaming()
    {
        if (!rig_->start_lsn_ || streaming_ || zombie_)
            return;
        const uint64_t from = std::max(*rig_->start_lsn_, server_->confirmed_flush);
        next_ = 0;
        batch_ = 0;
        announced_ = false;
        while (next_ < server_->wal.size() && server_->wal[next_].commit_lsn < from)
            next_++;
        streaming_ = true;
        rig_->Feed(event::Streaming{});
    }

    void SendBatch()
    {
        if (!streaming_ || rig_->paused_)
            return;
        if (next_ == server_->wal.size()) {
            rig_->Feed(event::Keepalive{server_->wal_end, false});
            return;
        }
        const Commit& commit = server_->wal[next_];
        const bool last = ++batch_ == commit.batches;
        v1::Batch batch = test::Committed(commit.xid, commit.commit_lsn, commit.end_lsn, last);
        if (!announced_)
            test::AddRelation(&batch, 1, "users");
        announced_ = true;
        for (int i = 0; i < 5; i++)
            test::AddInsert(&batch, static_cast<uint64_t>(batch_ * 10 + i), 1, commit.xid * 7919 + i);
        if (last) {
            next_++;
            batch_ = 0;
        }
        rig_->Send(test::Message(batch));
    }

    void TakeStatus()
    {
        if (rig_->disconnected_)
            streaming_ = zombie_ = false;
        if (rig_->status_ && streaming_)
            server_->Acknowledge(rig_->status_->flushed_lsn);
    }

    void Break()
    {
        if (!streaming_ && !zombie_)
            return;
        streaming_ = false;
        zombie_ = false;
        rig_->start_lsn_.reset();
        rig_->Feed(event::Disconnected{"", "connection reset"});
    }

    // The server has given up on the connection, which is free for another; the
    // forwarder goes on with what it has buffered.
    void LoseUnnoticed()
    {
        zombie_ = zombie_ || streaming_;
        streaming_ = false;
    }

    bool streaming() const { return streaming_; }

  private:
    FakeServer* server_;
    std::unique_ptr<Rig> rig_;
    bool streaming_ = false;
    bool zombie_ = false;
    size_t next_ = 0;
    int batch_ = 0;
    bool announced_ = false;
};

class Simulation
{
  public:
    explicit Simulation(uint32_t seed) : random_(seed), seed_(seed) { forwarders_.push_back(Fresh()); }

    void Run(int steps)
    {
        for (int i = 0; i < steps && !testing::Test::HasFailure(); i++) {
            Step(forwarders_[random_() % forwarders_.size()].get());
            Check();
        }
        if (testing::Test::HasFailure())
            return;
        Settle();
    }

  private:
    std::unique_ptr<Forwarder> Fresh()
    {
        return std::make_unique<Forwarder>(&lake_, &server_,
                                           seed_ * 1000 + static_cast<uint32_t>(started_++));
    }

    void Step(Forwarder* forwarder)
    {
        Rig& rig = forwarder->rig();
        switch (random_() % 24) {
        case 0:
        case 1:
        case 2:
            server_.Write(&random_);
            break;
        case 3:
        case 4:
            rig.Advance(static_cast<int64_t>(random_() % 800));
            break;
        case 5:
        case 6:
            forwarder->Connect();
            break;
        case 7:
            ConnectOnly(forwarder);
            break;
        case 8:
        case 9:
            if (rig.put_)
                rig.AnswerPut();
            break;
        case 10:
            // The object is there, the reply is not.
            if (rig.put_) {
                rig.StorePut();
                rig.put_.reset();
                rig.Feed(event::PutFailed{{ErrorKind::kRetryable, "timeout"}});
            }
            break;
        case 11:
            if (rig.put_) {
                rig.put_.reset();
                rig.Feed(event::PutFailed{{ErrorKind::kRetryable, "no space"}});
            }
            break;
        case 12:
            forwarder->Break();
            break;
        case 13:
            Crash(forwarder);
            return;
        case 17:
            forwarder->LoseUnnoticed();
            break;
        case 14:
            server_.saved_flush = server_.confirmed_flush;
            break;
        case 15:
            // Immediate restart of the server: connections break, acks are lost.
            server_.Crash();
            for (auto& each : forwarders_)
                each->Break();
            break;
        case 16:
            rig.AnswerReads();
            break;
        default:
            forwarder->SendBatch();
        }
        forwarder->TakeStatus();
    }

    // One connection to the slot at a time.
    void ConnectOnly(Forwarder* forwarder)
    {
        for (auto& each : forwarders_)
            if (each.get() != forwarder && each->streaming())
                return;
        forwarder->StartStreaming();
    }

    void Crash(Forwarder* forwarder)
    {
        if (random_() % 3 != 0)
            return;
        // With its put carried out or not, as it happens.
        if (forwarder->rig().put_ && random_() % 2 == 0)
            forwarder->rig().StorePut();
        for (auto& each : forwarders_)
            if (each.get() == forwarder)
                each = Fresh();
        if (forwarders_.size() < 2 && random_() % 2 == 0)
            forwarders_.push_back(Fresh());
    }

    void Check()
    {
        for (auto& each : forwarders_)
            if (each->rig().finished())
                ADD_FAILURE() << "seed " << seed_ << ": " << each->rig().finish_->sentence;
        uint64_t end = 0;
        for (const auto& [name, bytes] : lake_) {
            const auto parsed = ParseSegmentName(name);
            if (parsed && parsed->start_lsn >= end)
                end = EndOf(name, bytes);
        }
        EXPECT_LE(server_.confirmed_flush, std::max<uint64_t>(end, 0x1000))
            << "seed " << seed_ << ": acknowledged before it was in the lake";
    }

    uint64_t EndOf(const std::string& name, const std::string& bytes)
    {
        const auto known = ends_.find(name);
        if (known != ends_.end())
            return known->second;
        const auto facts = CheckSegment(bytes);
        EXPECT_TRUE(facts.ok()) << name;
        return ends_[name] = facts.ok() ? facts.value().footer.end_lsn() : 0;
    }

    // With the troubles over, everything arrives.
    void Settle()
    {
        forwarders_.resize(1);
        forwarders_[0] = Fresh();
        Forwarder* forwarder = forwarders_[0].get();
        for (int i = 0; i < 20'000 && forwarder->rig().machine_.durable_lsn() < server_.wal_end; i++) {
            forwarder->Connect();
            if (forwarder->rig().put_)
                forwarder->rig().AnswerPut();
            forwarder->StartStreaming();
            forwarder->SendBatch();
            forwarder->rig().Advance(50);
            forwarder->TakeStatus();
        }
        std::vector<uint64_t> expected;
        for (const Commit& commit : server_.wal)
            expected.push_back(commit.end_lsn);
        EXPECT_EQ(forwarder->rig().Shipped(), expected) << "seed " << seed_;
        EXPECT_EQ(forwarder->rig().machine_.durable_lsn(), server_.wal_end) << "seed " << seed_;
    }

    std::mt19937 random_;
    uint32_t seed_;
    int started_ = 0;
    Rig::Objects lake_;
    std::map<std::string, uint64_t> ends_;
    FakeServer server_;
    std::vector<std::unique_ptr<Forwarder>> forwarders_;
};

TEST(MachineSimulation, EveryTransactionIsShippedOnceWhateverHappens)
{
    for (uint32_t seed = 1; seed <= 300 && !HasFailure(); seed++)
        Simulation(seed).Run(600);
}

} // namespace
} // namespace wal2lake
