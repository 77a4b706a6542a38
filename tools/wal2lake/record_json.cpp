#include "record_json.h"

#include <algorithm>
#include <vector>

#include "core/wire_reader.h"
#include "digest.h"
#include "json_writer.h"
#include "lsn.h"
#include "time_text.h"

namespace wal2lake
{
namespace
{

Error Damaged(std::string text)
{
    return {ErrorKind::kDamaged, std::move(text)};
}

std::string TableName(const v1::Relation& relation)
{
    return relation.namespace_() + "." + relation.name();
}

// "OPERATION_INSERT" without its prefix.
std::string Word(const std::string& name, std::string_view prefix)
{
    return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

std::string UuidText(const std::string& bytes)
{
    std::string text = Hex(bytes);
    for (const size_t at : {8U, 13U, 18U, 23U})
        text.insert(at, "-");
    return text;
}

void WriteInt(const v1::Column& column, int64_t number, JsonWriter* json)
{
    switch (column.encoding()) {
    case v1::ENCODING_DATE:
        json->String(DateText(number));
        break;
    case v1::ENCODING_TIME:
        json->String(TimeText(number));
        break;
    case v1::ENCODING_TIMESTAMP:
        json->String(TimestampText(number, ""));
        break;
    case v1::ENCODING_TIMESTAMPTZ:
        json->String(TimestampText(number, "+00"));
        break;
    default:
        json->Int(number);
    }
}

void WriteMarker(v1::Marker marker, JsonWriter* json)
{
    json->BeginObject();
    switch (marker) {
    case v1::MARKER_UNCHANGED:
        json->Key("unchanged").Bool(true);
        break;
    case v1::MARKER_WITHHELD:
        json->Key("withheld").Bool(true);
        break;
    default:
        json->Key("unknown").Bool(true);
    }
    json->EndObject();
}

void WriteValue(const v1::Column& column, const v1::Value& value, JsonWriter* json)
{
    switch (value.value_case()) {
    case v1::Value::VALUE_NOT_SET:
        // A member of a later version is a value too, and no NULL.
        if (v1::Value::GetReflection()->GetUnknownFields(value).empty())
            json->Null();
        else
            json->BeginObject().Key("unknown").Bool(true).EndObject();
        break;
    case v1::Value::kInt:
        WriteInt(column, value.int_(), json);
        break;
    case v1::Value::kFloat64:
        json->Double(value.float64());
        break;
    case v1::Value::kFloat32:
        json->Float(value.float32());
        break;
    case v1::Value::kBool:
        json->Bool(value.bool_());
        break;
    case v1::Value::kText:
        json->String(value.text());
        break;
    case v1::Value::kBytes:
        if (column.encoding() == v1::ENCODING_UUID && value.bytes().size() == 16)
            json->String(UuidText(value.bytes()));
        else
            json->BeginObject().Key("bytes").String(Hex(value.bytes())).EndObject();
        break;
    case v1::Value::kNumeric:
        json->String(value.numeric());
        break;
    case v1::Value::kToken:
        json->BeginObject().Key("token").String(Hex(value.token())).EndObject();
        break;
    case v1::Value::kMarker:
        WriteMarker(value.marker(), json);
        break;
    case v1::Value::kUncarried:
        json->BeginObject().Key("uncarried").BeginObject();
        json->Key("reason").String(Word(v1::Uncarried::Reason_Name(value.uncarried().reason()), "REASON_"));
        json->Key("bytes").Uint(value.uncarried().bytes());
        json->EndObject().EndObject();
        break;
    }
}

// The value of a column that came in chunks; absent where it did not come whole.
using WholeValue = std::function<std::optional<v1::Value>(uint32_t attnum)>;

// One member for each value; `only_key` where the row has key columns alone.
Result<Done> WriteRow(const v1::Relation& relation, const v1::Row& row, bool only_key,
                      const WholeValue& whole, JsonWriter* json)
{
    int next = 0;
    json->BeginObject();
    for (const v1::Column& column : relation.columns()) {
        if (only_key && !column.is_key())
            continue;
        if (next == row.values_size())
            return Damaged("row of " + TableName(relation) + " has fewer values than columns");
        const v1::Value& value = row.values(next++);
        json->Key(column.name());
        if (value.marker() != v1::MARKER_CHUNKED) {
            WriteValue(column, value, json);
            continue;
        }
        const auto together = whole(column.attnum());
        if (!together)
            return Damaged("a value of " + TableName(relation) + " came in chunks, and not whole");
        WriteValue(column, *together, json);
    }
    json->EndObject();
    if (next != row.values_size())
        return Damaged("row of " + TableName(relation) + " has more values than columns");
    return Done{};
}

// Where the batch stands among the others; absent where it is of no place.
std::optional<uint64_t> PositionOf(const v1::Batch& batch)
{
    if (batch.has_message())
        return batch.message().lsn();
    return batch.has_committed() ? std::optional(batch.committed().commit_lsn()) : std::nullopt;
}

void WriteTransaction(const v1::Batch& batch, uint64_t ordinal, JsonWriter* json)
{
    if (const auto position = PositionOf(batch))
        json->Key("commit_lsn").String(FormatLsn(*position));
    if (ordinal != 0)
        json->Key("ordinal").Uint(ordinal);
    if (batch.has_committed()) {
        json->Key("xid").Uint(batch.committed().xid());
        json->Key("commit_time").String(Rfc3339(batch.committed().commit_time_us()));
    }
}

} // namespace

void RecordPrinter::Line(std::string text)
{
    if (!closed_)
        closed_ = !emit_(std::move(text) + "\n");
}

bool RecordPrinter::Shows(const v1::Relation& relation) const
{
    return filter_.table.empty() || TableName(relation) == filter_.table;
}

Result<Done> RecordPrinter::Print(std::string_view batch_bytes)
{
    v1::Batch batch;
    if (!batch.ParseFromArray(batch_bytes.data(), static_cast<int>(batch_bytes.size())))
        return Damaged("batch is not a valid protobuf message");
    for (const v1::Record& record : batch.records()) {
        auto printed = PrintRecord(batch, record);
        if (!printed.ok())
            return printed;
    }
    return Done{};
}

Result<Done> RecordPrinter::PrintRecord(const v1::Batch& batch, const v1::Record& record)
{
    const bool wanted = PositionOf(batch).value_or(UINT64_MAX) >= filter_.from_lsn;
    switch (record.record_case()) {
    case v1::Record::kRelation:
        relations_[record.relation().id()] = record.relation();
        if (wanted && filter_.relations)
            PrintRelation(batch, record.relation());
        return Done{};
    case v1::Record::kValueChunk:
        return wanted ? TakeChunk(record.ordinal(), record.value_chunk()) : Result<Done>(Done{});
    case v1::Record::kChange:
        return wanted ? PrintChange(batch, record) : Result<Done>(Done{});
    case v1::Record::kTruncate:
        return wanted ? PrintTruncate(batch, record) : Result<Done>(Done{});
    case v1::Record::kDdl:
        if (wanted)
            PrintDdl(batch, record);
        return Done{};
    case v1::Record::kStats:
        if (wanted && filter_.relations && filter_.table.empty())
            PrintStats(batch, record.stats());
        return Done{};
    case v1::Record::kMessage:
        return wanted ? PrintMessage(batch, record) : Result<Done>(Done{});
    default:
        // Kinds of a later version.
        return Done{};
    }
}

void RecordPrinter::PrintRelation(const v1::Batch& batch, const v1::Relation& relation)
{
    if (!Shows(relation))
        return;
    JsonWriter json;
    json.BeginObject();
    json.Key("op").String("RELATION");
    json.Key("table").String(TableName(relation));
    WriteTransaction(batch, 0, &json);
    json.Key("oid").Uint(relation.oid());
    std::string schema_id(8, '\0');
    for (size_t i = 0; i < 8; i++)
        schema_id[i] = static_cast<char>(relation.schema_id() >> (56 - 8 * i));
    json.Key("schema_id").String(Hex(schema_id));
    if (relation.root_oid() != 0)
        json.Key("root").String(relation.root_namespace() + "." + relation.root_name());
    json.Key("replica_identity")
        .String(Word(v1::ReplicaIdentity_Name(relation.replica_identity()), "REPLICA_IDENTITY_"));
    if (!relation.key_id().empty())
        json.Key("key_id").String(relation.key_id());
    json.Key("columns").BeginArray();
    for (const v1::Column& column : relation.columns()) {
        json.BeginObject();
        json.Key("name").String(column.name());
        json.Key("attnum").Uint(column.attnum());
        json.Key("type").String(column.type_name());
        json.Key("typmod").Int(column.typmod());
        json.Key("key").Bool(column.is_key());
        json.Key("class").String(Word(v1::Class_Name(column.class_()), "CLASS_"));
        json.Key("action").String(Word(v1::Action_Name(column.action()), "ACTION_"));
        if (!column.domain().empty())
            json.Key("domain").String(column.domain());
        json.Key("encoding").String(Word(v1::Encoding_Name(column.encoding()), "ENCODING_"));
        if (column.has_missing()) {
            json.Key("missing");
            WriteValue(column, column.missing(), &json);
        }
        json.EndObject();
    }
    json.EndArray().EndObject();
    Line(json.Take());
}

Result<Done> RecordPrinter::TakeChunk(uint64_t ordinal, const v1::ValueChunk& chunk)
{
    const auto found = relations_.find(chunk.relation_id());
    if (found != relations_.end() && !Shows(found->second))
        return Done{};
    Chunked& value = chunked_[{chunk.side(), chunk.attnum()}];
    if (chunk.offset() == 0)
        value = {ordinal, chunk.total(), chunk.kind(), {}};
    return value.Add(ordinal, chunk.offset(), chunk.total(), chunk.data());
}

Result<Done> RecordPrinter::Chunked::Add(uint64_t of, uint64_t offset, uint64_t of_all,
                                         const std::string& piece)
{
    if (bytes.size() != offset || ordinal != of || total != of_all || total - bytes.size() < piece.size())
        return Damaged("a piece of a value does not follow the one before it");
    bytes += piece;
    return Done{};
}

std::optional<v1::Value> RecordPrinter::TakeWhole(uint64_t ordinal, v1::ValueChunk::Side side,
                                                  uint32_t attnum)
{
    const auto found = chunked_.find({side, attnum});
    if (found == chunked_.end() || found->second.ordinal != ordinal ||
        found->second.bytes.size() != found->second.total)
        return std::nullopt;
    v1::Value value;
    std::string& bytes = found->second.bytes;
    switch (found->second.kind) {
    case v1::ValueChunk::KIND_TEXT:
        value.set_text(std::move(bytes));
        break;
    case v1::ValueChunk::KIND_NUMERIC:
        value.set_numeric(std::move(bytes));
        break;
    default:
        value.set_bytes(std::move(bytes));
    }
    chunked_.erase(found);
    return value;
}

Result<Done> RecordPrinter::PrintChange(const v1::Batch& batch, const v1::Record& record)
{
    const v1::Change& change = record.change();
    const auto found = relations_.find(change.relation_id());
    if (found == relations_.end())
        return Damaged("change of relation " + std::to_string(change.relation_id()) +
                       ", which was not announced before");
    const v1::Relation& relation = found->second;
    if (!Shows(relation))
        return Done{};
    const auto whole = [&](v1::ValueChunk::Side side) -> WholeValue {
        return [this, side, ordinal = record.ordinal()](uint32_t attnum) {
            return TakeWhole(ordinal, side, attnum);
        };
    };
    JsonWriter json;
    json.BeginObject();
    json.Key("op").String(Word(v1::Operation_Name(change.operation()), "OPERATION_"));
    json.Key("table").String(TableName(relation));
    WriteTransaction(batch, record.ordinal(), &json);
    if (change.has_new_()) {
        json.Key("new");
        auto written = WriteRow(relation, change.new_(), false, whole(v1::ValueChunk::SIDE_NEW), &json);
        if (!written.ok())
            return written;
    }
    if (change.has_old()) {
        json.Key("old_kind").String(Word(v1::OldKind_Name(change.old_kind()), "OLD_KIND_"));
        json.Key("old");
        auto written = WriteRow(relation, change.old(), change.old_kind() == v1::OLD_KIND_KEY,
                                whole(v1::ValueChunk::SIDE_OLD), &json);
        if (!written.ok())
            return written;
    } else if (change.operation() != v1::OPERATION_INSERT &&
               relation.replica_identity() == v1::REPLICA_IDENTITY_NOTHING) {
        // Which row it was, nobody can tell.
        json.Key("replica_identity").String("NOTHING");
    }
    json.EndObject();
    // Pieces that the change does not speak of are of no later one.
    chunked_.clear();
    Line(json.Take());
    return Done{};
}

Result<Done> RecordPrinter::PrintTruncate(const v1::Batch& batch, const v1::Record& record)
{
    JsonWriter json;
    bool wanted = filter_.table.empty();
    json.BeginObject();
    json.Key("op").String("TRUNCATE");
    json.Key("tables").BeginArray();
    for (const uint32_t id : record.truncate().relation_ids()) {
        const auto found = relations_.find(id);
        if (found == relations_.end())
            return Damaged("truncate of relation " + std::to_string(id) + ", which was not announced before");
        const std::string name = TableName(found->second);
        wanted = wanted || name == filter_.table;
        json.String(name);
    }
    json.EndArray();
    WriteTransaction(batch, record.ordinal(), &json);
    json.Key("cascade").Bool(record.truncate().cascade());
    json.Key("restart_identity").Bool(record.truncate().restart_identity());
    json.EndObject();
    if (wanted)
        Line(json.Take());
    return Done{};
}

void RecordPrinter::PrintDdl(const v1::Batch& batch, const v1::Record& record)
{
    const v1::Ddl& ddl = record.ddl();
    const std::string name = ddl.namespace_() + "." + ddl.name();
    const std::string parent = ddl.parent_namespace() + "." + ddl.parent_name();
    // By any name that somebody who follows the table may know.
    std::vector<std::string> names = {name};
    if (ddl.kind() == v1::Ddl::KIND_RENAME_TABLE)
        names.push_back(ddl.namespace_() + "." + ddl.old_name());
    if (ddl.kind() == v1::Ddl::KIND_SET_SCHEMA)
        names.push_back(ddl.old_name() + "." + ddl.name());
    if (ddl.parent_oid() != 0)
        names.push_back(parent);
    if (!filter_.table.empty() && std::find(names.begin(), names.end(), filter_.table) == names.end())
        return;
    JsonWriter json;
    json.BeginObject();
    json.Key("op").String("DDL");
    const bool known = v1::Ddl::Kind_IsValid(ddl.kind());
    json.Key("kind").String(known ? Word(v1::Ddl::Kind_Name(ddl.kind()), "KIND_") : "UNSPECIFIED");
    if (ddl.kind() == v1::Ddl::KIND_RENAME_SCHEMA)
        json.Key("schema").String(ddl.name());
    else
        json.Key(ddl.kind() == v1::Ddl::KIND_ALTER_TYPE ? "type" : "table").String(name);
    WriteTransaction(batch, record.ordinal(), &json);
    json.Key("oid").Uint(ddl.oid());
    if (ddl.attnum() != 0) {
        json.Key("column").String(ddl.column());
        json.Key("attnum").Uint(ddl.attnum());
    }
    if (!ddl.old_name().empty())
        json.Key("old_name").String(ddl.old_name());
    if (ddl.parent_oid() != 0) {
        json.Key("parent").String(parent);
        json.Key("parent_oid").Uint(ddl.parent_oid());
    }
    json.EndObject();
    Line(json.Take());
}

Result<Done> RecordPrinter::PrintMessage(const v1::Batch& batch, const v1::Record& record)
{
    const v1::Message& message = record.message();
    if (!filter_.table.empty())
        return Done{};
    // Between the chunks of no change, so that the place may be shared.
    Chunked& whole = chunked_[{v1::ValueChunk::SIDE_UNSPECIFIED, 0}];
    if (message.offset() == 0)
        whole = {record.ordinal(), message.total(), v1::ValueChunk::KIND_BYTES, {}};
    auto added = whole.Add(record.ordinal(), message.offset(), message.total(), message.content());
    if (!added.ok() || whole.bytes.size() < whole.total)
        return added;
    JsonWriter json;
    json.BeginObject();
    json.Key("op").String("MESSAGE");
    json.Key("prefix").String(message.prefix());
    WriteTransaction(batch, record.ordinal(), &json);
    json.Key("transactional").Bool(batch.has_committed());
    json.Key("content");
    if (wire::IsUtf8(whole.bytes))
        json.String(whole.bytes);
    else
        json.BeginObject().Key("bytes").String(Hex(whole.bytes)).EndObject();
    json.EndObject();
    chunked_.clear();
    Line(json.Take());
    return Done{};
}

void RecordPrinter::PrintStats(const v1::Batch& batch, const v1::Stats& stats)
{
    JsonWriter json;
    json.BeginObject();
    json.Key("op").String("STATS");
    WriteTransaction(batch, 0, &json);
    json.Key("tables").BeginArray();
    for (const v1::RelationStats& entry : stats.relations()) {
        json.BeginObject();
        json.Key("table").String(entry.namespace_() + "." + entry.name());
        json.Key("withheld").Uint(entry.withheld());
        json.Key("uncarried").Uint(entry.uncarried());
        json.Key("not_emitted").Uint(entry.not_emitted());
        json.EndObject();
    }
    json.EndArray().EndObject();
    Line(json.Take());
}

} // namespace wal2lake
