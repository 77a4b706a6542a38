// Runs a store on a thread of its own, so that a slow lake never keeps the
// driver from answering the server. Jobs run one after the other, in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "machine_events.h"
#include "store.h"

namespace wal2lake
{

class StoreWorker
{
  public:
    using Job = std::variant<action::ReadHead, action::ListAfter, action::ReadObject, action::PutObject,
                             action::WriteHead>;

    explicit StoreWorker(std::unique_ptr<Store> store);
    // Waits for the job at hand.
    ~StoreWorker();
    StoreWorker(const StoreWorker&) = delete;
    StoreWorker& operator=(const StoreWorker&) = delete;

    void Submit(Job job);
    // Answers that have come in, oldest first.
    std::deque<Event> TakeEvents();
    // Readable while there are some.
    int event_fd() const { return event_fd_; }
    // False where nothing is queued or running.
    bool busy();

  private:
    void Run();
    void Execute(const Job& job);

    std::unique_ptr<Store> store_;
    int event_fd_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Job> jobs_;
    std::deque<Event> events_;
    bool running_ = false;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace wal2lake
