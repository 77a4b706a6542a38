#include "segment_filter.h"

#include "segment_reader.h"

namespace wal2lake
{

Result<SealedSegment> KeepAfter(std::string_view file, uint64_t lsn, int compression_level)
{
    SegmentBuilder builder(compression_level);
    RelationMap relations;
    const auto read = CheckSegment(file, [&](const MessageView& message, const BatchView& batch) {
        const bool kept = batch.placed() && batch.committed.end_lsn > lsn;
        return kept ? builder.Add(message, batch, &relations) : relations.AnnounceAll(batch);
    });
    if (!read.ok())
        return read.error();
    if (builder.empty())
        return SealedSegment{};
    return builder.Seal();
}

Result<SealedSegment> KeepAfter(SealedSegment sealed, uint64_t lsn, int compression_level)
{
    return KeepAfter(AssembleSegment({}, std::move(sealed)).bytes, lsn, compression_level);
}

} // namespace wal2lake
