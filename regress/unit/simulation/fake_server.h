// A server with one slot, as far as a forwarder can tell: WAL that grows, a
// position that is confirmed and sometimes forgotten, one reader at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "source.h"

namespace wal2lake::simulation
{

inline constexpr uint64_t kOrigin = 0x1000;

struct Commit {
    uint32_t xid = 0;
    uint64_t commit_lsn = 0;
    uint64_t end_lsn = 0;
    // Messages of the plugin it makes.
    uint32_t batches = 1;

    bool operator==(const Commit&) const = default;
};

class FakeServer
{
  public:
    // Commits behind `gap` bytes of other WAL.
    void Write(uint32_t xid, uint64_t gap, uint32_t batches);
    void Grow(uint64_t bytes);
    void Acknowledge(uint64_t flushed_lsn);
    // An immediate restart: what was not saved of the slot is forgotten.
    void Restart();
    // The state before the last `commits` of them; nothing is committed any more.
    void SetBack(size_t commits);
    void RecreateSlot();
    // The standby that takes over on the next timeline, without the last `lost`
    // commits.
    FakeServer Promote(size_t lost) const;

    SourceFacts Facts() const;
    // Bytes of the largest transaction so far, as the plugin sends it.
    size_t largest_transaction() const { return largest_; }

    uint32_t timeline = 1;
    // Tells connections made before a restart from those made after it.
    int generation = 0;
    // It commits nothing any more; it cannot be reached.
    bool frozen = false;
    bool down = false;
    uint64_t wal_end = kOrigin;
    std::vector<Commit> wal;
    // Everything that was ever committed on this timeline, in order.
    std::vector<Commit> history;

    uint64_t confirmed = kOrigin;
    uint64_t saved = kOrigin;
    bool slot_exists = true;
    bool slot_lost = false;
    uint64_t total_txns = 0;
    // Who reads the slot; 0 is nobody.
    int reader = 0;

  private:
    size_t largest_ = 0;
};

// One START_REPLICATION: whole transactions from `start_lsn` or the confirmed
// position, whichever is later.
class Session
{
  public:
    Session(FakeServer* server, uint64_t start_lsn);

    FakeServer* server() const { return server_; }
    bool has_message() const { return next_ < server_->wal.size(); }
    std::string NextMessage();
    // The position a keepalive carries: all before it was sent.
    uint64_t Keepalive();
    // Nothing behind this was sent.
    uint64_t sent_lsn() const { return sent_lsn_; }
    uint64_t keepalive_lsn() const { return keepalive_lsn_; }

  private:
    FakeServer* server_;
    size_t next_ = 0;
    uint32_t batch_ = 0;
    bool announced_ = false;
    uint64_t sent_lsn_ = 0;
    uint64_t keepalive_lsn_ = 0;
};

} // namespace wal2lake::simulation
