// A stream of messages, by NextMessage and by protoc's class Frame.
#include <cstring>
#include <string>

#include "core/frame_reader.h"
#include "fuzz.h"
#include "messages.h"

namespace wal2lake::fuzz
{
namespace
{

// The Frame in a whole message, by a length of its own reading.
std::string_view FrameIn(std::string_view whole)
{
    uint64_t length = 0;
    size_t width = 0;
    do {
        length |= static_cast<uint64_t>(whole[width] & 0x7f) << (7 * width);
    } while ((whole[width++] & 0x80) != 0);
    FUZZ_CHECK(whole.size() - width == length);
    return whole.substr(width);
}

void CheckMessage(const MessageView& message)
{
    FUZZ_CHECK(Within(message.batch, message.whole));
    v1::Frame frame;
    FUZZ_CHECK(Parse(&frame, FrameIn(message.whole)));
    FUZZ_CHECK(frame.batch() == message.batch);
    FUZZ_CHECK(frame.checksum() == XXH3_64bits(message.batch.data(), message.batch.size()));
    FUZZ_CHECK(message.whole[0] != '\n');
    for (const size_t cut : {size_t{1}, message.whole.size() / 2, message.whole.size() - 1}) {
        MessageView ignored;
        size_t consumed = 0;
        FUZZ_CHECK(NextMessage(message.whole.substr(0, cut), &ignored, &consumed).status ==
                   ReadStatus::kNeedMore);
        FUZZ_CHECK(consumed == 0);
    }
}

// What protoc's class reads as a frame with a right checksum, we read as well once protoc wrote it.
void CheckFrame(std::string_view bytes)
{
    v1::Frame frame;
    if (!Parse(&frame, bytes))
        return;
    frame.set_checksum(XXH3_64bits(frame.batch().data(), frame.batch().size()));
    const std::string written = frame.SerializeAsString();
    const std::string whole = Varint(written.size()) + written;
    MessageView message;
    size_t consumed = 0;
    const ReadResult result = NextMessage(whole, &message, &consumed);
    v1::Frame unknown = frame;
    unknown.clear_batch();
    FUZZ_CHECK(result.ok() || frame.batch().empty() || MayNestDeeply(unknown.SerializeAsString()));
    FUZZ_CHECK(!result.ok() || message.batch == frame.batch());
}

} // namespace

void Target(std::string_view input)
{
    CheckFrame(input);
    std::string_view rest = input;
    for (;;) {
        MessageView message;
        size_t consumed = 0;
        const ReadResult result = NextMessage(rest, &message, &consumed);
        FUZZ_CHECK(result.damaged() == (*result.reason != '\0'));
        FUZZ_CHECK(consumed <= rest.size());
        if (!result.ok())
            break;
        FUZZ_CHECK(consumed > 0 && Within(message.whole, rest));
        CheckMessage(message);
        rest.remove_prefix(consumed);
    }
}

} // namespace wal2lake::fuzz

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

// Mutates, and then mostly repairs length and checksum of the first message, which chance would not.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed)
{
    using namespace wal2lake;
    size = LLVMFuzzerMutate(data, size, max_size);
    size_t start = 0;
    while (start < size && data[start] == '\n')
        start++;
    if (seed % 8 == 0 || size < start + 10 || size - start > 128)
        return size;
    data[start] = static_cast<uint8_t>(size - start - 1);
    v1::Frame frame;
    if (data[start + 1] != 0x09 || !frame.ParseFromArray(data + start + 1, static_cast<int>(data[start])))
        return size;
    const uint64_t checksum = XXH3_64bits(frame.batch().data(), frame.batch().size());
    std::memcpy(data + start + 2, &checksum, sizeof checksum);
    return size;
}
