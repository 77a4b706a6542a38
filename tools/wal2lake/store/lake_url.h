// What the URLs of lakes have in common, whatever the store. No I/O.
#pragma once

#include <string>
#include <string_view>

#include "result.h"

namespace wal2lake
{

// "a/b/" to "a/b/", "" to "". kInvalid where a part is one that servers or proxies
// would fold away; `url` is for the sentence.
Result<std::string> ParsePrefix(std::string_view text, const std::string& url);

// Where a store is reached.
struct Endpoint {
    std::string scheme;
    // Without the scheme's own port: clients leave it out, and it is signed.
    std::string authority;
    // Empty, or begins with '/' and does not end with one.
    std::string path;
};

// "https://host", "http://host:port", "http://host:port/path". No user, query
// or fragment. kInvalid otherwise, with nothing of the text, which may hold a password.
Result<Endpoint> ParseEndpoint(const std::string& text);

// What goes to that host can be read on the way to it.
bool ReadableOnTheWay(std::string_view scheme, std::string_view authority);

} // namespace wal2lake
