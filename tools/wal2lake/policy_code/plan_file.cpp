#include "policy_code/plan_file.h"

#include <array>
#include <charconv>
#include <utility>

#include "json_text.h"
#include "json_writer.h"

namespace wal2lake
{
namespace
{

constexpr uint64_t kFormat = 1;

constexpr std::array<std::pair<Effect, const char*>, 5> kEffects{{
    {Effect::kNewlyClear, "newly-clear"},
    {Effect::kNewlyHashed, "newly-hashed"},
    {Effect::kOtherTokens, "other-tokens"},
    {Effect::kCloses, "closes"},
    {Effect::kSame, "same"},
}};

constexpr std::array<w2l_action, 3> kActions{W2L_ACTION_CLEAR, W2L_ACTION_HASH, W2L_ACTION_DROP};

const char* NameOf(Effect effect)
{
    for (const auto& [each, name] : kEffects)
        if (each == effect)
            return name;
    return "";
}

void WriteOptional(JsonWriter* json, const char* key, const std::optional<std::string>& text)
{
    json->Key(key);
    if (text)
        json->String(*text);
    else
        json->Null();
}

void WriteColumn(JsonWriter* json, const PlannedColumn& column)
{
    json->BeginObject();
    json->Key("column").String(column.name);
    json->Key("attnum").Int(column.attnum);
    json->Key("type").String(column.type);
    json->Key("effect").String(NameOf(column.effect));
    json->Key("old_action").String(w2l_action_name(column.old_action));
    json->Key("new_action").String(w2l_action_name(column.new_action));
    WriteOptional(json, "old_label", column.old_label);
    WriteOptional(json, "new_label", column.new_label);
    WriteOptional(json, "labelled_as", column.labelled_as);
    json->Key("file").String(column.place.file);
    json->Key("line").Uint(column.place.line);
    json->EndObject();
}

void WriteTable(JsonWriter* json, const PlannedTable& table)
{
    json->BeginObject();
    json->Key("schema").String(table.schema);
    json->Key("table").String(table.name);
    json->Key("oid").Uint(table.oid);
    json->Key("state").String(table.state);
    WriteOptional(json, "old_label", table.old_label);
    WriteOptional(json, "new_label", table.new_label);
    WriteOptional(json, "labelled_as", table.labelled_as);
    json->Key("columns").BeginArray();
    for (const PlannedColumn& column : table.columns)
        WriteColumn(json, column);
    json->EndArray();
    json->EndObject();
}

void WriteLabels(JsonWriter* json, const char* key, const ColumnLabels& labels)
{
    json->Key(key).BeginArray();
    for (const auto& [column, label] : labels) {
        json->BeginObject();
        json->Key("column").String(column);
        json->Key("label").String(label);
        json->EndObject();
    }
    json->EndArray();
}

void WriteDeclarations(JsonWriter* json, const PlannedDeclarations& table)
{
    json->BeginObject();
    json->Key("schema").String(table.schema);
    json->Key("table").String(table.table);
    json->Key("added").Uint(table.added());
    json->Key("removed").Uint(table.removed());
    WriteLabels(json, "labels", table.wanted);
    WriteLabels(json, "standing", table.standing);
    json->Key("version").Uint(table.version);
    json->EndObject();
}

// Takes members out of an object, and remembers whether all were there and of the right kind.
class Reader
{
  public:
    explicit Reader(const JsonValue& object) : object_(object) {}

    std::string Text(const char* name)
    {
        const JsonValue* value = Take(name, JsonValue::Kind::kText);
        return value == nullptr ? "" : value->text;
    }
    std::optional<std::string> OptionalText(const char* name)
    {
        const JsonValue* value = object_.Find(name);
        if (value != nullptr && value->kind == JsonValue::Kind::kNull)
            return std::nullopt;
        return Text(name);
    }
    template <typename Number>
    Number Whole(const char* name)
    {
        const JsonValue* value = Take(name, JsonValue::Kind::kNumber);
        Number number = 0;
        if (value != nullptr) {
            const char* end = value->text.data() + value->text.size();
            const auto parsed = std::from_chars(value->text.data(), end, number);
            whole_ = whole_ && parsed.ec == std::errc() && parsed.ptr == end;
        }
        return number;
    }
    bool Truth(const char* name)
    {
        const JsonValue* value = Take(name, JsonValue::Kind::kBool);
        return value != nullptr && value->truth;
    }
    const std::vector<JsonValue>& Items(const char* name)
    {
        static const std::vector<JsonValue> none;
        const JsonValue* value = Take(name, JsonValue::Kind::kArray);
        return value == nullptr ? none : value->items;
    }
    w2l_action Action(const char* name)
    {
        const std::string text = Text(name);
        for (const w2l_action action : kActions)
            if (text == w2l_action_name(action))
                return action;
        whole_ = false;
        return W2L_ACTION_DROP;
    }
    Effect EffectOf(const char* name)
    {
        const std::string text = Text(name);
        for (const auto& [effect, word] : kEffects)
            if (text == word)
                return effect;
        whole_ = false;
        return Effect::kSame;
    }
    void Include(const Reader& part) { Require(part.whole_); }
    void Require(bool holds) { whole_ = whole_ && holds; }
    bool whole() const { return whole_; }

  private:
    const JsonValue* Take(const char* name, JsonValue::Kind kind)
    {
        const JsonValue* value = object_.Find(name);
        if (value != nullptr && value->kind == kind)
            return value;
        whole_ = false;
        return nullptr;
    }

    const JsonValue& object_;
    bool whole_ = true;
};

PlannedColumn ReadColumn(Reader* reader)
{
    PlannedColumn column;
    column.name = reader->Text("column");
    column.attnum = reader->Whole<int>("attnum");
    column.type = reader->Text("type");
    column.effect = reader->EffectOf("effect");
    column.old_action = reader->Action("old_action");
    column.new_action = reader->Action("new_action");
    column.old_label = reader->OptionalText("old_label");
    column.new_label = reader->OptionalText("new_label");
    column.labelled_as = reader->OptionalText("labelled_as");
    column.place = {reader->Text("file"), reader->Whole<size_t>("line")};
    return column;
}

PlannedTable ReadTable(Reader* reader)
{
    PlannedTable table;
    table.schema = reader->Text("schema");
    table.name = reader->Text("table");
    table.oid = reader->Whole<uint32_t>("oid");
    table.state = reader->Text("state");
    table.old_label = reader->OptionalText("old_label");
    table.new_label = reader->OptionalText("new_label");
    table.labelled_as = reader->OptionalText("labelled_as");
    for (const JsonValue& item : reader->Items("columns")) {
        Reader column(item);
        table.columns.push_back(ReadColumn(&column));
        reader->Include(column);
    }
    return table;
}

ColumnLabels ReadLabels(Reader* reader, const char* key)
{
    ColumnLabels labels;
    for (const JsonValue& item : reader->Items(key)) {
        Reader label(item);
        const std::string column = label.Text("column");
        reader->Require(labels.emplace(column, label.Text("label")).second);
        reader->Include(label);
    }
    return labels;
}

PlannedDeclarations ReadDeclarations(Reader* reader)
{
    PlannedDeclarations table;
    table.schema = reader->Text("schema");
    table.table = reader->Text("table");
    table.wanted = ReadLabels(reader, "labels");
    table.standing = ReadLabels(reader, "standing");
    table.version = reader->Whole<uint64_t>("version");
    // For people who read the file; told from the labels.
    reader->Require(reader->Whole<size_t>("added") == table.added());
    reader->Require(reader->Whole<size_t>("removed") == table.removed());
    return table;
}

} // namespace

std::string FormatPlanJson(const Plan& plan)
{
    JsonWriter json;
    json.BeginObject();
    json.Key("format").Uint(kFormat);
    // As text: JSON's numbers are not exact up there.
    json.Key("system_id").String(std::to_string(plan.system_id));
    json.Key("database_oid").Uint(plan.database_oid);
    json.Key("database").String(plan.database);
    json.Key("changes").Bool(!plan.empty());
    json.Key("knows_renames").Bool(plan.knows_renames);
    json.Key("undecided_columns").Uint(plan.undecided_columns);
    json.Key("tables_without_document").Uint(plan.tables_without_document);
    json.Key("tables").BeginArray();
    for (const PlannedTable& table : plan.tables)
        WriteTable(&json, table);
    json.EndArray();
    json.Key("declarations").BeginArray();
    for (const PlannedDeclarations& table : plan.declarations)
        WriteDeclarations(&json, table);
    json.EndArray();
    json.EndObject();
    return json.Take() + "\n";
}

Result<Plan> ParsePlanJson(const std::string& text)
{
    const auto document = ReadJson(text);
    const Error no_plan{ErrorKind::kInvalid,
                        "is no plan of this version of wal2lake; make one with wal2lake policy plan --json"};
    if (!document)
        return no_plan;
    Reader reader(*document);
    if (reader.Whole<uint64_t>("format") != kFormat || !reader.whole())
        return no_plan;
    Plan plan;
    const std::string system_id = reader.Text("system_id");
    const char* end = system_id.data() + system_id.size();
    const auto number = std::from_chars(system_id.data(), end, plan.system_id);
    if (number.ec != std::errc() || number.ptr != end)
        return no_plan;
    plan.database_oid = reader.Whole<uint32_t>("database_oid");
    plan.database = reader.Text("database");
    plan.knows_renames = reader.Truth("knows_renames");
    plan.undecided_columns = reader.Whole<size_t>("undecided_columns");
    plan.tables_without_document = reader.Whole<size_t>("tables_without_document");
    for (const JsonValue& item : reader.Items("tables")) {
        Reader table(item);
        plan.tables.push_back(ReadTable(&table));
        reader.Include(table);
    }
    for (const JsonValue& item : reader.Items("declarations")) {
        Reader declarations(item);
        plan.declarations.push_back(ReadDeclarations(&declarations));
        reader.Include(declarations);
    }
    if (!reader.whole())
        return no_plan;
    return plan;
}

} // namespace wal2lake
