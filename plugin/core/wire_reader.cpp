#include "core/wire_reader.h"

#include <array>

namespace wal2lake::wire
{
namespace
{

constexpr size_t kMaxVarintBytes = 10;
/* Of a tag and of a length, which are 32-bit numbers. */
constexpr size_t kMaxShortVarintBytes = 5;
constexpr size_t kMaxGroupDepth = 32;

enum WireType : uint64_t {
    kVarint = 0,
    kFixed64 = 1,
    kBytes = 2,
    kGroupBegin = 3,
    kGroupEnd = 4,
    kFixed32 = 5
};

WireType TypeOf(uint64_t tag)
{
    return static_cast<WireType>(tag & 7);
}

/* Bytes in the character that begins with `lead`; 0 where none does. */
size_t CharacterBytes(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2)
        return 0;
    if (lead < 0xE0)
        return 2;
    if (lead < 0xF0)
        return 3;
    return lead < 0xF5 ? 4 : 0;
}

/* What the second byte must be at least and at most: shuts out overlong forms, surrogates, and what is above U+10FFFF. */
bool IsSecond(uint8_t lead, uint8_t second)
{
    const uint8_t least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    return second >= least && second <= most;
}

} // namespace

bool IsUtf8(std::string_view text) noexcept
{
    size_t at = 0;
    while (at < text.size()) {
        const auto lead = static_cast<uint8_t>(text[at]);
        const size_t length = CharacterBytes(lead);
        if (length == 0 || text.size() - at < length)
            return false;
        for (size_t i = 1; i < length; ++i) {
            const auto byte = static_cast<uint8_t>(text[at + i]);
            if (i == 1 ? !IsSecond(lead, byte) : (byte & 0xC0) != 0x80)
                return false;
        }
        at += length;
    }
    return true;
}

bool TakeVarint(std::string_view* bytes, size_t most_bytes, uint64_t* number) noexcept
{
    uint64_t value = 0;
    for (size_t i = 0; i < most_bytes && i < bytes->size(); ++i) {
        const auto byte = static_cast<uint8_t>((*bytes)[i]);
        value |= static_cast<uint64_t>(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            *number = value;
            bytes->remove_prefix(i + 1);
            return true;
        }
    }
    return false;
}

bool PackedReader::Next() noexcept
{
    if (rest_.empty() || *damaged_)
        return false;
    if (!TakeVarint(&rest_, kMaxVarintBytes, &number_))
        *damaged_ = true;
    return !*damaged_;
}

bool FieldReader::TakeTag(uint64_t* tag) noexcept
{
    return TakeVarint(&rest_, kMaxShortVarintBytes, tag) && *tag >> 3 != 0 && *tag <= UINT32_MAX;
}

bool FieldReader::TakeFixed(size_t size) noexcept
{
    if (rest_.size() < size)
        return false;
    number_ = 0;
    for (size_t i = size; i-- > 0;)
        number_ = number_ << 8 | static_cast<uint8_t>(rest_[i]);
    rest_.remove_prefix(size);
    return true;
}

/* The value of a field that is no group. */
bool FieldReader::TakeValue(uint64_t tag) noexcept
{
    switch (TypeOf(tag)) {
    case kVarint:
        return TakeVarint(&rest_, kMaxVarintBytes, &number_);
    case kFixed64:
        return TakeFixed(8);
    case kFixed32:
        return TakeFixed(4);
    case kBytes: {
        uint64_t length = 0;
        if (!TakeVarint(&rest_, kMaxShortVarintBytes, &length) || length > rest_.size())
            return false;
        bytes_ = {rest_.data(), static_cast<size_t>(length)};
        rest_.remove_prefix(static_cast<size_t>(length));
        return true;
    }
    default:
        return false;
    }
}

/* Up to the end of the group that `tag` began. */
bool FieldReader::SkipGroup(uint64_t tag) noexcept
{
    std::array<uint64_t, kMaxGroupDepth> open = {tag >> 3};
    size_t depth = 1;
    while (depth > 0) {
        uint64_t inner = 0;
        if (!TakeTag(&inner))
            return false;
        if (TypeOf(inner) == kGroupBegin) {
            if (depth == open.size())
                return false;
            open[depth++] = inner >> 3;
        } else if (TypeOf(inner) == kGroupEnd) {
            if (open[--depth] != inner >> 3)
                return false;
        } else if (!TakeValue(inner)) {
            return false;
        }
    }
    return true;
}

bool FieldReader::Next() noexcept
{
    if (rest_.empty() || *damaged_)
        return false;
    if (TakeTag(&tag_) && (TypeOf(tag_) == kGroupBegin ? SkipGroup(tag_) : TakeValue(tag_)))
        return true;
    *damaged_ = true;
    return false;
}

} // namespace wal2lake::wire
