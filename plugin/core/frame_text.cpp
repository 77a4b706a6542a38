#include "core/frame_text.h"

#include "core/frame_reader.h"
#include "core/guard.h"
#include "core/label.h"
#include "core/wire.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <protozero/pbf_reader.hpp>

using namespace wal2lake;
using namespace wal2lake::wire;

namespace
{

/* What a change needs to be shown of its relation. */
struct KnownColumn {
    std::string name;
    bool is_key = false;
};
struct KnownRelation {
    std::string name;
    std::vector<KnownColumn> columns;
};
using Relations = std::map<uint32_t, KnownRelation>;

constexpr std::array<const char*, 5> kIdentityNames = {"unspecified", "default", "index", "full", "nothing"};
constexpr std::array<const char*, 16> kEncodingNames = {
    "unspecified", "bool", "int",  "float32",   "float64",     "text", "bytes", "numeric",
    "uuid",        "date", "time", "timestamp", "timestamptz", "json", "enum",  "output_text"};
constexpr std::array<const char*, 4> kReasonNames = {"unspecified", "too_large", "output_failed",
                                                     "invalid_text"};
constexpr std::array<const char*, 4> kOperationNames = {"CHANGE", "INSERT", "UPDATE", "DELETE"};

template <size_t Size>
const char* NameOf(const std::array<const char*, Size>& names, uint64_t value)
{
    return value < Size ? names[value] : names[0];
}

/* One message worth of text. */
class Lines
{
  public:
    explicit Lines(bool positions) : positions_(positions) {}

    bool positions() const { return positions_; }
    std::string Take() { return std::move(text_); }

    Lines& Start()
    {
        if (!text_.empty())
            text_ += '\n';
        return *this;
    }
    Lines& Add(std::string_view text)
    {
        text_ += text;
        return *this;
    }
    Lines& Add(uint64_t number) { return Add(std::to_string(number)); }
    Lines& AddSigned(int64_t number) { return Add(std::to_string(number)); }
    Lines& AddLsn(uint64_t lsn)
    {
        char shown[32];
        std::snprintf(shown, sizeof shown, "%X/%X", static_cast<unsigned>(lsn >> 32),
                      static_cast<unsigned>(lsn));
        return Add(shown);
    }
    Lines& AddHex(std::string_view bytes)
    {
        for (char byte : bytes) {
            char digits[3];
            std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(static_cast<uint8_t>(byte)));
            text_ += digits;
        }
        return *this;
    }
    /* A name of the database's, with control characters as \xNN, so that a line stays a line. */
    Lines& AddName(std::string_view name)
    {
        for (char c : name)
            AddByte(c, false);
        return *this;
    }
    /* In single quotes, with quotes doubled and control characters as \xNN, so that a line stays a line. */
    Lines& AddQuoted(std::string_view text)
    {
        text_ += '\'';
        for (char c : text)
            AddByte(c, true);
        text_ += '\'';
        return *this;
    }
    template <typename Float>
    Lines& AddFloat(Float number)
    {
        char shown[64];
        auto end = std::to_chars(shown, shown + sizeof shown, number).ptr;
        return Add(std::string_view(shown, static_cast<size_t>(end - shown)));
    }

  private:
    void AddByte(char c, bool quoted)
    {
        if (quoted && c == '\'') {
            text_ += "''";
        } else if (static_cast<uint8_t>(c) < 0x20 || (quoted && c == '\\')) {
            char escaped[5];
            std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
            text_ += escaped;
        } else {
            text_ += c;
        }
    }

    bool positions_;
    std::string text_;
};

std::string_view View(const protozero::data_view& view)
{
    return {view.data(), view.size()};
}

void AddUncarried(protozero::pbf_reader reader, Lines* lines)
{
    uint64_t reason = 0;
    uint64_t bytes = 0;
    while (reader.next()) {
        switch (reader.tag_and_type()) {
        case VarintTag(1):
            reason = static_cast<uint64_t>(reader.get_enum());
            break;
        case VarintTag(2):
            bytes = reader.get_uint64();
            break;
        default:
            reader.skip();
        }
    }
    lines->Add("uncarried:").Add(NameOf(kReasonNames, reason)).Add(":").Add(bytes);
}

void AddMarker(int32_t marker, Lines* lines)
{
    constexpr std::array<const char*, 4> kNames = {"marker", "unchanged", "withheld", "chunked"};
    lines->Add(NameOf(kNames, static_cast<uint64_t>(marker)));
}

void AddValue(protozero::pbf_reader reader, Lines* lines)
{
    if (!reader.next()) {
        lines->Add("NULL");
        return;
    }
    switch (reader.tag_and_type()) {
    case VarintTag(1):
        lines->AddSigned(reader.get_sint64());
        break;
    case Fixed64Tag(2):
        lines->AddFloat(reader.get_double());
        break;
    case Fixed32Tag(3):
        lines->AddFloat(reader.get_float());
        break;
    case VarintTag(4):
        lines->Add(reader.get_bool() ? "true" : "false");
        break;
    case BytesTag(5):
        lines->AddQuoted(View(reader.get_view()));
        break;
    case BytesTag(6):
        lines->Add("\\x").AddHex(View(reader.get_view()));
        break;
    case BytesTag(7):
        lines->Add(View(reader.get_view()));
        break;
    case BytesTag(8):
        lines->Add("token:").AddHex(View(reader.get_view()));
        break;
    case VarintTag(9):
        AddMarker(reader.get_enum(), lines);
        break;
    case BytesTag(10):
        AddUncarried(reader.get_message(), lines);
        break;
    default:
        lines->Add("unknown");
    }
}

/* Values with their columns' names; `$n` where the relation was not seen. */
void AddRow(protozero::pbf_reader reader, const KnownRelation* relation, bool key_only, Lines* lines)
{
    size_t column = 0;
    size_t position = 0;
    while (reader.next(1, protozero::pbf_wire_type::length_delimited)) {
        protozero::pbf_reader value = reader.get_message();
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
        AddValue(value, lines);
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

KnownColumn AddColumn(protozero::pbf_reader reader, Lines* lines)
{
    KnownColumn column;
    std::string type, domain;
    uint64_t class_ = 0, action = 0, encoding = 0, type_oid = 0, base_type_oid = 0, element_type_oid = 0;
    while (reader.next()) {
        switch (reader.tag_and_type()) {
        case BytesTag(2):
            column.name = reader.get_string();
            break;
        case VarintTag(3):
            type_oid = reader.get_uint32();
            break;
        case BytesTag(4):
            type = reader.get_string();
            break;
        case VarintTag(6):
            base_type_oid = reader.get_uint32();
            break;
        case VarintTag(7):
            element_type_oid = reader.get_uint32();
            break;
        case VarintTag(8):
            column.is_key = reader.get_bool();
            break;
        case VarintTag(9):
            class_ = static_cast<uint64_t>(reader.get_enum());
            break;
        case VarintTag(10):
            action = static_cast<uint64_t>(reader.get_enum());
            break;
        case BytesTag(11):
            domain = reader.get_string();
            break;
        case VarintTag(12):
            encoding = static_cast<uint64_t>(reader.get_enum());
            break;
        default:
            reader.skip();
        }
    }
    lines->Start().Add("  ").AddName(column.name).Add(" ").AddName(type);
    if (column.is_key)
        lines->Add(" key");
    lines->Add(" ").Add(w2l_class_name(static_cast<w2l_class>(class_)));
    lines->Add(" ").Add(w2l_action_name(static_cast<w2l_action>(action)));
    if (!domain.empty())
        lines->Add(" domain=").AddName(domain);
    lines->Add(" as ").Add(NameOf(kEncodingNames, encoding));
    if (base_type_oid != type_oid)
        lines->Add(" over a domain");
    if (element_type_oid != 0)
        lines->Add(" array");
    return column;
}

void AddRelation(std::string_view body, Relations* relations, Lines* lines)
{
    uint32_t id = 0, oid = 0, identity = 0;
    uint64_t schema_id = 0;
    std::string namespace_, name, root, key_id;
    protozero::pbf_reader header(body.data(), body.size());
    while (header.next()) {
        switch (header.tag_and_type()) {
        case VarintTag(1):
            id = header.get_uint32();
            break;
        case Fixed64Tag(2):
            schema_id = header.get_fixed64();
            break;
        case VarintTag(3):
            oid = header.get_uint32();
            break;
        case BytesTag(4):
            namespace_ = header.get_string();
            break;
        case BytesTag(5):
            name = header.get_string();
            break;
        case BytesTag(7):
            root = header.get_string();
            break;
        case BytesTag(8):
            root += "." + header.get_string();
            break;
        case VarintTag(9):
            identity = header.get_uint32();
            break;
        case BytesTag(11):
            key_id = header.get_string();
            break;
        default:
            header.skip();
        }
    }
    KnownRelation relation;
    relation.name = namespace_ + "." + name;
    lines->Start().Add("relation ").AddName(relation.name);
    if (!root.empty())
        lines->Add(" partition of ").AddName(root);
    lines->Add(" identity=").Add(NameOf(kIdentityNames, identity));
    if (!key_id.empty())
        lines->Add(" key_id=").AddName(key_id);
    if (lines->positions())
        lines->Add(" id=").Add(id).Add(" oid=").Add(oid).Add(" schema_id=").Add(schema_id);
    protozero::pbf_reader columns(body.data(), body.size());
    while (columns.next(10, protozero::pbf_wire_type::length_delimited))
        relation.columns.push_back(AddColumn(columns.get_message(), lines));
    (*relations)[id] = std::move(relation);
}

void AddChange(const RecordView& record, const Relations& relations, Lines* lines)
{
    constexpr int kOldKey = 1;
    uint32_t relation_id = 0;
    uint64_t operation = 0;
    int old_kind = 0;
    protozero::pbf_reader header(record.body.data(), record.body.size());
    while (header.next()) {
        switch (header.tag_and_type()) {
        case VarintTag(1):
            relation_id = header.get_uint32();
            break;
        case VarintTag(2):
            operation = static_cast<uint64_t>(header.get_enum());
            break;
        case VarintTag(5):
            old_kind = header.get_enum();
            break;
        default:
            header.skip();
        }
    }
    auto found = relations.find(relation_id);
    const KnownRelation* relation = found != relations.end() ? &found->second : nullptr;
    lines->Start().Add(record.ordinal).Add(" ").Add(NameOf(kOperationNames, operation)).Add(" ");
    AddTableName(relations, relation_id, lines);
    lines->Add(":");
    protozero::pbf_reader rows(record.body.data(), record.body.size());
    while (rows.next()) {
        if (rows.tag_and_type() == BytesTag(3)) {
            AddRow(rows.get_message(), relation, false, lines);
        } else if (rows.tag_and_type() == BytesTag(4)) {
            lines->Add(old_kind == kOldKey ? " (old key:" : " (old:");
            AddRow(rows.get_message(), relation, old_kind == kOldKey, lines);
            lines->Add(")");
        } else {
            rows.skip();
        }
    }
}

void AddTruncate(const RecordView& record, const Relations& relations, Lines* lines)
{
    lines->Start().Add(record.ordinal).Add(" TRUNCATE");
    protozero::pbf_reader reader(record.body.data(), record.body.size());
    const char* separator = " ";
    const auto add_table = [&](uint32_t id) {
        lines->Add(separator);
        AddTableName(relations, id, lines);
        separator = ", ";
    };
    bool cascade = false, restart = false;
    while (reader.next()) {
        switch (reader.tag_and_type()) {
        case BytesTag(1):
            for (uint32_t id : reader.get_packed_uint32())
                add_table(id);
            break;
        case VarintTag(1): /* not packed, which proto3 allows */
            add_table(reader.get_uint32());
            break;
        case VarintTag(2):
            cascade = reader.get_bool();
            break;
        case VarintTag(3):
            restart = reader.get_bool();
            break;
        default:
            reader.skip();
        }
    }
    if (cascade)
        lines->Add(" cascade");
    if (restart)
        lines->Add(" restart_identity");
}

void AddStats(const RecordView& record, Lines* lines)
{
    protozero::pbf_reader reader(record.body.data(), record.body.size());
    while (reader.next(1, protozero::pbf_wire_type::length_delimited)) {
        protozero::pbf_reader entry = reader.get_message();
        std::string name;
        std::array<uint64_t, 3> counts = {};
        while (entry.next()) {
            switch (entry.tag_and_type()) {
            case BytesTag(2):
                name = entry.get_string();
                break;
            case BytesTag(3):
                name += "." + entry.get_string();
                break;
            case VarintTag(4):
            case VarintTag(5):
            case VarintTag(6):
                counts[entry.tag() - 4] = entry.get_uint64();
                break;
            default:
                entry.skip();
            }
        }
        lines->Start().Add("stats ").AddName(name).Add(" withheld=").Add(counts[0]);
        lines->Add(" uncarried=").Add(counts[1]).Add(" not_emitted=").Add(counts[2]);
    }
}

void AddBatchHeader(const BatchView& batch, Lines* lines)
{
    if (batch.kind != BatchKind::kCommitted)
        return;
    lines->Start().Add("transaction");
    if (lines->positions()) {
        lines->Add(" xid=").Add(batch.committed.xid);
        lines->Add(" commit_lsn=").AddLsn(batch.committed.commit_lsn);
        lines->Add(" end_lsn=").AddLsn(batch.committed.end_lsn);
        lines->Add(" commit_time_us=").AddSigned(batch.committed.commit_time_us);
    }
}

ReadResult AddBatch(std::string_view bytes, Relations* relations, Lines* lines)
{
    BatchView batch;
    ReadResult result = ScanBatch(bytes, &batch);
    if (!result.ok())
        return result;
    AddBatchHeader(batch, lines);
    RecordCursor cursor(batch);
    RecordView record;
    while ((result = cursor.Next(&record)).ok()) {
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
        default:
            lines->Start().Add("unknown record");
        }
    }
    if (result.damaged())
        return result;
    lines->Start().Add(batch.last ? "end" : "more");
    return {};
}

} // namespace

struct w2l_frame_text {
    Relations relations;
    std::string text;
};

extern "C" w2l_status w2l_frame_text_new(w2l_frame_text** out) noexcept
{
    return Guarded([&]() -> w2l_status {
        *out = std::make_unique<w2l_frame_text>().release();
        return W2L_OK;
    });
}

extern "C" void w2l_frame_text_free(w2l_frame_text* renderer) noexcept
{
    delete renderer;
}

extern "C" w2l_status w2l_frame_text_render(w2l_frame_text* renderer, const char* bytes, size_t length,
                                            bool positions, const char** text, const char** reason) noexcept
{
    *reason = "a record is malformed";
    w2l_status status = Guarded([&]() -> w2l_status {
        Lines lines(positions);
        std::string_view rest(bytes, length);
        for (;;) {
            MessageView message;
            size_t consumed = 0;
            ReadResult result = NextMessage(rest, &message, &consumed);
            rest.remove_prefix(result.damaged() ? 0 : consumed);
            if (result.status == ReadStatus::kNeedMore && rest.empty())
                break;
            if (result.status == ReadStatus::kNeedMore)
                result = {ReadStatus::kDamaged, "the bytes end inside a message"};
            if (result.ok())
                result = AddBatch(message.batch, &renderer->relations, &lines);
            if (!result.ok()) {
                *reason = result.reason;
                return W2L_INVALID;
            }
        }
        renderer->text = lines.Take();
        *text = renderer->text.c_str();
        return W2L_OK;
    });
    /* What protozero throws is about the bytes. */
    return status == W2L_INTERNAL ? W2L_INVALID : status;
}
