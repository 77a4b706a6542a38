// Bugs planted on purpose, to see that the tests find them.
//
// In the command all of this is a constant and no trace of it is left. Test
// programs are linked with a second compilation of the sources that ask
// Planted(), made with WAL2LAKE_MUTANTS, where one bug at a time is chosen: by
// the test, or by the environment variable WAL2LAKE_MUTANT=name.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace wal2lake
{

enum class Bug : uint8_t {
    kNone,
    // What was received is acknowledged, in the lake or not.
    kAckBeforePut,
    // Progress without transactions is acknowledged without a segment.
    kIdleBeforeSegment,
    // The next name is used before its predecessor was confirmed.
    kNameBeforeConfirm,
    // "Exists" is taken for "done" without reading what is there.
    kExistsIsSuccess,
    // The end of a segment is adopted, and what it covers is shipped again.
    kKeepCovered,
    // A segment that exists, or a server, is not asked where it comes from.
    kAdoptUnfenced,
    kConnectUnfenced,
    // A segment does not name the hash of its predecessor.
    kUnchained,
    // A put does not ask for its predecessor.
    kUnanchored,
    // The hint is the tail, whatever follows it.
    kTrustHint,
    // A transaction cut by a disconnect is kept and goes on in the next session.
    kHalfTransaction,
    // What is buffered is taken again when the server repeats it.
    kReplayTwice,
    // A segment is put before the parts that it lists.
    kListBeforeParts,
    // Parts of a transaction that was cut off are listed with those of its return.
    kKeepParts,
    // What is swept is listed.
    kSweepListed,
    // Reading goes on whatever is buffered.
    kNoBudget,
    // Each request of the server is answered at once.
    kAnswerAll,
    // The store moves an object to its name instead of linking it.
    kRenameForLink,
    kCount,
};

#ifdef WAL2LAKE_MUTANTS

extern Bug planted_bug;

inline bool Planted(Bug bug)
{
    return planted_bug == bug;
}

// "ack_before_put" and so on; nullopt where there is none of that name.
std::optional<Bug> BugNamed(std::string_view name);
const char* BugName(Bug bug);

#else

constexpr bool Planted(Bug)
{
    return false;
}

#endif

} // namespace wal2lake
