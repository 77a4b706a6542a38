#include "store_worker.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace wal2lake
{

StoreWorker::StoreWorker(std::unique_ptr<Store> store)
    : store_(std::move(store)), event_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { Run(); })
{
}

StoreWorker::~StoreWorker()
{
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
    ::close(event_fd_);
}

void StoreWorker::Submit(Job job)
{
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
    }
    wake_.notify_all();
}

std::deque<Event> StoreWorker::TakeEvents()
{
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(event_fd_, &count, sizeof count);
    const std::lock_guard lock(mutex_);
    return std::exchange(events_, {});
}

bool StoreWorker::busy()
{
    const std::lock_guard lock(mutex_);
    return running_ || !jobs_.empty();
}

void StoreWorker::Run()
{
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        if (jobs_.empty())
            return;
        const Job job = std::move(jobs_.front());
        jobs_.pop_front();
        running_ = true;
        lock.unlock();
        Execute(job);
        lock.lock();
        running_ = false;
    }
}

void StoreWorker::Execute(const Job& job)
{
    std::optional<Event> event;
    if (const auto* head = std::get_if<action::ReadHead>(&job)) {
        auto bytes = GetAll(*store_, head->name);
        event = event::HeadRead{bytes.ok() ? std::optional(std::move(bytes.value())) : std::nullopt};
    } else if (const auto* list = std::get_if<action::ListAfter>(&job)) {
        event = event::Listed{store_->List(list->prefix, list->after, list->limit)};
    } else if (const auto* object = std::get_if<action::ReadObject>(&job)) {
        auto bytes = GetAll(*store_, object->name);
        if (bytes.ok())
            event = event::ObjectRead{Bytes(std::make_shared<const std::string>(std::move(bytes.value())))};
        else
            event = event::ObjectRead{bytes.error()};
    } else if (const auto* put = std::get_if<action::PutObject>(&job)) {
        const auto done = store_->PutIfAbsent(put->name, *put->bytes);
        if (done.ok())
            event = event::PutDone{};
        else if (done.error().kind == ErrorKind::kExists)
            event = event::PutExists{};
        else
            event = event::PutFailed{done.error()};
    } else if (const auto* hint = std::get_if<action::WriteHead>(&job)) {
        // A hint that cannot be written costs a few requests at the next start.
        (void)store_->Overwrite(hint->name, hint->bytes);
    }
    if (!event)
        return;
    {
        const std::lock_guard lock(mutex_);
        events_.push_back(std::move(*event));
    }
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t sent = ::write(event_fd_, &one, sizeof one);
}

} // namespace wal2lake
