// The state machine as it is in the command.
#include <gtest/gtest.h>

#include "trace_files.h"
#include "world.h"

namespace wal2lake::simulation
{
namespace
{

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
