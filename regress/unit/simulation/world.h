// Forwarders (the real state machine), servers, and a lake behind a network that
// loses and delays. Carries decisions out one at a time and judges after each.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coverage.h"
#include "decision.h"
#include "fake_lake.h"
#include "fake_server.h"
#include "invariants.h"
#include "machine.h"

namespace wal2lake::simulation
{

class World
{
  public:
    // Both may be null: where to count, and where to tell what happens.
    explicit World(Coverage* coverage = nullptr, std::function<void(const std::string&)> tell = {});

    void Do(const Decision& decision);
    // With the troubles over everything arrives, or, where that would be wrong,
    // is refused.
    void Settle();

    // The first rule that was broken.
    const Verdict& broken() const { return broken_; }
    uint64_t transactions() const { return next_xid_ - 1; }
    size_t objects() const { return chain_.size(); }
    size_t endings() const { return endings_; }

  private:
    enum class Wish : uint8_t { kNone, kConnect, kStart };
    using Request = std::variant<action::ReadHead, action::ListAfter, action::ReadObject, action::PutObject>;

    struct Forwarder {
        Forwarder(int n, MachineConfig config) : number(n), machine(std::move(config)) {}

        int number;
        Machine machine;
        int64_t now_ms = 1'000;
        bool dead = false;

        std::optional<Request> request;
        // Whether the put that was answered last was of a part.
        bool answered_part = false;
        Wish wish = Wish::kNone;
        uint64_t start_lsn = 0;
        // The server it is connected to, and whether that one still is.
        FakeServer* server = nullptr;
        int generation = 0;
        // The one whose facts it was told last, connected or not.
        const FakeServer* judged = nullptr;
        std::optional<Session> session;
        bool half_open = false;
        bool paused = false;
        // It wants to know whether the server stops.
        bool asked = false;
        size_t route = 0;
        unsigned turn = 0;

        StatusBook statuses;
        // What it may end with.
        bool stop_requested = false;
        bool store_forbidden = false;
        bool server_refused = false;
        // The end of a log that it may have known and that is no more.
        uint64_t remembers = 0;
        // Where it is to die.
        std::optional<std::pair<Edge, Side>> doom;

        bool reads() const { return session && !half_open && !paused; }
    };

    // world.cpp: forwarders and their actions.
    Forwarder* Fresh();
    // False where the forwarder is no more.
    bool Feed(Forwarder& forwarder, const Event& event);
    bool Dies(Forwarder& forwarder, Edge edge, Side side);
    void Crash(Forwarder& forwarder, bool slot_stays_busy = false);
    void Break(Rule rule, const std::string& sentence);
    void Judge(const Forwarder& forwarder, Verdict verdict);
    void CheckStep(Forwarder& forwarder, const Event& event, bool asked);
    void CheckEnding(Forwarder& forwarder, const action::Finish& finish);
    bool Tick(Forwarder& forwarder, int64_t ms);
    std::string Situation(const Forwarder& forwarder) const;

    void CarryOut(Forwarder& forwarder, const Action& action);
    void Ask(Forwarder& forwarder, Request request);
    void Leave(Forwarder& forwarder);
    void CheckName(const Forwarder& forwarder, const action::PutObject& put);
    // Neither if its predecessor is not there, nor if the name is taken.
    bool Create(const action::PutObject& put);
    bool Anchored(const action::PutObject& put) const;
    void SweepAway(const Forwarder& forwarder, const action::SweepParts& sweep);
    // May arrive when nobody waits for it any more.
    void Delay(const Forwarder& forwarder, const action::PutObject& put);
    // Whether somebody who runs may know a longer log than there is.
    bool Remembered() const;
    const std::vector<Commit>* HistoryOf(uint32_t timeline) const;
    // Why a forwarder at `server` must not go on; one may remember a longer log.
    std::vector<std::string> WhyNotGoOn(const FakeServer& server, uint64_t remembers = 0) const;
    FakeServer& Primary() { return *servers_.back(); }

    // world_decisions.cpp: what the decisions do.
    void Go(Forwarder& forwarder, uint32_t times);
    void GoOnce(Forwarder& forwarder);
    void Answer(Forwarder& forwarder, const Decision& decision);
    // Carries the open put out; nullopt where the forwarder died over it.
    std::optional<bool> StorePut(Forwarder& forwarder);
    void AnswerTruly(Forwarder& forwarder);
    void AnswerPutWrongly(Forwarder& forwarder, Verb verb);
    void Connect(Forwarder& forwarder);
    void StartSession(Forwarder& forwarder);
    void Refuse(Forwarder& forwarder, const char* sqlstate, const char* text, bool for_good = false);
    void Reject(Forwarder& forwarder, uint32_t which);
    void Cut(Forwarder& forwarder, const char* text);
    void CutReaders(const FakeServer& server, const char* text);
    bool Deliver(Forwarder& forwarder);
    bool Keepalive(Forwarder& forwarder, bool reply_requested);
    void Storm(Forwarder& forwarder, uint32_t a);
    void Flood(Forwarder& forwarder, uint32_t a);
    void Drain(FakeServer& server, bool store_hangs);
    void SpoilHint(uint32_t which);
    void ToForwarder(Forwarder& forwarder, const Decision& decision);
    void Happen(const Decision& decision);
    void Sweep();
    void FailOver(uint32_t lost, bool old_one_stays);
    void Vanish(size_t count, Forwarder* survivor);
    bool Arrived();
    void SettleWith(Forwarder& forwarder);

    Coverage* coverage_;
    std::function<void(const std::string&)> tell_;
    Verdict broken_;
    std::vector<std::unique_ptr<Forwarder>> forwarders_;
    // The last one is the primary.
    std::vector<std::unique_ptr<FakeServer>> servers_;
    FakeLake lake_;
    Chain chain_;
    int started_ = 0;
    uint32_t next_xid_ = 1;
    size_t endings_ = 0;
};

// A schedule in a fresh world, up to the first broken rule.
Verdict RunWorld(const Schedule& schedule, Coverage* coverage = nullptr,
                 const std::function<void(const std::string&)>& tell = {});

} // namespace wal2lake::simulation
