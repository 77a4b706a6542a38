// Puts the driver for buckets together from URL, configuration and environment.
#include "store/credentials_providers.h"
#include "store/s3_store.h"

namespace wal2lake
{
namespace
{

std::unique_ptr<Store> OpenBucket(S3Address address, const StoreOptions& options, MakeCredentials make,
                                  const StoreWarning& warn)
{
    if (warn && address.InClear())
        warn("what goes to " + address.authority +
             " can be read on the way: its endpoint should begin with https://");
    CredentialsOptions credentials;
    credentials.file = options.credentials_file;
    credentials.profile = options.profile;
    credentials.region = address.region;
    credentials.proxy = options.proxy;
    S3Settings settings;
    settings.address = std::move(address);
    settings.http.ca_file = options.ca_file;
    settings.http.proxy = options.proxy;
    settings.encryption = options.encryption;
    settings.kms_key_id = options.kms_key_id;
    return std::make_unique<S3Store>(std::move(settings), SharedCredentials(make, credentials, warn), warn);
}

} // namespace

Result<std::unique_ptr<Store>> OpenS3Store(const std::string& url, const StoreOptions& given,
                                           const StoreWarning& warn)
{
    const StoreOptions options = WithAwsEnvironment(given);
    auto address = ParseS3Url(url, options);
    if (!address.ok())
        return address.error();
    return OpenBucket(std::move(address.value()), options, DefaultCredentials, warn);
}

Result<std::unique_ptr<Store>> OpenGcsStore(const std::string& url, const StoreOptions& given,
                                            const StoreWarning& warn)
{
    const StoreOptions options = WithGoogleEnvironment(given);
    auto address = ParseGcsUrl(url, options);
    if (!address.ok())
        return address.error();
    if (!options.encryption.empty())
        return Error{ErrorKind::kInvalid, "lake.encryption is for s3://; Google encrypts all, and with"
                                          " lake.kms_key_id alone by that key"};
    if (!options.profile.empty() && options.credentials_file.empty())
        return Error{ErrorKind::kInvalid, "with gs:// lake.profile needs lake.credentials_file"};
    return OpenBucket(std::move(address.value()), options, GivenCredentials, warn);
}

} // namespace wal2lake
