// Reads what a walsender sends inside CopyData: data and keepalives of the
// streaming replication protocol. Pure; used by source_postgres.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace wal2lake
{

struct ReplicationMessage {
    enum class Kind : uint8_t { kData, kKeepalive };

    Kind kind = Kind::kData;
    // kData: what the plugin wrote, a view into the parsed bytes.
    std::string_view payload;
    // kKeepalive: end of the WAL the server has, and whether it wants an answer.
    uint64_t wal_end = 0;
    bool reply_requested = false;
};

// nullopt for a kind that is not known, a message that is cut short, and data
// longer than any message of the plugin (kMaxMessageBytes).
std::optional<ReplicationMessage> ParseReplicationMessage(std::string_view bytes);

} // namespace wal2lake
