#include "replication_message.h"

#include "core/frame_reader.h"

namespace wal2lake
{
namespace
{

// 'w', start of the WAL, its end, the server's clock.
constexpr size_t kDataHead = 1 + 8 + 8 + 8;
// 'k', end of the WAL, the server's clock, whether a reply is wanted. A later
// protocol may add to its end.
constexpr size_t kKeepaliveSize = 1 + 8 + 8 + 1;

uint64_t ReadBigEndian64(std::string_view bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++)
        value = value << 8U | static_cast<unsigned char>(bytes[i]);
    return value;
}

} // namespace

std::optional<ReplicationMessage> ParseReplicationMessage(std::string_view bytes)
{
    ReplicationMessage message;
    if (bytes.starts_with('w') && bytes.size() >= kDataHead && bytes.size() <= kMaxMessageBytes + kDataHead) {
        message.kind = ReplicationMessage::Kind::kData;
        message.payload = bytes.substr(kDataHead);
        return message;
    }
    if (bytes.starts_with('k') && bytes.size() >= kKeepaliveSize) {
        message.kind = ReplicationMessage::Kind::kKeepalive;
        message.wal_end = ReadBigEndian64(bytes.substr(1));
        message.reply_requested = bytes[kKeepaliveSize - 1] != 0;
        return message;
    }
    return std::nullopt;
}

} // namespace wal2lake
