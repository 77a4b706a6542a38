// The cache: whom it asks when, by a clock of the test's own.
#include "store/credentials.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

using namespace std::chrono_literals;

// What the test and the cache's thread share.
struct World {
    std::atomic<int64_t> now_s{1'000'000};
    std::atomic<int64_t> lifetime_s{3'600};
    std::atomic<bool> expires{true};
    std::atomic<bool> fails{false};
    std::atomic<bool> hangs{false};
    std::atomic<int> fetches{0};
    std::atomic<int> at_once{0};
    std::atomic<int> reports{0};
};

class FromWorld : public CredentialsProvider
{
  public:
    explicit FromWorld(World* world) : world_(world) {}

    Result<Credentials> Fetch() override
    {
        EXPECT_EQ(world_->at_once++, 0) << "two fetches at once";
        const int number = ++world_->fetches;
        while (world_->hangs)
            std::this_thread::sleep_for(1ms);
        world_->at_once--;
        if (world_->fails)
            return Error{ErrorKind::kRetryable, "out of order"};
        Credentials credentials{"id" + std::to_string(number), "secret", "token", {}};
        if (world_->expires)
            credentials.expires_s = world_->now_s + world_->lifetime_s;
        return credentials;
    }

    std::string name() const override { return "world"; }

  private:
    World* world_;
};

class CredentialsCacheTest : public testing::Test
{
  protected:
    CredentialsCache MakeCache(std::chrono::milliseconds tick = 1ms)
    {
        CredentialsCacheOptions options;
        options.now_s = [this] { return world_.now_s.load(); };
        options.on_failed_refresh = [this](const Error& error) {
            EXPECT_EQ(error.text, "out of order");
            world_.reports++;
        };
        options.tick = tick;
        return CredentialsCache(std::make_unique<FromWorld>(&world_), options);
    }

    // The thread has had time for whatever it wants to do.
    static void Settle() { std::this_thread::sleep_for(50ms); }
    void WaitForFetches(int number) const
    {
        for (int i = 0; i < 5'000 && world_.fetches < number; i++)
            std::this_thread::sleep_for(1ms);
        Settle();
        EXPECT_EQ(world_.fetches, number);
    }
    static std::string Id(CredentialsCache& cache)
    {
        const auto got = cache.Get();
        return got.ok() ? got.value().access_key_id : got.error().text;
    }

    World world_;
};

TEST_F(CredentialsCacheTest, FetchesOnceWhatDoesNotExpire)
{
    world_.expires = false;
    CredentialsCache cache = MakeCache();
    EXPECT_EQ(world_.fetches, 0);
    EXPECT_EQ(Id(cache), "id1");
    world_.now_s += 1'000'000;
    Settle();
    EXPECT_EQ(Id(cache), "id1");
    EXPECT_EQ(world_.fetches, 1);
}

TEST_F(CredentialsCacheTest, RefreshesInTheBackgroundFiveMinutesBefore)
{
    CredentialsCache cache = MakeCache();
    EXPECT_EQ(Id(cache), "id1");
    world_.now_s += 3'600 - 301;
    Settle();
    EXPECT_EQ(world_.fetches, 1);
    world_.now_s += 1;
    WaitForFetches(2);
    EXPECT_EQ(Id(cache), "id2");
    EXPECT_EQ(world_.reports, 0);
}

TEST_F(CredentialsCacheTest, KeepsTheOldUntilTheyExpire)
{
    CredentialsCache cache = MakeCache();
    EXPECT_EQ(Id(cache), "id1");
    world_.fails = true;
    world_.now_s += 3'600 - 300;
    WaitForFetches(2);
    EXPECT_EQ(world_.reports, 1);
    EXPECT_EQ(Id(cache), "id1");
    // Tries again, but not at once.
    world_.now_s += 19;
    WaitForFetches(2);
    world_.now_s += 1;
    WaitForFetches(3);
    EXPECT_EQ(Id(cache), "id1");
    world_.now_s += 280;
    WaitForFetches(4);
    EXPECT_EQ(Id(cache), "out of order");
    world_.fails = false;
    EXPECT_EQ(Id(cache), "id6");
}

TEST_F(CredentialsCacheTest, GetDoesNotWaitForARefresh)
{
    CredentialsCache cache = MakeCache();
    EXPECT_EQ(Id(cache), "id1");
    world_.hangs = true;
    world_.now_s += 3'600 - 100;
    WaitForFetches(2);
    EXPECT_EQ(Id(cache), "id1");
    world_.hangs = false;
}

TEST_F(CredentialsCacheTest, AsksShortLivedOnesAtHalfTime)
{
    world_.lifetime_s = 120;
    CredentialsCache cache = MakeCache();
    EXPECT_EQ(Id(cache), "id1");
    world_.now_s += 59;
    WaitForFetches(1);
    world_.now_s += 1;
    WaitForFetches(2);
}

TEST_F(CredentialsCacheTest, UsesWhatALateClockCallsExpired)
{
    world_.lifetime_s = -7'200;
    CredentialsCache cache = MakeCache();
    EXPECT_EQ(Id(cache), "id1");
    EXPECT_EQ(Id(cache), "id1");
    WaitForFetches(1);
    world_.now_s += 20;
    WaitForFetches(2);
    EXPECT_EQ(Id(cache), "id2");
}

TEST_F(CredentialsCacheTest, RefreshesAfterTheClockWasSetBack)
{
    CredentialsCache cache = MakeCache();
    EXPECT_EQ(Id(cache), "id1");
    world_.fails = true;
    world_.now_s += 3'600 - 300;
    WaitForFetches(2);
    world_.now_s += 250;
    WaitForFetches(3);
    world_.now_s -= 240;
    WaitForFetches(4);
}

TEST_F(CredentialsCacheTest, FetchesAnewWhatWasRefused)
{
    world_.expires = false;
    CredentialsCache cache = MakeCache();
    const auto refused = cache.Get();
    ASSERT_TRUE(refused.ok());
    cache.Distrust(refused.value());
    EXPECT_EQ(world_.fetches, 1);
    EXPECT_EQ(Id(cache), "id2");
    // Another thread used the old ones, too: they are gone already.
    cache.Distrust(refused.value());
    EXPECT_EQ(Id(cache), "id2");
    EXPECT_EQ(world_.fetches, 2);
}

TEST_F(CredentialsCacheTest, DoesNotGoBackToWhatWasRefused)
{
    world_.expires = false;
    CredentialsCache cache = MakeCache();
    const auto refused = cache.Get();
    world_.fails = true;
    cache.Distrust(refused.value());
    EXPECT_EQ(Id(cache), "out of order");
    EXPECT_EQ(Id(cache), "out of order");
    world_.fails = false;
    EXPECT_EQ(Id(cache), "id4");
}

TEST_F(CredentialsCacheTest, WaitersShareOneFetch)
{
    world_.hangs = true;
    CredentialsCache cache = MakeCache();
    std::atomic<int> got{0};
    std::vector<std::thread> threads;
    threads.reserve(16);
    for (int i = 0; i < 16; i++)
        threads.emplace_back([&] {
            if (Id(cache) == "id1")
                got++;
        });
    Settle();
    world_.hangs = false;
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(got, 16);
    EXPECT_EQ(world_.fetches, 1);
}

TEST_F(CredentialsCacheTest, ManyThreadsAndRotations)
{
    world_.lifetime_s = 100;
    CredentialsCache cache = MakeCache();
    std::atomic<bool> stop{false};
    std::atomic<int> bad{0};
    std::vector<std::thread> threads;
    threads.reserve(8);
    for (int i = 0; i < 8; i++)
        threads.emplace_back([&, i] {
            for (int turn = 0; !stop; turn++) {
                const auto got = cache.Get();
                bad += got.ok() ? 0 : 1;
                if (got.ok() && (turn + i) % 64 == 0)
                    cache.Distrust(got.value());
                std::this_thread::yield();
            }
        });
    for (int i = 0; i < 100; i++) {
        world_.now_s += 30;
        std::this_thread::sleep_for(2ms);
    }
    stop = true;
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(bad, 0);
    EXPECT_GT(world_.fetches, 20);
}

TEST_F(CredentialsCacheTest, EndsAtOnce)
{
    const auto begin = std::chrono::steady_clock::now();
    {
        CredentialsCache cache = MakeCache(1h);
        EXPECT_EQ(Id(cache), "id1");
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST(CredentialsCacheClock, IsTheMachinesWhereNoneIsGiven)
{
    World world;
    world.now_s =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
            .count();
    CredentialsCacheOptions options;
    options.tick = 1ms;
    CredentialsCache cache(std::make_unique<FromWorld>(&world), options);
    EXPECT_TRUE(cache.Get().ok());
    std::this_thread::sleep_for(20ms);
    EXPECT_TRUE(cache.Get().ok());
    EXPECT_EQ(world.fetches, 1);
}

} // namespace
} // namespace wal2lake
