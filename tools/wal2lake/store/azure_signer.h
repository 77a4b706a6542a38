// Shared Key: what a request to Azure's Blob storage must carry to be believed by an
// account whose key we have. Pure: no I/O, no clock.
#pragma once

#include <cstdint>
#include <string>

#include "store/http.h"

namespace wal2lake
{

// Adds x-ms-date and authorization; what an earlier call has added is replaced.
// `key` is the account's, decoded. request->path and ->query are encoded already, the
// path with all that the host's name does not say; ->body gives the length. Headers
// beyond x-ms-... and those that the scheme knows are not covered: Azure has no way to.
void SignSharedKey(HttpRequest* request, const std::string& account, const std::string& key, int64_t unix_s);

} // namespace wal2lake
