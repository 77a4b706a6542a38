#include "store/sigv4.h"

#include <algorithm>
#include <ctime>
#include <map>

#include "digest.h"

namespace wal2lake
{
namespace
{

constexpr std::string_view kAuthorization = "authorization";

bool IsUnreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

// 20130524T000000Z; its first eight characters are the day.
std::string Timestamp(int64_t unix_s)
{
    const std::time_t time = unix_s;
    std::tm utc{};
    ::gmtime_r(&time, &utc);
    char text[32];
    return {text, std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc)};
}

// What a server makes of a value: no blanks around it, one where there are several.
std::string Squeezed(std::string_view value)
{
    std::string text;
    for (const char c : value) {
        const bool blank = c == ' ' || c == '\t';
        if (!blank)
            text += c;
        else if (!text.empty() && text.back() != ' ')
            text += ' ';
    }
    if (!text.empty() && text.back() == ' ')
        text.pop_back();
    return text;
}

void Replace(HttpHeaders* headers, std::string_view name, std::string value)
{
    std::erase_if(*headers, [&](const auto& header) { return header.first == name; });
    headers->emplace_back(name, std::move(value));
}

// The map sorts by name alone: sorting lines instead puts x-amz-...-encryption-aws
// before x-amz-...-encryption, because '-' comes before ':'.
std::map<std::string, std::string> CanonicalHeaders(const HttpRequest& request)
{
    std::map<std::string, std::string> canonical{{"host", Squeezed(request.authority)}};
    for (const auto& [name, value] : request.headers) {
        if (name == "host" || name == kAuthorization)
            continue;
        const auto [line, first] = canonical.try_emplace(name, Squeezed(value));
        if (!first)
            line->second += "," + Squeezed(value);
    }
    return canonical;
}

std::string SigningKey(const Credentials& credentials, const SigningScope& scope, std::string_view day)
{
    std::string key = HmacSha256(std::string(scope.dialect.key_prefix) + credentials.secret_access_key, day);
    key = HmacSha256(key, scope.region);
    key = HmacSha256(key, scope.service);
    return HmacSha256(key, scope.dialect.terminator);
}

} // namespace

std::string UriEncode(std::string_view text, bool keep_slash)
{
    static constexpr char kDigits[] = "0123456789ABCDEF";
    std::string encoded;
    encoded.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (IsUnreserved(byte) || (c == '/' && keep_slash)) {
            encoded += c;
        } else {
            encoded += '%';
            encoded += kDigits[byte >> 4U];
            encoded += kDigits[byte & 0xfU];
        }
    }
    return encoded;
}

std::string CanonicalQuery(const std::vector<std::pair<std::string, std::string>>& parameters)
{
    // Sorted as encoded, which is another order than that of the texts.
    std::vector<std::pair<std::string, std::string>> encoded;
    encoded.reserve(parameters.size());
    for (const auto& [name, value] : parameters)
        encoded.emplace_back(UriEncode(name, false), UriEncode(value, false));
    std::sort(encoded.begin(), encoded.end());
    std::string query;
    for (const auto& [name, value] : encoded)
        query.append(query.empty() ? "" : "&").append(name).append("=").append(value);
    return query;
}

void SignRequest(HttpRequest* request, const Credentials& credentials, const SigningScope& scope,
                 int64_t unix_s)
{
    const std::string timestamp = Timestamp(unix_s);
    const std::string day = timestamp.substr(0, timestamp.find('T'));
    const std::string content_hash = Hex(Sha256(request->body));
    const std::string prefix(scope.dialect.header_prefix);
    const std::string token = prefix + "security-token";
    std::erase_if(request->headers, [&](const auto& header) { return header.first == token; });
    Replace(&request->headers, prefix + "date", timestamp);
    if (scope.service == "s3" || scope.service == "storage")
        Replace(&request->headers, prefix + "content-sha256", content_hash);
    if (!credentials.session_token.empty())
        Replace(&request->headers, token, credentials.session_token);

    std::string lines;
    std::string names;
    for (const auto& [name, value] : CanonicalHeaders(*request)) {
        lines.append(name).append(":").append(value).append("\n");
        names.append(names.empty() ? "" : ";").append(name);
    }
    const std::string canonical = request->method + "\n" + request->path + "\n" + request->query + "\n" +
                                  lines + "\n" + names + "\n" + content_hash;
    const std::string domain =
        day + "/" + scope.region + "/" + scope.service + "/" + std::string(scope.dialect.terminator);
    const std::string to_sign = std::string(scope.dialect.algorithm) + "\n" + timestamp + "\n" + domain +
                                "\n" + Hex(Sha256(canonical));
    const std::string signature = Hex(HmacSha256(SigningKey(credentials, scope, day), to_sign));
    Replace(&request->headers, kAuthorization,
            std::string(scope.dialect.algorithm) + " Credential=" + credentials.access_key_id + "/" + domain +
                ", SignedHeaders=" + names + ", Signature=" + signature);
}

} // namespace wal2lake
