#include "coverage.h"

#include <cstdio>

namespace wal2lake::simulation
{
namespace
{

constexpr auto kEdgeNames = std::to_array<const char*>(
    {"receive",     "seal",       "put sent",        "put stored", "reply delivered",
     "adopt",       "hint write", "acknowledge",     "read head",  "list after",
     "read object", "connect",    "start streaming", "disconnect", "pause",
     "resume",      "ask server", "sweep",           "log",        "finish"});
static_assert(kEdgeNames.size() == static_cast<size_t>(Edge::kCount));

// In the order of the variants' alternatives.
constexpr auto kEventNames = std::to_array<const char*>(
    {"Tick", "HeadRead", "Listed", "ObjectRead", "PutDone", "PutExists", "PutFailed", "PredecessorGone",
     "Connected", "Streaming", "Message", "Keepalive", "Replaying", "StageFailed", "ServerStopping",
     "Disconnected", "StopRequested"});
static_assert(kEventNames.size() == std::variant_size_v<Event>);

constexpr auto kActionEdges = std::to_array<Edge>(
    {Edge::kReadHead, Edge::kListAfter, Edge::kReadObject, Edge::kPutSent, Edge::kHintWrite, Edge::kSweep,
     Edge::kConnect, Edge::kStartStreaming, Edge::kAcknowledge, Edge::kDisconnect, Edge::kPause,
     Edge::kResume, Edge::kAskServer, Edge::kLog, Edge::kFinish});
static_assert(kActionEdges.size() == std::variant_size_v<Action>);

} // namespace

const char* EdgeName(Edge edge)
{
    return kEdgeNames[static_cast<size_t>(edge)];
}

// Sealing and adopting show as lines of the log only.
Edge EdgeOf(const Action& action)
{
    if (const auto* log = std::get_if<action::Log>(&action)) {
        if (log->entry.event == "sealed")
            return Edge::kSeal;
        if (log->entry.event == "adopted")
            return Edge::kAdopt;
    }
    return kActionEdges[action.index()];
}

const char* EventName(const Event& event)
{
    return kEventNames[event.index()];
}

uint64_t Coverage::events(const std::string& event, const std::string& word) const
{
    const auto found = events_.find(event);
    if (found == events_.end())
        return 0;
    uint64_t sum = 0;
    for (const auto& [situation, count] : found->second)
        if (situation.find(word) != std::string::npos)
            sum += count;
    return sum;
}

std::string Coverage::Table() const
{
    std::string table = "deaths at                 before     after\n";
    char line[120];
    for (size_t i = 0; i < deaths_.size(); i++) {
        std::snprintf(line, sizeof line, "%-20s %11llu %9llu\n", kEdgeNames[i],
                      static_cast<unsigned long long>(deaths_[i][0]),
                      static_cast<unsigned long long>(deaths_[i][1]));
        table += line;
    }
    table += "delivered\n";
    for (const auto& [event, situations] : events_)
        for (const auto& [situation, count] : situations) {
            std::snprintf(line, sizeof line, "%-14s %-34s %9llu\n", event.c_str(), situation.c_str(),
                          static_cast<unsigned long long>(count));
            table += line;
        }
    return table;
}

} // namespace wal2lake::simulation
