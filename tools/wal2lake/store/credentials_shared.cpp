// One cache, and one thread that keeps it fresh, for all that ask the same way.
#include <map>
#include <mutex>
#include <tuple>

#include "store/credentials_providers.h"

namespace wal2lake
{

std::shared_ptr<CredentialsCache> SharedCredentials(MakeCredentials make, const CredentialsOptions& options,
                                                    const std::function<void(const std::string&)>& warn)
{
    using Key = std::tuple<MakeCredentials, std::string, std::string, std::string, std::string>;
    static std::mutex mutex;
    static std::map<Key, std::weak_ptr<CredentialsCache>> known;
    const std::lock_guard lock(mutex);
    auto& slot = known[{make, options.file, options.profile, options.region, options.proxy}];
    auto cache = slot.lock();
    if (cache)
        return cache;
    const auto exchange = [](const HttpRequest& request, const HttpOptions& http) {
        return HttpClient(http).Exchange(request);
    };
    CredentialsCacheOptions watched;
    if (warn)
        watched.on_failed_refresh = [warn](const Error& error) {
            warn("the credentials cannot be renewed: " + error.text);
        };
    cache = std::make_shared<CredentialsCache>(make({options, ProcessEnvironment(), exchange}),
                                               std::move(watched));
    slot = cache;
    return cache;
}

} // namespace wal2lake
