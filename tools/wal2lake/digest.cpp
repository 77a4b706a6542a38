#include "digest.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <xxhash.h>

namespace wal2lake
{
namespace
{

constexpr size_t kSha256Bytes = 32;

std::string Canonical(XXH128_hash_t hash)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    return {reinterpret_cast<const char*>(canonical.digest), sizeof canonical.digest};
}

// A digest that cannot be computed must never become a wrong one in a header;
// libcrypto fails here only when memory is exhausted.
void Require(int result)
{
    if (result == 1)
        return;
    std::fputs("wal2lake: libcrypto cannot compute SHA-256\n", stderr);
    std::abort();
}

} // namespace

std::string Sha256(std::string_view bytes)
{
    std::string digest(kSha256Bytes, '\0');
    Require(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
                       EVP_sha256(), nullptr));
    return digest;
}

std::string HmacSha256(std::string_view key, std::string_view bytes)
{
    std::string digest(kSha256Bytes, '\0');
    Require(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                 reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                 reinterpret_cast<unsigned char*>(digest.data()), nullptr) != nullptr
                ? 1
                : 0);
    return digest;
}

std::string Md5(std::string_view bytes)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_md5(), nullptr) != 1)
        return {};
    return {reinterpret_cast<const char*>(digest), length};
}

std::string Xxh128(std::string_view bytes)
{
    return Canonical(XXH3_128bits(bytes.data(), bytes.size()));
}

uint64_t Xxh64(std::string_view bytes)
{
    return XXH3_64bits(bytes.data(), bytes.size());
}

struct RunningDigest::State {
    EVP_MD_CTX* sha = EVP_MD_CTX_new();
    XXH3_state_t* xxh = XXH3_createState();

    ~State()
    {
        EVP_MD_CTX_free(sha);
        XXH3_freeState(xxh);
    }
};

RunningDigest::RunningDigest() : state_(std::make_unique<State>())
{
    Require(state_->sha != nullptr && state_->xxh != nullptr ? 1 : 0);
    Require(EVP_DigestInit_ex(state_->sha, EVP_sha256(), nullptr));
    XXH3_128bits_reset(state_->xxh);
}

RunningDigest::~RunningDigest() = default;

void RunningDigest::Update(std::string_view bytes, bool for_xxh128)
{
    Require(EVP_DigestUpdate(state_->sha, bytes.data(), bytes.size()));
    if (for_xxh128)
        XXH3_128bits_update(state_->xxh, bytes.data(), bytes.size());
}

std::string RunningDigest::FinishSha256()
{
    std::string digest(kSha256Bytes, '\0');
    Require(EVP_DigestFinal_ex(state_->sha, reinterpret_cast<unsigned char*>(digest.data()), nullptr));
    return digest;
}

std::string RunningDigest::CurrentXxh128() const
{
    return Canonical(XXH3_128bits_digest(state_->xxh));
}

std::string Hex(std::string_view bytes)
{
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    text.reserve(2 * bytes.size());
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += kDigits[byte >> 4U];
        text += kDigits[byte & 0xfU];
    }
    return text;
}

std::string Base64(std::string_view bytes)
{
    // libcrypto writes a zero behind it.
    std::vector<unsigned char> text(4 * ((bytes.size() + 2) / 3) + 1);
    const int written = EVP_EncodeBlock(text.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                                        static_cast<int>(bytes.size()));
    return {reinterpret_cast<const char*>(text.data()), static_cast<size_t>(written)};
}

std::optional<std::string> FromBase64(std::string_view text)
{
    const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    // libcrypto passes over blanks around it, and takes '=' anywhere.
    if (text.size() % 4 != 0 || text.find_first_of(" \t\r\n") != std::string_view::npos ||
        text.substr(0, text.size() - padding).find('=') != std::string_view::npos)
        return std::nullopt;
    std::vector<unsigned char> bytes(text.size() / 4 * 3 + 1);
    const int written = EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                                        static_cast<int>(text.size()));
    if (written < 0)
        return std::nullopt;
    return std::string(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(written) - padding);
}

} // namespace wal2lake
