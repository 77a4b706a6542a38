// What a client may ask of the plugin, and what it is told otherwise.
#include "core/options.h"

#include <string>

#include <gtest/gtest.h>

namespace
{

struct Answer {
    w2l_option_answer answer = W2L_OPTION_TAKEN;
    w2l_options options = w2l_default_options();
    std::string hint;
};

Answer Take(const char* name, const char* value)
{
    Answer answer;
    const char* hint = nullptr;
    answer.answer = w2l_take_option(name, value, &answer.options, &hint);
    answer.hint = hint != nullptr ? hint : "";
    return answer;
}

TEST(Options, BatchBytes)
{
    for (const char* text : {"1024", "4096", "1048576", " 4096 ", "0x1000", "010000"})
        EXPECT_EQ(Take("max_batch_bytes", text).answer, W2L_OPTION_TAKEN) << text;
    EXPECT_EQ(Take("max_batch_bytes", "0x1000").options.max_batch_bytes, 4096);
    for (const char* text :
         {"", " ", "1023", "1048577", "-4096", "64kB", "4096x", "99999999999999999999", "x"}) {
        EXPECT_EQ(Take("max_batch_bytes", text).answer, W2L_OPTION_INVALID_VALUE) << text;
        EXPECT_EQ(Take("max_batch_bytes", text).options.max_batch_bytes, W2L_DEFAULT_BATCH_BYTES) << text;
    }
    EXPECT_EQ(Take("max_batch_bytes", "1").hint, "Use a number of bytes from 1024 to 1048576.");
}

TEST(Options, Origin)
{
    EXPECT_TRUE(Take("origin", "none").options.local_origin_only);
    EXPECT_FALSE(Take("origin", "any").options.local_origin_only);
    for (const char* text : {"", "some", "None", "none "})
        EXPECT_EQ(Take("origin", text).answer, W2L_OPTION_INVALID_VALUE) << text;
}

TEST(Options, TwoPhaseMayOnlyBeOff)
{
    for (const char* text : {"off", "OFF", "of", "false", "f", "no", "n", "0"})
        EXPECT_EQ(Take("two_phase", text).answer, W2L_OPTION_TAKEN) << text;
    for (const char* text : {"on", "true", "T", "yes", "1"})
        EXPECT_EQ(Take("two_phase", text).answer, W2L_OPTION_NOT_SERVED) << text;
    for (const char* text : {"", "o", "offf", "2", "parallel", "off "})
        EXPECT_EQ(Take("two_phase", text).answer, W2L_OPTION_INVALID_VALUE) << text;
}

TEST(Options, FormatVersion)
{
    EXPECT_EQ(Take("format_version", "1").answer, W2L_OPTION_TAKEN);
    for (const char* text : {"", "0", "2", "-1", "1.0", "one", "99999999999999999999"}) {
        EXPECT_EQ(Take("format_version", text).answer, W2L_OPTION_OTHER_FORMAT) << text;
        EXPECT_NE(Take("format_version", text).hint, "") << text;
    }
}

TEST(Options, Streaming)
{
    EXPECT_FALSE(w2l_default_options().streaming);
    EXPECT_TRUE(Take("streaming", "on").options.streaming);
    EXPECT_FALSE(Take("streaming", "off").options.streaming);
    for (const char* text : {"", "parallel", "2"})
        EXPECT_EQ(Take("streaming", text).answer, W2L_OPTION_INVALID_VALUE) << text;
}

TEST(Options, Messages)
{
    EXPECT_TRUE(w2l_default_options().messages);
    EXPECT_TRUE(Take("messages", "on").options.messages);
    EXPECT_FALSE(Take("messages", "off").options.messages);
    for (const char* text : {"", "app", "2"})
        EXPECT_EQ(Take("messages", text).answer, W2L_OPTION_INVALID_VALUE) << text;
}

TEST(Options, ValuesAreNeededAndNamesAreKnown)
{
    for (const char* name :
         {"format_version", "max_batch_bytes", "origin", "streaming", "two_phase", "messages"})
        EXPECT_EQ(Take(name, nullptr).answer, W2L_OPTION_NEEDS_VALUE) << name;
    for (const char* name : {"tables", "exclude_tables"})
        EXPECT_EQ(Take(name, nullptr).answer, W2L_OPTION_NOT_SERVED) << name;
    for (const char* name : {"", "Origin", "ORIGIN", "origin ", "include_withheld"})
        EXPECT_EQ(Take(name, "on").answer, W2L_OPTION_UNKNOWN) << name;
}

} // namespace
