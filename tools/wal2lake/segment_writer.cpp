#include "segment_writer.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <protozero/pbf_writer.hpp>
#include <zstd.h>

#include "digest.h"
#include "frame_writer.h"

namespace wal2lake
{
namespace
{

// A frame that ends every so often bounds what one damaged byte can take away
// and lets a reader start in the middle.
constexpr size_t kFrameBytes = size_t{4} << 20;
// A transaction waits uncompressed up to this size, so that discarding it costs
// nothing; above, it gets frames of its own that can be cut off again.
constexpr size_t kSpillBytes = size_t{1} << 20;
constexpr size_t kOutputStep = size_t{128} << 10;

void AppendLittleEndian32(uint32_t value, std::string* out)
{
    for (unsigned shift = 0; shift < 32; shift += 8)
        *out += static_cast<char>(value >> shift & 0xffU);
}

void AppendSkippableFrame(uint32_t magic, std::string_view payload, std::string* out)
{
    AppendLittleEndian32(magic, out);
    AppendLittleEndian32(static_cast<uint32_t>(payload.size()), out);
    *out += payload;
}

// The only way these calls fail is exhausted memory, which nothing survives.
size_t RequireZstd(size_t code)
{
    if (ZSTD_isError(code) == 0)
        return code;
    std::fprintf(stderr, "wal2lake: zstd cannot compress: %s\n", ZSTD_getErrorName(code));
    std::abort();
}

// One message without transaction that holds `records`, each a serialized Record.
std::string PreambleMessage(const std::map<uint32_t, std::string>& records)
{
    std::string batch;
    protozero::pbf_writer batch_writer{batch};
    for (const auto& [id, record] : records)
        batch_writer.add_message(5, record);
    return WriteFrame(batch);
}

} // namespace

struct SegmentBuilder::Compressor {
    ZSTD_CCtx* context = ZSTD_createCCtx();
    // Most calls only fill zstd's own buffer. Room for output that none is made
    // of would be cleared for each transaction if it were the end of a string.
    std::unique_ptr<char[]> room = std::make_unique_for_overwrite<char[]>(kOutputStep);

    explicit Compressor(int level)
    {
        if (context == nullptr) {
            std::fputs("wal2lake: zstd cannot allocate its context\n", stderr);
            std::abort();
        }
        RequireZstd(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level));
    }
    ~Compressor() { ZSTD_freeCCtx(context); }
    Compressor(const Compressor&) = delete;
    Compressor& operator=(const Compressor&) = delete;

    void Run(std::string_view bytes, ZSTD_EndDirective directive, std::string* out)
    {
        ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
        for (;;) {
            ZSTD_outBuffer output{room.get(), kOutputStep, 0};
            const size_t left = RequireZstd(ZSTD_compressStream2(context, &output, &input, directive));
            out->append(room.get(), output.pos);
            const bool done = directive == ZSTD_e_end ? left == 0 : input.pos == input.size;
            if (done)
                return;
        }
    }
};

SegmentBuilder::SegmentBuilder(int compression_level, uint64_t max_size)
    : compression_level_(compression_level), max_size_(max_size),
      frame_limit_(static_cast<size_t>(std::min<uint64_t>(kFrameBytes, max_size))),
      spill_limit_(std::min(kSpillBytes, frame_limit_)),
      compressor_(std::make_unique<Compressor>(compression_level))
{
}

SegmentBuilder::~SegmentBuilder() = default;
SegmentBuilder::SegmentBuilder(SegmentBuilder&&) noexcept = default;
SegmentBuilder& SegmentBuilder::operator=(SegmentBuilder&&) noexcept = default;

size_t SegmentBuilder::size() const
{
    return sealed_.size() + frame_.size() + pending_.size() + std::min(frame_bytes_, kOutputStep);
}

void SegmentBuilder::Compress(std::string_view bytes)
{
    compressor_->Run(bytes, ZSTD_e_continue, &frame_);
    frame_bytes_ += bytes.size();
    if (frame_bytes_ >= frame_limit_)
        EndFrame();
}

void SegmentBuilder::EndFrame()
{
    if (frame_bytes_ == 0)
        return;
    compressor_->Run({}, ZSTD_e_end, &frame_);
    frame_bytes_ = 0;
    sealed_.frames_size += frame_.size();
    // A copy is as large as it must be, and the next frame finds room.
    sealed_.frames.push_back(frame_);
    frame_.clear();
}

void SegmentBuilder::Spill()
{
    if (!spilled_) {
        EndFrame();
        spilled_ = true;
        spill_frame_ = sealed_.frames.size();
    }
    CompressPending();
}

void SegmentBuilder::CompressPending()
{
    if (!pending_.empty())
        Compress(pending_);
    pending_.clear();
}

Result<Done> SegmentBuilder::Add(const MessageView& message, const BatchView& batch, RelationMap* relations)
{
    transaction_open_ = true;
    auto tallied = tally_.AddBatch(batch, relations);
    if (!tallied.ok())
        return tallied;
    transaction_bytes_ += message.whole.size();
    if (batch.last) {
        // What is whole need not wait, nor be copied for that.
        CompressPending();
        Compress(message.whole);
        Finish(batch.committed);
        return Done{};
    }
    pending_ += message.whole;
    if (pending_.size() >= spill_limit_)
        Spill();
    return Done{};
}

void SegmentBuilder::Finish(const CommittedView& committed)
{
    spilled_ = false;

    for (const auto& [id, record] : tally_.needed())
        if (!announced_.contains(id))
            preamble_.try_emplace(id, record);
    announced_.insert(tally_.announced().begin(), tally_.announced().end());
    tally_.AddTo(&sealed_.counts);
    tally_.Clear();

    // A message that belongs to no transaction says no time.
    if (committed.commit_time_us != 0) {
        if (sealed_.first_commit_time_us == 0)
            sealed_.first_commit_time_us = committed.commit_time_us;
        sealed_.last_commit_time_us = committed.commit_time_us;
        sealed_.commit_times.Add(committed.commit_time_us);
    }
    sealed_.transactions++;
    sealed_.end_lsn = committed.end_lsn;
    sealed_.message_bytes += transaction_bytes_;
    transaction_bytes_ = 0;
    transaction_open_ = false;
}

std::string SegmentBuilder::TakePiece(uint64_t size)
{
    std::string piece;
    while (!sealed_.frames.empty() &&
           (piece.empty() || piece.size() + sealed_.frames.front().size() <= size)) {
        in_pieces_ = true;
        sealed_.frames_size -= sealed_.frames.front().size();
        if (piece.empty())
            piece = std::move(sealed_.frames.front());
        else
            piece += sealed_.frames.front();
        sealed_.frames.pop_front();
    }
    return piece;
}

void SegmentBuilder::EndPiece()
{
    EndFrame();
}

void SegmentBuilder::DiscardOpenTransaction()
{
    if (spilled_) {
        RequireZstd(ZSTD_CCtx_reset(compressor_->context, ZSTD_reset_session_only));
        for (; sealed_.frames.size() > spill_frame_; sealed_.frames.pop_back())
            sealed_.frames_size -= sealed_.frames.back().size();
        frame_.clear();
        frame_bytes_ = 0;
        spilled_ = false;
    }
    if (transaction_open_)
        in_pieces_ = false;
    pending_.clear();
    tally_.Clear();
    transaction_bytes_ = 0;
    transaction_open_ = false;
}

SealedSegment SegmentBuilder::Seal()
{
    SegmentBuilder next(compression_level_, max_size_);
    if (spilled_) {
        // The compressor is inside a frame of the open transaction.
        for (; sealed_.frames.size() > spill_frame_; sealed_.frames.pop_back()) {
            std::string& frame = sealed_.frames.back();
            sealed_.frames_size -= frame.size();
            next.sealed_.frames_size += frame.size();
            next.sealed_.frames.push_front(std::move(frame));
        }
        next.frame_ = std::move(frame_);
        next.frame_bytes_ = frame_bytes_;
        next.spilled_ = true;
        std::swap(next.compressor_, compressor_);
    } else {
        EndFrame();
    }
    next.pending_ = std::move(pending_);
    next.tally_ = std::move(tally_);
    next.transaction_bytes_ = transaction_bytes_;
    next.transaction_open_ = transaction_open_;

    if (!preamble_.empty()) {
        const std::string message = PreambleMessage(preamble_);
        sealed_.message_bytes += message.size();
        compressor_->Run(message, ZSTD_e_end, &sealed_.preamble);
    }
    SealedSegment sealed = std::move(sealed_);
    *this = std::move(next);
    return sealed;
}

SegmentFile AssembleSegment(wal2lake::v1::SegmentHeader header, SealedSegment sealed)
{
    header.set_format_version(kSegmentFormatVersion);
    std::string file;
    file.reserve(sealed.size() + (size_t{64} << 10));
    AppendSkippableFrame(kHeaderFrameMagic, std::string(kHeaderTag) + header.SerializeAsString(), &file);
    file += sealed.preamble;
    for (; !sealed.frames.empty(); sealed.frames.pop_front())
        file += sealed.frames.front();

    wal2lake::v1::SegmentFooter footer;
    footer.set_end_lsn(sealed.end_lsn);
    footer.set_transactions(sealed.transactions);
    for (const auto& [table, counts] : sealed.counts) {
        auto* entry = footer.add_counts();
        entry->set_oid(table.oid);
        entry->set_namespace_(table.namespace_name);
        entry->set_name(table.name);
        entry->set_inserts(counts.inserts);
        entry->set_updates(counts.updates);
        entry->set_deletes(counts.deletes);
        entry->set_truncates(counts.truncates);
    }
    footer.set_message_bytes(sealed.message_bytes);
    footer.set_xxh3_128(Xxh128(file));
    footer.set_first_commit_time_us(sealed.first_commit_time_us);
    footer.set_last_commit_time_us(sealed.last_commit_time_us);
    for (auto& part : sealed.parts)
        *footer.add_parts() = std::move(part);
    footer.set_footer_xxh3_64(Xxh64(footer.SerializeAsString()));

    std::string payload = footer.SerializeAsString();
    AppendLittleEndian32(static_cast<uint32_t>(payload.size()), &payload);
    payload += kFooterTag;
    AppendSkippableFrame(kFooterFrameMagic, payload, &file);
    return {std::move(file), std::move(header), std::move(footer)};
}

} // namespace wal2lake
