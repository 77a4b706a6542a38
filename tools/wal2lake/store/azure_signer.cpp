#include "store/azure_signer.h"

#include <algorithm>
#include <ctime>
#include <map>

#include "digest.h"
#include "lower_case.h"
#include "store/percent.h"

namespace wal2lake
{
namespace
{

// What is signed of the standard headers, in this order, an empty line for each that
// is not sent.
constexpr std::string_view kSigned[] = {
    "content-encoding",  "content-language", "content-length", "content-md5",         "content-type", "date",
    "if-modified-since", "if-match",         "if-none-match",  "if-unmodified-since", "range"};

// Wed, 25 Nov 2026 21:22:00 GMT, whatever the locale.
std::string HttpDate(int64_t unix_s)
{
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t time = unix_s;
    std::tm utc{};
    ::gmtime_r(&time, &utc);
    char text[64];
    const size_t length = std::strftime(text, sizeof text, "%Y %H:%M:%S GMT", &utc);
    std::string day = std::to_string(utc.tm_mday);
    day.insert(0, day.size() < 2 ? "0" : "");
    return std::string(kDays[utc.tm_wday]) + ", " + day + " " + kMonths[utc.tm_mon] + " " +
           std::string(text, length);
}

void Replace(HttpHeaders* headers, std::string_view name, std::string value)
{
    std::erase_if(*headers, [&](const auto& header) { return header.first == name; });
    headers->emplace_back(name, std::move(value));
}

std::string_view Value(const HttpRequest& request, std::string_view name)
{
    for (const auto& [known, value] : request.headers)
        if (known == name)
            return value;
    return {};
}

// All that the host's name and the path say, and each parameter on a line of its own.
std::string CanonicalResource(const HttpRequest& request, const std::string& account)
{
    std::string resource = "/" + account + request.path;
    std::map<std::string, std::string> parameters;
    for (std::string_view rest = request.query; !rest.empty();) {
        const std::string_view pair = rest.substr(0, rest.find('&'));
        const size_t equals = std::min(pair.find('='), pair.size());
        parameters[LowerCase(PercentDecoded(pair.substr(0, equals)))] =
            PercentDecoded(pair.substr(std::min(equals + 1, pair.size())));
        rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    }
    for (const auto& [name, value] : parameters)
        resource.append("\n").append(name).append(":").append(value);
    return resource;
}

} // namespace

void SignSharedKey(HttpRequest* request, const std::string& account, const std::string& key, int64_t unix_s)
{
    Replace(&request->headers, "x-ms-date", HttpDate(unix_s));
    std::string text = request->method + "\n";
    for (const std::string_view name : kSigned) {
        if (name == "content-length")
            text += request->body.empty() ? "" : std::to_string(request->body.size());
        else
            text += Value(*request, name);
        text += "\n";
    }
    std::map<std::string, std::string> ours;
    for (const auto& [name, value] : request->headers)
        if (name.starts_with("x-ms-"))
            ours[name] = value;
    for (const auto& [name, value] : ours)
        text.append(name).append(":").append(value).append("\n");
    text += CanonicalResource(*request, account);
    Replace(&request->headers, "authorization", "SharedKey " + account + ":" + Base64(HmacSha256(key, text)));
}

} // namespace wal2lake
