// What happens to a simulated world, as a list that can be written down, cut
// and run again. A decision that cannot be carried out where it stands does
// nothing, so that whatever is left of a list is a list.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wal2lake::simulation
{

enum class Verb : uint8_t {
    // The natural next thing of a forwarder, a + 1 times.
    kGo,
    // Time of one forwarder: by a ms, or to the moment the machine asked for.
    kTick,
    kDeadline,

    // The server: a transaction of 1 + b batches, or WAL without one.
    kWrite,
    kGrow,
    // What it sends: a + 1 messages, a keepalive, many keepalives.
    kMessages,
    kKeepalive,
    kStorm,
    // 30 + a % 30 transactions that come in while the store answers nothing.
    kFlood,
    // The slot's position reaches the disk; an immediate restart forgets the rest.
    kSave,
    kRestart,
    // Fast shutdown: waits for the acknowledgement of all, then restarts.
    kDrain,

    // Answers to what a forwarder asked of the server, and the connection's end.
    kConnect,
    kReject,
    kCut,
    kHalfOpen,
    // Transactions in progress do not fit on the forwarder's disk.
    kUnstaged,

    // Answers to what a forwarder asked of the store: honest; carried out, reply
    // lost; not carried out; still in the network; never to be had; a short page.
    kAnswer,
    kLose,
    kRefuse,
    kDelay,
    kForbid,
    kShort,
    // A put that was in the network arrives.
    kLand,
    kHint,

    // Processes: dies now, or before (b = 0) or after (b = 1) it passes edge a.
    kCrash,
    kCrashAt,
    kSpawn,
    kStop,

    // Calamities, after which going on may be wrong.
    kFailover,
    kRoute,
    kSteal,
    kRecreate,
    kDropSlot,
    kLoseSlot,
    kSetBack,
    kIntrude,
    // An older copy of the lake takes its place; one forwarder (b odd) or none
    // lives through it.
    kVanish,

    kCount,
};

struct Decision {
    Verb verb = Verb::kGo;
    // The forwarder or server meant; any number, taken modulo what there is.
    uint32_t who = 0;
    uint32_t a = 0;
    uint32_t b = 0;

    bool operator==(const Decision&) const = default;
};

using Schedule = std::vector<Decision>;

// "write 0 3 1".
std::string FormatDecision(const Decision& decision);
std::optional<Decision> ParseDecision(std::string_view line);

// Equal seeds give equal schedules, on every machine.
Schedule Draw(uint32_t seed, size_t steps);

} // namespace wal2lake::simulation
