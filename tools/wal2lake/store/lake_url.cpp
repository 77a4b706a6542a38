#include "store/lake_url.h"

#include <algorithm>

namespace wal2lake
{
namespace
{

Error Invalid(std::string text)
{
    return {ErrorKind::kInvalid, std::move(text)};
}

bool IsLetterOrDigit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// host, host:port or [v6]:port; nothing that could end it early in a URL.
bool IsAuthority(std::string_view text)
{
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return IsLetterOrDigit(c) || std::string_view("-._:[]").find(c) != std::string_view::npos;
    });
}

bool IsPath(std::string_view text)
{
    return text.find("//") == std::string_view::npos && text.find("..") == std::string_view::npos &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return IsLetterOrDigit(c) || std::string_view("-._~/").find(c) != std::string_view::npos;
           });
}

} // namespace

Result<std::string> ParsePrefix(std::string_view text, const std::string& url)
{
    while (text.ends_with('/'))
        text.remove_suffix(1);
    if (text.empty())
        return std::string{};
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view part = rest.substr(0, rest.find('/'));
        if (part.empty() || part == "." || part == "..")
            return Invalid("lake url \"" + url + "\" has an empty part, \".\" or \"..\" in its prefix");
        if (std::any_of(part.begin(), part.end(), [](unsigned char c) { return c < ' ' || c == 0x7F; }))
            return Invalid("lake url has a control character in its prefix");
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    }
    return std::string(text) + "/";
}

Result<Endpoint> ParseEndpoint(const std::string& text)
{
    Endpoint endpoint;
    const size_t colon = text.find("://");
    if (colon != std::string::npos) {
        endpoint.scheme = text.substr(0, colon);
        const std::string rest = text.substr(colon + 3);
        const size_t slash = std::min(rest.find('/'), rest.size());
        endpoint.authority = rest.substr(0, slash);
        endpoint.path = rest.substr(slash);
        while (endpoint.path.ends_with('/'))
            endpoint.path.pop_back();
        const std::string own = endpoint.scheme == "https" ? ":443" : ":80";
        if (endpoint.authority.ends_with(own))
            endpoint.authority.resize(endpoint.authority.size() - own.size());
    }
    const bool known = endpoint.scheme == "https" || endpoint.scheme == "http";
    if (!known || !IsAuthority(endpoint.authority) || !IsPath(endpoint.path))
        return Invalid(
            "lake.endpoint, or the variable instead of it, is not https://host or https://host:port");
    return endpoint;
}

bool ReadableOnTheWay(std::string_view scheme, std::string_view authority)
{
    const bool loopback = authority.starts_with("127.") || authority.starts_with("[::1]") ||
                          authority == "localhost" || authority.starts_with("localhost:");
    return scheme == "http" && !loopback;
}

} // namespace wal2lake
