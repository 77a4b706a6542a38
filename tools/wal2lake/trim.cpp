#include "trim.h"

#include <cstdio>
#include <iostream>
#include <vector>

#include <unistd.h>

#include "clock.h"
#include "doctor_text.h"
#include "json_writer.h"
#include "list_text.h"
#include "lsn.h"
#include "progress.h"
#include "settings.h"

namespace wal2lake
{
namespace
{

constexpr int64_t kUsPerMs = 1000;

ExitCode Complain(const std::string& text, ExitCode code)
{
    std::fprintf(stderr, "wal2lake: %s\n", text.c_str());
    return code;
}

ExitCode CodeOf(const Error& error)
{
    switch (error.kind) {
    case ErrorKind::kInvalid:
        return ExitCode::kUsage;
    case ErrorKind::kDamaged:
    case ErrorKind::kNotFound:
        return ExitCode::kLake;
    default:
        return ExitCode::kStore;
    }
}

std::string Amount(const TrimPlan& plan)
{
    std::string text = Several(plan.segments.size(), "segment");
    if (plan.left_over > 0)
        text += " (" + std::to_string(plan.left_over) + " of them below an earlier mark)";
    return text + " and " + Several(plan.parts.size(), "part") + ", " + SizeText(plan.bytes);
}

std::string Beginning(const TrimPlan& plan)
{
    return plan.mark ? FormatLsn(plan.mark->start_lsn) : "its genesis";
}

void PrintText(const TrimPlan& plan, bool dry_run)
{
    const char* source = plan.source.c_str();
    if (plan.empty())
        std::printf("%s: nothing to delete, the log begins at %s\n", source, Beginning(plan).c_str());
    else
        std::printf("%s: %s %s; the log %s at %s\n", source, dry_run ? "would delete" : "deleted",
                    Amount(plan).c_str(), dry_run ? "would begin" : "begins", Beginning(plan).c_str());
}

void PrintJson(const TrimPlan& plan, bool dry_run)
{
    JsonWriter json;
    json.BeginObject();
    json.Key("source").String(plan.source);
    json.Key("dry_run").Bool(dry_run);
    json.Key("segments").Uint(plan.segments.size());
    json.Key("segments_below_earlier_mark").Uint(plan.left_over);
    json.Key("parts").Uint(plan.parts.size());
    json.Key("bytes").Uint(plan.bytes);
    json.Key("new_mark").Bool(plan.mark_is_new);
    json.Key("first_kept");
    if (plan.mark)
        json.String(FormatSegmentName(plan.mark->first_kept));
    else
        json.Null();
    json.Key("start_lsn");
    if (plan.mark)
        json.String(FormatLsn(plan.mark->start_lsn));
    else
        json.Null();
    json.EndObject();
    std::printf("%s\n", json.Take().c_str());
}

bool Agreed(const TrimPlan& plan)
{
    std::fprintf(stderr, "%s: delete %s for good? The log will begin at %s. [y/N] ", plan.source.c_str(),
                 Amount(plan).c_str(), Beginning(plan).c_str());
    std::fflush(stderr);
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "Y" || answer == "yes";
}

ExitCode TrimOne(Store& store, const std::string& source, const TrimCut& cut, const TrimOptions& options)
{
    auto plan = [&] {
        Progress counter(source, "objects looked at", 0);
        return PlanTrim(store, source, cut, [&] { counter.Count(); });
    }();
    if (!plan.ok())
        return Complain(plan.error().text, CodeOf(plan.error()));
    if (!options.dry_run && !plan.value().empty()) {
        if (!options.yes && !Agreed(plan.value())) {
            std::printf("%s: nothing was deleted\n", source.c_str());
            return ExitCode::kOk;
        }
        uint64_t deleted = 0;
        Progress counter(source, "objects deleted", plan.value().segments.size() + plan.value().parts.size());
        const auto done = CarryOutTrim(store, plan.value(), &deleted, [&] { counter.Count(); });
        if (!done.ok())
            return Complain(done.error().text + "; " + std::to_string(deleted) +
                                " objects were deleted, the next trim goes on",
                            CodeOf(done.error()));
    }
    if (options.json)
        PrintJson(plan.value(), options.dry_run);
    else
        PrintText(plan.value(), options.dry_run);
    return ExitCode::kOk;
}

} // namespace

Result<TrimCut> ParseTrimCut(const TrimOptions& options, int64_t now_us)
{
    TrimCut cut;
    if (options.before_lsn.empty() == options.older_than.empty())
        return Error{ErrorKind::kInvalid, "give one of --before-lsn and --older-than"};
    if (!options.before_lsn.empty()) {
        cut.before_lsn = ParseLsn(options.before_lsn);
        if (!cut.before_lsn)
            return Error{ErrorKind::kInvalid,
                         "--before-lsn \"" + options.before_lsn + "\" is no LSN such as 0/16B3748"};
        return cut;
    }
    const auto age_ms = ParseDuration(options.older_than);
    if (!age_ms.ok())
        return Error{ErrorKind::kInvalid,
                     "--older-than \"" + options.older_than + "\": " + age_ms.error().text};
    if (age_ms.value() < 0 || age_ms.value() > now_us / kUsPerMs)
        return Error{ErrorKind::kInvalid,
                     "--older-than \"" + options.older_than + "\" reaches back beyond 1970"};
    cut.before_us = now_us - age_ms.value() * kUsPerMs;
    return cut;
}

ExitCode RunTrim(const Config& config, const std::string& source, const TrimOptions& options)
{
    const auto cut = ParseTrimCut(options, UnixUs());
    if (!cut.ok())
        return Complain(cut.error().text, ExitCode::kUsage);
    std::vector<std::string> sources;
    if (!source.empty())
        sources.push_back(source);
    for (const SourceConfig& configured : config.sources)
        if (source.empty())
            sources.push_back(configured.id);
    if (sources.empty())
        return Complain("no source is configured; name one with --source", ExitCode::kUsage);
    if (cut.value().before_lsn && sources.size() > 1)
        return Complain("--before-lsn is about one source, and the configuration has " +
                            std::to_string(sources.size()) + "; name it with --source",
                        ExitCode::kUsage);
    if (!options.dry_run && !options.yes && ::isatty(STDIN_FILENO) != 1)
        return Complain(
            "what trim deletes is gone for good; look at it with --dry-run, and repeat with --yes",
            ExitCode::kUsage);
    auto store = OpenLake(config);
    if (!store.ok())
        return Complain(store.error().text, CodeOf(store.error()));
    ExitCode code = ExitCode::kOk;
    for (const std::string& each : sources) {
        const ExitCode of_one = TrimOne(*store.value(), each, cut.value(), options);
        code = code == ExitCode::kOk ? of_one : code;
    }
    return code;
}

} // namespace wal2lake
