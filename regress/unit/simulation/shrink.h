// From a schedule that breaks a rule to a short one that breaks the same rule,
// and such schedules as files.
#pragma once

#include <string>
#include <string_view>

#include "decision.h"
#include "invariants.h"
#include "result.h"

namespace wal2lake::simulation
{

// Drops stretches of decisions, then single ones, then numbers, as long as
// `rule` is what breaks first.
Schedule Shrink(Schedule schedule, Rule rule);

// What is kept of a failure. A trace with a planted bug must break its rule with
// the bug and nothing without it; one without had a real bug and must not break
// anything any more.
struct Trace {
    std::string bug;
    std::string rule;
    Schedule schedule;
};

// Lines: "# ..." for people, "bug NAME", "rule NAME", and one for each decision.
std::string FormatTrace(const Trace& trace, std::string_view remark);
Result<Trace> ParseTrace(std::string_view text);

// What a schedule makes happen, line by line.
std::string Tell(const Schedule& schedule);

// Shrinks a failure, tells it, and says how to keep it.
std::string Explain(const Schedule& schedule, const Violation& violation, const std::string& bug);

} // namespace wal2lake::simulation
