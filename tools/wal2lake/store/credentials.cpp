#include "store/credentials.h"

#include <algorithm>
#include <utility>

#include "clock.h"

namespace wal2lake
{
namespace
{

// Before they expire, and at most once in so long.
constexpr int64_t kEarly_s = 300;
constexpr int64_t kPause_s = 20;

CredentialsCacheOptions WithClock(CredentialsCacheOptions options)
{
    if (!options.now_s)
        options.now_s = [] { return UnixUs() / 1'000'000; };
    return options;
}

bool Same(const Credentials& a, const Credentials& b)
{
    return a.access_key_id == b.access_key_id && a.secret_access_key == b.secret_access_key &&
           a.session_token == b.session_token;
}

} // namespace

CredentialsCache::CredentialsCache(std::unique_ptr<CredentialsProvider> provider,
                                   CredentialsCacheOptions options)
    : provider_(std::move(provider)), options_(WithClock(std::move(options)))
{
}

CredentialsCache::~CredentialsCache()
{
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable())
        thread_.join();
}

Result<Credentials> CredentialsCache::Get()
{
    std::unique_lock<std::mutex> lock(mutex_);
    if (Usable())
        return *current_;
    if (fetching_)
        changed_.wait(lock, [this, before = attempts_] { return attempts_ != before; });
    else
        Fetch(&lock);
    if (error_)
        return *error_;
    return *current_;
}

void CredentialsCache::Distrust(const Credentials& refused)
{
    const std::lock_guard<std::mutex> lock(mutex_);
    if (current_ && Same(*current_, refused))
        distrusted_ = true;
}

// What came just now is used even if it looks expired: it is our clock then that is
// wrong, and the server is who judges.
bool CredentialsCache::Usable() const
{
    if (!current_ || distrusted_)
        return false;
    const int64_t now = Now();
    return !current_->expires_s || now < *current_->expires_s || now - fetched_s_ < kPause_s;
}

// Whoever gives credentials for less than ten minutes is asked at half of it.
bool CredentialsCache::Due() const
{
    if (fetching_ || distrusted_ || !current_ || !current_->expires_s)
        return false;
    const int64_t now = Now();
    const int64_t early = std::clamp((*current_->expires_s - fetched_s_) / 2, int64_t{0}, kEarly_s);
    // A clock that was set back must not stop us.
    const bool paused = now >= tried_s_ && now - tried_s_ < kPause_s;
    return now >= *current_->expires_s - early && !paused;
}

// With the lock, which is open during the fetch itself.
void CredentialsCache::Fetch(std::unique_lock<std::mutex>* lock)
{
    fetching_ = true;
    lock->unlock();
    Result<Credentials> fetched = provider_->Fetch();
    lock->lock();
    fetching_ = false;
    attempts_++;
    tried_s_ = Now();
    if (fetched.ok()) {
        current_ = std::move(fetched.value());
        fetched_s_ = tried_s_;
        distrusted_ = false;
        error_.reset();
        if (current_->expires_s && !thread_.joinable())
            thread_ = std::thread([this] { KeepFresh(); });
    } else {
        error_ = fetched.error();
    }
    changed_.notify_all();
}

void CredentialsCache::KeepFresh()
{
    std::unique_lock<std::mutex> lock(mutex_);
    while (!changed_.wait_for(lock, options_.tick, [this] { return stopping_; })) {
        if (!Due())
            continue;
        Fetch(&lock);
        if (!error_ || !options_.on_failed_refresh)
            continue;
        const Error error = *error_;
        lock.unlock();
        options_.on_failed_refresh(error);
        lock.lock();
    }
}

} // namespace wal2lake
