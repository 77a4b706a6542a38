// Builds a segment (proto/wal2lake/v1/segment.proto) from received messages.
//
// The state machine feeds it while it reads; compression happens as messages
// arrive. A segment's place in the chain is not known yet at that time, so the
// header is added at the end by AssembleSegment. Knows nothing of names, stores
// or LSNs' meaning beyond their order.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "compression_level.h"
#include "core/frame_reader.h"
#include "freshness.h"
#include "result.h"
#include "tally.h"
#include "wal2lake/v1/segment.pb.h"

namespace wal2lake
{

inline constexpr uint32_t kSegmentFormatVersion = 1;
inline constexpr uint32_t kHeaderFrameMagic = 0x184D2A57;
inline constexpr uint32_t kFooterFrameMagic = 0x184D2A58;
inline constexpr std::string_view kHeaderTag = "W2LH";
inline constexpr std::string_view kFooterTag = "W2LF";
// The footer's last field, its own checksum: a tag and a fixed64.
inline constexpr size_t kFooterChecksumBytes = 9;

// Whole transactions, compressed, without a place in the chain.
struct SealedSegment {
    // Zstd frames: the preamble's (may be empty), then the transactions', one
    // string each, so that a large segment is never copied as it grows.
    std::string preamble;
    std::deque<std::string> frames;
    size_t frames_size = 0;
    uint64_t end_lsn = 0;
    uint64_t transactions = 0;
    CountsByTable counts;
    uint64_t message_bytes = 0;
    int64_t first_commit_time_us = 0;
    int64_t last_commit_time_us = 0;
    // Of all of them; not part of the file.
    CommitTimes commit_times;
    // Where the one transaction is, if it was too large: `frames` is empty then.
    std::vector<wal2lake::v1::Part> parts;

    size_t size() const { return preamble.size() + frames_size; }
};

// A segment as it goes into the lake, and what it says of itself.
struct SegmentFile {
    std::string bytes;
    wal2lake::v1::SegmentHeader header;
    wal2lake::v1::SegmentFooter footer;
};

// Header, payload and footer as one file. `header` lacks nothing but the format
// version, which is set here. Each frame is given back as soon as it is copied, so
// that a segment moved in here is hardly held twice.
SegmentFile AssembleSegment(wal2lake::v1::SegmentHeader header, SealedSegment sealed);

// Collects the messages of whole transactions. One at a time may be open; it is
// either finished by its last batch or discarded without a trace. Of one that is
// larger than a segment the frames may be taken out while it arrives.
class SegmentBuilder
{
  public:
    // `max_size` bounds the frames too, where it is small.
    explicit SegmentBuilder(int compression_level = kDefaultCompressionLevel,
                            uint64_t max_size = uint64_t{64} << 20);
    ~SegmentBuilder();
    SegmentBuilder(SegmentBuilder&&) noexcept;
    SegmentBuilder& operator=(SegmentBuilder&&) noexcept;

    // Adds a message whose batch is placed() and belongs to the open transaction, or
    // opens one. `relations` are those of the plugin session.
    // After kDamaged the builder may only be discarded.
    Result<Done> Add(const MessageView& message, const BatchView& batch, RelationMap* relations);

    // Drops the transaction that has not seen its last batch.
    void DiscardOpenTransaction();

    // Takes the whole transactions out, of which there must be at least one. An
    // open transaction stays and becomes the first of what follows.
    SealedSegment Seal();

    // Takes whole frames of the first transaction out, about `size` bytes and at
    // least one frame; empty where none is complete. Only before another
    // transaction is finished. Once begun, what is sealed lacks what was taken.
    std::string TakePiece(uint64_t size);
    // True from the first piece taken of the first transaction until it is sealed
    // or discarded.
    bool in_pieces() const { return in_pieces_; }
    // Ends the frame at hand, so that the last piece can be taken.
    void EndPiece();

    bool transaction_open() const { return transaction_open_; }
    uint64_t transactions() const { return sealed_.transactions; }
    bool empty() const { return sealed_.transactions == 0 && !transaction_open_; }
    // End of the last whole transaction, 0 without one.
    uint64_t end_lsn() const { return sealed_.end_lsn; }
    int64_t first_commit_time_us() const { return sealed_.first_commit_time_us; }
    // Bytes held: compressed ones and those waiting for compression.
    size_t size() const;

  private:
    struct Compressor;

    void Compress(std::string_view bytes);
    void CompressPending();
    void EndFrame();
    void Spill();
    void Finish(const CommittedView& committed);

    int compression_level_;
    uint64_t max_size_;
    size_t frame_limit_;
    size_t spill_limit_;
    bool in_pieces_ = false;
    std::unique_ptr<Compressor> compressor_;
    SealedSegment sealed_;
    // The frame that the compressor is writing, and the raw bytes given to it
    // since it began.
    std::string frame_;
    size_t frame_bytes_ = 0;

    bool transaction_open_ = false;
    // Messages of the open transaction that are not compressed yet.
    std::string pending_;
    // The number of its first frame, if it grew too large to wait.
    bool spilled_ = false;
    size_t spill_frame_ = 0;
    uint64_t transaction_bytes_ = 0;
    TransactionTally tally_;

    // Relations that this segment announces by itself, and those it must repeat.
    std::unordered_set<uint32_t> announced_;
    std::map<uint32_t, std::string> preamble_;
};

} // namespace wal2lake
