#include "run.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <random>

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "machine.h"
#include "slot.h"
#include "source_postgres.h"
#include "store_worker.h"

namespace wal2lake
{
namespace
{

// Messages taken from the connection before the loop looks at clock, store and
// signals again.
constexpr int kBurst = 256;

int64_t NowMs()
{
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// SIGTERM and SIGINT as something poll() can wait for. Before any thread starts,
// so that none of them takes a signal.
int OpenSignals()
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    return ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

class Driver
{
  public:
    Driver(const SourceConfig& source, MachineConfig config, std::unique_ptr<Store> store, const Log& log,
           int signal_fd)
        : source_config_(source), log_(log), signal_fd_(signal_fd), machine_(std::move(config)),
          store_(std::move(store))
    {
    }

    ExitCode Run()
    {
        while (!finished_) {
            Feed(event::Tick{NowMs()});
            if (finished_)
                break;
            Wait();
            Feed(event::Tick{NowMs()});
            for (Event& event : store_.TakeEvents())
                Feed(event);
            TakeSignals();
            TakeMessages();
        }
        // What is left at this point is a hint, or a call that hangs.
        for (int i = 0; i < 100 && store_.busy(); i++)
            ::poll(nullptr, 0, 10);
        if (store_.busy())
            LeaveWithoutStore();
        return code_;
    }

  private:
    // Steps the machine and carries out what it asks for; what that brings about
    // at once is fed in turn.
    void Feed(const Event& event)
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

    void Do(const action::ReadHead& action) { store_.Submit(action); }
    void Do(const action::ListAfter& action) { store_.Submit(action); }
    void Do(const action::ReadObject& action) { store_.Submit(action); }
    void Do(const action::PutObject& action) { store_.Submit(action); }
    void Do(const action::WriteHead& action) { store_.Submit(action); }

    void Do(const action::Connect&)
    {
        SourceFacts facts;
        if (server_.Connect(source_config_.conninfo) && server_.ReadFacts(source_config_.slot, &facts))
            answers_.push_back(event::Connected{std::move(facts)});
        else
            LostServer();
    }

    void Do(const action::StartStreaming& action)
    {
        if (server_.StartStreaming(source_config_.slot, action.lsn, source_config_.options)) {
            streaming_ = true;
            paused_ = false;
            answers_.push_back(event::Streaming{});
        } else {
            LostServer();
        }
    }

    void Do(const action::SendStatus& action)
    {
        if (streaming_ && !server_.SendStatus(action.received_lsn, action.flushed_lsn))
            LostServer();
    }

    void Do(const action::Disconnect&)
    {
        streaming_ = false;
        server_.Close();
    }

    void Do(const action::PauseReading&) { paused_ = true; }
    void Do(const action::ResumeReading&)
    {
        paused_ = false;
        more_ = true;
    }

    void Do(const action::Log& action) { log_.Write(action.entry); }

    void Do(const action::Finish& action)
    {
        finished_ = true;
        code_ = action.code;
        log_.Write({action.code == ExitCode::kOk ? LogLevel::kInfo : LogLevel::kError,
                    "finished",
                    action.sentence,
                    {{"exit_code", static_cast<int64_t>(action.code)}}});
    }

    void LostServer()
    {
        const SourceError error = server_.error();
        streaming_ = false;
        server_.Close();
        answers_.push_back(event::Disconnected{error.sqlstate, error.text});
    }

    void Wait()
    {
        const bool reading = streaming_ && !paused_;
        pollfd fds[3] = {{signal_fd_, POLLIN, 0}, {store_.event_fd(), POLLIN, 0}, {-1, 0, 0}};
        if (streaming_) {
            // While reading is paused only a broken connection is of interest,
            // which poll() reports unasked.
            fds[2].fd = server_.socket();
            fds[2].events = static_cast<short>((reading ? POLLIN : 0) | (server_.Flush() ? POLLOUT : 0));
        }
        const int64_t wait = std::clamp<int64_t>(machine_.deadline_ms() - NowMs(), 0, 60'000);
        ::poll(fds, 3, reading && more_ ? 0 : static_cast<int>(wait));
        readable_ = (fds[2].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
        if (paused_ && (fds[2].revents & (POLLHUP | POLLERR)) != 0)
            ::poll(nullptr, 0, 100);
    }

    void TakeSignals()
    {
        signalfd_siginfo info{};
        while (::read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
            Feed(event::StopRequested{});
    }

    void TakeMessages()
    {
        more_ = false;
        for (int i = 0; i < kBurst && streaming_ && !paused_ && !finished_; i++) {
            PostgresSource::Item item;
            const auto received = server_.Receive(readable_, &item);
            if (received == PostgresSource::Received::kNothing)
                return;
            if (received == PostgresSource::Received::kMessage) {
                Feed(event::Message{item.payload});
            } else if (received == PostgresSource::Received::kKeepalive) {
                Feed(event::Keepalive{item.wal_end, item.reply_requested});
            } else {
                LostServer();
                Feed(event::Tick{NowMs()});
                return;
            }
        }
        more_ = true;
    }

    // The store hangs in a call that nothing can interrupt. All that matters is
    // in the lake or still at the server.
    [[noreturn]] void LeaveWithoutStore() const
    {
        std::fflush(nullptr);
        ::_exit(static_cast<int>(code_));
    }

    const SourceConfig& source_config_;
    const Log& log_;
    int signal_fd_;
    Machine machine_;
    StoreWorker store_;
    PostgresSource server_;
    std::deque<Event> answers_;
    bool streaming_ = false;
    bool paused_ = false;
    bool readable_ = false;
    // Whole messages may be waiting in libpq's buffer.
    bool more_ = false;
    bool finished_ = false;
    ExitCode code_ = ExitCode::kInternal;
};

} // namespace

ExitCode RunForwarder(const Settings& settings, const Log& log, bool create_slot)
{
    const auto refuse = [&log](const Refusal& refusal) {
        log.Write({LogLevel::kError,
                   "finished",
                   refusal.sentence,
                   {{"exit_code", static_cast<int64_t>(refusal.code)}}});
        return refusal.code;
    };
    const int signal_fd = OpenSignals();
    if (signal_fd < 0)
        return refuse({ExitCode::kInternal, "cannot watch for signals"});
    auto store = OpenStore(settings.config.lake_url);
    if (!store.ok())
        return refuse({ExitCode::kUsage, store.error().text});
    if (create_slot) {
        bool began = false;
        std::string note;
        const auto refusal = BeginLog(settings, *store.value(), &began, &note);
        if (refusal)
            return refuse(*refusal);
        if (began)
            log.Write({LogLevel::kInfo, "slot_created", note, {}});
    }
    MachineConfig config = MakeMachineConfig(settings);
    config.seed = std::random_device{}();
    config.debug = log.debug();
    Driver driver(*settings.source, std::move(config), std::move(store.value()), log, signal_fd);
    const ExitCode code = driver.Run();
    ::close(signal_fd);
    return code;
}

} // namespace wal2lake
