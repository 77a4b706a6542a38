#include "doctor.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include <pwd.h>
#include <unistd.h>

#include "doctor_lake.h"
#include "doctor_policy.h"
#include "doctor_server.h"
#include "doctor_text.h"
#include "json_writer.h"
#include "printable.h"

namespace wal2lake
{
namespace
{

std::string OsUser()
{
    const passwd* user = ::getpwuid(::geteuid());
    return user == nullptr ? std::to_string(::geteuid()) : user->pw_name;
}

// What names this source to another subcommand, as it was named to us.
std::string Arguments(const CommonOptions& common, const std::string& config_path, const SourceConfig& source)
{
    std::string arguments;
    const auto add = [&](const char* option, const std::string& value) {
        if (!value.empty())
            arguments += std::string(" ") + option + " " + ShellQuoted(value);
    };
    add("-c", config_path);
    add("--lake", common.lake);
    add("--source", source.id);
    add("--conninfo", common.conninfo);
    add("--slot", common.slot);
    return arguments;
}

SourceReport Look(const CommonOptions& common, const Settings& settings, const SourceConfig& source,
                  const std::string& admin_conninfo)
{
    SourceReport report;
    DoctorNames& names = report.names;
    names.source = source.id;
    names.slot = source.slot;
    names.lake = settings.config.lake_url;
    names.conninfo = source.conninfo;
    names.arguments = Arguments(common, settings.config_path, source);
    names.max_size = settings.config.max_size;
    names.has_options = !source.options.empty();
    names.pull = source.pull;
    names.os_user = OsUser();
    // In this order a log that grows meanwhile is never behind its slot.
    report.server = LookAtServer(names, source.options);
    report.lake = LookAtLake(settings.config, names);
    if (!source.pull)
        report.stage = LookAtStage(settings.config.stage);
    if (report.lake.tail && report.server.source &&
        report.lake.tail->end_lsn() > report.server.source->wal_flush_lsn)
        LookAtWalEndAgain(names, &report.server);
    report.policy = LookAtPolicy(names, admin_conninfo, report.server);
    return report;
}

std::string Colored(Severity severity, std::string text, bool color)
{
    if (!color)
        return text;
    const char* code = severity == Severity::kError     ? "\033[31m"
                       : severity == Severity::kWarning ? "\033[33m"
                                                        : "\033[36m";
    return code + text + "\033[0m";
}

std::string Padded(std::string text, size_t width)
{
    text.resize(std::max(width, text.size()), ' ');
    return text;
}

std::string Indented(const std::string& text, const std::string& indent)
{
    std::string result = indent;
    for (const char c : text) {
        result += c;
        if (c == '\n')
            result += indent;
    }
    return result + "\n";
}

// Of what is not SQL nothing may be lost or added: it is shown, and --json has it.
std::string Shown(const Fix& fix)
{
    return fix.kind == Fix::Kind::kSql      ? PrintableSql(fix.text)
           : fix.kind == Fix::Kind::kAdvice ? PrintableSentence(fix.text)
                                            : Printable(fix.text);
}

std::vector<Finding> LookAndJudge(const CommonOptions& common, const DoctorOptions& options)
{
    if (HoldsPassword(options.admin_conninfo))
        return {JudgeConfigError("", kAdminPasswordRefused)};
    const auto settings = LoadSettings(common, Needs::kSources);
    if (!settings.ok())
        return {JudgeConfigError(ConfigPath(common), settings.error().text)};
    std::vector<SourceReport> reports;
    for (const SourceConfig& source : settings.value().config.sources)
        reports.push_back(Look(common, settings.value(), source, AdminConninfo(options.admin_conninfo)));
    return Judge(reports);
}

std::map<Severity, size_t> Count(const std::vector<Finding>& findings)
{
    std::map<Severity, size_t> counts{{Severity::kError, 0}, {Severity::kWarning, 0}, {Severity::kInfo, 0}};
    for (const Finding& finding : findings)
        counts[FactsOf(finding.code).severity]++;
    return counts;
}

void PrintCodes()
{
    for (const CodeFacts& code : AllCodes())
        std::printf("%-8s %-25s %s\n", std::string(NameOf(code.severity)).c_str(),
                    std::string(code.name).c_str(), std::string(code.meaning).c_str());
}

} // namespace

int DoctorExitCode(const std::vector<Finding>& findings)
{
    const auto counts = Count(findings);
    return counts.at(Severity::kError) > 0 ? 2 : counts.at(Severity::kWarning) > 0 ? 1 : 0;
}

std::string FormatFindings(const std::vector<Finding>& findings, bool color)
{
    std::string text;
    for (const Finding& finding : findings) {
        const CodeFacts& code = FactsOf(finding.code);
        text += Colored(code.severity, Padded(std::string(NameOf(code.severity)), 8), color) +
                Padded(std::string(code.name), 26) + (finding.source.empty() ? "" : finding.source + ": ") +
                Printable(finding.object) + "\n";
        text += Indented(PrintableSentence(finding.sentence), "        ");
        for (const Fix& fix : finding.fixes) {
            text += "        fix (" + std::string(NameOf(fix.kind)) + "):\n";
            text += Indented(Shown(fix), "            ");
        }
    }
    const auto counts = Count(findings);
    const auto counted = [&](Severity severity, const char* one, const char* many) {
        const size_t count = counts.at(severity);
        return std::to_string(count) + " " + (count == 1 ? one : many);
    };
    return text + counted(Severity::kError, "error", "errors") + ", " +
           counted(Severity::kWarning, "warning", "warnings") + ", " +
           counted(Severity::kInfo, "note", "notes") + "\n";
}

std::string FormatFindingsJson(const std::vector<Finding>& findings)
{
    const auto counts = Count(findings);
    JsonWriter json;
    json.BeginObject();
    json.Key("errors").Uint(counts.at(Severity::kError));
    json.Key("warnings").Uint(counts.at(Severity::kWarning));
    json.Key("infos").Uint(counts.at(Severity::kInfo));
    json.Key("findings").BeginArray();
    for (const Finding& finding : findings) {
        const CodeFacts& code = FactsOf(finding.code);
        json.BeginObject();
        json.Key("severity").String(NameOf(code.severity));
        json.Key("code").String(code.name);
        json.Key("source").String(finding.source);
        json.Key("object").String(finding.object);
        json.Key("finding").String(finding.sentence);
        json.Key("fix").BeginArray();
        for (const Fix& fix : finding.fixes) {
            json.BeginObject();
            json.Key("kind").String(NameOf(fix.kind));
            json.Key("text").String(fix.text);
            json.EndObject();
        }
        json.EndArray().EndObject();
    }
    json.EndArray().EndObject();
    return json.Take() + "\n";
}

int RunDoctor(const CommonOptions& common, const DoctorOptions& options)
{
    if (options.list) {
        PrintCodes();
        return 0;
    }
    const std::vector<Finding> findings = LookAndJudge(common, options);
    const char* no_color = std::getenv("NO_COLOR");
    const bool color = ::isatty(STDOUT_FILENO) == 1 && (no_color == nullptr || *no_color == '\0');
    const std::string text = options.json ? FormatFindingsJson(findings) : FormatFindings(findings, color);
    // main() sees whether it arrived.
    std::fputs(text.c_str(), stdout);
    return DoctorExitCode(findings);
}

} // namespace wal2lake
