#include "store_worker.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include <sys/eventfd.h>
#include <unistd.h>

#include "chain.h"
#include "failpoint.h"
#include "trim_mark.h"

namespace wal2lake
{
namespace
{

std::atomic<bool> any_left_behind = false;

Result<Done> Put(Store* store, const action::PutObject& put)
{
    if (failpoint::Fails("put.sent"))
        return Error{ErrorKind::kRetryable, "the store was told to fail"};
    auto done = store->PutIfAbsent(put.name, *put.bytes);
    if (failpoint::Fails("put.answered"))
        return Error{ErrorKind::kRetryable, "the store's answer was told to get lost"};
    return done;
}

// kNotFound where the predecessor of what was put has been deleted: a put that hung
// while others went on may create a name that `wal2lake trim` has freed since. Older
// objects go first, so the predecessor went before; but genesis never goes, and there
// the mark tells. What was created is not log, and must not be built upon.
Result<Done> StillFollows(Store* store, const action::PutObject& put)
{
    const auto name = ParseSegmentName(put.name);
    const auto before = ParseSegmentName(put.predecessor);
    if (!name || !before)
        return Done{};
    if (before->start_lsn != 0) {
        const auto there = store->Get(put.predecessor, 0, 1);
        return there.ok() ? Result<Done>(Done{}) : there.error();
    }
    const auto mark = FindTrimMark(*store, name->source);
    if (!mark.ok())
        return mark.error();
    if (mark.value() && mark.value()->Covers(*name))
        return Error{ErrorKind::kNotFound, put.name + " lies below a trim mark"};
    return Done{};
}

Event PutBehind(Store* store, const action::PutObject& put)
{
    if (!put.predecessor.empty()) {
        const auto there = store->Get(put.predecessor, 0, 1);
        if (!there.ok() && there.error().kind == ErrorKind::kNotFound)
            return event::PredecessorGone{};
        if (!there.ok())
            return event::PutFailed{there.error()};
    }
    const auto done = Put(store, put);
    if (!done.ok() && done.error().kind == ErrorKind::kExists)
        return event::PutExists{};
    if (!done.ok())
        return event::PutFailed{done.error()};
    const auto follows = StillFollows(store, put);
    if (!follows.ok() && follows.error().kind == ErrorKind::kNotFound)
        return event::PredecessorGone{};
    if (!follows.ok())
        return event::PutFailed{follows.error()};
    return event::PutDone{};
}

// A hint that cannot be written costs a few requests at the next start.
void WriteHint(Store* store, const action::WriteHead& hint)
{
    if (failpoint::Fails("head.before"))
        return;
    (void)store->Overwrite(hint.name, hint.bytes);
    failpoint::Pass("head.after");
}

// What stays behind costs room, and goes with the next `wal2lake trim`.
void SweepParts(Store* store, const action::SweepParts& sweep)
{
    constexpr size_t kPage = 1000;
    std::string after;
    failpoint::Pass("sweep.before");
    for (bool more = true; more;) {
        const auto page = store->List(sweep.prefix, after, kPage);
        if (!page.ok() || page.value().names.empty())
            return;
        for (const std::string& name : page.value().names)
            if (std::find(sweep.keep.begin(), sweep.keep.end(), name) == sweep.keep.end() &&
                !store->Delete(name).ok())
                return;
        after = page.value().names.back();
        more = page.value().more;
    }
    failpoint::Pass("sweep.after");
}

} // namespace

StoreWorker::State::State(std::unique_ptr<Store> opened)
    : store(std::move(opened)), event_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
{
}

StoreWorker::State::~State()
{
    ::close(event_fd);
}

StoreWorker::StoreWorker(std::unique_ptr<Store> store) : state_(std::make_shared<State>(std::move(store)))
{
    std::thread([state = state_] { Run(state); }).detach();
}

StoreWorker::~StoreWorker()
{
    std::unique_lock lock(state_->mutex);
    state_->stopping = true;
    state_->changed.notify_all();
    if (!state_->changed.wait_for(lock, std::chrono::seconds(1), [this] { return state_->ended; }))
        any_left_behind = true;
}

bool StoreWorker::AnyLeftBehind()
{
    return any_left_behind;
}

int StoreWorker::event_fd() const
{
    return state_->event_fd;
}

void StoreWorker::Submit(Job job)
{
    {
        const std::lock_guard lock(state_->mutex);
        state_->jobs.push_back(std::move(job));
    }
    state_->changed.notify_all();
}

std::deque<Event> StoreWorker::TakeEvents()
{
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(state_->event_fd, &count, sizeof count);
    const std::lock_guard lock(state_->mutex);
    return std::exchange(state_->events, {});
}

void StoreWorker::Run(const std::shared_ptr<State>& state)
{
    std::unique_lock lock(state->mutex);
    for (;;) {
        state->changed.wait(lock, [&state] { return state->stopping || !state->jobs.empty(); });
        if (state->jobs.empty())
            break;
        const Job job = std::move(state->jobs.front());
        state->jobs.pop_front();
        lock.unlock();
        Execute(state.get(), job);
        lock.lock();
    }
    state->ended = true;
    state->changed.notify_all();
}

void StoreWorker::Execute(State* state, const Job& job)
{
    std::optional<Event> event;
    if (const auto* head = std::get_if<action::ReadHead>(&job)) {
        auto bytes = GetAll(*state->store, head->name);
        event = event::HeadRead{bytes.ok() ? std::optional(std::move(bytes.value())) : std::nullopt};
    } else if (const auto* list = std::get_if<action::ListAfter>(&job)) {
        event = event::Listed{state->store->List(list->prefix, list->after, list->limit)};
    } else if (const auto* object = std::get_if<action::ReadObject>(&job)) {
        auto bytes = GetAll(*state->store, object->name);
        if (bytes.ok())
            event = event::ObjectRead{Bytes(std::make_shared<const std::string>(std::move(bytes.value())))};
        else
            event = event::ObjectRead{bytes.error()};
    } else if (const auto* put = std::get_if<action::PutObject>(&job)) {
        event = PutBehind(state->store.get(), *put);
    } else if (const auto* hint = std::get_if<action::WriteHead>(&job)) {
        WriteHint(state->store.get(), *hint);
    } else if (const auto* sweep = std::get_if<action::SweepParts>(&job)) {
        SweepParts(state->store.get(), *sweep);
    }
    if (!event)
        return;
    {
        const std::lock_guard lock(state->mutex);
        state->events.push_back(std::move(*event));
    }
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t sent = ::write(state->event_fd, &one, sizeof one);
}

} // namespace wal2lake
