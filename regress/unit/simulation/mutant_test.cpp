// The state machine with a bug in it, one at a time: each is found, and by the
// trace that was kept of it.
#include <algorithm>

#include <gtest/gtest.h>

#include "mutant.h"
#include "trace_files.h"
#include "world.h"

namespace wal2lake::simulation
{
namespace
{

constexpr size_t kSteps = 500;
// Found within 50,000 steps, or not at all.
constexpr uint32_t kWorlds = 100;

class PlantedBug : public testing::TestWithParam<Bug>
{
  protected:
    void SetUp() override { planted_bug = GetParam(); }
    void TearDown() override { planted_bug = Bug::kNone; }
};

TEST_P(PlantedBug, IsFoundAndShrunk)
{
    for (uint32_t seed = 1; seed <= kWorlds; seed++) {
        const Schedule schedule = Draw(seed, kSteps);
        const Verdict verdict = RunWorld(schedule);
        if (!verdict)
            continue;
        RecordProperty("found_by_rule", RuleName(verdict->rule));
        RecordProperty("worlds", static_cast<int>(seed));
        const Schedule shrunk = Shrink(schedule, verdict->rule);
        EXPECT_LE(shrunk.size(), kSteps / 8) << Tell(shrunk);
        const Verdict again = RunWorld(shrunk);
        ASSERT_TRUE(again);
        EXPECT_EQ(again->rule, verdict->rule);
        planted_bug = Bug::kNone;
        EXPECT_FALSE(RunWorld(shrunk)) << "without the bug\n" << Tell(shrunk);
        return;
    }
    FAIL() << "not found in " << kWorlds << " worlds";
}

TEST_P(PlantedBug, IsFoundByItsTrace)
{
    const auto files = ReadTraces(true);
    const auto mine = std::find_if(files.begin(), files.end(), [](const TraceFile& file) {
        return file.trace.bug == BugName(GetParam());
    });
    ASSERT_NE(mine, files.end());
    const Verdict verdict = RunWorld(mine->trace.schedule);
    ASSERT_TRUE(verdict) << Tell(mine->trace.schedule);
    EXPECT_EQ(RuleName(verdict->rule), mine->trace.rule) << verdict->sentence;
}

INSTANTIATE_TEST_SUITE_P(Simulation, PlantedBug,
                         testing::Values(Bug::kAckBeforePut, Bug::kIdleBeforeSegment, Bug::kNameBeforeConfirm,
                                         Bug::kExistsIsSuccess, Bug::kKeepCovered, Bug::kAdoptUnfenced,
                                         Bug::kConnectUnfenced, Bug::kUnchained, Bug::kUnanchored,
                                         Bug::kTrustHint, Bug::kHalfTransaction, Bug::kReplayTwice,
                                         Bug::kListBeforeParts, Bug::kKeepParts, Bug::kSweepListed,
                                         Bug::kNoBudget, Bug::kAnswerAll),
                         [](const auto& bug) { return BugName(bug.param); });

TEST(Traces, NameBugsAndRulesThatExist)
{
    for (const TraceFile& file : ReadTraces(true)) {
        EXPECT_TRUE(BugNamed(file.trace.bug)) << file.name;
        EXPECT_FALSE(file.trace.schedule.empty()) << file.name;
    }
}

} // namespace
} // namespace wal2lake::simulation
