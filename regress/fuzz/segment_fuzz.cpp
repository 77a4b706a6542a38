// Segments: raw bytes, segments that our writer made of batches, such with one bit
// flipped, and such of batches that no writer would put together. The first byte
// chooses.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <zstd.h>

#include "fuzz.h"
#include "segment_filter.h"
#include "segment_reader.h"
#include "segments.h"

namespace wal2lake::fuzz
{
namespace
{

// What is found by reading in pieces of `step` bytes; nothing where it is damaged.
std::optional<uint64_t> TransactionsIn(std::string_view file, size_t step)
{
    uint64_t transactions = 0;
    uint64_t end_lsn = 0;
    bool open = false;
    SegmentReader reader([&](const MessageView& message, const BatchView& batch) -> Result<Done> {
        FUZZ_CHECK(message.batch == batch.bytes);
        if (!batch.placed())
            return Done{};
        // Order as the contract has it: by commit, each behind the end of the one before.
        FUZZ_CHECK(open || batch.committed.commit_lsn >= end_lsn);
        FUZZ_CHECK(batch.committed.end_lsn > batch.committed.commit_lsn);
        end_lsn = batch.committed.end_lsn;
        open = !batch.last;
        transactions += batch.last ? 1 : 0;
        return Done{};
    });
    for (size_t position = 0; position < file.size() && !reader.complete();) {
        const std::string_view piece = file.substr(position, step);
        size_t used = 0;
        if (!reader.Feed(piece, &used).ok())
            return std::nullopt;
        FUZZ_CHECK(used == piece.size() || reader.complete());
        position += used;
        if (reader.complete() && position < file.size())
            return std::nullopt;
    }
    if (!reader.Finish().ok())
        return std::nullopt;
    FUZZ_CHECK(!open && reader.footer().transactions() == transactions);
    FUZZ_CHECK(reader.footer().end_lsn() >= end_lsn &&
               reader.footer().end_lsn() >= reader.header().start_lsn());
    return transactions;
}

// Cuts at `lsn`: what is left and what is cut are all there is, and the rest is a segment.
void CheckFilter(std::string_view file, uint64_t transactions, uint64_t lsn)
{
    auto kept = KeepAfter(file, lsn, 1);
    FUZZ_CHECK(kept.ok());
    uint64_t behind = 0;
    const auto counted = CheckSegment(file, [&](const MessageView&, const BatchView& batch) -> Result<Done> {
        behind += batch.placed() && batch.last && batch.committed.end_lsn > lsn;
        return Done{};
    });
    FUZZ_CHECK(counted.ok() && behind <= transactions && kept.value().transactions == behind);
    if (behind == 0)
        return;
    const SegmentFile rest = AssembleSegment(Header(0), std::move(kept.value()));
    const auto checked = CheckSegment(rest.bytes);
    FUZZ_CHECK(checked.ok() && checked.value().footer.transactions() == behind);
}

bool CheckFile(std::string_view file)
{
    const auto checked = CheckSegment(file);
    const auto slowly = TransactionsIn(file, 1 + file.size() / 7);
    FUZZ_CHECK(checked.ok() == slowly.has_value());
    if (!checked.ok()) {
        FUZZ_CHECK(!checked.error().text.empty());
        return false;
    }
    const SegmentFacts& facts = checked.value();
    FUZZ_CHECK(*slowly == facts.footer.transactions());
    FUZZ_CHECK(LooksLikeSegment(file) && facts.sha256.size() == 32);
    const uint64_t end = facts.footer.end_lsn();
    for (const uint64_t lsn :
         {uint64_t{0}, facts.header.start_lsn() + (end - facts.header.start_lsn()) / 2, end})
        CheckFilter(file, facts.footer.transactions(), lsn);
    return true;
}

// As the state machine feeds the writer; nothing where it would refuse.
std::optional<std::string> Write(std::string_view input)
{
    SegmentBuilder builder;
    RelationMap relations;
    std::optional<CommittedView> open;
    uint64_t start = 0;
    uint64_t end = 0;
    for (const std::string_view piece : Pieces(input)) {
        const std::string bytes = MessageAround(piece);
        MessageView message;
        size_t consumed = 0;
        BatchView batch;
        if (!NextMessage(bytes, &message, &consumed).ok() || !ScanBatch(message.batch, &batch).ok())
            return std::nullopt;
        const CommittedView& now = batch.committed;
        if (!batch.placed() || now.end_lsn <= now.commit_lsn)
            return std::nullopt;
        if (open ? open->end_lsn != now.end_lsn : now.commit_lsn < end)
            return std::nullopt;
        if (end == 0)
            start = now.commit_lsn;
        if (!builder.Add(message, batch, &relations).ok())
            return std::nullopt;
        end = now.end_lsn;
        open = batch.last ? std::nullopt : std::optional(now);
    }
    builder.DiscardOpenTransaction();
    if (builder.empty())
        return std::nullopt;
    return AssembleSegment(Header(start), builder.Seal()).bytes;
}

// Changes of each table, as protoc's classes see them.
void Count(const v1::Batch& batch, std::map<uint32_t, TableKey>* tables, CountsByTable* counts)
{
    for (const v1::Record& record : batch.records()) {
        if (record.has_relation())
            (*tables)[record.relation().id()] = {record.relation().oid(), record.relation().namespace_(),
                                                 record.relation().name()};
        if (record.has_change()) {
            const v1::Operation operation = record.change().operation();
            (*counts)[(*tables)[record.change().relation_id()]].Add({operation == v1::OPERATION_INSERT,
                                                                     operation == v1::OPERATION_UPDATE,
                                                                     operation == v1::OPERATION_DELETE, 0});
        }
        for (const uint32_t id : record.truncate().relation_ids())
            (*counts)[(*tables)[id]].Add({0, 0, 0, 1});
    }
}

// Any batches in any order, with a footer that is right for them.
std::string Forge(std::string_view input)
{
    SealedSegment sealed;
    std::string plain;
    std::map<uint32_t, TableKey> tables;
    bool first = true;
    for (const std::string_view piece : Pieces(input)) {
        v1::Batch batch;
        plain += MessageAround(piece);
        if (!Parse(&batch, piece) || !batch.has_committed())
            continue;
        if (std::exchange(first, false))
            sealed.first_commit_time_us = batch.committed().commit_time_us();
        sealed.last_commit_time_us = batch.committed().commit_time_us();
        sealed.end_lsn = std::max(sealed.end_lsn, batch.committed().end_lsn());
        sealed.transactions += batch.last() ? 1 : 0;
        Count(batch, &tables, &sealed.counts);
    }
    sealed.message_bytes = plain.size();
    std::string frame(ZSTD_compressBound(plain.size()), '\0');
    frame.resize(ZSTD_compress(frame.data(), frame.size(), plain.data(), plain.size(), 1));
    sealed.frames.push_back(frame);
    return AssembleSegment(Header(0), std::move(sealed)).bytes;
}

} // namespace

void Target(std::string_view input)
{
    if (input.empty())
        return;
    const auto mode = static_cast<unsigned char>(input[0]);
    input.remove_prefix(1);
    if (mode % 4 == 0 || mode % 4 == 3) {
        CheckFile(mode % 4 == 0 ? std::string(input) : Forge(input));
        return;
    }
    // What we write, we read.
    size_t bit = 0;
    if (mode % 4 == 2) {
        for (size_t i = 0; i < 3 && !input.empty(); i++) {
            bit = bit << 8U | static_cast<unsigned char>(input[0]);
            input.remove_prefix(1);
        }
    }
    auto file = Write(input);
    if (!file)
        return;
    FUZZ_CHECK(CheckFile(*file));
    if (mode % 4 == 2) {
        bit %= file->size() * 8;
        (*file)[bit / 8] = static_cast<char>((*file)[bit / 8] ^ (1U << bit % 8));
        FUZZ_CHECK(!CheckFile(*file));
    }
}

} // namespace wal2lake::fuzz
