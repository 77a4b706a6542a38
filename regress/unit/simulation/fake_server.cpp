#include "fake_server.h"

#include <algorithm>

#include "../frames.h"
#include "../machine_defaults.h"

namespace wal2lake::simulation
{
namespace
{

constexpr uint64_t kCommitRecord = 0x40;
constexpr int kInsertsABatch = 5;

std::string MessageOf(const Commit& commit, uint32_t batch, bool announce)
{
    v1::Batch message =
        test::Committed(commit.xid, commit.commit_lsn, commit.end_lsn, batch + 1 == commit.batches);
    if (announce)
        test::AddRelation(&message, 1, "users");
    for (int i = 0; i < kInsertsABatch; i++)
        test::AddInsert(&message, uint64_t{batch} * 10 + static_cast<uint64_t>(i) + 1, 1,
                        commit.xid * 7919 + i);
    return test::Message(message);
}

} // namespace

void FakeServer::Write(uint32_t xid, uint64_t gap, uint32_t batches)
{
    if (frozen)
        return;
    const uint64_t start = wal_end + gap;
    wal.push_back({xid, start, start + kCommitRecord, batches});
    history.push_back(wal.back());
    wal_end = start + kCommitRecord;
    largest_ = std::max(largest_, batches * MessageOf(wal.back(), 0, true).size());
}

void FakeServer::Grow(uint64_t bytes)
{
    if (!frozen)
        wal_end += bytes;
}

// The server believes whatever it is told.
void FakeServer::Acknowledge(uint64_t flushed_lsn)
{
    confirmed = std::max(confirmed, flushed_lsn);
}

void FakeServer::Restart()
{
    confirmed = saved;
    reader = 0;
    generation++;
}

void FakeServer::SetBack(size_t commits)
{
    wal.resize(wal.size() - std::min(commits, wal.size()));
    wal_end = wal.empty() ? kOrigin : wal.back().end_lsn;
    saved = std::min(saved, wal_end);
    frozen = true;
    Restart();
}

void FakeServer::RecreateSlot()
{
    confirmed = saved = wal_end;
    total_txns = 0;
    slot_exists = true;
    slot_lost = false;
    reader = 0;
    generation++;
}

FakeServer FakeServer::Promote(size_t lost) const
{
    FakeServer next = *this;
    next.timeline++;
    if (lost > 0) {
        next.wal.resize(wal.size() - std::min(lost, wal.size()));
        next.wal_end = next.wal.empty() ? kOrigin : next.wal.back().end_lsn;
    }
    next.history = next.wal;
    next.saved = std::min(saved, next.wal_end);
    next.Restart();
    return next;
}

SourceFacts FakeServer::Facts() const
{
    SourceFacts facts = test::Server(confirmed);
    facts.timeline = timeline;
    facts.wal_flush_lsn = wal_end;
    facts.slot.exists = slot_exists;
    facts.slot.wal_status = slot_lost ? "lost" : "reserved";
    facts.slot.total_txns = total_txns;
    return facts;
}

Session::Session(FakeServer* server, uint64_t start_lsn) : server_(server)
{
    const uint64_t from = std::max(start_lsn, server->confirmed);
    while (next_ < server->wal.size() && server->wal[next_].commit_lsn < from)
        next_++;
    sent_lsn_ = from;
}

std::string Session::NextMessage()
{
    const Commit& commit = server_->wal[next_];
    std::string message = MessageOf(commit, batch_, !announced_);
    announced_ = true;
    sent_lsn_ = std::max(sent_lsn_, commit.end_lsn);
    if (++batch_ == commit.batches) {
        next_++;
        batch_ = 0;
        server_->total_txns++;
    }
    return message;
}

// In the middle of a transaction the walsender has read its commit at most.
uint64_t Session::Keepalive()
{
    const uint64_t at = has_message() ? server_->wal[next_].commit_lsn : server_->wal_end;
    keepalive_lsn_ = std::max(keepalive_lsn_, at);
    sent_lsn_ = std::max(sent_lsn_, at);
    return at;
}

} // namespace wal2lake::simulation
