// Drives a Machine by hand: keeps what it asked for, answers on request. And what
// the tests of its rules (machine_*_test.cpp) send it.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "frames.h"
#include "machine.h"
#include "machine_defaults.h"
#include "segment_reader.h"

namespace wal2lake::test
{

// A machine and the objects of a lake that outlive it.
class Rig
{
  public:
    using Objects = std::map<std::string, std::string>;

    explicit Rig(Objects* objects, MachineConfig config = Config())
        : objects_(objects), machine_(std::move(config))
    {
        Feed(event::Tick{now_ms_});
    }

    void Feed(const Event& event)
    {
        Actions actions;
        machine_.Step(event, &actions);
        for (Action& action : actions)
            Take(std::move(action));
    }

    void Advance(int64_t ms)
    {
        now_ms_ += ms;
        Feed(event::Tick{now_ms_});
    }

    // Answers requests of the finding and reading kind until none is open.
    void AnswerReads()
    {
        for (;;) {
            if (read_head_) {
                const auto found = objects_->find(*std::exchange(read_head_, std::nullopt));
                Feed(event::HeadRead{found == objects_->end() ? std::nullopt : std::optional(found->second)});
            } else if (list_) {
                const action::ListAfter list = *std::exchange(list_, std::nullopt);
                ListPage page;
                for (auto it = objects_->upper_bound(std::max(list.prefix, list.after));
                     it != objects_->end() && it->first.starts_with(list.prefix); ++it)
                    page.names.push_back(it->first);
                Feed(event::Listed{page});
            } else if (read_object_) {
                const std::string name = *std::exchange(read_object_, std::nullopt);
                const auto found = objects_->find(name);
                if (found == objects_->end())
                    Feed(event::ObjectRead{Error{ErrorKind::kNotFound, name}});
                else
                    Feed(event::ObjectRead{
                        Bytes(std::make_shared<const std::string>(Arrived(found->second)))});
            } else {
                return;
            }
        }
    }

    // Makes the object of the open put, as a store would, without telling.
    // False where the name is taken.
    bool StorePut() { return objects_->try_emplace(put_->name, *put_->bytes).second; }

    // Carries the open put out and answers it, adoption included, and lets the
    // time pass that must lie between two status messages.
    void AnswerPut()
    {
        ASSERT_TRUE(put_.has_value());
        if (!put_->predecessor.empty() && !objects_->contains(put_->predecessor)) {
            put_.reset();
            Feed(event::PredecessorGone{});
            return;
        }
        const bool created = StorePut();
        put_.reset();
        if (created) {
            Feed(event::PutDone{});
        } else {
            Feed(event::PutExists{});
            AnswerReads();
        }
        Advance(100);
    }

    // Until the machine streams or gives up: reads, connections, genesis.
    void Start(const SourceFacts& facts)
    {
        AnswerReads();
        while (std::exchange(connect_, false)) {
            Feed(event::Connected{facts});
            if (put_)
                AnswerPut();
            AnswerReads();
        }
        if (start_lsn_)
            Feed(event::Streaming{});
    }

    void Send(const std::string& message) { Feed(event::Message{message}); }

    bool finished() const { return finish_.has_value(); }
    bool saw(const std::string& event) const { return events_.contains(event); }

    // Answers puts as long as there are some.
    void AnswerPuts()
    {
        while (put_)
            AnswerPut();
    }

    // Names of the parts that lie in the lake.
    std::vector<std::string> Parts() const
    {
        std::vector<std::string> names;
        for (const auto& [name, bytes] : *objects_)
            if (ParsePartName(name))
                names.push_back(name);
        return names;
    }

    // Every transaction in the lake as end LSNs in order; checks each segment, its
    // parts and the links between them.
    std::vector<uint64_t> Shipped() const
    {
        std::vector<uint64_t> ends;
        std::optional<SegmentFacts> before;
        for (const auto& [name, bytes] : *objects_) {
            const auto parsed = ParseSegmentName(name);
            if (!parsed)
                continue;
            auto facts = CheckSegment(
                bytes,
                [&](const MessageView&, const BatchView& batch) {
                    if (batch.placed() && batch.last)
                        ends.push_back(batch.committed.end_lsn);
                    return Result<Done>(Done{});
                },
                [&](const std::string& part, uint64_t offset, size_t length) -> Result<std::string> {
                    const auto found = objects_->find(BelowSource(parsed->source, part));
                    if (found == objects_->end())
                        return Error{ErrorKind::kNotFound, part};
                    return found->second.substr(std::min<size_t>(offset, found->second.size()), length);
                });
            EXPECT_TRUE(facts.ok()) << name << (facts.ok() ? "" : facts.error().text);
            if (!facts.ok())
                return {};
            if (before) {
                EXPECT_EQ(facts.value().header.start_lsn(), before->footer.end_lsn()) << name;
                EXPECT_EQ(facts.value().header.start_lsn(), parsed->start_lsn);
                EXPECT_EQ(facts.value().header.seq(), before->header.seq() + 1) << name;
                EXPECT_EQ(facts.value().header.previous_sha256(), before->sha256) << name;
            }
            before = std::move(facts.value());
        }
        return ends;
    }

    Objects* objects_;
    Machine machine_;
    int64_t now_ms_ = 1'000;

    // What the machine asked for last and was not answered.
    std::optional<std::string> read_head_;
    std::optional<action::ListAfter> list_;
    std::optional<std::string> read_object_;
    std::optional<action::PutObject> put_;
    std::optional<std::string> head_;
    // So many objects arrive with a bit that is another, from now on.
    int wrong_reads_ = 0;
    bool connect_ = false;
    std::optional<uint64_t> start_lsn_;
    bool in_progress_ = false;
    std::optional<action::SendStatus> status_;
    int statuses_ = 0;
    uint64_t max_flushed_ = 0;
    bool disconnected_ = false;
    bool paused_ = false;
    int asked_server_ = 0;
    std::optional<action::Finish> finish_;
    std::multimap<std::string, LogEntry> events_;

  private:
    std::string Arrived(std::string bytes)
    {
        if (wrong_reads_ > 0) {
            wrong_reads_--;
            bytes[bytes.size() / 2] ^= 1;
        }
        return bytes;
    }

    void Take(Action action)
    {
        if (auto* head = std::get_if<action::ReadHead>(&action)) {
            read_head_ = head->name;
        } else if (auto* list = std::get_if<action::ListAfter>(&action)) {
            list_ = *list;
        } else if (auto* object = std::get_if<action::ReadObject>(&action)) {
            read_object_ = object->name;
        } else if (auto* put = std::get_if<action::PutObject>(&action)) {
            EXPECT_FALSE(put_.has_value()) << "two puts at once";
            put_ = *put;
        } else if (auto* hint = std::get_if<action::WriteHead>(&action)) {
            head_ = hint->bytes;
            (*objects_)[hint->name] = hint->bytes;
        } else if (auto* sweep = std::get_if<action::SweepParts>(&action)) {
            std::erase_if(*objects_, [&](const auto& each) {
                return each.first.starts_with(sweep->prefix) &&
                       std::find(sweep->keep.begin(), sweep->keep.end(), each.first) == sweep->keep.end();
            });
        } else if (std::get_if<action::Connect>(&action) != nullptr) {
            connect_ = true;
            disconnected_ = false;
        } else if (auto* start = std::get_if<action::StartStreaming>(&action)) {
            start_lsn_ = start->lsn;
            in_progress_ = start->in_progress;
        } else if (auto* status = std::get_if<action::SendStatus>(&action)) {
            // The rule of rules, checked at every single status.
            EXPECT_LE(status->flushed_lsn, machine_.durable_lsn());
            EXPECT_GE(status->flushed_lsn, max_flushed_);
            EXPECT_GE(status->received_lsn, status->flushed_lsn);
            max_flushed_ = status->flushed_lsn;
            status_ = *status;
            statuses_++;
        } else if (std::get_if<action::Disconnect>(&action) != nullptr) {
            disconnected_ = true;
            start_lsn_.reset();
            paused_ = false;
        } else if (std::get_if<action::PauseReading>(&action) != nullptr) {
            paused_ = true;
        } else if (std::get_if<action::ResumeReading>(&action) != nullptr) {
            paused_ = false;
        } else if (std::get_if<action::AskServer>(&action) != nullptr) {
            asked_server_++;
        } else if (auto* log = std::get_if<action::Log>(&action)) {
            events_.emplace(log->entry.event, log->entry);
        } else if (auto* finish = std::get_if<action::Finish>(&action)) {
            EXPECT_FALSE(finish_.has_value());
            finish_ = *finish;
        }
    }
};

// The transactions of these tests: number n ends at 0x1000 + 0x100 * n.
inline constexpr uint64_t kOrigin = 0x1000;

using Lsns = std::vector<uint64_t>;

inline uint64_t End(uint32_t number)
{
    return kOrigin + 0x100 * number;
}

inline std::string Numbered(uint32_t number, bool announce = true)
{
    return Transaction(number, End(number) - 0x40, End(number), announce);
}

// A batch of a transaction whose last one has not come.
inline std::string Opening(uint32_t number)
{
    v1::Batch batch = Committed(number, End(number) - 0x40, End(number), false);
    AddRelation(&batch, 1, "users");
    AddInsert(&batch, 1, 1, number);
    return Message(batch);
}

// Seals what is buffered by age.
inline void Age(Rig* rig)
{
    rig->Advance(Config().max_age_ms);
}

// Another forwarder, at genesis, ships transactions 1 to `to` as one segment.
inline void OtherShips(Rig::Objects* lake, uint32_t to)
{
    Rig other(lake);
    other.Start(Server(kOrigin));
    for (uint32_t i = 1; i <= to; i++)
        other.Send(Numbered(i, i == 1));
    Age(&other);
    other.AnswerPut();
}

} // namespace wal2lake::test
