// An HTTP server that answers as a test tells it to: any bytes, at any speed, and
// as rudely as a network can. It checks nothing.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace wal2lake
{

struct SeenRequest {
    std::string method;
    // Path and query as they came.
    std::string target;
    // Names in lower case.
    std::map<std::string, std::string> headers;
    std::string body;
    // Counts the connections from 0.
    size_t connection = 0;

    std::string header(const std::string& name) const
    {
        const auto found = headers.find(name);
        return found == headers.end() ? "" : found->second;
    }
};

struct ScriptedReply {
    // As it goes out, status line and all.
    std::string bytes;
    // Closes the connection behind it.
    bool close = false;
    // Before each piece of 16 bytes.
    int pause_ms = 0;
};

// A whole answer with its length.
ScriptedReply Answer(int status, const std::string& body = "",
                     const std::map<std::string, std::string>& headers = {});
// What S3 says when it refuses.
ScriptedReply Refusal(int status, const std::string& code, const std::string& message = "no",
                      const std::map<std::string, std::string>& headers = {});

class ScriptedServer
{
  public:
    // `script` is called in one thread at a time, with the number of the request from 0.
    using Script = std::function<ScriptedReply(const SeenRequest& request, size_t number)>;

    explicit ScriptedServer(Script script);
    ~ScriptedServer();
    ScriptedServer(const ScriptedServer&) = delete;
    ScriptedServer& operator=(const ScriptedServer&) = delete;

    // 127.0.0.1:port
    std::string authority() const { return "127.0.0.1:" + std::to_string(port_); }
    std::vector<SeenRequest> seen() const;

  private:
    void Accept();
    void Serve(int fd, size_t connection);

    Script script_;
    int listener_;
    int port_ = 0;
    mutable std::mutex mutex_;
    std::vector<SeenRequest> seen_;
    std::vector<int> open_;
    std::vector<std::thread> connections_;
    std::thread acceptor_;
};

} // namespace wal2lake
