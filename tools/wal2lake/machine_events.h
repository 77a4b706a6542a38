// What the state machine hears and what it asks for. Shared by the machine, the
// driver that carries actions out and the tests.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "exit_code.h"
#include "log_entry.h"
#include "result.h"
#include "source.h"
#include "store/store.h"

namespace wal2lake
{

using Bytes = std::shared_ptr<const std::string>;

namespace event
{

// Time passes; monotonic milliseconds. The only clock the machine has. Sent
// before other events whenever the clock has moved.
struct Tick {
    int64_t now_ms = 0;
    // Bytes that the other sources of the process hold: all, and the one that
    // holds most.
    uint64_t held_elsewhere = 0;
    uint64_t largest_elsewhere = 0;
    // Unix time; for what is told of delays, decides nothing.
    int64_t wall_us = 0;
};

// Answers to ReadHead, ListAfter, ReadObject and PutObject. One such request is
// open at a time.
struct HeadRead {
    std::optional<std::string> bytes;
};
struct Listed {
    Result<ListPage> page;
};
struct ObjectRead {
    Result<Bytes> bytes;
};
struct PutDone {
};
struct PutExists {
};
struct PutFailed {
    // kRetryable or not; the text names the object.
    Error error;
};
// The object that ours continues is not there any more; nothing was put.
struct PredecessorGone {
};

// Answers to Connect and StartStreaming.
struct Connected {
    SourceFacts facts;
};
struct Streaming {
};
// One payload of the plugin; valid during the step only.
struct Message {
    std::string_view bytes;
};
struct Keepalive {
    uint64_t wal_end = 0;
    bool reply_requested = false;
    // What comes next is of another session of the plugin, on the same connection, and
    // comes once all that came is acknowledged.
    bool session_over = false;
};
// What was staged of a transaction comes as messages now, or no longer: until then
// nothing else is heard of the server.
struct Replaying {
    bool on = false;
};
// Transactions in progress cannot be staged. kDamaged: what the plugin sent breaks
// the contract.
struct StageFailed {
    Error error;
};
// Answers to AskServer, where it is so: the server shuts down.
struct ServerStopping {
};
// The connection is gone or never came about; not sent for our own Disconnect.
struct Disconnected {
    std::string sqlstate;
    std::string text;
};

// SIGTERM or SIGINT.
struct StopRequested {
};

} // namespace event

using Event =
    std::variant<event::Tick, event::HeadRead, event::Listed, event::ObjectRead, event::PutDone,
                 event::PutExists, event::PutFailed, event::PredecessorGone, event::Connected,
                 event::Streaming, event::Message, event::Keepalive, event::Replaying, event::StageFailed,
                 event::ServerStopping, event::Disconnected, event::StopRequested>;

namespace action
{

struct ReadHead {
    std::string name;
};
struct ListAfter {
    std::string prefix;
    std::string after;
    size_t limit = 0;
};
struct ReadObject {
    std::string name;
};
// Create if absent, durable when answered; only where the object `predecessor`,
// unless empty, exists.
struct PutObject {
    std::string name;
    Bytes bytes;
    std::string predecessor;
};
// Overwrites the hint; never answered, may fail.
struct WriteHead {
    std::string name;
    std::string bytes;
};

// Removes what other writers left of the transaction whose parts' names begin with
// `prefix`: all but `keep`. Never answered, may fail.
struct SweepParts {
    std::string prefix;
    std::vector<std::string> keep;
};

struct Connect {
};
struct StartStreaming {
    uint64_t lsn = 0;
    // Whether transactions are to be sent while they are in progress.
    bool in_progress = false;
};
struct SendStatus {
    uint64_t received_lsn = 0;
    uint64_t flushed_lsn = 0;
    // Whether the server is asked to answer at once.
    bool reply_wanted = false;
};
// Ends the connection in an orderly way; what was sent before still arrives.
struct Disconnect {
};
// Stop and go on taking messages from the connection.
struct PauseReading {
};
struct ResumeReading {
};

// Find out beside the connection whether the server shuts down.
struct AskServer {
};

struct Log {
    LogEntry entry;
};
// The machine is done; nothing follows.
struct Finish {
    ExitCode code = ExitCode::kOk;
    std::string sentence;
};

} // namespace action

using Action = std::variant<action::ReadHead, action::ListAfter, action::ReadObject, action::PutObject,
                            action::WriteHead, action::SweepParts, action::Connect, action::StartStreaming,
                            action::SendStatus, action::Disconnect, action::PauseReading,
                            action::ResumeReading, action::AskServer, action::Log, action::Finish>;
using Actions = std::vector<Action>;

} // namespace wal2lake
