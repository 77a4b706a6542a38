#include "chain.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "mutant.h"

namespace wal2lake
{
namespace
{

constexpr size_t kMaxSourceId = 128;
constexpr size_t kEpochDigits = 8;
constexpr size_t kLsnDigits = 16;
constexpr size_t kPartDigits = 8;
constexpr uint32_t kMaxEpoch = 99999999;
constexpr std::string_view kSuffix = ".w2l";
constexpr size_t kPage = 1000;

bool IsLowerOrDigit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

template <typename Number>
std::optional<Number> ParseFixed(std::string_view text, size_t digits, int base)
{
    Number value = 0;
    if (text.size() != digits || !std::all_of(text.begin(), text.end(), IsLowerOrDigit))
        return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

} // namespace

bool IsSourceId(std::string_view text)
{
    if (text.empty() || text.size() > kMaxSourceId || !IsLowerOrDigit(text[0]))
        return false;
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return IsLowerOrDigit(c) || c == '.' || c == '_' || c == '-'; });
}

std::string LogPrefix(const std::string& source)
{
    return source + "/log/";
}

std::string PartsPrefix(const std::string& source)
{
    return source + "/parts/";
}

std::string PartsPrefix(const std::string& source, uint32_t epoch, uint64_t commit_lsn)
{
    char numbers[64];
    std::snprintf(numbers, sizeof numbers, "%08u/%016llx/", epoch,
                  static_cast<unsigned long long>(commit_lsn));
    return PartsPrefix(source) + numbers;
}

std::string FormatPartName(const PartName& name)
{
    char number[16];
    std::snprintf(number, sizeof number, "/%08u", name.number);
    return PartsPrefix(name.source, name.epoch, name.commit_lsn) + name.writer + number;
}

std::optional<PartName> ParsePartName(std::string_view text)
{
    constexpr std::string_view kParts = "/parts/";
    const size_t at = text.find(kParts);
    if (at == std::string_view::npos || !IsSourceId(text.substr(0, at)))
        return std::nullopt;
    const std::string_view rest = text.substr(at + kParts.size());
    constexpr size_t kWriterAt = kEpochDigits + 1 + kLsnDigits + 1;
    const size_t slash = rest.rfind('/');
    if (rest.size() < kWriterAt + 2 || rest[kEpochDigits] != '/' || rest[kWriterAt - 1] != '/' ||
        slash <= kWriterAt)
        return std::nullopt;
    const std::string_view writer = rest.substr(kWriterAt, slash - kWriterAt);
    const auto epoch = ParseFixed<uint32_t>(rest.substr(0, kEpochDigits), kEpochDigits, 10);
    const auto lsn = ParseFixed<uint64_t>(rest.substr(kEpochDigits + 1, kLsnDigits), kLsnDigits, 16);
    const auto number = ParseFixed<uint32_t>(rest.substr(slash + 1), kPartDigits, 10);
    const bool named =
        std::all_of(writer.begin(), writer.end(), [](char c) { return IsLowerOrDigit(c) || c == '-'; });
    if (!epoch || *epoch == 0 || !lsn || !number || !named)
        return std::nullopt;
    return PartName{std::string(text.substr(0, at)), *epoch, *lsn, std::string(writer), *number};
}

std::string BelowSource(const std::string& source, const std::string& name)
{
    return source + "/" + name;
}

std::string WithoutSource(const std::string& source, const std::string& name)
{
    return name.substr(source.size() + 1);
}

std::string HeadName(const std::string& source)
{
    return source + "/head";
}

std::string FormatSegmentName(const SegmentName& name)
{
    char numbers[64];
    std::snprintf(numbers, sizeof numbers, "%08u/%016llx", name.epoch,
                  static_cast<unsigned long long>(name.start_lsn));
    return LogPrefix(name.source) + numbers + std::string(kSuffix);
}

std::optional<SegmentName> ParseSegmentName(std::string_view text)
{
    if (!text.ends_with(kSuffix))
        return std::nullopt;
    text.remove_suffix(kSuffix.size());
    const size_t log = text.find("/log/");
    if (log == std::string_view::npos || !IsSourceId(text.substr(0, log)))
        return std::nullopt;
    const std::string_view rest = text.substr(log + 5);
    if (rest.size() != kEpochDigits + 1 + kLsnDigits || rest[kEpochDigits] != '/')
        return std::nullopt;
    const auto epoch = ParseFixed<uint32_t>(rest.substr(0, kEpochDigits), kEpochDigits, 10);
    const auto lsn = ParseFixed<uint64_t>(rest.substr(kEpochDigits + 1), kLsnDigits, 16);
    if (!epoch || *epoch == 0 || !lsn)
        return std::nullopt;
    return SegmentName{std::string(text.substr(0, log)), *epoch, *lsn};
}

std::string FormatHead(const SegmentName& name)
{
    return FormatSegmentName(name) + "\n";
}

std::optional<SegmentName> ParseHead(std::string_view bytes, const std::string& source)
{
    if (!bytes.ends_with('\n'))
        return std::nullopt;
    auto name = ParseSegmentName(bytes.substr(0, bytes.size() - 1));
    if (!name || name->source != source)
        return std::nullopt;
    return name;
}

TailFinder::TailFinder(std::string source)
    : source_(std::move(source)), high_(static_cast<Position>(kMaxEpoch + 1) << 64)
{
}

std::string TailFinder::NameAt(Position position) const
{
    return FormatSegmentName(
        {source_, static_cast<uint32_t>(position >> 64), static_cast<uint64_t>(position)});
}

TailFinder::Request TailFinder::request() const
{
    if (!head_asked_)
        return GetHead{HeadName(source_)};
    return ListAfter{LogPrefix(source_), after_, kPage};
}

void TailFinder::OnHead(const std::optional<std::string>& bytes)
{
    requests_++;
    head_asked_ = true;
    tail_ = bytes ? ParseHead(*bytes, source_) : std::nullopt;
    tail_is_hint_ = tail_.has_value();
    if (tail_) {
        low_ = static_cast<Position>(tail_->epoch) << 64 | tail_->start_lsn;
        after_ = FormatSegmentName(*tail_);
        done_ = Planted(Bug::kTrustHint);
    }
}

// Epochs first, from the one at hand on, since there are few: halving all that could
// be would cost 27 requests. Then the LSNs of the last one.
TailFinder::Position TailFinder::NextProbe()
{
    const Position epoch = low_ >> 64;
    const Position middle = low_ + (high_ - low_) / 2;
    if (high_ <= (epoch + 1) << 64)
        return middle;
    const Position stride = epoch_stride_;
    epoch_stride_ *= 2;
    return epochs_bounded_ ? std::max(middle >> 64, epoch + 1) << 64
                           : std::min((epoch + stride) << 64, middle);
}

void TailFinder::DistrustHint()
{
    const int requests = requests_;
    *this = TailFinder(source_);
    requests_ = requests;
    head_asked_ = true;
}

void TailFinder::OnList(const ListPage& page)
{
    requests_++;
    bool found = false;
    for (const std::string& text : page.names) {
        auto name = ParseSegmentName(text);
        if (!name)
            continue;
        low_ = static_cast<Position>(name->epoch) << 64 | name->start_lsn;
        tail_ = std::move(name);
        tail_is_hint_ = false;
        found = true;
    }
    // Foreign names alone say nothing of what is behind them.
    const bool more = page.more && !page.names.empty();
    if (!found && more) {
        after_ = page.names.back();
        return;
    }
    if (!more && (found || probe_ == 0)) {
        done_ = true;
        return;
    }
    if (!found) {
        high_ = probe_;
        epochs_bounded_ = true;
    }
    probe_ = NextProbe();
    done_ = probe_ == low_;
    after_ = NameAt(probe_ - 1);
}

Result<std::optional<SegmentName>> FindTail(Store& store, const std::string& source)
{
    TailFinder finder(source);
    for (;;) {
        while (!finder.done()) {
            const TailFinder::Request request = finder.request();
            if (const auto* head = std::get_if<TailFinder::GetHead>(&request)) {
                const auto bytes = GetAll(store, head->name);
                finder.OnHead(bytes.ok() ? std::optional<std::string>(bytes.value()) : std::nullopt);
                continue;
            }
            const auto& list = std::get<TailFinder::ListAfter>(request);
            const auto page = store.List(list.prefix, list.after, list.limit);
            if (!page.ok())
                return page.error();
            finder.OnList(page.value());
        }
        if (!finder.tail() || !finder.tail_is_hint())
            return finder.tail();
        const auto probe = store.Get(FormatSegmentName(*finder.tail()), 0, 1);
        if (probe.ok())
            return finder.tail();
        if (probe.error().kind != ErrorKind::kNotFound)
            return probe.error();
        finder.DistrustHint();
    }
}

Result<std::vector<SegmentName>> ListSegments(Store& store, const std::string& source)
{
    std::vector<SegmentName> segments;
    std::string after;
    for (;;) {
        const auto page = store.List(LogPrefix(source), after, kPage);
        if (!page.ok())
            return page.error();
        for (const std::string& text : page.value().names) {
            auto name = ParseSegmentName(text);
            if (name)
                segments.push_back(std::move(*name));
            after = text;
        }
        if (!page.value().more)
            return segments;
    }
}

} // namespace wal2lake
