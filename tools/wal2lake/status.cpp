#include "status.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "chain.h"
#include "clock.h"
#include "fence.h"
#include "json_writer.h"
#include "lsn.h"
#include "segment_reader.h"

namespace wal2lake
{
namespace
{

void Trouble(PositionReport* report, ExitCode code, const std::string& sentence)
{
    if (report->code == ExitCode::kOk)
        report->code = code;
    report->trouble += (report->trouble.empty() ? "" : "; ") + sentence;
}

void AskLake(Store& store, const FenceNames& names, PositionReport* report)
{
    const auto found = FindTail(store, names.source);
    if (!found.ok())
        return Trouble(report, ExitCode::kStore, found.error().text);
    if (!found.value())
        return Trouble(report, ExitCode::kLake, names.lake + " has no log of this source");
    const std::string name = FormatSegmentName(*found.value());
    const auto bytes = GetAll(store, name);
    if (!bytes.ok())
        return Trouble(report, ExitCode::kStore, bytes.error().text);
    const auto checked = CheckSegment(bytes.value());
    if (!checked.ok())
        return Trouble(report, ExitCode::kLake, name + " is damaged: " + checked.error().text);
    const auto facts = store.Head(name);
    report->lake =
        LakePosition{checked.value().footer.end_lsn(), checked.value().footer.last_commit_time_us(),
                     facts.ok() ? facts.value().written_us.value_or(0) : 0};
}

void AskServer(const SourceConfig& source, const FenceNames& names, PositionReport* report)
{
    PostgresSource server;
    SlotPosition position;
    const auto protocol =
        source.pull ? PostgresSource::Protocol::kSql : PostgresSource::Protocol::kReplication;
    if (!server.Connect(source.conninfo, protocol) || !server.ReadPosition(source.slot, &position)) {
        const auto refusal = ClassifySourceError(names, server.error().sqlstate, server.error().text);
        return Trouble(report, ExitCode::kSource,
                       refusal ? refusal->sentence : "cannot ask the server: " + server.error().text);
    }
    report->slot = position;
    if (!position.exists)
        Trouble(report, ExitCode::kSource, "slot \"" + source.slot + "\" does not exist");
    else if (position.wal_status == "lost")
        Trouble(report, ExitCode::kSource, "slot \"" + source.slot + "\" is lost: its WAL was removed");
}

const char* Verdict(const PositionReport& report)
{
    switch (report.code) {
    case ExitCode::kOk:
        return "ok";
    case ExitCode::kLate:
        return "late";
    default:
        return "unknown";
    }
}

const char* SlotState(const PositionReport& report)
{
    if (!report.slot)
        return "-";
    if (!report.slot->exists)
        return "missing";
    return report.slot->active ? "active" : "inactive";
}

std::string Bytes(const std::optional<uint64_t>& bytes)
{
    if (!bytes)
        return "-";
    constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    auto number = static_cast<double>(*bytes);
    size_t unit = 0;
    while (number >= 1024 && unit + 1 < std::size(kUnits)) {
        number /= 1024;
        unit++;
    }
    char text[32];
    std::snprintf(text, sizeof text, unit == 0 ? "%.0f%s" : "%.1f%s", number, kUnits[unit]);
    return text;
}

// What is left of the promise, in percent; negative once it is broken.
std::string Budget(const PositionReport& report, int64_t freshness_ms)
{
    if (!report.lag_seconds)
        return "-";
    char text[32];
    std::snprintf(text, sizeof text, "%.0f%%",
                  100 - *report.lag_seconds * 100'000 / static_cast<double>(freshness_ms));
    return text;
}

void PrintText(const std::vector<PositionReport>& reports, int64_t freshness_ms)
{
    std::printf("%-24s %-8s %-14s %10s %12s %8s %-9s %10s\n", "source", "verdict", "durable_lsn", "lag",
                "lag seconds", "budget", "slot", "retained");
    for (const PositionReport& report : reports) {
        char seconds[32] = "-";
        if (report.lag_seconds)
            std::snprintf(seconds, sizeof seconds, "%.0f", *report.lag_seconds);
        std::printf("%-24s %-8s %-14s %10s %12s %8s %-9s %10s\n", report.source.c_str(), Verdict(report),
                    report.lake ? FormatLsn(report.lake->durable_lsn).c_str() : "-",
                    Bytes(report.lag_bytes).c_str(), seconds, Budget(report, freshness_ms).c_str(),
                    SlotState(report), Bytes(report.retained_bytes).c_str());
        if (!report.trouble.empty())
            std::printf("  %s\n", report.trouble.c_str());
    }
}

void PrintJson(const std::vector<PositionReport>& reports, int64_t freshness_ms)
{
    JsonWriter json;
    const auto lsn = [&json](const char* key, bool known, uint64_t value) {
        json.Key(key);
        if (known)
            json.String(FormatLsn(value));
        else
            json.Null();
    };
    const auto bytes = [&json](const char* key, const std::optional<uint64_t>& value) {
        json.Key(key);
        if (value)
            json.Uint(*value);
        else
            json.Null();
    };
    const double freshness = static_cast<double>(freshness_ms) / 1e3;
    json.BeginArray();
    for (const PositionReport& report : reports) {
        const bool slot = report.slot && report.slot->exists;
        json.BeginObject();
        json.Key("source").String(report.source);
        json.Key("verdict").String(Verdict(report));
        json.Key("trouble").String(report.trouble);
        lsn("durable_lsn", report.lake.has_value(), report.lake ? report.lake->durable_lsn : 0);
        lsn("wal_end_lsn", report.slot.has_value(), report.slot ? report.slot->wal_end_lsn : 0);
        bytes("lag_bytes", report.lag_bytes);
        json.Key("lag_seconds");
        if (report.lag_seconds)
            json.Double(*report.lag_seconds);
        else
            json.Null();
        json.Key("slo_seconds").Double(freshness);
        json.Key("slo_left_seconds");
        if (report.lag_seconds)
            json.Double(freshness - *report.lag_seconds);
        else
            json.Null();
        json.Key("slot").String(SlotState(report));
        lsn("confirmed_flush_lsn", slot, slot ? report.slot->confirmed_flush_lsn : 0);
        lsn("restart_lsn", slot, slot ? report.slot->restart_lsn : 0);
        json.Key("wal_status").String(slot ? report.slot->wal_status : "");
        bytes("retained_bytes", report.retained_bytes);
        bytes("safe_wal_bytes", slot ? report.slot->safe_wal_bytes : std::nullopt);
        json.EndObject();
    }
    json.EndArray();
    std::printf("%s\n", json.Take().c_str());
}

} // namespace

void Assess(int64_t freshness_ms, int64_t now_us, PositionReport* report)
{
    if (report->slot && report->slot->exists && report->slot->restart_lsn != 0)
        report->retained_bytes =
            report->slot->wal_end_lsn - std::min(report->slot->restart_lsn, report->slot->wal_end_lsn);
    if (!report->lake || !report->slot)
        return;
    const LakePosition& lake = *report->lake;
    const SlotPosition& slot = *report->slot;
    if (lake.durable_lsn > slot.wal_end_lsn)
        return Trouble(report, ExitCode::kLake, "the log ends behind the end of the server's WAL");
    report->lag_bytes = slot.wal_end_lsn - lake.durable_lsn;
    // Commits up to the last one are there; of an object without any it is known
    // that nothing waited when it was written.
    if (*report->lag_bytes == 0)
        report->lag_seconds = 0;
    else if (lake.last_commit_us != 0)
        report->lag_seconds =
            static_cast<double>(std::max<int64_t>(slot.now_us - lake.last_commit_us, 0)) / 1e6;
    else if (lake.written_us != 0)
        report->lag_seconds = static_cast<double>(std::max<int64_t>(now_us - lake.written_us, 0)) / 1e6;
    if (report->lag_seconds && *report->lag_seconds * 1e3 > static_cast<double>(freshness_ms))
        Trouble(report, ExitCode::kLate, "commits may be missing for longer than slo.freshness allows");
}

ExitCode RunStatus(const Settings& settings, bool json)
{
    const Config& config = settings.config;
    auto store = OpenLake(config);
    if (!store.ok()) {
        std::fprintf(stderr, "wal2lake: %s\n", store.error().text.c_str());
        return ExitCode::kUsage;
    }
    std::vector<PositionReport> reports;
    for (const SourceConfig& source : config.sources) {
        PositionReport& report = reports.emplace_back();
        report.source = source.id;
        const FenceNames names{source.id, source.slot, config.lake_url, source.pull};
        // The lake first: the server may only have moved on since.
        AskLake(*store.value(), names, &report);
        AskServer(source, names, &report);
        Assess(config.freshness_ms, UnixUs(), &report);
    }
    if (json)
        PrintJson(reports, config.freshness_ms);
    else
        PrintText(reports, config.freshness_ms);
    ExitCode code = ExitCode::kOk;
    for (const PositionReport& report : reports)
        if (code == ExitCode::kOk || (code == ExitCode::kLate && report.code != ExitCode::kOk))
            code = report.code;
    return code;
}

} // namespace wal2lake
