#include "trim_plan.h"

#include <algorithm>
#include <map>

#include "clock.h"
#include "lsn.h"
#include "verify.h"

namespace wal2lake
{
namespace
{

constexpr size_t kPage = 1000;

Error Unsound(const std::string& what)
{
    return {ErrorKind::kDamaged, what + "; nothing was deleted: see wal2lake verify"};
}

class Planner
{
  public:
    Planner(Store& store, const std::string& source, const TrimCut& cut, const TrimProgress& progress)
        : store_(store), cut_(cut), progress_(progress)
    {
        plan_.source = source;
    }

    Result<TrimPlan> Run()
    {
        for (const auto step : {&Planner::ListLog, &Planner::TakeLeftOver, &Planner::FindCut,
                                &Planner::MakeMark, &Planner::TakeParts}) {
            auto done = (this->*step)();
            if (!done.ok())
                return done.error();
        }
        return std::move(plan_);
    }

  private:
    void Progress() const
    {
        if (progress_)
            progress_();
    }

    Result<SegmentEnd> Footer(const SegmentName& name)
    {
        Progress();
        return ReadFooter(store_, FormatSegmentName(name));
    }

    Result<Done> ListLog()
    {
        auto mark = FindTrimMark(store_, plan_.source);
        if (!mark.ok())
            return mark.error();
        plan_.mark = std::move(mark.value());
        auto listed = ListSegments(store_, plan_.source);
        if (!listed.ok())
            return listed.error();
        if (listed.value().empty())
            return Error{ErrorKind::kDamaged, "the lake has no log of source \"" + plan_.source + "\""};
        tail_ = listed.value().back();
        for (SegmentName& name : listed.value()) {
            if (plan_.mark && plan_.mark->Covers(name))
                left_over_.push_back(std::move(name));
            else
                log_.push_back(std::move(name));
        }
        const auto begins = [&](const SegmentName& name) { return name == plan_.mark->first_kept; };
        if (plan_.mark && std::none_of(log_.begin(), log_.end(), begins))
            return Unsound("by its trim mark the log begins with " +
                           FormatSegmentName(plan_.mark->first_kept) + ", which is missing");
        return Done{};
    }

    Result<Done> TakeLeftOver()
    {
        for (const SegmentName& name : left_over_) {
            auto done = Take(FormatSegmentName(name), &plan_.segments);
            if (!done.ok())
                return done;
        }
        plan_.left_over = plan_.segments.size();
        return Done{};
    }

    // Notes an object that will go. That it has gone already is all the same.
    Result<Done> Take(const std::string& name, std::vector<std::string>* names)
    {
        Progress();
        const auto facts = store_.Head(name);
        if (!facts.ok() && facts.error().kind != ErrorKind::kNotFound)
            return facts.error();
        plan_.bytes += facts.ok() ? facts.value().size : 0;
        names->push_back(name);
        return Done{};
    }

    // Walks from the oldest segment to the first that is kept.
    Result<Done> FindCut()
    {
        const auto end = Footer(tail_);
        if (!end.ok())
            return end.error();
        log_end_ = end.value().footer.end_lsn();
        if (cut_.before_lsn && *cut_.before_lsn > log_end_)
            return Error{ErrorKind::kInvalid, "--before-lsn " + FormatLsn(*cut_.before_lsn) +
                                                  " lies beyond the end of the log of " + plan_.source +
                                                  ", which is " + FormatLsn(log_end_)};
        std::optional<SegmentName> before;
        uint64_t before_end = 0;
        std::vector<std::pair<std::string, uint64_t>> passed;
        // Of a run of segments that say no time, the first, and what was passed before it.
        std::optional<std::pair<SegmentName, size_t>> undated;
        for (size_t i = 0; i < log_.size(); i++) {
            const SegmentName& name = log_[i];
            const bool genesis = name.start_lsn == 0;
            const bool first_kept = plan_.mark && name == plan_.mark->first_kept;
            if (before && !first_kept && !genesis && name.start_lsn != before_end)
                return Unsound("there is a gap or an overlap before " + FormatSegmentName(name) +
                               ": the segment before ends at " + FormatLsn(before_end));
            const bool last = name == tail_ || (cut_.before_lsn && StopsAt(i));
            auto read = last ? end : Footer(name);
            if (!read.ok())
                return read.error();
            if (!genesis && (last || IsYoung(read.value()))) {
                // What says no time may be as young as what follows.
                first_kept_ = undated ? undated->first : name;
                passed.resize(undated ? undated->second : passed.size());
                break;
            }
            if (IsDated(read.value()))
                undated.reset();
            else if (IsUndated(read.value()) && !undated)
                undated.emplace(name, passed.size());
            if (!genesis)
                passed.emplace_back(FormatSegmentName(name), read.value().size);
            before = name;
            before_end = read.value().footer.end_lsn();
        }
        for (auto& [name, size] : passed) {
            plan_.segments.push_back(std::move(name));
            plan_.bytes += size;
        }
        cuts_ = !passed.empty();
        return Done{};
    }

    // LSNs are an order within an epoch; what is asked for is one of the last.
    bool StopsAt(size_t index) const
    {
        return log_[index].epoch == tail_.epoch && log_[index].start_lsn != 0 &&
               (index + 1 == log_.size() || log_[index + 1].start_lsn > *cut_.before_lsn);
    }

    bool IsYoung(const SegmentEnd& end) const
    {
        return cut_.before_us && end.footer.transactions() > 0 &&
               end.footer.last_commit_time_us() >= *cut_.before_us;
    }

    static bool IsDated(const SegmentEnd& end) { return end.footer.last_commit_time_us() != 0; }

    // It holds messages that belong to no transaction, and nothing else.
    bool IsUndated(const SegmentEnd& end) const
    {
        return cut_.before_us && end.footer.transactions() > 0 && !IsDated(end);
    }

    Result<Done> MakeMark()
    {
        if (!cuts_)
            return Done{};
        // What is kept for good should be worth it, and what the mark says of it true.
        uint64_t bytes = 0;
        Progress();
        const auto facts = ReadSegment(store_, FormatSegmentName(*first_kept_), &bytes);
        if (!facts.ok() && facts.error().kind == ErrorKind::kDamaged)
            return Unsound("the first segment to keep is damaged: " + FormatSegmentName(*first_kept_) + ": " +
                           facts.error().text);
        if (!facts.ok())
            return facts.error();
        const auto& header = facts.value().header;
        if (header.start_lsn() != first_kept_->start_lsn || header.source() != plan_.source)
            return Unsound(FormatSegmentName(*first_kept_) + " is not what its name says");
        TrimMark mark;
        mark.first_kept = *first_kept_;
        mark.start_lsn = header.start_lsn();
        mark.seq = header.seq();
        mark.previous_sha256 = header.previous_sha256();
        mark.written_us = UnixUs();
        mark.writer = WAL2LAKE_VERSION;
        plan_.mark = std::move(mark);
        plan_.mark_is_new = true;
        return Done{};
    }

    Result<Done> TakeParts()
    {
        std::string after;
        for (;;) {
            const auto page = store_.List(PartsPrefix(plan_.source), after, kPage);
            if (!page.ok())
                return page.error();
            for (const std::string& text : page.value().names) {
                after = text;
                const auto part = ParsePartName(text);
                if (!part)
                    continue;
                const auto goes = Goes(*part, text);
                if (!goes.ok())
                    return goes.error();
                auto done = goes.value() ? Take(text, &plan_.parts) : Result<Done>(Done{});
                if (!done.ok())
                    return done;
            }
            if (!page.value().more)
                return Done{};
        }
    }

    // A part counts as soon as a segment lists it, so it may go only where none will:
    // the log is past its commit.
    Result<bool> Goes(const PartName& part, const std::string& text)
    {
        if (part.epoch > tail_.epoch || (part.epoch == tail_.epoch && part.commit_lsn >= log_end_))
            return false;
        if (plan_.mark && plan_.mark->Covers(part))
            return true;
        const auto behind =
            std::upper_bound(log_.begin(), log_.end(), SegmentName{part.source, part.epoch, part.commit_lsn});
        if (behind == log_.begin())
            return false;
        const SegmentName& name = *std::prev(behind);
        if (!covering_ || covering_->first != name) {
            auto read = Footer(name);
            if (!read.ok())
                return read.error();
            covering_ = {name, std::move(read.value().footer)};
        }
        const auto& footer = covering_->second;
        const std::string listed_as = WithoutSource(part.source, text);
        return name.epoch == part.epoch && name.start_lsn != 0 && footer.end_lsn() > part.commit_lsn &&
               std::none_of(footer.parts().begin(), footer.parts().end(),
                            [&](const auto& listed) { return listed.name() == listed_as; });
    }

    Store& store_;
    const TrimCut& cut_;
    const TrimProgress& progress_;
    TrimPlan plan_;
    // Segments below the mark, and all others in order.
    std::vector<SegmentName> left_over_;
    std::vector<SegmentName> log_;
    SegmentName tail_;
    uint64_t log_end_ = 0;
    std::optional<SegmentName> first_kept_;
    bool cuts_ = false;
    // The segment that was asked about last: parts come in the order of the log.
    std::optional<std::pair<SegmentName, wal2lake::v1::SegmentFooter>> covering_;
};

} // namespace

Result<TrimPlan> PlanTrim(Store& store, const std::string& source, const TrimCut& cut,
                          const TrimProgress& progress)
{
    for (;;) {
        const auto mark = FindTrimMark(store, source);
        if (!mark.ok())
            return mark.error();
        auto plan = Planner(store, source, cut, progress).Run();
        if (plan.ok())
            return plan;
        // Another trim may be ahead of us, and have deleted what we looked at.
        const auto newer = FindTrimMark(store, source);
        const bool moved = newer.ok() && newer.value() &&
                           (!mark.value() || mark.value()->first_kept < newer.value()->first_kept);
        if (!moved || plan.error().kind == ErrorKind::kInvalid)
            return plan;
    }
}

Result<Done> CarryOutTrim(Store& store, const TrimPlan& plan, uint64_t* deleted, const TrimProgress& progress)
{
    *deleted = 0;
    if (plan.mark_is_new) {
        const std::string name = FormatTrimMarkName(plan.mark->first_kept);
        const auto put = store.PutIfAbsent(name, FormatTrimMark(*plan.mark));
        if (!put.ok() && put.error().kind != ErrorKind::kExists)
            return put.error();
        if (!put.ok()) {
            // Of another trim, or ours and its answer was lost.
            const auto bytes = GetAll(store, name);
            if (!bytes.ok())
                return bytes.error();
            const auto there = ParseTrimMark(name, bytes.value());
            if (!there.ok())
                return there.error();
            if (!there.value().SameCut(*plan.mark))
                return Unsound("the trim mark " + name + " exists and tells of another log");
        }
    }
    for (const auto* names : {&plan.segments, &plan.parts}) {
        for (const std::string& name : *names) {
            auto done = store.Delete(name);
            if (!done.ok())
                return done;
            ++*deleted;
            if (progress)
                progress();
        }
    }
    return Done{};
}

} // namespace wal2lake
