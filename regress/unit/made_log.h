// A log made by hand, for the tests of what walks and cuts logs: as many segments as
// wanted, each sound and chained to the one before.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "chain.h"
#include "digest.h"
#include "frames.h"
#include "segment_writer.h"
#include "store/memory_store.h"

namespace wal2lake::test
{

// Segment number n starts at kFirst + (n - 1) * kStep; the genesis is number 0.
class MadeLog
{
  public:
    static constexpr const char* kSource = "cell1.main";
    static constexpr uint64_t kFirst = 0x10000;
    static constexpr uint64_t kStep = 0x100;

    MadeLog()
    {
        v1::SegmentHeader header = Header();
        header.mutable_genesis()->set_epoch(1);
        SealedSegment sealed;
        sealed.end_lsn = kFirst;
        Write(Name(0), std::move(header), std::move(sealed));
    }

    static uint64_t Start(size_t number) { return kFirst + (number - 1) * kStep; }
    static uint64_t Commit(size_t number) { return Start(number) + 0x40; }
    // The commit time of its transaction.
    static int64_t Time(size_t number) { return static_cast<int64_t>(Start(number) + kStep) * 1000; }
    static SegmentName Segment(size_t number) { return {kSource, 1, number == 0 ? 0 : Start(number)}; }
    static std::string Name(size_t number) { return FormatSegmentName(Segment(number)); }
    // A part of the transaction in segment `number`.
    static std::string Part(size_t number, const std::string& writer = "w", uint32_t piece = 1)
    {
        return FormatPartName({kSource, 1, Commit(number), writer, piece});
    }

    // One transaction.
    void Add() { Write(Sealed()); }

    // One transaction, in a part.
    void AddParted()
    {
        SealedSegment sealed = Sealed();
        std::string bytes;
        for (const std::string& frame : sealed.frames)
            bytes += frame;
        sealed.frames.clear();
        sealed.frames_size = 0;
        const std::string name = Part(next_);
        auto& part = sealed.parts.emplace_back();
        part.set_name(WithoutSource(kSource, name));
        part.set_bytes(bytes.size());
        part.set_sha256(Sha256(bytes));
        store_.objects()[name] = bytes;
        Write(std::move(sealed));
    }

    // A message that belongs to no transaction, and nothing else.
    void AddMessage() { Write(Sealed(LoneMessage(Commit(next_), Start(next_) + kStep))); }

    void AddIdle()
    {
        SealedSegment sealed;
        sealed.end_lsn = Start(next_) + kStep;
        Write(std::move(sealed));
    }

    MadeLog& Fill(size_t segments)
    {
        while (segments-- > 0)
            Add();
        return *this;
    }

    size_t tail() const { return next_ - 1; }
    MemoryStore& store() { return store_; }
    std::map<std::string, std::string>& objects() { return store_.objects(); }

  private:
    static v1::SegmentHeader Header()
    {
        v1::SegmentHeader header;
        header.set_source(kSource);
        header.set_database("app");
        header.set_database_oid(5);
        header.set_system_id(7);
        header.set_timeline(1);
        header.set_slot("wal2lake");
        header.set_start_lsn(kFirst);
        return header;
    }

    SealedSegment Sealed() const
    {
        return Sealed(Transaction(static_cast<uint32_t>(next_), Commit(next_), Start(next_) + kStep));
    }

    static SealedSegment Sealed(const std::string& bytes)
    {
        SegmentBuilder builder;
        RelationMap relations;
        MessageView message;
        BatchView batch;
        size_t consumed = 0;
        EXPECT_TRUE(NextMessage(bytes, &message, &consumed).ok());
        EXPECT_TRUE(ScanBatch(message.batch, &batch).ok());
        EXPECT_TRUE(builder.Add(message, batch, &relations).ok());
        return builder.Seal();
    }

    void Write(SealedSegment sealed)
    {
        v1::SegmentHeader header = Header();
        header.set_start_lsn(Start(next_));
        header.set_seq(next_);
        header.set_previous_sha256(previous_sha256_);
        Write(Name(next_), std::move(header), std::move(sealed));
    }

    void Write(const std::string& name, v1::SegmentHeader header, SealedSegment sealed)
    {
        SegmentFile file = AssembleSegment(std::move(header), std::move(sealed));
        previous_sha256_ = Sha256(file.bytes);
        objects()[name] = std::move(file.bytes);
        next_++;
    }

    MemoryStore store_;
    size_t next_ = 0;
    std::string previous_sha256_;
};

} // namespace wal2lake::test
