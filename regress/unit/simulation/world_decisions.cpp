// What each decision does to the world.
#include <algorithm>

#include "../machine_defaults.h"
#include "chain.h"
#include "lsn.h"
#include "world.h"

namespace wal2lake::simulation
{
namespace
{

constexpr size_t kMostForwarders = 3;
constexpr uint64_t kIdleWal = uint64_t{1} << 30;
constexpr int64_t kLongestWaitMs = 10'000;
constexpr int kSettleSteps = 5'000;
// Five seconds are what a server's fast shutdown may be held up.
constexpr int kDrainRounds = 50;
constexpr int64_t kDrainRoundMs = 100;

struct ServerError {
    const char* sqlstate;
    const char* text;
};
constexpr ServerError kPassing[] = {{"", "connection refused"},
                                    {"55006", "replication slot is active for PID 1"},
                                    {"57P03", "the database system is starting up"},
                                    {"53300", "too many connections"},
                                    {"XX000", "could not decode"}};
constexpr ServerError kLasting = {"42501", "output plugin \"wal2lake\" is not allowed"};

Error Failure(bool for_good)
{
    return for_good ? Error{ErrorKind::kPermanent, "permission denied"}
                    : Error{ErrorKind::kRetryable, "timeout"};
}

} // namespace

void World::Do(const Decision& decision)
{
    if (broken_)
        return;
    Forwarder& forwarder = *forwarders_[decision.who % forwarders_.size()];
    ToForwarder(forwarder, decision);
    if (!broken_)
        Happen(decision);
    Sweep();
}

// There is always a forwarder: whoever runs them starts another.
void World::Sweep()
{
    std::erase_if(forwarders_, [](const auto& forwarder) { return forwarder->dead; });
    if (forwarders_.empty() && !broken_)
        Fresh();
}

void World::ToForwarder(Forwarder& forwarder, const Decision& decision)
{
    const uint32_t a = decision.a;
    switch (decision.verb) {
    case Verb::kGo:
        return Go(forwarder, a + 1);
    case Verb::kTick:
        Tick(forwarder, a * 3);
        return;
    case Verb::kDeadline:
        Tick(forwarder, std::max<int64_t>(0, forwarder.machine.deadline_ms() - forwarder.now_ms));
        return;
    case Verb::kMessages:
        for (uint32_t i = 0; i <= a % 6 && !forwarder.dead; i++)
            Deliver(forwarder);
        return;
    case Verb::kKeepalive:
        Keepalive(forwarder, a % 2 == 1);
        return;
    case Verb::kStorm:
        return Storm(forwarder, a);
    case Verb::kFlood:
        return Flood(forwarder, a);
    case Verb::kConnect:
        return Connect(forwarder);
    case Verb::kReject:
        return Reject(forwarder, a);
    case Verb::kCut:
        return Cut(forwarder, "connection reset");
    case Verb::kHalfOpen:
        if (forwarder.session && !forwarder.half_open) {
            forwarder.half_open = true;
            forwarder.server->reader = 0;
        }
        return;
    case Verb::kUnstaged:
        if (forwarder.reads())
            Feed(forwarder, event::StageFailed{{ErrorKind::kRetryable, "stage.directory /stage: full"}});
        return;
    case Verb::kAnswer:
    case Verb::kLose:
    case Verb::kRefuse:
    case Verb::kDelay:
    case Verb::kForbid:
    case Verb::kShort:
        return Answer(forwarder, decision);
    case Verb::kCrash:
        return Crash(forwarder, a % 2 == 1);
    case Verb::kCrashAt:
        forwarder.doom = {static_cast<Edge>(a % static_cast<uint32_t>(Edge::kCount)),
                          decision.b % 2 == 0 ? Side::kBefore : Side::kAfter};
        return;
    case Verb::kStop:
        forwarder.stop_requested = true;
        Feed(forwarder, event::StopRequested{});
        return;
    case Verb::kRoute:
        forwarder.route = a % servers_.size();
        return;
    default:
        return;
    }
}

void World::Happen(const Decision& decision)
{
    FakeServer& server = *servers_[decision.who % servers_.size()];
    const uint32_t a = decision.a;
    switch (decision.verb) {
    case Verb::kWrite:
        return server.Write(next_xid_++, uint64_t{8} * (a % 20),
                            decision.b % 64 >= 61 ? 40 : 1 + decision.b % 4);
    case Verb::kGrow:
        return server.Grow(a % 50 == 49 ? kIdleWal : 0x10 + 0x100 * (a % 50));
    case Verb::kSave:
        server.saved = server.confirmed;
        return;
    case Verb::kRestart:
        server.Restart();
        return CutReaders(server, "terminating connection because of crash of another server process");
    case Verb::kDrain:
        return Drain(server, a % 2 == 1);
    case Verb::kLand:
        if (!lake_.late.empty()) {
            const size_t which = a % lake_.late.size();
            const action::PutObject put = lake_.late[which];
            lake_.late.erase(lake_.late.begin() + static_cast<std::ptrdiff_t>(which));
            Create(put);
        }
        return;
    case Verb::kHint:
        return SpoilHint(a);
    case Verb::kSpawn:
        // A name does not tell what is in the object: whoever knows a longer log
        // would take another one's objects for those that it knew.
        if (forwarders_.size() < kMostForwarders && !Remembered())
            Fresh();
        return;
    case Verb::kFailover:
        return FailOver(a % 4, decision.b % 2 == 1);
    case Verb::kSteal:
        CutReaders(server, "terminating connection due to administrator command");
        if (server.confirmed < server.wal_end)
            server.total_txns++;
        server.confirmed = server.saved = server.wal_end;
        return;
    case Verb::kRecreate:
        CutReaders(server, "terminating connection due to administrator command");
        return server.RecreateSlot();
    case Verb::kDropSlot:
    case Verb::kLoseSlot:
        CutReaders(server, "terminating connection due to administrator command");
        (decision.verb == Verb::kDropSlot ? server.slot_exists : server.slot_lost) =
            decision.verb == Verb::kLoseSlot;
        return;
    case Verb::kSetBack:
        server.SetBack(1 + a % 4);
        return CutReaders(server, "server closed the connection unexpectedly");
    case Verb::kIntrude:
        if (chain_.exists() && chain_.foreign() == Foreign::kNone && !Remembered()) {
            std::string name;
            auto bytes = chain_.MakeForeign(static_cast<Foreign>(1 + a % 4), &name);
            lake_.Put(name, std::make_shared<const std::string>(std::move(bytes)));
        }
        return;
    case Verb::kVanish:
        // Whoever has compared slot and lake and is about to start would not see that
        // both have moved since, and the lake back again: a known limit.
        if (std::any_of(forwarders_.begin(), forwarders_.end(), [](const auto& each) {
                return !each->dead && each->wish == Wish::kStart && each->server->confirmed > each->start_lsn;
            }))
            return;
        return Vanish(1 + a % 3,
                      decision.b % 2 == 1 ? forwarders_[decision.who % forwarders_.size()].get() : nullptr);
    default:
        return;
    }
}

void World::Go(Forwarder& forwarder, uint32_t times)
{
    for (uint32_t i = 0; i < times && !forwarder.dead && !broken_; i++)
        GoOnce(forwarder);
}

void World::GoOnce(Forwarder& forwarder)
{
    forwarder.turn++;
    const bool store_is_slow = forwarder.turn % 3 != 0;
    if (forwarder.request && !store_is_slow)
        return AnswerTruly(forwarder);
    if (forwarder.wish != Wish::kNone)
        return Connect(forwarder);
    // A broken connection is noticed in the end.
    if (forwarder.half_open && forwarder.turn % 16 == 0)
        return Cut(forwarder, "connection timed out");
    if (forwarder.reads()) {
        if (Deliver(forwarder))
            return;
        if (forwarder.session->keepalive_lsn() < forwarder.session->server()->wal_end) {
            Keepalive(forwarder, false);
            return;
        }
    }
    const bool link_is_down = forwarder.server == nullptr;
    if (forwarder.request && (!link_is_down || forwarder.turn % 2 == 0))
        AnswerTruly(forwarder);
    else
        Tick(forwarder,
             std::clamp<int64_t>(forwarder.machine.deadline_ms() - forwarder.now_ms, 1, kLongestWaitMs));
}

std::optional<bool> World::StorePut(Forwarder& forwarder)
{
    const action::PutObject put = std::get<action::PutObject>(*forwarder.request);
    if (Dies(forwarder, Edge::kPutStored, Side::kBefore))
        return std::nullopt;
    forwarder.request.reset();
    forwarder.answered_part = ParsePartName(put.name).has_value();
    const bool created = Create(put);
    if (broken_ || Dies(forwarder, Edge::kPutStored, Side::kAfter) ||
        Dies(forwarder, Edge::kReply, Side::kBefore))
        return std::nullopt;
    return created;
}

void World::AnswerTruly(Forwarder& forwarder)
{
    if (std::holds_alternative<action::PutObject>(*forwarder.request)) {
        if (!Anchored(std::get<action::PutObject>(*forwarder.request))) {
            forwarder.request.reset();
            Feed(forwarder, event::PredecessorGone{});
            return;
        }
        const auto created = StorePut(forwarder);
        if (created)
            Feed(forwarder, *created ? Event(event::PutDone{}) : Event(event::PutExists{}));
        return;
    }
    const Request request = std::move(*forwarder.request);
    forwarder.request.reset();
    if (const auto* head = std::get_if<action::ReadHead>(&request))
        Feed(forwarder, event::HeadRead{lake_.ReadHint(head->name)});
    else if (const auto* list = std::get_if<action::ListAfter>(&request))
        Feed(forwarder, event::Listed{lake_.List(list->prefix, list->after, list->limit)});
    else
        Feed(forwarder, event::ObjectRead{lake_.Read(std::get<action::ReadObject>(request).name)});
}

void World::AnswerPutWrongly(Forwarder& forwarder, Verb verb)
{
    if (verb == Verb::kLose) {
        if (!StorePut(forwarder))
            return;
    } else if (verb == Verb::kDelay) {
        Delay(forwarder, std::get<action::PutObject>(*forwarder.request));
    }
    if (forwarder.request) {
        forwarder.answered_part =
            ParsePartName(std::get<action::PutObject>(*forwarder.request).name).has_value();
        forwarder.request.reset();
    }
    Feed(forwarder, event::PutFailed{Failure(verb == Verb::kForbid)});
}

void World::Answer(Forwarder& forwarder, const Decision& decision)
{
    if (!forwarder.request)
        return;
    const auto* list = std::get_if<action::ListAfter>(&*forwarder.request);
    if (decision.verb == Verb::kAnswer || (decision.verb == Verb::kShort && list == nullptr))
        return AnswerTruly(forwarder);
    const bool for_good = decision.verb == Verb::kForbid;
    forwarder.store_forbidden = forwarder.store_forbidden || for_good;
    if (std::holds_alternative<action::PutObject>(*forwarder.request))
        return AnswerPutWrongly(forwarder, decision.verb);
    if (decision.verb == Verb::kShort) {
        const action::ListAfter asked = *list;
        forwarder.request.reset();
        Feed(forwarder, event::Listed{lake_.List(asked.prefix, asked.after, 1 + decision.a % 3)});
        return;
    }
    const size_t kind = forwarder.request->index();
    forwarder.request.reset();
    if (kind == 0)
        Feed(forwarder, event::HeadRead{});
    else if (kind == 1)
        Feed(forwarder, event::Listed{Failure(for_good)});
    else
        Feed(forwarder, event::ObjectRead{Failure(for_good)});
}

void World::Connect(Forwarder& forwarder)
{
    if (forwarder.wish == Wish::kStart)
        return StartSession(forwarder);
    if (forwarder.wish != Wish::kConnect)
        return;
    FakeServer* server = servers_[forwarder.route].get();
    if (server->down)
        return Refuse(forwarder, "", "connection refused");
    forwarder.wish = Wish::kNone;
    forwarder.server = server;
    forwarder.judged = server;
    forwarder.generation = server->generation;
    Feed(forwarder, event::Connected{server->Facts()});
}

void World::StartSession(Forwarder& forwarder)
{
    FakeServer* server = forwarder.server;
    if (server->down || server->generation != forwarder.generation)
        return Refuse(forwarder, "", "server closed the connection unexpectedly");
    if (!server->slot_exists)
        return Refuse(forwarder, "42704", "replication slot does not exist", true);
    if (server->slot_lost)
        return Refuse(forwarder, "55000", "cannot read from logical replication slot", true);
    if (server->reader != 0 && server->reader != forwarder.number) {
        // A process that is no more is missed in the end.
        if (std::none_of(forwarders_.begin(), forwarders_.end(),
                         [&](const auto& other) { return other->number == server->reader && !other->dead; }))
            server->reader = 0;
        return Refuse(forwarder, "55006", "replication slot is active for PID 1");
    }
    server->reader = forwarder.number;
    forwarder.wish = Wish::kNone;
    forwarder.session.emplace(server, forwarder.start_lsn);
    forwarder.statuses.Begin(forwarder.now_ms);
    Feed(forwarder, event::Streaming{});
}

void World::Refuse(Forwarder& forwarder, const char* sqlstate, const char* text, bool for_good)
{
    forwarder.server_refused = forwarder.server_refused || for_good;
    Leave(forwarder);
    Feed(forwarder, event::Disconnected{sqlstate, text});
}

void World::Reject(Forwarder& forwarder, uint32_t which)
{
    if (forwarder.wish == Wish::kNone)
        return;
    const bool for_good = which % 50 == 49;
    const ServerError& error = for_good ? kLasting : kPassing[which % std::size(kPassing)];
    Refuse(forwarder, error.sqlstate, error.text, for_good);
}

void World::Cut(Forwarder& forwarder, const char* text)
{
    if (forwarder.server != nullptr)
        Refuse(forwarder, "", text);
}

// Those that the server knows of; the others find out by themselves.
void World::CutReaders(const FakeServer& server, const char* text)
{
    for (auto& forwarder : forwarders_)
        if (!forwarder->dead && forwarder->server == &server && !forwarder->half_open)
            Cut(*forwarder, text);
}

bool World::Deliver(Forwarder& forwarder)
{
    if (!forwarder.reads() || !forwarder.session->has_message())
        return false;
    if (Dies(forwarder, Edge::kReceive, Side::kBefore))
        return true;
    const std::string message = forwarder.session->NextMessage();
    if (Feed(forwarder, event::Message{message}))
        Dies(forwarder, Edge::kReceive, Side::kAfter);
    return true;
}

bool World::Keepalive(Forwarder& forwarder, bool reply_requested)
{
    return forwarder.reads() &&
           Feed(forwarder, event::Keepalive{forwarder.session->Keepalive(), reply_requested});
}

void World::Storm(Forwarder& forwarder, uint32_t a)
{
    for (int i = 0; i < 60 && !forwarder.dead && Keepalive(forwarder, true); i++)
        Tick(forwarder, 1 + a % 30);
}

void World::Flood(Forwarder& forwarder, uint32_t a)
{
    if (!forwarder.reads())
        return;
    for (uint32_t i = 0; i < 30 + a % 30; i++)
        forwarder.server->Write(next_xid_++, 0, 4 + i % 8);
    while (!forwarder.dead && !broken_ && Deliver(forwarder)) {
    }
}

// A fast shutdown: sends what there is, then asks until all is acknowledged.
void World::Drain(FakeServer& server, bool store_hangs)
{
    for (auto& each : forwarders_) {
        Forwarder& forwarder = *each;
        if (forwarder.dead || forwarder.server != &server || !forwarder.session || forwarder.half_open)
            continue;
        const auto connected = [&] { return !forwarder.dead && !broken_ && forwarder.server == &server; };
        bool paused = false;
        for (int i = 0; i < kDrainRounds && connected() && forwarder.session; i++) {
            while (connected() && Deliver(forwarder)) {
            }
            paused = paused || forwarder.paused;
            if (connected() && forwarder.session)
                Keepalive(forwarder, true);
            if (connected())
                Tick(forwarder, kDrainRoundMs);
            if (connected() && std::exchange(forwarder.asked, false))
                Feed(forwarder, event::ServerStopping{});
            if (connected() && !store_hangs && forwarder.request)
                AnswerTruly(forwarder);
            if (connected() && forwarder.session && server.confirmed >= server.wal_end)
                Refuse(forwarder, "57P01", "terminating connection due to administrator command");
        }
        // Whoever waits for the store hears of it late, and may have much to read.
        if (connected() && forwarder.session && !paused)
            Judge(forwarder,
                  Violation{Rule::kShutdownHeld, "holds the server's shutdown up for five seconds"});
    }
    if (broken_)
        return;
    server.saved = server.confirmed;
    server.Restart();
    CutReaders(server, "server closed the connection unexpectedly");
}

void World::SpoilHint(uint32_t which)
{
    if (!chain_.exists())
        return;
    const std::string head = HeadName(test::Config().names.source);
    const uint64_t behind = chain_.end() + 0x10;
    switch (which % 5) {
    case 0:
        return lake_.Overwrite(head, chain_.name(which % chain_.size()) + "\n");
    case 1:
        return lake_.Overwrite(head, "garbage");
    case 2:
        return lake_.Remove(head);
    case 3:
        return lake_.Overwrite(head, FormatHead({test::Config().names.source, kFirstEpoch, behind}));
    default:
        return lake_.Overwrite(head, FormatHead({"cell2.main", kFirstEpoch, chain_.end()}));
    }
}

void World::FailOver(uint32_t lost, bool old_one_stays)
{
    FakeServer& old = Primary();
    servers_.push_back(std::make_unique<FakeServer>(old.Promote(lost)));
    if (!old_one_stays) {
        old.down = true;
        old.generation++;
        old.frozen = true;
        CutReaders(old, "server closed the connection unexpectedly");
    }
    for (auto& forwarder : forwarders_)
        forwarder->route = servers_.size() - 1;
}

// An older copy of the lake takes its place. At most one runs meanwhile.
void World::Vanish(size_t count, Forwarder* survivor)
{
    if (chain_.foreign() != Foreign::kNone)
        return;
    for (auto& forwarder : forwarders_)
        if (forwarder.get() != survivor)
            Crash(*forwarder);
    if (survivor != nullptr)
        survivor->remembers = std::max(survivor->remembers, chain_.end());
    lake_.late.clear();
    for (; count > 0 && chain_.size() > 1; count--) {
        lake_.Remove(chain_.last_name());
        chain_.Vanished();
    }
}

void World::Settle()
{
    while (!lake_.late.empty() && !broken_) {
        Create(lake_.late.front());
        lake_.late.pop_front();
    }
    if (broken_)
        return;
    for (size_t i = 1; i < forwarders_.size(); i++)
        Crash(*forwarders_[i]);
    if (forwarders_[0]->stop_requested)
        Crash(*forwarders_[0]);
    lake_.late.clear();
    Sweep();
    if (chain_.foreign() != Foreign::kNone)
        Primary().Write(next_xid_++, 0, 1);
    SettleWith(*forwarders_[0]);
    // Who has run all along may not know yet that the lake went on without it;
    // who starts now does.
    if (!broken_ && !forwarders_[0]->dead && !WhyNotGoOn(Primary()).empty()) {
        Crash(*forwarders_[0]);
        Sweep();
        SettleWith(*forwarders_[0]);
    }
    if (broken_ || forwarders_[0]->dead || chain_.foreign() == Foreign::kLink)
        return;
    const std::vector<std::string> reasons = WhyNotGoOn(Primary());
    if (!reasons.empty())
        Break(Rule::kPaperedOver, "goes on although it must not: \"" + reasons.front() + "\"");
    else if (!Arrived())
        Break(Rule::kStuck, "the lake ends at " + FormatLsn(chain_.end()) + ", the server at " +
                                FormatLsn(Primary().wal_end) + ", and nothing moves");
    else if (!chain_.holds(Primary().wal))
        Break(Rule::kLost, "the lake ends where the server does, but lacks transactions");
}

bool World::Arrived()
{
    const FakeServer& server = Primary();
    return chain_.exists() && chain_.end() >= server.wal_end && server.confirmed >= server.wal_end &&
           WhyNotGoOn(server).empty();
}

void World::SettleWith(Forwarder& forwarder)
{
    forwarder.doom.reset();
    forwarder.route = servers_.size() - 1;
    Cut(forwarder, "connection reset");
    for (int i = 0; i < kSettleSteps && !broken_ && !forwarder.dead && !Arrived(); i++)
        GoOnce(forwarder);
}

} // namespace wal2lake::simulation
