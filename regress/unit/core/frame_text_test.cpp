// Rendering of messages for people: the golden messages as text, and what the
// renderer makes of things it does not know.
#include "core/frame_text.h"

#include "golden.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

using std::string;
using namespace std::string_literals;

class Renderer
{
  public:
    Renderer() { EXPECT_EQ(w2l_frame_text_new(&renderer_), W2L_OK); }
    ~Renderer() { w2l_frame_text_free(renderer_); }
    Renderer(const Renderer&) = delete;
    Renderer& operator=(const Renderer&) = delete;

    // The text, or "damaged: " and the reason.
    string Render(const string& bytes, bool positions = false)
    {
        const char* text = nullptr;
        const char* reason = nullptr;
        w2l_status status =
            w2l_frame_text_render(renderer_, bytes.data(), bytes.size(), positions, &text, &reason);
        if (status == W2L_INVALID)
            return string("damaged: ") + reason;
        EXPECT_EQ(status, W2L_OK);
        return text;
    }

  private:
    w2l_frame_text* renderer_ = nullptr;
};

class GoldenText : public testing::TestWithParam<string>
{
};

TEST_P(GoldenText, WithoutPositions)
{
    string text = Renderer().Render(golden::Read(GetParam(), "message.bin"), false);
    EXPECT_EQ(text + "\n", golden::Read(GetParam(), "text.txt"));
}

TEST_P(GoldenText, WithPositions)
{
    string text = Renderer().Render(golden::Read(GetParam(), "message.bin"), true);
    EXPECT_EQ(text + "\n", golden::Read(GetParam(), "text_positions.txt"));
}

INSTANTIATE_TEST_SUITE_P(, GoldenText, testing::ValuesIn(golden::Cases()),
                         [](const auto& tested) { return tested.param; });

TEST(FrameText, NothingGivesNothing)
{
    Renderer renderer;
    EXPECT_EQ(renderer.Render(""), "");
    EXPECT_EQ(renderer.Render("\n\n"), "");
}

TEST(FrameText, DamageIsNamed)
{
    string message = golden::Read("last_only", "message.bin");
    Renderer renderer;
    EXPECT_EQ(renderer.Render(message.substr(0, message.size() - 1)),
              "damaged: the bytes end inside a message");
    message.back() = 0;
    EXPECT_EQ(renderer.Render(message), "damaged: checksum of the frame does not match its batch");
    EXPECT_EQ(renderer.Render(string(1, '\0')), "damaged: frame lacks its checksum or its batch");
    EXPECT_EQ(renderer.Render(golden::MessageAround("\x0a\x05")),
              "damaged: batch is not a valid protobuf message");
}

TEST(FrameText, RelationsAreRememberedFromMessageToMessage)
{
    string both = golden::Read("two_batches", "message.bin");
    size_t first =
        golden::MessageAround(golden::BatchesFromText("two_batches")[0].SerializeAsString()).size();
    Renderer renderer;
    renderer.Render(both.substr(0, first));
    EXPECT_NE(renderer.Render(both.substr(first)).find("3 INSERT public.users: id=2 bio=withheld"),
              string::npos);
    EXPECT_NE(Renderer().Render(both.substr(first)).find("3 INSERT relation#7: $1=2 $2=withheld"),
              string::npos)
        << "where the relation was not seen";
}

// One insert of one value, rendered without its relation.
string RenderValue(const v1::Value& value)
{
    v1::Batch batch;
    v1::Record& record = *batch.add_records();
    record.set_ordinal(1);
    record.mutable_change()->set_relation_id(1);
    record.mutable_change()->set_operation(v1::OPERATION_INSERT);
    *record.mutable_change()->mutable_new_()->add_values() = value;
    string text = Renderer().Render(golden::MessageAround(batch.SerializeAsString()));
    const string before = "1 INSERT relation#1: $1=", after = "\nmore";
    EXPECT_EQ(text.substr(0, before.size()), before);
    EXPECT_EQ(text.substr(text.size() - after.size()), after);
    return text.substr(before.size(), text.size() - before.size() - after.size());
}

TEST(FrameText, TextStaysOnItsLine)
{
    v1::Value value;
    value.set_text("a'b\\c\nd\te\r\001");
    EXPECT_EQ(RenderValue(value), "'a''b\\x5cc\\x0ad\\x09e\\x0d\\x01'");
    value.set_text("");
    EXPECT_EQ(RenderValue(value), "''");
    value.set_text("NULL");
    EXPECT_EQ(RenderValue(value), "'NULL'");
}

TEST(FrameText, ValuesThisVersionDoesNotKnow)
{
    v1::Value value;
    EXPECT_EQ(RenderValue(value), "NULL");
    value.set_marker(v1::MARKER_CHUNKED);
    EXPECT_EQ(RenderValue(value), "chunked");
    for (int number : {0, 4, 1000, -1}) {
        value.set_marker(static_cast<v1::Marker>(number));
        EXPECT_EQ(RenderValue(value), "marker") << number;
        value.mutable_uncarried()->set_reason(static_cast<v1::Uncarried::Reason>(number));
        EXPECT_EQ(RenderValue(value), "uncarried:unspecified:0") << number;
    }
    ASSERT_TRUE(value.ParseFromString("\x78\x01")); // field 15, a varint
    EXPECT_EQ(RenderValue(value), "unknown");
}

TEST(FrameText, NumbersOfEnumsThisVersionDoesNotKnow)
{
    for (int number : {6, 1000, -1}) {
        v1::Batch batch;
        v1::Relation& relation = *batch.add_records()->mutable_relation();
        relation.set_id(1);
        relation.set_namespace_("public");
        relation.set_name("t");
        relation.set_replica_identity(static_cast<v1::ReplicaIdentity>(number));
        v1::Column& column = *relation.add_columns();
        column.set_name("c");
        column.set_type_name("pg_catalog.text");
        column.set_class_(static_cast<v1::Class>(number));
        column.set_action(static_cast<v1::Action>(number));
        column.set_encoding(static_cast<v1::Encoding>(number == 6 ? 16 : number));
        v1::Change& change = *batch.add_records()->mutable_change();
        change.set_relation_id(1);
        change.set_operation(static_cast<v1::Operation>(number));
        EXPECT_EQ(Renderer().Render(golden::MessageAround(batch.SerializeAsString())),
                  "relation public.t identity=unspecified\n"
                  "  c pg_catalog.text unlabelled none as unspecified\n"
                  "0 CHANGE public.t:\n"
                  "more")
            << number;
    }
}

// Fields with the number of a known one and another wire type are passed over, as protoc does.
TEST(FrameText, FieldsOfAnotherWireType)
{
    // records { relation { id: <bytes> } }: has to be passed over or refused, not to end the process.
    EXPECT_EQ(Renderer().Render(golden::MessageAround("\x2a\x04\x1a\x02\x0a\x00"s)),
              "relation . identity=unspecified\nmore");
    // records { change { new: <varint> } }
    EXPECT_EQ(Renderer().Render(golden::MessageAround("\x2a\x04\x22\x02\x18\x01"s)),
              "0 CHANGE relation#0:\nmore");
    // records { truncate { relation_ids: 1 } } without packing, which proto3 allows
    EXPECT_EQ(Renderer().Render(golden::MessageAround("\x2a\x04\x2a\x02\x08\x01"s)),
              "0 TRUNCATE relation#1\nmore");
}

// The order of fields says nothing.
TEST(FrameText, FieldsInAnyOrder)
{
    // relation { root_name: "r" root_namespace: "s" }
    EXPECT_EQ(Renderer().Render(golden::MessageAround("\x2a\x08\x1a\x06\x42\x01r\x3a\x01s"s)),
              "relation . partition of s.r identity=unspecified\nmore");
    // stats { relations { name: "t" namespace: "n" } }
    EXPECT_EQ(Renderer().Render(golden::MessageAround("\x2a\x0a\x3a\x08\x0a\x06\x1a\x01t\x12\x01n"s)),
              "stats n.t withheld=0 uncarried=0 not_emitted=0\nmore");
    // change { new { values { <field 15> bool: true } } }
    EXPECT_EQ(Renderer().Render(golden::MessageAround("\x2a\x0a\x22\x08\x1a\x06\x0a\x04\x78\x01\x20\x01"s)),
              "0 CHANGE relation#0: $1=true\nmore");
}

TEST(FrameText, RefusesAValueThatIsTwo)
{
    EXPECT_EQ(Renderer().Render(golden::MessageAround("\x2a\x0a\x22\x08\x1a\x06\x0a\x04\x08\x02\x20\x01"s)),
              "damaged: a record is malformed");
}

// A function of the server may return text in its encoding only.
TEST(FrameText, RefusesTextThatIsNoUtf8)
{
    EXPECT_EQ(Renderer().Render(golden::MessageAround("\x2a\x09\x22\x07\x1a\x05\x0a\x03\x2a\x01\xff"s)),
              "damaged: a record is malformed");
    EXPECT_EQ(Renderer().Render(golden::MessageAround("\x2a\x05\x32\x03\x0a\x01\xff"s)),
              "damaged: a record is malformed");
}

TEST(FrameText, NumericStaysOnItsLine)
{
    v1::Value value;
    value.set_numeric("1\n2 DELETE\0 public.users:"s);
    EXPECT_EQ(RenderValue(value), "1\\x0a2 DELETE\\x00 public.users:");
}

// Names come from the database and may hold anything but NUL.
TEST(FrameText, NamesStayOnTheirLine)
{
    v1::Batch batch;
    v1::Relation& relation = *batch.add_records()->mutable_relation();
    relation.set_id(1);
    relation.set_namespace_("public");
    relation.set_name("t\nend");
    relation.add_columns()->set_name("c\n1 DELETE public.users:");
    string text = Renderer().Render(golden::MessageAround(batch.SerializeAsString()));
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
}

TEST(FrameText, RecordsThisVersionDoesNotKnow)
{
    v1::Batch batch;
    batch.add_records()->set_ordinal(4);
    batch.set_last(true);
    EXPECT_EQ(Renderer().Render(golden::MessageAround(batch.SerializeAsString())), "unknown record\nend");
}

} // namespace
} // namespace wal2lake
