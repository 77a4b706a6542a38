// Decides whether a server and a lake belong together, before a byte is moved,
// and what a server's error means. Called by the state machine and by
// `wal2lake slot`. No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "chain.h"
#include "exit_code.h"
#include "segment_reader.h"
#include "source.h"

namespace wal2lake
{

enum class RefusalKind {
    // It will be the same at the next attempt.
    kFinal,
    // The server can take it back without us, by a reload or a grant, and keeps
    // the WAL until then.
    kPassing,
    // Same server, but it will not send again what we hold.
    kSlotGone,
};

// Why a source stops, with the fix.
struct Refusal {
    ExitCode code = ExitCode::kInternal;
    std::string sentence;
    RefusalKind kind = RefusalKind::kFinal;
};

// The last object of a chain.
struct Tail {
    SegmentName name;
    SegmentFacts facts;

    uint64_t end_lsn() const { return facts.footer.end_lsn(); }
};

// Who we are, for the sentences.
struct FenceNames {
    std::string source;
    std::string slot;
    std::string lake;
    // The source is pulled, by a role that can make and drop nothing.
    bool pull = false;
};

// What a superuser makes for a source to be pulled: the slot, and its functions.
std::string CreatePulledSlot(const FenceNames& names);
std::string CreatePullSource(const FenceNames& names, const std::string& role);

// Whether an object found under `name` can be the tail of our log.
std::optional<Refusal> CheckTail(const FenceNames& names, const Tail& tail);

// Whether an object that lies behind `before` is of the same server, timeline
// and database.
std::optional<Refusal> CheckOrigin(const FenceNames& names, const Tail& before, const Tail& found);

// Whether an object found where ours was to go continues `before`.
std::optional<Refusal> CheckSuccessor(const FenceNames& names, const Tail& before, const Tail& found);

// Whether the slot can be read with our plugin at all.
std::optional<Refusal> CheckSlot(const FenceNames& names, const SourceFacts& facts);

// Whether the server may continue a log that ends with `tail`.
std::optional<Refusal> CheckServer(const FenceNames& names, const SourceFacts& facts, const Tail& tail);

// Whether a new log may begin at the slot.
std::optional<Refusal> CheckUnusedSlot(const FenceNames& names, const SourceFacts& facts);

// What an error of the server or of the connection means: a refusal, or nullopt
// where trying again may help. `sqlstate` is empty for the connection's own.
std::optional<Refusal> ClassifySourceError(const FenceNames& names, std::string_view sqlstate,
                                           std::string_view text);

} // namespace wal2lake
