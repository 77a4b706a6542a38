#include "store/byte_range.h"

#include <algorithm>
#include <charconv>

namespace wal2lake
{
namespace
{

// Of "bytes 0-9/100" the 0 and the 100.
struct ContentRange {
    uint64_t first = 0;
    uint64_t size = 0;
};

std::optional<ContentRange> ParseContentRange(std::string_view text)
{
    const size_t dash = text.find('-');
    const size_t slash = text.find('/');
    if (!text.starts_with("bytes ") || dash == std::string_view::npos || slash == std::string_view::npos)
        return std::nullopt;
    const auto first = ParseNumber(text.substr(6, dash - 6));
    const auto size = ParseNumber(text.substr(slash + 1));
    if (!first || !size)
        return std::nullopt;
    return ContentRange{*first, *size};
}

// Without either a connection that breaks looks like the end of the body.
bool SaysItsLength(const HttpResponse& response)
{
    return !response.header("content-length").empty() || !response.header("transfer-encoding").empty();
}

} // namespace

std::optional<uint64_t> ParseNumber(std::string_view text)
{
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return number;
}

std::string RangeHeader(uint64_t offset, size_t length)
{
    const uint64_t last = length - 1 > UINT64_MAX - offset ? UINT64_MAX : offset + length - 1;
    return "bytes=" + std::to_string(offset) + "-" + std::to_string(last);
}

RangeAnswer TakeRange(HttpResponse* response, uint64_t offset, size_t length)
{
    if (!SaysItsLength(*response))
        return {{}, "without saying how long it is"};
    std::string& body = response->body;
    // A server that knows no ranges sends all.
    if (response->status == 200)
        return {offset >= body.size() ? std::string{} : body.substr(offset, length), {}};
    const auto range = ParseContentRange(response->header("content-range"));
    if (!range || range->first != offset || range->size < offset || body.size() > length ||
        body.size() != std::min<uint64_t>(length, range->size - offset))
        return {{}, "with another range than was asked for"};
    return {std::move(body), {}};
}

} // namespace wal2lake
