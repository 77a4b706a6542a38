// The stage against a model: transactions in progress, cut anywhere and mixed with
// others, come out as a server sends them that keeps them itself.
#include "stage.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "folder.h"
#include "frames.h"

namespace wal2lake
{
namespace
{

using test::Message;

v1::Batch InProgress(uint32_t xid)
{
    v1::Batch batch;
    batch.mutable_in_progress()->set_xid(xid);
    return batch;
}

v1::Batch Streamed(uint32_t xid, uint64_t lsn)
{
    v1::Batch batch;
    v1::Committed* committed = batch.mutable_committed();
    committed->set_xid(xid);
    committed->set_commit_lsn(lsn);
    committed->set_end_lsn(lsn + 8);
    committed->set_commit_time_us(7);
    committed->set_streamed(true);
    batch.set_last(true);
    return batch;
}

void AddInsert(uint64_t ordinal, uint32_t subxid, int64_t value, v1::Batch* batch)
{
    v1::Record* record = batch->add_records();
    record->set_ordinal(ordinal);
    record->set_subxid(subxid);
    record->mutable_change()->set_relation_id(1);
    record->mutable_change()->set_operation(v1::OPERATION_INSERT);
    record->mutable_change()->mutable_new_()->add_values()->set_int_(value);
}

// What a stage hands on, batch by batch.
class Reader
{
  public:
    explicit Reader(StageConfig config) : stage_(std::move(config)) {}

    void Give(const v1::Batch& batch)
    {
        const std::string message = Message(batch);
        const auto taken = stage_.Take(message);
        ASSERT_TRUE(taken.ok()) << taken.error().text;
        if (!taken.value())
            batches_.push_back(batch);
        while (stage_.ready()) {
            const auto next = stage_.Next();
            ASSERT_TRUE(next.ok()) << next.error().text;
            if (next.value().empty())
                continue;
            MessageView view;
            size_t consumed = 0;
            ASSERT_TRUE(NextMessage(next.value(), &view, &consumed).ok());
            ASSERT_EQ(consumed, next.value().size());
            ASSERT_TRUE(batches_.emplace_back().ParseFromArray(view.batch.data(),
                                                               static_cast<int>(view.batch.size())));
        }
    }

    Stage& stage() { return stage_; }
    const std::vector<v1::Batch>& batches() const { return batches_; }

  private:
    Stage stage_;
    std::vector<v1::Batch> batches_;
};

// "xid: ordinal=value ..." of each transaction, and that its batches are whole.
std::vector<std::string> Told(const std::vector<v1::Batch>& batches)
{
    std::vector<std::string> told;
    bool open = false;
    for (const v1::Batch& batch : batches) {
        if (!batch.has_committed())
            continue;
        EXPECT_FALSE(batch.committed().streamed());
        if (!open)
            told.push_back(std::to_string(batch.committed().xid()) + ":");
        for (const v1::Record& record : batch.records()) {
            EXPECT_EQ(record.subxid(), 0U);
            if (record.has_change())
                told.back() += " " + std::to_string(record.ordinal()) + "=" +
                               std::to_string(record.change().new_().values(0).int_());
            else if (record.has_value_chunk())
                told.back() += " " + std::to_string(record.ordinal()) + "+";
            else
                ADD_FAILURE() << record.ShortDebugString();
        }
        open = !batch.last();
    }
    EXPECT_FALSE(open);
    return told;
}

class StageTest : public testing::Test
{
  protected:
    StageConfig Config(uint64_t max_size = uint64_t{1} << 30) { return {folder_.path(), max_size}; }

    Folder folder_;
};

TEST_F(StageTest, WhatIsNotInProgressIsHandedOn)
{
    Reader reader(Config());
    v1::Batch batch = Streamed(5, 100);
    batch.mutable_committed()->set_streamed(false);
    AddInsert(1, 0, 11, &batch);
    reader.Give(batch);
    EXPECT_EQ(Told(reader.batches()), std::vector<std::string>{"5: 1=11"});
}

TEST_F(StageTest, CommitsInTheOrderOfTheCommitsAndWithoutWhatAborted)
{
    Reader reader(Config());
    v1::Batch first = InProgress(10);
    AddInsert(1, 0, 1, &first);
    AddInsert(2, 11, 2, &first);
    reader.Give(first);
    v1::Batch second = InProgress(20);
    AddInsert(1, 0, 5, &second);
    reader.Give(second);
    v1::Batch more = InProgress(10);
    AddInsert(3, 12, 3, &more);
    v1::Record* skipped = more.add_records();
    skipped->mutable_skipped()->set_changes(4);
    skipped = more.add_records();
    skipped->set_subxid(11);
    skipped->mutable_skipped()->set_changes(100);
    AddInsert(8, 0, 4, &more);
    reader.Give(more);
    v1::Batch abort = InProgress(10);
    abort.add_records()->mutable_stream_abort();
    abort.mutable_records(0)->set_subxid(11);
    reader.Give(abort);
    EXPECT_TRUE(reader.batches().empty());
    EXPECT_EQ(reader.stage().transactions(), 2U);
    EXPECT_GT(reader.stage().bytes(), 0U);

    reader.Give(Streamed(20, 100));
    reader.Give(Streamed(10, 200));
    EXPECT_EQ(Told(reader.batches()), (std::vector<std::string>{"20: 1=5", "10: 1=1 2=3 7=4"}));
    EXPECT_EQ(reader.batches().back().committed().commit_lsn(), 200U);
    EXPECT_EQ(reader.stage().transactions(), 0U);
    EXPECT_EQ(reader.stage().bytes(), 0U);
}

TEST_F(StageTest, NothingIsLeftOfWhatAborted)
{
    Reader reader(Config());
    v1::Batch batch = InProgress(10);
    AddInsert(1, 11, 1, &batch);
    reader.Give(batch);
    v1::Batch abort = InProgress(10);
    abort.add_records()->mutable_stream_abort();
    reader.Give(abort);
    EXPECT_EQ(reader.stage().bytes(), 0U);

    // The whole of it aborted, and the transaction commits all the same.
    batch.mutable_in_progress()->set_xid(30);
    reader.Give(batch);
    abort = InProgress(30);
    abort.add_records()->mutable_stream_abort();
    abort.mutable_records(0)->set_subxid(11);
    reader.Give(abort);
    reader.Give(Streamed(30, 100));
    EXPECT_TRUE(reader.batches().empty());
}

TEST_F(StageTest, RelationsAreHandedOnAtOnce)
{
    Reader reader(Config());
    v1::Batch batch = InProgress(10);
    v1::Record* relation = batch.add_records();
    relation->set_subxid(11);
    relation->mutable_relation()->set_id(1);
    relation->mutable_relation()->set_name("t");
    AddInsert(1, 11, 1, &batch);
    reader.Give(batch);
    ASSERT_EQ(reader.batches().size(), 1U);
    EXPECT_EQ(reader.batches()[0].kind_case(), v1::Batch::KIND_NOT_SET);
    EXPECT_EQ(reader.batches()[0].records(0).relation().name(), "t");
    reader.Give(Streamed(10, 100));
    EXPECT_EQ(Told(reader.batches()), std::vector<std::string>{"10: 1=1"});
}

TEST_F(StageTest, PiecesOfAValueHaveTheOrdinalOfTheirChange)
{
    Reader reader(Config());
    v1::Batch batch = InProgress(10);
    for (const uint32_t subxid : {11U, 12U}) {
        v1::Record* chunk = batch.add_records();
        chunk->set_ordinal(subxid - 10);
        chunk->set_subxid(subxid);
        chunk->mutable_value_chunk()->set_total(1);
        if (subxid == 12)
            AddInsert(2, 12, 2, &batch);
    }
    AddInsert(3, 0, 3, &batch);
    // Of the first piece no change followed: its subtransaction aborted meanwhile.
    v1::Record* abort = batch.add_records();
    abort->set_subxid(11);
    abort->mutable_stream_abort();
    reader.Give(batch);
    reader.Give(Streamed(10, 100));
    EXPECT_EQ(Told(reader.batches()), std::vector<std::string>{"10: 1+ 1=2 2=3"});
}

TEST_F(StageTest, CountersOfTheCommitComeLast)
{
    Reader reader(Config());
    v1::Batch batch = InProgress(10);
    AddInsert(1, 0, 1, &batch);
    reader.Give(batch);
    v1::Batch commit = Streamed(10, 100);
    commit.add_records()->mutable_stats()->add_relations()->set_withheld(3);
    reader.Give(commit);
    ASSERT_EQ(reader.batches().size(), 1U);
    EXPECT_EQ(reader.batches()[0].records(1).stats().relations(0).withheld(), 3U);
    EXPECT_TRUE(reader.batches()[0].last());
}

// Random transactions with subtransactions, cut and mixed at random; the model says
// what is to come out.
TEST_F(StageTest, AgreesWithAServerThatKeepsThem)
{
    size_t committed = 0;
    for (unsigned seed = 1; seed <= 60; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::minstd_rand random(seed);
        const auto below = [&random](uint32_t limit) {
            return std::uniform_int_distribution<uint32_t>(0, limit - 1)(random);
        };
        struct Change {
            uint32_t subxid = 0;
            bool sent = false;
            int64_t value = 0;
        };
        struct Transaction {
            std::vector<Change> changes;
            std::set<uint32_t> aborted;
            v1::Batch batch;
            uint64_t skipped = 0;
            uint32_t skipped_subxid = 0;
            uint64_t ordinal = 0;
            bool wrote = false;
        };
        Reader reader(Config());
        std::map<uint32_t, Transaction> open;
        std::vector<std::string> expected;
        uint32_t next_xid = 100;
        uint64_t lsn = 1000;
        const auto flush = [&](uint32_t xid, Transaction& transaction) {
            if (transaction.batch.records_size() == 0)
                return;
            reader.Give(transaction.batch);
            transaction.wrote = true;
            transaction.batch = InProgress(xid);
        };
        const auto add_skipped = [&](Transaction& transaction) {
            if (transaction.skipped == 0)
                return;
            v1::Record* record = transaction.batch.add_records();
            record->set_subxid(transaction.skipped_subxid);
            record->mutable_skipped()->set_changes(std::exchange(transaction.skipped, 0));
        };
        for (int step = 0; step < 400; step++) {
            if (open.size() < 3 && below(8) == 0) {
                const uint32_t xid = next_xid;
                next_xid += 10;
                open[xid].batch = InProgress(xid);
                continue;
            }
            if (open.empty())
                continue;
            auto at = open.begin();
            std::advance(at, below(static_cast<uint32_t>(open.size())));
            const uint32_t xid = at->first;
            Transaction& transaction = at->second;
            const uint32_t what = below(30);
            if (what == 0) {
                flush(xid, transaction);
                std::string told = std::to_string(xid) + ":";
                uint64_t ordinal = 0;
                for (const Change& change : transaction.changes) {
                    if (transaction.aborted.contains(change.subxid))
                        continue;
                    ordinal++;
                    if (change.sent)
                        told += " " + std::to_string(ordinal) + "=" + std::to_string(change.value);
                }
                if (told.back() != ':')
                    expected.push_back(told);
                if (transaction.wrote)
                    reader.Give(Streamed(xid, lsn += 16));
                open.erase(at);
            } else if (what == 1) {
                flush(xid, transaction);
                if (transaction.wrote) {
                    v1::Batch abort = InProgress(xid);
                    abort.add_records()->mutable_stream_abort();
                    reader.Give(abort);
                }
                open.erase(at);
            } else if (what == 2) {
                const uint32_t subxid = xid + 1 + below(5);
                if (transaction.skipped_subxid == subxid)
                    transaction.skipped = 0;
                v1::Record* abort = transaction.batch.add_records();
                abort->set_subxid(subxid);
                abort->mutable_stream_abort();
                transaction.aborted.insert(subxid);
            } else if (what < 6) {
                flush(xid, transaction);
            } else {
                const uint32_t pick = below(6);
                const uint32_t subxid = pick == 0 ? 0 : xid + pick;
                if (transaction.aborted.contains(subxid))
                    continue;
                Change change{subxid, below(3) != 0, static_cast<int64_t>(below(1000))};
                transaction.changes.push_back(change);
                transaction.ordinal++;
                if (!change.sent) {
                    if (transaction.skipped_subxid != subxid)
                        add_skipped(transaction);
                    transaction.skipped_subxid = subxid;
                    transaction.skipped++;
                    continue;
                }
                add_skipped(transaction);
                AddInsert(transaction.ordinal, subxid, change.value, &transaction.batch);
            }
        }
        EXPECT_EQ(Told(reader.batches()), expected);
        committed += expected.size();
    }
    EXPECT_GT(committed, 300U);
}

TEST_F(StageTest, ALargeTransactionComesInBatches)
{
    Reader reader(Config());
    std::string expected = "10:";
    for (int64_t i = 0; i < 60'000;) {
        v1::Batch batch = InProgress(10);
        for (int j = 0; j < 1'000; j++, i++) {
            AddInsert(static_cast<uint64_t>(i) + 1, 0, i, &batch);
            expected += " " + std::to_string(i + 1) + "=" + std::to_string(i);
        }
        reader.Give(batch);
    }
    reader.Give(Streamed(10, 100));
    EXPECT_EQ(Told(reader.batches()), std::vector<std::string>{expected});
    EXPECT_GT(reader.batches().size(), 10U);
    for (const v1::Batch& batch : reader.batches())
        EXPECT_LT(batch.ByteSizeLong(), 130'000U);
}

TEST_F(StageTest, NoFileHasAName)
{
    Reader reader(Config());
    v1::Batch batch = InProgress(10);
    AddInsert(1, 0, 1, &batch);
    reader.Give(batch);
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(StageTest, ClearForgetsWhatTheNextSessionSendsAgain)
{
    Reader reader(Config());
    v1::Batch batch = InProgress(10);
    AddInsert(1, 0, 1, &batch);
    reader.Give(batch);
    reader.stage().Clear();
    EXPECT_EQ(reader.stage().bytes(), 0U);
    reader.Give(batch);
    reader.Give(Streamed(10, 100));
    EXPECT_EQ(Told(reader.batches()), std::vector<std::string>{"10: 1=1"});
}

TEST_F(StageTest, AFullStageSaysSo)
{
    Stage stage(Config(100));
    v1::Batch batch = InProgress(10);
    for (int i = 0; i < 50; i++)
        AddInsert(static_cast<uint64_t>(i) + 1, 0, i, &batch);
    const auto taken = stage.Take(Message(batch));
    ASSERT_FALSE(taken.ok());
    EXPECT_EQ(taken.error().kind, ErrorKind::kRetryable);
    EXPECT_NE(taken.error().text.find("stage.max_size, 100 bytes"), std::string::npos) << taken.error().text;
}

TEST_F(StageTest, ADirectoryThatIsNotThereIsNamed)
{
    Stage stage({"/nonexistent/stage", uint64_t{1} << 20});
    v1::Batch batch = InProgress(10);
    AddInsert(1, 0, 1, &batch);
    const auto taken = stage.Take(Message(batch));
    ASSERT_FALSE(taken.ok());
    EXPECT_EQ(taken.error().kind, ErrorKind::kRetryable);
    EXPECT_NE(taken.error().text.find("/nonexistent/stage: a file cannot be made: No such file"),
              std::string::npos)
        << taken.error().text;
}

TEST_F(StageTest, WhatBreaksTheContractIsDamage)
{
    Stage stage(Config());
    v1::Batch batch = InProgress(0);
    EXPECT_EQ(stage.Take(Message(batch)).error().kind, ErrorKind::kDamaged);
    EXPECT_EQ(stage.Take(Message(Streamed(7, 100))).error().kind, ErrorKind::kDamaged);
    batch = InProgress(10);
    AddInsert(1, 0, 1, &batch);
    std::string message = Message(batch);
    message.back() = static_cast<char>(message.back() ^ 1);
    EXPECT_EQ(stage.Take(message).error().kind, ErrorKind::kDamaged);
}

} // namespace
} // namespace wal2lake
