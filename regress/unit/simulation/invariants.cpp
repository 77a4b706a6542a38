#include "invariants.h"

#include <algorithm>
#include <array>

#include "chain.h"
#include "lsn.h"
#include "segment_writer.h"

namespace wal2lake::simulation
{
namespace
{

constexpr auto kRuleNames = std::to_array<const char*>({"gap",
                                                        "link",
                                                        "fence",
                                                        "damaged",
                                                        "lost",
                                                        "twice",
                                                        "order",
                                                        "cut",
                                                        "two_requests",
                                                        "name_too_early",
                                                        "adopted_foreign",
                                                        "acknowledged_too_early",
                                                        "acknowledged_back",
                                                        "received",
                                                        "too_many_statuses",
                                                        "silent",
                                                        "shutdown_held",
                                                        "memory",
                                                        "spin",
                                                        "ending",
                                                        "papered_over",
                                                        "stuck"});
static_assert(kRuleNames.size() == static_cast<size_t>(Rule::kCount));

// Ten a second, and one each for leaving and for a stop.
constexpr size_t kStatusesASecond = 12;
constexpr int64_t kSilenceMs = 10'000;

std::string Show(const Commit& commit)
{
    return "transaction " + std::to_string(commit.xid) + " (" + FormatLsn(commit.commit_lsn) + ".." +
           FormatLsn(commit.end_lsn) + ")";
}

} // namespace

const char* RuleName(Rule rule)
{
    return kRuleNames[static_cast<size_t>(rule)];
}

bool Chain::has_end(uint64_t lsn) const
{
    return std::any_of(links_.rbegin(), links_.rend(), [lsn](const Link& link) { return link.end == lsn; });
}

void Chain::Vanished()
{
    gone_.insert(links_.back().end);
    links_.pop_back();
}

bool Chain::holds(const std::vector<Commit>& history) const
{
    return exists() && links_.back().commits == history.size();
}

std::string Chain::lister_of(const std::string& part) const
{
    for (const Link& link : links_)
        for (const auto& listed : link.facts.footer.parts())
            if (BelowSource(link.facts.header.source(), listed.name()) == part)
                return link.name;
    return {};
}

Verdict Chain::Created(const std::string& name, const std::string& bytes, const std::vector<Commit>* history,
                       const SegmentReader::ReadPart& read_part)
{
    const auto parsed = ParseSegmentName(name);
    if (!parsed)
        return Violation{Rule::kGap, name + " is no name of a segment"};
    if (foreign_ == Foreign::kLink)
        return std::nullopt;
    if (foreign_ != Foreign::kNone && parsed->start_lsn >= foreign_end_)
        return Violation{Rule::kFence, name + " continues an object of another server"};

    std::vector<Commit> found;
    auto checked = CheckSegment(
        bytes,
        [&](const MessageView&, const BatchView& batch) {
            if (!batch.placed())
                return Result<Done>(Done{});
            const CommittedView& committed = batch.committed;
            if (found.empty() || found.back().end_lsn != committed.end_lsn)
                found.push_back({committed.xid, committed.commit_lsn, committed.end_lsn, 0});
            found.back().batches++;
            return Result<Done>(Done{});
        },
        read_part);
    if (!checked.ok())
        return Violation{Rule::kDamaged, name + " is damaged: " + checked.error().text};
    if (auto broken = CheckLink(name, parsed->start_lsn, checked.value()))
        return broken;
    if (history == nullptr)
        return Violation{Rule::kFence, name + " is on a timeline that no server has"};
    Link link{name, checked.value().footer.end_lsn(), std::move(checked.value()), 0};
    if (auto broken = CheckCommits(found, *history, &link))
        return broken;
    links_.push_back(std::move(link));
    return std::nullopt;
}

Verdict Chain::CheckLink(const std::string& name, uint64_t start, const SegmentFacts& facts) const
{
    const auto& header = facts.header;
    if (links_.empty() || start == 0) {
        if (!links_.empty() || start != 0 || !header.has_genesis())
            return Violation{Rule::kGap, name + " does not begin the log"};
        return std::nullopt;
    }
    const Link& before = links_.back();
    const auto& mine = before.facts.header;
    if (start != before.end || header.start_lsn() != start)
        return Violation{Rule::kGap, name + " begins at " + FormatLsn(header.start_lsn()) +
                                         ", the log ended at " + FormatLsn(before.end)};
    if (facts.footer.end_lsn() <= start)
        return Violation{Rule::kGap, name + " holds nothing"};
    if (header.seq() != mine.seq() + 1)
        return Violation{Rule::kLink, name + " has number " + std::to_string(header.seq()) + " after " +
                                          std::to_string(mine.seq())};
    if (header.previous_sha256() != before.facts.sha256)
        return Violation{Rule::kLink, name + " does not name the hash of " + before.name};
    if (header.timeline() != mine.timeline())
        return Violation{Rule::kFence, name + " is on timeline " + std::to_string(header.timeline()) +
                                           ", the log is on timeline " + std::to_string(mine.timeline())};
    if (header.system_id() != mine.system_id() || header.database_oid() != mine.database_oid() ||
        header.source() != mine.source() || header.slot() != mine.slot())
        return Violation{Rule::kFence, name + " is of another server, database, source or slot"};
    return std::nullopt;
}

Verdict Chain::CheckCommits(const std::vector<Commit>& found, const std::vector<Commit>& history,
                            Link* link) const
{
    size_t next = links_.empty() ? 0 : links_.back().commits;
    if (links_.empty())
        while (next < history.size() && history[next].commit_lsn < link->end)
            next++;
    for (const Commit& commit : found) {
        const auto known = std::find_if(history.begin(), history.end(),
                                        [&](const Commit& each) { return each.xid == commit.xid; });
        const auto index = static_cast<size_t>(known - history.begin());
        if (known == history.end() || known->end_lsn != commit.end_lsn)
            return Violation{Rule::kOrder, Show(commit) + " in " + link->name + " was never committed there"};
        if (index < next)
            return Violation{Rule::kTwice, Show(commit) + " in " + link->name + " is in the lake already"};
        if (index > next)
            return Violation{Rule::kLost, Show(history[next]) + " is missing before " + Show(commit) +
                                              " in " + link->name};
        if (*known != commit)
            return Violation{Rule::kCut, Show(commit) + " has " + std::to_string(commit.batches) + " of " +
                                             std::to_string(known->batches) + " messages in " + link->name};
        next++;
    }
    if (next < history.size() && history[next].end_lsn <= link->end)
        return Violation{Rule::kLost,
                         link->name + " ends at " + FormatLsn(link->end) + " without " + Show(history[next])};
    link->commits = next;
    return std::nullopt;
}

std::string Chain::MakeForeign(Foreign kind, std::string* name)
{
    const Link& before = links_.back();
    auto header = before.facts.header;
    header.clear_genesis();
    header.set_start_lsn(before.end);
    header.set_seq(header.seq() + (kind == Foreign::kLink ? 2 : 1));
    header.set_previous_sha256(kind == Foreign::kLink ? std::string(32, 'x') : before.facts.sha256);
    if (kind == Foreign::kSystem)
        header.set_system_id(header.system_id() + 1);
    if (kind == Foreign::kTimeline)
        header.set_timeline(header.timeline() + 7);
    if (kind == Foreign::kDatabase)
        header.set_database_oid(header.database_oid() + 1);
    SealedSegment idle;
    idle.end_lsn = before.end + 0x20;
    foreign_ = kind;
    foreign_end_ = idle.end_lsn;
    foreign_name_ = *name = FormatSegmentName({header.source(), kFirstEpoch, before.end});
    return AssembleSegment(std::move(header), idle).bytes;
}

void StatusBook::Begin(int64_t now_ms)
{
    streaming_ = true;
    heard_ms_ = now_ms;
}

Verdict StatusBook::Sent(int64_t now_ms, const action::SendStatus& status, uint64_t durable, uint64_t sent)
{
    heard_ms_ = now_ms;
    if (status.flushed_lsn > durable)
        return Violation{Rule::kAcknowledgedTooEarly, "acknowledged " + FormatLsn(status.flushed_lsn) +
                                                          ", the lake ends at " + FormatLsn(durable)};
    if (status.flushed_lsn < flushed_)
        return Violation{Rule::kAcknowledgedBack,
                         "acknowledged " + FormatLsn(status.flushed_lsn) + " after " + FormatLsn(flushed_)};
    flushed_ = status.flushed_lsn;
    if (status.received_lsn < status.flushed_lsn)
        return Violation{Rule::kReceived, "received " + FormatLsn(status.received_lsn) +
                                              " lies before acknowledged " + FormatLsn(flushed_)};
    if (status.received_lsn > std::max(sent, durable))
        return Violation{Rule::kReceived, "received " + FormatLsn(status.received_lsn) +
                                              ", the server has sent up to " + FormatLsn(sent)};
    times_ms_.push_back(now_ms);
    while (times_ms_.front() <= now_ms - 1'000)
        times_ms_.pop_front();
    if (times_ms_.size() > kStatusesASecond)
        return Violation{Rule::kTooManyStatuses,
                         std::to_string(times_ms_.size()) + " status messages within a second"};
    return std::nullopt;
}

Verdict StatusBook::CheckSilence(int64_t now_ms) const
{
    if (!streaming_ || now_ms - heard_ms_ <= kSilenceMs)
        return std::nullopt;
    return Violation{Rule::kSilent, "no status message for " + std::to_string(now_ms - heard_ms_) + " ms"};
}

} // namespace wal2lake::simulation
