#include "verify.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "chain.h"
#include "digest.h"
#include "json_writer.h"
#include "lsn.h"
#include "segment_reader.h"
#include "settings.h"

namespace wal2lake
{
namespace
{

constexpr size_t kPiece = size_t{1} << 20;
// Holds the footer of a segment with some hundreds of tables.
constexpr size_t kFooterPiece = size_t{64} << 10;

class Walk
{
  public:
    explicit Walk(ChainReport* report) : report_(report) {}

    // Compares a sound segment with its name and its predecessor, or with the trim
    // mark where that is gone.
    void Visit(const SegmentName& name, SegmentFacts facts)
    {
        object_ = FormatSegmentName(name);
        const auto& header = facts.header;
        const bool genesis = name.start_lsn == 0;
        if (header.source() != name.source)
            Note("header says source \"" + header.source() + "\"");
        if (genesis != header.has_genesis() || (!genesis && header.start_lsn() != name.start_lsn))
            Note("header starts at " + FormatLsn(header.start_lsn()) + ", which the name does not say");
        if (genesis && header.genesis().epoch() != name.epoch)
            Note("genesis says epoch " + std::to_string(header.genesis().epoch()));
        if (!before_ && report_->segments == 0) {
            if (!genesis)
                Note("the log begins here, without its genesis");
            report_->start_lsn = header.start_lsn();
        }
        const bool first_kept = report_->mark && name == report_->mark->first_kept;
        if (first_kept)
            CompareMark(facts, *report_->mark);
        else if (before_)
            CompareLink(facts);
        if (before_)
            CompareOrigin(facts);
        if (first_kept)
            report_->start_lsn = header.start_lsn();
        Count(facts);
        before_ = std::move(facts);
    }

    // What follows cannot be compared with an object that cannot be read.
    void Skip(const SegmentName& name, const std::string& reason)
    {
        object_ = FormatSegmentName(name);
        Note(reason);
        before_.reset();
        report_->segments++;
    }

  private:
    void Note(std::string reason) { report_->problems.push_back({object_, std::move(reason)}); }

    void CompareLink(const SegmentFacts& facts)
    {
        const auto& header = facts.header;
        const uint64_t end = before_->footer.end_lsn();
        const uint64_t seq = before_->header.seq();
        if (header.start_lsn() > end)
            Note("gap: the segment before ends at " + FormatLsn(end) + ", this one starts at " +
                 FormatLsn(header.start_lsn()));
        else if (header.start_lsn() < end)
            Note("overlap: the segment before ends at " + FormatLsn(end) + ", this one starts at " +
                 FormatLsn(header.start_lsn()));
        if (header.seq() != seq + 1)
            Note("seq is " + std::to_string(header.seq()) + " after " + std::to_string(seq));
        if (header.previous_sha256() != before_->sha256)
            Note("previous_sha256 is not the hash of the segment before");
    }

    // The start is in both names.
    void CompareMark(const SegmentFacts& facts, const TrimMark& mark)
    {
        const auto& header = facts.header;
        if (header.seq() != mark.seq)
            Note("seq is " + std::to_string(header.seq()) + ", the trim mark says " +
                 std::to_string(mark.seq));
        if (header.previous_sha256() != mark.previous_sha256)
            Note("previous_sha256 is not what the trim mark says");
    }

    void CompareOrigin(const SegmentFacts& facts)
    {
        const auto& header = facts.header;
        const auto& previous = before_->header;
        if (header.system_id() != previous.system_id())
            Note("system id changes from " + std::to_string(previous.system_id()) + " to " +
                 std::to_string(header.system_id()));
        if (header.timeline() != previous.timeline())
            Note("timeline changes from " + std::to_string(previous.timeline()) + " to " +
                 std::to_string(header.timeline()));
        if (header.database_oid() != previous.database_oid())
            Note("database changes from " + previous.database() + " to " + header.database());
        if (header.slot() != previous.slot())
            Note("slot changes from " + previous.slot() + " to " + header.slot());
    }

    void Count(const SegmentFacts& facts)
    {
        report_->segments++;
        report_->parts += static_cast<uint64_t>(facts.footer.parts_size());
        report_->transactions += facts.footer.transactions();
        report_->end_lsn = facts.footer.end_lsn();
        for (const auto& entry : facts.footer.counts())
            report_->counts[{entry.oid(), entry.namespace_(), entry.name()}].Add(
                {entry.inserts(), entry.updates(), entry.deletes(), entry.truncates()});
    }

    ChainReport* report_;
    std::string object_;
    std::optional<SegmentFacts> before_;
};

void PrintText(const ChainReport& report)
{
    for (const Problem& problem : report.problems)
        std::printf("%s: %s\n", problem.object.c_str(), problem.reason.c_str());
    std::printf("%s: %llu segments, %llu transactions, %llu bytes, %s..%s, %s%s\n", report.source.c_str(),
                static_cast<unsigned long long>(report.segments),
                static_cast<unsigned long long>(report.transactions),
                static_cast<unsigned long long>(report.bytes), FormatLsn(report.start_lsn).c_str(),
                FormatLsn(report.end_lsn).c_str(), report.mark ? "trimmed, " : "",
                report.problems.empty() ? "sound"
                                        : (std::to_string(report.problems.size()) + " problems").c_str());
}

void PrintJson(const ChainReport& report)
{
    JsonWriter json;
    json.BeginObject();
    json.Key("source").String(report.source);
    json.Key("ok").Bool(report.problems.empty());
    json.Key("segments").Uint(report.segments);
    json.Key("parts").Uint(report.parts);
    json.Key("transactions").Uint(report.transactions);
    json.Key("bytes").Uint(report.bytes);
    json.Key("start_lsn").String(FormatLsn(report.start_lsn));
    json.Key("end_lsn").String(FormatLsn(report.end_lsn));
    json.Key("trimmed").Bool(report.mark.has_value());
    json.Key("counts").BeginArray();
    for (const auto& [table, counts] : report.counts) {
        json.BeginObject();
        json.Key("table").String(table.namespace_name + "." + table.name);
        json.Key("oid").Uint(table.oid);
        json.Key("inserts").Uint(counts.inserts);
        json.Key("updates").Uint(counts.updates);
        json.Key("deletes").Uint(counts.deletes);
        json.Key("truncates").Uint(counts.truncates);
        json.EndObject();
    }
    json.EndArray();
    json.Key("problems").BeginArray();
    for (const Problem& problem : report.problems) {
        json.BeginObject();
        json.Key("object").String(problem.object);
        json.Key("reason").String(problem.reason);
        json.EndObject();
    }
    json.EndArray().EndObject();
    std::printf("%s\n", json.Take().c_str());
}

ExitCode Complain(const std::string& text, ExitCode code)
{
    std::fprintf(stderr, "wal2lake: %s\n", text.c_str());
    return code;
}

} // namespace

Result<SegmentFacts> ReadSegment(Store& store, const std::string& name, uint64_t* bytes)
{
    const auto parsed = ParseSegmentName(name);
    const auto read_part = [&](const std::string& part, uint64_t offset, size_t length) {
        auto piece = store.Get(BelowSource(parsed ? parsed->source : std::string(), part), offset, length);
        *bytes += piece.ok() ? piece.value().size() : 0;
        return piece;
    };
    SegmentReader reader({}, read_part);
    for (uint64_t offset = 0;;) {
        const auto piece = store.Get(name, offset, kPiece);
        if (!piece.ok())
            return piece.error();
        if (piece.value().empty())
            break;
        size_t used = 0;
        const auto fed = reader.Feed(piece.value(), &used);
        if (!fed.ok())
            return fed.error();
        offset += used;
        *bytes += used;
        if (used < piece.value().size())
            return Error{ErrorKind::kDamaged,
                         "offset " + std::to_string(offset) + ": bytes follow the footer"};
    }
    const auto finished = reader.Finish();
    if (!finished.ok())
        return finished.error();
    return SegmentFacts{reader.header(), reader.footer(), reader.FinishSha256()};
}

Result<SegmentEnd> ReadFooter(Store& store, const std::string& name)
{
    const auto facts = store.Head(name);
    if (!facts.ok())
        return facts.error();
    SegmentEnd found;
    found.size = facts.value().size;
    for (size_t length = kFooterPiece;;) {
        const uint64_t offset = found.size - std::min<uint64_t>(found.size, length);
        const auto bytes = store.Get(name, offset, length);
        if (!bytes.ok())
            return bytes.error();
        size_t needed = 0;
        auto footer = ParseFooter(bytes.value(), &needed);
        if (footer.ok()) {
            found.footer = std::move(footer.value());
            return found;
        }
        if (needed <= length || needed > found.size)
            return Error{ErrorKind::kDamaged, name + ": " + footer.error().text};
        length = needed;
    }
}

namespace
{

// One walk under one mark. kNotFound where a trim went on beyond it meanwhile.
Result<ChainReport> WalkChain(Store& store, const std::string& source,
                              const std::vector<SegmentName>& segments, const std::optional<TrimMark>& mark)
{
    ChainReport report;
    report.source = source;
    report.mark = mark;
    Walk walk(&report);
    bool begins = !mark;
    for (const SegmentName& name : segments) {
        if (mark && mark->Covers(name))
            continue;
        begins = begins || name == mark->first_kept;
        auto facts = ReadSegment(store, FormatSegmentName(name), &report.bytes);
        if (facts.ok()) {
            walk.Visit(name, std::move(facts.value()));
            continue;
        }
        const Error& error = facts.error();
        if (error.kind != ErrorKind::kDamaged && error.kind != ErrorKind::kNotFound)
            return error;
        // A part that is missing counts as damage, and may have gone the same way.
        const auto newest = FindTrimMark(store, source);
        if (newest.ok() && newest.value() && newest.value()->Covers(name))
            return Error{ErrorKind::kNotFound, error.text};
        walk.Skip(name, error.text);
    }
    if (!begins)
        report.problems.push_back(
            {FormatSegmentName(mark->first_kept), "gap: the trim mark says that the log begins here"});
    return report;
}

} // namespace

Result<ChainReport> VerifyChain(Store& store, const std::string& source)
{
    const auto segments = ListSegments(store, source);
    if (!segments.ok())
        return segments.error();
    for (;;) {
        // After the names: what a trim took out of them has a mark by now.
        const auto mark = FindTrimMark(store, source);
        if (!mark.ok() && mark.error().kind != ErrorKind::kDamaged)
            return mark.error();
        auto walked =
            WalkChain(store, source, segments.value(), mark.ok() ? mark.value() : std::optional<TrimMark>());
        if (!walked.ok() && walked.error().kind == ErrorKind::kNotFound)
            continue;
        if (walked.ok() && !mark.ok())
            walked.value().problems.insert(walked.value().problems.begin(),
                                           {EventsPrefix(source), mark.error().text});
        return walked;
    }
}

Result<std::vector<std::string>> ListSources(Store& store)
{
    std::vector<std::string> sources;
    std::string after;
    for (;;) {
        const auto page = store.List("", after, 1000);
        if (!page.ok())
            return page.error();
        for (const std::string& text : page.value().names) {
            after = text;
            const auto name = ParseSegmentName(text);
            if (name && (sources.empty() || sources.back() != name->source))
                sources.push_back(name->source);
        }
        if (!page.value().more)
            return sources;
    }
}

ExitCode RunVerify(const Config& config, const std::string& source, bool json)
{
    auto store = OpenLake(config);
    if (!store.ok())
        return Complain(store.error().text, ExitCode::kUsage);
    std::vector<std::string> sources{source};
    if (source.empty()) {
        auto listed = ListSources(*store.value());
        if (!listed.ok())
            return Complain(listed.error().text, ExitCode::kStore);
        sources = std::move(listed.value());
        if (sources.empty())
            return Complain("there is no log in " + config.lake_url, ExitCode::kLake);
    }
    ExitCode code = ExitCode::kOk;
    for (const std::string& name : sources) {
        auto report = VerifyChain(*store.value(), name);
        if (!report.ok())
            return Complain(report.error().text, ExitCode::kStore);
        if (report.value().segments == 0)
            report.value().problems.push_back({LogPrefix(name), "the lake has no log of this source"});
        if (!report.value().problems.empty())
            code = ExitCode::kLake;
        if (json)
            PrintJson(report.value());
        else
            PrintText(report.value());
    }
    return code;
}

} // namespace wal2lake
