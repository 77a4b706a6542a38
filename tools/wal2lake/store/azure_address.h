// Where a container of Azure's Blob storage is reached: from az://container/prefix and
// what the configuration, or the environment of the Azure tools, says beside it. No I/O.
//
// The account is no part of the URL: az://container/path is what most tools read, and
// those that have an account in it (az://account.blob.core.windows.net/container) say
// no more than lake.endpoint does.
#pragma once

#include <string>
#include <string_view>

#include "result.h"
#include "store/store_options.h"

namespace wal2lake
{

struct AzureAddress {
    std::string account;
    std::string container;
    // What precedes every name: empty, or ends with '/'. Taken literally from the URL.
    std::string prefix;
    std::string scheme;
    std::string authority;
    // Of the account: empty, or "/account" where an emulator has it in the path.
    std::string account_path;

    // Encoded.
    std::string ContainerPath() const;
    std::string ObjectPath(const std::string& name) const;
    // For sentences: az://container/prefix/name.
    std::string Describe(const std::string& name) const;
};

// What the environment may add: AZURE_STORAGE_ACCOUNT and
// AZURE_STORAGE_SERVICE_ENDPOINT, as Azure's command line has them.
struct AzureEnvironment {
    std::string account;
    std::string endpoint;
};
AzureEnvironment ReadAzureEnvironment();

// The endpoint names the account, as https://ACCOUNT.blob.core.windows.net does, or in
// its path; a domain of one's own does not, and without an endpoint the account alone
// is enough. kInvalid with what to write instead.
Result<AzureAddress> ParseAzureUrl(const std::string& url, const StoreOptions& options,
                                   const AzureEnvironment& environment);

} // namespace wal2lake
