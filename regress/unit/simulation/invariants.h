// What must be true after every step, whatever happened. Knows the chain as the
// store saw it come about and the transactions as the server committed them;
// asks the state machine nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fake_server.h"
#include "machine_events.h"
#include "segment_reader.h"

namespace wal2lake::simulation
{

enum class Rule : uint8_t {
    // The chain.
    kGap,
    kLink,
    kFence,
    kDamaged,
    kLost,
    kTwice,
    kOrder,
    kCut,
    // What a forwarder asks for.
    kTwoRequests,
    kNameTooEarly,
    kAdoptedForeign,
    // What a forwarder tells the server.
    kAcknowledgedTooEarly,
    kAcknowledgedBack,
    kReceived,
    kTooManyStatuses,
    kSilent,
    kShutdownHeld,
    // The forwarder itself.
    kMemory,
    kSpin,
    kEnding,
    kPaperedOver,
    kStuck,
    kCount,
};

const char* RuleName(Rule rule);

struct Violation {
    Rule rule = Rule::kGap;
    std::string sentence;
};
using Verdict = std::optional<Violation>;

// In what an object that none of our forwarders wrote differs from one of ours.
enum class Foreign : uint8_t { kNone, kSystem, kTimeline, kDatabase, kLink };

// The log as it came about. Each object is judged when it is created, against
// its predecessor and against what the server of its timeline committed.
class Chain
{
  public:
    bool exists() const { return !links_.empty(); }
    // End of the last object of ours; 0 without one.
    uint64_t end() const { return links_.empty() ? 0 : links_.back().end; }
    uint32_t timeline() const { return links_.empty() ? 0 : links_.back().facts.header.timeline(); }
    bool has_end(uint64_t lsn) const;
    // Also of an object that was taken away since.
    bool had_end(uint64_t lsn) const { return has_end(lsn) || gone_.contains(lsn); }
    size_t size() const { return links_.size(); }
    // All that was committed to `history` is in it.
    bool holds(const std::vector<Commit>& history) const;
    std::string name(size_t index) const { return links_[index].name; }
    const std::string& last_name() const { return links_.back().name; }

    // An object of one of our forwarders appeared. `history` belongs to the
    // timeline it names.
    Verdict Created(const std::string& name, const std::string& bytes, const std::vector<Commit>* history,
                    const SegmentReader::ReadPart& read_part);
    // The object that lists a part, or empty.
    std::string lister_of(const std::string& part) const;
    // The last object was taken away.
    void Vanished();

    // An object of somebody else's, at the end of the chain.
    std::string MakeForeign(Foreign kind, std::string* name);
    Foreign foreign() const { return foreign_; }
    const std::string& foreign_name() const { return foreign_name_; }
    uint64_t foreign_end() const { return foreign_end_; }

  private:
    struct Link {
        std::string name;
        uint64_t end = 0;
        SegmentFacts facts;
        // Commits of the history that lie before `end`.
        size_t commits = 0;
    };

    Verdict CheckLink(const std::string& name, uint64_t start, const SegmentFacts& facts) const;
    Verdict CheckCommits(const std::vector<Commit>& found, const std::vector<Commit>& history,
                         Link* link) const;

    std::vector<Link> links_;
    std::set<uint64_t> gone_;
    Foreign foreign_ = Foreign::kNone;
    std::string foreign_name_;
    uint64_t foreign_end_ = 0;
};

// What one forwarder has told the server.
class StatusBook
{
  public:
    // Streaming has begun.
    void Begin(int64_t now_ms);
    void End() { streaming_ = false; }
    // `durable` is the end of the chain, `sent` how far the server has sent.
    Verdict Sent(int64_t now_ms, const action::SendStatus& status, uint64_t durable, uint64_t sent);
    // Whether the server was told of us in time; after a Tick.
    Verdict CheckSilence(int64_t now_ms) const;

  private:
    bool streaming_ = false;
    int64_t heard_ms_ = 0;
    uint64_t flushed_ = 0;
    std::deque<int64_t> times_ms_;
};

} // namespace wal2lake::simulation
