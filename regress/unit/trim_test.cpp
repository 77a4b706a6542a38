// What a trim takes and what it leaves, wherever it is stopped.
#include "trim.h"

#include <set>

#include "made_log.h"
#include "verify.h"

namespace wal2lake
{
namespace
{

using test::MadeLog;
using Objects = std::map<std::string, std::string>;

constexpr const char* kSource = MadeLog::kSource;

TrimCut Before(uint64_t lsn)
{
    return {lsn, std::nullopt};
}

TrimCut Older(int64_t than_us)
{
    return {std::nullopt, than_us};
}

// Fails from a number of deletions or other changes on, as a process that dies.
class DyingStore : public MemoryStore
{
  public:
    Result<Done> PutIfAbsent(const std::string& name, std::string_view bytes) override
    {
        if (lose_put)
            return Error{ErrorKind::kRetryable, "no answer"};
        auto done = MemoryStore::PutIfAbsent(name, bytes);
        if (lose_answer)
            return Error{ErrorKind::kRetryable, "no answer"};
        return done;
    }

    Result<Done> Delete(const std::string& name) override
    {
        if (deletes == 0)
            return Error{ErrorKind::kRetryable, "no answer"};
        deletes--;
        deleted.push_back(name);
        return MemoryStore::Delete(name);
    }

    bool lose_put = false;
    bool lose_answer = false;
    size_t deletes = SIZE_MAX;
    std::vector<std::string> deleted;
};

class Trim : public testing::Test
{
  protected:
    // A plan that must be possible, carried out.
    static TrimPlan Do(Store& store, const TrimCut& cut)
    {
        auto plan = PlanTrim(store, kSource, cut);
        EXPECT_TRUE(plan.ok()) << plan.error().text;
        uint64_t deleted = 0;
        EXPECT_TRUE(CarryOutTrim(store, plan.value(), &deleted).ok());
        EXPECT_EQ(deleted, plan.value().segments.size() + plan.value().parts.size());
        return std::move(plan.value());
    }

    TrimPlan Do(const TrimCut& cut) { return Do(log_.store(), cut); }

    static std::string Refusal(Store& store, const TrimCut& cut, ErrorKind kind)
    {
        const auto plan = PlanTrim(store, kSource, cut);
        if (plan.ok())
            return "it was planned";
        EXPECT_EQ(plan.error().kind, kind) << plan.error().text;
        return plan.error().text;
    }

    // Why verify is not content, or "".
    static std::string Problems(Store& store)
    {
        const auto report = VerifyChain(store, kSource);
        if (!report.ok())
            return report.error().text;
        std::string all;
        for (const Problem& problem : report.value().problems)
            all += problem.object + ": " + problem.reason + "\n";
        return all;
    }

    // Genesis and what begins with segment `first`.
    void ExpectKept(size_t first)
    {
        std::vector<SegmentName> wanted{MadeLog::Segment(0)};
        for (size_t i = first; i <= log_.tail(); i++)
            wanted.push_back(MadeLog::Segment(i));
        EXPECT_EQ(ListSegments(log_.store(), kSource).value(), wanted);
        EXPECT_EQ(Problems(log_.store()), "");
        EXPECT_EQ(FindTail(log_.store(), kSource).value(), MadeLog::Segment(log_.tail()));
    }

    MadeLog log_;
};

TEST_F(Trim, KeepsAllFromAnLsnOn)
{
    log_.Fill(300);
    const TrimPlan plan = Do(Before(MadeLog::Start(100) + 5));
    EXPECT_EQ(plan.segments.size(), 99U);
    ExpectKept(100);
    const auto report = VerifyChain(log_.store(), kSource).value();
    EXPECT_TRUE(report.mark);
    EXPECT_EQ(report.segments, 202U);
    EXPECT_EQ(report.transactions, 201U);
    EXPECT_EQ(report.start_lsn, MadeLog::Start(100));
    EXPECT_EQ(report.end_lsn, MadeLog::Start(301));
}

TEST_F(Trim, CutsAtBoundariesOnly)
{
    log_.Fill(10);
    EXPECT_TRUE(Do(Before(MadeLog::Start(2) - 1)).empty());
    EXPECT_TRUE(Do(Before(0)).empty());
    EXPECT_FALSE(FindTrimMark(log_.store(), kSource).value());
    ExpectKept(1);
    Do(Before(MadeLog::Start(4)));
    ExpectKept(4);
    Do(Before(MadeLog::Start(6) - 1));
    ExpectKept(5);
    // The end of the log: the tail stays.
    Do(Before(MadeLog::Start(11)));
    ExpectKept(10);
}

TEST_F(Trim, CountsBytesAndTellsWhereTheLogBegins)
{
    log_.Fill(5);
    const size_t bytes = log_.objects()[MadeLog::Name(1)].size() + log_.objects()[MadeLog::Name(2)].size();
    const Objects before = log_.objects();
    const auto plan = PlanTrim(log_.store(), kSource, Before(MadeLog::Start(3))).value();
    EXPECT_EQ(log_.objects(), before) << "a plan changes nothing";
    EXPECT_EQ(plan.bytes, bytes);
    EXPECT_TRUE(plan.mark_is_new);
    EXPECT_EQ(plan.mark->first_kept, MadeLog::Segment(3));
    EXPECT_EQ(plan.mark->seq, 3U);
    EXPECT_EQ(plan.mark->previous_sha256, Sha256(log_.objects()[MadeLog::Name(2)]));
}

TEST_F(Trim, GoesByTheLastCommit)
{
    log_.Fill(20);
    Do(Older(MadeLog::Time(7)));
    ExpectKept(7);
    Do(Older(MadeLog::Time(7) + 1));
    ExpectKept(8);
    // Even where all is old.
    Do(Older(MadeLog::Time(100)));
    ExpectKept(20);
}

TEST_F(Trim, IdleSegmentsGoWithThoseBefore)
{
    log_.AddIdle();
    log_.Fill(3);
    log_.AddIdle();
    log_.AddIdle();
    log_.Fill(1);
    // 1 idle, 2 to 4, 5 and 6 idle, 7.
    Do(Older(MadeLog::Time(3)));
    ExpectKept(3);
    Do(Older(MadeLog::Time(4) + 1));
    ExpectKept(7);
}

// Messages that belong to no transaction say no time: they may be as young as what follows.
TEST_F(Trim, MessagesGoWithThoseBehind)
{
    log_.AddMessage();
    log_.Fill(2);
    log_.AddMessage();
    log_.AddIdle();
    log_.AddMessage();
    log_.Fill(2);
    log_.AddMessage();
    log_.AddIdle();
    // 1 message, 2 and 3, 4 message, 5 idle, 6 message, 7 and 8, 9 message, 10 idle.
    Do(Older(MadeLog::Time(2)));
    ExpectKept(1);
    Do(Older(MadeLog::Time(3)));
    ExpectKept(3);
    Do(Older(MadeLog::Time(7)));
    ExpectKept(4);
    Do(Before(MadeLog::Start(6)));
    ExpectKept(6);
    Do(Older(MadeLog::Time(8)));
    ExpectKept(8);
    // Nothing tells how old 9 is.
    Do(Older(MadeLog::Time(100)));
    ExpectKept(9);
}

TEST_F(Trim, NeitherGenesisNorTailEverGoes)
{
    EXPECT_TRUE(Do(Older(INT64_MAX)).empty());
    ExpectKept(1);
    log_.Add();
    EXPECT_TRUE(Do(Older(INT64_MAX)).empty());
    EXPECT_TRUE(Do(Before(MadeLog::Start(2))).empty());
    ExpectKept(1);
}

TEST_F(Trim, DeletesTheOldestFirstAndTheMarkComesBefore)
{
    log_.Fill(30);
    DyingStore store;
    store.objects() = log_.objects();
    store.lose_put = true;
    const auto plan = PlanTrim(store, kSource, Before(MadeLog::Start(20))).value();
    uint64_t deleted = 0;
    EXPECT_FALSE(CarryOutTrim(store, plan, &deleted).ok());
    EXPECT_EQ(store.objects(), log_.objects());
    store.lose_put = false;
    EXPECT_TRUE(CarryOutTrim(store, plan, &deleted).ok());
    std::vector<std::string> wanted;
    for (size_t i = 1; i < 20; i++)
        wanted.push_back(MadeLog::Name(i));
    EXPECT_EQ(store.deleted, wanted);
}

TEST_F(Trim, WhereverItIsStoppedTheLogIsSoundAndTheNextFinishes)
{
    log_.Fill(60);
    for (int i = 0; i < 3; i++)
        log_.AddParted();
    log_.Fill(100);
    const Objects whole = log_.objects();
    const TrimCut cut = Before(MadeLog::Start(62));
    DyingStore done;
    done.objects() = whole;
    Do(done, cut);
    ASSERT_EQ(done.deleted.size(), 62U) << "61 segments, one part";
    for (size_t stop = 0; stop <= 62; stop++) {
        DyingStore store;
        store.objects() = whole;
        store.deletes = stop;
        const auto plan = PlanTrim(store, kSource, cut).value();
        uint64_t deleted = 0;
        EXPECT_EQ(CarryOutTrim(store, plan, &deleted).ok(), stop == 62) << stop;
        EXPECT_EQ(deleted, stop);
        EXPECT_EQ(Problems(store), "") << stop;
        store.deletes = SIZE_MAX;
        // A cut that lies below the mark finishes it, and does not move it back.
        const TrimPlan rest = Do(store, stop % 2 == 0 ? cut : Before(MadeLog::Start(2)));
        EXPECT_EQ(rest.left_over, 61 - std::min<size_t>(stop, 61)) << stop;
        EXPECT_FALSE(rest.mark_is_new);
        std::set<std::string> left;
        std::set<std::string> wanted;
        for (const auto& [name, bytes] : store.objects())
            left.insert(name);
        for (const auto& [name, bytes] : done.objects())
            wanted.insert(name);
        EXPECT_EQ(left, wanted) << stop;
        EXPECT_EQ(Problems(store), "") << stop;
    }
}

TEST_F(Trim, AMarkWhoseAnswerWasLostCountsAllTheSame)
{
    log_.Fill(9);
    DyingStore store;
    store.objects() = log_.objects();
    const auto plan = PlanTrim(store, kSource, Before(MadeLog::Start(5))).value();
    store.lose_answer = true;
    uint64_t deleted = 0;
    EXPECT_FALSE(CarryOutTrim(store, plan, &deleted).ok());
    EXPECT_TRUE(store.deleted.empty());
    EXPECT_EQ(VerifyChain(store, kSource).value().start_lsn, MadeLog::Start(5));
    store.lose_answer = false;
    EXPECT_TRUE(CarryOutTrim(store, plan, &deleted).ok());
    EXPECT_EQ(deleted, 4U);
}

TEST_F(Trim, AMarkNeverMovesBack)
{
    log_.Fill(30);
    Do(Before(MadeLog::Start(20)));
    const Objects after = log_.objects();
    const TrimPlan plan = Do(Before(MadeLog::Start(10)));
    EXPECT_TRUE(plan.empty());
    EXPECT_FALSE(plan.mark_is_new);
    EXPECT_EQ(plan.mark->first_kept, MadeLog::Segment(20));
    EXPECT_EQ(log_.objects(), after);
}

TEST_F(Trim, TwoAtOnceAgree)
{
    for (const bool far_first : {false, true}) {
        MadeLog log;
        log.Fill(30);
        const auto near = PlanTrim(log.store(), kSource, Before(MadeLog::Start(10))).value();
        log.Fill(5);
        const auto far = PlanTrim(log.store(), kSource, Before(MadeLog::Start(32))).value();
        uint64_t deleted = 0;
        for (const auto* plan : {far_first ? &far : &near, far_first ? &near : &far, &far})
            EXPECT_TRUE(CarryOutTrim(log.store(), *plan, &deleted).ok());
        EXPECT_EQ(Problems(log.store()), "");
        EXPECT_EQ(VerifyChain(log.store(), kSource).value().start_lsn, MadeLog::Start(32));
    }
}

TEST_F(Trim, PartsGoWhereNoKeptSegmentWillEverListThem)
{
    log_.Fill(2);
    log_.AddParted(); // 3
    log_.Fill(2);
    log_.AddParted(); // 6
    log_.AddParted(); // 7, the tail
    auto& objects = log_.objects();
    const auto leave = [&](const std::string& name) {
        objects[name] = "left by somebody";
        return name;
    };
    const std::set<std::string> goes{MadeLog::Part(3),
                                     leave(MadeLog::Part(2, "other")),
                                     leave(MadeLog::Part(3, "other")),
                                     leave(MadeLog::Part(4, "other")),
                                     leave(MadeLog::Part(6, "other")),
                                     leave(MadeLog::Part(6, "w", 2)),
                                     leave(MadeLog::Part(7, "other"))};
    const std::set<std::string> stays{
        MadeLog::Part(6),
        MadeLog::Part(7),
        // A forwarder may be about to list them.
        leave(MadeLog::Part(8)),
        leave(FormatPartName({kSource, 1, MadeLog::Start(8), "w", 1})),
        leave(FormatPartName({kSource, 2, 5, "w", 1})),
        leave("cell1.main/parts/readme"),
        leave("cell1.mai/parts/00000001/0000000000010040/w/00000001"),
    };
    const TrimPlan plan = Do(Before(MadeLog::Start(4)));
    EXPECT_EQ(std::set<std::string>(plan.parts.begin(), plan.parts.end()), goes);
    for (const std::string& name : goes)
        EXPECT_FALSE(objects.contains(name)) << name;
    for (const std::string& name : stays)
        EXPECT_TRUE(objects.contains(name)) << name;
    EXPECT_EQ(Problems(log_.store()), "");
}

TEST_F(Trim, PartsAreSweptWithoutACutToo)
{
    log_.AddParted();
    log_.Add();
    log_.objects()[MadeLog::Part(1, "other")] = "x";
    const TrimPlan plan = Do(Before(MadeLog::Start(1)));
    EXPECT_EQ(plan.parts, std::vector<std::string>{MadeLog::Part(1, "other")});
    EXPECT_FALSE(plan.mark);
    EXPECT_EQ(Problems(log_.store()), "");
}

TEST_F(Trim, RefusesWhatMakesNoSense)
{
    log_.Fill(5);
    EXPECT_NE(
        Refusal(log_.store(), Before(MadeLog::Start(6) + 1), ErrorKind::kInvalid).find("beyond the end"),
        std::string::npos);
    MemoryStore empty;
    EXPECT_EQ(Refusal(empty, Before(0), ErrorKind::kDamaged), "the lake has no log of source \"cell1.main\"");
}

TEST_F(Trim, HidesNoGap)
{
    log_.Fill(20);
    log_.objects().erase(MadeLog::Name(7));
    EXPECT_NE(Refusal(log_.store(), Before(MadeLog::Start(12)), ErrorKind::kDamaged).find("gap"),
              std::string::npos);
    EXPECT_NE(Refusal(log_.store(), Older(INT64_MAX), ErrorKind::kDamaged).find("gap"), std::string::npos);
    // Even as the first that would be kept.
    EXPECT_NE(Refusal(log_.store(), Before(MadeLog::Start(8)), ErrorKind::kDamaged).find("gap"),
              std::string::npos);
    Do(Before(MadeLog::Start(6)));
    EXPECT_NE(Problems(log_.store()).find("gap"), std::string::npos);
}

TEST_F(Trim, KeepsNothingThatIsDamagedAsTheFirst)
{
    log_.Fill(9);
    std::string& bytes = log_.objects()[MadeLog::Name(5)];
    bytes[bytes.size() / 2] ^= 1;
    EXPECT_NE(Refusal(log_.store(), Before(MadeLog::Start(5)), ErrorKind::kDamaged).find("is damaged"),
              std::string::npos);
    // A footer that cannot be read tells no age.
    std::string& other = log_.objects()[MadeLog::Name(3)];
    other[other.size() - 20] ^= 1;
    EXPECT_NE(Refusal(log_.store(), Older(INT64_MAX), ErrorKind::kDamaged).find(MadeLog::Name(3)),
              std::string::npos);
}

TEST_F(Trim, AWrongMarkIsNoticed)
{
    log_.Fill(9);
    Do(Before(MadeLog::Start(4)));
    const std::string name = FormatTrimMarkName(MadeLog::Segment(4));
    const std::string good = log_.objects().at(name);
    const TrimMark mark = ParseTrimMark(name, good).value();
    const auto with = [&](auto change) {
        TrimMark wrong = mark;
        change(&wrong);
        log_.objects()[name] = FormatTrimMark(wrong);
        return Problems(log_.store());
    };
    EXPECT_NE(with([](TrimMark* m) { m->seq++; }).find("seq is 4, the trim mark says 5"), std::string::npos);
    EXPECT_NE(with([](TrimMark* m) { m->previous_sha256[5] ^= 1; }).find("not what the trim mark says"),
              std::string::npos);
    for (const std::string& bytes :
         {std::string(), std::string("{}"), std::string("[1]"), good.substr(0, good.size() / 2),
          std::string(good).replace(good.find("cell1"), 5, "cell2"),
          std::string(good).replace(good.find("\"seq\":4"), 7, "\"seq\":-")}) {
        log_.objects()[name] = bytes;
        EXPECT_NE(Problems(log_.store()).find("is damaged"), std::string::npos) << bytes;
        EXPECT_NE(Refusal(log_.store(), Before(0), ErrorKind::kDamaged).find(name), std::string::npos);
    }
    log_.objects()[name] = good;
    EXPECT_EQ(Problems(log_.store()), "");
    log_.objects().erase(MadeLog::Name(4));
    EXPECT_NE(Problems(log_.store()).find("gap: the trim mark says"), std::string::npos);
    EXPECT_NE(Refusal(log_.store(), Before(0), ErrorKind::kDamaged).find("which is missing"),
              std::string::npos);
    // Nor does a mark explain what is missing behind it.
    log_.objects().erase(name);
    EXPECT_NE(Problems(log_.store()).find("gap: the segment before ends at 0/10000"), std::string::npos);
}

// Trims the lake when it is asked for one segment.
class TrimmedMeanwhile : public MemoryStore
{
  public:
    TrimmedMeanwhile(const MemoryStore& lake, std::string when, uint64_t lsn)
        : MemoryStore(lake), lake_(lake), when_(std::move(when)), lsn_(lsn)
    {
    }

    Result<std::string> Get(const std::string& name, uint64_t offset, size_t length) override
    {
        Look(name);
        return MemoryStore::Get(name, offset, length);
    }

    Result<ObjectFacts> Head(const std::string& name) override
    {
        Look(name);
        return MemoryStore::Head(name);
    }

  private:
    void Look(const std::string& name)
    {
        if (name != when_)
            return;
        when_.clear();
        const auto plan = PlanTrim(lake_, kSource, Before(lsn_)).value();
        uint64_t deleted = 0;
        EXPECT_TRUE(CarryOutTrim(lake_, plan, &deleted).ok());
    }

    MemoryStore lake_;
    std::string when_;
    uint64_t lsn_;
};

TEST_F(Trim, WhoReadsMeanwhileSeesNoGap)
{
    log_.Fill(3);
    log_.AddParted();
    log_.Fill(20);
    TrimmedMeanwhile store(log_.store(), MadeLog::Name(4), MadeLog::Start(10));
    const auto report = VerifyChain(store, kSource).value();
    EXPECT_TRUE(report.problems.empty());
    EXPECT_EQ(report.start_lsn, MadeLog::Start(10));
    EXPECT_EQ(report.transactions, 15U);
    TrimmedMeanwhile again(log_.store(), MadeLog::Name(12), MadeLog::Start(20));
    EXPECT_EQ(PlanTrim(again, kSource, Before(MadeLog::Start(15))).value().segments.size(), 0U);
    ExpectKept(20);
}

TEST(Footers, AreReadAlone)
{
    MadeLog log;
    log.Fill(1);
    const auto end = ReadFooter(log.store(), MadeLog::Name(1)).value();
    const auto whole = CheckSegment(log.objects()[MadeLog::Name(1)]).value();
    EXPECT_EQ(end.footer.SerializeAsString(), whole.footer.SerializeAsString());
    EXPECT_EQ(end.size, log.objects()[MadeLog::Name(1)].size());

    // Larger than what is read first.
    SealedSegment sealed;
    sealed.end_lsn = 0x200;
    for (uint32_t oid = 1; oid <= 5000; oid++)
        sealed.counts[{oid, "public", "table" + std::to_string(oid)}].inserts = oid;
    log.objects()["large"] = AssembleSegment({}, std::move(sealed)).bytes;
    EXPECT_EQ(ReadFooter(log.store(), "large").value().footer.counts_size(), 5000);

    const std::string good = log.objects()[MadeLog::Name(1)];
    for (const size_t length : {size_t{0}, size_t{3}, size_t{8}, good.size() / 2, good.size() - 1}) {
        log.objects()["cut"] = good.substr(0, length);
        const auto cut = ReadFooter(log.store(), "cut");
        ASSERT_FALSE(cut.ok()) << length;
        EXPECT_EQ(cut.error().kind, ErrorKind::kDamaged);
    }
    const size_t footer = 16 + end.footer.ByteSizeLong();
    for (size_t i = good.size() - footer; i < good.size(); i++) {
        log.objects()["flipped"] = good;
        log.objects()["flipped"][i] ^= 1;
        EXPECT_FALSE(ReadFooter(log.store(), "flipped").ok()) << i;
    }
    EXPECT_EQ(ReadFooter(log.store(), "missing").error().kind, ErrorKind::kNotFound);
}

TEST(TrimMarks, NamesAndContentsRoundTrip)
{
    TrimMark mark;
    mark.first_kept = {"cell1.main", 1, 0x16B3748};
    mark.start_lsn = 0x16B3748;
    mark.seq = 12;
    mark.previous_sha256 = std::string(31, '\x01') + '\xff';
    mark.written_us = 1'800'000'000'000'000;
    mark.writer = "0.1.0";
    const std::string name = FormatTrimMarkName(mark.first_kept);
    EXPECT_EQ(name, "cell1.main/events/trim-00000001-00000000016b3748.json");
    EXPECT_TRUE(IsObjectName(name));
    EXPECT_EQ(ParseTrimMarkName(name), mark.first_kept);
    const TrimMark read = ParseTrimMark(name, FormatTrimMark(mark)).value();
    EXPECT_TRUE(read.SameCut(mark));
    EXPECT_EQ(read.written_us, mark.written_us);
    EXPECT_EQ(read.writer, mark.writer);
    for (const char* other : {"", "cell1.main/events/trim-00000001-00000000016b3748.jso",
                              "cell1.main/events/trim-00000001-00000000016B3748.json",
                              "cell1.main/events/trim-00000001_00000000016b3748.json",
                              "cell1.main/events/gaps-00000001-00000000016b3748.json",
                              "a/cell1.main/events/trim-00000001-00000000016b3748.json"})
        EXPECT_FALSE(ParseTrimMarkName(other)) << other;
}

Result<TrimCut> Parse(const std::string& before_lsn, const std::string& older_than)
{
    constexpr int64_t kNow = 1'800'000'000'000'000;
    TrimOptions options;
    options.before_lsn = before_lsn;
    options.older_than = older_than;
    return ParseTrimCut(options, kNow);
}

TEST(TrimOptions, AreExactlyOneCut)
{
    EXPECT_EQ(Parse("", "30d").value().before_us, 1'800'000'000'000'000 - 30 * 86'400'000'000);
    EXPECT_EQ(Parse("0/16B3748", "").value().before_lsn, 0x16B3748U);
    EXPECT_FALSE(Parse("", "").ok());
    EXPECT_FALSE(Parse("0/1", "30d").ok());
    for (const char* age : {"30", "d", "-30d", "30 days", "1e3d", "99999999999999999999d", "200000000d",
                            "106751991168d", "213503982335d"})
        EXPECT_FALSE(Parse("", age).ok()) << age;
    for (const char* lsn : {"16B3748", "0/", "0/16B3748 ", "x/1"})
        EXPECT_FALSE(Parse(lsn, "").ok()) << lsn;
}

} // namespace
} // namespace wal2lake
