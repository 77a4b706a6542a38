#include "core/record_text.h"

#include "core/ddl.h"
#include "core/label.h"

#include <array>
#include <string_view>

namespace wal2lake
{
namespace
{

using namespace wire;

constexpr std::array<const char*, 5> kIdentityNames = {"unspecified", "default", "index", "full", "nothing"};
constexpr std::array<const char*, 16> kEncodingNames = {
    "unspecified", "bool", "int",  "float32",   "float64",     "text", "bytes", "numeric",
    "uuid",        "date", "time", "timestamp", "timestamptz", "json", "enum",  "output_text"};
constexpr std::array<const char*, 4> kReasonNames = {"unspecified", "too_large", "output_failed",
                                                     "invalid_text"};
constexpr std::array<const char*, 4> kOperationNames = {"CHANGE", "INSERT", "UPDATE", "DELETE"};

/* A number that this version does not know reads as unspecified. */
template <size_t Size>
const char* NameOf(const std::array<const char*, Size>& names, int32_t value)
{
    const bool known = value >= 0 && static_cast<size_t>(value) < Size;
    const char* const* const first = names.data();
    return known ? first[value] : first[0];
}

template <typename Enum>
Enum Known(int32_t value, Enum last)
{
    return static_cast<Enum>(value >= 0 && value <= static_cast<int32_t>(last) ? value : 0);
}

void AddUncarried(std::string_view bytes, Lines* lines)
{
    int32_t reason = 0;
    uint64_t size = 0;
    FieldReader field = lines->Fields(bytes);
    while (field.Next()) {
        if (field.tag() == VarintTag(1))
            reason = field.Enum();
        else if (field.tag() == VarintTag(2))
            size = field.Uint64();
    }
    lines->Add("uncarried:").Add(NameOf(kReasonNames, reason)).Add(":").Add(size);
}

void AddMarker(int32_t marker, Lines* lines)
{
    constexpr std::array<const char*, 4> kNames = {"marker", "unchanged", "withheld", "chunked"};
    lines->Add(NameOf(kNames, marker));
}

/* False where the field is no member of a value that this version knows. */
bool AddMember(const FieldReader& field, Lines* lines)
{
    switch (field.tag()) {
    case VarintTag(1):
        lines->AddSigned(field.Sint64());
        break;
    case Fixed64Tag(2):
        lines->AddFloat(field.Double());
        break;
    case Fixed32Tag(3):
        lines->AddFloat(field.Float());
        break;
    case VarintTag(4):
        lines->Add(field.Bool() ? "true" : "false");
        break;
    case BytesTag(5):
        lines->AddQuoted(field.Text());
        break;
    case BytesTag(6):
        lines->Add("\\x").AddHex(field.Bytes());
        break;
    case BytesTag(7):
        lines->AddName(field.Text());
        break;
    case BytesTag(8):
        lines->Add("token:").AddHex(field.Bytes());
        break;
    case VarintTag(9):
        AddMarker(field.Enum(), lines);
        break;
    case BytesTag(10):
        AddUncarried(field.Bytes(), lines);
        break;
    default:
        return false;
    }
    return true;
}

/* A member that this version does not know may be a value: only a message without any field is NULL. */
void AddValue(std::string_view bytes, Lines* lines)
{
    bool shown = false;
    FieldReader field = lines->Fields(bytes);
    while (field.Next()) {
        if (!AddMember(field, lines))
            continue;
        if (shown)
            lines->Damage();
        shown = true;
    }
    if (!shown)
        lines->Add(bytes.empty() ? "NULL" : "unknown");
}

/* Values with their columns' names; `$n` where the relation was not seen. */
void AddRow(std::string_view bytes, const KnownRelation* relation, bool key_only, Lines* lines)
{
    size_t column = 0;
    size_t position = 0;
    FieldReader field = lines->Fields(bytes);
    while (field.Next()) {
        if (field.tag() != BytesTag(1))
            continue;
        ++position;
        while (key_only && relation != nullptr && column < relation->columns.size() &&
               !relation->columns[column].is_key)
            ++column;
        lines->Add(" ");
        if (relation != nullptr && column < relation->columns.size())
            lines->AddName(relation->columns[column].name);
        else
            lines->Add("$").Add(position);
        lines->Add("=");
        AddValue(field.Bytes(), lines);
        ++column;
    }
}

void AddTableName(const Relations& relations, uint32_t id, Lines* lines)
{
    auto found = relations.find(id);
    if (found != relations.end())
        lines->AddName(found->second.name);
    else
        lines->Add("relation#").Add(id);
}

/* What a Column says of itself. */
struct ColumnFields {
    KnownColumn known;
    std::string_view type, domain, missing;
    bool has_missing = false;
    int32_t class_ = 0, action = 0, encoding = 0;
    uint32_t type_oid = 0, base_type_oid = 0, element_type_oid = 0;
};

ColumnFields ReadColumn(FieldReader field)
{
    ColumnFields column;
    while (field.Next()) {
        switch (field.tag()) {
        case VarintTag(1):
            column.known.attnum = field.Uint32();
            break;
        case BytesTag(2):
            column.known.name = field.Text();
            break;
        case VarintTag(3):
            column.type_oid = field.Uint32();
            break;
        case BytesTag(4):
            column.type = field.Text();
            break;
        case VarintTag(6):
            column.base_type_oid = field.Uint32();
            break;
        case VarintTag(7):
            column.element_type_oid = field.Uint32();
            break;
        case VarintTag(8):
            column.known.is_key = field.Bool();
            break;
        case VarintTag(9):
            column.class_ = field.Enum();
            break;
        case VarintTag(10):
            column.action = field.Enum();
            break;
        case BytesTag(11):
            column.domain = field.Text();
            break;
        case VarintTag(12):
            column.encoding = field.Enum();
            break;
        case BytesTag(13):
            column.missing = field.Bytes();
            column.has_missing = true;
            break;
        }
    }
    return column;
}

KnownColumn AddColumn(std::string_view bytes, Lines* lines)
{
    ColumnFields column = ReadColumn(lines->Fields(bytes));
    lines->Start().Add("  ").AddName(column.known.name).Add(" ").AddName(column.type);
    if (column.known.is_key)
        lines->Add(" key");
    lines->Add(" ").Add(w2l_class_name(Known(column.class_, W2L_CLASS_REGULATED_RED)));
    lines->Add(" ").Add(w2l_action_name(Known(column.action, W2L_ACTION_DROP)));
    if (!column.domain.empty())
        lines->Add(" domain=").AddName(column.domain);
    lines->Add(" as ").Add(NameOf(kEncodingNames, column.encoding));
    if (column.base_type_oid != column.type_oid)
        lines->Add(" over a domain");
    if (column.element_type_oid != 0)
        lines->Add(" array");
    if (column.has_missing) {
        lines->Add(" missing=");
        AddValue(column.missing, lines);
    }
    return std::move(column.known);
}

/* What a Relation says of itself, apart from its columns. */
struct RelationHeader {
    uint32_t id = 0, oid = 0;
    int32_t identity = 0;
    uint64_t schema_id = 0;
    std::string_view namespace_, name, root_namespace, root_name, key_id;
};

RelationHeader ReadRelationHeader(FieldReader field)
{
    RelationHeader header;
    while (field.Next()) {
        switch (field.tag()) {
        case VarintTag(1):
            header.id = field.Uint32();
            break;
        case Fixed64Tag(2):
            header.schema_id = field.Fixed64();
            break;
        case VarintTag(3):
            header.oid = field.Uint32();
            break;
        case BytesTag(4):
            header.namespace_ = field.Text();
            break;
        case BytesTag(5):
            header.name = field.Text();
            break;
        case BytesTag(7):
            header.root_namespace = field.Text();
            break;
        case BytesTag(8):
            header.root_name = field.Text();
            break;
        case VarintTag(9):
            header.identity = field.Enum();
            break;
        case BytesTag(11):
            header.key_id = field.Text();
            break;
        }
    }
    return header;
}

void AddRelation(std::string_view body, Relations* relations, Lines* lines)
{
    const RelationHeader header = ReadRelationHeader(lines->Fields(body));
    KnownRelation relation;
    relation.name.append(header.namespace_).append(".").append(header.name);
    lines->Start().Add("relation ").AddName(relation.name);
    if (!header.root_namespace.empty() || !header.root_name.empty())
        lines->Add(" partition of ").AddName(header.root_namespace).Add(".").AddName(header.root_name);
    lines->Add(" identity=").Add(NameOf(kIdentityNames, header.identity));
    if (!header.key_id.empty())
        lines->Add(" key_id=").AddName(header.key_id);
    if (lines->positions()) {
        lines->Add(" id=").Add(header.id).Add(" oid=").Add(header.oid);
        lines->Add(" schema_id=").Add(header.schema_id);
    }
    FieldReader field = lines->Fields(body);
    while (field.Next())
        if (field.tag() == BytesTag(10))
            relation.columns.push_back(AddColumn(field.Bytes(), lines));
    (*relations)[header.id] = std::move(relation);
}

void AddChange(const RecordView& record, const Relations& relations, Lines* lines)
{
    constexpr int32_t kOldKey = 1;
    ChangeView change;
    if (!ScanChange(record.body, &change).ok())
        lines->Damage();
    int32_t old_kind = 0;
    FieldReader header = lines->Fields(record.body);
    while (header.Next())
        if (header.tag() == VarintTag(5))
            old_kind = header.Enum();
    auto found = relations.find(change.relation_id);
    const KnownRelation* relation = found != relations.end() ? &found->second : nullptr;
    lines->Start().Add(record.ordinal).Add(" ");
    lines->Add(NameOf(kOperationNames, static_cast<int32_t>(change.operation))).Add(" ");
    AddTableName(relations, change.relation_id, lines);
    lines->Add(":");
    FieldReader rows = lines->Fields(record.body);
    while (rows.Next()) {
        if (rows.tag() == BytesTag(3)) {
            AddRow(rows.Bytes(), relation, false, lines);
        } else if (rows.tag() == BytesTag(4)) {
            lines->Add(old_kind == kOldKey ? " (old key:" : " (old:");
            AddRow(rows.Bytes(), relation, old_kind == kOldKey, lines);
            lines->Add(")");
        }
    }
}

void AddColumnName(const Relations& relations, uint32_t relation_id, uint32_t attnum, Lines* lines)
{
    const auto found = relations.find(relation_id);
    if (found != relations.end())
        for (const KnownColumn& column : found->second.columns)
            if (column.attnum == attnum) {
                lines->AddName(column.name);
                return;
            }
    lines->Add("#").Add(attnum);
}

/* Where a piece belongs and how much it is; its bytes would be a line of a megabyte. */
void AddValueChunk(const RecordView& record, const Relations& relations, Lines* lines)
{
    constexpr std::array<const char*, 3> kSides = {"unspecified", "new", "old"};
    constexpr std::array<const char*, 4> kKinds = {"unspecified", "text", "bytes", "numeric"};
    uint32_t relation_id = 0, attnum = 0;
    int32_t side = 0, kind = 0;
    uint64_t offset = 0, total = 0;
    bool last = false;
    size_t length = 0;
    FieldReader field = lines->Fields(record.body);
    while (field.Next()) {
        switch (field.tag()) {
        case VarintTag(1):
            relation_id = field.Uint32();
            break;
        case VarintTag(2):
            side = field.Enum();
            break;
        case VarintTag(3):
            attnum = field.Uint32();
            break;
        case VarintTag(4):
            kind = field.Enum();
            break;
        case VarintTag(5):
            offset = field.Uint64();
            break;
        case VarintTag(6):
            total = field.Uint64();
            break;
        case VarintTag(7):
            last = field.Bool();
            break;
        case BytesTag(8):
            length = field.Bytes().size();
            break;
        }
    }
    lines->Start().Add(record.ordinal).Add(" CHUNK ");
    AddTableName(relations, relation_id, lines);
    lines->Add(": ").Add(NameOf(kSides, side)).Add(" ");
    AddColumnName(relations, relation_id, attnum, lines);
    lines->Add(" ").Add(NameOf(kKinds, kind)).Add(" ").Add(offset);
    lines->Add("+").Add(length).Add(" of ").Add(total);
    if (last)
        lines->Add(" last");
}

void AddTruncate(const RecordView& record, const Relations& relations, Lines* lines)
{
    lines->Start().Add(record.ordinal).Add(" TRUNCATE");
    const char* separator = " ";
    const auto add_table = [&](uint32_t id) {
        lines->Add(separator);
        AddTableName(relations, id, lines);
        separator = ", ";
    };
    bool cascade = false, restart = false;
    FieldReader field = lines->Fields(record.body);
    while (field.Next()) {
        if (field.tag() == VarintTag(1)) { /* not packed, which proto3 allows */
            add_table(field.Uint32());
        } else if (field.tag() == BytesTag(1)) {
            PackedReader ids = lines->Packed(field.Bytes());
            while (ids.Next())
                add_table(ids.Uint32());
        } else if (field.tag() == VarintTag(2)) {
            cascade = field.Bool();
        } else if (field.tag() == VarintTag(3)) {
            restart = field.Bool();
        }
    }
    if (cascade)
        lines->Add(" cascade");
    if (restart)
        lines->Add(" restart_identity");
}

/* A name behind its schema's. */
void AddQualified(const char* before, std::string_view namespace_, std::string_view name, Lines* lines)
{
    if (!name.empty())
        lines->Add(before).AddName(namespace_).Add(namespace_.empty() ? "" : ".").AddName(name);
}

void AddDdl(const RecordView& record, Lines* lines)
{
    int32_t kind = 0;
    uint32_t attnum = 0;
    std::array<uint32_t, 2> oids = {};
    std::array<std::string_view, 11> names;
    FieldReader field = lines->Fields(record.body);
    while (field.Next()) {
        switch (field.tag()) {
        case VarintTag(1):
            kind = field.Enum();
            break;
        case VarintTag(2):
        case VarintTag(8):
            oids[field.tag() == VarintTag(8)] = field.Uint32();
            break;
        case VarintTag(5):
            attnum = field.Uint32();
            break;
        case BytesTag(3):
        case BytesTag(4):
        case BytesTag(6):
        case BytesTag(7):
        case BytesTag(9):
        case BytesTag(10):
            names[field.tag() >> 3] = field.Text();
            break;
        }
    }
    lines->Start().Add(record.ordinal).Add(" DDL ").Add(w2l_ddl_kind_name(kind));
    AddQualified(" ", names[3], names[4], lines);
    if (attnum != 0)
        lines->Add(" column ").AddName(names[6]).Add("#").Add(attnum);
    AddQualified(" from ", "", names[7], lines);
    AddQualified(" parent ", names[9], names[10], lines);
    if (lines->positions())
        lines->Add(" oid=").Add(oids[0]).Add(" parent_oid=").Add(oids[1]);
}

void AddRelationStats(std::string_view bytes, Lines* lines)
{
    std::string_view namespace_, name;
    std::array<uint64_t, 3> counts = {};
    FieldReader field = lines->Fields(bytes);
    while (field.Next()) {
        switch (field.tag()) {
        case BytesTag(2):
            namespace_ = field.Text();
            break;
        case BytesTag(3):
            name = field.Text();
            break;
        case VarintTag(4):
        case VarintTag(5):
        case VarintTag(6):
            counts[(field.tag() >> 3) - 4] = field.Uint64();
            break;
        }
    }
    lines->Start().Add("stats ").AddName(namespace_).Add(".").AddName(name);
    lines->Add(" withheld=").Add(counts[0]).Add(" uncarried=").Add(counts[1]);
    lines->Add(" not_emitted=").Add(counts[2]);
}

void AddStats(const RecordView& record, Lines* lines)
{
    FieldReader field = lines->Fields(record.body);
    while (field.Next())
        if (field.tag() == BytesTag(1))
            AddRelationStats(field.Bytes(), lines);
}

/* As a text where it can be one: what it was meant as is for its reader. */
void AddMessage(const RecordView& record, Lines* lines)
{
    std::string_view prefix, content;
    uint64_t offset = 0, total = 0;
    FieldReader field = lines->Fields(record.body);
    while (field.Next()) {
        switch (field.tag()) {
        case BytesTag(1):
            prefix = field.Text();
            break;
        case BytesTag(2):
            content = field.Bytes();
            break;
        case VarintTag(3):
            offset = field.Uint64();
            break;
        case VarintTag(4):
            total = field.Uint64();
            break;
        }
    }
    lines->Start().Add(record.ordinal).Add(" MESSAGE ").AddQuoted(prefix).Add(" ");
    if (content.size() == total && IsUtf8(content))
        lines->AddQuoted(content);
    else if (content.size() == total)
        lines->Add("\\x").AddHex(content);
    else
        lines->Add("bytes ").Add(offset).Add("+").Add(content.size()).Add(" of ").Add(total);
}

/* Changes that are counted and not sent. */
void AddSkipped(const RecordView& record, Lines* lines)
{
    uint64_t changes = 0;
    if (!ScanSkipped(record.body, &changes).ok())
        lines->Damage();
    lines->Start().Add("skipped ").Add(changes);
}

/* It has no fields yet. */
void AddStreamAbort(const RecordView& record, Lines* lines)
{
    lines->Start().Add("stream abort");
    FieldReader field = lines->Fields(record.body);
    while (field.Next()) {
    }
}

/* Whose a record of a batch in progress is. Its number would not repeat in a test. */
void AddSubtransaction(const RecordView& record, Lines* lines)
{
    if (record.subxid == 0)
        return;
    lines->Add(lines->positions() ? " subxid=" : " (subtransaction)");
    if (lines->positions())
        lines->Add(record.subxid);
}

} // namespace

void AddRecord(const RecordView& record, Relations* relations, Lines* lines)
{
    switch (record.kind) {
    case RecordKind::kRelation:
        AddRelation(record.body, relations, lines);
        break;
    case RecordKind::kChange:
        AddChange(record, *relations, lines);
        break;
    case RecordKind::kTruncate:
        AddTruncate(record, *relations, lines);
        break;
    case RecordKind::kStats:
        AddStats(record, lines);
        break;
    case RecordKind::kValueChunk:
        AddValueChunk(record, *relations, lines);
        break;
    case RecordKind::kDdl:
        AddDdl(record, lines);
        break;
    case RecordKind::kMessage:
        AddMessage(record, lines);
        break;
    case RecordKind::kStreamAbort:
        AddStreamAbort(record, lines);
        break;
    case RecordKind::kSkipped:
        AddSkipped(record, lines);
        break;
    default:
        lines->Start().Add("unknown record");
    }
    AddSubtransaction(record, lines);
}

} // namespace wal2lake
