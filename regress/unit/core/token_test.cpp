// Tokens against an independent construction: libcrypto's one-shot HMAC, itself
// checked with RFC 4231, and the published vectors (docs/token_vectors.json),
// which a third implementation wrote (tools/dev/check_token_vectors.py).
#include "core/token.h"

#include "core/key_file.h"
#include "core/label.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace
{

using nlohmann::json;
using std::string;

// ---- the oracle ----

string Hmac(const string& key, const string& message)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    EXPECT_NE(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                   reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest, &length),
              nullptr);
    return string(reinterpret_cast<char*>(digest), length);
}

string Hex(std::string_view bytes)
{
    static const char kDigits[] = "0123456789abcdef";
    string hex;
    for (char byte : bytes) {
        hex += kDigits[static_cast<uint8_t>(byte) >> 4];
        hex += kDigits[static_cast<uint8_t>(byte) & 15];
    }
    return hex;
}

string Unhex(const string& hex)
{
    string bytes;
    for (size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    return bytes;
}

string OracleToken(const string& key, const string& domain, const string& canonical)
{
    return Hex(Hmac(Hmac(key, "wal2lake/v1/" + domain), canonical).substr(0, 16));
}

// RFC 4231, section 4; the fifth case publishes 128 bits only.
TEST(Hmac, Rfc4231)
{
    string counting;
    for (char byte = 1; byte <= 0x19; ++byte)
        counting += byte;
    struct Case {
        string key, data;
        const char* digest;
    };
    const Case cases[] = {
        {string(20, '\x0b'), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"Jefe", "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {string(20, '\xaa'), string(50, '\xdd'),
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {counting, string(50, '\xcd'), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {string(20, '\x0c'), "Test With Truncation", "a3b6167473100ee06e0c796c2955552b"},
        {string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {string(131, '\xaa'),
         "This is a test using a larger than block-size key and a larger than block-size data. The key needs "
         "to be "
         "hashed before being used by the HMAC algorithm.",
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    for (const Case& c : cases) {
        string expected = c.digest;
        EXPECT_EQ(Hex(Hmac(c.key, c.data)).substr(0, expected.size()), expected) << c.data;
    }
}

// ---- the code under test ----

const string kKey = "wal2lake regression test key 01!";

const uint8_t* Bytes(const string& text)
{
    return reinterpret_cast<const uint8_t*>(text.data());
}

struct FreeTokenizer {
    void operator()(w2l_tokenizer* tokenizer) const { w2l_tokenizer_free(tokenizer); }
};

class Tokenizer
{
  public:
    explicit Tokenizer(const string& key) : key_(key)
    {
        w2l_tokenizer* made = nullptr;
        EXPECT_EQ(w2l_tokenizer_new(Bytes(key_), &made), W2L_OK);
        tokenizer_.reset(made);
    }

    const w2l_domain* Domain(const string& name)
    {
        const w2l_domain* domain = nullptr;
        EXPECT_EQ(w2l_tokenizer_domain(tokenizer_.get(), name.data(), name.size(), &domain), W2L_OK);
        return domain;
    }
    string OfInt(const string& domain, int64_t value, w2l_canonical canonical = W2L_CANONICAL_INT)
    {
        uint8_t token[W2L_TOKEN_BYTES];
        w2l_status status = w2l_token_of_int(Domain(domain), canonical, value, token);
        if (status == W2L_INVALID)
            return "invalid";
        EXPECT_EQ(status, W2L_OK);
        return Hex({reinterpret_cast<char*>(token), sizeof token});
    }
    // A token as hex, or the word for a refusal.
    string OfBytes(const string& domain, w2l_canonical canonical, std::string_view value)
    {
        uint8_t token[W2L_TOKEN_BYTES];
        auto exact = std::make_unique<char[]>(value.size());
        std::copy(value.begin(), value.end(), exact.get());
        w2l_status status = w2l_token_of_bytes(Domain(domain), canonical, exact.get(), value.size(), token);
        if (status == W2L_INVALID)
            return "invalid";
        EXPECT_EQ(status, W2L_OK);
        return Hex({reinterpret_cast<char*>(token), sizeof token});
    }

  private:
    string key_;
    std::unique_ptr<w2l_tokenizer, FreeTokenizer> tokenizer_;
};

TEST(Token, IntegersMatchTheOracle)
{
    Tokenizer tokenizer(kKey);
    for (int64_t value : {int64_t{0}, int64_t{1}, int64_t{-1}, int64_t{42}, int64_t{32767}, int64_t{-32768},
                          int64_t{2147483647}, int64_t{-2147483648}, int64_t{4294967295},
                          std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()})
        EXPECT_EQ(tokenizer.OfInt("id", value), OracleToken(kKey, "id", "n" + std::to_string(value)))
            << value;
}

TEST(Token, TextMatchesTheOracleAtEveryLength)
{
    Tokenizer tokenizer(kKey);
    string text;
    // Past two blocks of SHA-256.
    for (int length = 0; length <= 200; ++length) {
        EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_TEXT, text), OracleToken(kKey, "d", "s" + text))
            << length;
        text += static_cast<char>('a' + length % 26);
    }
    string large(1 << 20, 'x');
    EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_TEXT, large), OracleToken(kKey, "d", "s" + large));
}

TEST(Token, NumericHasOneFormForEqualValues)
{
    Tokenizer tokenizer(kKey);
    struct Case {
        const char* value;
        const char* canonical;
    };
    const Case cases[] = {{"0", "n0"},
                          {"0.0", "n0"},
                          {"-0", "n0"},
                          {"-0.00", "n0"},
                          {"000", "n0"},
                          {"1", "n1"},
                          {"1.0", "n1"},
                          {"1.00", "n1"},
                          {"01.0", "n1"},
                          {"-1.0", "n-1"},
                          {"10", "n10"},
                          {"10.0", "n10"},
                          {"100.100", "n100.1"},
                          {"0.5", "n0.5"},
                          {"0.50", "n0.5"},
                          {"-0.5", "n-0.5"},
                          {"0.05", "n0.05"},
                          {"0012.500", "n12.5"},
                          {"123456789012345678901234567890.000", "n123456789012345678901234567890"},
                          {"NaN", "nNaN"},
                          {"Infinity", "nInfinity"},
                          {"-Infinity", "n-Infinity"}};
    for (const Case& c : cases)
        EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_NUMERIC, c.value), OracleToken(kKey, "d", c.canonical))
            << c.value;
}

TEST(Token, NumericThatIsNoneIsRefused)
{
    Tokenizer tokenizer(kKey);
    for (const char* value :
         {"",   "-",   ".",   ".5",  "-.5",  "1e5",  "1E5", "+1",       "1.2.3",     "1,0",  " 1",
          "1 ", "--1", "0x1", "nan", "NaN ", "-NaN", "inf", "infinity", "+Infinity", "1.-5", "\xd9\xa1"})
        EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_NUMERIC, value), "invalid") << value;
    EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_NUMERIC, std::string_view("1\0", 2)), "invalid");
}

TEST(Token, PaddingOfBpcharIsNoPartOfTheValue)
{
    Tokenizer tokenizer(kKey);
    string text = tokenizer.OfBytes("d", W2L_CANONICAL_TEXT, "ab");
    for (const char* value : {"ab", "ab ", "ab      "})
        EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_BPCHAR, value), text) << value;
    EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_BPCHAR, " ab "), OracleToken(kKey, "d", "s ab"));
    EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_BPCHAR, "ab\t "), OracleToken(kKey, "d", "sab\t"));
    EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_BPCHAR, "    "), OracleToken(kKey, "d", "s"));
    EXPECT_NE(tokenizer.OfBytes("d", W2L_CANONICAL_TEXT, "ab "), text);
}

TEST(Token, UuidIsSixteenBytes)
{
    Tokenizer tokenizer(kKey);
    string bytes = Unhex("a0eebc999c0b4ef8bb6d6bb9bd380a11");
    EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_UUID, bytes), OracleToken(kKey, "d", "u" + bytes));
    for (size_t length : {0, 1, 15, 17, 36})
        EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_UUID, string(length, 'a')), "invalid") << length;
}

TEST(Token, BytesAreAnyBytes)
{
    Tokenizer tokenizer(kKey);
    for (const string& bytes : {string(), string(1, '\0'), string("\xff\x00", 2), string(300, 'x')})
        EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_BYTES, bytes), OracleToken(kKey, "d", "x" + bytes));
}

TEST(Token, MacAddressIsSixOrEightBytes)
{
    Tokenizer tokenizer(kKey);
    for (const char* hex : {"08002b010203", "08002bfffe010203"})
        EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_MAC, Unhex(hex)),
                  OracleToken(kKey, "d", "m" + Unhex(hex)));
    for (size_t length : {0, 5, 7, 9, 17})
        EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_MAC, string(length, 'a')), "invalid") << length;
}

TEST(Token, InternetAddressIsFamilyPrefixAndBytes)
{
    Tokenizer tokenizer(kKey);
    for (const char* hex : {"04200a000001", "040000000000", "041fffffffff",
                            "068020010db8000000000000000000000001", "060000000000000000000000000000000000"})
        EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_INET, Unhex(hex)),
                  OracleToken(kKey, "d", "a" + Unhex(hex)))
            << hex;
    for (const char* hex : {"", "04", "04200a0000", "04200a00000100", "02200a000001", "06200a000001",
                            "04210a000001", "068120010db8000000000000000000000001",
                            "042020010db8000000000000000000000001", "038020010db8000000000000000000000001"})
        EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_INET, Unhex(hex)), "invalid") << hex;
}

TEST(Token, MomentsCountFrom1970)
{
    Tokenizer tokenizer(kKey);
    constexpr int64_t max = std::numeric_limits<int64_t>::max();
    constexpr int64_t min = std::numeric_limits<int64_t>::min();
    struct Case {
        w2l_canonical canonical;
        int64_t value;
        const char* form;
    };
    const Case cases[] = {{W2L_CANONICAL_DATE, 0, "d0"},
                          {W2L_CANONICAL_DATE, -21914, "d-21914"},
                          {W2L_CANONICAL_DATE, max, "dinfinity"},
                          {W2L_CANONICAL_DATE, min, "d-infinity"},
                          {W2L_CANONICAL_TIMESTAMP, -946684800000000, "t0"},
                          {W2L_CANONICAL_TIMESTAMP, 0, "t946684800000000"},
                          {W2L_CANONICAL_TIMESTAMP, -946684800000001, "t-1"},
                          // The last moment of PostgreSQL's range, past what 64 bits hold from 1970 on.
                          {W2L_CANONICAL_TIMESTAMP, 9223371331199999999, "t9224318015999999999"},
                          {W2L_CANONICAL_TIMESTAMP, max - 946684800000000, "t9223372036854775807"},
                          {W2L_CANONICAL_TIMESTAMP, max - 946684800000000 + 1, "t9223372036854775808"},
                          {W2L_CANONICAL_TIMESTAMP, -211813488000000000, "t-210866803200000000"},
                          {W2L_CANONICAL_TIMESTAMP, max, "tinfinity"},
                          {W2L_CANONICAL_TIMESTAMP, min, "t-infinity"},
                          {W2L_CANONICAL_TIMESTAMPTZ, 1, "z946684800000001"},
                          {W2L_CANONICAL_TIMESTAMPTZ, max, "zinfinity"}};
    for (const Case& c : cases)
        EXPECT_EQ(tokenizer.OfInt("d", c.value, c.canonical), OracleToken(kKey, "d", c.form)) << c.form;
}

TEST(Token, FloatHasOneZeroAndOneNan)
{
    Tokenizer tokenizer(kKey);
    struct Case {
        uint64_t bits;
        const char* form;
    };
    const Case cases[] = {{0, "0000000000000000"},
                          {0x8000000000000000, "0000000000000000"},
                          {0x3ff0000000000000, "3ff0000000000000"},
                          {0xbff0000000000000, "bff0000000000000"},
                          {1, "0000000000000001"},
                          {0x7ff0000000000000, "7ff0000000000000"},
                          {0xfff0000000000000, "fff0000000000000"},
                          {0x7ff8000000000000, "7ff8000000000000"},
                          {0xfff8000000000000, "7ff8000000000000"},
                          {0x7ff0000000000001, "7ff8000000000000"},
                          {0xffffffffffffffff, "7ff8000000000000"}};
    for (const Case& c : cases)
        EXPECT_EQ(tokenizer.OfInt("d", static_cast<int64_t>(c.bits), W2L_CANONICAL_FLOAT),
                  OracleToken(kKey, "d", "f" + Unhex(c.form)))
            << c.form;
}

TEST(Token, FormsOfAnotherKindAreRefused)
{
    Tokenizer tokenizer(kKey);
    for (auto canonical : {W2L_CANONICAL_NONE, W2L_CANONICAL_INT, W2L_CANONICAL_FLOAT, W2L_CANONICAL_DATE,
                           W2L_CANONICAL_TIMESTAMP, W2L_CANONICAL_TIMESTAMPTZ})
        EXPECT_EQ(tokenizer.OfBytes("d", canonical, "1"), "invalid") << canonical;
    for (auto canonical :
         {W2L_CANONICAL_NONE, W2L_CANONICAL_NUMERIC, W2L_CANONICAL_TEXT, W2L_CANONICAL_BPCHAR,
          W2L_CANONICAL_UUID, W2L_CANONICAL_BYTES, W2L_CANONICAL_INET, W2L_CANONICAL_MAC})
        EXPECT_EQ(tokenizer.OfInt("d", 1, canonical), "invalid") << canonical;
}

// The families differ although the bytes are the same.
TEST(Token, FamiliesDoNotMeet)
{
    Tokenizer tokenizer(kKey);
    string sixteen = "1234567890123456";
    std::set<string> tokens = {
        tokenizer.OfInt("d", 1234567890123456),
        tokenizer.OfInt("d", 1234567890123456, W2L_CANONICAL_DATE),
        tokenizer.OfInt("d", 1234567890123456, W2L_CANONICAL_FLOAT),
        tokenizer.OfInt("d", 1234567890123456 - 946684800000000, W2L_CANONICAL_TIMESTAMP),
        tokenizer.OfInt("d", 1234567890123456 - 946684800000000, W2L_CANONICAL_TIMESTAMPTZ),
        tokenizer.OfBytes("d", W2L_CANONICAL_BYTES, sixteen),
        tokenizer.OfBytes("d", W2L_CANONICAL_TEXT, sixteen),
        tokenizer.OfBytes("d", W2L_CANONICAL_UUID, sixteen)};
    EXPECT_EQ(tokens.size(), 8u);
    EXPECT_EQ(tokenizer.OfBytes("d", W2L_CANONICAL_NUMERIC, sixteen), tokenizer.OfInt("d", 1234567890123456));
}

TEST(Token, DomainsAreIndependentAndStable)
{
    Tokenizer tokenizer(kKey);
    const w2l_domain* first = tokenizer.Domain("domain0");
    string before = tokenizer.OfInt("domain0", 7);
    std::set<string> tokens;
    for (int i = 0; i < 500; ++i) {
        string name = "domain" + std::to_string(i);
        tokens.insert(tokenizer.OfInt(name, 7));
        EXPECT_EQ(tokenizer.OfInt(name, 7), OracleToken(kKey, name, "n7"));
    }
    EXPECT_EQ(tokens.size(), 500u);
    EXPECT_EQ(tokenizer.Domain("domain0"), first) << "the pointer is good for the tokenizer's life";
    EXPECT_EQ(tokenizer.OfInt("domain0", 7), before);
}

TEST(Token, DomainNameIsItsBytesNotAString)
{
    Tokenizer tokenizer(kKey);
    EXPECT_EQ(tokenizer.OfInt(string("a\0b", 3), 1), OracleToken(kKey, string("a\0b", 3), "n1"));
    EXPECT_EQ(tokenizer.OfInt("", 1), OracleToken(kKey, "", "n1"));
}

TEST(Token, EveryBitOfTheKeyMatters)
{
    std::set<string> tokens = {Tokenizer(kKey).OfInt("d", 1)};
    for (size_t bit = 0; bit < 256; ++bit) {
        string key = kKey;
        key[bit / 8] = static_cast<char>(key[bit / 8] ^ (1 << bit % 8));
        tokens.insert(Tokenizer(key).OfInt("d", 1));
    }
    EXPECT_EQ(tokens.size(), 257u);
}

TEST(KeyCheck, IsTheStartOfAnHmac)
{
    for (const string& key : {kKey, string(32, '\xff'), string(31, '\0') + '\1'}) {
        char digits[9] = "";
        ASSERT_EQ(w2l_key_check(Bytes(key), digits), W2L_OK);
        EXPECT_EQ(digits, Hex(Hmac(key, "wal2lake/v1/check").substr(0, 4)));
        string label = string("key=k1 check=") + digits;
        w2l_database_label parsed;
        EXPECT_TRUE(w2l_parse_database_label(label.data(), label.size(), &parsed, nullptr, 0)) << label;
    }
}

string DefaultDomain(const string& schema, const string& table, const string& column)
{
    char out[W2L_MAX_DOMAIN + 1];
    EXPECT_EQ(w2l_default_domain(schema.c_str(), table.c_str(), column.c_str(), out, sizeof out), W2L_OK);
    return out;
}

TEST(DefaultDomain, NamesTheColumn)
{
    EXPECT_EQ(DefaultDomain("public", "users", "email"), "public.users.email");
    EXPECT_EQ(DefaultDomain("public", "My Table", "a.b"), "public.My%20Table.a%2Eb");
    EXPECT_EQ(DefaultDomain("s%", "\xc3\xa9", "_-9"), "s%25.%C3%A9._-9");
    EXPECT_EQ(DefaultDomain("", "", ""), "..");
}

TEST(DefaultDomain, LongNamesBecomeADigest)
{
    string fits = DefaultDomain("s", "t", string(196, 'c'));
    EXPECT_EQ(fits, "s.t." + string(196, 'c'));
    string full = "s.t." + string(197, 'c');
    unsigned char digest[32];
    unsigned int length = 0;
    ASSERT_EQ(EVP_Digest(full.data(), full.size(), digest, &length, EVP_sha256(), nullptr), 1);
    EXPECT_EQ(DefaultDomain("s", "t", string(197, 'c')),
              "sha256/" + Hex({reinterpret_cast<char*>(digest), sizeof digest}));
}

TEST(DefaultDomain, SmallBufferIsRefused)
{
    char out[18];
    EXPECT_EQ(w2l_default_domain("public", "users", "email", out, sizeof out), W2L_NO_SPACE);
    char enough[19];
    EXPECT_EQ(w2l_default_domain("public", "users", "email", enough, sizeof enough), W2L_OK);
}

// classify writes the domain into a label, so every one must be legal there; and two columns never share one.
TEST(DefaultDomain, IsALegalLabelAndOneColumnsOwn)
{
    std::vector<string> names = {"a",
                                 ".",
                                 "a.",
                                 ".a",
                                 "a.a",
                                 "%",
                                 "%2E",
                                 "check",
                                 " ",
                                 "\xc3\xa9",
                                 string(63, 'x'),
                                 string(63, '.'),
                                 string(21, '\xe2'),
                                 "A",
                                 "-",
                                 "/",
                                 "sha256/"};
    std::map<string, string> seen;
    for (const string& schema : names)
        for (const string& table : names)
            for (const string& column : names) {
                string domain = DefaultDomain(schema, table, column);
                string label = "regulated_red hash domain=" + domain;
                w2l_column_label parsed;
                char error[300] = "";
                ASSERT_TRUE(w2l_parse_column_label(label.data(), label.size(), &parsed, error, sizeof error))
                    << error;
                ASSERT_EQ(string(parsed.domain, parsed.domain_length), domain);
                string column_name = schema + '\0' + table + '\0' + column;
                auto [at, inserted] = seen.emplace(domain, column_name);
                ASSERT_TRUE(inserted) << domain << " is shared";
            }
}

// ---- the published vectors ----

json PublishedVectors()
{
    std::ifstream file(WAL2LAKE_SOURCE_ROOT "/docs/token_vectors.json");
    EXPECT_TRUE(file) << "docs/token_vectors.json cannot be opened";
    return json::parse(file);
}

// PostgreSQL's oid of a type the file names; 0 with true for an enum.
std::pair<uint32_t, bool> TypeOf(const string& name)
{
    static const std::map<string, uint32_t> kOids = {
        {"int2", 21},          {"int4", 23},      {"int8", 20},    {"oid", 26},      {"numeric", 1700},
        {"text", 25},          {"varchar", 1043}, {"name", 19},    {"bpchar", 1042}, {"uuid", 2950},
        {"bytea", 17},         {"float4", 700},   {"float8", 701}, {"date", 1082},   {"timestamp", 1114},
        {"timestamptz", 1184}, {"inet", 869},     {"cidr", 650},   {"macaddr", 829}, {"macaddr8", 774}};
    if (name == "enum")
        return {0, true};
    return {kOids.at(name), false};
}

// Days since 1970, or microseconds since 2000.
int64_t Moment(const string& form, w2l_canonical canonical)
{
    if (form == "infinity")
        return std::numeric_limits<int64_t>::max();
    if (form == "-infinity")
        return std::numeric_limits<int64_t>::min();
    if (canonical == W2L_CANONICAL_DATE)
        return std::stoll(form);
    return static_cast<int64_t>(static_cast<uint64_t>(form[0] == '-' ? std::stoll(form) : std::stoull(form)) -
                                946684800000000u);
}

// The value as the server side hands it over: an integer, or the canonical input bytes.
string TokenAsThePluginDoes(Tokenizer& tokenizer, const json& vector)
{
    auto [oid, is_enum] = TypeOf(vector["type"]);
    w2l_type type = w2l_type_of(oid, is_enum);
    string domain = vector["domain"];
    string value = vector["value"];
    string form = Unhex(vector["canonical"]).substr(1);
    switch (type.canonical) {
    case W2L_CANONICAL_INT:
        return tokenizer.OfInt(domain, std::stoll(value));
    case W2L_CANONICAL_DATE:
    case W2L_CANONICAL_TIMESTAMP:
    case W2L_CANONICAL_TIMESTAMPTZ:
        return tokenizer.OfInt(domain, Moment(form, type.canonical), type.canonical);
    case W2L_CANONICAL_FLOAT:
        return tokenizer.OfInt(domain, static_cast<int64_t>(std::stoull(Hex(form), nullptr, 16)),
                               type.canonical);
    case W2L_CANONICAL_BYTES:
    case W2L_CANONICAL_INET:
    case W2L_CANONICAL_MAC:
        return tokenizer.OfBytes(domain, type.canonical, form);
    default:
        break;
    }
    if (type.canonical == W2L_CANONICAL_UUID) {
        value.erase(std::remove(value.begin(), value.end(), '-'), value.end());
        value = Unhex(value);
    }
    return tokenizer.OfBytes(domain, type.canonical, value);
}

TEST(PublishedVectors, EveryOneHolds)
{
    json document = PublishedVectors();
    std::map<string, string> keys;
    for (const json& key : document["keys"]) {
        // Through the key file's parser, as in life.
        string line = key["id"].get<string>() + " " + key["base64"].get<string>() + "\n";
        w2l_key_set set;
        char error[200] = "";
        ASSERT_TRUE(w2l_key_file_parse(line.data(), line.size(), &set, error, sizeof error)) << error;
        string secret(reinterpret_cast<char*>(set.keys[0].secret), W2L_KEY_BYTES);
        EXPECT_EQ(Hex(secret), key["hex"].get<string>());
        char digits[9];
        ASSERT_EQ(w2l_key_check(Bytes(secret), digits), W2L_OK);
        EXPECT_EQ(digits, key["check"].get<string>());
        keys[key["id"]] = secret;
    }
    EXPECT_GE(document["vectors"].size(), 30u);
    std::map<string, Tokenizer> tokenizers;
    std::set<string> types;
    for (const json& vector : document["vectors"]) {
        string key = keys.at(vector["key"]);
        Tokenizer& tokenizer = tokenizers.try_emplace(key, key).first->second;
        EXPECT_EQ(TokenAsThePluginDoes(tokenizer, vector), vector["token"].get<string>()) << vector;
        EXPECT_EQ(OracleToken(key, vector["domain"], Unhex(vector["canonical"])),
                  vector["token"].get<string>())
            << vector;
        types.insert(vector["type"].get<string>());
    }
    EXPECT_EQ(types.size(), 21u) << "a type that can be hashed has no vector";
}

// What the documents promise may be joined, and what may not, as the file has it.
TEST(PublishedVectors, EqualValuesJoinAndOthersDoNot)
{
    std::map<string, std::set<string>> values_of;
    std::map<string, string> token_of;
    const json document = PublishedVectors();
    for (const json& vector : document["vectors"]) {
        string name = vector["key"].get<string>() + "|" + vector["domain"].get<string>() + "|" +
                      vector["type"].get<string>() + "|" + vector["value"].get<string>();
        token_of[name] = vector["token"];
        values_of[vector["token"]].insert(vector["key"].get<string>() + "|" + vector["domain"].get<string>() +
                                          "|" + vector["canonical"].get<string>());
    }
    for (const auto& [token, values] : values_of)
        EXPECT_EQ(values.size(), 1u) << token << " stands for two values";
    const string id = "k2026|account.id|";
    for (const char* same : {"int2|1", "int4|1", "oid|1", "numeric|1", "numeric|1.0", "numeric|1.00"})
        EXPECT_EQ(token_of.at(id + same), token_of.at(id + "int8|1")) << same;
    for (const char* same : {"numeric|0", "numeric|0.00", "numeric|-0", "numeric|-0.0"})
        EXPECT_EQ(token_of.at(id + same), token_of.at(id + "int2|0")) << same;
    const string email = "k2026|email|";
    for (const char* same : {"varchar|alice@example.com", "name|alice@example.com", "enum|alice@example.com",
                             "bpchar|alice@example.com", "bpchar|alice@example.com     "})
        EXPECT_EQ(token_of.at(email + same), token_of.at(email + "text|alice@example.com")) << same;
    EXPECT_EQ(token_of.at(email + "bpchar|     "), token_of.at(email + "text|"));
    EXPECT_NE(token_of.at(email + "text|Alice@example.com"), token_of.at(email + "text|alice@example.com"));
    EXPECT_NE(token_of.at(email + "text|alice@example.com "), token_of.at(email + "text|alice@example.com"));
    EXPECT_NE(token_of.at("k2027|email|text|alice@example.com"),
              token_of.at(email + "text|alice@example.com"));
    EXPECT_NE(token_of.at("k2026|Email|text|alice@example.com"),
              token_of.at(email + "text|alice@example.com"));
}

} // namespace
