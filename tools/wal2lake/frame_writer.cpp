#include "frame_writer.h"

#include <iterator>

#include <protozero/pbf_writer.hpp>

#include "digest.h"

namespace wal2lake
{

std::string WriteFrame(std::string_view batch)
{
    std::string frame;
    protozero::pbf_writer writer(frame);
    writer.add_fixed64(1, Xxh64(batch));
    writer.add_bytes(2, batch.data(), batch.size());

    std::string message;
    protozero::write_varint(std::back_inserter(message), frame.size());
    return message + frame;
}

} // namespace wal2lake
