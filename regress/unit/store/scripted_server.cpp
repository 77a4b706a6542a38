#include "scripted_server.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace wal2lake
{
namespace
{

// Takes one request off `*buffer`, reading on as needed; false at the end.
bool ReadRequest(int fd, std::string* buffer, SeenRequest* request)
{
    const auto more = [&] {
        char piece[65536];
        const ssize_t got = ::recv(fd, piece, sizeof piece, 0);
        if (got > 0)
            buffer->append(piece, static_cast<size_t>(got));
        return got > 0;
    };
    size_t end = 0;
    while ((end = buffer->find("\r\n\r\n")) == std::string::npos)
        if (!more())
            return false;
    std::string_view head = std::string_view(*buffer).substr(0, end + 2);
    const size_t space = head.find(' ');
    request->method = head.substr(0, space);
    request->target = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
    for (head.remove_prefix(head.find("\r\n") + 2); !head.empty();
         head.remove_prefix(head.find("\r\n") + 2)) {
        const size_t colon = head.find(':');
        std::string name(head.substr(0, colon));
        std::transform(name.begin(), name.end(), name.begin(),
                       [](char c) { return static_cast<char>(std::tolower(c)); });
        std::string_view value = head.substr(colon + 1, head.find("\r\n") - colon - 1);
        value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
        request->headers[name] = value;
    }
    buffer->erase(0, end + 4);
    const std::string length_text = request->header("content-length");
    const size_t length = length_text.empty() ? 0 : std::stoul(length_text);
    while (buffer->size() < length)
        if (!more())
            return false;
    request->body = buffer->substr(0, length);
    buffer->erase(0, length);
    return true;
}

bool SendAll(int fd, std::string_view bytes, int pause_ms)
{
    while (!bytes.empty()) {
        if (pause_ms > 0)
            std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
        const size_t length = pause_ms > 0 ? std::min<size_t>(bytes.size(), 16) : bytes.size();
        const ssize_t sent = ::send(fd, bytes.data(), length, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
}

} // namespace

ScriptedReply Answer(int status, const std::string& body, const std::map<std::string, std::string>& headers)
{
    std::string bytes = "HTTP/1.1 " + std::to_string(status) + " Scripted\r\n";
    for (const auto& [name, value] : headers)
        bytes += name + ": " + value + "\r\n";
    if (status != 204 && !headers.contains("Content-Length"))
        bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return {bytes + "\r\n" + body};
}

ScriptedReply Refusal(int status, const std::string& code, const std::string& message,
                      const std::map<std::string, std::string>& headers)
{
    return Answer(status,
                  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>" + code + "</Code><Message>" +
                      message + "</Message><RequestId>1</RequestId></Error>",
                  headers);
}

ScriptedServer::ScriptedServer(Script script)
    : script_(std::move(script)), listener_(::socket(AF_INET, SOCK_STREAM, 0))
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, generic, length) != 0 || ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, generic, &length) != 0)
        std::abort();
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
}

ScriptedServer::~ScriptedServer()
{
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
        const std::lock_guard lock(mutex_);
        for (const int fd : open_)
            ::shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& connection : connections_)
        connection.join();
    for (const int fd : open_)
        ::close(fd);
    ::close(listener_);
}

std::vector<SeenRequest> ScriptedServer::seen() const
{
    const std::lock_guard lock(mutex_);
    return seen_;
}

void ScriptedServer::Accept()
{
    for (;;) {
        const int fd = ::accept(listener_, nullptr, nullptr);
        if (fd < 0)
            return;
        const std::lock_guard lock(mutex_);
        connections_.emplace_back([this, fd, number = open_.size()] { Serve(fd, number); });
        open_.push_back(fd);
    }
}

void ScriptedServer::Serve(int fd, size_t connection)
{
    std::string buffer;
    for (;;) {
        SeenRequest request;
        request.connection = connection;
        if (!ReadRequest(fd, &buffer, &request))
            break;
        ScriptedReply reply;
        {
            const std::lock_guard lock(mutex_);
            seen_.push_back(request);
            reply = script_(request, seen_.size() - 1);
        }
        if (!SendAll(fd, reply.bytes, reply.pause_ms) || reply.close)
            break;
    }
    ::shutdown(fd, SHUT_RDWR);
}

} // namespace wal2lake
