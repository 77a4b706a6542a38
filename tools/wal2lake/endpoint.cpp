#include "endpoint.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include <httplib.h>

namespace wal2lake
{
namespace
{

constexpr size_t kThreads = 2;
// A client that dawdles must neither block the next one nor the end.
constexpr time_t kPatienceSeconds = 2;

// The library's own choice would let two processes share the port in silence.
void RefuseTakenPort(socket_t socket)
{
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

} // namespace

struct Endpoint::State {
    httplib::Server server;
    std::thread thread;
    std::atomic<bool> ended = false;
    int port = 0;
};

Endpoint::Endpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}

Endpoint::~Endpoint()
{
    // stop() does nothing before the thread has begun to listen.
    while (!state_->server.is_running() && !state_->ended)
        std::this_thread::yield();
    state_->server.stop();
    state_->thread.join();
}

int Endpoint::port() const
{
    return state_->port;
}

Result<std::unique_ptr<Endpoint>> Endpoint::Open(const ListenAddress& address, Handler handler)
{
    auto state = std::make_unique<State>();
    httplib::Server& server = state->server;
    server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    server.set_socket_options(RefuseTakenPort);
    server.set_read_timeout(kPatienceSeconds);
    server.set_write_timeout(kPatienceSeconds);
    server.set_keep_alive_max_count(1);
    server.set_payload_max_length(0);
    // Before any routing, so that no body is read and no pattern is matched.
    server.set_pre_routing_handler(
        [handler = std::move(handler)](const httplib::Request& request, httplib::Response& response) {
            HttpAnswer answer;
            if (request.method == "GET" || request.method == "HEAD")
                answer = handler(request.path);
            else
                answer = {405, answer.content_type, "only GET\n"};
            response.status = answer.status;
            response.set_content(answer.body, answer.content_type);
            return httplib::Server::HandlerResponse::Handled;
        });
    errno = 0;
    const bool bound = address.port == 0 ? (state->port = server.bind_to_any_port(address.host)) > 0
                                         : server.bind_to_port(address.host, state->port = address.port);
    if (!bound) {
        const int error = errno;
        return Error{error == EADDRINUSE ? ErrorKind::kRetryable : ErrorKind::kPermanent,
                     "cannot listen on " + address.host + ":" + std::to_string(address.port) + ": " +
                         (error == 0 ? "no such address" : std::strerror(error))};
    }
    State* const raw = state.get();
    state->thread = std::thread([raw] {
        raw->server.listen_after_bind();
        raw->ended = true;
    });
    return std::unique_ptr<Endpoint>(new Endpoint(std::move(state)));
}

} // namespace wal2lake
