// Every truncation and every flipped bit of every golden message through the
// reader and the renderer: damage is found, and nothing is read out of bounds.
#include "core/frame_reader.h"
#include "core/frame_text.h"

#include "golden.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

using std::string;

// The bytes alone on the heap, so that a sanitizer sees a read past either end.
class ExactBytes
{
  public:
    explicit ExactBytes(std::string_view text) : bytes_(new char[text.size()]), size_(text.size())
    {
        std::copy(text.begin(), text.end(), bytes_.get());
    }
    std::string_view view() const { return {bytes_.get(), size_}; }
    char* data() { return bytes_.get(); }

  private:
    std::unique_ptr<char[]> bytes_;
    size_t size_;
};

bool Within(std::string_view part, std::string_view whole)
{
    return part.empty() ||
           (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

// Reads a batch down to the last field the reader offers. True if nothing was found damaged.
bool ReadBatch(std::string_view bytes)
{
    BatchView batch;
    ReadResult result = ScanBatch(bytes, &batch);
    EXPECT_EQ(result.damaged(), *result.reason != '\0');
    if (!result.ok())
        return false;
    bool sound = true;
    uint64_t records = 0;
    RecordCursor cursor(batch);
    RecordView record;
    while ((result = cursor.Next(&record)).ok()) {
        ++records;
        EXPECT_TRUE(Within(record.bytes, bytes));
        EXPECT_TRUE(Within(record.body, record.bytes));
        RelationView relation;
        ChangeView change;
        std::vector<uint32_t> truncated;
        if (record.kind == RecordKind::kRelation) {
            ReadResult scanned = ScanRelation(record.body, &relation);
            sound = sound && scanned.ok();
            if (scanned.ok()) {
                EXPECT_TRUE(Within(relation.name, record.body));
                EXPECT_TRUE(Within(relation.namespace_name, record.body));
            }
        } else if (record.kind == RecordKind::kChange) {
            sound = sound && ScanChange(record.body, &change).ok();
        } else if (record.kind == RecordKind::kTruncate) {
            sound = sound && ScanTruncate(record.body, &truncated).ok();
        }
        EXPECT_LE(records, bytes.size()) << "the cursor does not move";
        if (records > bytes.size())
            return false;
    }
    if (result.damaged()) {
        EXPECT_STRNE(result.reason, "");
        return false;
    }
    EXPECT_EQ(result.status, ReadStatus::kEnd);
    EXPECT_EQ(records, batch.record_count);
    return sound;
}

// How a stream ends: kOk after whole messages, kNeedMore, or kDamaged.
ReadStatus ReadStream(std::string_view bytes, size_t* messages)
{
    *messages = 0;
    std::string_view rest = bytes;
    while (!rest.empty()) {
        MessageView message;
        size_t consumed = 0;
        ReadResult result = NextMessage(rest, &message, &consumed);
        EXPECT_LE(consumed, rest.size());
        EXPECT_EQ(result.damaged(), *result.reason != '\0');
        if (!result.ok())
            return result.status;
        EXPECT_TRUE(Within(message.whole, rest));
        EXPECT_TRUE(Within(message.batch, message.whole));
        if (!ReadBatch(message.batch))
            return ReadStatus::kDamaged;
        ++*messages;
        rest.remove_prefix(consumed);
    }
    return ReadStatus::kOk;
}

w2l_status Render(std::string_view bytes, string* shown = nullptr)
{
    w2l_frame_text* renderer = nullptr;
    EXPECT_EQ(w2l_frame_text_new(&renderer), W2L_OK);
    const char* text = nullptr;
    const char* reason = nullptr;
    w2l_status status = w2l_frame_text_render(renderer, bytes.data(), bytes.size(), true, &text, &reason);
    if (status == W2L_OK && shown != nullptr)
        *shown = text;
    if (status != W2L_OK) {
        EXPECT_STRNE(reason, "");
    }
    w2l_frame_text_free(renderer);
    return status;
}

// Where a message of the stream ends, by protoc's lengths: the truncations that are whole.
std::set<size_t> Borders(const string& stream)
{
    std::set<size_t> borders = {0};
    size_t end = 0;
    for (const v1::Batch& batch : golden::BatchesFromBytes(stream)) {
        end += golden::MessageAround(batch.SerializeAsString()).size();
        borders.insert(end);
    }
    EXPECT_EQ(end, stream.size());
    return borders;
}

class GoldenRobustness : public testing::TestWithParam<string>
{
};

TEST_P(GoldenRobustness, WholeMessageIsReadAndRendered)
{
    string stream = golden::Read(GetParam(), "message.bin");
    size_t messages = 0;
    EXPECT_EQ(ReadStream(ExactBytes(stream).view(), &messages), ReadStatus::kOk);
    EXPECT_EQ(messages, golden::BatchesFromText(GetParam()).size());
    EXPECT_EQ(Render(ExactBytes(stream).view()), W2L_OK);
}

TEST_P(GoldenRobustness, EveryTruncationNeedsMore)
{
    string stream = golden::Read(GetParam(), "message.bin");
    std::set<size_t> borders = Borders(stream);
    for (size_t length = 0; length < stream.size(); ++length) {
        ExactBytes cut(std::string_view(stream).substr(0, length));
        size_t messages = 0;
        ReadStatus expected = borders.contains(length) ? ReadStatus::kOk : ReadStatus::kNeedMore;
        EXPECT_EQ(ReadStream(cut.view(), &messages), expected) << length;
        EXPECT_EQ(Render(cut.view()), expected == ReadStatus::kOk ? W2L_OK : W2L_INVALID) << length;
    }
}

TEST_P(GoldenRobustness, EveryFlippedBitIsFound)
{
    string stream = golden::Read(GetParam(), "message.bin");
    ExactBytes damaged(stream);
    for (size_t bit = 0; bit < stream.size() * 8; ++bit) {
        char* byte = damaged.data() + bit / 8;
        *byte = static_cast<char>(*byte ^ (1 << bit % 8));
        size_t messages = 0;
        EXPECT_NE(ReadStream(damaged.view(), &messages), ReadStatus::kOk) << "bit " << bit;
        EXPECT_EQ(Render(damaged.view()), W2L_INVALID) << "bit " << bit;
        *byte = stream[bit / 8];
    }
}

// A batch with one bit flipped, in a frame whose checksum is right for it: forged, or written by a bug.
template <typename Check>
void ForEachFlipUnderAValidChecksum(const string& name, Check&& check)
{
    for (const v1::Batch& batch : golden::BatchesFromText(name)) {
        string bytes = batch.SerializeAsString();
        for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
            string damaged = bytes;
            damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
            ExactBytes message(golden::MessageAround(damaged));
            check(message.view(), bit);
        }
    }
}

TEST_P(GoldenRobustness, ReaderStandsFlippedBitsUnderAValidChecksum)
{
    size_t damaged = 0;
    ForEachFlipUnderAValidChecksum(GetParam(), [&](std::string_view message, size_t bit) {
        size_t messages = 0;
        ReadStatus status = ReadStream(message, &messages);
        EXPECT_TRUE(status == ReadStatus::kOk || status == ReadStatus::kDamaged) << "bit " << bit;
        damaged += status == ReadStatus::kDamaged ? 1 : 0;
    });
    EXPECT_GT(damaged, 0u);
}

// The renderer runs in the server: damage is an answer, never the end of the process.
TEST_P(GoldenRobustness, RendererStandsFlippedBitsUnderAValidChecksum)
{
    size_t damaged = 0;
    ForEachFlipUnderAValidChecksum(GetParam(), [&](std::string_view message, size_t bit) {
        w2l_status rendered = Render(message);
        EXPECT_TRUE(rendered == W2L_OK || rendered == W2L_INVALID) << "bit " << bit;
        damaged += rendered == W2L_INVALID ? 1 : 0;
        // What the renderer, who reads all of it, takes as sound, the reader does too.
        size_t messages = 0;
        if (rendered == W2L_OK) {
            EXPECT_EQ(ReadStream(message, &messages), ReadStatus::kOk) << "bit " << bit;
        }
    });
    EXPECT_GT(damaged, 0u);
}

TEST_P(GoldenRobustness, TruncatedBatchesUnderAValidChecksumDoNoHarm)
{
    for (const v1::Batch& batch : golden::BatchesFromText(GetParam())) {
        string bytes = batch.SerializeAsString();
        google::protobuf::LogSilencer silence;
        for (size_t length = 1; length < bytes.size(); ++length) {
            string cut = bytes.substr(0, length);
            ExactBytes message(golden::MessageAround(cut));
            size_t messages = 0;
            // Cut between two fields is a sound batch, to protoc as well.
            v1::Batch parsed;
            bool sound = parsed.ParseFromString(cut);
            EXPECT_EQ(ReadStream(message.view(), &messages), sound ? ReadStatus::kOk : ReadStatus::kDamaged)
                << length;
            EXPECT_EQ(Render(message.view()), sound ? W2L_OK : W2L_INVALID) << length;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(, GoldenRobustness, testing::ValuesIn(golden::Cases()),
                         [](const auto& tested) { return tested.param; });

TEST(Stream, NewlinesWhereAMessageMayBeginAreSkipped)
{
    string stream, plain;
    for (const string& name : golden::Cases()) {
        string message = golden::Read(name, "message.bin");
        plain += message;
        stream += "\n" + message + "\n\n";
    }
    size_t with = 0, without = 0;
    EXPECT_EQ(ReadStream(ExactBytes(plain).view(), &without), ReadStatus::kOk);
    string shown_plain, shown_stream;
    EXPECT_EQ(Render(plain, &shown_plain), W2L_OK);
    EXPECT_EQ(Render(stream, &shown_stream), W2L_OK);
    EXPECT_EQ(shown_stream, shown_plain);
    stream.resize(stream.size() - 2);
    EXPECT_EQ(ReadStream(ExactBytes(stream).view(), &with), ReadStatus::kOk);
    EXPECT_EQ(with, without);
    EXPECT_EQ(without, golden::Cases().size() + 4)
        << "in_progress and two_batches have two, message has three";
}

TEST(Stream, LengthsOutOfReasonAreDamage)
{
    auto status = [](std::string_view bytes) {
        ExactBytes exact(bytes);
        MessageView message;
        size_t consumed = 0;
        return NextMessage(exact.view(), &message, &consumed).status;
    };
    EXPECT_EQ(status("\x80\x80\x80\x20"), ReadStatus::kNeedMore) << "64 MiB";
    EXPECT_EQ(status("\x81\x80\x80\x20"), ReadStatus::kDamaged) << "64 MiB and a byte";
    EXPECT_EQ(status("\xff\xff\xff\xff\x0f"), ReadStatus::kDamaged);
    EXPECT_EQ(status("\xff\xff\xff\xff\xff"), ReadStatus::kDamaged);
    EXPECT_EQ(status("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), ReadStatus::kDamaged);
    EXPECT_EQ(status("\xff\xff\xff\xff"), ReadStatus::kNeedMore);
    EXPECT_EQ(status(std::string_view("\0", 1)), ReadStatus::kDamaged) << "a frame without fields";
}

} // namespace
} // namespace wal2lake
