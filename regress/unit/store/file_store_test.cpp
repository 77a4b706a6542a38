#include "store/file_store.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "clock.h"
#include "../folder.h"

namespace wal2lake
{
namespace
{

TEST(FileStore, LeavesNoTemporaryFilesAndListsNone)
{
    Folder folder;
    FileStore store(folder.path());
    ASSERT_TRUE(store.PutIfAbsent("s/log/1", "x").ok());
    ASSERT_FALSE(store.PutIfAbsent("s/log/1", "x").ok());
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path() + "/s/log"))
        files += entry.is_regular_file() ? 1 : 0;
    EXPECT_EQ(files, 1);
    // What a crash between write and link leaves behind.
    std::ofstream(folder.path() + "/s/log/.tmp-1-2-3") << "half";
    std::ofstream(folder.path() + "/s/log/not a name") << "x";
    EXPECT_EQ(store.List("s/", "", 10).value().names, (std::vector<std::string>{"s/log/1"}));
}

TEST(FileStore, TellsWhenAnObjectWasWritten)
{
    Folder folder;
    FileStore store(folder.path());
    const int64_t before = UnixUs();
    ASSERT_TRUE(store.PutIfAbsent("a/b", "x").ok());
    const auto facts = store.Head("a/b");
    ASSERT_TRUE(facts.ok()) << facts.error().text;
    // Time stamps of files are as coarse as the kernel's tick.
    EXPECT_GE(facts.value().written_us.value_or(0), before - 20'000);
    EXPECT_LE(facts.value().written_us.value_or(INT64_MAX), UnixUs());
}

// What a killed writer left goes at the first write into the directory after a
// start; what may still be written to, or is not a writer's, stays.
TEST(FileStore, RemovesWhatKilledWritersLeft)
{
    Folder folder;
    const std::filesystem::path log = folder.path() + "/a/log";
    std::filesystem::create_directories(log);
    const auto leave = [&](const char* name, std::chrono::minutes age) {
        std::ofstream(log / name) << "half of a segm";
        std::filesystem::last_write_time(log / name, std::filesystem::file_time_type::clock::now() - age);
    };
    leave(".tmp-4711-1790000000123456789-0", std::chrono::minutes(62));
    leave(".tmp-4711-1790000000123456789-1", std::chrono::minutes(58));
    leave(".tmp-of-somebody", std::chrono::minutes(62));
    leave("old.w2l", std::chrono::minutes(62));
    std::filesystem::create_directory(log / ".tmp-5");
    std::filesystem::last_write_time(log / ".tmp-5",
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));

    FileStore store(folder.path());
    const auto names = [&] {
        std::set<std::string> found;
        for (const auto& entry : std::filesystem::directory_iterator(log))
            found.insert(entry.path().filename());
        return found;
    };
    ASSERT_TRUE(store.List("a/", "", 10).ok());
    EXPECT_EQ(names().size(), 5) << "reading removes nothing";
    ASSERT_TRUE(store.PutIfAbsent("a/log/1.w2l", "one").ok());
    EXPECT_EQ(names(), (std::set<std::string>{".tmp-4711-1790000000123456789-1", ".tmp-of-somebody", ".tmp-5",
                                              "1.w2l", "old.w2l"}));
}

TEST(FileStore, AFileTooLargeForItsPlaceIsRetryable)
{
    // A limit on the size of files stands in for a full disk: write() comes back
    // short and then fails.
    Folder folder;
    FileStore store(folder.path());
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const rlimit small{4096, before.rlim_max};
    auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const auto put = store.PutIfAbsent("s/x", std::string(10000, 'x'));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    std::signal(SIGXFSZ, handler);
    ASSERT_FALSE(put.ok());
    EXPECT_EQ(put.error().kind, ErrorKind::kRetryable);
    EXPECT_NE(put.error().text.find(folder.path() + "/s/x"), std::string::npos) << put.error().text;
    EXPECT_TRUE(std::filesystem::is_empty(folder.path() + "/s"));
    EXPECT_TRUE(store.PutIfAbsent("s/x", std::string(10000, 'x')).ok());
}

TEST(FileStore, ANameOccupiedByAFileSaysSo)
{
    Folder folder;
    std::ofstream(folder.path() + "/s") << "a file";
    FileStore store(folder.path());
    const auto put = store.PutIfAbsent("s/x", "x");
    ASSERT_FALSE(put.ok());
    EXPECT_EQ(put.error().kind, ErrorKind::kPermanent);
}

TEST(OpenStore, RefusesWhatItDoesNotServe)
{
    EXPECT_EQ(OpenStore("ftp://bucket").error().kind, ErrorKind::kInvalid);
    EXPECT_EQ(OpenStore("file://relative").error().kind, ErrorKind::kInvalid);
    EXPECT_EQ(OpenStore("/tmp").error().kind, ErrorKind::kInvalid);
    EXPECT_TRUE(OpenStore("file:///tmp/x").ok());
}

} // namespace
} // namespace wal2lake
