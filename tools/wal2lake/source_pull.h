// A source whose role has no REPLICATION: it asks for what is new by the two
// functions that wal2lake.create_pull_source made for one slot (docs/pull.md).
//
// To the driver it is a stream like any other. It asks at its interval, and when
// the last answer was not all there is. An answer is whole transactions up to a
// position, and a plugin session of its own; the next is asked for only once all
// of this one is acknowledged, so nothing is decoded twice but what lies between
// the slot's restart_lsn and what was acknowledged. No transaction of ours is open
// between two statements.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "pull_config.h"
#include "source_postgres.h"

namespace wal2lake
{

class PullSource : public PostgresSource
{
  public:
    PullSource(PullConfig config, int interrupt_fd, Poll poll);

    using PostgresSource::Connect;
    bool Connect(const std::string& conninfo) override;

    // Proves that the slot can be read, and that nobody has moved it beyond `lsn`.
    // The options are those of the functions.
    bool StartStreaming(const std::string& slot, uint64_t lsn, const PluginOptions& options) override;
    Received Receive(bool read_socket, Item* item) override;
    int64_t deadline_ms() const override;
    bool SendStatus(uint64_t received_lsn, uint64_t flushed_lsn, bool reply_wanted) override;
    // Acknowledges before, where nothing else is under way.
    void Close() override;

    // The schema of a slot's functions.
    static std::string SchemaOf(const std::string& slot) { return "wal2lake_pull_" + slot; }

  private:
    enum class Step : uint8_t { kIdle, kAskingEnd, kPeeking, kAdvancing };

    std::string Advance(uint64_t lsn) const;
    bool Acknowledge();
    bool Ask(Step step, const std::string& sql, bool row_by_row);
    bool Begin();
    bool Next();
    Received TakeRow(Item* item);
    Received TakeEnd(Item* item);
    Received Moved(uint64_t lsn);
    bool MayPeek() const { return received_end_lsn_ <= confirmed_lsn_ && flushed_lsn_ <= confirmed_lsn_; }

    PullConfig config_;
    std::string functions_;
    Step step_ = Step::kIdle;
    ResultPtr row_;
    // The one value that a question other than for changes is answered with.
    uint64_t answer_lsn_ = 0;

    // The slot's, as we know it: nobody else may move it.
    uint64_t confirmed_lsn_ = 0;
    // What may be acknowledged.
    uint64_t flushed_lsn_ = 0;
    // Of it, what the slot is being moved to.
    uint64_t moving_to_lsn_ = 0;
    // All before it was handed over.
    uint64_t reached_lsn_ = 0;
    uint64_t upto_lsn_ = 0;
    uint64_t wal_end_lsn_ = 0;
    // End of the last transaction that was handed over.
    uint64_t received_end_lsn_ = 0;
    int64_t next_ms_ = 0;
    bool sign_wanted_ = false;
};

// The kind of source that a configuration asks for.
std::unique_ptr<PostgresSource> MakeSource(const PullConfig* pull, int interrupt_fd = -1,
                                           PostgresSource::Poll poll = ::poll);

} // namespace wal2lake
