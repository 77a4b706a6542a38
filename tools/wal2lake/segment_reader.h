// Reads a segment (proto/wal2lake/v1/segment.proto) piece by piece in bounded
// memory and checks all of it: envelope, checksums, order, counts.
//
// Used by cat and verify, and by the state machine on the object at the tail of
// the chain. Knows nothing of stores; what it cannot judge, such as the chain,
// is for the caller.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/frame_reader.h"
#include "result.h"
#include "tally.h"
#include "wal2lake/v1/segment.pb.h"

namespace wal2lake
{

class SegmentReader
{
  public:
    // Called for each message in order, the preamble included. An error stops
    // the reader with it.
    using OnMessage = std::function<Result<Done>(const MessageView&, const BatchView&)>;

    // Up to `length` bytes of a part from `offset`, fewer only at its end; the name
    // is as the footer has it, below the source's folder.
    using ReadPart =
        std::function<Result<std::string>(const std::string& name, uint64_t offset, size_t length)>;

    // Without `read_part`, of a segment that lists parts only the file is read: what
    // its footer counts is believed.
    explicit SegmentReader(OnMessage on_message = {}, ReadPart read_part = {});
    ~SegmentReader();
    SegmentReader(const SegmentReader&) = delete;
    SegmentReader& operator=(const SegmentReader&) = delete;

    // Takes the next bytes of the file. `*used` is less than all of them only
    // where the segment ended; kDamaged names the offset and the reason.
    Result<Done> Feed(std::string_view bytes, size_t* used);
    // After the last Feed: kDamaged where the file ends too early.
    Result<Done> Finish() const;

    bool complete() const;
    // True from when the header was read.
    bool has_header() const;
    const wal2lake::v1::SegmentHeader& header() const;
    // Meaningful where complete().
    const wal2lake::v1::SegmentFooter& footer() const;
    // SHA-256 of all bytes of the segment; once, where complete().
    std::string FinishSha256();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// What the chain needs to know of an object that was read and found sound.
struct SegmentFacts {
    wal2lake::v1::SegmentHeader header;
    wal2lake::v1::SegmentFooter footer;
    std::string sha256;
};

// Reads a whole file at once and checks everything in it.
Result<SegmentFacts> CheckSegment(std::string_view file, SegmentReader::OnMessage on_message = {},
                                  SegmentReader::ReadPart read_part = {});

// The footer of a file whose last bytes these are, checked by itself: that it fits
// the file is not. Where they do not hold all of it, `*needed` says how many do.
Result<wal2lake::v1::SegmentFooter> ParseFooter(std::string_view end_of_file, size_t* needed);

// True where the bytes begin like a segment (four bytes are enough).
bool LooksLikeSegment(std::string_view bytes);

} // namespace wal2lake
