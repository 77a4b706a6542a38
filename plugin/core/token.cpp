#include "core/token.h"

#include "core/guard.h"
#include "core/key_file.h"
#include "core/label.h"

#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>

/* SHA256_Update and its kin are deprecated for those who want providers; see Hmac. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

using namespace wal2lake;

namespace
{

constexpr std::string_view kDerivation = "wal2lake/v1/";
constexpr size_t kDigestBytes = 32;

/* libcrypto keeps a queue of errors per thread that belongs to the server: leave it as it was. */
w2l_status CryptoFailed()
{
    ERR_clear_error();
    return W2L_CRYPTO_FAILED;
}

/*
 * HMAC-SHA-256 (RFC 2104) under one key. SHA-256 is libcrypto's; kept are its
 * states after the key's block, inner and outer, so that a short value costs two
 * blocks: 150 ns, where EVP_MAC, which allocates on the way, needs 450. Who has
 * the states can make tokens as with the key, so they are wiped like one.
 */
class Hmac
{
  public:
    Hmac() = default;
    ~Hmac()
    {
        w2l_wipe(&inner_, sizeof inner_);
        w2l_wipe(&outer_, sizeof outer_);
    }
    Hmac(const Hmac&) = delete;
    Hmac& operator=(const Hmac&) = delete;

    /* `key` has kKeyBytes: a master key or one that was derived. */
    bool SetKey(const uint8_t* key) { return Absorb(key, 0x36, &inner_) && Absorb(key, 0x5c, &outer_); }

    /* The digest of `tag`, unless it is NUL, and `message`; out gets kDigestBytes. */
    bool Digest(char tag, std::string_view message, uint8_t* out) const
    {
        SHA256_CTX state = inner_;
        if ((tag != '\0' && SHA256_Update(&state, &tag, 1) != 1) ||
            SHA256_Update(&state, message.data(), message.size()) != 1 || SHA256_Final(out, &state) != 1)
            return false;
        state = outer_;
        return SHA256_Update(&state, out, kDigestBytes) == 1 && SHA256_Final(out, &state) == 1;
    }

    static constexpr size_t kKeyBytes = 32;

  private:
    static bool Absorb(const uint8_t* key, uint8_t pad, SHA256_CTX* state)
    {
        uint8_t block[SHA256_CBLOCK];
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = static_cast<uint8_t>((i < kKeyBytes ? key[i] : 0) ^ pad);
        const bool done = SHA256_Init(state) == 1 && SHA256_Update(state, block, sizeof block) == 1;
        w2l_wipe(block, sizeof block);
        return done;
    }

    SHA256_CTX inner_{};
    SHA256_CTX outer_{};
};
static_assert(Hmac::kKeyBytes == W2L_KEY_BYTES && Hmac::kKeyBytes == kDigestBytes);

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

/* A canonical form that needs no memory of its own. */
class SmallForm
{
  public:
    void SetDecimal(int64_t value) { end_ = std::to_chars(bytes_, bytes_ + sizeof bytes_, value).ptr; }

    /* The sum as a decimal, which may need more than 64 bits; the ends of the range are infinite. */
    void SetMoment(int64_t value, int64_t offset)
    {
        if (value == std::numeric_limits<int64_t>::max() || value == std::numeric_limits<int64_t>::min()) {
            SetText(value > 0 ? "infinity" : "-infinity");
            return;
        }
        if (value <= std::numeric_limits<int64_t>::max() - offset) {
            SetDecimal(value + offset);
            return;
        }
        end_ = std::to_chars(bytes_, bytes_ + sizeof bytes_,
                             static_cast<uint64_t>(value) + static_cast<uint64_t>(offset))
                   .ptr;
    }

    /* Big-endian; one zero, one NaN. */
    void SetDouble(uint64_t bits)
    {
        constexpr uint64_t sign = uint64_t{1} << 63;
        constexpr uint64_t infinity = uint64_t{0x7ff} << 52;
        if ((bits & ~sign) == 0)
            bits = 0;
        else if ((bits & ~sign) > infinity)
            bits = infinity | (uint64_t{1} << 51);
        for (int i = 0; i < 8; ++i)
            bytes_[i] = static_cast<char>(static_cast<uint8_t>(bits >> (56 - 8 * i)));
        end_ = bytes_ + 8;
    }

    std::string_view view() const { return {bytes_, static_cast<size_t>(end_ - bytes_)}; }

  private:
    void SetText(std::string_view text)
    {
        std::memcpy(bytes_, text.data(), text.size());
        end_ = bytes_ + text.size();
    }

    char bytes_[24];
    char* end_ = bytes_;
};

/* Between 1970-01-01 and 2000-01-01. */
constexpr int64_t kEpochsApartMicroseconds = int64_t{10957} * 86400 * 1000000;

/* 4 or 6, the length of the prefix, and the address. */
bool IsInternetAddress(std::string_view bytes)
{
    if (bytes.size() != 6 && bytes.size() != 18)
        return false;
    const bool v4 = bytes.size() == 6;
    return bytes[0] == (v4 ? 4 : 6) && static_cast<uint8_t>(bytes[1]) <= (v4 ? 32 : 128);
}

} // namespace

struct w2l_domain {
    Hmac hmac;
};

static w2l_status TokenOf(const w2l_domain* domain, char tag, std::string_view canonical, uint8_t* out)
{
    uint8_t digest[kDigestBytes];
    if (!domain->hmac.Digest(tag, canonical, digest))
        return CryptoFailed();
    std::memcpy(out, digest, W2L_TOKEN_BYTES);
    return W2L_OK;
}

struct w2l_tokenizer {
    Hmac master;
    std::map<std::string, w2l_domain, std::less<>> domains;
};

extern "C" w2l_status w2l_tokenizer_new(const uint8_t* master_key, w2l_tokenizer** out) noexcept
{
    return Guarded([&]() -> w2l_status {
        auto tokenizer = std::make_unique<w2l_tokenizer>();
        if (!tokenizer->master.SetKey(master_key))
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
            found = tokenizer->domains.try_emplace(std::string(key)).first;
            const bool keyed =
                tokenizer->master.Digest('\0', std::string(kDerivation).append(key), derived) &&
                found->second.hmac.SetKey(derived);
            w2l_wipe(derived, sizeof derived);
            if (!keyed) {
                tokenizer->domains.erase(found);
                return CryptoFailed();
            }
        }
        *out = &found->second;
        return W2L_OK;
    });
}

extern "C" size_t w2l_tokenizer_domains(const w2l_tokenizer* tokenizer) noexcept
{
    return tokenizer->domains.size();
}

extern "C" w2l_status w2l_token_of_int(const w2l_domain* domain, w2l_canonical canonical, int64_t value,
                                       uint8_t out[W2L_TOKEN_BYTES]) noexcept
{
    SmallForm form;
    switch (canonical) {
    case W2L_CANONICAL_INT:
        form.SetDecimal(value);
        return TokenOf(domain, 'n', form.view(), out);
    case W2L_CANONICAL_DATE:
        form.SetMoment(value, 0);
        return TokenOf(domain, 'd', form.view(), out);
    case W2L_CANONICAL_TIMESTAMP:
        form.SetMoment(value, kEpochsApartMicroseconds);
        return TokenOf(domain, 't', form.view(), out);
    case W2L_CANONICAL_TIMESTAMPTZ:
        form.SetMoment(value, kEpochsApartMicroseconds);
        return TokenOf(domain, 'z', form.view(), out);
    case W2L_CANONICAL_FLOAT:
        form.SetDouble(static_cast<uint64_t>(value));
        return TokenOf(domain, 'f', form.view(), out);
    default:
        return W2L_INVALID;
    }
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
        case W2L_CANONICAL_BYTES:
            tag = 'x';
            break;
        case W2L_CANONICAL_MAC:
            tag = 'm';
            if (length != 6 && length != 8)
                return W2L_INVALID;
            break;
        case W2L_CANONICAL_INET:
            tag = 'a';
            if (!IsInternetAddress(value))
                return W2L_INVALID;
            break;
        default:
            return W2L_INVALID;
        }
        return TokenOf(domain, tag, value, out);
    });
}

extern "C" w2l_status w2l_key_check(const uint8_t* master_key, char out[9]) noexcept
{
    return Guarded([&]() -> w2l_status {
        Hmac hmac;
        uint8_t digest[kDigestBytes];
        if (!hmac.SetKey(master_key) || !hmac.Digest('\0', std::string(kDerivation) + "check", digest))
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
