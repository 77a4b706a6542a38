// Where the credentials for S3 come from, and how they are kept fresh. The
// providers are in credentials_providers.h.
//
// Credentials are secrets: no error of anything here has one in its text.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "result.h"

namespace wal2lake
{

struct Credentials {
    std::string access_key_id;
    std::string secret_access_key;
    // Empty for long-lived keys.
    std::string session_token;
    // Unix seconds; absent where they do not expire.
    std::optional<int64_t> expires_s;
};

// One way to come by credentials. Need not be thread-safe: CredentialsCache calls
// from one thread at a time.
class CredentialsProvider
{
  public:
    virtual ~CredentialsProvider() = default;
    // Takes as long as a few HTTP exchanges. kNotFound: this way leads nowhere
    // here (no variable, no file, no instance): ask the next. All else: it should
    // have worked; the text says which file, variable or address is to blame.
    virtual Result<Credentials> Fetch() = 0;
    // For people: "environment", "instance metadata", ...
    virtual std::string name() const = 0;
};

struct CredentialsCacheOptions {
    // Unix seconds; empty for the machine's clock.
    std::function<int64_t()> now_s;
    // Is told, in the cache's thread, of every refresh that failed while the old
    // credentials are still good. May be empty; calls nothing of the cache.
    std::function<void(const Error&)> on_failed_refresh;
    // How long the thread sleeps before it looks at the clock, which may jump.
    std::chrono::milliseconds tick{10'000};
};

// Keeps credentials fresh: fetches at first use; from five minutes before they
// expire a thread of its own fetches new ones, while the old are used until they
// expire. Thread-safe; one for all that use the same configuration.
class CredentialsCache
{
  public:
    explicit CredentialsCache(std::unique_ptr<CredentialsProvider> provider,
                              CredentialsCacheOptions options = {});
    // Waits for a fetch that is under way.
    ~CredentialsCache();
    CredentialsCache(const CredentialsCache&) = delete;
    CredentialsCache& operator=(const CredentialsCache&) = delete;

    // Waits only where nothing usable is at hand; whoever waits at the same time
    // shares one fetch and its outcome.
    Result<Credentials> Get();
    // After the server refused `refused` (ExpiredToken, InvalidAccessKeyId after
    // a rotation): the next Get fetches anew, unless that was done since.
    void Distrust(const Credentials& refused);

  private:
    int64_t Now() const { return options_.now_s(); }
    bool Usable() const;
    bool Due() const;
    void Fetch(std::unique_lock<std::mutex>* lock);
    void KeepFresh();

    const std::unique_ptr<CredentialsProvider> provider_;
    const CredentialsCacheOptions options_;
    std::mutex mutex_;
    // Signalled when a fetch has ended, and to end the thread.
    std::condition_variable changed_;
    // All below is guarded by mutex_.
    std::optional<Credentials> current_;
    bool distrusted_ = false;
    // Of the last attempt to fetch, by the clock; of the last that succeeded.
    int64_t tried_s_ = 0;
    int64_t fetched_s_ = 0;
    bool fetching_ = false;
    uint64_t attempts_ = 0;
    // Of the last attempt.
    std::optional<Error> error_;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace wal2lake
