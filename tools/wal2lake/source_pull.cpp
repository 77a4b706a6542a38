#include "source_pull.h"

#include <algorithm>
#include <chrono>

#include <libpq-fe.h>
#include <poll.h>

#include "clock.h"
#include "core/frame_reader.h"
#include "lsn.h"

namespace wal2lake
{
namespace
{

constexpr int kBinary = 1;
constexpr std::chrono::seconds kStartPatience{60};
constexpr std::chrono::seconds kGoodbyePatience{2};

// What the server says of its own accord, such as that it shuts down, we see by
// the end of the connection; libpq would print it among the lines of our log.
void Ignore(void*, const pg_result*) {}

// A pg_lsn in binary.
uint64_t LsnOf(const pg_result* result)
{
    uint64_t lsn = 0;
    if (PQntuples(result) != 1 || PQgetisnull(result, 0, 0) != 0 || PQgetlength(result, 0, 0) != 8)
        return 0;
    for (int i = 0; i < 8; i++)
        lsn = lsn << 8U | static_cast<unsigned char>(PQgetvalue(result, 0, 0)[i]);
    return lsn;
}

std::string LsnLiteral(uint64_t lsn)
{
    return PostgresSource::Literal(FormatLsn(lsn)) + "::pg_catalog.pg_lsn";
}

} // namespace

PullSource::PullSource(PullConfig config, int interrupt_fd, Poll poll)
    : PostgresSource(interrupt_fd, std::move(poll)), config_(config)
{
}

bool PullSource::Connect(const std::string& conninfo)
{
    step_ = Step::kIdle;
    row_.reset();
    flushed_lsn_ = confirmed_lsn_ = 0;
    if (!PostgresSource::Connect(conninfo, Protocol::kSql))
        return false;
    PQsetNoticeReceiver(connection_, Ignore, nullptr);
    // A question may take as long as it takes, and is given up once nobody hears
    // the answer: until then nobody else could read the slot.
    bool ok = false;
    const ResultPtr set = Query("SELECT pg_catalog.set_config('statement_timeout', '0', false),"
                                " pg_catalog.set_config('idle_session_timeout', '0', false),"
                                " pg_catalog.set_config('client_connection_check_interval', '1s', false)",
                                &ok);
    return ok;
}

std::string PullSource::Advance(uint64_t lsn) const
{
    return "SELECT " + functions_ + ".advance(" + LsnLiteral(lsn) + ")";
}

// A position that lies back moves nothing, and a peek up to the beginning of all
// WAL starts the plugin and ends before the first row.
bool PullSource::StartStreaming(const std::string& slot, uint64_t lsn, const PluginOptions&)
{
    functions_ = Identifier(SchemaOf(slot));
    bool ok = false;
    const ResultPtr stands = Query(Advance(0), kStartPatience, &ok);
    if (!ok)
        return false;
    const uint64_t confirmed_lsn = ParseLsn(PQgetvalue(stands.get(), 0, 0)).value_or(0);
    if (confirmed_lsn > lsn)
        return Moved(confirmed_lsn) != Received::kEnd;
    const ResultPtr starts = Query("SELECT pg_catalog.count(*) FROM " + functions_ + ".peek(" +
                                       LsnLiteral(confirmed_lsn) + ", '0/1')",
                                   kStartPatience, &ok);
    if (!ok)
        return false;
    confirmed_lsn_ = confirmed_lsn;
    flushed_lsn_ = reached_lsn_ = received_end_lsn_ = lsn;
    next_ms_ = NowMs();
    sign_wanted_ = false;
    return true;
}

// As the function says it where it finds out itself.
PullSource::Received PullSource::Moved(uint64_t lsn)
{
    error_ = {"W2L01", "the slot stands at " + FormatLsn(lsn) + ": somebody else has moved it"};
    return Received::kEnd;
}

int64_t PullSource::deadline_ms() const
{
    if (step_ != Step::kIdle)
        return INT64_MAX;
    if (flushed_lsn_ > confirmed_lsn_ || sign_wanted_)
        return 0;
    return MayPeek() ? next_ms_ : INT64_MAX;
}

bool PullSource::Ask(Step step, const std::string& sql, bool row_by_row)
{
    step_ = step;
    if (PQsendQueryParams(connection_, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, kBinary) == 1 &&
        (!row_by_row || PQsetSingleRowMode(connection_) == 1))
        return true;
    TakeError(nullptr);
    return false;
}

bool PullSource::Acknowledge()
{
    moving_to_lsn_ = flushed_lsn_;
    return Ask(Step::kAdvancing, Advance(moving_to_lsn_), false);
}

// Asks what is to be asked now, if anything. False where the connection is over.
bool PullSource::Begin()
{
    if (flushed_lsn_ > confirmed_lsn_)
        return Acknowledge();
    if (!sign_wanted_ && (!MayPeek() || NowMs() < next_ms_))
        return true;
    sign_wanted_ = false;
    return Ask(Step::kAskingEnd, "SELECT pg_catalog.pg_current_wal_flush_lsn()", false);
}

PullSource::Received PullSource::Receive(bool read_socket, Item* item)
{
    row_.reset();
    *item = Item{};
    const bool wanting = step_ == Step::kIdle || PQisBusy(connection_) != 0;
    if (read_socket && wanting && PQconsumeInput(connection_) == 0) {
        TakeError(nullptr);
        return Received::kEnd;
    }
    if (step_ == Step::kIdle) {
        // Also looks at what came unasked.
        (void)PQisBusy(connection_);
        if (!Begin())
            return Received::kEnd;
    }
    while (step_ != Step::kIdle && PQisBusy(connection_) == 0) {
        row_.reset(PQgetResult(connection_));
        const Received received = row_ == nullptr ? TakeEnd(item) : TakeRow(item);
        if (received != Received::kNothing)
            return received;
    }
    return Received::kNothing;
}

// What one result of a statement is to us.
PullSource::Received PullSource::TakeRow(Item* item)
{
    const ExecStatusType status = PQresultStatus(row_.get());
    if (status == PGRES_SINGLE_TUPLE) {
        item->payload = {PQgetvalue(row_.get(), 0, 0), static_cast<size_t>(PQgetlength(row_.get(), 0, 0))};
        CommittedView committed;
        PeekBatch(item->payload, &committed);
        received_end_lsn_ = std::max(received_end_lsn_, committed.end_lsn);
        return Received::kMessage;
    }
    if (status != PGRES_TUPLES_OK) {
        TakeError(row_.get());
        return Received::kEnd;
    }
    answer_lsn_ = LsnOf(row_.get());
    return Received::kNothing;
}

// A statement is over.
PullSource::Received PullSource::TakeEnd(Item* item)
{
    const Step ended = step_;
    step_ = Step::kIdle;
    if (ended == Step::kAdvancing) {
        if (answer_lsn_ != moving_to_lsn_)
            return Moved(answer_lsn_);
        confirmed_lsn_ = answer_lsn_;
        return Begin() ? Received::kNothing : Received::kEnd;
    }
    if (ended == Step::kAskingEnd) {
        wal_end_lsn_ = answer_lsn_;
        upto_lsn_ = std::min(wal_end_lsn_, reached_lsn_ + config_.max_wal_bytes);
        if (NowMs() >= next_ms_ && MayPeek()) {
            next_ms_ = NowMs() + config_.interval_ms;
            if (upto_lsn_ > reached_lsn_)
                return Next() ? Received::kNothing : Received::kEnd;
        }
    } else {
        item->session_over = true;
        reached_lsn_ = upto_lsn_;
        if (wal_end_lsn_ > upto_lsn_)
            next_ms_ = NowMs();
    }
    item->wal_end = reached_lsn_;
    return Received::kKeepalive;
}

bool PullSource::Next()
{
    return Ask(Step::kPeeking,
               "SELECT p.data FROM " + functions_ + ".peek(" + LsnLiteral(confirmed_lsn_) + ", " +
                   LsnLiteral(upto_lsn_) + ") AS p",
               true);
}

bool PullSource::SendStatus(uint64_t, uint64_t flushed_lsn, bool reply_wanted)
{
    flushed_lsn_ = std::max(flushed_lsn_, flushed_lsn);
    reached_lsn_ = std::max(reached_lsn_, flushed_lsn_);
    sign_wanted_ = sign_wanted_ || reply_wanted;
    return true;
}

void PullSource::Close()
{
    row_.reset();
    const auto deadline = std::chrono::steady_clock::now() + kGoodbyePatience;
    if (connection_ != nullptr && step_ == Step::kIdle && !functions_.empty() &&
        flushed_lsn_ > confirmed_lsn_ && Acknowledge()) {
        while (std::chrono::steady_clock::now() < deadline) {
            const bool unsent = PQflush(connection_) == 1;
            if (PQconsumeInput(connection_) == 0 || PQisBusy(connection_) == 0)
                break;
            pollfd waiting{PQsocket(connection_), static_cast<short>(unsent ? POLLIN | POLLOUT : POLLIN), 0};
            ::poll(&waiting, 1, 100);
        }
    }
    step_ = Step::kIdle;
    functions_.clear();
    PostgresSource::Close();
}

std::unique_ptr<PostgresSource> MakeSource(const PullConfig* pull, int interrupt_fd,
                                           PostgresSource::Poll poll)
{
    if (pull != nullptr)
        return std::make_unique<PullSource>(*pull, interrupt_fd, std::move(poll));
    return std::make_unique<PostgresSource>(interrupt_fd, std::move(poll));
}

} // namespace wal2lake
