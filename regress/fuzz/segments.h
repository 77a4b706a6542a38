// Segments made from the bytes of the fuzzer: each piece of them is a batch, in
// a message with a right checksum, so that chance reaches what is behind it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "messages.h"
#include "segment_writer.h"

namespace wal2lake::fuzz
{

// Pieces of the input, each behind its length in two bytes.
inline std::vector<std::string_view> Pieces(std::string_view input)
{
    std::vector<std::string_view> pieces;
    while (input.size() >= 2 && pieces.size() < 64) {
        const size_t length = static_cast<unsigned char>(input[0]) |
                              static_cast<size_t>(static_cast<unsigned char>(input[1])) << 8U;
        pieces.push_back(input.substr(2, length));
        input.remove_prefix(2 + pieces.back().size());
    }
    return pieces;
}

inline v1::SegmentHeader Header(uint64_t start_lsn)
{
    v1::SegmentHeader header;
    header.set_source("fuzz");
    header.set_database("fuzz");
    header.set_system_id(7);
    header.set_timeline(1);
    header.set_slot("fuzz");
    header.set_start_lsn(start_lsn);
    return header;
}

} // namespace wal2lake::fuzz
