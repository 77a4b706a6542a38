// The text of a key file: what is accepted can be written out and reads the same;
// what is refused leaves nothing behind and is not quoted.
#include <algorithm>
#include <cstring>
#include <string>

#include <openssl/evp.h>

#include "core/key_file.h"
#include "fuzz.h"

namespace wal2lake::fuzz
{
namespace
{

std::string Base64(const uint8_t (&secret)[W2L_KEY_BYTES])
{
    unsigned char text[W2L_KEY_BYTES * 2];
    const int length = EVP_EncodeBlock(text, secret, W2L_KEY_BYTES);
    return {reinterpret_cast<const char*>(text), static_cast<size_t>(length)};
}

// A word longer than an id, which may be named, and that the input holds too: a key has 44 digits.
bool Quotes(std::string_view error, std::string_view input)
{
    size_t begin = 0;
    for (size_t i = 0; i <= error.size(); i++) {
        if (i < error.size() && error[i] != ' ' && error[i] != '"')
            continue;
        const std::string_view word = error.substr(begin, i - begin);
        if (word.size() > W2L_MAX_KEY_ID && input.find(word) != std::string_view::npos)
            return true;
        begin = i + 1;
    }
    return false;
}

} // namespace

void Target(std::string_view input)
{
    w2l_key_set keys;
    std::memset(&keys, 0x5a, sizeof keys);
    char error[200] = "";
    const bool ok = w2l_key_file_parse(input.data(), input.size(), &keys, error, sizeof error);
    if (!ok) {
        const char* bytes = reinterpret_cast<const char*>(&keys);
        FUZZ_CHECK(std::all_of(bytes, bytes + sizeof keys, [](char c) { return c == '\0'; }));
        FUZZ_CHECK(error[0] != '\0' && std::memchr(error, '\0', sizeof error) != nullptr);
        FUZZ_CHECK(!Quotes(error, input));
        return;
    }
    FUZZ_CHECK(keys.count > 0 && keys.count <= W2L_MAX_KEYS);
    std::string written;
    for (size_t i = 0; i < keys.count; i++) {
        FUZZ_CHECK(w2l_is_key_id(keys.keys[i].id, std::strlen(keys.keys[i].id)));
        FUZZ_CHECK(w2l_key_find(&keys, keys.keys[i].id) == &keys.keys[i]);
        const std::string secret = Base64(keys.keys[i].secret);
        FUZZ_CHECK(input.find(secret) != std::string_view::npos);
        written += std::string(keys.keys[i].id) + " " + secret + "\n";
    }
    w2l_key_set again;
    FUZZ_CHECK(w2l_key_file_parse(written.data(), written.size(), &again, error, sizeof error));
    FUZZ_CHECK(std::memcmp(&again, &keys, sizeof keys) == 0);
}

} // namespace wal2lake::fuzz
