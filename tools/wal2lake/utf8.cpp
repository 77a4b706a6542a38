#include "utf8.h"

#include "core/wire_reader.h"

namespace wal2lake
{

Utf8Character TakeUtf8(std::string_view* text)
{
    const auto lead = static_cast<uint8_t>(text->front());
    const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    Utf8Character character{text->substr(0, length), -1};
    if (character.bytes.size() == length && wire::IsUtf8(character.bytes)) {
        character.code = length == 1 ? lead : lead & (0x7F >> length);
        for (const char c : character.bytes.substr(1))
            character.code = character.code << 6 | (static_cast<uint8_t>(c) & 0x3F);
    } else {
        character.bytes = text->substr(0, 1);
    }
    text->remove_prefix(character.bytes.size());
    return character;
}

} // namespace wal2lake
