/*
 * Wire primitives of protobuf, for the encoder and the readers. Only what
 * protozero leaves open: tags as constants, which a reader compares with
 * FieldReader::tag(), and writing at a pointer whose room was checked before.
 */
#ifndef WAL2LAKE_CORE_WIRE_H
#define WAL2LAKE_CORE_WIRE_H

#include <bit>
#include <cstdint>
#include <cstring>

#include <protozero/byteswap.hpp>
#include <protozero/types.hpp>
#include <protozero/varint.hpp>

namespace wal2lake::wire
{

/* Every field number in use is below 16, so a tag is one byte. */
constexpr uint8_t Tag(uint32_t field, protozero::pbf_wire_type type)
{
    return static_cast<uint8_t>(field << 3 | static_cast<uint32_t>(type));
}
constexpr uint8_t VarintTag(uint32_t field)
{
    return Tag(field, protozero::pbf_wire_type::varint);
}
constexpr uint8_t BytesTag(uint32_t field)
{
    return Tag(field, protozero::pbf_wire_type::length_delimited);
}
constexpr uint8_t Fixed32Tag(uint32_t field)
{
    return Tag(field, protozero::pbf_wire_type::fixed32);
}
constexpr uint8_t Fixed64Tag(uint32_t field)
{
    return Tag(field, protozero::pbf_wire_type::fixed64);
}

/* Seven bits a byte, and one byte for 0; without a loop, as it is asked for each value. */
inline size_t VarintSize(uint64_t value)
{
    return (static_cast<size_t>(std::bit_width(value | 1)) * 9 + 64) / 64;
}

inline uint8_t* PutByte(uint8_t* at, uint8_t byte)
{
    *at = byte;
    return at + 1;
}

/* protozero's own, which writes at an iterator, is deprecated and does not say where it ended. */
inline uint8_t* PutVarint(uint8_t* at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = static_cast<uint8_t>(value | 0x80);
        value >>= 7;
    }
    *at++ = static_cast<uint8_t>(value);
    return at;
}

/* Copies `length` bytes, from one word to two, as two words that may overlap. */
template <typename Word>
void CopyWords(uint8_t* at, const uint8_t* from, size_t length)
{
    Word first;
    Word last;
    std::memcpy(&first, from, sizeof first);
    std::memcpy(&last, from + length - sizeof last, sizeof last);
    std::memcpy(at, &first, sizeof first);
    std::memcpy(at + length - sizeof last, &last, sizeof last);
}

/* Most values are short, and a call of memcpy costs more than copying them. */
inline uint8_t* PutBytes(uint8_t* at, const void* bytes, size_t length)
{
    struct Pair {
        uint64_t words[2];
    };
    const auto* from = static_cast<const uint8_t*>(bytes);
    if (length > 2 * sizeof(Pair))
        std::memcpy(at, from, length);
    else if (length >= sizeof(Pair))
        CopyWords<Pair>(at, from, length);
    else if (length >= sizeof(uint64_t))
        CopyWords<uint64_t>(at, from, length);
    else if (length >= sizeof(uint32_t))
        CopyWords<uint32_t>(at, from, length);
    else
        for (size_t i = 0; i < length; ++i)
            at[i] = from[i];
    return at + length;
}

/* Little endian, as protobuf's fixed fields are. */
template <typename Number>
uint8_t* PutFixed(uint8_t* at, Number number)
{
#if PROTOZERO_BYTE_ORDER != PROTOZERO_LITTLE_ENDIAN
    protozero::byteswap_inplace(&number);
#endif
    std::memcpy(at, &number, sizeof number);
    return at + sizeof number;
}

} // namespace wal2lake::wire

#endif
