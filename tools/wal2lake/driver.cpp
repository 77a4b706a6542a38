#include "driver.h"

#include <algorithm>

#include <poll.h>

#include "clock.h"
#include "core/options.h"
#include "failpoint.h"

namespace wal2lake
{
namespace
{

// Messages taken from the connection before the loop looks at clock, store and
// the request to stop again.
constexpr int kBurst = 256;
// Others see a state at most this old.
constexpr int64_t kPublishMs = 100;
// The server sends each small transaction by itself, and waking up for one costs
// more than what is done with it. While they come one after the other we let
// them gather this long: a part of what the socket holds, and nothing beside the
// age of a segment. Large messages are taken as they come.
constexpr int kGatherMs = 1;
constexpr size_t kGatherBytes = size_t{32} << 10;

// Sealing and adopting happen inside the machine; what it says of them is the
// edge at which a test may come in.
void PassBefore(const std::string& event)
{
    if (event == "sealed")
        failpoint::Pass("seal.before");
    else if (event == "adopted")
        failpoint::Pass("adopt.before");
}

void PassAfter(const std::string& event)
{
    if (event == "sealed")
        failpoint::Pass("seal.after");
    else if (event == "adopted")
        failpoint::Pass("adopt.after");
}

} // namespace

Driver::Driver(DriverConfig config, std::unique_ptr<Store> store, MemoryBudget* budget, const Log& log)
    : config_(std::move(config)), budget_(budget), log_(log), machine_(config_.machine),
      store_(std::move(store)),
      server_(MakeSource(config_.pull, config_.stop_fd, config_.board->PollOf(config_.number))),
      stage_(config_.stage)
{
}

ExitCode Driver::Run()
{
    while (!finished_) {
        FeedClock();
        if (finished_)
            break;
        Wait();
        FeedClock();
        for (Event& event : store_.TakeEvents()) {
            if (std::holds_alternative<event::PutExists>(event))
                failpoint::Pass("put.exists");
            Feed(event);
            if (std::holds_alternative<event::PutDone>(event))
                failpoint::Pass("put.confirmed");
        }
        if (stop_asked_ && !stopping_) {
            stopping_ = true;
            Feed(event::StopRequested{});
        }
        TakeMessages();
        Publish();
    }
    PublishNow();
    budget_->Report(config_.number, 0);
    return code_;
}

// Steps the machine and carries out what it asks for; what that brings about at
// once is fed in turn.
void Driver::Feed(const Event& event)
{
    Actions actions;
    machine_.Step(event, &actions);
    for (const Action& action : actions)
        if (!finished_)
            std::visit([this](const auto& typed) { Do(typed); }, action);
    while (!finished_ && !answers_.empty()) {
        const Event answer = std::move(answers_.front());
        answers_.pop_front();
        Feed(answer);
    }
}

void Driver::FeedClock()
{
    const MemoryBudget::Others others = budget_->Report(config_.number, machine_.buffered_bytes());
    Feed(event::Tick{NowMs(), others.sum, others.largest, UnixUs()});
}

// After each turn, but not each time: turns are short under load.
void Driver::Publish()
{
    unpublished_ = NowMs() - published_ms_ < kPublishMs;
    if (!unpublished_)
        PublishNow();
}

void Driver::PublishNow()
{
    published_ms_ = NowMs();
    if (machine_.table_stats_heard() != tables_heard_) {
        tables_heard_ = machine_.table_stats_heard();
        tables_ = std::make_shared<const StatsByOid>(machine_.table_stats());
    }
    SourceStatus status;
    machine_.Describe(&status);
    status.tables = tables_;
    status.staged_bytes = stage_.bytes();
    status.staged_transactions = stage_.transactions();
    config_.board->Publish(config_.number, std::move(status));
}

void Driver::Do(const action::PutObject& action)
{
    failpoint::Pass("put.before");
    store_.Submit(action);
}

void Driver::Do(const action::Connect&)
{
    // It may take its time.
    PublishNow();
    SourceFacts facts;
    if (failpoint::Fails("connect.before") || !server_->Connect(config_.conninfo) ||
        !server_->ReadFacts(config_.machine.names.slot, &facts)) {
        LostServer();
        return;
    }
    failpoint::Pass("connect.after");
    answers_.push_back(event::Connected{std::move(facts)});
}

void Driver::Do(const action::StartStreaming& action)
{
    PluginOptions options = config_.machine.options;
    options.emplace("format_version", std::to_string(W2L_FORMAT_VERSION));
    if (action.in_progress)
        options.emplace("streaming", "on");
    if (failpoint::Fails("start.before") ||
        !server_->StartStreaming(config_.machine.names.slot, action.lsn, options)) {
        LostServer();
        return;
    }
    failpoint::Pass("start.after");
    streaming_ = true;
    paused_ = false;
    answers_.push_back(event::Streaming{});
}

void Driver::Do(const action::SendStatus& action)
{
    if (!streaming_)
        return;
    if (failpoint::Fails("status.before") ||
        !server_->SendStatus(action.received_lsn, action.flushed_lsn, action.reply_wanted))
        LostServer();
    else
        failpoint::Pass("status.after");
}

void Driver::Do(const action::Disconnect&)
{
    streaming_ = false;
    ClearStage();
    server_->Close();
}

void Driver::Do(const action::PauseReading&)
{
    paused_ = true;
}

void Driver::Do(const action::ResumeReading&)
{
    paused_ = false;
    more_ = true;
}

void Driver::Do(const action::AskServer&)
{
    if (PostgresSource::IsStopping(config_.conninfo))
        answers_.push_back(event::ServerStopping{});
}

void Driver::Do(const action::Log& action)
{
    PassBefore(action.entry.event);
    log_.Write(action.entry);
    PassAfter(action.entry.event);
}

void Driver::Do(const action::Finish& action)
{
    finished_ = true;
    code_ = action.code;
    log_.Write({action.code == ExitCode::kOk ? LogLevel::kInfo : LogLevel::kError,
                "finished",
                action.sentence,
                {{"exit_code", static_cast<int64_t>(action.code)}}});
}

void Driver::LostServer()
{
    const SourceError error = server_->error();
    streaming_ = false;
    ClearStage();
    server_->Close();
    answers_.push_back(event::Disconnected{error.sqlstate, error.text});
}

void Driver::Wait()
{
    const bool reading = streaming_ && !paused_;
    pollfd fds[3] = {
        {stopping_ ? -1 : config_.stop_fd, POLLIN, 0}, {store_.event_fd(), POLLIN, 0}, {-1, 0, 0}};
    if (streaming_) {
        // While reading is paused only a broken connection is of interest,
        // which poll() reports unasked.
        fds[2].fd = server_->socket();
        fds[2].events = static_cast<short>((reading ? POLLIN : 0) | (server_->Flush() ? POLLOUT : 0));
    }
    const int64_t longest = unpublished_ ? kPublishMs : 60'000;
    const int64_t due = std::min(machine_.deadline_ms(), reading ? server_->deadline_ms() : INT64_MAX);
    const int64_t wait = std::clamp<int64_t>(due - NowMs(), 0, longest);
    config_.board->Poll(config_.number, fds, 3, reading && more_ ? 0 : static_cast<int>(wait));
    stop_asked_ = (fds[0].revents & POLLIN) != 0;
    readable_ = (fds[2].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
    if (readable_ && reading && taken_bytes_ < kGatherBytes && NowMs() - taken_ms_ <= kGatherMs)
        ::poll(nullptr, 0, kGatherMs);
    if (paused_ && (fds[2].revents & (POLLHUP | POLLERR)) != 0)
        ::poll(nullptr, 0, 100);
}

// What is staged goes with the session.
void Driver::ClearStage()
{
    stage_.Clear();
    replaying_ = false;
}

// A message of the plugin: to the machine, or to the stage.
void Driver::Receive(std::string_view payload)
{
    const auto staged = stage_.Take(payload);
    if (!staged.ok())
        Feed(event::StageFailed{staged.error()});
    else if (!staged.value())
        Feed(event::Message{payload});
    else
        failpoint::Pass("stage.kept");
}

// The next message that the stage has ready; false where there is none.
bool Driver::TakeStaged()
{
    if (!stage_.ready())
        return false;
    const auto next = stage_.Next();
    if (!next.ok()) {
        Feed(event::StageFailed{next.error()});
        return true;
    }
    if (!next.value().empty()) {
        failpoint::Pass("replay.before");
        Feed(event::Message{next.value()});
        failpoint::Pass("replay.after");
    }
    if (stage_.ready() != replaying_ && streaming_) {
        replaying_ = stage_.ready();
        Feed(event::Replaying{replaying_});
    }
    return true;
}

void Driver::TakeMessages()
{
    bool drained = false;
    size_t bytes = 0;
    for (int i = 0; i < kBurst && streaming_ && !paused_ && !finished_ && !drained; i++) {
        if (TakeStaged())
            continue;
        PostgresSource::Item item;
        const auto received = server_->Receive(readable_, &item);
        if (received == PostgresSource::Received::kNothing) {
            drained = true;
        } else if (received == PostgresSource::Received::kMessage) {
            failpoint::Pass("receive.before");
            Receive(item.payload);
            failpoint::Pass("receive.after");
            bytes += item.payload.size();
        } else if (received == PostgresSource::Received::kKeepalive) {
            Feed(event::Keepalive{item.wal_end, item.reply_requested, item.session_over});
        } else {
            LostServer();
            FeedClock();
            drained = true;
        }
    }
    more_ = !drained;
    if (bytes > 0) {
        taken_bytes_ = bytes;
        taken_ms_ = NowMs();
    }
}

} // namespace wal2lake
