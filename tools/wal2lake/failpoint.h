// Named places at the edges of durability, where a test may end, stop, delay or
// fail the forwarder. Passed by the driver, its store thread, the store of files
// and the making of a log; the machine is pure and needs none.
//
// In the product nothing of this is left: no code, no name, no variable is read
// (lint looks). Only the test executable wal2lake_failpoints, compiled with
// WAL2LAKE_FAILPOINTS, obeys (docs/testing.md):
//
//   WAL2LAKE_FAILPOINT=list                 prints each name, one a line
//   WAL2LAKE_FAILPOINT=put.linked=exit@3    leaves as by kill -9, the third time
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace wal2lake::failpoint
{

struct Place {
    std::string_view name;
    // What follows may be told to fail, as something that passes by itself.
    bool can_fail = false;
};

// Every place. A test demands that each is reached and survived.
inline constexpr auto kPlaces = std::to_array<Place>({
    {"slot.created"},
    {"genesis.before"},
    {"genesis.after"},
    {"connect.before", true},
    {"connect.after"},
    {"start.before", true},
    {"start.after"},
    {"receive.before"},
    {"receive.after"},
    // Something of a transaction in progress is on disk; all of it goes out; has gone.
    {"stage.kept"},
    {"replay.before"},
    {"replay.after"},
    {"seal.before"},
    {"seal.after"},
    {"put.before"},
    // Asked of the store. Failing here, nothing was created.
    {"put.sent", true},
    {"temp.opened"},
    {"put.temp_written"},
    {"put.linked"},
    {"put.temp_removed"},
    {"put.synced"},
    // The store has answered. Failing here, the answer is lost.
    {"put.answered", true},
    {"put.exists"},
    {"put.confirmed"},
    {"adopt.before"},
    {"adopt.after"},
    {"head.before", true},
    {"head.temp_written"},
    {"head.after"},
    // What others left of a large transaction is removed.
    {"sweep.before"},
    {"sweep.after"},
    {"status.before", true},
    {"status.after"},
});

// Names a place. A name that is not in the list does not compile, nor does one
// of `Fallible` that cannot fail.
class At
{
  public:
    consteval At(const char* name) : index_(Find(name)) {}
    constexpr size_t index() const { return index_; }

  private:
    static consteval size_t Find(std::string_view name)
    {
        size_t at = 0;
        while (kPlaces.at(at).name != name)
            at++;
        return at;
    }

    size_t index_;
};

class Fallible : public At
{
  public:
    consteval Fallible(const char* name) : At(name)
    {
        if (!kPlaces.at(index()).can_fail)
            (void)kPlaces.at(kPlaces.size());
    }
};

#ifdef WAL2LAKE_FAILPOINTS
// Does what was asked for place number `index`; true where it is to fail.
bool Reach(size_t index);

inline void Pass(At place)
{
    (void)Reach(place.index());
}
[[nodiscard]] inline bool Fails(Fallible place)
{
    return Reach(place.index());
}
#else
constexpr void Pass(At) {}
[[nodiscard]] constexpr bool Fails(Fallible)
{
    return false;
}
#endif

} // namespace wal2lake::failpoint
