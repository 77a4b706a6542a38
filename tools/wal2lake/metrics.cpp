#include "metrics.h"

#include <algorithm>
#include <functional>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "json_writer.h"

namespace wal2lake
{
namespace
{

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Label = ClientMetric::Label;

// Names of refusals in the order of exit codes; 0 is none.
constexpr std::array kRefusals{"", "internal", "usage", "lake", "source", "store"};

double Seconds(int64_t us)
{
    return static_cast<double>(us) / 1e6;
}

// The families of one scrape.
class Scrape
{
  public:
    explicit Scrape(const std::vector<BoardEntry>& sources) : sources_(sources) {}

    MetricFamily& Family(MetricType type, const char* name, const char* help)
    {
        families_.push_back({name, help, type, {}});
        return families_.back();
    }

    static void Add(MetricFamily* family, std::vector<Label> labels, double value)
    {
        ClientMetric metric;
        metric.label = std::move(labels);
        if (family->type == MetricType::Counter)
            metric.counter.value = value;
        else
            metric.gauge.value = value;
        family->metric.push_back(std::move(metric));
    }

    // One number of each source.
    template <typename Value>
    void Each(MetricType type, const char* name, const char* help, Value value)
    {
        MetricFamily& family = Family(type, name, help);
        for (const BoardEntry& source : sources_)
            Add(&family, {{"source", source.id}}, static_cast<double>(value(source)));
    }

    std::string Write() const { return prometheus::TextSerializer().Serialize(families_); }

  private:
    const std::vector<BoardEntry>& sources_;
    std::vector<MetricFamily> families_;
};

void AddPositions(Scrape* scrape, const MetricsContext& context)
{
    const auto gauge = [&](const char* name, const char* help, auto value) {
        scrape->Each(MetricType::Gauge, name, help, value);
    };
    gauge("wal2lake_wal_end_lsn", "End of the server's WAL as far as it has told, in bytes",
          [](const BoardEntry& source) { return source.status.wal_end_lsn; });
    gauge("wal2lake_received_lsn", "End of what was received, in bytes",
          [](const BoardEntry& source) { return source.status.received_lsn; });
    gauge("wal2lake_durable_lsn", "End of the log in the lake, in bytes",
          [](const BoardEntry& source) { return source.status.durable_lsn; });
    gauge("wal2lake_acknowledged_lsn", "What the server was told it may forget, in bytes",
          [](const BoardEntry& source) { return source.status.acknowledged_lsn; });
    gauge("wal2lake_lag_bytes", "WAL that the server is known to have and the lake has not",
          [](const BoardEntry& source) { return source.status.lag_bytes(); });
    gauge("wal2lake_lag_seconds", "Age of the oldest commit that is not known to be in the lake",
          [&](const BoardEntry& source) { return source.status.lag_seconds(context.now_us); });
    gauge("wal2lake_buffered_bytes", "Bytes held in memory on their way to the lake",
          [](const BoardEntry& source) { return source.status.buffered_bytes; });
    gauge("wal2lake_staged_bytes", "Bytes held on disk of transactions that have not committed",
          [](const BoardEntry& source) { return source.status.staged_bytes; });
    gauge("wal2lake_staged_transactions", "Transactions that have not committed and are held on disk",
          [](const BoardEntry& source) { return source.status.staged_transactions; });
    gauge("wal2lake_paused", "1 while reading waits for the store",
          [](const BoardEntry& source) { return source.status.paused; });
    gauge("wal2lake_store_refuses", "1 while the store refuses what it is asked",
          [](const BoardEntry& source) { return source.status.store_refuses; });
    gauge("wal2lake_moving", "1 where /healthz calls the source moving",
          [&](const BoardEntry& source) { return !WhyNotMoving(source.status, context.now_ms); });
}

void AddState(Scrape* scrape, const std::vector<BoardEntry>& sources)
{
    MetricFamily& family =
        scrape->Family(MetricType::Gauge, "wal2lake_state", "1 for the state the source is in");
    for (const BoardEntry& source : sources)
        for (const SourceState state : kSourceStates)
            Scrape::Add(&family, {{"source", source.id}, {"state", NameOf(state)}},
                        source.status.state == state ? 1 : 0);
}

void AddTotals(Scrape* scrape, const std::vector<BoardEntry>& sources)
{
    const auto counter = [&](const char* name, const char* help, auto value) {
        scrape->Each(MetricType::Counter, name, help,
                     [&](const BoardEntry& source) { return value(source.status.totals); });
    };
    counter("wal2lake_segments_total", "Objects written to the log",
            [](const SourceTotals& totals) { return totals.segments; });
    counter("wal2lake_segment_bytes_total", "Bytes of the objects written to the log, parts included",
            [](const SourceTotals& totals) { return totals.segment_bytes; });
    counter("wal2lake_parts_total", "Parts written of transactions larger than a segment",
            [](const SourceTotals& totals) { return totals.parts; });
    counter("wal2lake_adopted_segments_total", "Objects that existed when they were to be written",
            [](const SourceTotals& totals) { return totals.adopted_segments; });
    counter("wal2lake_transactions_total", "Transactions in the objects written",
            [](const SourceTotals& totals) { return totals.transactions; });
    counter("wal2lake_store_retries_total", "Failed requests to the store that are tried again",
            [](const SourceTotals& totals) { return totals.store_retries; });
    counter("wal2lake_server_retries_total", "Connections to the server that failed or broke",
            [](const SourceTotals& totals) { return totals.server_retries; });
    counter("wal2lake_reconnects_total", "Streams that began after the first one",
            [](const SourceTotals& totals) { return totals.streams == 0 ? 0 : totals.streams - 1; });

    MetricFamily& changes =
        scrape->Family(MetricType::Counter, "wal2lake_changes_total", "Changes in the objects written");
    for (const BoardEntry& source : sources) {
        const TableCounts& counts = source.status.totals.changes;
        for (const auto& [operation, number] :
             {std::pair{"insert", counts.inserts}, std::pair{"update", counts.updates},
              std::pair{"delete", counts.deletes}, std::pair{"truncate", counts.truncates}})
            Scrape::Add(&changes, {{"source", source.id}, {"operation", operation}},
                        static_cast<double>(number));
    }

    MetricFamily& delay = scrape->Family(MetricType::Histogram, "wal2lake_commit_to_durable_seconds",
                                         "Time from commit to durable, by transaction");
    for (const BoardEntry& source : sources) {
        const FreshnessHistogram& observed = source.status.totals.commit_to_durable;
        ClientMetric metric;
        metric.label = {{"source", source.id}};
        for (size_t i = 0; i < observed.counts.size(); i++) {
            metric.histogram.sample_count += observed.counts[i];
            // The serializer adds the bucket above all bounds.
            if (i < observed.kBounds.size())
                metric.histogram.bucket.push_back({metric.histogram.sample_count, observed.kBounds[i]});
        }
        metric.histogram.sample_sum = observed.sum_seconds;
        delay.metric.push_back(std::move(metric));
    }
}

// By name: two tables that had the same name one after the other are one series.
void AddTables(Scrape* scrape, const std::vector<BoardEntry>& sources)
{
    const auto add = [&](MetricType type, const char* name, const char* help, uint64_t TableStats::*member) {
        MetricFamily& family = scrape->Family(type, name, help);
        for (const BoardEntry& source : sources) {
            std::map<std::string, uint64_t> by_name;
            if (source.status.tables)
                for (const auto& [oid, stats] : *source.status.tables)
                    by_name[stats.namespace_name + "." + stats.name] += stats.*member;
            for (const auto& [table, number] : by_name)
                Scrape::Add(&family, {{"source", source.id}, {"table", table}}, static_cast<double>(number));
        }
    };
    add(MetricType::Counter, "wal2lake_withheld_values_total", "Values withheld from rows that were sent",
        &TableStats::withheld);
    add(MetricType::Counter, "wal2lake_uncarried_values_total", "Values that could not be carried",
        &TableStats::uncarried);
    add(MetricType::Counter, "wal2lake_not_emitted_changes_total", "Changes of tables that are not sent",
        &TableStats::not_emitted);
    add(MetricType::Gauge, "wal2lake_unclassified_columns", "Columns without a label of a table that is sent",
        &TableStats::unclassified);
    scrape->Each(MetricType::Gauge, "wal2lake_tables_not_emitted",
                 "Tables that changed and are not sent: none of their columns has a label",
                 [](const BoardEntry& source) {
                     return !source.status.tables
                                ? 0
                                : std::count_if(source.status.tables->begin(), source.status.tables->end(),
                                                [](const auto& table) { return table.second.silent; });
                 });
}

void AddErrors(Scrape* scrape, const std::vector<BoardEntry>& sources)
{
    MetricFamily& refusals = scrape->Family(MetricType::Counter, "wal2lake_refusals_total",
                                            "How often the source could not go on, by kind of exit code");
    for (const BoardEntry& source : sources)
        for (size_t code = 1; code < kRefusals.size(); code++)
            Scrape::Add(&refusals, {{"source", source.id}, {"kind", kRefusals[code]}},
                        static_cast<double>(source.refusals.counts[code]));

    MetricFamily& last = scrape->Family(MetricType::Gauge, "wal2lake_last_error_timestamp_seconds",
                                        "Unix time of the last error of a kind");
    for (const BoardEntry& source : sources) {
        const auto add = [&](const std::string& kind, int64_t us) {
            if (us != 0)
                Scrape::Add(&last, {{"source", source.id}, {"kind", kind}}, Seconds(us));
        };
        add("store_retry", source.status.last_store_error_us);
        add("server_retry", source.status.last_server_error_us);
        for (size_t code = 1; code < kRefusals.size(); code++)
            add(kRefusals[code], source.refusals.last_us[code]);
    }
}

std::string Metrics(const std::vector<BoardEntry>& sources, const MetricsContext& context)
{
    Scrape scrape(sources);
    Scrape::Add(&scrape.Family(MetricType::Gauge, "wal2lake_build_info", "1; the version is in the label"),
                {{"version", WAL2LAKE_VERSION}}, 1);
    Scrape::Add(&scrape.Family(MetricType::Gauge, "process_start_time_seconds", "Unix time of the start"), {},
                Seconds(context.started_us));
    Scrape::Add(&scrape.Family(MetricType::Gauge, "wal2lake_slo_freshness_seconds", "slo.freshness"), {},
                static_cast<double>(context.freshness_ms) / 1e3);
    AddPositions(&scrape, context);
    AddState(&scrape, sources);
    AddTotals(&scrape, sources);
    AddTables(&scrape, sources);
    AddErrors(&scrape, sources);
    return scrape.Write();
}

// 200 where `judge` finds nothing wrong with any source, else 503 and why.
HttpAnswer Judge(const std::vector<BoardEntry>& sources, const char* verdict,
                 const std::function<std::optional<std::string>(const SourceStatus&)>& judge)
{
    JsonWriter json;
    bool all = true;
    json.BeginArray();
    for (const BoardEntry& source : sources) {
        const auto reason = judge(source.status);
        all = all && !reason;
        json.BeginObject();
        json.Key("source").String(source.id);
        json.Key(verdict).Bool(!reason);
        json.Key("state").String(NameOf(source.status.state));
        if (reason)
            json.Key("reason").String(*reason);
        json.EndObject();
    }
    json.EndArray();
    return {all ? 200 : 503, "application/json", json.Take() + "\n"};
}

} // namespace

HttpAnswer AnswerMonitoring(const std::string& path, const std::vector<BoardEntry>& sources,
                            const MetricsContext& context)
{
    if (path == "/metrics")
        return {200, "text/plain; version=0.0.4; charset=utf-8", Metrics(sources, context)};
    if (path == "/livez")
        return Judge(sources, "alive", [&](const SourceStatus& status) -> std::optional<std::string> {
            if (IsAlive(status, context.now_ms))
                return std::nullopt;
            return "its loop does not turn";
        });
    constexpr std::string_view kHealth = "/healthz";
    if (path.starts_with(kHealth)) {
        const std::string rest = path.substr(kHealth.size());
        std::vector<BoardEntry> meant;
        for (const BoardEntry& source : sources)
            if (rest.empty() || rest == "/" + source.id)
                meant.push_back(source);
        if (!meant.empty())
            return Judge(meant, "moving",
                         [&](const SourceStatus& status) { return WhyNotMoving(status, context.now_ms); });
    }
    return {404, "text/plain; charset=utf-8", "there are /metrics, /healthz, /healthz/<source> and /livez\n"};
}

} // namespace wal2lake
