#include "golden.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>
#include <xxhash.h>

namespace wal2lake::golden
{
namespace
{

namespace fs = std::filesystem;
namespace io = google::protobuf::io;

const fs::path kRoot = fs::path(WAL2LAKE_SOURCE_ROOT) / "regress" / "golden";

} // namespace

std::vector<std::string> Cases()
{
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(kRoot))
        if (entry.is_directory())
            names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    EXPECT_FALSE(names.empty()) << kRoot;
    return names;
}

std::string Read(const std::string& name, const std::string& file)
{
    std::ifstream stream(kRoot / name / file, std::ios::binary);
    EXPECT_TRUE(stream) << name << "/" << file << " cannot be opened";
    return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<v1::Batch> BatchesFromText(const std::string& name)
{
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(kRoot / name))
        if (entry.path().extension() == ".textproto")
            files.push_back(entry.path().filename().string());
    std::sort(files.begin(), files.end());
    std::vector<v1::Batch> batches;
    for (const std::string& file : files)
        EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(Read(name, file), &batches.emplace_back()))
            << file;
    return batches;
}

std::vector<v1::Batch> BatchesFromBytes(const std::string& bytes)
{
    std::vector<v1::Batch> batches;
    io::ArrayInputStream raw(bytes.data(), static_cast<int>(bytes.size()));
    io::CodedInputStream stream(&raw);
    while (static_cast<size_t>(stream.CurrentPosition()) < bytes.size()) {
        uint32_t length = 0;
        std::string frame_bytes;
        v1::Frame frame;
        if (!stream.ReadVarint32(&length) || !stream.ReadString(&frame_bytes, static_cast<int>(length)) ||
            !frame.ParseFromString(frame_bytes)) {
            ADD_FAILURE() << "no frame after batch " << batches.size();
            break;
        }
        EXPECT_NE(length, 10u) << "a frame that looks like a newline";
        EXPECT_EQ(frame.checksum(), XXH3_64bits(frame.batch().data(), frame.batch().size()));
        EXPECT_TRUE(batches.emplace_back().ParseFromString(frame.batch()));
    }
    return batches;
}

std::string MessageAround(const std::string& batch)
{
    v1::Frame frame;
    frame.set_checksum(XXH3_64bits(batch.data(), batch.size()));
    frame.set_batch(batch);
    std::string frame_bytes = frame.SerializeAsString();
    std::string message;
    {
        io::StringOutputStream raw(&message);
        io::CodedOutputStream stream(&raw);
        stream.WriteVarint32(static_cast<uint32_t>(frame_bytes.size()));
        stream.WriteString(frame_bytes);
    }
    return message;
}

} // namespace wal2lake::golden
