#include "source_postgres.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <climits>
#include <cstdlib>

#include <libpq-fe.h>

#include "lsn.h"
#include "replication_message.h"

namespace wal2lake
{
namespace
{

// Microseconds between the Unix epoch and 2000-01-01, PostgreSQL's.
constexpr int64_t kPostgresEpochUs = 946'684'800LL * 1'000'000;

// What no server takes that still works. Longer where it writes to its disk or
// starts the plugin first, and where the doctor reads whole catalogs.
constexpr std::chrono::seconds kConnectPatience{15};
constexpr std::chrono::seconds kAnswerPatience{30};
constexpr std::chrono::seconds kCommandPatience{60};
constexpr std::chrono::seconds kCatalogPatience{300};
constexpr std::chrono::seconds kForEver = std::chrono::hours(24 * 365);

void AppendBigEndian64(uint64_t value, std::string* out)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        *out += static_cast<char>(value >> static_cast<unsigned>(shift) & 0xffU);
}

uint64_t LsnOrZero(const char* text)
{
    return ParseLsn(text).value_or(0);
}

// Before a result exists libpq reports errors as text only. With verbose errors
// the text is "FATAL:  28P01: password ..." and lines of context.
SourceError SplitConnectionError(std::string text)
{
    SourceError error;
    const auto is_state = [&](size_t at) {
        if (at + 7 > text.size() || text[at + 5] != ':')
            return false;
        return std::all_of(text.begin() + static_cast<ptrdiff_t>(at),
                           text.begin() + static_cast<ptrdiff_t>(at + 5),
                           [](unsigned char c) { return std::isdigit(c) != 0 || std::isupper(c) != 0; });
    };
    for (size_t at = text.find(":  "); at != std::string::npos; at = text.find(":  ", at + 1)) {
        if (!is_state(at + 3))
            continue;
        error.sqlstate = text.substr(at + 3, 5);
        text.erase(at + 3, 7);
        break;
    }
    const size_t location = text.find("\nLOCATION:");
    error.text = text.substr(0, location);
    while (!error.text.empty() && error.text.back() == '\n')
        error.text.pop_back();
    return error;
}

} // namespace

void PostgresSource::ResultDeleter::operator()(pg_result* result) const
{
    PQclear(result);
}

PostgresSource::PostgresSource(int interrupt_fd, Poll poll)
    : interrupt_fd_(interrupt_fd), poll_(std::move(poll))
{
}

PostgresSource::~PostgresSource()
{
    PQfreemem(buffer_);
    PQfinish(connection_);
}

bool PostgresSource::Connect(const std::string& conninfo, Protocol protocol)
{
    PQfinish(connection_);
    protocol_ = protocol;
    const char* const replication = protocol == Protocol::kReplication ? "database" : "";
    // Later entries win, so ours that may be overridden come before dbname,
    // which is the conninfo, and the ones we insist on after it.
    const char* const keywords[] = {"connect_timeout",
                                    "keepalives_idle",
                                    "keepalives_interval",
                                    "keepalives_count",
                                    "tcp_user_timeout",
                                    "fallback_application_name",
                                    "dbname",
                                    "replication",
                                    "client_encoding",
                                    nullptr};
    const char* const values[] = {"10",        "20",   "10",   "3", "60000", "wal2lake", conninfo.c_str(),
                                  replication, "UTF8", nullptr};
    connection_ = PQconnectStartParams(keywords, values, 1);
    if (connection_ != nullptr)
        PQsetErrorVerbosity(connection_, PQERRORS_VERBOSE);
    const Deadline deadline{kConnectPatience};
    bool waited = true;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (connection_ != nullptr && PQstatus(connection_) != CONNECTION_BAD && state != PGRES_POLLING_OK &&
           state != PGRES_POLLING_FAILED) {
        waited = WaitFor(state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline);
        if (!waited)
            break;
        state = PQconnectPoll(connection_);
    }
    if (connection_ != nullptr) {
        const auto text = [](const char* value) { return std::string(value == nullptr ? "" : value); };
        user_ = text(PQuser(connection_));
        database_ = text(PQdb(connection_));
        over_socket_ = text(PQhost(connection_)).starts_with("/");
    }
    if (connection_ == nullptr || state != PGRES_POLLING_OK) {
        // While an attempt goes on libpq's text is the beginning of a sentence.
        const std::string reason = waited ? "" : error_.text;
        error_ = connection_ == nullptr ? SourceError{"", "out of memory"}
                                        : SplitConnectionError(PQerrorMessage(connection_) + reason);
        PQfinish(connection_);
        connection_ = nullptr;
        return false;
    }
    PQsetErrorVerbosity(connection_, PQERRORS_DEFAULT);
    PQsetnonblocking(connection_, 1);
    // Nothing of ours may resolve through a path that others can set.
    bool ok = false;
    const ResultPtr path = Query("SELECT pg_catalog.set_config('search_path', '', false)", &ok);
    return ok;
}

void PostgresSource::TakeError(const pg_result* result)
{
    const char* state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char* primary = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char* hint = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    const char* detail = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    error_.sqlstate = state == nullptr ? "" : state;
    error_.text = primary == nullptr ? PQerrorMessage(connection_) : primary;
    if (detail != nullptr)
        error_.text += std::string(" (") + detail + ")";
    if (hint != nullptr)
        error_.text += std::string("; ") + hint;
    while (!error_.text.empty() && error_.text.back() == '\n')
        error_.text.pop_back();
    if (error_.text.empty())
        error_.text = "the server closed the connection";
}

// Until the connection is ready for one of `events`. False, and error(), where
// that is not waited for any longer.
bool PostgresSource::WaitFor(short events, const Deadline& deadline)
{
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline.end - std::chrono::steady_clock::now());
        pollfd waiting[] = {{PQsocket(connection_), events, 0}, {interrupt_fd_, POLLIN, 0}};
        poll_(waiting, 2, static_cast<int>(std::clamp<int64_t>(left.count(), 0, INT_MAX)));
        if (waiting[1].revents != 0)
            error_ = {"", "asked to stop before the server answered"};
        else if (waiting[0].revents != 0)
            return true;
        else if (left.count() <= 0)
            error_ = {"",
                      "the server did not answer within " + std::to_string(deadline.patience.count()) + " s"};
        else
            continue;
        return false;
    }
}

// The first result of what was sent; none where the connection broke. False, and
// error(), where it is not waited for any longer.
bool PostgresSource::TakeResult(const Deadline& deadline, ResultPtr* result)
{
    for (;;) {
        for (;;) {
            const bool unsent = PQflush(connection_) == 1;
            if (!unsent && PQisBusy(connection_) == 0)
                break;
            if (!WaitFor(static_cast<short>(unsent ? POLLIN | POLLOUT : POLLIN), deadline))
                return false;
            if (PQconsumeInput(connection_) == 0)
                return true;
        }
        ResultPtr next(PQgetResult(connection_));
        const bool last = next == nullptr || PQresultStatus(next.get()) == PGRES_COPY_BOTH;
        if (*result == nullptr)
            *result = std::move(next);
        if (last)
            return true;
    }
}

PostgresSource::ResultPtr PostgresSource::Query(const std::string& text, bool* ok)
{
    return Query(text, kAnswerPatience, ok);
}

PostgresSource::ResultPtr PostgresSource::Query(const std::string& text, std::chrono::seconds patience,
                                                bool* ok)
{
    *ok = false;
    ResultPtr result;
    // Given up before: the error says why.
    if (connection_ == nullptr)
        return result;
    if (PQsendQuery(connection_, text.c_str()) == 1 && !TakeResult(Deadline{patience}, &result)) {
        PQfinish(connection_);
        connection_ = nullptr;
        return nullptr;
    }
    const ExecStatusType status = PQresultStatus(result.get());
    *ok = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_COPY_BOTH;
    if (!*ok)
        TakeError(result.get());
    return result;
}

std::string PostgresSource::Literal(const std::string& text)
{
    std::string quoted = "'";
    for (const char c : text)
        quoted += c == '\'' ? std::string("''") : std::string(1, c);
    return quoted + "'";
}

std::string PostgresSource::Identifier(const std::string& text)
{
    std::string quoted = "\"";
    for (const char c : text)
        quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + "\"";
}

bool PostgresSource::ReadFacts(const std::string& slot, SourceFacts* facts)
{
    bool ok = false;
    // The replication command, where it can be had, also knows a standby's timeline.
    const ResultPtr identity =
        Query(protocol_ == Protocol::kReplication
                  ? "IDENTIFY_SYSTEM"
                  : "SELECT s.system_identifier, CASE WHEN pg_catalog.pg_is_in_recovery() THEN c.timeline_id"
                    " ELSE ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name("
                    "pg_catalog.pg_current_wal_lsn()), 1, 8))::pg_catalog.bit(32)::pg_catalog.int4 END,"
                    " CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()"
                    " ELSE pg_catalog.pg_current_wal_flush_lsn() END"
                    " FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c",
              &ok);
    if (!ok)
        return false;
    facts->system_id = std::strtoull(PQgetvalue(identity.get(), 0, 0), nullptr, 10);
    facts->timeline = static_cast<uint32_t>(std::strtoul(PQgetvalue(identity.get(), 0, 1), nullptr, 10));
    facts->wal_flush_lsn = LsnOrZero(PQgetvalue(identity.get(), 0, 2));
    const char* version = PQparameterStatus(connection_, "server_version");
    facts->server_version = version == nullptr ? "" : version;

    const ResultPtr database =
        Query("SELECT d.datname, d.oid, (SELECT s.setting FROM pg_catalog.pg_settings s"
              " WHERE s.name = 'wal_sender_timeout')"
              " FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()",
              &ok);
    if (!ok)
        return false;
    facts->database = PQgetvalue(database.get(), 0, 0);
    facts->database_oid = static_cast<uint32_t>(std::strtoul(PQgetvalue(database.get(), 0, 1), nullptr, 10));
    facts->wal_sender_timeout_ms = std::strtoll(PQgetvalue(database.get(), 0, 2), nullptr, 10);

    const ResultPtr row =
        Query("SELECT s.slot_type, coalesce(s.plugin, ''), coalesce(s.database, ''), s.two_phase,"
              " coalesce(s.confirmed_flush_lsn, '0/0'), coalesce(s.wal_status, ''),"
              " coalesce((SELECT t.total_txns FROM pg_catalog.pg_stat_replication_slots t"
              "           WHERE t.slot_name = s.slot_name), 0)"
              " FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = " +
                  Literal(slot),
              &ok);
    if (!ok)
        return false;
    facts->slot = SlotFacts{};
    facts->slot.exists = PQntuples(row.get()) == 1;
    if (!facts->slot.exists)
        return true;
    facts->slot.type = PQgetvalue(row.get(), 0, 0);
    facts->slot.plugin = PQgetvalue(row.get(), 0, 1);
    facts->slot.database = PQgetvalue(row.get(), 0, 2);
    facts->slot.two_phase = PQgetvalue(row.get(), 0, 3)[0] == 't';
    facts->slot.confirmed_flush_lsn = LsnOrZero(PQgetvalue(row.get(), 0, 4));
    facts->slot.wal_status = PQgetvalue(row.get(), 0, 5);
    facts->slot.total_txns = std::strtoull(PQgetvalue(row.get(), 0, 6), nullptr, 10);
    return true;
}

bool PostgresSource::ReadRows(const std::string& sql, std::vector<Row>* rows)
{
    bool ok = false;
    const ResultPtr result = Query(sql, kCatalogPatience, &ok);
    rows->clear();
    for (int i = 0; ok && i < PQntuples(result.get()); i++) {
        Row row;
        for (int column = 0; column < PQnfields(result.get()); column++) {
            if (PQgetisnull(result.get(), i, column) != 0)
                row.emplace_back(std::nullopt);
            else
                row.emplace_back(PQgetvalue(result.get(), i, column));
        }
        rows->push_back(std::move(row));
    }
    return ok;
}

bool PostgresSource::CreateSlot(const std::string& slot, uint64_t* consistent_point)
{
    // A server looks after its client only where it is told to, and from the next
    // query on. Otherwise it would go on waiting, and make a slot, for a client
    // that was stopped meanwhile: one that keeps WAL for nobody.
    bool ok = false;
    for (const char* const query :
         {"SELECT pg_catalog.set_config('client_connection_check_interval', '1s', false)", "SELECT"})
        if (Query(query, &ok); !ok)
            return false;
    const ResultPtr created =
        Query("CREATE_REPLICATION_SLOT " + Identifier(slot) + " LOGICAL wal2lake (SNAPSHOT 'nothing')",
              kForEver, &ok);
    if (ok)
        *consistent_point = LsnOrZero(PQgetvalue(created.get(), 0, 1));
    return ok;
}

bool PostgresSource::DropSlot(const std::string& slot)
{
    bool ok = false;
    const ResultPtr dropped = Query("DROP_REPLICATION_SLOT " + Identifier(slot), kCommandPatience, &ok);
    return ok;
}

bool PostgresSource::ListSlots(std::vector<SlotRow>* slots)
{
    bool ok = false;
    const ResultPtr rows =
        Query("SELECT slot_name, coalesce(plugin, ''), coalesce(database, ''), active,"
              " coalesce(restart_lsn::pg_catalog.text, ''),"
              " coalesce(confirmed_flush_lsn::pg_catalog.text, ''), coalesce(wal_status, '')"
              " FROM pg_catalog.pg_replication_slots WHERE plugin = 'wal2lake' ORDER BY slot_name",
              &ok);
    for (int i = 0; ok && i < PQntuples(rows.get()); i++) {
        const auto field = [&](int column) { return std::string(PQgetvalue(rows.get(), i, column)); };
        slots->push_back({field(0), field(1), field(2), field(3) == "t", field(4), field(5), field(6)});
    }
    return ok;
}

bool PostgresSource::ReadPosition(const std::string& slot, SlotPosition* position)
{
    bool ok = false;
    const ResultPtr row =
        Query("SELECT s.slot_name IS NOT NULL, coalesce(s.active, false), coalesce(s.wal_status, ''),"
              " coalesce(s.confirmed_flush_lsn, '0/0'), coalesce(s.restart_lsn, '0/0'),"
              " CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()"
              " ELSE pg_catalog.pg_current_wal_flush_lsn() END, s.safe_wal_size,"
              " (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::pg_catalog.int8"
              " FROM (SELECT) AS always LEFT JOIN pg_catalog.pg_replication_slots s ON s.slot_name = " +
                  Literal(slot),
              &ok);
    if (!ok)
        return false;
    const auto field = [&](int column) { return PQgetvalue(row.get(), 0, column); };
    position->exists = field(0)[0] == 't';
    position->active = field(1)[0] == 't';
    position->wal_status = field(2);
    position->confirmed_flush_lsn = LsnOrZero(field(3));
    position->restart_lsn = LsnOrZero(field(4));
    position->wal_end_lsn = LsnOrZero(field(5));
    if (PQgetisnull(row.get(), 0, 6) == 0)
        position->safe_wal_bytes = std::strtoull(field(6), nullptr, 10);
    position->now_us = std::strtoll(field(7), nullptr, 10);
    return true;
}

bool PostgresSource::StartStreaming(const std::string& slot, uint64_t lsn, const PluginOptions& options)
{
    std::string command = "START_REPLICATION SLOT " + Identifier(slot) + " LOGICAL " + FormatLsn(lsn);
    std::string list;
    for (const auto& [name, value] : options)
        list += (list.empty() ? "" : ", ") + Identifier(name) + " " + Literal(value);
    if (!list.empty())
        command += " (" + list + ")";
    bool ok = false;
    const ResultPtr started = Query(command, kCommandPatience, &ok);
    return ok;
}

PostgresSource::Received PostgresSource::Receive(bool read_socket, Item* item)
{
    PQfreemem(buffer_);
    buffer_ = nullptr;
    int size = PQgetCopyData(connection_, &buffer_, 1);
    if (size == 0 && read_socket) {
        if (PQconsumeInput(connection_) == 0) {
            TakeError(nullptr);
            return Received::kEnd;
        }
        size = PQgetCopyData(connection_, &buffer_, 1);
    }
    if (size == 0)
        return Received::kNothing;
    if (size < 0) {
        const ResultPtr result(size == -1 ? PQgetResult(connection_) : nullptr);
        if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR) {
            TakeError(result.get());
        } else {
            TakeError(nullptr);
            if (size == -1)
                error_ = {"", "the server ended the stream"};
        }
        return Received::kEnd;
    }
    const auto message = ParseReplicationMessage({buffer_, static_cast<size_t>(size)});
    if (message && message->kind == ReplicationMessage::Kind::kData) {
        item->payload = message->payload;
        return Received::kMessage;
    }
    if (message) {
        item->wal_end = message->wal_end;
        item->reply_requested = message->reply_requested;
        return Received::kKeepalive;
    }
    error_ = {"08P01", "the server sent a replication message that is not understood"};
    return Received::kEnd;
}

bool PostgresSource::SendStatus(uint64_t received_lsn, uint64_t flushed_lsn, bool reply_wanted)
{
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    std::string status = "r";
    AppendBigEndian64(received_lsn, &status);
    AppendBigEndian64(flushed_lsn, &status);
    AppendBigEndian64(flushed_lsn, &status);
    AppendBigEndian64(static_cast<uint64_t>(now.count() - kPostgresEpochUs), &status);
    status += reply_wanted ? '\1' : '\0';
    if (PQputCopyData(connection_, status.data(), static_cast<int>(status.size())) != 1 ||
        PQflush(connection_) < 0) {
        TakeError(nullptr);
        return false;
    }
    return true;
}

bool PostgresSource::Flush()
{
    return connection_ != nullptr && PQflush(connection_) == 1;
}

bool PostgresSource::IsStopping(const std::string& conninfo)
{
    const char* const keywords[] = {"fallback_application_name", "dbname", "connect_timeout", nullptr};
    const char* const values[] = {"wal2lake", conninfo.c_str(), "2", nullptr};
    return PQpingParams(keywords, values, 1) == PQPING_REJECT;
}

void PostgresSource::Close()
{
    if (connection_ == nullptr)
        return;
    // The server reads our last status before the end of the copy; reading on
    // until it ends too keeps it from failing on a full socket before that.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    if (PQtransactionStatus(connection_) == PQTRANS_ACTIVE && PQputCopyEnd(connection_, nullptr) == 1) {
        while (std::chrono::steady_clock::now() < deadline) {
            const bool unsent = PQflush(connection_) == 1;
            Item item;
            const Received received = Receive(true, &item);
            if (received == Received::kEnd)
                break;
            if (received != Received::kNothing)
                continue;
            pollfd waiting{PQsocket(connection_), static_cast<short>(unsent ? POLLIN | POLLOUT : POLLIN), 0};
            ::poll(&waiting, 1, 100);
        }
    }
    PQfreemem(buffer_);
    buffer_ = nullptr;
    PQfinish(connection_);
    connection_ = nullptr;
}

int PostgresSource::socket() const
{
    return connection_ == nullptr ? -1 : PQsocket(connection_);
}

} // namespace wal2lake
