// What the forwarder knows and hears of a PostgreSQL server. Filled in by
// source_postgres.cpp and by tests; judged by fence.cpp and machine.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace wal2lake
{

// Plugin options by name; ordered, so that the fingerprint is stable.
using PluginOptions = std::map<std::string, std::string>;

struct SlotFacts {
    bool exists = false;
    std::string type;
    std::string plugin;
    std::string database;
    bool two_phase = false;
    // Where the server believes we are; the consistent point if never read.
    uint64_t confirmed_flush_lsn = 0;
    // "reserved", "extended", "unreserved", "lost".
    std::string wal_status;
    // Transactions decoded from it so far, as far as statistics remember.
    uint64_t total_txns = 0;
};

struct SourceFacts {
    uint64_t system_id = 0;
    uint32_t timeline = 0;
    // End of the WAL the server has.
    uint64_t wal_flush_lsn = 0;
    std::string database;
    uint32_t database_oid = 0;
    // 0 where the server never gives up on us.
    int64_t wal_sender_timeout_ms = 0;
    std::string server_version;
    SlotFacts slot;
};

// XXH3-64 of "name=value\n" for each option, 0 without options (segment.proto).
uint64_t OptionsFingerprint(const PluginOptions& options);

} // namespace wal2lake
