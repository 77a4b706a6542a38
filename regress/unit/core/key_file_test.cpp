// The key file: the text, then real files with each thing that may be wrong with
// one. Every refusal leaves the output zeroed and shows no byte of a key.
#include "core/key_file.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace
{

namespace fs = std::filesystem;
using std::string;

// "0123456789abcdef0123456789abcdef" and "qwertyuiop,asdfghjkl;zxcvbnm./?!".
constexpr const char* kFirst = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
constexpr const char* kFirstBytes = "0123456789abcdef0123456789abcdef";
constexpr const char* kSecond = "cXdlcnR5dWlvcCxhc2RmZ2hqa2w7enhjdmJubS4vPyE=";
constexpr const char* kSecondBytes = "qwertyuiop,asdfghjkl;zxcvbnm./?!";
constexpr const char* kZero = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

struct Answer {
    bool ok = false;
    std::unique_ptr<w2l_key_set> keys = std::make_unique<w2l_key_set>();
    string sentence;

    string Secret(const char* id) const
    {
        const w2l_key* key = w2l_key_find(keys.get(), id);
        return key == nullptr ? "" : string(reinterpret_cast<const char*>(key->secret), W2L_KEY_BYTES);
    }
};

bool IsZeroed(const w2l_key_set& keys)
{
    const char* bytes = reinterpret_cast<const char*>(&keys);
    return std::string_view(bytes, sizeof keys).find_first_not_of('\0') == std::string_view::npos;
}

// Any eight bytes of a key in a row, in clear or as base64 shows them.
bool ShowsKey(const string& sentence)
{
    for (const char* text : {kFirst, kFirstBytes, kSecond, kSecondBytes, kZero}) {
        std::string_view key(text);
        for (size_t i = 0; i + 8 <= key.size(); ++i)
            if (sentence.find(key.substr(i, 8)) != string::npos)
                return true;
    }
    return false;
}

Answer Parse(std::string_view text)
{
    // An exact copy, so that a sanitizer sees a read past the end.
    auto copy = std::make_unique<char[]>(text.size());
    std::memcpy(copy.get(), text.data(), text.size());
    Answer answer;
    std::memset(answer.keys.get(), 0xa5, sizeof(w2l_key_set));
    char error[300] = "";
    answer.ok = w2l_key_file_parse(copy.get(), text.size(), answer.keys.get(), error, sizeof error);
    answer.sentence = error;
    EXPECT_FALSE(ShowsKey(answer.sentence)) << answer.sentence;
    if (!answer.ok) {
        EXPECT_TRUE(IsZeroed(*answer.keys)) << "keys left behind after: " << answer.sentence;
    }
    return answer;
}

void ExpectMalformed(std::string_view text, const string& sentence)
{
    Answer answer = Parse(text);
    EXPECT_FALSE(answer.ok) << text;
    EXPECT_EQ(answer.sentence, sentence) << text;
}

string Line(const string& id, const string& key)
{
    return id + " " + key + "\n";
}

TEST(KeyFileText, OneKey)
{
    Answer answer = Parse(Line("k2026", kFirst));
    ASSERT_TRUE(answer.ok) << answer.sentence;
    EXPECT_EQ(answer.keys->count, 1u);
    EXPECT_STREQ(answer.keys->keys[0].id, "k2026");
    EXPECT_EQ(answer.Secret("k2026"), kFirstBytes);
    EXPECT_EQ(w2l_key_find(answer.keys.get(), "k202"), nullptr);
    EXPECT_EQ(w2l_key_find(answer.keys.get(), ""), nullptr);
}

TEST(KeyFileText, CommentsBlankLinesAndOddLineEnds)
{
    string text = "# comment\n\n   \n\t\n#k0 " + string(kZero) + "\nk1 " + kFirst + "\r\n\r\nk2\t \t" +
                  kSecond + "  \t\n#";
    Answer answer = Parse(text);
    ASSERT_TRUE(answer.ok) << answer.sentence;
    EXPECT_EQ(answer.keys->count, 2u);
    EXPECT_EQ(answer.Secret("k1"), kFirstBytes);
    EXPECT_EQ(answer.Secret("k2"), kSecondBytes);
}

TEST(KeyFileText, LastLineNeedsNoNewline)
{
    Answer answer = Parse("k1 " + string(kFirst));
    ASSERT_TRUE(answer.ok) << answer.sentence;
    EXPECT_EQ(answer.Secret("k1"), kFirstBytes);
}

TEST(KeyFileText, EveryByteValueSurvivesBase64)
{
    // Bytes 0xe0 to 0xff, and a key that uses + and /.
    Answer answer = Parse("a 4OHi4+Tl5ufo6err7O3u7/Dx8vP09fb3+Pn6+/z9/v8=\nb " +
                          string(43, '/').replace(42, 1, "8") + "=\n");
    ASSERT_TRUE(answer.ok) << answer.sentence;
    string expected;
    for (int byte = 0xe0; byte <= 0xff; ++byte)
        expected += static_cast<char>(byte);
    EXPECT_EQ(answer.Secret("a"), expected);
    EXPECT_EQ(answer.Secret("b"), string(32, '\xff'));
}

TEST(KeyFileText, NoKey)
{
    const string sentence = "it holds no key; a line is \"id base64-of-32-bytes\"";
    for (const char* text : {"", "\n", "# only a comment", "\n\n\r\n  \n"})
        ExpectMalformed(text, sentence);
}

TEST(KeyFileText, IdsThatAreNone)
{
    const string sentence = "line 2 does not begin with a key id (a-z, 0-9, _ and -, at most 32 bytes)";
    for (const string& id :
         {string("K1"), string("_k"), string("-k"), string("k.1"), string("k1:"), string(33, 'k'),
          string("\xef\xbb\xbfk1"), string("k\0", 2), string(""), string(kSecond)})
        ExpectMalformed("k0 " + string(kSecond) + "\n" + id + " " + kFirst + "\n", sentence);
    ExpectMalformed("k0 " + string(kSecond) + "\n # no comment\n", sentence);
    ExpectMalformed("k0 " + string(kSecond) + "\n" + kFirst + "\n", sentence);
    EXPECT_TRUE(Parse(Line(string(32, 'k'), kFirst)).ok);
}

TEST(KeyFileText, KeysThatAreNone)
{
    const string first = kFirst;
    const string sentence = "line 1 does not hold 32 bytes in base64 after the key id";
    string text = first;
    ExpectMalformed("k1\n", sentence);
    ExpectMalformed("k1 \n", sentence);
    ExpectMalformed("k1 " + first.substr(0, 43) + "\n", sentence);   // padding left out
    ExpectMalformed("k1 " + first.substr(0, 43) + "==\n", sentence); // 31 bytes' padding
    ExpectMalformed("k1 " + first + "=\n", sentence);
    ExpectMalformed("k1 =" + first.substr(1) + "\n", sentence);
    ExpectMalformed("k1 AAAA" + first + "\n", sentence);       // 35 bytes
    ExpectMalformed("k1 " + first.substr(4) + "\n", sentence); // 29 bytes
    ExpectMalformed("k1 " + first + " trailing\n", sentence);
    ExpectMalformed("k1 " + first + " # comment\n", sentence);
    ExpectMalformed("k1 " + first.substr(0, 20) + " " + first.substr(20) + "\n", sentence);
    for (char bad : {'-', '_', '*', '.', '\0', '\x80', '=', '\v'})
        for (size_t at : {size_t{0}, size_t{21}, size_t{42}}) {
            text = first;
            text[at] = bad;
            ExpectMalformed("k1 " + text + "\n", sentence);
        }
}

// The last digit carries four bits of the key and two that must be zero: one key, one spelling.
TEST(KeyFileText, SpareBitsOfTheLastDigitAreZero)
{
    string text = kFirst;
    ASSERT_EQ(text[42], 'Y');
    for (char digit : {'Z', 'a', 'b'}) {
        text[42] = digit;
        ExpectMalformed("k1 " + text + "\n", "line 1 does not hold 32 bytes in base64 after the key id");
    }
    text[42] = 'c';
    EXPECT_TRUE(Parse("k1 " + text + "\n").ok);
}

TEST(KeyFileText, AllZeroKeyIsRefused)
{
    ExpectMalformed(Line("k0", kFirst) + Line("k1", kZero), "the key in line 2 is all zero");
    // One bit is enough, also the last.
    EXPECT_TRUE(Parse(Line("k1", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=")).ok);
    EXPECT_TRUE(Parse(Line("k1", "gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")).ok);
}

TEST(KeyFileText, RepeatedIdIsRefused)
{
    ExpectMalformed(Line("k1", kFirst) + "#\n" + Line("k1", kSecond), "line 3 repeats the key id \"k1\"");
    ExpectMalformed(Line("k1", kFirst) + Line("k1", kFirst), "line 2 repeats the key id \"k1\"");
}

TEST(KeyFileText, SixteenKeysAndNoMore)
{
    string text;
    for (int i = 0; i < 16; ++i)
        text += Line("k" + std::to_string(i), i % 2 == 0 ? kFirst : kSecond);
    Answer answer = Parse(text);
    ASSERT_TRUE(answer.ok) << answer.sentence;
    EXPECT_EQ(answer.keys->count, 16u);
    EXPECT_EQ(answer.Secret("k15"), kSecondBytes);
    ExpectMalformed(text + Line("k16", kFirst), "line 17 is one key too many, at most 16 are allowed");
}

TEST(KeyFileText, RefusalTakesAnyErrorBuffer)
{
    auto keys = std::make_unique<w2l_key_set>();
    EXPECT_FALSE(w2l_key_file_parse("x", 1, keys.get(), nullptr, 0));
    auto four = std::make_unique<char[]>(4);
    EXPECT_FALSE(w2l_key_file_parse("x", 1, keys.get(), four.get(), 4));
    EXPECT_STREQ(four.get(), "lin");
}

// Every truncation: whole keys at the front are kept only where the cut leaves no broken line.
TEST(KeyFileText, EveryTruncation)
{
    string text = "# c\n" + Line("k1", kFirst) + Line("k2", kSecond);
    for (size_t length = 0; length <= text.size(); ++length) {
        Answer answer = Parse(std::string_view(text).substr(0, length));
        size_t first_end = 4 + 3 + 44, second_end = first_end + 1 + 3 + 44;
        bool ok = length == first_end || length == first_end + 1 || length >= second_end;
        EXPECT_EQ(answer.ok, ok) << length;
        if (answer.ok) {
            EXPECT_EQ(answer.keys->count, length >= second_end ? 2u : 1u) << length;
        }
    }
}

TEST(Wipe, ZeroesEveryByte)
{
    char bytes[64];
    std::memset(bytes, 0x5a, sizeof bytes);
    w2l_wipe(bytes + 1, 62);
    EXPECT_EQ(bytes[0], 0x5a);
    EXPECT_EQ(string(bytes + 1, 62), string(62, '\0'));
    EXPECT_EQ(bytes[63], 0x5a);
}

// A folder of its own, a data directory in it, and a good key file beside that.
class KeyFile : public testing::Test
{
  protected:
    void SetUp() override
    {
        string name = (fs::temp_directory_path() / "wal2lake-key-file.XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
        data_ = folder_ / "data";
        fs::create_directory(data_);
        path_ = Write("keys", "# test\n" + Line("k1", kFirst));
    }
    void TearDown() override { fs::remove_all(folder_); }

    string Write(const fs::path& name, const string& text, mode_t mode = 0600)
    {
        fs::path path = folder_ / name;
        std::ofstream(path, std::ios::binary) << text;
        EXPECT_EQ(chmod(path.c_str(), mode), 0);
        return path.string();
    }

    Answer Read(const string& path, const char* data_directory)
    {
        Answer answer;
        std::memset(answer.keys.get(), 0xa5, sizeof(w2l_key_set));
        char error[1000] = "";
        answer.ok = w2l_key_file_read(path.c_str(), data_directory, answer.keys.get(), error, sizeof error);
        answer.sentence = error;
        EXPECT_FALSE(ShowsKey(answer.sentence)) << answer.sentence;
        if (!answer.ok) {
            EXPECT_TRUE(IsZeroed(*answer.keys)) << "keys left behind after: " << answer.sentence;
        }
        return answer;
    }
    Answer Read(const string& path) { return Read(path, data_.c_str()); }

    void ExpectRefused(const string& path, const string& rest)
    {
        Answer answer = Read(path);
        EXPECT_FALSE(answer.ok);
        EXPECT_EQ(answer.sentence, "key file \"" + path + "\" " + rest);
    }

    fs::path folder_;
    fs::path data_;
    string path_;
};

TEST_F(KeyFile, GoodFileIsRead)
{
    for (mode_t mode : {0600, 0400}) {
        ASSERT_EQ(chmod(path_.c_str(), mode), 0);
        Answer answer = Read(path_);
        ASSERT_TRUE(answer.ok) << answer.sentence;
        EXPECT_EQ(answer.Secret("k1"), kFirstBytes);
    }
    EXPECT_TRUE(Read(path_, nullptr).ok);
}

TEST_F(KeyFile, RelativePathIsRefused)
{
    ExpectRefused("keys", "is not an absolute path");
    ExpectRefused("./keys", "is not an absolute path");
    ExpectRefused("", "is not an absolute path");
}

TEST_F(KeyFile, MissingFileIsRefused)
{
    ExpectRefused((folder_ / "none").string(), "cannot be opened: No such file or directory");
    ExpectRefused((folder_ / "keys" / "x").string(), "cannot be opened: Not a directory");
}

TEST_F(KeyFile, SymbolicLinkIsRefused)
{
    fs::path link = folder_ / "link";
    fs::create_symlink(path_, link);
    ExpectRefused(link.string(), "is a symbolic link; name the file itself");
    fs::path dangling = folder_ / "dangling";
    fs::create_symlink(folder_ / "none", dangling);
    ExpectRefused(dangling.string(), "is a symbolic link; name the file itself");
}

TEST_F(KeyFile, DirectoryIsRefused)
{
    ExpectRefused(folder_.string(), "is not a regular file");
}

TEST_F(KeyFile, DeviceIsRefused)
{
    ExpectRefused("/dev/null", "is not a regular file");
}

// Would wait for a writer if it were opened plainly; the suite's timeout is the assertion on time.
TEST_F(KeyFile, NamedPipeIsRefusedAtOnce)
{
    fs::path pipe = folder_ / "pipe";
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    ExpectRefused(pipe.string(), "is not a regular file");
}

TEST_F(KeyFile, AnyAccessForOthersIsRefused)
{
    for (mode_t bit : {0040, 0020, 0010, 0004, 0002, 0001}) {
        ASSERT_EQ(chmod(path_.c_str(), 0600 | bit), 0);
        char shown[16];
        snprintf(shown, sizeof shown, "%04o", static_cast<unsigned>(0600 | bit));
        ExpectRefused(path_, string("is open to others (mode ") + shown + "); run chmod 0600");
    }
    ASSERT_EQ(chmod(path_.c_str(), 0644), 0);
    ExpectRefused(path_, "is open to others (mode 0644); run chmod 0600");
}

TEST_F(KeyFile, FileOfAnotherUserIsRefused)
{
    if (geteuid() != 0)
        GTEST_SKIP() << "only root can give a file away";
    ASSERT_EQ(chown(path_.c_str(), 65534, static_cast<gid_t>(-1)), 0);
    ExpectRefused(path_, "is not owned by the server's user; run chown");
}

TEST_F(KeyFile, FileInsideTheDataDirectoryIsRefused)
{
    const string sentence = "is inside the data directory, where base backups would carry it; move it out";
    fs::create_directory(data_ / "global");
    string inside = Write("data/keys", Line("k1", kFirst));
    string deep = Write("data/global/keys", Line("k1", kFirst));
    ExpectRefused(inside, sentence);
    ExpectRefused(deep, sentence);
    ExpectRefused((folder_ / "data/global/../../data/./keys").string(), sentence);
    // By way of a link to the folder, on either side.
    fs::create_directory_symlink(data_, folder_ / "way_in");
    ExpectRefused((folder_ / "way_in" / "keys").string(), sentence);
    Answer answer = Read(inside, (folder_ / "way_in").c_str());
    EXPECT_FALSE(answer.ok);
    EXPECT_NE(answer.sentence.find(sentence), string::npos);
    answer = Read(inside, (data_.string() + "/").c_str());
    EXPECT_FALSE(answer.ok);
}

TEST_F(KeyFile, FileBesideTheDataDirectoryIsRead)
{
    EXPECT_TRUE(Read((data_ / ".." / "keys").string()).ok);
    // A folder whose name begins like the data directory's.
    fs::create_directory(folder_ / "data_keys");
    Answer answer = Read(Write("data_keys/keys", Line("k1", kFirst)));
    EXPECT_TRUE(answer.ok) << answer.sentence;
}

TEST_F(KeyFile, SizeLimit)
{
    string line = Line("k1", kFirst);
    string largest = Write("largest", string(W2L_MAX_KEY_FILE - line.size() - 1, '#') + "\n" + line);
    ASSERT_EQ(fs::file_size(largest), static_cast<size_t>(W2L_MAX_KEY_FILE));
    EXPECT_TRUE(Read(largest).ok);
    string larger = Write("larger", string(W2L_MAX_KEY_FILE - line.size(), '#') + "\n" + line);
    ExpectRefused(larger, "is larger than 16384 bytes");
}

TEST_F(KeyFile, MalformedContentIsNamedByItsLine)
{
    ExpectRefused(Write("empty", ""), "is malformed: it holds no key; a line is \"id base64-of-32-bytes\"");
    ExpectRefused(Write("bad", Line("k1", kFirst) + "k2 " + string(kSecond).substr(1) + "\n"),
                  "is malformed: line 2 does not hold 32 bytes in base64 after the key id");
    ExpectRefused(Write("swapped", string(kFirst) + " k1\n"),
                  "is malformed: line 1 does not begin with a key id (a-z, 0-9, _ and -, at most 32 bytes)");
    ExpectRefused(Write("zero", Line("k1", kZero)), "is malformed: the key in line 1 is all zero");
}

} // namespace
