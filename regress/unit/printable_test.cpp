#include "printable.h"

#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

TEST(Printable, WhatATerminalObeysIsShown)
{
    EXPECT_EQ(Printable("plain, größe, 日本, it's \"x\" \\"), "plain, größe, 日本, it's \"x\" \\");
    EXPECT_EQ(Printable("\033[31mred\a\r\n\t\x7f"), "\\x1b[31mred\\x07\\x0d\\x0a\\x09\\x7f");
    EXPECT_EQ(Printable("\u009b31m \u202egpj \u2066x\u2069\u202c \u200b \ufeff \U000E0041"),
              "\\u{9b}31m \\u{202e}gpj \\u{2066}x\\u{2069}\\u{202c} \\u{200b} \\u{feff} \\u{e0041}");
    EXPECT_EQ(Printable("\xff\xc3 cut \xe6\x97"), "\\xff\\xc3 cut \\xe6\\x97");
    EXPECT_EQ(Printable(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(Printable, ASentenceIsOneLine)
{
    EXPECT_EQ(PrintableSentence("no\n\tsocket\033"), "no  socket\\x1b");
}

TEST(Printable, SqlStaysWhatItSays)
{
    EXPECT_EQ(PrintableSql("ALTER TABLE \"it's\".\"a\"\"b\" ADD 'x''y';\nSELECT 1;"),
              "ALTER TABLE \"it's\".\"a\"\"b\" ADD 'x''y';\nSELECT 1;");
    EXPECT_EQ(PrintableSql("DROP ROLE \"a\nb\\\"\"c\";"), "DROP ROLE U&\"a\\000Ab\\\\\"\"c\";");
    EXPECT_EQ(PrintableSql("SELECT '\033\\''', \"\U000E0041\";"),
              "SELECT U&'\\001B\\\\''', U&\"\\+0E0041\";");
    // What format('%L') writes of a backslash.
    EXPECT_EQ(PrintableSql("SELECT E'a\\\\b\n''\\'c', \"d\ne\";"),
              "SELECT E'a\\\\b\\u000A''\\'c', U&\"d\\000Ae\";");
    EXPECT_EQ(PrintableSql("SELECT 'E', \"nameE\" 'x\n'"), "SELECT 'E', \"nameE\" U&'x\\000A'");
    // Never written by us, and still nothing that is obeyed.
    EXPECT_EQ(PrintableSql("\033 'open \033"), "\\x1b U&'open \\001B");
    EXPECT_EQ(PrintableSql("E'\\"), "E'\\");
}

} // namespace
} // namespace wal2lake
