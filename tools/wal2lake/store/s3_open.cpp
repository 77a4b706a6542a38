// Puts the driver for S3 together from URL, configuration and environment.
#include <map>
#include <mutex>
#include <tuple>

#include "store/credentials_providers.h"
#include "store/s3_store.h"

namespace wal2lake
{
namespace
{

std::shared_ptr<CredentialsCache> SharedCredentials(const CredentialsOptions& options,
                                                    const StoreWarning& warn)
{
    using Key = std::tuple<std::string, std::string, std::string, std::string>;
    static std::mutex mutex;
    static std::map<Key, std::weak_ptr<CredentialsCache>> known;
    const std::lock_guard lock(mutex);
    auto& slot = known[{options.file, options.profile, options.region, options.proxy}];
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
    cache = std::make_shared<CredentialsCache>(DefaultCredentials({options, ProcessEnvironment(), exchange}),
                                               std::move(watched));
    slot = cache;
    return cache;
}

} // namespace

Result<std::unique_ptr<Store>> OpenS3Store(const std::string& url, const StoreOptions& given,
                                           const StoreWarning& warn)
{
    const StoreOptions options = WithAwsEnvironment(given);
    auto address = ParseS3Url(url, options);
    if (!address.ok())
        return address.error();
    if (warn && address.value().InClear())
        warn("what goes to " + address.value().authority +
             " can be read on the way: its endpoint should begin with https://");
    CredentialsOptions credentials;
    credentials.file = options.credentials_file;
    credentials.profile = options.profile;
    credentials.region = address.value().region;
    credentials.proxy = options.proxy;
    S3Settings settings;
    settings.address = std::move(address.value());
    settings.http.ca_file = options.ca_file;
    settings.http.proxy = options.proxy;
    settings.encryption = options.encryption;
    settings.kms_key_id = options.kms_key_id;
    return std::unique_ptr<Store>(
        std::make_unique<S3Store>(std::move(settings), SharedCredentials(credentials, warn), warn));
}

} // namespace wal2lake
