/*
 * Walks the fields of a serialized protobuf message the way protobuf's own parser
 * does, as views into the caller's bytes. Never throws, never asserts, never
 * allocates: it runs in the server on whatever bytes a user gives.
 *
 * Stricter than protobuf where that guesses: tags and lengths beyond 32 bits are
 * damage, and so are groups, which nothing of ours writes, nested deeper than 32.
 */
#ifndef WAL2LAKE_CORE_WIRE_READER_H
#define WAL2LAKE_CORE_WIRE_READER_H

#include "core/wire.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace wal2lake::wire
{

/* True for UTF-8 without overlong forms and surrogates, as protobuf demands of a string. */
bool IsUtf8(std::string_view text) noexcept;

/* Takes a varint of at most `most_bytes` bytes from the front of *bytes. */
bool TakeVarint(std::string_view* bytes, size_t most_bytes, uint64_t* number) noexcept;

/* Walks the numbers of a packed repeated field; otherwise as FieldReader, whose flag it shares. */
class PackedReader
{
  public:
    PackedReader(std::string_view bytes, bool* damaged) noexcept : rest_(bytes), damaged_(damaged) {}

    bool Next() noexcept;
    uint32_t Uint32() const noexcept { return static_cast<uint32_t>(number_); }

  private:
    std::string_view rest_;
    bool* damaged_;
    uint64_t number_ = 0;
};

class FieldReader
{
  public:
    /* Sets *damaged where the bytes are no valid message, and never clears it: readers of one whole share it. */
    FieldReader(std::string_view bytes, bool* damaged) noexcept : rest_(bytes), damaged_(damaged) {}

    /* Takes the next field with its value. False at the end, and where something is damaged. */
    bool Next() noexcept;

    /* Number and wire type, as VarintTag() and its like make them. */
    uint64_t tag() const noexcept { return tag_; }
    /* What follows the field. */
    std::string_view rest() const noexcept { return rest_; }

    /* Of a varint, with protobuf's conversions: a 32-bit field takes the low half. */
    uint64_t Uint64() const noexcept { return number_; }
    int64_t Int64() const noexcept { return static_cast<int64_t>(number_); }
    uint32_t Uint32() const noexcept { return static_cast<uint32_t>(number_); }
    int32_t Enum() const noexcept { return static_cast<int32_t>(static_cast<uint32_t>(number_)); }
    bool Bool() const noexcept { return number_ != 0; }
    int64_t Sint64() const noexcept { return static_cast<int64_t>((number_ >> 1) ^ (0 - (number_ & 1))); }
    /* Of a fixed field. */
    uint64_t Fixed64() const noexcept { return number_; }
    double Double() const noexcept { return std::bit_cast<double>(number_); }
    float Float() const noexcept { return std::bit_cast<float>(static_cast<uint32_t>(number_)); }
    /* Of a length-delimited one; as text it is damage unless UTF-8. */
    std::string_view Bytes() const noexcept { return bytes_; }
    std::string_view Text() const noexcept
    {
        if (!IsUtf8(bytes_))
            *damaged_ = true;
        return bytes_;
    }

  private:
    bool TakeTag(uint64_t* tag) noexcept;
    bool TakeValue(uint64_t tag) noexcept;
    bool TakeFixed(size_t size) noexcept;
    bool SkipGroup(uint64_t tag) noexcept;

    std::string_view rest_;
    bool* damaged_;
    uint64_t tag_ = 0;
    uint64_t number_ = 0;
    std::string_view bytes_;
};

} // namespace wal2lake::wire

#endif
