// The probe believes a store that keeps its promise, and finds those that do not.
#include "store/probe.h"

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>
#include <stdlib.h>

#include "store/file_store.h"

namespace wal2lake
{
namespace
{

enum class Manner {
    kHonest,
    // The condition is not looked at.
    kIgnores,
    // It is looked at, and then the object is written.
    kRacy,
    // The first is kept, and a later one is told that it was created.
    kFlatters,
    // One is told of success, and another one's bytes are there.
    kMixes,
    // Each third answer is lost, after the deed.
    kLosesAnswers,
    // Each third put is told to try again, and nothing was done.
    kConflicts,
    kDown,
    kForbids,
};

// What all stores of one lake share.
struct Shared {
    Manner manner = Manner::kHonest;
    std::mutex mutex;
    std::map<std::string, std::string> objects;
    std::atomic<int> puts = 0;
};

class SharedStore : public Store
{
  public:
    explicit SharedStore(Shared* shared) : shared_(shared) {}

    Result<Done> PutIfAbsent(const std::string& name, std::string_view bytes) override
    {
        const int number = shared_->puts++;
        switch (shared_->manner) {
        case Manner::kDown:
            return Error{ErrorKind::kRetryable, "cannot connect"};
        case Manner::kForbids:
            return Error{ErrorKind::kPermanent, "cannot put " + name + ": 403 AccessDenied"};
        case Manner::kConflicts:
            if (number % 3 == 0)
                return Error{ErrorKind::kRetryable, "409 ConditionalRequestConflict"};
            break;
        case Manner::kRacy: {
            const bool taken = Exists(name);
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
            if (taken)
                return Error{ErrorKind::kExists, name};
            const std::lock_guard lock(shared_->mutex);
            shared_->objects[name] = bytes;
            return Done{};
        }
        default:
            break;
        }
        const std::lock_guard lock(shared_->mutex);
        const bool created = shared_->objects.try_emplace(name, bytes).second;
        if (shared_->manner == Manner::kIgnores || (created && shared_->manner == Manner::kMixes))
            shared_->objects[name] =
                shared_->manner == Manner::kMixes ? "somebody else's" : std::string(bytes);
        if (shared_->manner == Manner::kLosesAnswers && number % 3 == 0)
            return Error{ErrorKind::kRetryable, "connection reset"};
        if (created || shared_->manner == Manner::kIgnores || shared_->manner == Manner::kFlatters)
            return Done{};
        return Error{ErrorKind::kExists, name};
    }
    Result<Done> Overwrite(const std::string& name, std::string_view bytes) override
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->objects[name] = bytes;
        return Done{};
    }
    Result<std::string> Get(const std::string& name, uint64_t offset, size_t length) override
    {
        const std::lock_guard lock(shared_->mutex);
        const auto found = shared_->objects.find(name);
        if (found == shared_->objects.end())
            return Error{ErrorKind::kNotFound, name + " does not exist"};
        return found->second.substr(std::min<size_t>(offset, found->second.size()), length);
    }
    Result<ObjectFacts> Head(const std::string&) override { return ObjectFacts{}; }
    Result<ListPage> List(const std::string&, const std::string&, size_t) override { return ListPage{}; }
    Result<Done> Delete(const std::string& name) override
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->objects.erase(name);
        return Done{};
    }

  private:
    bool Exists(const std::string& name)
    {
        const std::lock_guard lock(shared_->mutex);
        return shared_->objects.contains(name);
    }

    Shared* shared_;
};

Result<ProbeVerdict> Probe(Shared* shared)
{
    return ProbeStore(
        [shared] { return Result<std::unique_ptr<Store>>(std::make_unique<SharedStore>(shared)); });
}

TEST(Probe, BelievesWhoKeepsThePromise)
{
    for (const Manner manner : {Manner::kHonest, Manner::kLosesAnswers, Manner::kConflicts}) {
        Shared shared;
        shared.manner = manner;
        const auto verdict = Probe(&shared);
        ASSERT_TRUE(verdict.ok()) << verdict.error().text;
        EXPECT_TRUE(verdict.value().exclusive) << verdict.value().sentence;
        EXPECT_GE(shared.puts, 16 * 20);
        EXPECT_TRUE(shared.objects.empty()) << "nothing stays";
    }
}

TEST(Probe, FindsWhoDoesNot)
{
    for (const Manner manner : {Manner::kIgnores, Manner::kRacy, Manner::kFlatters, Manner::kMixes}) {
        Shared shared;
        shared.manner = manner;
        const auto verdict = Probe(&shared);
        ASSERT_TRUE(verdict.ok()) << verdict.error().text;
        EXPECT_FALSE(verdict.value().exclusive) << static_cast<int>(manner);
        EXPECT_FALSE(verdict.value().sentence.empty());
    }
}

TEST(Probe, SaysWhyItCouldNotBeTried)
{
    Shared down;
    down.manner = Manner::kDown;
    EXPECT_EQ(Probe(&down).error().kind, ErrorKind::kRetryable);
    Shared forbids;
    forbids.manner = Manner::kForbids;
    EXPECT_EQ(Probe(&forbids).error().kind, ErrorKind::kPermanent);
    EXPECT_NE(Probe(&forbids).error().text.find("AccessDenied"), std::string::npos);
}

TEST(Probe, IsRepeatedAfterADay)
{
    constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;
    Shared shared;
    const auto probe = [&](int64_t now_us) {
        const int before = shared.puts;
        const auto verdict = ProbeStoreDaily(
            [&] { return Result<std::unique_ptr<Store>>(std::make_unique<SharedStore>(&shared)); }, now_us);
        EXPECT_TRUE(verdict.ok() && verdict.value().exclusive);
        return shared.puts - before;
    };
    EXPECT_EQ(probe(100 * kDayUs), 320);
    EXPECT_EQ(probe(100 * kDayUs), 0);
    EXPECT_EQ(probe(101 * kDayUs - 1), 0);
    EXPECT_EQ(probe(101 * kDayUs), 320);
    EXPECT_EQ(probe(100 * kDayUs), 320) << "from the future";
    shared.objects[kProbedName] = "nonsense\n";
    EXPECT_EQ(probe(100 * kDayUs), 320);
    // One that was found wanting is tried each time.
    shared.objects.clear();
    shared.manner = Manner::kIgnores;
    EXPECT_FALSE(
        ProbeStoreDaily(
            [&] { return Result<std::unique_ptr<Store>>(std::make_unique<SharedStore>(&shared)); }, 1)
            .value()
            .exclusive);
    EXPECT_FALSE(shared.objects.contains(kProbedName));
}

// rename() in the place of link().
class RenamingStore : public FileStore
{
  public:
    using FileStore::FileStore;
    Result<Done> PutIfAbsent(const std::string& name, std::string_view bytes) override
    {
        return Overwrite(name, bytes);
    }
};

TEST(Probe, TellsLinkFromRename)
{
    char path[] = "/tmp/wal2lake-probe-XXXXXX";
    const std::string folder = ::mkdtemp(path);
    const auto links =
        ProbeStore([&] { return Result<std::unique_ptr<Store>>(std::make_unique<FileStore>(folder)); });
    const auto renames =
        ProbeStore([&] { return Result<std::unique_ptr<Store>>(std::make_unique<RenamingStore>(folder)); });
    std::filesystem::remove_all(folder);
    ASSERT_TRUE(links.ok()) << links.error().text;
    EXPECT_TRUE(links.value().exclusive) << links.value().sentence;
    ASSERT_TRUE(renames.ok()) << renames.error().text;
    EXPECT_FALSE(renames.value().exclusive);
}

} // namespace
} // namespace wal2lake
