// The server and the settings that tests of the state machine begin with.
#pragma once

#include "machine.h"

namespace wal2lake::test
{

inline SourceFacts Server(uint64_t confirmed_flush_lsn)
{
    SourceFacts facts;
    facts.system_id = 7000;
    facts.timeline = 1;
    facts.wal_flush_lsn = 1 << 30;
    facts.database = "app";
    facts.database_oid = 16384;
    facts.wal_sender_timeout_ms = 60'000;
    facts.server_version = "15.20";
    facts.slot = {true, "logical", "wal2lake", "app", false, confirmed_flush_lsn, "reserved", 0};
    return facts;
}

inline MachineConfig Config()
{
    MachineConfig config;
    config.names = {"cell1.main", "wal2lake", "file:///lake"};
    config.writer_version = "test";
    return config;
}

} // namespace wal2lake::test
