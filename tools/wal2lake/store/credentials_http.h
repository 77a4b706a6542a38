// What the providers share: addresses, answers, small files. Used by
// credentials_*.cpp alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "result.h"
#include "store/credentials_providers.h"

namespace wal2lake
{

// Never more than this of a file or an answer.
inline constexpr size_t kLargestCredentials = size_t{64} << 10;

// "http" or "https", authority, path of a URL without user, query and fragment.
struct HttpAddress {
    std::string scheme;
    std::string authority;
    std::string path;

    // Without brackets and port.
    std::string host() const;
    // This machine and nobody else.
    bool loopback() const;
};
std::optional<HttpAddress> ParseHttpAddress(std::string_view url);

enum class Readers {
    kAnybody,
    // The owner, which is this process's user or root, and then also root's group:
    // as libpq wants it of a key, and systemd's LoadCredential and Kubernetes make it.
    kOwner,
};
// The whole file; kNotFound where there is none.
Result<std::string> ReadCredentialsFile(const std::string& path, Readers readers);

using ProfileSettings = std::map<std::string, std::string>;
using Profiles = std::map<std::string, ProfileSettings>;
// Of "[name]" and "setting = value"; settings in lower case. `path` is for the error,
// which shows no line: it may be a secret.
Result<Profiles> ParseProfiles(std::string_view text, const std::string& path);
// Of the file that the configuration names, which must be there and its owner's alone.
Result<Profiles> ReadOwnProfiles(const std::string& path);

// Credentials whose parts can stand in a header; `from` is what is to blame otherwise,
// and `kind` what the error is: whether it may get better by itself.
Result<Credentials> CheckedCredentials(Credentials credentials, const std::string& from, ErrorKind kind);

// Printable characters of ASCII without blanks, and not empty.
bool IsPlainToken(std::string_view text);

// Unix seconds of "2026-08-13T10:11:12Z", also with a fraction or an offset.
std::optional<int64_t> ParseExpiration(std::string_view text);

// The object {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}, and "Code"
// where it comes from an instance.
Result<Credentials> ParseCredentialsJson(std::string_view body, const std::string& from);

// An answer's code if it is one of AWS's; otherwise that it is none, since anything
// may stand there.
std::string ShownCode(std::string_view code);

// For an answer with a status other than 200.
Error RefusedExchange(const std::string& from, int status, std::string_view code = {});

// STS for a role that a profile or the environment names. All are read at every
// Fetch. `region` may be empty.
struct WebIdentity {
    std::string token_file;
    std::string role_arn;
    std::string session_name;
    std::string region;
};
Result<Credentials> AssumeRoleWithWebIdentity(const CredentialsContext& context, const WebIdentity& identity);

} // namespace wal2lake
