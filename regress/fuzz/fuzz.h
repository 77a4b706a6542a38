// What the fuzz targets share. A target is one function that gets the bytes of
// libFuzzer and ends the process where a promise of the product is broken.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <google/protobuf/stubs/logging.h>

namespace wal2lake::fuzz
{

// Says what is broken and ends the process, so that libFuzzer keeps the input.
#define FUZZ_CHECK(condition)                                                                                \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            std::fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);                     \
            std::abort();                                                                                    \
        }                                                                                                    \
    } while (false)

// True where a view of a reader lies within the bytes it was made from.
inline bool Within(std::string_view part, std::string_view whole)
{
    return part.empty() ||
           (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void Target(std::string_view input);

} // namespace wal2lake::fuzz
