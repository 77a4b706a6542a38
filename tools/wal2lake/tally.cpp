#include "tally.h"

#include <algorithm>

namespace wal2lake
{
namespace
{

// Of an entry of the map: its node, its names, and that strings are a little larger than what they hold.
constexpr uint64_t kRelationOverhead = 256;

Error Damaged(std::string text)
{
    return {ErrorKind::kDamaged, std::move(text)};
}

} // namespace

void TableCounts::Add(const TableCounts& other)
{
    inserts += other.inserts;
    updates += other.updates;
    deletes += other.deletes;
    truncates += other.truncates;
}

Result<uint32_t> RelationMap::Announce(const RecordView& record)
{
    RelationView view;
    const ReadResult scanned = ScanRelation(record.body, &view);
    if (!scanned.ok())
        return Damaged(scanned.reason);
    if (view.id == 0)
        return Damaged("relation without an id");
    const auto [entry, is_new] = by_id_.try_emplace(view.id);
    KnownRelation& known = entry->second;
    if (is_new)
        bytes_ += kRelationOverhead;
    bytes_ -= known.record.size();
    bytes_ += record.bytes.size();
    known.table = {view.oid, std::string(view.namespace_name), std::string(view.name)};
    known.record = record.bytes;
    TakeUnclassified(view);
    return view.id;
}

// Only of tables that have such columns, had some, or were not sent.
void RelationMap::TakeUnclassified(const RelationView& view)
{
    const auto known = stats_.find(view.oid);
    if (known == stats_.end() && view.unclassified == 0)
        return;
    TableStats& stats = stats_[view.oid];
    stats.namespace_name = view.namespace_name;
    stats.name = view.name;
    stats.unclassified = view.unclassified;
    stats.silent = false;
    stats_heard_++;
}

void RelationMap::Clear()
{
    by_id_.clear();
    bytes_ = 0;
}

const KnownRelation* RelationMap::Find(uint32_t id) const
{
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : &found->second;
}

Result<Done> RelationMap::AnnounceAll(const BatchView& batch)
{
    RecordCursor cursor(batch);
    RecordView record;
    ReadResult next;
    while ((next = cursor.Next(&record)).ok()) {
        if (record.kind == RecordKind::kRelation) {
            const auto announced = Announce(record);
            if (!announced.ok())
                return announced.error();
        } else if (record.kind == RecordKind::kStats) {
            auto taken = TakeStats(record);
            if (!taken.ok())
                return taken;
        }
    }
    if (next.damaged())
        return Damaged(next.reason);
    return Done{};
}

Result<Done> RelationMap::TakeStats(const RecordView& record)
{
    std::vector<RelationStatsView> views;
    const ReadResult scanned = ScanStats(record.body, &views);
    if (!scanned.ok())
        return Damaged(scanned.reason);
    for (const RelationStatsView& view : views) {
        TableStats& stats = stats_[view.oid];
        stats.silent = stats.silent || (view.not_emitted > 0 && view.not_emitted != stats.not_emitted);
        stats.namespace_name = view.namespace_name;
        stats.name = view.name;
        stats.withheld = view.withheld;
        stats.uncarried = view.uncarried;
        stats.not_emitted = view.not_emitted;
    }
    stats_heard_++;
    return Done{};
}

Result<TableCounts*> TransactionTally::Touch(uint32_t relation_id, const RelationMap& relations)
{
    if (latest_ < touched_.size() && touched_[latest_].relation_id == relation_id)
        return &touched_[latest_].counts;
    const auto [entry, is_new] = index_.try_emplace(relation_id, touched_.size());
    if (is_new) {
        const KnownRelation* known = relations.Find(relation_id);
        if (known == nullptr) {
            index_.erase(entry);
            return Damaged("change of relation " + std::to_string(relation_id) +
                           ", which was not announced before");
        }
        touched_.push_back({relation_id, known->table, {}});
        if (std::find(announced_.begin(), announced_.end(), relation_id) == announced_.end())
            needed_.try_emplace(relation_id, known->record);
    }
    latest_ = entry->second;
    return &touched_[latest_].counts;
}

Result<Done> TransactionTally::AddBatch(const BatchView& batch, RelationMap* relations)
{
    RecordCursor cursor(batch);
    RecordView record;
    ReadResult next;
    while ((next = cursor.Next(&record)).ok()) {
        if (record.kind == RecordKind::kRelation) {
            const auto id = relations->Announce(record);
            if (!id.ok())
                return id.error();
            announced_.push_back(id.value());
            // A table may have been renamed since its last change.
            index_.erase(id.value());
            latest_ = touched_.size();
        } else if (record.kind == RecordKind::kChange) {
            ChangeView change;
            const ReadResult scanned = ScanChange(record.body, &change);
            if (!scanned.ok())
                return Damaged(scanned.reason);
            const auto counts = Touch(change.relation_id, *relations);
            if (!counts.ok())
                return counts.error();
            switch (change.operation) {
            case ChangeOperation::kInsert:
                counts.value()->inserts++;
                break;
            case ChangeOperation::kUpdate:
                counts.value()->updates++;
                break;
            case ChangeOperation::kDelete:
                counts.value()->deletes++;
                break;
            case ChangeOperation::kUnspecified:
                return Damaged("change without a known operation");
            }
        } else if (record.kind == RecordKind::kTruncate) {
            truncated_.clear();
            const ReadResult scanned = ScanTruncate(record.body, &truncated_);
            if (!scanned.ok())
                return Damaged(scanned.reason);
            for (const uint32_t id : truncated_) {
                const auto counts = Touch(id, *relations);
                if (!counts.ok())
                    return counts.error();
                counts.value()->truncates++;
            }
        } else if (record.kind == RecordKind::kStats) {
            auto taken = relations->TakeStats(record);
            if (!taken.ok())
                return taken;
        }
    }
    if (next.damaged())
        return Damaged(next.reason);
    return Done{};
}

void TransactionTally::AddTo(CountsByTable* counts) const
{
    for (const Touched& touched : touched_)
        (*counts)[touched.table].Add(touched.counts);
}

void TransactionTally::Clear()
{
    touched_.clear();
    index_.clear();
    latest_ = 0;
    needed_.clear();
    announced_.clear();
}

} // namespace wal2lake
