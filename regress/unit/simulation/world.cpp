#include "world.h"

#include <algorithm>

#include "../machine_defaults.h"
#include "lsn.h"

namespace wal2lake::simulation
{
namespace
{

constexpr uint64_t kMaxSize = 1'500;
constexpr uint64_t kMemoryBudget = 12'000;
constexpr int64_t kMaxAgeMs = 500;
constexpr int64_t kIdleAgeMs = 2'000;

MachineConfig ConfigOf(int number)
{
    MachineConfig config = test::Config();
    config.max_size = kMaxSize;
    config.memory_budget = kMemoryBudget;
    config.max_age_ms = kMaxAgeMs;
    config.idle_age_ms = kIdleAgeMs;
    config.compression_level = 1;
    config.seed = static_cast<uint32_t>(number);
    config.writer_version = std::to_string(number);
    config.writer_id = "forwarder-" + std::to_string(number);
    return config;
}

struct Describe {
    std::string operator()(const action::ReadHead&) const { return "read the hint"; }
    std::string operator()(const action::ListAfter& list) const
    {
        return "list after \"" + list.after + "\"";
    }
    std::string operator()(const action::ReadObject& read) const { return "read " + read.name; }
    std::string operator()(const action::PutObject& put) const { return "put " + put.name; }
    std::string operator()(const action::WriteHead& hint) const
    {
        return "write the hint " + hint.bytes.substr(0, hint.bytes.find('\n'));
    }
    std::string operator()(const action::SweepParts& sweep) const { return "sweep " + sweep.prefix; }
    std::string operator()(const action::Connect&) const { return "connect"; }
    std::string operator()(const action::StartStreaming& start) const
    {
        return "start streaming from " + FormatLsn(start.lsn);
    }
    std::string operator()(const action::SendStatus& status) const
    {
        return "tell received " + FormatLsn(status.received_lsn) + ", acknowledged " +
               FormatLsn(status.flushed_lsn);
    }
    std::string operator()(const action::Disconnect&) const { return "disconnect"; }
    std::string operator()(const action::PauseReading&) const { return "pause reading"; }
    std::string operator()(const action::ResumeReading&) const { return "resume reading"; }
    std::string operator()(const action::AskServer&) const { return "ask whether the server stops"; }
    std::string operator()(const action::Log& log) const { return "log: " + log.entry.text; }
    std::string operator()(const action::Finish& finish) const
    {
        return "finish with " + std::to_string(static_cast<int>(finish.code)) + ": " + finish.sentence;
    }
};

} // namespace

World::World(Coverage* coverage, std::function<void(const std::string&)> tell)
    : coverage_(coverage), tell_(std::move(tell))
{
    servers_.push_back(std::make_unique<FakeServer>());
    Fresh();
}

World::Forwarder* World::Fresh()
{
    started_++;
    forwarders_.push_back(std::make_unique<Forwarder>(started_, ConfigOf(started_)));
    Forwarder* forwarder = forwarders_.back().get();
    forwarder->route = servers_.size() - 1;
    Tick(*forwarder, 0);
    return forwarder;
}

void World::Break(Rule rule, const std::string& sentence)
{
    if (broken_)
        return;
    broken_ = Violation{rule, sentence};
    if (tell_)
        tell_("BROKEN (" + std::string(RuleName(rule)) + "): " + sentence);
}

void World::Judge(const Forwarder& forwarder, Verdict verdict)
{
    if (verdict)
        Break(verdict->rule, "forwarder " + std::to_string(forwarder.number) + ": " + verdict->sentence);
}

std::string World::Situation(const Forwarder& forwarder) const
{
    constexpr const char* kRequests[] = {"reading hint", "listing", "reading", "put open"};
    std::string link = "down";
    if (forwarder.half_open)
        link = "half open";
    else if (forwarder.session)
        link = forwarder.paused ? "paused" : "streaming";
    else if (forwarder.wish == Wish::kConnect)
        link = "connecting";
    else if (forwarder.wish == Wish::kStart)
        link = "starting";
    else if (forwarder.server != nullptr)
        link = "connected";
    if (!forwarder.request)
        return link + (forwarder.answered_part ? ", part answered" : ", store idle");
    const auto* put = std::get_if<action::PutObject>(&*forwarder.request);
    if (put != nullptr && ParsePartName(put->name))
        return link + ", part open";
    return link + ", " + kRequests[forwarder.request->index()];
}

bool World::Dies(Forwarder& forwarder, Edge edge, Side side)
{
    if (forwarder.doom != std::pair(edge, side))
        return false;
    if (coverage_ != nullptr)
        coverage_->Died(edge, side);
    if (tell_)
        tell_("  forwarder " + std::to_string(forwarder.number) + " dies " +
              (side == Side::kBefore ? "before: " : "after: ") + EdgeName(edge));
    Crash(forwarder);
    return true;
}

// What it had sent to the store may arrive yet; what it had not done is undone.
void World::Crash(Forwarder& forwarder, bool slot_stays_busy)
{
    if (forwarder.request)
        if (const auto* put = std::get_if<action::PutObject>(&*forwarder.request))
            Delay(forwarder, *put);
    if (forwarder.server != nullptr && forwarder.server->reader == forwarder.number && !slot_stays_busy)
        forwarder.server->reader = 0;
    forwarder.dead = true;
}

bool World::Feed(Forwarder& forwarder, const Event& event)
{
    if (forwarder.dead || broken_)
        return false;
    if (coverage_ != nullptr)
        coverage_->Delivered(event, Situation(forwarder));
    if (tell_ && !std::holds_alternative<event::Tick>(event))
        tell_("  forwarder " + std::to_string(forwarder.number) + " hears " + EventName(event));
    const bool reply =
        std::holds_alternative<event::PutDone>(event) || std::holds_alternative<event::PutExists>(event);
    Actions actions;
    forwarder.machine.Step(event, &actions);
    forwarder.answered_part = false;
    if (reply && Dies(forwarder, Edge::kReply, Side::kAfter))
        return false;
    bool asked = false;
    for (const Action& action : actions) {
        if (tell_)
            tell_("  forwarder " + std::to_string(forwarder.number) + ": " + std::visit(Describe{}, action));
        const Edge edge = EdgeOf(action);
        asked = asked || !std::holds_alternative<action::Log>(action);
        if (Dies(forwarder, edge, Side::kBefore))
            return false;
        CarryOut(forwarder, action);
        if (broken_ || Dies(forwarder, edge, Side::kAfter) || forwarder.dead)
            return false;
    }
    CheckStep(forwarder, event, asked);
    return !broken_;
}

void World::CheckStep(Forwarder& forwarder, const Event& event, bool asked)
{
    const uint64_t held = forwarder.machine.buffered_bytes();
    // Half of the budget, and a segment, or part, that is being filled and one that
    // is being assembled. Of a transaction no more than that.
    if (held > kMemoryBudget / 2 + 2 * kMaxSize)
        Judge(forwarder, Violation{Rule::kMemory, "holds " + std::to_string(held) + " bytes, the budget is " +
                                                      std::to_string(kMemoryBudget)});
    if (!std::holds_alternative<event::Tick>(event))
        return;
    Judge(forwarder, forwarder.statuses.CheckSilence(forwarder.now_ms));
    if (!asked && forwarder.machine.deadline_ms() <= forwarder.now_ms)
        Judge(forwarder, Violation{Rule::kSpin, "wants to be woken at once, and then does nothing"});
}

bool World::Tick(Forwarder& forwarder, int64_t ms)
{
    forwarder.now_ms += ms;
    return Feed(forwarder, event::Tick{forwarder.now_ms});
}

void World::Ask(Forwarder& forwarder, Request request)
{
    if (forwarder.request)
        Judge(forwarder, Violation{Rule::kTwoRequests, "asks the store before it has answered"});
    forwarder.request = std::move(request);
}

// The forwarder has no connection any more, as far as it knows.
void World::Leave(Forwarder& forwarder)
{
    if (forwarder.server != nullptr && forwarder.server->reader == forwarder.number)
        forwarder.server->reader = 0;
    forwarder.server = nullptr;
    forwarder.session.reset();
    forwarder.half_open = false;
    forwarder.paused = false;
    forwarder.asked = false;
    forwarder.wish = Wish::kNone;
    forwarder.statuses.End();
}

void World::CheckName(const Forwarder& forwarder, const action::PutObject& put)
{
    if (ParsePartName(put.name))
        return;
    const auto name = ParseSegmentName(put.name);
    if (!name ||
        (name->start_lsn != 0 && !chain_.had_end(name->start_lsn) && chain_.foreign() == Foreign::kNone))
        Judge(forwarder,
              Violation{Rule::kNameTooEarly, put.name + " begins where no object of the log ended"});
}

void World::CarryOut(Forwarder& forwarder, const Action& action)
{
    if (const auto* head = std::get_if<action::ReadHead>(&action)) {
        Ask(forwarder, *head);
    } else if (const auto* list = std::get_if<action::ListAfter>(&action)) {
        Ask(forwarder, *list);
    } else if (const auto* read = std::get_if<action::ReadObject>(&action)) {
        Ask(forwarder, *read);
    } else if (const auto* put = std::get_if<action::PutObject>(&action)) {
        CheckName(forwarder, *put);
        Ask(forwarder, *put);
    } else if (const auto* hint = std::get_if<action::WriteHead>(&action)) {
        if (chain_.foreign() != Foreign::kNone && hint->bytes == chain_.foreign_name() + "\n")
            Judge(forwarder, Violation{Rule::kAdoptedForeign,
                                       "adopted " + chain_.foreign_name() + ", which another server wrote"});
        lake_.Overwrite(hint->name, hint->bytes);
    } else if (const auto* sweep = std::get_if<action::SweepParts>(&action)) {
        SweepAway(forwarder, *sweep);
    } else if (std::holds_alternative<action::Connect>(action)) {
        forwarder.wish = Wish::kConnect;
    } else if (const auto* start = std::get_if<action::StartStreaming>(&action)) {
        forwarder.wish = Wish::kStart;
        forwarder.start_lsn = start->lsn;
    } else if (const auto* status = std::get_if<action::SendStatus>(&action)) {
        // Whoever starts behind a foreign object cannot see that it does not
        // continue the log; only those who run can, and `wal2lake verify`.
        const uint64_t durable =
            chain_.foreign() == Foreign::kLink ? UINT64_MAX : std::max(chain_.end(), forwarder.remembers);
        const uint64_t sent = forwarder.session ? forwarder.session->sent_lsn() : 0;
        Judge(forwarder, forwarder.statuses.Sent(forwarder.now_ms, *status, durable, sent));
        if (forwarder.session && !forwarder.half_open)
            forwarder.server->Acknowledge(status->flushed_lsn);
    } else if (std::holds_alternative<action::Disconnect>(action)) {
        Leave(forwarder);
    } else if (std::holds_alternative<action::PauseReading>(action)) {
        forwarder.paused = true;
    } else if (std::holds_alternative<action::ResumeReading>(action)) {
        forwarder.paused = false;
    } else if (std::holds_alternative<action::AskServer>(action)) {
        forwarder.asked = true;
    } else if (const auto* finish = std::get_if<action::Finish>(&action)) {
        CheckEnding(forwarder, *finish);
        endings_++;
        // The process ends; a put that hangs goes its own way.
        if (!Dies(forwarder, Edge::kFinish, Side::kAfter))
            Crash(forwarder);
    }
}

const std::vector<Commit>* World::HistoryOf(uint32_t timeline) const
{
    for (const auto& server : servers_)
        if (server->timeline == timeline)
            return &server->history;
    return nullptr;
}

// Not behind what is no more: others may have written a name of it anew.
void World::Delay(const Forwarder& forwarder, const action::PutObject& put)
{
    constexpr size_t kMostLate = 6;
    if (forwarder.remembers > chain_.end())
        return;
    lake_.late.push_back(put);
    if (lake_.late.size() > kMostLate)
        lake_.late.pop_front();
}

bool World::Anchored(const action::PutObject& put) const
{
    return put.predecessor.empty() || lake_.Read(put.predecessor).ok();
}

bool World::Remembered() const
{
    return std::any_of(forwarders_.begin(), forwarders_.end(), [this](const auto& forwarder) {
        return !forwarder->dead && forwarder->remembers > chain_.end();
    });
}

// What is listed stays for ever; what is not is not missed.
void World::SweepAway(const Forwarder& forwarder, const action::SweepParts& sweep)
{
    for (const std::string& name : lake_.List(sweep.prefix, "", SIZE_MAX).names) {
        if (std::find(sweep.keep.begin(), sweep.keep.end(), name) != sweep.keep.end())
            continue;
        const std::string lister = chain_.lister_of(name);
        if (!lister.empty())
            Judge(forwarder, Violation{Rule::kLost, "removes " + name + ", which " + lister + " lists"});
        lake_.Remove(name);
    }
}

bool World::Create(const action::PutObject& put)
{
    if (!Anchored(put) || !lake_.Put(put.name, put.bytes))
        return false;
    if (tell_)
        tell_("  the lake has " + put.name);
    if (ParsePartName(put.name))
        return true;
    const auto checked = CheckSegment(*put.bytes);
    const uint32_t timeline = checked.ok() ? checked.value().header.timeline() : 0;
    const std::string source = ParseSegmentName(put.name)->source;
    const auto read_part = [&](const std::string& name, uint64_t offset,
                               size_t length) -> Result<std::string> {
        const auto found = lake_.Read(BelowSource(source, name));
        if (!found.ok())
            return found.error();
        return found.value()->substr(std::min<size_t>(offset, found.value()->size()), length);
    };
    if (auto verdict = chain_.Created(put.name, *put.bytes, HistoryOf(timeline), read_part))
        Break(verdict->rule, verdict->sentence);
    return true;
}

// Each is a part of the sentence that says so.
std::vector<std::string> World::WhyNotGoOn(const FakeServer& server, uint64_t remembers) const
{
    std::vector<std::string> reasons;
    const auto where = [&](bool holds, const char* reason) {
        if (holds)
            reasons.emplace_back(reason);
    };
    where(!server.slot_exists, "does not exist");
    where(server.slot_lost, "removed WAL");
    where(chain_.foreign() != Foreign::kNone, "");
    where(!chain_.exists() && server.total_txns > 0, "was read before");
    if (chain_.exists()) {
        where(server.timeline != chain_.timeline(), "timeline");
        where(server.confirmed > chain_.end(), "gap: ");
        where(server.wal_end < std::max(chain_.end(), remembers), "set back");
    }
    return reasons;
}

// An end is legal where the world is really as the sentence has it.
void World::CheckEnding(Forwarder& forwarder, const action::Finish& finish)
{
    bool legal = false;
    const bool remembers = forwarder.remembers > chain_.end();
    switch (finish.code) {
    case ExitCode::kOk:
        legal = forwarder.stop_requested;
        break;
    case ExitCode::kStore:
        legal = forwarder.stop_requested || forwarder.store_forbidden ||
                (remembers && finish.sentence.find("does not exist") != std::string::npos);
        break;
    case ExitCode::kSource:
        legal = forwarder.server_refused || (forwarder.judged != nullptr &&
                                             (!forwarder.judged->slot_exists || forwarder.judged->slot_lost));
        break;
    case ExitCode::kLake:
        legal = remembers && finish.sentence.find("while we ran") != std::string::npos;
        if (forwarder.judged != nullptr)
            for (const std::string& reason : WhyNotGoOn(*forwarder.judged, forwarder.remembers))
                legal = legal || finish.sentence.find(reason) != std::string::npos;
        break;
    default:
        break;
    }
    if (!legal)
        Judge(forwarder,
              Violation{Rule::kEnding, "ended without a reason in this world: " + finish.sentence});
}

Verdict RunWorld(const Schedule& schedule, Coverage* coverage,
                 const std::function<void(const std::string&)>& tell)
{
    World world(coverage, tell);
    for (const Decision& decision : schedule) {
        if (tell)
            tell(FormatDecision(decision));
        world.Do(decision);
        if (world.broken())
            return world.broken();
    }
    if (tell)
        tell("the troubles are over");
    world.Settle();
    return world.broken();
}

} // namespace wal2lake::simulation
