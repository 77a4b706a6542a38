#include "core/token.h"

#include "core/guard.h"
#include "core/key_file.h"
#include "core/label.h"

#include <charconv>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

using namespace wal2lake;

namespace
{

constexpr std::string_view kDerivation = "wal2lake/v1/";
constexpr size_t kDigestBytes = 32;

struct FreeMac {
    void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
    void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};
using Mac = std::unique_ptr<EVP_MAC, FreeMac>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, FreeMac>;

/* libcrypto keeps a queue of errors per thread that belongs to the server: leave it as it was. */
w2l_status CryptoFailed()
{
    ERR_clear_error();
    return W2L_CRYPTO_FAILED;
}

MacContext KeyedContext(EVP_MAC* mac, const uint8_t* key, size_t length)
{
    MacContext context(EVP_MAC_CTX_new(mac));
    if (!context)
        return nullptr;
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
    if (EVP_MAC_init(context.get(), key, length, parameters) != 1)
        return nullptr;
    return context;
}

/* One message under the key the context was made with; out gets kDigestBytes. */
bool Digest(EVP_MAC_CTX* context, char tag, std::string_view message, uint8_t* out)
{
    size_t written = 0;
    /* A NULL key starts over with the same key: 240 ns a value instead of 440. */
    return EVP_MAC_init(context, nullptr, 0, nullptr) == 1 &&
           (tag == '\0' || EVP_MAC_update(context, reinterpret_cast<const uint8_t*>(&tag), 1) == 1) &&
           EVP_MAC_update(context, reinterpret_cast<const uint8_t*>(message.data()), message.size()) == 1 &&
           EVP_MAC_final(context, out, &written, kDigestBytes) == 1 && written == kDigestBytes;
}

/*
 * "0012.500" -> "12.5", "-0.0" -> "0": equal numbers give equal text. Appends to
 * `out`; false if the text is no decimal.
 */
bool NormalizeNumeric(std::string_view text, std::string* out)
{
    if (text == "NaN" || text == "Infinity" || text == "-Infinity") {
        out->append(text);
        return true;
    }
    bool negative = !text.empty() && text.front() == '-';
    if (negative)
        text.remove_prefix(1);
    size_t point = text.find('.');
    std::string_view whole = text.substr(0, point);
    std::string_view fraction = point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
    if (whole.empty() || whole.find_first_not_of("0123456789") != std::string_view::npos ||
        fraction.find_first_not_of("0123456789") != std::string_view::npos)
        return false;
    size_t first = whole.find_first_not_of('0');
    whole = first == std::string_view::npos ? std::string_view() : whole.substr(first);
    size_t last = fraction.find_last_not_of('0');
    fraction = last == std::string_view::npos ? std::string_view() : fraction.substr(0, last + 1);

    if (whole.empty() && fraction.empty()) {
        out->append("0");
        return true;
    }
    if (negative)
        out->push_back('-');
    out->append(whole.empty() ? "0" : whole);
    if (!fraction.empty()) {
        out->push_back('.');
        out->append(fraction);
    }
    return true;
}

void AppendName(std::string_view name, std::string* out)
{
    for (char c : name) {
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                     c == '-';
        if (plain) {
            out->push_back(c);
        } else {
            char escaped[4];
            std::snprintf(escaped, sizeof escaped, "%%%02X", static_cast<unsigned>(static_cast<uint8_t>(c)));
            out->append(escaped);
        }
    }
}

void AppendHex(const uint8_t* bytes, size_t length, std::string* out)
{
    for (size_t i = 0; i < length; ++i) {
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(bytes[i]));
        out->append(digits);
    }
}

} // namespace

struct w2l_domain {
    MacContext context;
};

struct w2l_tokenizer {
    Mac mac;
    const uint8_t* master_key;
    MacContext master;
    std::map<std::string, w2l_domain, std::less<>> domains;
};

extern "C" w2l_status w2l_tokenizer_new(const uint8_t* master_key, w2l_tokenizer** out) noexcept
{
    return Guarded([&]() -> w2l_status {
        auto tokenizer = std::make_unique<w2l_tokenizer>();
        tokenizer->mac.reset(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
        tokenizer->master_key = master_key;
        if (!tokenizer->mac)
            return CryptoFailed();
        tokenizer->master = KeyedContext(tokenizer->mac.get(), master_key, W2L_KEY_BYTES);
        if (!tokenizer->master)
            return CryptoFailed();
        *out = tokenizer.release();
        return W2L_OK;
    });
}

extern "C" void w2l_tokenizer_free(w2l_tokenizer* tokenizer) noexcept
{
    delete tokenizer;
}

extern "C" w2l_status w2l_tokenizer_domain(w2l_tokenizer* tokenizer, const char* name, size_t length,
                                           const w2l_domain** out) noexcept
{
    return Guarded([&]() -> w2l_status {
        std::string_view key(name, length);
        auto found = tokenizer->domains.find(key);
        if (found == tokenizer->domains.end()) {
            uint8_t derived[kDigestBytes];
            if (!Digest(tokenizer->master.get(), '\0', std::string(kDerivation).append(key), derived))
                return CryptoFailed();
            MacContext context = KeyedContext(tokenizer->mac.get(), derived, sizeof derived);
            w2l_wipe(derived, sizeof derived);
            if (!context)
                return CryptoFailed();
            found = tokenizer->domains.emplace(std::string(key), w2l_domain{std::move(context)}).first;
        }
        *out = &found->second;
        return W2L_OK;
    });
}

extern "C" w2l_status w2l_token_of_int(const w2l_domain* domain, int64_t value,
                                       uint8_t out[W2L_TOKEN_BYTES]) noexcept
{
    char text[24];
    auto end = std::to_chars(text, text + sizeof text, value).ptr;
    uint8_t digest[kDigestBytes];
    if (!Digest(domain->context.get(), 'n', std::string_view(text, static_cast<size_t>(end - text)), digest))
        return CryptoFailed();
    std::memcpy(out, digest, W2L_TOKEN_BYTES);
    return W2L_OK;
}

extern "C" w2l_status w2l_token_of_bytes(const w2l_domain* domain, w2l_canonical canonical, const char* bytes,
                                         size_t length, uint8_t out[W2L_TOKEN_BYTES]) noexcept
{
    return Guarded([&]() -> w2l_status {
        std::string_view value(bytes, length);
        std::string normal;
        char tag = 's';
        switch (canonical) {
        case W2L_CANONICAL_TEXT:
            break;
        case W2L_CANONICAL_BPCHAR:
            while (!value.empty() && value.back() == ' ')
                value.remove_suffix(1);
            break;
        case W2L_CANONICAL_NUMERIC:
            tag = 'n';
            if (!NormalizeNumeric(value, &normal))
                return W2L_INVALID;
            value = normal;
            break;
        case W2L_CANONICAL_UUID:
            tag = 'u';
            if (length != 16)
                return W2L_INVALID;
            break;
        default:
            return W2L_INVALID;
        }
        uint8_t digest[kDigestBytes];
        if (!Digest(domain->context.get(), tag, value, digest))
            return CryptoFailed();
        std::memcpy(out, digest, W2L_TOKEN_BYTES);
        return W2L_OK;
    });
}

extern "C" w2l_status w2l_key_check(const uint8_t* master_key, char out[9]) noexcept
{
    return Guarded([&]() -> w2l_status {
        Mac mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
        MacContext context = mac ? KeyedContext(mac.get(), master_key, W2L_KEY_BYTES) : nullptr;
        uint8_t digest[kDigestBytes];
        if (!context || !Digest(context.get(), '\0', std::string(kDerivation) + "check", digest))
            return CryptoFailed();
        std::string digits;
        AppendHex(digest, W2L_CHECK_DIGITS / 2, &digits);
        std::memcpy(out, digits.c_str(), W2L_CHECK_DIGITS + 1);
        return W2L_OK;
    });
}

extern "C" w2l_status w2l_default_domain(const char* schema, const char* table, const char* column, char* out,
                                         size_t out_size) noexcept
{
    return Guarded([&]() -> w2l_status {
        std::string name;
        AppendName(schema, &name);
        name.push_back('.');
        AppendName(table, &name);
        name.push_back('.');
        AppendName(column, &name);
        if (name.size() > W2L_MAX_DOMAIN) {
            uint8_t digest[kDigestBytes];
            unsigned int length = 0;
            if (EVP_Digest(name.data(), name.size(), digest, &length, EVP_sha256(), nullptr) != 1)
                return CryptoFailed();
            name = "sha256/";
            AppendHex(digest, sizeof digest, &name);
        }
        if (name.size() + 1 > out_size)
            return W2L_NO_SPACE;
        std::memcpy(out, name.c_str(), name.size() + 1);
        return W2L_OK;
    });
}
