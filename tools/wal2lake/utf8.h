// Walks the characters of texts that may be no UTF-8, as names and messages of others.
#pragma once

#include <cstdint>
#include <string_view>

namespace wal2lake
{

struct Utf8Character {
    std::string_view bytes;
    // Of Unicode; -1 for a byte that begins no character.
    int32_t code = -1;
};

// Takes the first character, or byte that begins none, off `text`, which is not empty.
Utf8Character TakeUtf8(std::string_view* text);

} // namespace wal2lake
