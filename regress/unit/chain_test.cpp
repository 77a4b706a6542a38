#include "chain.h"

#include <gtest/gtest.h>

#include "store/memory_store.h"

namespace wal2lake
{
namespace
{

TEST(SegmentNames, RoundTrip)
{
    const SegmentName name{"cell1.main", 1, 0x16B3748};
    EXPECT_EQ(FormatSegmentName(name), "cell1.main/log/00000001/00000000016b3748.w2l");
    EXPECT_EQ(ParseSegmentName(FormatSegmentName(name)), name);
    EXPECT_EQ(FormatSegmentName({"a", 1, 0}), "a/log/00000001/0000000000000000.w2l");
    EXPECT_EQ(ParseSegmentName(FormatSegmentName({"a", 99999999, ~uint64_t{0}})),
              (SegmentName{"a", 99999999, ~uint64_t{0}}));
}

TEST(SegmentNames, RejectsEverythingElse)
{
    for (const char* text :
         {"", "a", "a/log/00000001/00000000016b3748", "a/log/00000001/00000000016B3748.w2l",
          "a/log/0000001/00000000016b3748.w2l", "a/log/00000000/00000000016b3748.w2l",
          "a/log/00000001/.tmp-1-2-3.w2l", "a/log/00000001/00000000016b374.w2l",
          "A/log/00000001/00000000016b3748.w2l", "/log/00000001/00000000016b3748.w2l",
          "a/log/00000001/-0000000016b3748.w2l", "a/log/00000001/00000000016b3748.w2l/x",
          "a/b/log/00000001/00000000016b3748.w2l"})
        EXPECT_FALSE(ParseSegmentName(text)) << text;
}

TEST(SourceIds, FollowTheirGrammar)
{
    EXPECT_TRUE(IsSourceId("cell1.main"));
    EXPECT_TRUE(IsSourceId("0_-"));
    for (const char* text : {"", ".a", "-a", "A", "a/b", "a b", "\xc3\xa9"})
        EXPECT_FALSE(IsSourceId(text)) << text;
    EXPECT_FALSE(IsSourceId(std::string(129, 'a')));
}

void Fill(MemoryStore* store, const std::string& source, size_t count, uint64_t step)
{
    for (size_t i = 0; i < count; i++)
        store->objects()[FormatSegmentName({source, 1, i * step})] = "x";
}

int RequestsFor(MemoryStore& store, TailFinder* finder)
{
    while (!finder->done()) {
        const auto request = finder->request();
        if (const auto* head = std::get_if<TailFinder::GetHead>(&request)) {
            const auto bytes = GetAll(store, head->name);
            finder->OnHead(bytes.ok() ? std::optional<std::string>(bytes.value()) : std::nullopt);
        } else {
            const auto& list = std::get<TailFinder::ListAfter>(request);
            finder->OnList(store.List(list.prefix, list.after, list.limit).value());
        }
    }
    return finder->requests();
}

TEST(TailFinder, EmptyLakeHasNoTail)
{
    MemoryStore store;
    Fill(&store, "other", 3, 0x100);
    EXPECT_FALSE(FindTail(store, "a").value());
}

TEST(TailFinder, FindsTheLastWithoutHint)
{
    MemoryStore store;
    Fill(&store, "a", 5, 0x100);
    Fill(&store, "a.b", 9, 0x100);
    EXPECT_EQ(FindTail(store, "a").value()->start_lsn, 0x400U);
}

TEST(TailFinder, AHintSavesRequestsAndIsNeverTrusted)
{
    MemoryStore store;
    Fill(&store, "a", 5000, 0x100);
    store.objects()[HeadName("a")] = FormatHead({"a", 1, 4990 * 0x100});
    TailFinder fresh("a");
    EXPECT_EQ(RequestsFor(store, &fresh), 2);
    EXPECT_EQ(fresh.tail()->start_lsn, 4999U * 0x100);

    // Ahead of what exists: the object it names was lost.
    store.objects()[HeadName("a")] = FormatHead({"a", 1, 7000 * 0x100});
    EXPECT_EQ(FindTail(store, "a").value()->start_lsn, 4999U * 0x100);

    for (const char* damaged :
         {"", "x", "a/log/00000001/00000000016b3748.w2l", "b/log/00000001/0000000000000100.w2l\n"}) {
        store.objects()[HeadName("a")] = damaged;
        EXPECT_EQ(FindTail(store, "a").value()->start_lsn, 4999U * 0x100) << damaged;
    }
}

TEST(TailFinder, ABoundedNumberOfRequestsWhateverTheLength)
{
    for (const size_t count : {999U, 1000U, 1001U, 50000U}) {
        for (const uint64_t step : {uint64_t{8}, uint64_t{1} << 26, uint64_t{1} << 46}) {
            MemoryStore store;
            Fill(&store, "a", count, step);
            TailFinder finder("a");
            EXPECT_LE(RequestsFor(store, &finder), 96) << count << " " << step;
            EXPECT_EQ(finder.tail()->start_lsn, (count - 1) * step);
        }
    }
}

// The promise of docs/architecture.md, at the size of some years of a busy source.
class LongLog : public testing::TestWithParam<uint64_t>
{
  protected:
    static constexpr size_t kSegments = 500'000;
    static constexpr int kRequests = 64;

    static void SetUpTestSuite() { store_ = std::make_unique<MemoryStore>(); }
    static void TearDownTestSuite() { store_.reset(); }

    void SetUp() override
    {
        store_->objects().clear();
        Fill(store_.get(), "a", kSegments, GetParam());
    }

    void Expect(int requests)
    {
        TailFinder finder("a");
        EXPECT_LE(RequestsFor(*store_, &finder), requests);
        EXPECT_EQ(finder.tail()->start_lsn, (kSegments - 1) * GetParam());
    }

    // As `wal2lake trim` leaves it, genesis stays.
    void Trim(size_t segments)
    {
        auto& objects = store_->objects();
        const size_t had = objects.size();
        objects.erase(objects.upper_bound(FormatSegmentName({"a", 1, 0})),
                      objects.lower_bound(FormatSegmentName({"a", 1, segments * GetParam()})));
        ASSERT_EQ(had - objects.size(), segments - 1);
    }

    void Hint(size_t segment)
    {
        store_->objects()[HeadName("a")] = FormatHead({"a", 1, segment * GetParam()});
    }

    static std::unique_ptr<MemoryStore> store_;
};

std::unique_ptr<MemoryStore> LongLog::store_;

TEST_P(LongLog, TheTailIsFoundInFewRequests)
{
    Expect(kRequests);
    Hint(kSegments - 10);
    Expect(2);
    Hint(100'000);
    Expect(kRequests);
    Trim(400'000);
    Expect(kRequests);
    Hint(kSegments - 10);
    Expect(2);
    Hint(450'000);
    Expect(kRequests);
    store_->objects().erase(HeadName("a"));
    Expect(kRequests);
}

INSTANTIATE_TEST_SUITE_P(Steps, LongLog, testing::Values(uint64_t{64}, uint64_t{1} << 26, uint64_t{1} << 44));

TEST(TailFinder, FindsTheLastOfManyEpochs)
{
    for (const uint32_t epochs : {2U, 3U, 9U, 300U}) {
        MemoryStore store;
        for (uint32_t epoch = 1; epoch <= epochs; epoch++)
            for (uint64_t i = 0; i < 1500; i++)
                store.objects()[FormatSegmentName({"a", epoch, i * 0x40})] = "x";
        TailFinder finder("a");
        EXPECT_LE(RequestsFor(store, &finder), 96) << epochs;
        EXPECT_EQ(*finder.tail(), (SegmentName{"a", epochs, uint64_t{1499} * 0x40})) << epochs;
    }
}

TEST(TailFinder, ForeignNamesAreNoTail)
{
    MemoryStore store;
    Fill(&store, "a", 3, 0x100);
    store.objects()["a/log/00000001/zzz"] = "x";
    store.objects()["a/log/zzz"] = "x";
    EXPECT_EQ(FindTail(store, "a").value()->start_lsn, 0x200U);
}

TEST(TailFinder, ForeignNamesBehindALongLogDoNotEndTheSearch)
{
    MemoryStore store;
    Fill(&store, "a", 2500, 0x100);
    store.objects()["a/log/zzz"] = "x";
    EXPECT_EQ(FindTail(store, "a").value()->start_lsn, 2499U * 0x100);
    // More of them than a page holds, before, between and behind.
    for (int i = 0; i < 1500; i++)
        for (const char* where :
             {"a/log/.", "a/log/00000001/0000000000000100.", "a/log/00000001/zzz", "a/log/zzz"})
            store.objects()[where + std::to_string(i)] = "x";
    EXPECT_EQ(FindTail(store, "a").value()->start_lsn, 2499U * 0x100);
}

TEST(ListSegments, GivesTheWholeChainInOrder)
{
    MemoryStore store;
    Fill(&store, "a", 2500, 0x100);
    store.objects()["a/log/00000001/readme"] = "x";
    const auto segments = ListSegments(store, "a").value();
    ASSERT_EQ(segments.size(), 2500U);
    EXPECT_EQ(segments.front().start_lsn, 0U);
    EXPECT_EQ(segments.back().start_lsn, 2499U * 0x100);
}

} // namespace
} // namespace wal2lake
