// SHA-256 of whole objects, which chains segments, and XXH3-128, which guards a
// segment against damage. Over emitted bytes only; neither is ever a token.
// HMAC-SHA-256 signs requests to stores, and MD5 lets them see what was damaged on the way.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace wal2lake
{

// 32 raw bytes.
std::string Sha256(std::string_view bytes);

// 32 raw bytes.
std::string HmacSha256(std::string_view key, std::string_view bytes);

// 16 raw bytes; empty where this OpenSSL has no MD5 (FIPS).
std::string Md5(std::string_view bytes);

// 16 raw bytes in canonical (big endian) order.
std::string Xxh128(std::string_view bytes);

// XXH3-64, for what is too small to need more.
uint64_t Xxh64(std::string_view bytes);

// Both digests of bytes that arrive in pieces.
class RunningDigest
{
  public:
    RunningDigest();
    ~RunningDigest();
    RunningDigest(const RunningDigest&) = delete;
    RunningDigest& operator=(const RunningDigest&) = delete;

    // Bytes that count for SHA-256 and, where `for_xxh128`, for XXH3-128 too.
    void Update(std::string_view bytes, bool for_xxh128);
    // Once, after the last Update.
    std::string FinishSha256();
    std::string CurrentXxh128() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// Lower-case hexadecimal.
std::string Hex(std::string_view bytes);

// With padding, in one line.
std::string Base64(std::string_view bytes);
// Absent where `text` is not of that form.
std::optional<std::string> FromBase64(std::string_view text);

} // namespace wal2lake
