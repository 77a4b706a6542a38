#include "trim_mark.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <tuple>

#include "digest.h"
#include "json_text.h"
#include "json_writer.h"
#include "lsn.h"

namespace wal2lake
{
namespace
{

constexpr std::string_view kTrim = "trim-";
constexpr std::string_view kEnding = ".json";
constexpr size_t kEpochDigits = 8;
constexpr size_t kLsnDigits = 16;
constexpr size_t kSha256Bytes = 32;
constexpr size_t kPage = 1000;

std::string TrimMarksPrefix(const std::string& source)
{
    return EventsPrefix(source) + std::string(kTrim);
}

template <typename Number>
std::optional<Number> ParseNumber(std::string_view text)
{
    Number value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

std::optional<std::string> ParseSha256(std::string_view hex)
{
    if (hex.size() != 2 * kSha256Bytes)
        return std::nullopt;
    std::string bytes;
    for (size_t i = 0; i < hex.size(); i += 2) {
        unsigned value = 0;
        const auto [end, error] = std::from_chars(hex.data() + i, hex.data() + i + 2, value, 16);
        if (error != std::errc{} || end != hex.data() + i + 2)
            return std::nullopt;
        bytes += static_cast<char>(value);
    }
    return bytes;
}

} // namespace

std::string EventsPrefix(const std::string& source)
{
    return source + "/events/";
}

bool TrimMark::Covers(const SegmentName& name) const
{
    return name.source == first_kept.source && name.start_lsn != 0 && name < first_kept;
}

bool TrimMark::Covers(const PartName& name) const
{
    return name.source == first_kept.source &&
           std::tie(name.epoch, name.commit_lsn) < std::tie(first_kept.epoch, start_lsn);
}

bool TrimMark::SameCut(const TrimMark& other) const
{
    return first_kept == other.first_kept && start_lsn == other.start_lsn && seq == other.seq &&
           previous_sha256 == other.previous_sha256;
}

std::string FormatTrimMarkName(const SegmentName& first_kept)
{
    char numbers[64];
    std::snprintf(numbers, sizeof numbers, "%08u-%016llx", first_kept.epoch,
                  static_cast<unsigned long long>(first_kept.start_lsn));
    return TrimMarksPrefix(first_kept.source) + numbers + std::string(kEnding);
}

std::optional<SegmentName> ParseTrimMarkName(std::string_view text)
{
    const size_t slash = text.find('/');
    if (slash == std::string_view::npos)
        return std::nullopt;
    const std::string source(text.substr(0, slash));
    const std::string prefix = TrimMarksPrefix(source);
    if (text.size() != prefix.size() + kEpochDigits + 1 + kLsnDigits + kEnding.size())
        return std::nullopt;
    // The numbers are those of the segment's own name.
    auto name =
        ParseSegmentName(LogPrefix(source) + std::string(text.substr(prefix.size(), kEpochDigits)) + "/" +
                         std::string(text.substr(prefix.size() + kEpochDigits + 1, kLsnDigits)) + ".w2l");
    if (!name || FormatTrimMarkName(*name) != text)
        return std::nullopt;
    return name;
}

std::string FormatTrimMark(const TrimMark& mark)
{
    JsonWriter json;
    json.BeginObject();
    json.Key("event").String("trim");
    json.Key("source").String(mark.first_kept.source);
    json.Key("epoch").Uint(mark.first_kept.epoch);
    json.Key("first_kept").String(FormatSegmentName(mark.first_kept));
    json.Key("start_lsn").String(FormatLsn(mark.start_lsn));
    json.Key("seq").Uint(mark.seq);
    json.Key("previous_sha256").String(Hex(mark.previous_sha256));
    json.Key("written_us").Int(mark.written_us);
    json.Key("writer").String(mark.writer);
    json.EndObject();
    return json.Take() + "\n";
}

Result<TrimMark> ParseTrimMark(const std::string& name, std::string_view bytes)
{
    const Error damaged{ErrorKind::kDamaged, "the trim mark " + name +
                                                 " is damaged, so where the log begins is not known; restore"
                                                 " the object from a copy of the lake"};
    const auto first_kept = ParseTrimMarkName(name);
    auto fields = ReadJsonFields(bytes);
    if (!first_kept || !fields)
        return damaged;
    const auto epoch = ParseNumber<uint32_t>((*fields)["epoch"]);
    const auto seq = ParseNumber<uint64_t>((*fields)["seq"]);
    const auto start_lsn = ParseLsn((*fields)["start_lsn"]);
    auto previous = ParseSha256((*fields)["previous_sha256"]);
    const bool agrees = (*fields)["event"] == "trim" && (*fields)["source"] == first_kept->source &&
                        (*fields)["first_kept"] == FormatSegmentName(*first_kept) &&
                        epoch == first_kept->epoch;
    if (!agrees || !seq || *seq == 0 || start_lsn != first_kept->start_lsn || !previous)
        return damaged;
    TrimMark mark;
    mark.first_kept = *first_kept;
    mark.start_lsn = *start_lsn;
    mark.seq = *seq;
    mark.previous_sha256 = std::move(*previous);
    mark.written_us = ParseNumber<int64_t>((*fields)["written_us"]).value_or(0);
    mark.writer = (*fields)["writer"];
    return mark;
}

Result<std::optional<TrimMark>> FindTrimMark(Store& store, const std::string& source)
{
    std::optional<SegmentName> newest;
    std::string after;
    for (;;) {
        const auto page = store.List(TrimMarksPrefix(source), after, kPage);
        if (!page.ok())
            return page.error();
        for (const std::string& text : page.value().names) {
            after = text;
            if (auto name = ParseTrimMarkName(text))
                newest = std::move(name);
        }
        if (!page.value().more)
            break;
    }
    if (!newest)
        return std::optional<TrimMark>();
    const std::string name = FormatTrimMarkName(*newest);
    const auto bytes = GetAll(store, name);
    if (!bytes.ok())
        return bytes.error();
    auto mark = ParseTrimMark(name, bytes.value());
    if (!mark.ok())
        return mark.error();
    return std::optional<TrimMark>(std::move(mark.value()));
}

Result<bool> TrimMarks::Covers(const std::string& name)
{
    const auto segment = ParseSegmentName(name);
    if (!segment)
        return false;
    auto known = by_source_.find(segment->source);
    if (known == by_source_.end()) {
        auto found = FindTrimMark(*store_, segment->source);
        if (!found.ok())
            return found.error();
        known = by_source_.emplace(segment->source, std::move(found.value())).first;
    }
    return known->second && known->second->Covers(*segment);
}

Result<bool> TrimMarks::TookMeanwhile(const std::string& name)
{
    const auto segment = ParseSegmentName(name);
    if (segment)
        by_source_.erase(segment->source);
    return Covers(name);
}

} // namespace wal2lake
