// What `wal2lake doctor` saw of one source: its server through doctor_server.cpp,
// its lake through doctor_lake.cpp. Judged by doctor_findings.cpp and filled in by
// tests. What could not be seen is absent, never a default that looks sound.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fence.h"
#include "result.h"
#include "source.h"
#include "source_postgres.h"
#include "store/store.h"

namespace wal2lake
{

// Who asks, for the fixes.
struct DoctorNames {
    std::string source;
    std::string slot;
    std::string lake;
    std::string conninfo;
    // Shell words that name this source to other commands: -c FILE --source ID.
    std::string arguments;
    uint64_t max_size = 0;
    bool has_options = false;
    // Pulled, instead of streamed.
    bool pull = false;
    // The user of the operating system that runs this.
    std::string os_user;
};

// A query that failed.
struct Unseen {
    std::string what;
    std::string why;
};

struct RoleFacts {
    std::string name;
    bool superuser = false;
    // The superuser that initdb made, which has to stay one.
    bool bootstrap = false;
    bool replication = false;
    bool reads_all_settings = false;
    // Statements that take the right to read tables away, as far as it was granted.
    std::vector<std::string> revokes;
};

struct SlotUse {
    int64_t slots_used = 0;
    // 0 where nobody reads our slot.
    int64_t active_pid = 0;
    // WAL that our slot keeps from being removed.
    int64_t retained_bytes = 0;
};

struct ExtensionFacts {
    // Of the extension in this database; empty where it was not created.
    std::string version;
    // Of the files on the server; empty where they are not there.
    std::string installed;
    // Event triggers of it that do not fire. Names are quoted.
    std::vector<std::string> idle_triggers;
};

// Tables whose changes are sent, by what their old rows lack. Names are quoted.
struct IdentityAudit {
    // REPLICA IDENTITY NOTHING; with, without a primary key that could serve.
    std::vector<std::string> nothing_with_key;
    std::vector<std::string> nothing;
    std::vector<std::string> no_key;
    std::vector<std::string> deferrable_key;
    std::vector<std::string> index_gone;
};

struct LabelAudit {
    // Tables without any labelled column, that nobody excluded.
    std::vector<std::string> unlabelled_tables;
    struct Column {
        // table.column, quoted.
        std::string name;
        bool in_key = false;
    };
    // Columns without label in tables that are sent.
    std::vector<Column> unlabelled_columns;
    // Columns whose label asks for a token; absent without the extension.
    std::optional<int64_t> hashed_columns;
};

struct ServerFacts {
    // As the connection would have it, also where it failed.
    std::string user;
    std::string database;
    bool over_socket = false;
    // Set where no session could be opened; nothing below is then.
    std::optional<SourceError> connect_error;
    // Set where the replication protocol was refused after SQL was not.
    std::optional<SourceError> replication_error;

    // As 150020; 0 if unknown.
    int version = 0;
    std::optional<bool> is_standby;
    // What pg_settings shows this role, in its base units.
    std::map<std::string, std::string> settings;
    std::optional<RoleFacts> role;
    std::optional<SourceFacts> source;
    std::optional<SlotUse> use;
    std::optional<ExtensionFacts> extension;
    std::optional<IdentityAudit> identity;
    std::optional<LabelAudit> labels;
    // Decoding was started on the slot and ended before the first row: what would
    // refuse a run refuses this too. Absent where there is no slot to try.
    std::optional<bool> decoding_starts;
    // Of a source that is pulled: whether the functions are there, and the role's to
    // call.
    std::optional<bool> functions_exist;
    bool functions_allowed = false;
    SourceError decoding_error;
    // Server minus us, and what the round trip leaves open.
    std::optional<double> clock_skew_s;
    double clock_error_s = 0;
    std::vector<Unseen> unseen;
};

// What wal2lake.check() answered (docs/labels.md, Review).
struct PolicyFacts {
    struct Row {
        std::string severity;
        std::string code;
        std::string object;
        std::string finding;
        // SQL where it ends with a semicolon, else advice, or empty.
        std::string fix;
    };
    std::vector<Row> rows;
    // Who asked, and whether that was somebody else than the source's own role.
    std::string role;
    bool by_admin = false;
    // The role may not call it; `is_admin` where nothing but EXECUTE is missing.
    bool refused = false;
    bool is_admin = false;
    // Why it could not be asked.
    std::optional<SourceError> error;
};

struct LakeFacts {
    std::optional<Error> open_error;
    // The folder itself, for a lake in a file system.
    std::optional<std::string> folder;
    bool folder_exists = true;
    std::optional<uint64_t> free_bytes;
    // Of the probe (store/probe.h): why it could not be made, or what was wrong.
    std::optional<Error> write_error;
    std::optional<std::string> not_exclusive;
    // What the store itself does to objects, or why that cannot be seen; neither where
    // the lake cannot be written.
    std::vector<LifecycleRule> lifecycle_rules;
    std::optional<Error> lifecycle_error;
    // Where the log could not be listed or its last object not be read.
    std::optional<Error> tail_error;
    std::string tail_name;
    std::optional<Tail> tail;
};

// Where transactions in progress are to be kept; nothing of it where none is.
struct StageFacts {
    std::string directory;
    uint64_t max_size = 0;
    bool directory_exists = true;
    std::optional<Error> error;
    std::optional<uint64_t> free_bytes;
};

struct SourceReport {
    DoctorNames names;
    ServerFacts server;
    LakeFacts lake;
    std::optional<StageFacts> stage;
    // Absent where there is nothing to ask, which has a finding of its own.
    std::optional<PolicyFacts> policy;
};

} // namespace wal2lake
