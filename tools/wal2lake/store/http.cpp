#include "store/http.h"

#include <algorithm>
#include <cstring>

#include <curl/curl.h>

#include "clock.h"
#include "lower_case.h"

namespace wal2lake
{
namespace
{

// Slower than this is as good as broken.
constexpr int64_t kBytesPerSecond = int64_t{256} << 10;
constexpr long kStallBytesPerSecond = 1024;
// More headers than any honest answer has.
constexpr size_t kMostHeaders = 200;

// What one exchange collects, and why it was given up.
struct Transfer {
    const HttpOptions& options;
    const HttpRequest& request;
    int64_t began_ms = NowMs();
    size_t sent = 0;
    HttpResponse response = {};
    // The blank line behind the headers has come: libcurl does without.
    bool headers_whole = false;
    bool too_large = false;
    bool too_slow = false;
};

size_t OnHeader(char* bytes, size_t, size_t length, void* user)
{
    auto* transfer = static_cast<Transfer*>(user);
    HttpResponse& response = transfer->response;
    const std::string_view line(bytes, length);
    transfer->headers_whole = line == "\r\n" || line == "\n";
    // Another answer begins: what came before was "100 Continue".
    if (line.starts_with("HTTP/"))
        response.headers.clear();
    const size_t colon = line.find(':');
    if (line.starts_with("HTTP/") || colon == std::string_view::npos)
        return length;
    if (response.headers.size() == kMostHeaders)
        return 0;
    std::string name = LowerCase(line.substr(0, colon));
    constexpr const char* kBlank = " \t\r\n";
    std::string_view value = line.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(kBlank), value.size()));
    value = value.substr(0, value.find_last_not_of(kBlank) + 1);
    response.headers.emplace_back(std::move(name), value);
    return length;
}

size_t OnBody(char* bytes, size_t, size_t length, void* user)
{
    auto* transfer = static_cast<Transfer*>(user);
    if (length > transfer->options.max_response - transfer->response.body.size()) {
        transfer->too_large = true;
        return 0;
    }
    transfer->response.body.append(bytes, length);
    return length;
}

size_t OnSend(char* out, size_t, size_t room, void* user)
{
    auto* transfer = static_cast<Transfer*>(user);
    const std::string_view rest = transfer->request.body.substr(transfer->sent);
    const size_t length = std::min(room, rest.size());
    std::memcpy(out, rest.data(), length);
    transfer->sent += length;
    return length;
}

// libcurl sends again from the beginning where a connection that it had kept open
// turns out to be closed.
int OnSeek(void* user, curl_off_t offset, int origin)
{
    auto* transfer = static_cast<Transfer*>(user);
    if (origin != SEEK_SET || offset < 0 || static_cast<size_t>(offset) > transfer->request.body.size())
        return CURL_SEEKFUNC_FAIL;
    transfer->sent = static_cast<size_t>(offset);
    return CURL_SEEKFUNC_OK;
}

// Called with each piece, and once a second.
int OnProgress(void* user, curl_off_t expected, curl_off_t received, curl_off_t, curl_off_t)
{
    auto* transfer = static_cast<Transfer*>(user);
    const int64_t bytes = static_cast<int64_t>(transfer->request.body.size()) + std::max(expected, received);
    const int64_t allowed_ms = transfer->options.base_timeout_ms + bytes * 1000 / kBytesPerSecond;
    transfer->too_slow = NowMs() - transfer->began_ms > allowed_ms;
    return transfer->too_slow ? 1 : 0;
}

// Lines of our own making only; an empty value needs a form of its own.
struct curl_slist* HeaderList(const HttpHeaders& headers, bool* valid)
{
    // Without these libcurl adds them by itself where there is a body.
    struct curl_slist* list = curl_slist_append(nullptr, "Expect:");
    const bool typed = std::any_of(headers.begin(), headers.end(),
                                   [](const auto& header) { return header.first == "content-type"; });
    if (!typed)
        list = curl_slist_append(list, "Content-Type:");
    *valid = true;
    for (const auto& [name, value] : headers) {
        std::string line = name;
        line += value.empty() ? ";" : ": ";
        line += value;
        constexpr std::string_view kForbidden("\r\n\0", 3);
        if (name.empty() || line.find_first_of(kForbidden) != std::string::npos)
            *valid = false;
        list = curl_slist_append(list, line.c_str());
    }
    return list;
}

// Certificates, URLs and files do not mend themselves.
bool IsPermanent(CURLcode code)
{
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_URL_MALFORMAT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
        return true;
    default:
        return false;
    }
}

std::string Reason(CURLcode code, const char* detail, const HttpOptions& options)
{
    std::string reason = *detail != '\0' ? detail : curl_easy_strerror(code);
    // Of a proxy it cannot use libcurl repeats all that was configured, with user and password.
    if (!options.proxy.empty() && reason.find('@') != std::string::npos)
        reason = curl_easy_strerror(code);
    std::replace_if(
        reason.begin(), reason.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        reason += "; name the file of its certificate authority in lake.ca_file";
    if (code == CURLE_SSL_CACERT_BADFILE)
        reason += "; lake.ca_file must be a readable PEM file of certificates";
    return reason;
}

} // namespace

std::string_view HttpResponse::header(std::string_view name) const
{
    for (const auto& [known, value] : headers)
        if (known == name)
            return value;
    return {};
}

std::optional<int64_t> ParseHttpDate(std::string_view text)
{
    const time_t seconds = curl_getdate(std::string(text).c_str(), nullptr);
    return seconds < 0 ? std::nullopt : std::optional<int64_t>(seconds);
}

struct HttpClient::Handle {
    Handle()
    {
        static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
        curl = ready == CURLE_OK ? curl_easy_init() : nullptr;
    }
    ~Handle() { curl_easy_cleanup(curl); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    template <typename Value>
    void Set(CURLoption option, Value value)
    {
        // An option that this libcurl does not know would be a bug of ours; nothing is sent then.
        if (curl_easy_setopt(curl, option, value) != CURLE_OK)
            usable = false;
    }

    CURL* curl = nullptr;
    bool usable = true;
    char detail[CURL_ERROR_SIZE] = "";
};

HttpClient::HttpClient(HttpOptions options) : options_(std::move(options)) {}
HttpClient::~HttpClient() = default;

namespace
{

// What every exchange has in common.
template <typename Handle>
void Prepare(Handle* handle, const HttpOptions& options)
{
    handle->usable = true;
    handle->detail[0] = '\0';
    handle->Set(CURLOPT_ERRORBUFFER, handle->detail);
    handle->Set(CURLOPT_NOSIGNAL, 1L);
    handle->Set(CURLOPT_PROTOCOLS_STR, "http,https");
    handle->Set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    handle->Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    handle->Set(CURLOPT_FOLLOWLOCATION, 0L);
    handle->Set(CURLOPT_PATH_AS_IS, 1L);
    handle->Set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    handle->Set(CURLOPT_TCP_KEEPALIVE, 1L);
    handle->Set(CURLOPT_USERAGENT, "wal2lake/" WAL2LAKE_VERSION);
    handle->Set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout_ms));
    handle->Set(CURLOPT_LOW_SPEED_LIMIT, kStallBytesPerSecond);
    handle->Set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stall_timeout_s));
    if (!options.ca_file.empty()) {
        handle->Set(CURLOPT_CAINFO, options.ca_file.c_str());
        handle->Set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
    }
    if (options.direct)
        handle->Set(CURLOPT_PROXY, "");
    else if (!options.proxy.empty())
        handle->Set(CURLOPT_PROXY, options.proxy.c_str());
}

// One request and where its answer goes.
template <typename Handle>
void PrepareRequest(Handle* handle, const HttpRequest& request, Transfer* transfer)
{
    const std::string url = request.scheme + "://" + request.authority + request.path +
                            (request.query.empty() ? "" : "?" + request.query);
    handle->Set(CURLOPT_URL, url.c_str());
    handle->Set(CURLOPT_HEADERFUNCTION, OnHeader);
    handle->Set(CURLOPT_HEADERDATA, transfer);
    handle->Set(CURLOPT_WRITEFUNCTION, OnBody);
    handle->Set(CURLOPT_WRITEDATA, transfer);
    handle->Set(CURLOPT_NOPROGRESS, 0L);
    handle->Set(CURLOPT_XFERINFOFUNCTION, OnProgress);
    handle->Set(CURLOPT_XFERINFODATA, transfer);
    if (request.method == "HEAD")
        handle->Set(CURLOPT_NOBODY, 1L);
    else if (request.method == "PUT" || request.method == "POST" || !request.body.empty()) {
        handle->Set(CURLOPT_UPLOAD, 1L);
        handle->Set(CURLOPT_READFUNCTION, OnSend);
        handle->Set(CURLOPT_READDATA, transfer);
        handle->Set(CURLOPT_SEEKFUNCTION, OnSeek);
        handle->Set(CURLOPT_SEEKDATA, transfer);
        handle->Set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    }
    if (request.method != "HEAD")
        handle->Set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

} // namespace

Result<HttpResponse> HttpClient::Exchange(const HttpRequest& request)
{
    const std::string where = request.scheme + "://" + request.authority;
    if (!handle_)
        handle_ = std::make_unique<Handle>();
    if (handle_->curl == nullptr)
        return Error{ErrorKind::kRetryable, "libcurl cannot be started"};
    curl_easy_reset(handle_->curl);
    Transfer transfer{options_, request};
    Prepare(handle_.get(), options_);
    PrepareRequest(handle_.get(), request, &transfer);
    bool valid = false;
    struct curl_slist* const headers = HeaderList(request.headers, &valid);
    handle_->Set(CURLOPT_HTTPHEADER, headers);
    const bool spoken = request.scheme == "https" || request.scheme == "http";
    if (!valid || !spoken || !handle_->usable || request.authority.empty() ||
        !request.path.starts_with('/')) {
        curl_slist_free_all(headers);
        return Error{ErrorKind::kPermanent, "a request to " + where + " cannot be formed"};
    }

    const CURLcode code = curl_easy_perform(handle_->curl);
    long status = 0;
    curl_easy_getinfo(handle_->curl, CURLINFO_RESPONSE_CODE, &status);
    const std::string reason = Reason(code, handle_->detail, options_);
    curl_slist_free_all(headers);
    transfer.response.status = static_cast<int>(status);
    if (code == CURLE_OK && status > 0 && transfer.headers_whole)
        return std::move(transfer.response);
    // With the handle go all connections that it kept.
    handle_.reset();
    if (transfer.too_large)
        return Error{ErrorKind::kPermanent, "the answer of " + where + " is larger than " +
                                                std::to_string(options_.max_response) + " bytes"};
    if (transfer.too_slow)
        return Error{ErrorKind::kRetryable, "no whole answer of " + where + " within " +
                                                std::to_string(NowMs() - transfer.began_ms) + " ms"};
    if (code == CURLE_OK)
        return Error{ErrorKind::kRetryable, "no answer of " + where + ": it ends within its headers"};
    return Error{IsPermanent(code) ? ErrorKind::kPermanent : ErrorKind::kRetryable,
                 "no answer of " + where + ": " + reason};
}

} // namespace wal2lake
