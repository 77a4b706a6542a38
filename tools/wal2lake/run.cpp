#include "run.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include <malloc.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "digest.h"
#include "driver.h"
#include "endpoint.h"
#include "metrics.h"
#include "service_manager.h"
#include "slot.h"
#include "store/probe.h"

namespace wal2lake
{
namespace
{

using std::chrono::milliseconds;

// Longer than the machine waits for the store and the driver for a connection.
constexpr milliseconds kStopPatience{30'000};
// Between two attempts of a source that refused, while others go on.
constexpr milliseconds kFirstRest{10'000};
constexpr milliseconds kLongestRest{600'000};
// A source that ran this long before it refused is a new trouble.
constexpr milliseconds kGoodRun{600'000};
// Between two attempts to try the lake, which cannot be reached.
constexpr milliseconds kFirstProbeRest{200};
constexpr milliseconds kLongestProbeRest{20'000};
// Allocations from here on go back to the system when they are freed. By default
// the C library learns to keep them, and a large transaction would be held twice.
constexpr int kReturnedBytes = 1 << 20;

// A name that no other process has: 64 random bits in hexadecimal.
std::string RandomName()
{
    std::random_device random;
    std::string bits;
    for (int i = 0; i < 8; i++)
        bits += static_cast<char>(random() & 0xffU);
    return Hex(bits);
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
    return ::signalfd(-1, &signals, SFD_CLOEXEC);
}

// All sources of the process, each on a thread of its own.
//
// One source alone ends with the process, and its exit code says why: whoever
// started it decides what next. Beside others, a source that refuses is tried
// again after a growing rest, so that its trouble is nobody else's and a cure
// needs no restart.
class Fleet
{
  public:
    Fleet(const Settings& settings, const Log& log, bool create_slot)
        : settings_(settings), log_(log), create_slot_(create_slot), budget_(settings.config.sources.size()),
          board_(IdsOf(settings.config.sources)), stop_fd_(::eventfd(0, EFD_CLOEXEC)),
          ended_fd_(::eventfd(0, EFD_CLOEXEC)), codes_(budget_.sources(), ExitCode::kOk)
    {
    }
    ~Fleet()
    {
        ::close(stop_fd_);
        ::close(ended_fd_);
    }
    Fleet(const Fleet&) = delete;
    Fleet& operator=(const Fleet&) = delete;

    // Serves the endpoint for metrics. False where it was asked for and cannot be
    // had; the default address may belong to another forwarder of this host.
    bool OpenEndpoint()
    {
        const Config& config = settings_.config;
        if (config.metrics_listen.empty())
            return true;
        const ListenAddress address = ParseListenAddress(config.metrics_listen).value();
        auto opened = Endpoint::Open(address, [this, freshness_ms = config.freshness_ms,
                                               started_us = UnixUs()](const std::string& path) {
            return AnswerMonitoring(path, board_.Read(), {NowMs(), UnixUs(), started_us, freshness_ms});
        });
        if (!opened.ok() && config.metrics_listen_given) {
            Refuse(log_, ExitCode::kUsage,
                   opened.error().text + "; choose another metrics.listen, or \"\" for none");
            return false;
        }
        if (!opened.ok()) {
            log_.Write({LogLevel::kWarning,
                        "metrics_unavailable",
                        opened.error().text + "; going on without, set metrics.listen to have them",
                        {}});
            return true;
        }
        endpoint_ = std::move(opened.value());
        const std::string listen = address.host + ":" + std::to_string(endpoint_->port());
        log_.Write(
            {LogLevel::kInfo, "metrics", "metrics and health at http://" + listen, {{"listen", listen}}});
        return true;
    }

    ExitCode Run(int signal_fd)
    {
        if (!OpenEndpoint())
            return ExitCode::kUsage;
        running_ = budget_.sources();
        std::vector<std::thread> threads;
        for (size_t i = 0; i < budget_.sources(); i++)
            threads.emplace_back([this, i] { Keep(i); });
        ServiceManager manager;
        manager.Ready();
        std::array<pollfd, 2> fds{{{signal_fd, POLLIN, 0}, {ended_fd_, POLLIN, 0}}};
        do
            Report(&manager);
        while (::poll(fds.data(), fds.size(), manager.interval_ms()) <= 0);
        Stop();
        manager.Stopping();
        if (!WaitForAll())
            LeaveAtOnce();
        for (std::thread& thread : threads)
            thread.join();
        const auto failed =
            std::find_if(codes_.begin(), codes_.end(), [](ExitCode code) { return code != ExitCode::kOk; });
        const ExitCode code = failed == codes_.end() ? ExitCode::kOk : *failed;
        if (StoreWorker::AnyLeftBehind())
            LeaveNow(code);
        return code;
    }

  private:
    static std::vector<std::string> IdsOf(const std::vector<SourceConfig>& sources)
    {
        std::vector<std::string> ids;
        ids.reserve(sources.size());
        for (const SourceConfig& source : sources)
            ids.push_back(source.id);
        return ids;
    }

    bool alone() const { return budget_.sources() == 1; }

    void Report(ServiceManager* manager) const
    {
        size_t streaming = 0;
        int64_t longest_busy_ms = 0;
        for (const BoardEntry& entry : board_.Read()) {
            streaming += entry.status.state == SourceState::kStreaming ? 1 : 0;
            longest_busy_ms = std::max(longest_busy_ms, entry.status.busy_ms(NowMs()));
        }
        manager->Report(streaming, budget_.sources(), milliseconds(longest_busy_ms));
    }

    // Runs source number `number` until it may end.
    void Keep(size_t number)
    {
        const Log log = log_.ForSource(settings_.config.sources[number].id);
        milliseconds rest = kFirstRest;
        for (;;) {
            const auto began = std::chrono::steady_clock::now();
            codes_[number] = Guarded(number, log);
            const bool last = alone() || stopping();
            board_.Stopped(number, codes_[number], last ? SourceState::kEnded : SourceState::kResting,
                           UnixUs());
            if (last)
                break;
            if (std::chrono::steady_clock::now() - began >= kGoodRun)
                rest = kFirstRest;
            log.Write({LogLevel::kWarning,
                       "resting",
                       "the other sources go on; this one is tried again",
                       {{"after_ms", static_cast<int64_t>(rest.count())}}});
            pollfd stop{stop_fd_, POLLIN, 0};
            if (board_.Poll(number, &stop, 1, static_cast<int>(rest.count())) == 1)
                break;
            rest = std::min(rest * 2, kLongestRest);
        }
        const std::lock_guard lock(mutex_);
        running_--;
        ended_.notify_all();
        if (running_ == 0)
            Raise(ended_fd_);
    }

    static ExitCode Refuse(const Log& log, ExitCode code, const std::string& sentence)
    {
        log.Write({code == ExitCode::kOk ? LogLevel::kInfo : LogLevel::kError,
                   "finished",
                   sentence,
                   {{"exit_code", static_cast<int64_t>(code)}}});
        return code;
    }

    // One source that runs out of memory must not end the others.
    ExitCode Guarded(size_t number, const Log& log)
    {
        try {
            return RunOnce(number, log);
        } catch (const std::exception& error) {
            return Refuse(log, ExitCode::kInternal, std::string("internal error: ") + error.what());
        }
    }

    ExitCode RunOnce(size_t number, const Log& log)
    {
        const SourceConfig& source = settings_.config.sources[number];
        auto store = OpenLake(settings_.config, [log](const std::string& text) {
            log.Write({LogLevel::kWarning, "store_warning", text, {}});
        });
        if (!store.ok())
            return Refuse(log, ExitCode::kUsage, store.error().text);
        if (const auto code = ProveLake(number, log))
            return *code;
        DriverConfig config{source.conninfo,
                            MakeMachineConfig(settings_.config, source),
                            settings_.config.stage,
                            number,
                            stop_fd_,
                            &board_,
                            source.pulled()};
        config.machine.sources = budget_.sources();
        config.machine.seed = std::random_device{}();
        config.machine.writer_id = RandomName();
        config.machine.debug = log.debug();
        if (create_slot_) {
            bool began = false;
            std::string note;
            const auto server = MakeSource(source.pulled(), stop_fd_, board_.PollOf(number));
            const auto refusal =
                BeginLog(config.machine, source.conninfo, server.get(), *store.value(), &began, &note);
            // Whoever stops it does not want to know what else it could not do.
            if (refusal)
                return Refuse(log, stopping() ? ExitCode::kOk : refusal->code, refusal->sentence);
            if (began)
                log.Write({LogLevel::kInfo, "slot_created", note, {}});
        }
        return Driver(std::move(config), std::move(store.value()), &budget_, log).Run();
    }

    // Once, before anybody writes: that the lake can keep a log exactly once. Nothing
    // where it can.
    std::optional<ExitCode> ProveLake(size_t number, const Log& log)
    {
        const Config& config = settings_.config;
        const auto open = [&config] { return OpenLake(config, [](const std::string&) {}); };
        for (milliseconds rest = kFirstProbeRest;; rest = std::min(rest * 2, kLongestProbeRest)) {
            std::unique_lock lock(probe_mutex_);
            if (lake_proven_)
                return std::nullopt;
            const auto verdict = ProbeStoreDaily(open, UnixUs());
            lake_proven_ = verdict.ok() && verdict.value().exclusive;
            if (lake_proven_)
                return std::nullopt;
            lock.unlock();
            if (verdict.ok())
                return Refuse(log, ExitCode::kStore, NotExclusive(config.lake_url, verdict.value()));
            if (verdict.error().kind != ErrorKind::kRetryable)
                return Refuse(log, ExitCode::kStore, verdict.error().text);
            log.Write({LogLevel::kWarning, "store_failed", verdict.error().text + "; trying again", {}});
            pollfd stop{stop_fd_, POLLIN, 0};
            if (board_.Poll(number, &stop, 1, static_cast<int>(rest.count())) == 1)
                return Refuse(log, ExitCode::kOk, "stopped before the lake could be reached");
        }
    }

    static void Raise(int event_fd)
    {
        const uint64_t one = 1;
        [[maybe_unused]] const ssize_t sent = ::write(event_fd, &one, sizeof one);
    }

    void Stop() const { Raise(stop_fd_); }

    bool stopping() const
    {
        pollfd stop{stop_fd_, POLLIN, 0};
        return ::poll(&stop, 1, 0) == 1;
    }

    bool WaitForAll()
    {
        std::unique_lock lock(mutex_);
        return ended_.wait_for(lock, kStopPatience, [this] { return running_ == 0; });
    }

    // A server hangs in a call that nothing can interrupt. All that matters is
    // in the lake or still at the server.
    [[noreturn]] void LeaveAtOnce() const
    {
        LeaveNow(Refuse(log_, ExitCode::kSource,
                        "a source did not end in time; leaving without it, nothing is lost"));
    }

    // Past the destructors, which threads left behind may still need.
    [[noreturn]] static void LeaveNow(ExitCode code)
    {
        std::fflush(nullptr);
        ::_exit(static_cast<int>(code));
    }

    const Settings& settings_;
    const Log& log_;
    bool create_slot_;
    MemoryBudget budget_;
    StatusBoard board_;
    // Readable from the moment on when all are to stop.
    int stop_fd_;
    // Readable once none runs any more.
    int ended_fd_;
    std::mutex probe_mutex_;
    bool lake_proven_ = false;
    std::mutex mutex_;
    std::condition_variable ended_;
    size_t running_ = 0;
    std::vector<ExitCode> codes_;
    // Last, so that it stops looking at the board before that goes.
    std::unique_ptr<Endpoint> endpoint_;
};

} // namespace

ExitCode RunForwarder(const Settings& settings, const Log& log, bool create_slot)
{
    ::mallopt(M_MMAP_THRESHOLD, kReturnedBytes);
    const int signal_fd = OpenSignals();
    if (signal_fd < 0) {
        log.Write({LogLevel::kError, "finished", "cannot watch for signals", {{"exit_code", int64_t{1}}}});
        return ExitCode::kInternal;
    }
    const ExitCode code = Fleet(settings, log, create_slot).Run(signal_fd);
    ::close(signal_fd);
    return code;
}

} // namespace wal2lake
