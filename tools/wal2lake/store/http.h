// One HTTP exchange over libcurl, for the drivers of object stores and the
// providers of credentials. Knows nothing of signing, buckets or retries: an
// exchange is tried once, and says how it went.
//
// A client belongs to one thread at a time. It keeps connections alive between
// exchanges, and drops them all after one that failed on the way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "result.h"

namespace wal2lake
{

// Names in lower case; values without blanks around them.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
    std::string method = "GET";
    std::string scheme = "https";
    // Host and, unless it is the scheme's own, ":port": what is sent as Host.
    std::string authority;
    // Begins with '/'; percent-encoded already, sent as it is.
    std::string path = "/";
    // Encoded and in the order in which it was signed; without '?'.
    std::string query;
    HttpHeaders headers;
    // Must live until the exchange is over.
    std::string_view body;
};

struct HttpResponse {
    int status = 0;
    HttpHeaders headers;
    std::string body;

    // The first header of that name (lower case), or empty.
    std::string_view header(std::string_view name) const;
};

struct HttpOptions {
    // PEM file of certificates to trust instead of the system's; empty for those.
    std::string ca_file;
    // As libcurl takes it (http://host:port); empty: the environment's (https_proxy, no_proxy).
    std::string proxy;
    // No proxy whatever `proxy` and the environment say: for addresses that mean
    // something on this machine alone.
    bool direct = false;
    int64_t connect_timeout_ms = 5'000;
    // The whole exchange: this and the time that the bytes take at 256 KiB/s.
    int64_t base_timeout_ms = 30'000;
    // An exchange that moves less than 1 KiB/s for so long is given up.
    int64_t stall_timeout_s = 15;
    // Most bytes of a response's body; one that is larger is an error.
    size_t max_response = size_t{1} << 30;
};

class HttpClient
{
  public:
    explicit HttpClient(HttpOptions options);
    ~HttpClient();

    // Any answer with a status is a response. kRetryable: no whole answer came
    // (name, connection, TLS, time, half a body); the request may have had its
    // effect. kPermanent: this can never work here (a certificate that is not
    // trusted, a broken URL). The text names the host, never a header, a query or
    // a body. No redirect is followed.
    Result<HttpResponse> Exchange(const HttpRequest& request);

  private:
    struct Handle;
    HttpOptions options_;
    std::unique_ptr<Handle> handle_;
};

// Unix seconds of "Wed, 25 Nov 2026 21:22:00 GMT"; absent where it is no date.
std::optional<int64_t> ParseHttpDate(std::string_view text);

} // namespace wal2lake
