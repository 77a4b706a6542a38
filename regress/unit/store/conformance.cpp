#include "conformance.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "clock.h"

namespace wal2lake
{
namespace
{

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
    const auto facts = store_->Head("a/none");
    ASSERT_FALSE(facts.ok());
    EXPECT_EQ(facts.error().kind, ErrorKind::kNotFound);
    EXPECT_NE(facts.error().text.find("a/none"), std::string::npos);
}

TEST_P(StoreConformance, HeadTellsTheSize)
{
    ASSERT_TRUE(store_->PutIfAbsent("a/x", "0123456789").ok());
    ASSERT_TRUE(store_->PutIfAbsent("a/empty", "").ok());
    EXPECT_EQ(store_->Head("a/x").value().size, 10U);
    EXPECT_EQ(store_->Head("a/empty").value().size, 0U);
    const auto written_us = store_->Head("a/x").value().written_us;
    // Their clock may be another one than ours.
    EXPECT_LT(std::abs(written_us.value_or(UnixUs()) - UnixUs()), int64_t{86'400} * 1'000'000);
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

// One of many wins, and what it wrote is what is there.
TEST_P(StoreConformance, OnlyOneOfManyCreates)
{
    constexpr size_t kWriters = 16;
    for (int round = 0; round < 5; round++) {
        const std::string name = "race/log/" + std::to_string(round);
        std::vector<std::unique_ptr<Store>> stores;
        std::vector<std::string> bodies;
        for (size_t i = 0; i < kWriters; i++) {
            stores.push_back(place_->Open());
            bodies.push_back(std::string(1000 + i, static_cast<char>('a' + i)));
        }
        std::vector<Result<Done>> results(kWriters, Done{});
        std::barrier start(static_cast<std::ptrdiff_t>(kWriters));
        std::vector<std::thread> writers;
        for (size_t i = 0; i < kWriters; i++)
            writers.emplace_back([&, i] {
                start.arrive_and_wait();
                // A store may say that nothing is decided yet.
                do
                    results[i] = stores[i]->PutIfAbsent(name, bodies[i]);
                while (!results[i].ok() && results[i].error().kind == ErrorKind::kRetryable);
            });
        for (std::thread& writer : writers)
            writer.join();
        std::vector<size_t> winners;
        for (size_t i = 0; i < kWriters; i++) {
            if (results[i].ok())
                winners.push_back(i);
            else
                EXPECT_EQ(results[i].error().kind, ErrorKind::kExists) << results[i].error().text;
        }
        ASSERT_EQ(winners.size(), 1U) << "round " << round;
        EXPECT_EQ(GetAll(*store_, name).value(), bodies[winners.front()]);
    }
}

TEST_P(StoreConformance, TakesEveryLegalName)
{
    std::vector<std::string> names{"0",
                                   "A/B",
                                   "_/_",
                                   "a..b/c",
                                   "a-.-_/x...",
                                   "cell1.main/log/00000001/00000000016B3748.w2l",
                                   "dot./dash-/under_",
                                   "long/" + std::string(200, 'n')};
    for (const std::string& name : names) {
        ASSERT_TRUE(IsObjectName(name)) << name;
        const auto put = store_->PutIfAbsent(name, name);
        ASSERT_TRUE(put.ok()) << put.error().text;
    }
    for (const std::string& name : names)
        EXPECT_EQ(GetAll(*store_, name).value(), name);
    std::sort(names.begin(), names.end());
    EXPECT_EQ(store_->List("", "", 100).value().names, names);
}

TEST_P(StoreConformance, ReadsBackALargeObject)
{
    std::string bytes(size_t{16} << 20, '\0');
    uint64_t state = 1;
    for (char& byte : bytes) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        byte = static_cast<char>(state >> 56);
    }
    const auto put = store_->PutIfAbsent("a/large", bytes);
    ASSERT_TRUE(put.ok()) << put.error().text;
    // Not EXPECT_EQ, which would print both.
    EXPECT_TRUE(GetAll(*store_, "a/large").value() == bytes);
    EXPECT_EQ(store_->Get("a/large", bytes.size() - 3, 10).value(), bytes.substr(bytes.size() - 3));
    EXPECT_EQ(store_->Head("a/large").value().size, bytes.size());
}

// More names than a page of S3 holds.
TEST_P(StoreConformance, ListsThousandsOfNames)
{
    constexpr size_t kNames = 2500;
    constexpr size_t kWriters = 8;
    const auto name_of = [](size_t i) { return "s/log/" + std::to_string(100'000 + i) + ".w2l"; };
    std::atomic<int> failed = 0;
    std::vector<std::thread> writers;
    for (size_t writer = 0; writer < kWriters; writer++)
        writers.emplace_back([&, writer] {
            const auto store = place_->Open();
            for (size_t i = writer; i < kNames; i += kWriters)
                failed += store->PutIfAbsent(name_of(i), "x").ok() ? 0 : 1;
        });
    for (std::thread& writer : writers)
        writer.join();
    ASSERT_EQ(failed, 0);
    std::vector<std::string> expected;
    for (size_t i = 0; i < kNames; i++)
        expected.push_back(name_of(i));
    const auto all = store_->List("s/", "", kNames + 1);
    ASSERT_TRUE(all.ok()) << all.error().text;
    EXPECT_EQ(all.value().names, expected);
    EXPECT_FALSE(all.value().more);
    const auto most = store_->List("s/", name_of(99), 2000).value();
    ASSERT_EQ(most.names.size(), 2000U);
    EXPECT_EQ(most.names.front(), name_of(100));
    EXPECT_EQ(most.names.back(), name_of(2099));
    EXPECT_TRUE(most.more);
}

} // namespace
} // namespace wal2lake
