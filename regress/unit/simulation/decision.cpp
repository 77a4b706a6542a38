#include "decision.h"

#include <algorithm>
#include <array>
#include <random>
#include <sstream>

#include "coverage.h"

namespace wal2lake::simulation
{
namespace
{

struct VerbFacts {
    Verb verb;
    const char* name;
    // How often it is drawn; calamities are drawn apart.
    uint32_t weight;
};

constexpr auto kVerbs = std::to_array<VerbFacts>({
    {Verb::kGo, "go", 300},
    {Verb::kTick, "tick", 40},
    {Verb::kDeadline, "deadline", 30},
    {Verb::kWrite, "write", 120},
    {Verb::kGrow, "grow", 15},
    {Verb::kMessages, "messages", 60},
    {Verb::kKeepalive, "keepalive", 15},
    {Verb::kStorm, "storm", 2},
    {Verb::kFlood, "flood", 2},
    {Verb::kSave, "save", 15},
    {Verb::kRestart, "restart", 8},
    {Verb::kDrain, "drain", 4},
    {Verb::kConnect, "connect", 30},
    {Verb::kReject, "reject", 8},
    {Verb::kCut, "cut", 10},
    {Verb::kHalfOpen, "half_open", 10},
    {Verb::kUnstaged, "unstaged", 4},
    {Verb::kAnswer, "answer", 40},
    {Verb::kLose, "lose", 25},
    {Verb::kRefuse, "refuse", 20},
    {Verb::kDelay, "delay", 25},
    {Verb::kForbid, "forbid", 1},
    {Verb::kShort, "short", 8},
    {Verb::kLand, "land", 30},
    {Verb::kHint, "hint", 10},
    {Verb::kCrash, "crash", 8},
    {Verb::kCrashAt, "crash_at", 40},
    {Verb::kSpawn, "spawn", 24},
    {Verb::kStop, "stop", 3},
    {Verb::kFailover, "failover", 0},
    {Verb::kRoute, "route", 0},
    {Verb::kSteal, "steal", 0},
    {Verb::kRecreate, "recreate", 0},
    {Verb::kDropSlot, "drop_slot", 0},
    {Verb::kLoseSlot, "lose_slot", 0},
    {Verb::kSetBack, "set_back", 0},
    {Verb::kIntrude, "intrude", 0},
    {Verb::kVanish, "vanish", 0},
});
static_assert(kVerbs.size() == static_cast<size_t>(Verb::kCount));

constexpr auto kCalamities =
    std::to_array<Verb>({Verb::kFailover, Verb::kFailover, Verb::kSteal, Verb::kRecreate, Verb::kDropSlot,
                         Verb::kLoseSlot, Verb::kSetBack, Verb::kIntrude, Verb::kIntrude, Verb::kIntrude,
                         Verb::kVanish, Verb::kVanish, Verb::kVanish});

// The standard's distributions differ between libraries; this does not.
class Dice
{
  public:
    explicit Dice(uint32_t seed) : random_(seed) {}
    uint32_t Below(uint32_t end) { return static_cast<uint32_t>(random_() % end); }

  private:
    std::mt19937 random_;
};

Verb DrawVerb(Dice* dice, uint32_t total)
{
    uint32_t left = dice->Below(total);
    for (const VerbFacts& facts : kVerbs) {
        if (left < facts.weight)
            return facts.verb;
        left -= facts.weight;
    }
    return Verb::kGo;
}

// What is passed seldom is drawn more often.
Edge DrawEdge(Dice* dice)
{
    constexpr auto kSeldom = std::to_array<Edge>(
        {Edge::kAdopt, Edge::kAdopt, Edge::kAdopt, Edge::kAdopt, Edge::kPause, Edge::kResume});
    const uint32_t drawn = dice->Below(static_cast<uint32_t>(Edge::kCount) + kSeldom.size());
    return drawn < kSeldom.size() ? kSeldom[drawn] : static_cast<Edge>(drawn - kSeldom.size());
}

} // namespace

std::string FormatDecision(const Decision& decision)
{
    return std::string(kVerbs[static_cast<size_t>(decision.verb)].name) + " " + std::to_string(decision.who) +
           " " + std::to_string(decision.a) + " " + std::to_string(decision.b);
}

std::optional<Decision> ParseDecision(std::string_view line)
{
    std::istringstream words{std::string(line)};
    std::string name;
    Decision decision;
    if (!(words >> name >> decision.who >> decision.a >> decision.b) || !(words >> std::ws).eof())
        return std::nullopt;
    const auto found = std::find_if(kVerbs.begin(), kVerbs.end(),
                                    [&](const VerbFacts& facts) { return name == facts.name; });
    if (found == kVerbs.end())
        return std::nullopt;
    decision.verb = found->verb;
    return decision;
}

Schedule Draw(uint32_t seed, size_t steps)
{
    Dice dice(seed);
    uint32_t total = 0;
    for (const VerbFacts& facts : kVerbs)
        total += facts.weight;
    Schedule schedule;
    for (size_t i = 0; i < steps; i++) {
        Decision decision{DrawVerb(&dice, total), dice.Below(3), dice.Below(1000), dice.Below(1000)};
        // In every other world forwarders live longer.
        if (decision.verb == Verb::kCrashAt && seed % 2 == 0 && dice.Below(8) != 0)
            decision.verb = Verb::kGo;
        if (decision.verb == Verb::kGo)
            decision.a = dice.Below(8);
        else if (decision.verb == Verb::kCrashAt)
            decision = {decision.verb, decision.who, static_cast<uint32_t>(DrawEdge(&dice)), dice.Below(2)};
        schedule.push_back(decision);
    }
    // In every other pair of worlds something happens that cannot be mended;
    // often early, where the log has hardly begun.
    if (seed / 2 % 2 == 1 && steps > 0) {
        const auto range = static_cast<uint32_t>(dice.Below(2) == 0 ? std::min<size_t>(steps, 20) : steps);
        for (uint32_t i = 0, count = 1 + dice.Below(3); i < count; i++) {
            const Verb verb = kCalamities[dice.Below(kCalamities.size())];
            const uint32_t at = dice.Below(range);
            schedule[at] = {verb, dice.Below(3), dice.Below(1000), dice.Below(1000)};
            if (verb == Verb::kFailover && at + 5 < steps)
                schedule[at + 1 + dice.Below(4)] = {Verb::kRoute, dice.Below(3), dice.Below(2), 0};
        }
    }
    return schedule;
}

} // namespace wal2lake::simulation
