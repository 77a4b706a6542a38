#include "doctor_findings.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "doctor_policy.h"
#include "doctor_server_findings.h"
#include "doctor_text.h"
#include "list_text.h"
#include "trim_mark.h"

namespace wal2lake
{
namespace
{

// Below that many segments a lake counts as nearly full.
constexpr uint64_t kSegmentsOfRoom = 16;
constexpr double kClockSkewLimit = 5;

class LogJudge
{
  public:
    LogJudge(const SourceReport& report, FindingList* findings)
        : names_(report.names), server_(report.server), lake_(report.lake), findings_(findings)
    {
    }

    void Run()
    {
        Store();
        Lifecycle();
        Log();
    }

  private:
    void Store()
    {
        if (lake_.open_error) {
            findings_->Add(Code::kConfigInvalid, "lake " + names_.lake, BeforeFix(lake_.open_error->text),
                           {{Fix::Kind::kAdvice, AfterFinding(lake_.open_error->text)}});
            return;
        }
        const std::string folder = lake_.folder.value_or(names_.lake);
        if (!lake_.folder_exists)
            findings_->Add(Code::kLakeMissing, "lake " + names_.lake,
                           folder + " does not exist; a run creates it where it may",
                           {{Fix::Kind::kShell, "mkdir -p " + ShellQuoted(folder)}});
        if (lake_.write_error && !lake_.folder)
            findings_->Add(Code::kLakeNotWritable, "lake " + names_.lake, BeforeFix(lake_.write_error->text),
                           {{Fix::Kind::kAdvice, AfterFinding(lake_.write_error->text)}});
        if (lake_.write_error && lake_.folder)
            findings_->Add(
                Code::kLakeNotWritable, "lake " + names_.lake, BeforeFix(lake_.write_error->text),
                {{Fix::Kind::kShell, "chown -R " + ShellQuoted(names_.os_user) + " " + ShellQuoted(folder) +
                                         " && chmod -R u+rwX " + ShellQuoted(folder)}});
        if (lake_.not_exclusive)
            findings_->Add(
                Code::kLakeNotExclusive, "lake " + names_.lake,
                *lake_.not_exclusive + ": two forwarders could both believe to have written a segment",
                {{Fix::Kind::kAdvice,
                  lake_.folder
                      ? "keep the lake where link() fails on a name that is taken, such as ext4 or xfs"
                      : "keep the lake in a store that honours If-None-Match on PUT"}});
        if (lake_.free_bytes && *lake_.free_bytes < kSegmentsOfRoom * names_.max_size)
            findings_->Add(Code::kDiskSpaceLow, "lake " + names_.lake,
                           "its file system has " + SizeText(*lake_.free_bytes) + " left, room for " +
                               std::to_string(*lake_.free_bytes / names_.max_size) +
                               " segments of segment.max_size; when it is full, the server keeps the WAL",
                           {{Fix::Kind::kAdvice, "make room in " + folder + ", or move the lake"}});
    }

    void Lifecycle()
    {
        if (lake_.lifecycle_error)
            findings_->Add(Code::kLifecycleHidden, "lake " + names_.lake,
                           BeforeFix(lake_.lifecycle_error->text),
                           {{Fix::Kind::kAdvice, HiddenLifecycleFix()}});
        for (const LifecycleRule& rule : lake_.lifecycle_rules) {
            const std::vector<std::string> met = FoldersMet(rule);
            if (met.empty())
                continue;
            const bool removes = rule.deed == LifecycleRule::Deed::kRemoves;
            findings_->Add(
                rule.some ? Code::kLifecycleRuleForSome : Code::kLifecycleRule, "lake " + names_.lake,
                "the bucket's lifecycle rule " + rule.name + (removes ? " removes " : " archives ") +
                    (rule.some ? "some " : "") + "objects below " + ListText(met, met.size()) +
                    (removes ? ": a log that lacks one is damaged"
                             : ": what must be restored first cannot be read"),
                {{Fix::Kind::kAdvice, "disable the rule, or give it a prefix that is of none of"
                                      " them; wal2lake trim removes what is old"}});
        }
    }

    std::string HiddenLifecycleFix() const
    {
        const std::string fix = AfterFinding(lake_.lifecycle_error->text);
        return (fix.empty() ? "look for them with the store's own tools" : fix) +
               "; no rule may remove or archive objects below " + ListText(Folders(), 3);
    }

    // What of a source has to stay.
    std::vector<std::string> Folders() const
    {
        return {LogPrefix(names_.source), PartsPrefix(names_.source), EventsPrefix(names_.source)};
    }

    std::vector<std::string> FoldersMet(const LifecycleRule& rule) const
    {
        std::vector<std::string> met = Folders();
        std::erase_if(met, [&rule](const std::string& folder) { return !rule.MayMeet(folder); });
        return met;
    }

    void Log()
    {
        const FenceNames fence{names_.source, names_.slot, names_.lake, names_.pull};
        if (lake_.tail_error) {
            findings_->Add(
                Code::kLogDamaged, "log " + (lake_.tail_name.empty() ? names_.source : lake_.tail_name),
                BeforeFix(lake_.tail_error->text),
                {{Fix::Kind::kAdvice, "restore the object from a copy of the lake; to see what is damaged:"
                                      " wal2lake verify" +
                                          names_.arguments}});
            return;
        }
        if (!lake_.tail) {
            if (!server_.source || CheckSlot(fence, *server_.source) || lake_.open_error)
                return;
            const auto refusal = CheckUnusedSlot(fence, *server_.source);
            if (refusal)
                findings_->Add(Code::kSlotUsedWithoutLog, "slot " + names_.slot, BeforeFix(refusal->sentence),
                               RecreateSlot(names_));
            return;
        }
        const std::string object = "log " + FormatSegmentName(lake_.tail->name);
        auto refusal = CheckTail(fence, *lake_.tail);
        if (refusal) {
            findings_->Add(Code::kLogOfAnotherSource, object, BeforeFix(refusal->sentence),
                           {AnotherId(names_)});
            return;
        }
        if (!server_.source || server_.is_standby.value_or(true))
            return;
        refusal = CheckServer(fence, *server_.source, *lake_.tail);
        // What is wrong with the slot itself has a finding of its own.
        if (refusal && refusal->code == ExitCode::kLake)
            findings_->Add(CodeOf(*server_.source, *lake_.tail), object, BeforeFix(refusal->sentence),
                           {AnotherId(names_)});
    }

    // Which of its checks the fence answered with, in its order.
    static Code CodeOf(const SourceFacts& facts, const Tail& tail)
    {
        const auto& header = tail.facts.header;
        if (header.system_id() != facts.system_id)
            return Code::kLogOfAnotherServer;
        if (header.database_oid() != facts.database_oid)
            return Code::kLogOfAnotherDatabase;
        if (header.timeline() != facts.timeline)
            return Code::kLogTimeline;
        return facts.slot.confirmed_flush_lsn > tail.end_lsn() ? Code::kLogGap : Code::kLogDivergence;
    }

    const DoctorNames& names_;
    const ServerFacts& server_;
    const LakeFacts& lake_;
    FindingList* findings_;
};

void JudgeClock(const SourceReport& report, FindingList* findings)
{
    const auto& skew = report.server.clock_skew_s;
    if (!skew || std::fabs(*skew) - report.server.clock_error_s <= kClockSkewLimit)
        return;
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", std::fabs(*skew));
    findings->Add(Code::kClockSkew, "clock",
                  std::string("the server's clock is ") + text + " s " + (*skew > 0 ? "ahead of" : "behind") +
                      " this host's, so lag and commit times cannot be compared",
                  {{Fix::Kind::kAdvice, "keep both clocks with NTP: timedatectl set-ntp true"}});
}

// Slots are of the whole server, whatever database they belong to.
void JudgeSharedSlots(const std::vector<SourceReport>& reports, std::vector<Finding>* findings)
{
    for (size_t i = 0; i < reports.size(); i++) {
        const SourceReport& mine = reports[i];
        for (size_t j = 0; j < i; j++) {
            const SourceReport& other = reports[j];
            const bool same_server = mine.server.source && other.server.source
                                         ? mine.server.source->system_id == other.server.source->system_id
                                         : mine.names.conninfo == other.names.conninfo;
            if (mine.names.slot != other.names.slot || !same_server)
                continue;
            FindingList list(mine.names.source, findings);
            list.Add(Code::kSameSlotTwice, "slot " + mine.names.slot,
                     "source \"" + other.names.source + "\" reads the same slot of the same server",
                     {AnotherSlot(mine.names)});
            break;
        }
    }
}

} // namespace

std::string_view NameOf(Fix::Kind kind)
{
    switch (kind) {
    case Fix::Kind::kSql:
        return "sql";
    case Fix::Kind::kShell:
        return "shell";
    case Fix::Kind::kServerShell:
        return "server-shell";
    case Fix::Kind::kConfig:
        return "config";
    case Fix::Kind::kPgHba:
        return "pg_hba.conf";
    case Fix::Kind::kPgIdent:
        return "pg_ident.conf";
    case Fix::Kind::kRestart:
        return "restart";
    case Fix::Kind::kAdvice:
        break;
    }
    return "advice";
}

Finding JudgeConfigError(const std::string& path, const std::string& error)
{
    const std::string fix = AfterFinding(error);
    return {Code::kConfigInvalid,
            "",
            path.empty() ? "options" : path,
            BeforeFix(error),
            {{Fix::Kind::kAdvice, fix.empty() ? "see wal2lake doctor --help and docs/commands.md" : fix}}};
}

namespace
{

// None of it loses anything: the server keeps the transactions itself then, slower.
void JudgeStage(const SourceReport& report, FindingList* findings)
{
    if (!report.stage)
        return;
    const StageFacts& stage = *report.stage;
    const std::string object = "stage " + stage.directory;
    const std::string quoted = ShellQuoted(stage.directory);
    if (stage.error)
        findings->Add(
            Code::kStageNotWritable, object,
            stage.error->text + "; the server keeps transactions in progress itself, at more cost",
            {{Fix::Kind::kShell, stage.directory_exists ? "chown " + ShellQuoted(report.names.os_user) + " " +
                                                              quoted + " && chmod u+rwx " + quoted
                                                        : "mkdir -p " + quoted}});
    else if (stage.free_bytes && *stage.free_bytes < stage.max_size)
        findings->Add(
            Code::kStageSpaceLow, object,
            "its file system has " + SizeText(*stage.free_bytes) + " left and stage.max_size is " +
                SizeText(stage.max_size) + "; where it is full, the server keeps transactions in progress",
            {{Fix::Kind::kAdvice, "make room in " + stage.directory +
                                      ", or set another stage.directory or a smaller stage.max_size"}});
}

} // namespace

std::vector<Finding> Judge(const std::vector<SourceReport>& reports)
{
    std::vector<Finding> findings;
    for (const SourceReport& report : reports) {
        FindingList list(report.names.source, &findings);
        JudgeServer(report, &list);
        JudgePolicy(report, &list);
        LogJudge(report, &list).Run();
        JudgeStage(report, &list);
        JudgeClock(report, &list);
    }
    JudgeSharedSlots(reports, &findings);
    std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
        return FactsOf(a.code).severity < FactsOf(b.code).severity;
    });
    return findings;
}

} // namespace wal2lake
