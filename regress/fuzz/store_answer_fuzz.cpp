// What an object store, STS or a metadata service answers: any bytes give a listing,
// lifecycle rules, an error for people of one line, credentials or none, and nothing else.
#include <algorithm>
#include <string>

#include "fuzz.h"
#include "store/credentials_http.h"
#include "store/s3_lifecycle.h"
#include "store/s3_reply.h"
#include "store/xml.h"

namespace wal2lake::fuzz
{
namespace
{

// One line of text without control characters.
bool IsOneLine(std::string_view text)
{
    return std::none_of(text.begin(), text.end(),
                        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; });
}

void CheckRefusal(int status, std::string_view body)
{
    HttpResponse response;
    response.status = status;
    response.headers = {{"content-type", "application/xml"},
                        {"x-amz-bucket-region", std::string(body.substr(0, 20))}};
    response.body = body;
    const S3Refusal refusal = ReadRefusal(response);
    FUZZ_CHECK(IsOneLine(refusal.code) && IsOneLine(refusal.message) && IsOneLine(refusal.region));
    const Error error = ToError({"read", "s3://bucket/name", "s3:GetObject"}, response);
    FUZZ_CHECK(error.text.find("s3://bucket/name") != std::string::npos);
    FUZZ_CHECK(IsOneLine(error.text) && error.text.size() < 2'000);
    FUZZ_CHECK(error.kind != ErrorKind::kDamaged);
}

// Names are for people; what is left of a prefix below a lake is no longer than it was.
void CheckLifecycle(std::string_view body)
{
    const auto rules = ReadLifecycle(body);
    if (!rules)
        return;
    for (const LifecycleRule& rule : *rules)
        FUZZ_CHECK(!rule.name.empty() && IsOneLine(rule.name) && rule.prefix.size() <= body.size());
    for (const LifecycleRule& rule : RulesBelow(*rules, "lake/"))
        FUZZ_CHECK(rule.prefix.size() <= body.size());
}

} // namespace

void Target(std::string_view input)
{
    if (input.empty())
        return;
    constexpr int kStatuses[] = {200, 301, 400, 403, 404, 409, 412, 416, 500, 503};
    const int status = kStatuses[static_cast<unsigned char>(input[0]) % std::size(kStatuses)];
    const std::string_view body = input.substr(1);
    CheckRefusal(status, body);

    // Decoded, a key is no longer than it was written.
    if (const auto listing = ReadListing(body))
        for (const std::string& key : listing->keys)
            FUZZ_CHECK(key.size() <= body.size());
    (void)ParseXml(body);
    CheckLifecycle(body);

    const auto credentials = ParseCredentialsJson(body, "the answer");
    if (credentials.ok())
        FUZZ_CHECK(!credentials.value().access_key_id.empty() &&
                   !credentials.value().secret_access_key.empty());
    else
        FUZZ_CHECK(IsOneLine(credentials.error().text) && credentials.error().text.size() < 2'000);
    (void)ParseExpiration(body);
    (void)ParseHttpAddress(body);
}

} // namespace wal2lake::fuzz
