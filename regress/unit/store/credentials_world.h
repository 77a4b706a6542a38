// An invented world for providers: variables, files, and servers that follow a
// script. Everything that is said to or by a server is kept.
#pragma once

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "store/credentials_providers.h"

namespace wal2lake
{

struct Asked {
    std::string method;
    std::string url;
    HttpHeaders headers;
    std::string body;
    HttpOptions options;

    std::string Header(std::string_view name) const
    {
        for (const auto& [key, value] : headers)
            if (key == name)
                return value;
        return "";
    }
};

class CredentialsWorld
{
  public:
    CredentialsWorld()
    {
        char path[] = "/tmp/wal2lake-credentials-XXXXXX";
        folder_ = ::mkdtemp(path);
        variables["HOME"] = folder_;
    }
    ~CredentialsWorld() { std::filesystem::remove_all(folder_); }
    CredentialsWorld(const CredentialsWorld&) = delete;
    CredentialsWorld& operator=(const CredentialsWorld&) = delete;

    // Its path.
    std::string Write(const std::string& name, const std::string& text,
                      std::filesystem::perms mode = std::filesystem::perms{0600}) const
    {
        const std::filesystem::path path = folder_ + "/" + name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path, std::ios::trunc) << text;
        std::filesystem::permissions(path, mode);
        return path;
    }

    void Answer(int status, const std::string& body) { script.push_back(HttpResponse{status, {}, body}); }
    void AnswerNothing() { script.push_back(Error{ErrorKind::kRetryable, "cannot connect to the host"}); }

    CredentialsContext Context()
    {
        CredentialsContext context;
        context.options = options;
        context.environment = [this](const std::string& name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            if (found == variables.end() || found->second.empty())
                return std::nullopt;
            return found->second;
        };
        context.exchange = [this](const HttpRequest& request, const HttpOptions& how) {
            asked.push_back({request.method,
                             request.scheme + "://" + request.authority + request.path +
                                 (request.query.empty() ? "" : "?" + request.query),
                             request.headers, std::string(request.body), how});
            // Whoever asks more than the script has gets no answer, as outside of EC2.
            Result<HttpResponse> answer = Error{ErrorKind::kRetryable, "timed out"};
            if (!script.empty()) {
                answer = script.front();
                script.pop_front();
            }
            return answer;
        };
        return context;
    }

    const std::string& folder() const { return folder_; }

    std::map<std::string, std::string> variables;
    CredentialsOptions options;
    std::deque<Result<HttpResponse>> script;
    std::vector<Asked> asked;

  private:
    std::string folder_;
};

// "id secret token expiration", or the error.
inline std::string Shown(const Result<Credentials>& result)
{
    if (!result.ok())
        return result.error().text;
    const Credentials& found = result.value();
    return found.access_key_id + " " + found.secret_access_key + " " + found.session_token + " " +
           (found.expires_s ? std::to_string(*found.expires_s) : "-");
}

inline ErrorKind KindOf(const Result<Credentials>& result)
{
    EXPECT_FALSE(result.ok());
    return result.ok() ? ErrorKind::kExists : result.error().kind;
}

} // namespace wal2lake
