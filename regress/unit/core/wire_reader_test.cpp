// Fields of the wire as protobuf reads them: odd but legal forms, and what is damage.
#include "core/wire_reader.h"

#include <string>
#include <string_view>

#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include "wal2lake/v1/wal2lake.pb.h"

namespace wal2lake::wire
{
namespace
{

using std::string;
using namespace std::string_literals;

// True where all fields are sound.
bool Sound(std::string_view bytes)
{
    bool damaged = false;
    FieldReader field(bytes, &damaged);
    while (field.Next()) {
    }
    return !damaged;
}

bool SoundToProtoc(const string& bytes)
{
    google::protobuf::LogSilencer silence;
    return v1::Batch().ParseFromString(bytes);
}

TEST(WireReader, JudgesOddFormsAsProtocDoes)
{
    const struct {
        string bytes;
        bool sound;
    } kCases[] = {
        {"\xf8\x01\x01"s, true},                                      // field 31, a varint
        {"\xb8\x00\x01"s, true},                                      // field 7, its tag padded
        {"\x38\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"s, true},      // a varint of ten bytes
        {"\x38\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"s, false}, // of eleven
        {"\x38\xff"s, false},                                         // cut short
        {"\x00\x01"s, false},                                         // field 0
        {"\x02\x00"s, false},                                         // field 0, bytes
        {"\xc0\xa3\x09\x01"s, true},                  // field 19000, reserved for protobuf itself
        {"\x80\x80\x80\x80\x80\x00"s, false},         // a tag of six bytes
        {"\x3a\x80\x80\x80\x80\x00"s, true},          // a padded length
        {"\x3a\x81\x80\x80\x80\x80\x00x"s, false},    // padded beyond 32 bits
        {"\x3a\x02x"s, false},                        // a length beyond the end
        {"\x3d\x01\x02\x03"s, false},                 // fixed32, three bytes
        {"\x39\x01\x02\x03\x04\x05\x06\x07"s, false}, // fixed64, seven bytes
        {"\x3e"s, false},                             // wire type 6
        {"\x3b\x3c"s, true},                          // a group, empty
        {"\x3b\x08\x01\x43\x12\x01x\x44\x3c"s, true}, // a group in a group
        {"\x3b\x44"s, false},                         // ended by another number
        {"\x3b\x08\x01"s, false},                     // never ended
        {"\x3c"s, false},                             // never begun
    };
    for (const auto& tested : kCases) {
        EXPECT_EQ(Sound(tested.bytes), tested.sound) << testing::PrintToString(tested.bytes);
        EXPECT_EQ(SoundToProtoc(tested.bytes), tested.sound) << testing::PrintToString(tested.bytes);
    }
}

TEST(WireReader, IsStricterWhereProtocWouldGuess)
{
    EXPECT_TRUE(Sound(string(32, '\x3b') + string(32, '\x3c')));
    EXPECT_FALSE(Sound(string(33, '\x3b') + string(33, '\x3c'))) << "deeper than anybody nests";
    EXPECT_FALSE(Sound("\xb8\x80\x80\x80\x10\x01"s)) << "a tag of 33 bits";
}

TEST(WireReader, ConvertsVarintsAsProtocDoes)
{
    const uint64_t kNumbers[] = {0,          1,          2,          127,         128,
                                 0x7fffffff, 0x80000000, 0xffffffff, 0x100000002, ~uint64_t{0}};
    for (const uint64_t number : kNumbers) {
        uint8_t bytes[16] = {0x08};
        const size_t size = static_cast<size_t>(PutVarint(bytes + 1, number) - bytes);
        const string text(reinterpret_cast<char*>(bytes), size);
        bool damaged = false;
        FieldReader field(text, &damaged);
        ASSERT_TRUE(field.Next());
        v1::Committed committed;
        v1::Value value;
        v1::Uncarried uncarried;
        v1::Prepared prepared;
        ASSERT_TRUE(committed.ParseFromString(text) && value.ParseFromString(text));
        ASSERT_TRUE(uncarried.ParseFromString(text) && prepared.ParseFromString(text));
        EXPECT_EQ(field.tag(), VarintTag(1));
        EXPECT_EQ(field.Uint64(), number);
        EXPECT_EQ(field.Int64(), static_cast<int64_t>(number));
        EXPECT_EQ(field.Uint32(), committed.xid());
        EXPECT_EQ(field.Sint64(), value.int_());
        EXPECT_EQ(field.Enum(), static_cast<int32_t>(uncarried.reason()));
        EXPECT_EQ(field.Bool(), number != 0);
        EXPECT_FALSE(field.Next());
        EXPECT_FALSE(damaged);
    }
}

// The encoding of zero in two bytes is false, though its first byte is not zero.
TEST(WireReader, PaddedZeroIsFalse)
{
    bool damaged = false;
    const string padded = "\x20\x80\x00"s;
    FieldReader field(padded, &damaged);
    ASSERT_TRUE(field.Next());
    EXPECT_FALSE(field.Bool());
}

TEST(WireReader, PackedNumbers)
{
    bool damaged = false;
    const string good = "\x01\x80\x00\xff\xff\xff\xff\x1f"s;
    PackedReader ids(good, &damaged);
    string read;
    while (ids.Next())
        read += std::to_string(ids.Uint32()) + " ";
    EXPECT_EQ(read, "1 0 4294967295 ");
    EXPECT_FALSE(damaged);
    const string short_ = "\x01\x80"s;
    PackedReader cut(short_, &damaged);
    EXPECT_TRUE(cut.Next());
    EXPECT_FALSE(cut.Next());
    EXPECT_TRUE(damaged);
}

TEST(WireReader, TextIsUtf8AsProtocHasIt)
{
    const struct {
        string text;
        bool sound;
    } kCases[] = {
        {""s, true},
        {"a\0b"s, true},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"s, true},
        {"\xf4\x8f\xbf\xbf"s, true},
        {"\xf4\x90\x80\x80"s, false}, // above U+10FFFF
        {"\xed\xa0\x80"s, false},     // a surrogate
        {"\xc0\x80"s, false},         // overlong
        {"\xe0\x9f\xbf"s, false},
        {"\xf0\x8f\xbf\xbf"s, false},
        {"\xc3"s, false}, // cut short
        {"\xe2\x82"s, false},
        {"\xe2\x28\xa1"s, false},
        {"\x80"s, false},
        {"\xff"s, false},
    };
    google::protobuf::LogSilencer silence;
    for (const auto& tested : kCases) {
        EXPECT_EQ(IsUtf8(tested.text), tested.sound) << testing::PrintToString(tested.text);
        const string value = "\x2a" + string(1, static_cast<char>(tested.text.size())) + tested.text;
        EXPECT_EQ(v1::Value().ParseFromString(value), tested.sound) << testing::PrintToString(tested.text);
        bool damaged = false;
        FieldReader field(value, &damaged);
        ASSERT_TRUE(field.Next());
        EXPECT_EQ(field.Text(), tested.text);
        EXPECT_EQ(damaged, !tested.sound);
    }
}

} // namespace
} // namespace wal2lake::wire
