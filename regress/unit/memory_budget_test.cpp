// Several sources share one memory budget: each hears what the others hold.
#include "memory_budget.h"

#include "machine_rig.h"

namespace wal2lake
{
namespace
{

using test::Config;
using test::Rig;
using test::Server;

constexpr uint64_t kOrigin = 0x1000;

std::string Transaction(uint32_t number)
{
    const uint64_t end = kOrigin + 0x40 * uint64_t{number};
    v1::Batch batch = test::Committed(number, end - 0x40, end, true);
    test::AddRelation(&batch, 1, "users");
    for (uint32_t i = 0; i < 60; i++)
        test::AddInsert(&batch, i + 1, 1, number * 7919 + i);
    return test::Message(batch);
}

MachineConfig Shared()
{
    MachineConfig config = Config();
    config.max_size = 100'000;
    config.memory_budget = 40'000;
    config.sources = 4;
    return config;
}

// Time passes while the other sources hold this much.
void Elsewhere(Rig* rig, uint64_t sum, uint64_t largest)
{
    rig->now_ms_ += 100;
    rig->Feed(event::Tick{rig->now_ms_, sum, largest});
}

TEST(MemoryBudget, EachHearsOfTheOthersAlone)
{
    MemoryBudget budget(3);
    budget.Report(0, 10);
    budget.Report(1, 30);
    const MemoryBudget::Others others = budget.Report(2, 500);
    EXPECT_EQ(others.sum, 40U);
    EXPECT_EQ(others.largest, 30U);
    EXPECT_EQ(budget.Report(1, 0).largest, 500U);
    EXPECT_EQ(budget.Report(2, 0).sum, 10U);
}

TEST(MemoryBudget, TheLargestOpenSegmentIsSealedFirst)
{
    Rig::Objects lake;
    Rig rig(&lake, Shared());
    rig.Start(Server(kOrigin));
    for (uint32_t number = 1; number <= 5; number++)
        rig.Send(Transaction(number));
    const uint64_t held = rig.machine_.buffered_bytes();
    Elsewhere(&rig, 20'000, held + 1);
    EXPECT_FALSE(rig.put_) << "another one is larger";
    Elsewhere(&rig, 1'000, 1'000);
    EXPECT_FALSE(rig.put_) << "together they are below the limit";
    Elsewhere(&rig, 20'000, held - 1);
    EXPECT_TRUE(rig.put_);
}

TEST(MemoryBudget, ASourceWithinItsPartReadsOnWhateverTheOthersHold)
{
    Rig::Objects lake;
    Rig rig(&lake, Shared());
    rig.Start(Server(kOrigin));
    Elsewhere(&rig, 1'000'000, 500'000);
    uint32_t number = 1;
    while (rig.machine_.buffered_bytes() < 4'000) {
        rig.Send(Transaction(number++));
        ASSERT_FALSE(rig.paused_);
    }
    Elsewhere(&rig, 1'000'000, 1);
    ASSERT_TRUE(rig.put_);
    for (; !rig.paused_ && number < 500; number++)
        rig.Send(Transaction(number));
    EXPECT_TRUE(rig.paused_) << "above its part it waits for its own segment";
    EXPECT_GE(rig.machine_.buffered_bytes(), 5'000U);
    Elsewhere(&rig, 0, 0);
    EXPECT_FALSE(rig.paused_) << "the others have let go";
}

} // namespace
} // namespace wal2lake
