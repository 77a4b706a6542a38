// A part of an object over HTTP: how to ask for it, and whether an answer is it. The
// same with every store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "store/http.h"

namespace wal2lake
{

// A whole number without sign or blanks.
std::optional<uint64_t> ParseNumber(std::string_view text);

// "bytes=10-13"; `length` is not 0.
std::string RangeHeader(uint64_t offset, size_t length);

struct RangeAnswer {
    std::string bytes;
    // Why the answer is none, as the end of a sentence; empty where it is one.
    std::string wrong;
};

// Of an answer with status 200 or 206, whose body it takes.
RangeAnswer TakeRange(HttpResponse* response, uint64_t offset, size_t length);

} // namespace wal2lake
