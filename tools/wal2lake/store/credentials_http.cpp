#include "store/credentials_http.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json_text.h"

namespace wal2lake
{
namespace
{

constexpr std::array kKnownCodes = {
    "AccessDenied",
    "AssumeRoleUnauthorizedAccess",
    "ExpiredToken",
    "ExpiredTokenException",
    "IDPCommunicationError",
    "IDPRejectedClaim",
    "InternalFailure",
    "InvalidAction",
    "InvalidIdentityToken",
    "InvalidParameterValue",
    "MalformedPolicyDocument",
    "MissingParameter",
    "PackedPolicyTooLarge",
    "RegionDisabledException",
    "RequestExpired",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "ValidationError",
};

bool IsLoopback(const std::string& host)
{
    in_addr four{};
    in6_addr six{};
    if (::inet_pton(AF_INET, host.c_str(), &four) == 1)
        return (ntohl(four.s_addr) >> 24U) == IN_LOOPBACKNET;
    if (::inet_pton(AF_INET6, host.c_str(), &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six);
    return host == "localhost";
}

bool IsPrivate(const struct stat& status)
{
    if (status.st_uid == 0)
        return (status.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) == 0;
    return status.st_uid == ::geteuid() && (status.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

} // namespace

std::string HttpAddress::host() const
{
    if (!authority.empty() && authority[0] == '[')
        return authority.substr(1, authority.find(']') - 1);
    return authority.substr(0, authority.find(':'));
}

bool HttpAddress::loopback() const
{
    return IsLoopback(host());
}

std::optional<HttpAddress> ParseHttpAddress(std::string_view url)
{
    HttpAddress address;
    for (const char* scheme : {"http", "https"})
        if (url.starts_with(std::string(scheme) + "://"))
            address.scheme = scheme;
    if (address.scheme.empty() || !IsPlainToken(url))
        return std::nullopt;
    url.remove_prefix(address.scheme.size() + std::strlen("://"));
    const size_t slash = url.find('/');
    address.authority = url.substr(0, slash);
    address.path = slash == std::string_view::npos ? "/" : url.substr(slash);
    // What would make others read another host or path out of it than we do.
    const bool odd = address.authority.find_first_of("@\\?#") != std::string::npos ||
                     address.path.find_first_of("\\?#") != std::string::npos;
    if (odd || address.host().empty())
        return std::nullopt;
    return address;
}

Result<std::string> ReadCredentialsFile(const std::string& path, Readers readers)
{
    // Without waiting for the other end, should it be a pipe.
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        const bool absent = errno == ENOENT || errno == ENOTDIR;
        return Error{absent ? ErrorKind::kNotFound : ErrorKind::kPermanent,
                     "cannot read \"" + path + "\": " + std::strerror(errno)};
    }
    struct stat status {
    };
    const bool fine = ::fstat(fd, &status) == 0 && (readers == Readers::kAnybody || IsPrivate(status));
    std::string text(kLargestCredentials + 1, '\0');
    size_t length = 0;
    ssize_t got = 0;
    while (fine && length < text.size() && (got = ::read(fd, text.data() + length, text.size() - length)) > 0)
        length += static_cast<size_t>(got);
    const int error = errno;
    ::close(fd);
    if (!fine)
        return Error{ErrorKind::kInvalid,
                     "others can read \"" + path +
                         "\"; it must belong to the user of wal2lake with mode 0600, or to root with 0640"};
    if (got < 0)
        return Error{ErrorKind::kPermanent, "cannot read \"" + path + "\": " + std::strerror(error)};
    if (length == text.size())
        return Error{ErrorKind::kInvalid, "\"" + path + "\" is larger than any file of credentials"};
    text.resize(length);
    return text;
}

bool IsPlainToken(std::string_view text)
{
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

Result<Credentials> CheckedCredentials(Credentials credentials, const std::string& from, ErrorKind kind)
{
    const auto broken = [&](const char* part) {
        return Error{kind, std::string(part) + " of " + from +
                               " is empty, or has a blank or a character that cannot be sent"};
    };
    if (!IsPlainToken(credentials.access_key_id))
        return broken("the access key id");
    if (!IsPlainToken(credentials.secret_access_key))
        return broken("the secret access key");
    if (!credentials.session_token.empty() && !IsPlainToken(credentials.session_token))
        return broken("the session token");
    return credentials;
}

std::optional<int64_t> ParseExpiration(std::string_view text)
{
    std::tm utc{};
    const std::string copy(text);
    const char* rest = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &utc);
    if (rest == nullptr)
        return std::nullopt;
    if (*rest == '.')
        rest += 1 + std::strspn(rest + 1, "0123456789");
    const int64_t seconds = ::timegm(&utc);
    if (std::strcmp(rest, "Z") == 0)
        return seconds;
    std::tm offset{};
    const char* end = ::strptime(rest + (*rest == '\0' ? 0 : 1), "%H:%M", &offset);
    if ((*rest != '+' && *rest != '-') || end == nullptr || *end != '\0')
        return std::nullopt;
    const int64_t ahead = (offset.tm_hour * 60 + offset.tm_min) * 60;
    return *rest == '+' ? seconds - ahead : seconds + ahead;
}

Result<Credentials> ParseCredentialsJson(std::string_view body, const std::string& from)
{
    auto texts = ReadJsonTexts(body);
    if (!texts)
        return Error{ErrorKind::kRetryable, from + " answered with something other than a JSON object"};
    const auto code = texts->find("Code");
    if (code != texts->end() && code->second != "Success")
        return Error{ErrorKind::kPermanent,
                     from + " has no credentials for the role (" + ShownCode(code->second) + ")"};
    Credentials credentials{(*texts)["AccessKeyId"], (*texts)["SecretAccessKey"], (*texts)["Token"], {}};
    if (const auto expiration = texts->find("Expiration"); expiration != texts->end()) {
        credentials.expires_s = ParseExpiration(expiration->second);
        if (!credentials.expires_s)
            return Error{ErrorKind::kRetryable, from + " answered with an expiration that is no date"};
    }
    return CheckedCredentials(std::move(credentials), "the answer of " + from, ErrorKind::kRetryable);
}

std::string ShownCode(std::string_view code)
{
    const auto* known = std::find(kKnownCodes.begin(), kKnownCodes.end(), code);
    return known == kKnownCodes.end() ? "with an unknown code" : *known;
}

Error RefusedExchange(const std::string& from, int status, std::string_view code)
{
    const std::string shown = code.empty() ? "" : ShownCode(code);
    const bool passes = status >= 500 || status == 429 || status == 408 || shown.starts_with("Throttling") ||
                        shown == "IDPCommunicationError";
    return {passes ? ErrorKind::kRetryable : ErrorKind::kPermanent,
            from + " answered " + std::to_string(status) + (shown.empty() ? "" : " " + shown)};
}

} // namespace wal2lake
