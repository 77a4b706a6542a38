#include "shrink.h"

#include <algorithm>
#include <sstream>

#include "world.h"

namespace wal2lake::simulation
{
namespace
{

bool Breaks(const Schedule& schedule, Rule rule)
{
    const Verdict verdict = RunWorld(schedule);
    return verdict && verdict->rule == rule;
}

// One pass with stretches of `size`; true where something could go.
bool DropStretches(Schedule* schedule, size_t size, Rule rule)
{
    bool dropped = false;
    for (size_t end = schedule->size(); end > 0;) {
        const size_t begin = end - std::min(end, size);
        Schedule shorter(schedule->begin(), schedule->begin() + static_cast<std::ptrdiff_t>(begin));
        shorter.insert(shorter.end(), schedule->begin() + static_cast<std::ptrdiff_t>(end), schedule->end());
        if (Breaks(shorter, rule)) {
            *schedule = std::move(shorter);
            dropped = true;
        }
        end = begin;
    }
    return dropped;
}

void LowerNumbers(Schedule* schedule, Rule rule)
{
    for (Decision& decision : *schedule) {
        for (uint32_t Decision::*number : {&Decision::who, &Decision::b, &Decision::a}) {
            for (const uint32_t lower : {0U, 1U, decision.*number / 2}) {
                const uint32_t before = decision.*number;
                if (lower >= before)
                    continue;
                decision.*number = lower;
                if (Breaks(*schedule, rule))
                    break;
                decision.*number = before;
            }
        }
    }
}

} // namespace

Schedule Shrink(Schedule schedule, Rule rule)
{
    for (size_t size = schedule.size() / 2; size > 1; size /= 2)
        DropStretches(&schedule, size, rule);
    while (DropStretches(&schedule, 1, rule)) {
    }
    LowerNumbers(&schedule, rule);
    while (DropStretches(&schedule, 1, rule)) {
    }
    return schedule;
}

std::string FormatTrace(const Trace& trace, std::string_view remark)
{
    std::string text = "# " + std::string(remark) + "\n";
    if (!trace.bug.empty())
        text += "bug " + trace.bug + "\n";
    text += "rule " + trace.rule + "\n";
    for (const Decision& decision : trace.schedule)
        text += FormatDecision(decision) + "\n";
    return text;
}

Result<Trace> ParseTrace(std::string_view text)
{
    Trace trace;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line[0] == '#')
            continue;
        const auto decision = ParseDecision(line);
        if (decision)
            trace.schedule.push_back(*decision);
        else if (line.starts_with("bug "))
            trace.bug = line.substr(4);
        else if (line.starts_with("rule "))
            trace.rule = line.substr(5);
        else
            return Error{ErrorKind::kInvalid, "\"" + line + "\" is no line of a trace"};
    }
    return trace;
}

std::string Tell(const Schedule& schedule)
{
    std::string story;
    const Verdict verdict =
        RunWorld(schedule, nullptr, [&](const std::string& line) { story += line + "\n"; });
    return story + (verdict ? "" : "nothing is broken\n");
}

std::string Explain(const Schedule& schedule, const Violation& violation, const std::string& bug)
{
    const Schedule shrunk = Shrink(schedule, violation.rule);
    return "shrunk from " + std::to_string(schedule.size()) + " to " + std::to_string(shrunk.size()) +
           " decisions:\n" + Tell(shrunk) +
           "to keep it, write this to regress/unit/simulation/traces/NAME.trace:\n" +
           FormatTrace({bug, RuleName(violation.rule), shrunk}, violation.sentence);
}

} // namespace wal2lake::simulation
