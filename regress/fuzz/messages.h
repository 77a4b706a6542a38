// Messages and their batches as protoc's classes and XXH3 have them, for the
// targets that hand them to the readers.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include <xxhash.h>

#include "wal2lake/v1/wal2lake.pb.h"

namespace wal2lake::fuzz
{

inline std::string Varint(uint64_t value)
{
    std::string text;
    for (; value >= 0x80; value >>= 7)
        text += static_cast<char>(0x80 | (value & 0x7f));
    return text + static_cast<char>(value);
}

// The message that carries `batch`, whatever that is. Both fields are written even where proto3 would not.
inline std::string MessageAround(std::string_view batch)
{
    const uint64_t checksum = XXH3_64bits(batch.data(), batch.size());
    std::string frame = "\x09";
    for (unsigned shift = 0; shift < 64; shift += 8)
        frame += static_cast<char>(checksum >> shift);
    frame += '\x12' + Varint(batch.size()) + std::string(batch);
    return Varint(frame.size()) + frame;
}

inline bool Parse(google::protobuf::Message* message, std::string_view bytes)
{
    return message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

// A reader need not follow groups that nest deeper (core/wire_reader.h).
inline bool MayNestDeeply(std::string_view bytes)
{
    return std::count_if(bytes.begin(), bytes.end(), [](char c) { return (c & 7) == 3; }) > 30;
}

} // namespace wal2lake::fuzz
