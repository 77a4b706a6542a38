// Where the key, or the shared access signature, of an Azure storage account comes from:
// a file of the configuration's, or the environment of the Azure tools. Never a URL or a
// command line, which others can read.
#pragma once

#include <memory>

#include "store/credentials_providers.h"

namespace wal2lake
{

// options.file, if it is named: in the format of ~/.azure/config, a section [storage]
// (options.profile names another) with key = ... or sas_token = ...; nobody but its
// owner may read it. Otherwise AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN.
//
// The key, decoded, is what comes as secret_access_key; a signature, without its '?',
// as session_token, with its end. One of the two is empty; access_key_id always is.
std::unique_ptr<CredentialsProvider> AzureCredentials(const CredentialsContext& context);

} // namespace wal2lake
