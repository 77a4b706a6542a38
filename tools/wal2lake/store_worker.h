// Runs a store on a thread of its own, so that a slow lake never keeps the
// driver from answering the server. Jobs run one after the other, in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <variant>

#include "machine_events.h"
#include "store/store.h"

namespace wal2lake
{

class StoreWorker
{
  public:
    using Job = std::variant<action::ReadHead, action::ListAfter, action::ReadObject, action::PutObject,
                             action::WriteHead, action::SweepParts>;

    explicit StoreWorker(std::unique_ptr<Store> store);
    // Waits up to a second for the job at hand. A call that hangs longer cannot
    // be interrupted: it is left behind with its thread. What it may still put
    // is met by whoever comes next, as any object that exists.
    ~StoreWorker();
    StoreWorker(const StoreWorker&) = delete;
    StoreWorker& operator=(const StoreWorker&) = delete;

    void Submit(Job job);
    // Answers that have come in, oldest first.
    std::deque<Event> TakeEvents();
    // Readable while there are some.
    int event_fd() const;

    // Whether a thread of this process was left behind: such a process must
    // leave without running destructors.
    static bool AnyLeftBehind();

  private:
    // Shared with the thread, which may outlive this object.
    struct State {
        explicit State(std::unique_ptr<Store> opened);
        ~State();
        State(const State&) = delete;
        State& operator=(const State&) = delete;

        std::unique_ptr<Store> store;
        int event_fd;
        std::mutex mutex;
        std::condition_variable changed;
        std::deque<Job> jobs;
        std::deque<Event> events;
        bool stopping = false;
        bool ended = false;
    };

    static void Run(const std::shared_ptr<State>& state);
    static void Execute(State* state, const Job& job);

    std::shared_ptr<State> state_;
};

} // namespace wal2lake
