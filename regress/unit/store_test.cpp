// One suite, run over every store.
#include "store/store.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "store/file_store.h"
#include "store/memory_store.h"

namespace wal2lake
{
namespace
{

class Folder
{
  public:
    Folder()
    {
        char path[] = "/tmp/wal2lake-store-XXXXXX";
        path_ = ::mkdtemp(path);
    }
    ~Folder() { std::filesystem::remove_all(path_); }

    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

struct StoreKind {
    const char* name;
    std::function<std::unique_ptr<Store>(const std::string& folder)> make;
};

class StoreConformance : public testing::TestWithParam<StoreKind>
{
  protected:
    Folder folder_;
    std::unique_ptr<Store> store_ = GetParam().make(folder_.path() + "/deep/lake");
};

TEST_P(StoreConformance, CreatesOnceAndKeepsTheFirst)
{
    EXPECT_TRUE(store_->PutIfAbsent("a/log/1.w2l", "first").ok());
    const auto second = store_->PutIfAbsent("a/log/1.w2l", "second");
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().kind, ErrorKind::kExists);
    EXPECT_EQ(GetAll(*store_, "a/log/1.w2l").value(), "first");
}

TEST_P(StoreConformance, OverwriteReplaces)
{
    EXPECT_TRUE(store_->Overwrite("a/head", "1").ok());
    EXPECT_TRUE(store_->Overwrite("a/head", "22").ok());
    EXPECT_EQ(GetAll(*store_, "a/head").value(), "22");
}

TEST_P(StoreConformance, MissingIsNotFound)
{
    const auto missing = GetAll(*store_, "a/none");
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().kind, ErrorKind::kNotFound);
    EXPECT_NE(missing.error().text.find("a/none"), std::string::npos);
}

TEST_P(StoreConformance, ReadsRanges)
{
    ASSERT_TRUE(store_->PutIfAbsent("a/x", "0123456789").ok());
    EXPECT_EQ(store_->Get("a/x", 3, 4).value(), "3456");
    EXPECT_EQ(store_->Get("a/x", 8, 4).value(), "89");
    EXPECT_EQ(store_->Get("a/x", 10, 4).value(), "");
    EXPECT_EQ(store_->Get("a/x", 100, 4).value(), "");
}

TEST_P(StoreConformance, KeepsEveryByteAndEmptyObjects)
{
    std::string all;
    for (int i = 0; i < 256; i++)
        all += static_cast<char>(i);
    ASSERT_TRUE(store_->PutIfAbsent("a/all", all).ok());
    ASSERT_TRUE(store_->PutIfAbsent("a/empty", "").ok());
    EXPECT_EQ(GetAll(*store_, "a/all").value(), all);
    EXPECT_EQ(GetAll(*store_, "a/empty").value(), "");
    EXPECT_EQ(store_->PutIfAbsent("a/empty", "x").error().kind, ErrorKind::kExists);
}

TEST_P(StoreConformance, ListsInByteOrderInPagesAfterAName)
{
    for (const char* name : {"s/log/2/b", "s/log/1/c", "s/log/1/a", "s/log-x", "s/log.y", "t/log/1/a"})
        ASSERT_TRUE(store_->PutIfAbsent(name, "x").ok());
    EXPECT_EQ(store_->List("s/log/", "", 10).value().names,
              (std::vector<std::string>{"s/log/1/a", "s/log/1/c", "s/log/2/b"}));
    const auto page = store_->List("s/log/", "", 2).value();
    EXPECT_EQ(page.names, (std::vector<std::string>{"s/log/1/a", "s/log/1/c"}));
    EXPECT_TRUE(page.more);
    const auto rest = store_->List("s/log/", "s/log/1/c", 2).value();
    EXPECT_EQ(rest.names, (std::vector<std::string>{"s/log/2/b"}));
    EXPECT_FALSE(rest.more);
    EXPECT_EQ(store_->List("s/log/", "s/log/1/b", 1).value().names, (std::vector<std::string>{"s/log/1/c"}));
    EXPECT_TRUE(store_->List("s/log/", "s/log/2/b", 10).value().names.empty());
    EXPECT_EQ(
        store_->List("", "", 10).value().names,
        (std::vector<std::string>{"s/log-x", "s/log.y", "s/log/1/a", "s/log/1/c", "s/log/2/b", "t/log/1/a"}));
    EXPECT_TRUE(store_->List("nothing/", "", 10).value().names.empty());
}

TEST_P(StoreConformance, DeleteRemovesAndForgivesAbsence)
{
    ASSERT_TRUE(store_->PutIfAbsent("a/x", "x").ok());
    EXPECT_TRUE(store_->Delete("a/x").ok());
    EXPECT_TRUE(store_->Delete("a/x").ok());
    EXPECT_EQ(GetAll(*store_, "a/x").error().kind, ErrorKind::kNotFound);
    EXPECT_TRUE(store_->PutIfAbsent("a/x", "again").ok());
}

TEST_P(StoreConformance, RefusesNamesThatLeaveTheLake)
{
    for (const char* name : {"", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a/.b", "a b", "a\nb"}) {
        EXPECT_EQ(store_->PutIfAbsent(name, "x").error().kind, ErrorKind::kPermanent) << name;
        EXPECT_EQ(store_->Overwrite(name, "x").error().kind, ErrorKind::kPermanent) << name;
    }
}

INSTANTIATE_TEST_SUITE_P(
    , StoreConformance,
    testing::Values(StoreKind{"Memory", [](const std::string&) { return std::make_unique<MemoryStore>(); }},
                    StoreKind{"File",
                              [](const std::string& folder) { return std::make_unique<FileStore>(folder); }}),
    [](const auto& kind) { return kind.param.name; });

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
    EXPECT_EQ(store.List("s/", "", 10).value().names, (std::vector<std::string>{"s/log/1"}));
}

TEST(FileStore, TellsWhenAnObjectWasWritten)
{
    Folder folder;
    FileStore store(folder.path());
    const int64_t before = UnixUs();
    ASSERT_TRUE(store.PutIfAbsent("a/b", "x").ok());
    const auto written = store.WrittenUs("a/b");
    ASSERT_TRUE(written.ok()) << written.error().text;
    // Time stamps of files are as coarse as the kernel's tick.
    EXPECT_GE(written.value(), before - 20'000);
    EXPECT_LE(written.value(), UnixUs());
    EXPECT_EQ(store.WrittenUs("a/c").error().kind, ErrorKind::kNotFound);
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
    EXPECT_EQ(OpenStore("s3://bucket").error().kind, ErrorKind::kInvalid);
    EXPECT_EQ(OpenStore("file://relative").error().kind, ErrorKind::kInvalid);
    EXPECT_EQ(OpenStore("/tmp").error().kind, ErrorKind::kInvalid);
    EXPECT_TRUE(OpenStore("file:///tmp/x").ok());
}

} // namespace
} // namespace wal2lake
