#include "mutant.h"

#include <cstdio>
#include <cstdlib>

namespace wal2lake
{
namespace
{

constexpr auto kNames = std::to_array<const char*>(
    {"none", "ack_before_put", "idle_before_segment", "name_before_confirm", "exists_is_success",
     "keep_covered", "adopt_unfenced", "connect_unfenced", "unchained", "unanchored", "trust_hint",
     "half_transaction", "replay_twice", "list_before_parts", "keep_parts", "sweep_listed", "no_budget",
     "answer_all", "rename_for_link"});
static_assert(kNames.size() == static_cast<size_t>(Bug::kCount));

Bug FromEnvironment()
{
    const char* name = std::getenv("WAL2LAKE_MUTANT");
    if (name == nullptr)
        return Bug::kNone;
    const auto bug = BugNamed(name);
    if (!bug) {
        std::fprintf(stderr, "WAL2LAKE_MUTANT: there is no bug \"%s\"\n", name);
        std::abort();
    }
    return *bug;
}

} // namespace

Bug planted_bug = FromEnvironment();

std::optional<Bug> BugNamed(std::string_view name)
{
    for (size_t i = 0; i < kNames.size(); i++)
        if (name == kNames[i])
            return static_cast<Bug>(i);
    return std::nullopt;
}

const char* BugName(Bug bug)
{
    return kNames[static_cast<size_t>(bug)];
}

} // namespace wal2lake
