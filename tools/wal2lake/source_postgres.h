// A replication connection to PostgreSQL through libpq; source_pull.h is another
// way to have the same.
//
// The driver connects, asks for facts, starts streaming, and then alternates
// between poll() on socket() and Receive(); `wal2lake slot` uses the first half.
// One thread, which no server can hold: each wait ends at a deadline and at the
// request to stop. Knows nothing of segments or the lake. Server texts are passed
// on as they are; those of our queries hold no column values.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <poll.h>

#include "source.h"

struct pg_conn;
struct pg_result;

namespace wal2lake
{

struct SourceError {
    // Five characters of the server, or empty for the connection's own.
    std::string sqlstate;
    std::string text;
};

struct SlotRow {
    std::string name;
    std::string plugin;
    std::string database;
    bool active = false;
    std::string restart_lsn;
    std::string confirmed_flush_lsn;
    std::string wal_status;
};

// Where a slot and its server stand. Positions as numbers, 0 where unknown.
struct SlotPosition {
    bool exists = false;
    bool active = false;
    std::string wal_status;
    uint64_t confirmed_flush_lsn = 0;
    uint64_t restart_lsn = 0;
    // End of the server's WAL.
    uint64_t wal_end_lsn = 0;
    // What may still be written before the slot is in danger; nothing without a
    // limit.
    std::optional<uint64_t> safe_wal_bytes;
    // The server's clock, Unix time.
    int64_t now_us = 0;
};

class PostgresSource
{
  public:
    // What stands in for poll(), for those who want to know of each wait.
    using Poll = std::function<int(pollfd*, nfds_t, int)>;

    // Once `interrupt_fd` is readable nothing is waited for any more.
    explicit PostgresSource(int interrupt_fd = -1, Poll poll = ::poll);
    virtual ~PostgresSource();
    PostgresSource(const PostgresSource&) = delete;
    PostgresSource& operator=(const PostgresSource&) = delete;

    // Without the replication protocol a role needs no REPLICATION attribute, and
    // there is no slot to create, drop or stream from.
    enum class Protocol { kReplication, kSql };

    // Opens the connection, waiting 15 s at most. False, and error(), where that
    // failed; so for all that follows. A server that does not answer in time, or
    // not before we are to stop, has lost the connection.
    bool Connect(const std::string& conninfo, Protocol protocol);
    // Speaking what this source streams over.
    virtual bool Connect(const std::string& conninfo) { return Connect(conninfo, Protocol::kReplication); }
    bool connected() const { return connection_ != nullptr; }
    const SourceError& error() const { return error_; }

    bool ReadFacts(const std::string& slot, SourceFacts* facts);

    // Rows of one statement; NULL is nullopt.
    using Row = std::vector<std::optional<std::string>>;
    bool ReadRows(const std::string& sql, std::vector<Row>* rows);
    static std::string Literal(const std::string& text);
    static std::string Identifier(const std::string& text);
    // What the last Connect() asked for, also where it failed.
    const std::string& user() const { return user_; }
    const std::string& database() const { return database_; }
    bool over_socket() const { return over_socket_; }
    // Waits for the transactions that are open, however long.
    bool CreateSlot(const std::string& slot, uint64_t* consistent_point);
    bool DropSlot(const std::string& slot);
    bool ListSlots(std::vector<SlotRow>* slots);
    bool ReadPosition(const std::string& slot, SlotPosition* position);

    virtual bool StartStreaming(const std::string& slot, uint64_t lsn, const PluginOptions& options);

    enum class Received { kNothing, kMessage, kKeepalive, kEnd };
    struct Item {
        // kMessage: what the plugin wrote; valid until the next call.
        std::string_view payload;
        // kKeepalive.
        uint64_t wal_end = 0;
        bool reply_requested = false;
        // What comes next is of another session of the plugin, and comes once all
        // that came is acknowledged.
        bool session_over = false;
    };
    // The next item without waiting. kEnd: the connection is over, see error().
    // `read_socket` false looks only at what has been received already.
    virtual Received Receive(bool read_socket, Item* item);
    // When Receive() wants to be called though nothing comes (clock.h).
    virtual int64_t deadline_ms() const { return INT64_MAX; }

    // Standby status update, answered with a keepalive where a reply is wanted;
    // false where the connection is over.
    virtual bool SendStatus(uint64_t received_lsn, uint64_t flushed_lsn, bool reply_wanted);
    // Sends what is left in the output buffer; true where some still is.
    bool Flush();

    // True where the server answers a new connection with being about to stop (or
    // to start). Beside the connection at hand, for 2 s at most; false where that
    // cannot be found out.
    static bool IsStopping(const std::string& conninfo);

    // Says goodbye, so that the server reads what was sent before, and closes.
    virtual void Close();

    // For poll(); -1 without connection.
    int socket() const;

  protected:
    struct ResultDeleter {
        void operator()(pg_result* result) const;
    };
    using ResultPtr = std::unique_ptr<pg_result, ResultDeleter>;

    struct Deadline {
        std::chrono::seconds patience;
        std::chrono::steady_clock::time_point end = std::chrono::steady_clock::now() + patience;
    };

    ResultPtr Query(const std::string& text, bool* ok);
    ResultPtr Query(const std::string& text, std::chrono::seconds patience, bool* ok);
    void TakeError(const pg_result* result);

    pg_conn* connection_ = nullptr;
    SourceError error_;

  private:
    bool TakeResult(const Deadline& deadline, ResultPtr* result);
    bool WaitFor(short events, const Deadline& deadline);

    int interrupt_fd_;
    Poll poll_;
    Protocol protocol_ = Protocol::kReplication;
    std::string user_;
    std::string database_;
    bool over_socket_ = false;
    char* buffer_ = nullptr;
};

} // namespace wal2lake
