// A small HTTP server for GET requests, with two threads of its own. The only
// file behind it includes the HTTP library.
//
// cpp-httplib rather than prometheus-cpp's own server: that one serves metrics
// alone, and Debian mends faults of this one in its stable release.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "config.h"
#include "result.h"

namespace wal2lake
{

struct HttpAnswer {
    int status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
};

class Endpoint
{
  public:
    // Called from any thread with the path of a request.
    using Handler = std::function<HttpAnswer(const std::string& path)>;

    // Binds and serves until destroyed. kRetryable where the address is taken,
    // kPermanent where it cannot be had.
    static Result<std::unique_ptr<Endpoint>> Open(const ListenAddress& address, Handler handler);
    ~Endpoint();
    Endpoint(const Endpoint&) = delete;
    Endpoint& operator=(const Endpoint&) = delete;

    int port() const;

  private:
    struct State;
    explicit Endpoint(std::unique_ptr<State> state);

    std::unique_ptr<State> state_;
};

} // namespace wal2lake
