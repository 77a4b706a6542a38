// What a stream of batches adds up to: which relations are known, and how many
// changes of each table a transaction or a segment holds.
//
// Used by the writer of segments while frames arrive and by their reader, which
// recounts, so that both count by the same rules. Knows nothing of files.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/frame_reader.h"
#include "result.h"

namespace wal2lake
{

struct TableCounts {
    uint64_t inserts = 0;
    uint64_t updates = 0;
    uint64_t deletes = 0;
    uint64_t truncates = 0;

    void Add(const TableCounts& other);
    bool operator==(const TableCounts&) const = default;
};

struct TableKey {
    uint32_t oid = 0;
    std::string namespace_name;
    std::string name;

    auto operator<=>(const TableKey&) const = default;
};

// Ordered, so that equal content gives an equal footer.
using CountsByTable = std::map<TableKey, TableCounts>;

struct KnownRelation {
    TableKey table;
    // The serialized Record that announced it.
    std::string record;
};

// What the plugin did not send of one table.
struct TableStats {
    std::string namespace_name;
    std::string name;
    // Counted since the plugin's session began, as told last.
    uint64_t withheld = 0;
    uint64_t uncarried = 0;
    uint64_t not_emitted = 0;
    // Columns without a label, by the last Relation.
    uint64_t unclassified = 0;
    // Changes of it were not sent, and none has been since.
    bool silent = false;
};
using StatsByOid = std::map<uint32_t, TableStats>;

// Relations announced in one session of the plugin (or in one segment), by id.
class RelationMap
{
  public:
    // Takes over a Relation record; a later one with the same id replaces it.
    Result<uint32_t> Announce(const RecordView& record);
    // nullptr where the id was never announced. Valid until the next Announce.
    const KnownRelation* Find(uint32_t id) const;
    // Announces every Relation and takes the Stats of a batch whose changes are of no interest.
    Result<Done> AnnounceAll(const BatchView& batch);
    // Keeps what was told of tables: the next session tells it again, later.
    void Clear();
    // What the announced ones take, roughly.
    uint64_t bytes() const { return bytes_; }

    // Takes over a Stats record; what it says of a table replaces what was known.
    Result<Done> TakeStats(const RecordView& record);
    const StatsByOid& stats() const { return stats_; }
    // Grows with each change of stats().
    uint64_t stats_heard() const { return stats_heard_; }

  private:
    void TakeUnclassified(const RelationView& view);

    std::unordered_map<uint32_t, KnownRelation> by_id_;
    uint64_t bytes_ = 0;
    StatsByOid stats_;
    uint64_t stats_heard_ = 0;
};

// Counts the changes of one transaction; discarded with it if it stays open.
class TransactionTally
{
  public:
    // Adds a batch. Announces its relations to `relations`, which must know all
    // others it refers to: kDamaged otherwise.
    Result<Done> AddBatch(const BatchView& batch, RelationMap* relations);
    // Adds the result to `counts`.
    void AddTo(CountsByTable* counts) const;
    void Clear();

    // Relations the transaction used before announcing them itself, with the
    // record that was in force.
    const std::map<uint32_t, std::string>& needed() const { return needed_; }
    // Relations the transaction announced.
    const std::vector<uint32_t>& announced() const { return announced_; }

  private:
    struct Touched {
        uint32_t relation_id = 0;
        TableKey table;
        TableCounts counts;
    };

    Result<TableCounts*> Touch(uint32_t relation_id, const RelationMap& relations);

    std::vector<Touched> touched_;
    std::unordered_map<uint32_t, size_t> index_;
    size_t latest_ = 0;
    std::map<uint32_t, std::string> needed_;
    std::vector<uint32_t> announced_;
    std::vector<uint32_t> truncated_;
};

} // namespace wal2lake
