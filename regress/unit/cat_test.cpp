#include "cat.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "frames.h"
#include "json_writer.h"
#include "record_json.h"
#include "segment_writer.h"
#include "time_text.h"

namespace wal2lake
{
namespace
{

std::vector<std::string> Lines(const v1::Batch& batch, const RecordFilter& filter = {})
{
    std::vector<std::string> lines;
    RecordPrinter printer(filter, [&](const std::string& line) {
        lines.push_back(line);
        return true;
    });
    const auto printed = printer.Print(batch.SerializeAsString());
    EXPECT_TRUE(printed.ok()) << (printed.ok() ? "" : printed.error().text);
    return lines;
}

v1::Value* AddColumn(v1::Batch* batch, const char* name, v1::Encoding encoding)
{
    auto* column = batch->mutable_records(0)->mutable_relation()->add_columns();
    column->set_name(name);
    column->set_encoding(encoding);
    return batch->mutable_records(1)->mutable_change()->mutable_new_()->add_values();
}

TEST(RecordJson, ShowsEveryKindOfValue)
{
    v1::Batch batch = test::Committed(726, 0x16B3748, 0x16B3800);
    batch.mutable_committed()->set_commit_time_us(1'786'615'200'000'001);
    test::AddRelation(&batch, 1, "users");
    test::AddInsert(&batch, 1, 1, 1);
    AddColumn(&batch, "null", v1::ENCODING_TEXT);
    AddColumn(&batch, "empty", v1::ENCODING_TEXT)->set_text("");
    AddColumn(&batch, "text", v1::ENCODING_TEXT)->set_text("a\"b\\c\n\x01\xc3\xa9");
    AddColumn(&batch, "flag", v1::ENCODING_BOOL)->set_bool_(false);
    AddColumn(&batch, "half", v1::ENCODING_FLOAT64)->set_float64(0.1);
    AddColumn(&batch, "small", v1::ENCODING_FLOAT32)->set_float32(0.1F);
    AddColumn(&batch, "nan", v1::ENCODING_FLOAT64)->set_float64(std::numeric_limits<double>::quiet_NaN());
    AddColumn(&batch, "inf", v1::ENCODING_FLOAT64)->set_float64(-std::numeric_limits<double>::infinity());
    AddColumn(&batch, "amount", v1::ENCODING_NUMERIC)->set_numeric("12.3400");
    AddColumn(&batch, "raw", v1::ENCODING_BYTES)->set_bytes(std::string("\0\xff", 2));
    AddColumn(&batch, "uuid", v1::ENCODING_UUID)
        ->set_bytes("\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\x56\x78\x9a\xbc\xde\xf1");
    AddColumn(&batch, "day", v1::ENCODING_DATE)->set_int_(20'678);
    AddColumn(&batch, "ever", v1::ENCODING_DATE)->set_text("infinity");
    AddColumn(&batch, "at", v1::ENCODING_TIMESTAMPTZ)->set_int_(1'786'615'200'500'000);
    AddColumn(&batch, "email", v1::ENCODING_TEXT)->set_token(std::string(16, '\xab'));
    AddColumn(&batch, "bio", v1::ENCODING_TEXT)->set_marker(v1::MARKER_WITHHELD);
    AddColumn(&batch, "toast", v1::ENCODING_TEXT)->set_marker(v1::MARKER_UNCHANGED);
    auto* uncarried = AddColumn(&batch, "huge", v1::ENCODING_TEXT)->mutable_uncarried();
    uncarried->set_reason(v1::Uncarried::REASON_TOO_LARGE);
    uncarried->set_bytes(2'000'000);
    const auto lines = Lines(batch);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0],
              R"({"op":"INSERT","table":"public.users","commit_lsn":"0/16B3748","ordinal":1,"xid":726,)"
              R"("commit_time":"2026-08-13T10:00:00.000001Z","new":{"id":1,"null":null,"empty":"",)"
              R"("text":"a\"b\\c\n\u0001)"
              "\xc3\xa9"
              R"(","flag":false,"half":0.1,"small":0.1,"nan":"NaN","inf":"-Infinity","amount":"12.3400",)"
              R"("raw":{"bytes":"00ff"},"uuid":"12345678-9abc-def0-1234-56789abcdef1","day":"2026-08-13",)"
              R"("ever":"infinity","at":"2026-08-13 10:00:00.5+00",)"
              R"("email":{"token":"abababababababababababababababab"},"bio":{"withheld":true},)"
              R"("toast":{"unchanged":true},"huge":{"uncarried":{"reason":"TOO_LARGE","bytes":2000000}}}})"
              "\n");
}

// A member that a later version added to the oneof is no NULL.
TEST(RecordJson, TellsAnUnknownValueFromNull)
{
    v1::Batch batch = test::Committed(7, 0x1000, 0x1100);
    test::AddRelation(&batch, 1, "users");
    test::AddInsert(&batch, 1, 1, 5);
    v1::Value* value = batch.mutable_records(1)->mutable_change()->mutable_new_()->mutable_values(0);
    const auto shown = [&] { return Lines(batch).back(); };
    ASSERT_TRUE(value->ParseFromString(""));
    EXPECT_NE(shown().find("\"id\":null"), std::string::npos) << shown();
    ASSERT_TRUE(value->ParseFromString("\x78\x01")); // field 15, a varint
    EXPECT_NE(shown().find("\"id\":{\"unknown\":true}"), std::string::npos) << shown();
}

// An insert whose second column came in the pieces given, and its change.
v1::Batch InPieces(const std::vector<std::string>& pieces, v1::ValueChunk::Kind kind, uint64_t total)
{
    v1::Batch batch = test::Committed(7, 0x100, 0x180);
    test::AddRelation(&batch, 1, "notes");
    auto* column = batch.mutable_records(0)->mutable_relation()->add_columns();
    column->set_attnum(4);
    column->set_name("body");
    column->set_encoding(v1::ENCODING_TEXT);
    uint64_t offset = 0;
    for (const std::string& piece : pieces) {
        auto* record = batch.add_records();
        record->set_ordinal(3);
        auto* chunk = record->mutable_value_chunk();
        chunk->set_relation_id(1);
        chunk->set_side(v1::ValueChunk::SIDE_NEW);
        chunk->set_attnum(4);
        chunk->set_kind(kind);
        chunk->set_offset(offset);
        chunk->set_total(total);
        chunk->set_data(piece);
        offset += piece.size();
        chunk->set_last(offset == total);
    }
    test::AddInsert(&batch, 3, 1, 9);
    batch.mutable_records(batch.records_size() - 1)
        ->mutable_change()
        ->mutable_new_()
        ->add_values()
        ->set_marker(v1::MARKER_CHUNKED);
    return batch;
}

TEST(RecordJson, PutsChunksTogether)
{
    const auto body = [](const v1::Batch& batch) {
        const auto lines = Lines(batch);
        EXPECT_EQ(lines.size(), 1U);
        const size_t at = lines.at(0).find("\"body\":");
        return at == std::string::npos ? lines[0] : lines[0].substr(at);
    };
    EXPECT_EQ(body(InPieces({"one \xc3", "\xa9 ", "two"}, v1::ValueChunk::KIND_TEXT, 10)),
              "\"body\":\"one \xc3\xa9 two\"}}\n");
    EXPECT_EQ(body(InPieces({"\xff", "\x01"}, v1::ValueChunk::KIND_BYTES, 2)),
              "\"body\":{\"bytes\":\"ff01\"}}}\n");
    EXPECT_EQ(body(InPieces({"12", "34.5"}, v1::ValueChunk::KIND_NUMERIC, 6)), "\"body\":\"1234.5\"}}\n");
    // Of another table, of another time.
    EXPECT_TRUE(Lines(InPieces({"one"}, v1::ValueChunk::KIND_TEXT, 3), {"public.users", 0, false}).empty());
    EXPECT_TRUE(Lines(InPieces({"one"}, v1::ValueChunk::KIND_TEXT, 3), {"", 0x101, false}).empty());
}

TEST(RecordJson, RefusesChunksThatAreNoWholeValue)
{
    const auto refusal = [](const v1::Batch& batch) {
        RecordPrinter printer({}, [](const std::string&) { return true; });
        const auto printed = printer.Print(batch.SerializeAsString());
        return printed.ok() ? "" : printed.error().text;
    };
    const char* not_whole = "a value of public.notes came in chunks, and not whole";
    const char* no_piece = "a piece of a value does not follow the one before it";
    EXPECT_EQ(refusal(InPieces({"one"}, v1::ValueChunk::KIND_TEXT, 3)), "");
    EXPECT_EQ(refusal(InPieces({}, v1::ValueChunk::KIND_TEXT, 3)), not_whole);
    EXPECT_EQ(refusal(InPieces({"one"}, v1::ValueChunk::KIND_TEXT, 4)), not_whole);
    EXPECT_EQ(refusal(InPieces({"one"}, v1::ValueChunk::KIND_TEXT, 2)), no_piece);
    v1::Batch batch = InPieces({"one", "two"}, v1::ValueChunk::KIND_TEXT, 6);
    batch.mutable_records()->DeleteSubrange(1, 1);
    EXPECT_EQ(refusal(batch), no_piece);
    batch = InPieces({"one", "two"}, v1::ValueChunk::KIND_TEXT, 6);
    batch.mutable_records(2)->set_ordinal(4);
    EXPECT_EQ(refusal(batch), no_piece);
    batch = InPieces({"one"}, v1::ValueChunk::KIND_TEXT, 3);
    batch.mutable_records(2)->set_ordinal(4);
    EXPECT_EQ(refusal(batch), not_whole);
}

TEST(RecordJson, ShowsOldKeysAndTruncates)
{
    v1::Batch batch = test::Committed(7, 0x100, 0x180);
    batch.mutable_committed()->set_commit_time_us(0);
    test::AddRelation(&batch, 1, "users");
    batch.mutable_records(0)->mutable_relation()->add_columns()->set_name("bio");
    auto* record = batch.add_records();
    record->set_ordinal(4);
    auto* change = record->mutable_change();
    change->set_relation_id(1);
    change->set_operation(v1::OPERATION_DELETE);
    change->set_old_kind(v1::OLD_KIND_KEY);
    change->mutable_old()->add_values()->set_int_(9);
    auto* truncate = batch.add_records();
    truncate->set_ordinal(5);
    truncate->mutable_truncate()->add_relation_ids(1);
    truncate->mutable_truncate()->set_cascade(true);
    const auto lines = Lines(batch);
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0], R"({"op":"DELETE","table":"public.users","commit_lsn":"0/100","ordinal":4,"xid":7,)"
                        R"("commit_time":"1970-01-01T00:00:00.000000Z","old_kind":"KEY","old":{"id":9}})"
                        "\n");
    EXPECT_EQ(lines[1], R"({"op":"TRUNCATE","tables":["public.users"],"commit_lsn":"0/100","ordinal":5,)"
                        R"("xid":7,"commit_time":"1970-01-01T00:00:00.000000Z","cascade":true,)"
                        R"("restart_identity":false})"
                        "\n");
}

TEST(RecordJson, SaysThatNobodyKnowsTheOldRow)
{
    v1::Batch batch = test::Committed(7, 0x100, 0x180);
    batch.mutable_committed()->set_commit_time_us(0);
    test::AddRelation(&batch, 1, "users");
    batch.mutable_records(0)->mutable_relation()->set_replica_identity(v1::REPLICA_IDENTITY_NOTHING);
    auto* record = batch.add_records();
    record->set_ordinal(4);
    record->mutable_change()->set_relation_id(1);
    record->mutable_change()->set_operation(v1::OPERATION_DELETE);
    const std::string line =
        R"({"op":"DELETE","table":"public.users","commit_lsn":"0/100","ordinal":4,"xid":7,)"
        R"("commit_time":"1970-01-01T00:00:00.000000Z")";
    EXPECT_EQ(Lines(batch).at(0), line + R"(,"replica_identity":"NOTHING"})"
                                         "\n");
    // With a key, an update that left it alone has no old row either.
    batch.mutable_records(0)->mutable_relation()->set_replica_identity(v1::REPLICA_IDENTITY_DEFAULT);
    EXPECT_EQ(Lines(batch).at(0), line + "}\n");
}

v1::Ddl* AddDdl(v1::Batch* batch, v1::Ddl::Kind kind, const char* schema, const char* name)
{
    auto* record = batch->add_records();
    record->set_ordinal(static_cast<uint64_t>(batch->records_size()));
    record->mutable_ddl()->set_kind(kind);
    record->mutable_ddl()->set_oid(16400);
    record->mutable_ddl()->set_namespace_(schema);
    record->mutable_ddl()->set_name(name);
    return record->mutable_ddl();
}

TEST(RecordJson, ShowsDdl)
{
    v1::Batch batch = test::Committed(7, 0x100, 0x180);
    batch.mutable_committed()->set_commit_time_us(0);
    auto* column = AddDdl(&batch, v1::Ddl::KIND_RENAME_COLUMN, "public", "users");
    column->set_attnum(2);
    column->set_column("b");
    column->set_old_name("a");
    auto* detached = AddDdl(&batch, v1::Ddl::KIND_DETACH_PARTITION, "public", "leaf");
    detached->set_parent_oid(16390);
    detached->set_parent_namespace("app");
    detached->set_parent_name("root");
    AddDdl(&batch, v1::Ddl::KIND_RENAME_SCHEMA, "", "new")->set_old_name("old");
    AddDdl(&batch, v1::Ddl::KIND_ALTER_TYPE, "public", "mood");
    AddDdl(&batch, static_cast<v1::Ddl::Kind>(99), "public", "later");
    const auto line = [](const char* kind, const char* what, const char* ordinal, const char* rest) {
        return std::string(R"({"op":"DDL","kind":")") + kind + "\"," + what +
               R"(,"commit_lsn":"0/100","ordinal":)" + ordinal +
               R"(,"xid":7,"commit_time":"1970-01-01T00:00:00.000000Z","oid":16400)" + rest + "}\n";
    };
    const std::vector<std::string> expected = {
        line("RENAME_COLUMN", R"("table":"public.users")", "1", R"(,"column":"b","attnum":2,"old_name":"a")"),
        line("DETACH_PARTITION", R"("table":"public.leaf")", "2",
             R"(,"parent":"app.root","parent_oid":16390)"),
        line("RENAME_SCHEMA", R"("schema":"new")", "3", R"(,"old_name":"old")"),
        line("ALTER_TYPE", R"("type":"public.mood")", "4", ""),
        line("UNSPECIFIED", R"("table":"public.later")", "5", "")};
    EXPECT_EQ(Lines(batch), expected);
    EXPECT_EQ(Lines(batch, {"", 0x101, false}).size(), 0U);
}

v1::Message* AddMessage(v1::Batch* batch, uint64_t ordinal, const std::string& content)
{
    auto* record = batch->add_records();
    record->set_ordinal(ordinal);
    record->mutable_message()->set_prefix("app");
    record->mutable_message()->set_content(content);
    record->mutable_message()->set_total(content.size());
    return record->mutable_message();
}

TEST(RecordJson, ShowsMessages)
{
    v1::Batch batch = test::Committed(7, 0x100, 0x180);
    batch.mutable_committed()->set_commit_time_us(0);
    AddMessage(&batch, 2, "it's \"text\"");
    AddMessage(&batch, 3, std::string("\0\xff", 2));
    AddMessage(&batch, 4, "");
    const auto line = [](const char* ordinal, const char* content) {
        return std::string(R"({"op":"MESSAGE","prefix":"app","commit_lsn":"0/100","ordinal":)") + ordinal +
               R"(,"xid":7,"commit_time":"1970-01-01T00:00:00.000000Z","transactional":true,"content":)" +
               content + "}\n";
    };
    EXPECT_EQ(Lines(batch), (std::vector<std::string>{line("2", R"("it's \"text\"")"),
                                                      line("3", R"({"bytes":"00ff"})"), line("4", R"("")")}));
    EXPECT_EQ(Lines(batch, {"", 0x101, false}).size(), 0U);
    EXPECT_EQ(Lines(batch, {"public.users", 0, false}).size(), 0U);
}

TEST(RecordJson, PutsThePiecesOfAMessageTogether)
{
    v1::Batch first;
    first.mutable_message()->set_lsn(0x100);
    first.mutable_message()->set_end_lsn(0x180);
    v1::Batch second = first;
    AddMessage(&first, 1, "one ")->set_total(7);
    v1::Message* rest = AddMessage(&second, 1, "two");
    rest->set_total(7);
    rest->set_offset(4);
    std::vector<std::string> lines;
    const auto emit = [&](const std::string& line) {
        lines.push_back(line);
        return true;
    };
    RecordPrinter printer({}, emit);
    ASSERT_TRUE(printer.Print(first.SerializeAsString()).ok());
    EXPECT_EQ(lines.size(), 0U);
    ASSERT_TRUE(printer.Print(second.SerializeAsString()).ok());
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0], R"({"op":"MESSAGE","prefix":"app","commit_lsn":"0/100","ordinal":1,)"
                        R"("transactional":false,"content":"one two"})"
                        "\n");
    // A piece that does not follow.
    EXPECT_FALSE(printer.Print(second.SerializeAsString()).ok());
    // Before what is asked for.
    RecordPrinter later({"", 0x101, false}, emit);
    ASSERT_TRUE(later.Print(first.SerializeAsString()).ok());
    EXPECT_EQ(lines.size(), 1U);
}

TEST(RecordJson, FindsDdlOfATableByEachOfItsNames)
{
    v1::Batch batch = test::Committed(7, 0x100, 0x180);
    AddDdl(&batch, v1::Ddl::KIND_RENAME_TABLE, "public", "people")->set_old_name("users");
    AddDdl(&batch, v1::Ddl::KIND_SET_SCHEMA, "app", "people")->set_old_name("public");
    auto* attached = AddDdl(&batch, v1::Ddl::KIND_ATTACH_PARTITION, "app", "people");
    attached->set_parent_oid(1);
    attached->set_parent_namespace("app");
    attached->set_parent_name("all");
    const auto count = [&](const char* table) { return Lines(batch, {table, 0, false}).size(); };
    EXPECT_EQ(count("public.users"), 1U);
    EXPECT_EQ(count("public.people"), 2U);
    EXPECT_EQ(count("app.people"), 2U);
    EXPECT_EQ(count("app.all"), 1U);
    EXPECT_EQ(count("app.users"), 0U);
}

TEST(RecordJson, FiltersByTableAndPositionAndShowsRelations)
{
    v1::Batch batch = test::Committed(7, 0x100, 0x180);
    test::AddRelation(&batch, 1, "users");
    test::AddRelation(&batch, 2, "notes");
    test::AddInsert(&batch, 1, 1, 1);
    test::AddInsert(&batch, 2, 2, 1);
    EXPECT_EQ(Lines(batch).size(), 2U);
    EXPECT_EQ(Lines(batch, {"public.notes", 0, false}).size(), 1U);
    EXPECT_EQ(Lines(batch, {"", 0x100, false}).size(), 2U);
    EXPECT_EQ(Lines(batch, {"", 0x101, false}).size(), 0U);
    const auto lines = Lines(batch, {"public.notes", 0, true});
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0].find(R"({"op":"RELATION","table":"public.notes",)"), 0U);
    EXPECT_NE(lines[0].find(R"("schema_id":"00000000000003ea")"), std::string::npos);
    EXPECT_NE(
        lines[0].find(R"({"name":"id","attnum":1,"type":"","typmod":0,"key":true,"class":"UNSPECIFIED",)"
                      R"("action":"CLEAR","encoding":"INT"})"),
        std::string::npos)
        << lines[0];
}

TEST(RecordJson, ShowsMissingValuesAsThoseOfRows)
{
    v1::Batch batch = test::Committed(7, 0x100, 0x180);
    test::AddRelation(&batch, 1, "users");
    v1::Relation* relation = batch.mutable_records(0)->mutable_relation();
    relation->mutable_columns(0)->mutable_missing()->set_int_(-7);
    v1::Column* day = relation->add_columns();
    day->set_encoding(v1::ENCODING_DATE);
    day->mutable_missing()->set_int_(0);
    relation->add_columns()->mutable_missing()->set_token(std::string(16, '\1'));
    relation->add_columns()->mutable_missing()->mutable_uncarried()->set_bytes(9);
    const auto lines = Lines(batch, {"", 0, true});
    ASSERT_EQ(lines.size(), 1U);
    size_t at = 0;
    for (const char* shown : {R"("missing":-7})", R"("missing":"1970-01-01"})",
                              R"("missing":{"token":"01010101010101010101010101010101"}})",
                              R"("missing":{"uncarried":{"reason":"UNSPECIFIED","bytes":9}}})"}) {
        at = lines[0].find(shown, at);
        EXPECT_NE(at, std::string::npos) << shown << " in " << lines[0];
    }
}

TEST(RecordJson, RefusesRowsThatDoNotFit)
{
    v1::Batch batch = test::Committed(7, 0x100, 0x180);
    test::AddRelation(&batch, 1, "users");
    test::AddInsert(&batch, 1, 1, 1);
    batch.mutable_records(1)->mutable_change()->mutable_new_()->add_values();
    RecordPrinter printer({}, [](const std::string&) { return true; });
    EXPECT_EQ(printer.Print(batch.SerializeAsString()).error().text,
              "row of public.users has more values than columns");
    RecordPrinter fresh({}, [](const std::string&) { return true; });
    v1::Batch alone = test::Committed(7, 0x100, 0x180);
    test::AddInsert(&alone, 1, 1, 1);
    EXPECT_FALSE(fresh.Print(alone.SerializeAsString()).ok());
}

TEST(TimeText, MatchesPostgres)
{
    EXPECT_EQ(DateText(0), "1970-01-01");
    EXPECT_EQ(DateText(-1), "1969-12-31");
    EXPECT_EQ(DateText(11'016), "2000-02-29");
    EXPECT_EQ(DateText(-719'162), "0001-01-01");
    EXPECT_EQ(DateText(-719'163), "0001-12-31 BC");
    EXPECT_EQ(DateText(-735'160), "0044-03-15 BC");
    // The first and last dates PostgreSQL has.
    EXPECT_EQ(DateText(-2'440'588), "4714-11-24 BC");
    EXPECT_EQ(DateText(2'145'042'905), "5874897-12-31");
    // No date of PostgreSQL's, but a number that the wire can carry.
    EXPECT_EQ(DateText(INT64_MAX), "25252734927768524-07-27");
    EXPECT_EQ(DateText(INT64_MIN), "25252734927764586-06-07 BC");
    EXPECT_EQ(TimeText(86'400'000'000), "24:00:00");
    EXPECT_EQ(TimeText(1), "00:00:00.000001");
    EXPECT_EQ(TimeText(500'000), "00:00:00.5");
    EXPECT_EQ(TimestampText(INT64_MIN, ""), "290309-12-21 19:59:05.224192 BC");
    EXPECT_EQ(TimestampText(INT64_MAX, ""), "294247-01-10 04:00:54.775807");
    EXPECT_EQ(TimestampText(-1, "+00"), "1969-12-31 23:59:59.999999+00");
    EXPECT_EQ(TimestampText(-62'135'596'800'000'001, ""), "0001-12-31 23:59:59.999999 BC");
}

TEST(JsonWriter, ReplacesWhatIsNoUtf8)
{
    JsonWriter json;
    json.BeginArray();
    json.String("\xff")
        .String("\xc0\x80")
        .String("\xed\xa0\x80")
        .String("\xf0\x9f\x90\x98")
        .String("\xe2\x82");
    json.EndArray();
    EXPECT_EQ(json.Take(), "[\"\xef\xbf\xbd\",\"\xef\xbf\xbd\xef\xbf\xbd\","
                           "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"\xf0\x9f\x90\x98\","
                           "\"\xef\xbf\xbd\"]");
}

class CatFiles : public testing::Test
{
  protected:
    CatFiles()
    {
        char path[] = "/tmp/wal2lake-cat-XXXXXX";
        folder_ = ::mkdtemp(path);
    }
    ~CatFiles() override { std::filesystem::remove_all(folder_); }

    std::string Write(const std::string& name, const std::string& bytes)
    {
        std::string path = folder_ + "/" + name;
        std::filesystem::create_directories(std::filesystem::path(path).parent_path());
        std::ofstream(path, std::ios::binary) << bytes;
        return path;
    }

    ExitCode Cat(const std::vector<std::string>& paths)
    {
        lines_ = 0;
        CatOptions options;
        options.paths = paths;
        return RunCat(options, [this](const std::string&) {
            lines_++;
            return true;
        });
    }

    static std::string Segment(uint32_t xid, uint64_t start, uint64_t end)
    {
        SegmentBuilder builder;
        RelationMap relations;
        MessageView message;
        BatchView batch;
        size_t consumed = 0;
        const std::string bytes = test::Transaction(xid, start, end);
        EXPECT_TRUE(NextMessage(bytes, &message, &consumed).ok());
        EXPECT_TRUE(ScanBatch(message.batch, &batch).ok());
        EXPECT_TRUE(builder.Add(message, batch, &relations).ok());
        v1::SegmentHeader header;
        header.set_start_lsn(start);
        return AssembleSegment(header, builder.Seal()).bytes;
    }

    std::string folder_;
    int lines_ = 0;
};

TEST_F(CatFiles, FramesWithAndWithoutNewlinesSegmentsAndFolders)
{
    const std::string one = test::Transaction(1, 0x100, 0x110, true, 2);
    EXPECT_EQ(Cat({Write("frames", one)}), ExitCode::kOk);
    EXPECT_EQ(lines_, 2);
    EXPECT_EQ(Cat({Write("newlines", one + "\n" + one + "\n")}), ExitCode::kOk);
    EXPECT_EQ(lines_, 4);
    const std::string a = Segment(1, 0x100, 0x110);
    const std::string b = Segment(2, 0x110, 0x120);
    EXPECT_EQ(Cat({Write("both", a + b)}), ExitCode::kOk);
    EXPECT_EQ(lines_, 2);
    Write("lake/s/log/00000001/0000000000000100.w2l", a);
    Write("lake/s/log/00000001/0000000000000110.w2l", b);
    Write("lake/s/log/00000001/.tmp-1", "half");
    Write("lake/s/head", "x");
    EXPECT_EQ(Cat({folder_ + "/lake"}), ExitCode::kOk);
    EXPECT_EQ(lines_, 2);
    EXPECT_EQ(Cat({Write("empty", "")}), ExitCode::kOk);
    EXPECT_EQ(lines_, 0);
}

TEST_F(CatFiles, LakesByUrlInPartAndSegmentBySegment)
{
    const std::string a = Segment(1, 0x100, 0x110);
    Write("lake/s/log/00000001/0000000000000100.w2l", a);
    Write("lake/s/log/00000001/0000000000000110.w2l", Segment(2, 0x110, 0x120));
    Write("lake/s/head", "x");
    Write("lake/t/log/00000001/0000000000000100.w2l", a);
    const std::string url = "file://" + folder_ + "/lake";
    EXPECT_EQ(Cat({url}), ExitCode::kOk);
    EXPECT_EQ(lines_, 3);
    EXPECT_EQ(Cat({url + "/s"}), ExitCode::kOk);
    EXPECT_EQ(lines_, 2);
    EXPECT_EQ(Cat({url + "/s/log/00000001/0000000000000110.w2l"}), ExitCode::kOk);
    EXPECT_EQ(lines_, 1);
    EXPECT_EQ(Cat({url + "/s/log/00000001/0000000000000990.w2l"}), ExitCode::kStore);
    EXPECT_EQ(Cat({url + "/none"}), ExitCode::kLake);
    EXPECT_EQ(Cat({"ftp://host/lake"}), ExitCode::kUsage);
    Write("lake/s/log/00000001/0000000000000120.w2l", a.substr(0, a.size() - 1));
    EXPECT_EQ(Cat({url}), ExitCode::kLake);
    EXPECT_EQ(lines_, 3) << "nothing behind what is damaged";
}

TEST_F(CatFiles, RefusesWhatIsNeitherOrDamaged)
{
    EXPECT_EQ(Cat({Write("text", "hello, world\n")}), ExitCode::kLake);
    EXPECT_EQ(Cat({Write("short", "hi")}), ExitCode::kLake);
    const std::string one = test::Transaction(1, 0x100, 0x110);
    EXPECT_EQ(Cat({Write("cut", one + one.substr(0, 20))}), ExitCode::kLake);
    EXPECT_EQ(lines_, 1);
    std::string segment = Segment(1, 0x100, 0x110);
    EXPECT_EQ(Cat({Write("cut.w2l", segment.substr(0, segment.size() - 1))}), ExitCode::kLake);
    EXPECT_EQ(Cat({Write("more.w2l", segment + "junk")}), ExitCode::kLake);
    std::filesystem::create_directories(folder_ + "/none");
    EXPECT_EQ(Cat({folder_ + "/none"}), ExitCode::kLake);
    EXPECT_EQ(Cat({folder_ + "/missing"}), ExitCode::kStore);
}

TEST_F(CatFiles, StopsWhereNobodyReads)
{
    CatOptions options;
    options.paths = {Write("many", test::Transaction(1, 0x100, 0x110, true, 100))};
    int lines = 0;
    EXPECT_EQ(RunCat(options, [&](const std::string&) { return ++lines < 3; }), ExitCode::kOk);
    EXPECT_EQ(lines, 3);
}

} // namespace
} // namespace wal2lake
