// The state machine as it is in the command: nothing breaks, and nothing that
// could have broken it was left out.
#include <cstdlib>

#include <gtest/gtest.h>

#include "trace_files.h"
#include "world.h"

namespace wal2lake::simulation
{
namespace
{

constexpr size_t kSteps = 500;

bool Long()
{
    return std::getenv("WAL2LAKE_LONG") != nullptr;
}

#ifdef WAL2LAKE_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// 100,000 steps, or a million in the long runs. A fifth under the sanitizers,
// which are slow and see in each world much of the same code.
uint32_t Worlds()
{
    return (Long() ? 2'000 : 200) / (kSanitized ? 5 : 1);
}

TEST(Simulation, NothingBreaksAndEveryEdgeIsVisited)
{
    Coverage coverage;
    uint64_t transactions = 0;
    uint64_t objects = 0;
    for (uint32_t seed = 1; seed <= Worlds(); seed++) {
        const Schedule schedule = Draw(seed, kSteps);
        World world(&coverage);
        for (const Decision& decision : schedule)
            world.Do(decision);
        world.Settle();
        transactions += world.transactions();
        objects += world.objects();
        if (world.broken()) {
            FAIL() << "seed " << seed << " breaks rule " << RuleName(world.broken()->rule) << ": "
                   << world.broken()->sentence << "\n"
                   << Explain(schedule, *world.broken(), "");
        }
    }
    // Worlds in which little happens prove little.
    EXPECT_GT(transactions, Worlds() * 20);
    EXPECT_GT(objects, Worlds() * 8);
    // So few worlds need not visit everything.
    if (kSanitized)
        return;
    for (uint8_t edge = 0; edge < static_cast<uint8_t>(Edge::kCount); edge++) {
        // Few worlds are paused for long: only the long run dies there for sure.
        const bool rare =
            static_cast<Edge>(edge) == Edge::kResume || static_cast<Edge>(edge) == Edge::kAskServer;
        const uint64_t least = edge <= static_cast<uint8_t>(Edge::kDurable) ? 5 : rare && !Long() ? 0 : 1;
        for (const Side side : {Side::kBefore, Side::kAfter})
            EXPECT_GE(coverage.deaths(static_cast<Edge>(edge), side), least)
                << (side == Side::kBefore ? "before " : "after ") << EdgeName(static_cast<Edge>(edge));
    }
    struct Wanted {
        const char* event;
        const char* link;
    };
    for (const Wanted& wanted : {Wanted{"HeadRead", "down"},           Wanted{"Listed", "down"},
                                 Wanted{"ObjectRead", "down"},         Wanted{"ObjectRead", "streaming"},
                                 Wanted{"PutDone", "connected"},       Wanted{"PutDone", "down"},
                                 Wanted{"PutDone", "connecting"},      Wanted{"PutDone", "streaming"},
                                 Wanted{"PutDone", "half open"},       Wanted{"PutDone", "paused"},
                                 Wanted{"PutExists", "down"},          Wanted{"PutExists", "streaming"},
                                 Wanted{"PutExists", "half open"},     Wanted{"PutFailed", "connected"},
                                 Wanted{"PutFailed", "streaming"},     Wanted{"Connected", "put open"},
                                 Wanted{"Connected", "store idle"},    Wanted{"Streaming", "put open"},
                                 Wanted{"Message", "put open"},        Wanted{"Message", "store idle"},
                                 Wanted{"Keepalive", "put open"},      Wanted{"Disconnected", "put open"},
                                 Wanted{"StopRequested", "put open"},  Wanted{"StopRequested", "streaming"},
                                 Wanted{"StopRequested", "down"},      Wanted{"PredecessorGone", "streaming"},
                                 Wanted{"PutDone", "part answered"},   Wanted{"PutExists", "part answered"},
                                 Wanted{"PutFailed", "part answered"}, Wanted{"Message", "part open"},
                                 Wanted{"Disconnected", "part open"},  Wanted{"StageFailed", "streaming"},
                                 Wanted{"StageFailed", "put open"}})
        EXPECT_GE(coverage.events(wanted.event, wanted.link), 1U) << wanted.event << ", " << wanted.link;
    if (HasFailure())
        std::puts(coverage.Table().c_str());
}

TEST(Simulation, WhatOnceBrokeDoesNotBreakAgain)
{
    const auto files = ReadTraces(false);
    EXPECT_FALSE(files.empty());
    for (const TraceFile& file : files)
        EXPECT_FALSE(RunWorld(file.trace.schedule)) << file.name << "\n" << Tell(file.trace.schedule);
}

// Else the bug is not what the trace shows.
TEST(Simulation, WithoutThePlantedBugItsTraceBreaksNothing)
{
    for (const TraceFile& file : ReadTraces(true))
        EXPECT_FALSE(RunWorld(file.trace.schedule)) << file.name << "\n" << Tell(file.trace.schedule);
}

TEST(Simulation, ASeedIsTheSameWorldAgain)
{
    EXPECT_EQ(Draw(7, 300), Draw(7, 300));
    EXPECT_NE(Draw(7, 300), Draw(8, 300));
    EXPECT_EQ(Tell(Draw(7, 300)), Tell(Draw(7, 300)));
}

TEST(Simulation, TracesAreReadAsTheyAreWritten)
{
    const Trace written{"ack_before_put", "gap", Draw(3, 200)};
    const auto read = ParseTrace(FormatTrace(written, "a remark"));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read.value().bug, written.bug);
    EXPECT_EQ(read.value().rule, written.rule);
    EXPECT_EQ(read.value().schedule, written.schedule);
    for (const char* bad : {"fly 0 0 0", "go 0 0", "go 0 0 0 0", "go -1 x 0"})
        EXPECT_FALSE(ParseTrace(bad).ok()) << bad;
}

} // namespace
} // namespace wal2lake::simulation
