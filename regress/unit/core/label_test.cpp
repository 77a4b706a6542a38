// The label grammar: every class with every action, what is refused and in
// which words, and a seeded search for texts that are accepted but should not be.
#include "core/label.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace
{

using std::string;

struct ClassFacts {
    const char* word;
    w2l_class value;
    w2l_action by_default;
    bool clear_is_legal;
};
constexpr ClassFacts kClasses[] = {
    {"green", W2L_CLASS_GREEN, W2L_ACTION_CLEAR, true},
    {"yellow", W2L_CLASS_YELLOW, W2L_ACTION_CLEAR, true},
    {"orange", W2L_CLASS_ORANGE, W2L_ACTION_HASH, false},
    {"red", W2L_CLASS_RED, W2L_ACTION_HASH, false},
    {"regulated_red", W2L_CLASS_REGULATED_RED, W2L_ACTION_DROP, false},
};
struct ActionFacts {
    const char* word;
    w2l_action value;
};
constexpr ActionFacts kActions[] = {
    {"clear", W2L_ACTION_CLEAR}, {"hash", W2L_ACTION_HASH}, {"drop", W2L_ACTION_DROP}};

// Exactly the label's bytes on the heap, so that a sanitizer sees a read past either end.
class ExactBytes
{
  public:
    explicit ExactBytes(std::string_view text) : bytes_(new char[text.size()]), size_(text.size())
    {
        std::copy(text.begin(), text.end(), bytes_.get());
    }
    const char* data() const { return bytes_.get(); }
    size_t size() const { return size_; }

  private:
    std::unique_ptr<char[]> bytes_;
    size_t size_;
};

struct ColumnLabel {
    w2l_class class_;
    w2l_action action;
    bool action_written;
    std::optional<string> domain;
};

std::optional<ColumnLabel> Parse(std::string_view text, string* sentence = nullptr)
{
    ExactBytes bytes(text);
    w2l_column_label label;
    char error[300] = "";
    bool ok = w2l_parse_column_label(bytes.data(), bytes.size(), &label, error, sizeof error);
    if (sentence != nullptr)
        *sentence = error;
    if (!ok)
        return std::nullopt;
    ColumnLabel result = {label.class_, label.action, label.action_written, std::nullopt};
    if (label.domain != nullptr) {
        EXPECT_GE(label.domain, bytes.data());
        EXPECT_LE(label.domain + label.domain_length, bytes.data() + bytes.size());
        result.domain = string(label.domain, label.domain_length);
    }
    return result;
}

// The canonical text of an accepted label.
string Print(const ColumnLabel& label)
{
    string text = w2l_class_name(label.class_);
    if (label.action_written)
        text += string(" ") + w2l_action_name(label.action);
    if (label.domain)
        text += " domain=" + *label.domain;
    return text;
}

void ExpectRefused(std::string_view text, const string& words)
{
    string sentence;
    EXPECT_FALSE(Parse(text, &sentence)) << "accepted: " << text;
    EXPECT_NE(sentence.find(words), string::npos) << "label \"" << text << "\" gave: " << sentence;
}

TEST(ColumnLabel, ClassAloneHasItsDefaultAction)
{
    for (const ClassFacts& facts : kClasses) {
        auto label = Parse(facts.word);
        ASSERT_TRUE(label) << facts.word;
        EXPECT_EQ(label->class_, facts.value) << facts.word;
        EXPECT_EQ(label->action, facts.by_default) << facts.word;
        EXPECT_FALSE(label->action_written) << facts.word;
        EXPECT_FALSE(label->domain) << facts.word;
    }
}

TEST(ColumnLabel, EveryClassWithEveryAction)
{
    for (const ClassFacts& facts : kClasses) {
        for (const ActionFacts& action : kActions) {
            string text = string(facts.word) + " " + action.word;
            if (action.value == W2L_ACTION_CLEAR && !facts.clear_is_legal) {
                ExpectRefused(text,
                              string("clear is legal for yellow and green only, not for ") + facts.word);
                continue;
            }
            auto label = Parse(text);
            ASSERT_TRUE(label) << text;
            EXPECT_EQ(label->class_, facts.value) << text;
            EXPECT_EQ(label->action, action.value) << text;
            EXPECT_TRUE(label->action_written) << text;
        }
    }
}

TEST(ColumnLabel, DomainGoesWithHashOnly)
{
    for (const ClassFacts& facts : kClasses) {
        string word = facts.word;
        if (facts.by_default == W2L_ACTION_HASH) {
            auto label = Parse(word + " domain=email");
            ASSERT_TRUE(label) << word;
            EXPECT_EQ(label->domain, "email") << word;
            EXPECT_FALSE(label->action_written) << word;
        } else {
            ExpectRefused(word + " domain=email", "a domain is legal with hash only, not with ");
        }
        auto label = Parse(word + " hash domain=email");
        ASSERT_TRUE(label) << word;
        EXPECT_EQ(label->action, W2L_ACTION_HASH) << word;
        EXPECT_EQ(label->domain, "email") << word;
        ExpectRefused(word + " drop domain=email", "a domain is legal with hash only, not with drop");
    }
    ExpectRefused("green clear domain=email", "a domain is legal with hash only, not with clear");
    ExpectRefused("red clear domain=email", "clear is legal for yellow and green only, not for red");
}

TEST(ColumnLabel, DomainMayHaveTheseBytesAndNoOther)
{
    const string allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/%-";
    for (int byte = 0; byte < 256; ++byte) {
        char c = static_cast<char>(byte);
        if (c == ' ')
            continue; // ends the word
        string text = string("red hash domain=a") + c + "b";
        bool legal = c != '\0' && allowed.find(c) != string::npos;
        EXPECT_EQ(Parse(text).has_value(), legal) << "byte " << byte;
        EXPECT_EQ(Parse(string("red hash domain=") + c).has_value(), legal) << "byte " << byte << " alone";
    }
}

TEST(ColumnLabel, DomainHasOneTo200Bytes)
{
    ExpectRefused("red hash domain=", "is not a name of 1 to 200");
    EXPECT_TRUE(Parse("red hash domain=d"));
    auto longest = Parse("red hash domain=" + string(200, 'd'));
    ASSERT_TRUE(longest);
    EXPECT_EQ(longest->domain, string(200, 'd'));
    ExpectRefused("red hash domain=" + string(201, 'd'), "is not a name of 1 to 200");
}

// Its key would begin with the published check digits.
TEST(ColumnLabel, DomainCheckIsReserved)
{
    ExpectRefused("red hash domain=check", "nor may it be \"check\"");
    ExpectRefused("red domain=check", "nor may it be \"check\"");
    EXPECT_TRUE(Parse("red hash domain=check2"));
    EXPECT_TRUE(Parse("red hash domain=Check"));
    EXPECT_TRUE(Parse("red hash domain=chec"));
}

TEST(ColumnLabel, UnknownWordsAreRefused)
{
    for (const char* text : {"purple", "unlabelled", "none", "hash", "domain=x", "reds", "re", "exclude",
                             "key=k2026", "red_regulated", "regulated", "green,hash"})
        ExpectRefused(text, "is unknown; use regulated_red, red, orange, yellow or green");
    for (const char* text :
         {"red hide", "red none", "red hashed", "red green", "red domain", "red Domain=x", "green key=k"})
        ExpectRefused(text, "is neither an action (clear, hash, drop) nor domain=name");
}

TEST(ColumnLabel, UpperCaseIsRefused)
{
    for (const char* text : {"RED", "Red hash", "GREEN clear"})
        ExpectRefused(text, "is unknown");
    for (const char* text : {"red HASH", "green Clear", "red DOMAIN=x"})
        ExpectRefused(text, "is neither an action");
}

TEST(ColumnLabel, TrailingWordsAreRefused)
{
    for (const char* text :
         {"red hash hash", "red hash clear", "green clear drop", "red hash domain=a domain=b",
          "red domain=a hash", "red hash domain=a x", "green clear ."})
        ExpectRefused(text, "unexpected \"");
}

TEST(ColumnLabel, SpacesSeparateAndNothingElseDoes)
{
    for (const char* text :
         {" red hash domain=a", "red  hash   domain=a", "red hash domain=a   ", "  red   hash domain=a "}) {
        auto label = Parse(text);
        ASSERT_TRUE(label) << text;
        EXPECT_EQ(Print(*label), "red hash domain=a") << text;
    }
    for (const char* text :
         {"red\thash", "red\nhash", "green\n", "\tgreen", "green\r", "green\v", "green\xc2\xa0"})
        ExpectRefused(text, "is unknown");
    ExpectRefused("red hash\tdomain=a", "is neither an action");
    ExpectRefused("red hash domain= a", "is not a name of 1 to 200");
    ExpectRefused("red hash domain =a", "unexpected \"domain\"");
}

TEST(ColumnLabel, NulBytesAreRefused)
{
    using namespace std::string_view_literals;
    for (std::string_view text :
         {"green\0"sv, "\0green"sv, "gre\0en"sv, "green\0 clear"sv, "red\0hash"sv, "\0"sv})
        EXPECT_FALSE(Parse(text)) << text.size();
    for (std::string_view text :
         {"green clear\0"sv, "red hash\0"sv, "red hash domain=a\0"sv, "red hash domain=\0"sv,
          "red hash domain=check\0"sv, "green \0clear"sv, "green clear \0"sv})
        EXPECT_FALSE(Parse(text)) << text.size();
}

TEST(ColumnLabel, EmptyIsRefused)
{
    ExpectRefused("", "label is empty; write \"class [action] [domain=name]\"");
    ExpectRefused("    ", "label is empty");
}

TEST(ColumnLabel, Has256BytesAtMost)
{
    EXPECT_TRUE(Parse("red" + string(253, ' ')));
    ExpectRefused("red" + string(254, ' '), "label is longer than 256 bytes");
    ExpectRefused(string(100000, 'x'), "label is longer than 256 bytes");
}

TEST(ColumnLabel, RefusalTakesAnyErrorBuffer)
{
    w2l_column_label label;
    EXPECT_FALSE(w2l_parse_column_label("purple", 6, &label, nullptr, 0));
    char one[1] = {'x'};
    EXPECT_FALSE(w2l_parse_column_label("purple", 6, &label, one, sizeof one));
    EXPECT_EQ(one[0], '\0');
    auto ten = std::make_unique<char[]>(10);
    EXPECT_FALSE(w2l_parse_column_label("purple", 6, &label, ten.get(), 10));
    EXPECT_STREQ(ten.get(), "class \"pu");
}

TEST(ColumnLabel, RefusalShowsAtMost64BytesOfTheLabel)
{
    string sentence;
    EXPECT_FALSE(Parse(string(250, 'x'), &sentence));
    EXPECT_NE(sentence.find('"' + string(64, 'x') + '"'), string::npos) << sentence;
}

TEST(TableLabel, ExcludeAndInheritAndNothingElse)
{
    auto parse = [](std::string_view text, string* sentence) {
        ExactBytes bytes(text);
        w2l_table_label label = W2L_TABLE_NONE;
        char error[300] = "";
        bool ok = w2l_parse_table_label(bytes.data(), bytes.size(), &label, error, sizeof error);
        *sentence = error;
        EXPECT_EQ(ok, label != W2L_TABLE_NONE) << text;
        return label;
    };
    string sentence;
    EXPECT_EQ(parse("exclude", &sentence), W2L_TABLE_EXCLUDE);
    EXPECT_EQ(parse("  exclude ", &sentence), W2L_TABLE_EXCLUDE);
    EXPECT_EQ(parse("inherit", &sentence), W2L_TABLE_INHERIT);
    using namespace std::string_view_literals;
    for (std::string_view text :
         {""sv, " "sv, "EXCLUDE"sv, "excluded"sv, "exclud"sv, "exclude exclude"sv, "exclude inherit"sv,
          "inherit x"sv, "green"sv, "exclude\0"sv, "exclude\n"sv}) {
        EXPECT_EQ(parse(text, &sentence), W2L_TABLE_NONE) << text;
        EXPECT_NE(sentence.find("a label on a table is \"exclude\" or, on a partition, \"inherit\""),
                  string::npos)
            << text;
    }
    EXPECT_EQ(parse("exclude" + string(249, ' '), &sentence), W2L_TABLE_EXCLUDE);
    EXPECT_EQ(parse("exclude" + string(250, ' '), &sentence), W2L_TABLE_NONE);
    EXPECT_EQ(sentence, "label is longer than 256 bytes");
}

struct DatabaseLabel {
    string key_id;
    string check;
};

std::optional<DatabaseLabel> ParseDatabase(std::string_view text, string* sentence = nullptr)
{
    ExactBytes bytes(text);
    w2l_database_label label;
    char error[300] = "";
    bool ok = w2l_parse_database_label(bytes.data(), bytes.size(), &label, error, sizeof error);
    if (sentence != nullptr)
        *sentence = error;
    if (!ok)
        return std::nullopt;
    return DatabaseLabel{label.key_id, label.check};
}

TEST(DatabaseLabel, NamesAKeyAndPerhapsItsCheckDigits)
{
    auto label = ParseDatabase("key=k2026 check=1f2e3d4c");
    ASSERT_TRUE(label);
    EXPECT_EQ(label->key_id, "k2026");
    EXPECT_EQ(label->check, "1f2e3d4c");
    label = ParseDatabase("  key=0   ");
    ASSERT_TRUE(label);
    EXPECT_EQ(label->key_id, "0");
    EXPECT_EQ(label->check, "");
    label = ParseDatabase("key=" + string(32, 'k') + "  check=00000000 ");
    ASSERT_TRUE(label);
    EXPECT_EQ(label->key_id, string(32, 'k'));
    EXPECT_EQ(label->check, "00000000");
}

TEST(DatabaseLabel, RefusalsSayWhatWouldBeRight)
{
    auto expect = [](std::string_view text, const string& words) {
        string sentence;
        EXPECT_FALSE(ParseDatabase(text, &sentence)) << text;
        EXPECT_NE(sentence.find(words), string::npos) << text << " gave: " << sentence;
    };
    using namespace std::string_view_literals;
    const string usage = "a label on a database is \"key=id [check=8 hex digits]\"";
    for (std::string_view text : {""sv, " "sv, "key="sv, "key"sv, "k2026"sv, "KEY=k"sv, "key=K"sv, "key=_a"sv,
                                  "key=-a"sv, "key=a.b"sv, "key=a\0"sv, "check=1f2e3d4c"sv, "key= k"sv})
        expect(text, usage);
    expect("key=" + string(33, 'k'), usage);
    for (std::string_view text :
         {"key=k check="sv, "key=k check=1f2e3d4"sv, "key=k check=1f2e3d4c5"sv, "key=k check=1F2E3D4C"sv,
          "key=k check=1f2e3d4g"sv, "key=k check"sv, "key=k x"sv, "key=k key=j"sv, "key=k check=1f2e3d\0c"sv})
        expect(text, "is not check= with 8 lower-case hex digits");
    expect("key=k check=1f2e3d4c x", "unexpected \"x\"; " + usage);
    expect("key=k" + string(252, ' '), "label is longer than 256 bytes");
}

TEST(KeyId, LowerCaseLettersDigitsUnderscoreAndHyphen)
{
    for (int byte = 0; byte < 256; ++byte) {
        char c = static_cast<char>(byte);
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        string first(1, c);
        string second = "k" + first;
        EXPECT_EQ(w2l_is_key_id(first.data(), 1), plain) << byte;
        EXPECT_EQ(w2l_is_key_id(second.data(), 2), plain || c == '_' || c == '-') << byte;
    }
    EXPECT_FALSE(w2l_is_key_id("", 0));
    EXPECT_TRUE(w2l_is_key_id(string(32, 'a').data(), 32));
    EXPECT_FALSE(w2l_is_key_id(string(33, 'a').data(), 33));
}

TEST(LabelNames, AreTheGrammarsWords)
{
    for (const ClassFacts& facts : kClasses)
        EXPECT_STREQ(w2l_class_name(facts.value), facts.word);
    EXPECT_STREQ(w2l_class_name(W2L_CLASS_NONE), "unlabelled");
    for (const ActionFacts& facts : kActions)
        EXPECT_STREQ(w2l_action_name(facts.value), facts.word);
    EXPECT_STREQ(w2l_action_name(W2L_ACTION_NONE), "none");
}

// Texts near the grammar: words of it, broken words, odd bytes, cut and spliced.
class NearLabels
{
  public:
    explicit NearLabels(uint32_t seed) : random_(seed) {}

    string Next()
    {
        string text;
        size_t words = Below(5);
        for (size_t i = 0; i < words; ++i) {
            text += kWords[Below(std::size(kWords))];
            if (Below(8) != 0)
                text += string(1 + (Below(16) == 0 ? Below(120) : 0), ' ');
        }
        for (size_t edits = Below(3); edits > 0; --edits)
            Mutate(&text);
        return text;
    }
    size_t Below(size_t bound) { return random_() % bound; }

  private:
    void Mutate(string* text)
    {
        size_t at = Below(text->size() + 1);
        switch (Below(4)) {
        case 0:
            text->insert(at, 1, static_cast<char>(random_()));
            break;
        case 1:
            text->erase(at, 1 + Below(3));
            break;
        case 2:
            if (at < text->size())
                (*text)[at] = static_cast<char>((*text)[at] ^ (1 << Below(8)));
            break;
        default:
            text->insert(at, kWords[Below(std::size(kWords))]);
        }
    }

    static constexpr const char* kWords[] = {"green",
                                             "yellow",
                                             "orange",
                                             "red",
                                             "regulated_red",
                                             "clear",
                                             "hash",
                                             "drop",
                                             "domain=",
                                             "domain=email",
                                             "domain=check",
                                             "key=k1",
                                             "check=00ff00ff",
                                             "exclude",
                                             "inherit",
                                             "domain=a.b:c/d%20-_",
                                             "RED",
                                             "",
                                             "=",
                                             "\xc3\xa9"};
    std::mt19937 random_;
};

// What the grammar's own definition says, written a second time without sharing code.
bool IsLegalByDefinition(const ColumnLabel& label)
{
    bool low = label.class_ == W2L_CLASS_GREEN || label.class_ == W2L_CLASS_YELLOW;
    if (label.action == W2L_ACTION_CLEAR && !low)
        return false;
    if (!label.domain)
        return true;
    const string allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/%-";
    return label.action == W2L_ACTION_HASH && !label.domain->empty() && label.domain->size() <= 200 &&
           *label.domain != "check" && label.domain->find_first_not_of(allowed) == string::npos;
}

TEST(ColumnLabel, WhateverIsAcceptedIsLegalAndRoundTrips)
{
    NearLabels texts(20260101);
    int accepted = 0;
    for (int i = 0; i < 200000; ++i) {
        string text = texts.Next();
        auto label = Parse(text);
        if (!label)
            continue;
        ++accepted;
        ASSERT_TRUE(IsLegalByDefinition(*label)) << text;
        ASSERT_LE(text.size(), 256u);
        string printed = Print(*label);
        auto again = Parse(printed);
        ASSERT_TRUE(again) << printed;
        ASSERT_EQ(Print(*again), printed);
        ASSERT_EQ(again->action, label->action) << printed;
        // But for spaces, the label is the text.
        string squeezed = text;
        squeezed.erase(std::remove(squeezed.begin(), squeezed.end(), ' '), squeezed.end());
        printed.erase(std::remove(printed.begin(), printed.end(), ' '), printed.end());
        ASSERT_EQ(squeezed, printed);
    }
    EXPECT_GT(accepted, 5000) << "the generator no longer reaches the grammar";
    EXPECT_LT(accepted, 150000) << "the generator no longer leaves the grammar";
}

TEST(OtherLabels, WhateverIsAcceptedRoundTrips)
{
    NearLabels texts(20260102);
    int tables = 0, databases = 0;
    for (int i = 0; i < 100000; ++i) {
        string text = texts.Next();
        ExactBytes bytes(text);
        w2l_table_label table = W2L_TABLE_NONE;
        if (w2l_parse_table_label(bytes.data(), bytes.size(), &table, nullptr, 0)) {
            ++tables;
            string word = text;
            word.erase(std::remove(word.begin(), word.end(), ' '), word.end());
            ASSERT_EQ(word, table == W2L_TABLE_EXCLUDE ? "exclude" : "inherit");
        }
        if (auto label = ParseDatabase(text)) {
            ++databases;
            string printed = "key=" + label->key_id + (label->check.empty() ? "" : " check=" + label->check);
            auto again = ParseDatabase(printed);
            ASSERT_TRUE(again) << printed;
            ASSERT_TRUE(w2l_is_key_id(label->key_id.data(), label->key_id.size()));
            string word = text;
            word.erase(std::remove(word.begin(), word.end(), ' '), word.end());
            printed.erase(std::remove(printed.begin(), printed.end(), ' '), printed.end());
            ASSERT_EQ(word, printed);
        }
    }
    EXPECT_GT(tables, 100);
    EXPECT_GT(databases, 100);
}

} // namespace
