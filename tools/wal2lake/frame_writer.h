// Makes a message of the stream of a serialized Batch, for what the command itself
// has to say or to say anew.
#pragma once

#include <string>
#include <string_view>

namespace wal2lake
{

// Varint length and Frame.
std::string WriteFrame(std::string_view batch);

} // namespace wal2lake
