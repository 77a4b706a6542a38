// Shows the records of a stream as JSON, one line each, with protoc's classes. A value
// that came in chunks is shown whole, so a change with one is held in memory.
// Used by cat. Knows nothing of files; order of keys is fixed
// (docs/commands.md).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "result.h"
#include "wal2lake/v1/wal2lake.pb.h"

namespace wal2lake
{

struct RecordFilter {
    // "schema.table"; empty for all.
    std::string table;
    // Transactions whose commit record starts before are left out, and messages of none.
    uint64_t from_lsn = 0;
    // Show Relation and Stats records too.
    bool relations = false;
};

class RecordPrinter
{
  public:
    // Takes a line with its newline; false where nobody reads any more.
    using Emit = std::function<bool(const std::string& line)>;

    RecordPrinter(RecordFilter filter, Emit emit) : filter_(std::move(filter)), emit_(std::move(emit)) {}

    // Shows a serialized Batch. kDamaged where it breaks the contract.
    Result<Done> Print(std::string_view batch_bytes);
    // Forgets relations, where another session begins, and what a cut left of a change.
    void Reset()
    {
        relations_.clear();
        chunked_.clear();
    }
    // True once emit answered false.
    bool closed() const { return closed_; }

  private:
    bool Shows(const v1::Relation& relation) const;
    Result<Done> PrintRecord(const v1::Batch& batch, const v1::Record& record);
    void PrintRelation(const v1::Batch& batch, const v1::Relation& relation);
    Result<Done> TakeChunk(uint64_t ordinal, const v1::ValueChunk& chunk);
    // The value that came in chunks, once; absent where it did not come whole.
    std::optional<v1::Value> TakeWhole(uint64_t ordinal, v1::ValueChunk::Side side, uint32_t attnum);
    Result<Done> PrintChange(const v1::Batch& batch, const v1::Record& record);
    Result<Done> PrintTruncate(const v1::Batch& batch, const v1::Record& record);
    void PrintDdl(const v1::Batch& batch, const v1::Record& record);
    // Once the last of its pieces has come.
    Result<Done> PrintMessage(const v1::Batch& batch, const v1::Record& record);
    void PrintStats(const v1::Batch& batch, const v1::Stats& stats);
    void Line(std::string text);

    RecordFilter filter_;
    Emit emit_;
    std::map<uint32_t, v1::Relation> relations_;
    // Values of the next change whose chunks came, by side and attnum.
    struct Chunked {
        uint64_t ordinal = 0;
        uint64_t total = 0;
        v1::ValueChunk::Kind kind = v1::ValueChunk::KIND_UNSPECIFIED;
        std::string bytes;

        // kDamaged where the piece does not follow.
        Result<Done> Add(uint64_t of, uint64_t offset, uint64_t of_all, const std::string& piece);
    };
    std::map<std::pair<int, uint32_t>, Chunked> chunked_;
    bool closed_ = false;
};

} // namespace wal2lake
