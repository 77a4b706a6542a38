// What of a store's answer is shown.
#include "store/reply_text.h"

#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

TEST(HarmlessLine, ShowsSentences)
{
    EXPECT_EQ(HarmlessLine("The specified bucket does not exist"), "The specified bucket does not exist");
    EXPECT_EQ(HarmlessLine(""), "");
    EXPECT_EQ(HarmlessLine(" two  spaces "), " two  spaces ");
    EXPECT_EQ(HarmlessLine("line\nline\x1b[31m \xc3\xa9"), "line?line?[31m ??");
    std::string many;
    for (int i = 0; i < 100; i++)
        many += "word ";
    EXPECT_EQ(HarmlessLine(many), many.substr(0, 200));
}

TEST(HarmlessLine, ShowsNoLongWord)
{
    const std::string longest(64, 'a');
    EXPECT_EQ(HarmlessLine("a " + longest + " b"), "a " + longest + " b");
    EXPECT_EQ(HarmlessLine("a " + longest + "a b"), "a ... b");
    EXPECT_EQ(HarmlessLine(longest + "a"), "...");
    EXPECT_EQ(HarmlessLine("x <Token>" + longest + "</Token>"), "x ...");
    EXPECT_EQ(HarmlessLine(std::string(5000, 'a')), "...");
}

} // namespace
} // namespace wal2lake
