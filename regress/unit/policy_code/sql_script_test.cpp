// How a script falls into statements.
#include "policy_code/sql_script.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

using Texts = std::vector<std::string>;

Texts Split(const std::string& script)
{
    Texts texts;
    for (const SqlStatement& statement : SplitScript(script)) {
        EXPECT_EQ(script.substr(statement.offset, statement.text.size()), statement.text);
        texts.emplace_back(statement.text);
    }
    return texts;
}

TEST(SqlScript, StatementsEndAtTheirSemicolons)
{
    EXPECT_EQ(Split("SELECT 1;\n-- a comment;\n  SELECT 2 ;;\n/* a; /* b; */ c; */ SELECT 3"),
              (Texts{"SELECT 1", "SELECT 2", "SELECT 3"}));
    EXPECT_EQ(Split(""), Texts{});
    EXPECT_EQ(Split(" \n-- nothing"), Texts{});
    EXPECT_EQ(Split("CREATE RULE r AS ON DELETE TO t DO (SELECT 1; SELECT 2); SELECT 3"),
              (Texts{"CREATE RULE r AS ON DELETE TO t DO (SELECT 1; SELECT 2)", "SELECT 3"}));
}

TEST(SqlScript, SemicolonsInQuotesEndNothing)
{
    EXPECT_EQ(Split("A ';' B; C"), (Texts{"A ';' B", "C"}));
    EXPECT_EQ(Split("A 'it''s;' B; C"), (Texts{"A 'it''s;' B", "C"}));
    EXPECT_EQ(Split(R"(A E'it\';' B; C)"), (Texts{R"(A E'it\';' B)", "C"}));
    // Here the backslash is one of its letters.
    EXPECT_EQ(Split(R"(A 'it\'; B)"), (Texts{R"(A 'it\')", "B"}));
    EXPECT_EQ(Split(R"(A namee'it\'; B)"), (Texts{R"(A namee'it\')", "B"}));
    EXPECT_EQ(Split(R"(A "x;""y;" B; C)"), (Texts{R"(A "x;""y;" B)", "C"}));
    EXPECT_EQ(Split("A $$ ; $a$ ; $$ B; C"), (Texts{"A $$ ; $a$ ; $$ B", "C"}));
    EXPECT_EQ(Split("A $f_1$ ; $$ ; $f_1$ B; C"), (Texts{"A $f_1$ ; $$ ; $f_1$ B", "C"}));
    EXPECT_EQ(Split("A a$$b; C$$"), (Texts{"A a$$b", "C$$"}));
    EXPECT_EQ(Split("A $1; B"), (Texts{"A $1", "B"}));
}

TEST(SqlScript, QuotesAreDoubledOrEscaped)
{
    const Texts wholes{R"(A E'it''s \'' )",
                       R"(A e'\\' B)",
                       R"(A E''';' B)",
                       R"(A E'\\'';' B)",
                       R"(A (E'a\';'))",
                       "A E'a' -- '\n  'b\\';' B",
                       "A E'a'\n\n'b\\';'",
                       R"(A U&'\' B)",
                       R"(A U&"d\0061"";" B)",
                       R"(A U&'d!''061;' UESCAPE '!' B)",
                       R"(A N'x\' B)",
                       R"("E"'\' B)",
                       R"("a"";""E"'\' B)",
                       "A /* /* ; */ ; /**/ */ B",
                       "A /*/ ; */ B",
                       "A $a$ ; $$ $b$ $A$ ; $a$ B",
                       "A $a$ ; $a $ ; $$a$a$ B",
                       "A $\xC3\xA9$ ; $\xC3\xA9$ B",
                       "A 1$$;$$ B"};
    for (const std::string& text : wholes) {
        std::string trimmed = text;
        while (trimmed.ends_with(' '))
            trimmed.pop_back();
        EXPECT_EQ(Split(text + "; NEXT"), (Texts{trimmed, "NEXT"})) << text;
    }
    // In one line, a second string does not go on with the first.
    EXPECT_EQ(Split(R"(A E'a' 'b\'; C)"), (Texts{R"(A E'a' 'b\')", "C"}));
    EXPECT_EQ(Split("A E'a', -- x\n'b\\'; C"), (Texts{"A E'a', -- x\n'b\\'", "C"}));
}

TEST(SqlScript, AByteOrderMarkIsPassedOver)
{
    EXPECT_EQ(Split("\xEF\xBB\xBF-- x\nA; B"), (Texts{"A", "B"}));
    EXPECT_EQ(Split("\xEF\xBB\xBF"), Texts{});
    EXPECT_EQ(Split("A; \xEF\xBB\xBF"
                    "B"),
              (Texts{"A", "\xEF\xBB\xBF"
                          "B"}))
        << "elsewhere it is a letter";
}

TEST(SqlScript, LinesOfPsqlArePassedOver)
{
    EXPECT_EQ(Split("\\restrict 5aB;'x\n\nSELECT 1;\n\\connect \"a;b\"\nSELECT 2;\n\\unrestrict 5aB;'x\n"),
              (Texts{"SELECT 1", "SELECT 2"}));
    // Inside of quotes they are none.
    EXPECT_EQ(Split("A \"x\n\\y;\" B; C"), (Texts{"A \"x\n\\y;\" B", "C"}));
    EXPECT_EQ(Split("A $$\n\\y;\n$$; C"), (Texts{"A $$\n\\y;\n$$", "C"}));
}

TEST(SqlScript, RowsOfCopyArePassedOver)
{
    EXPECT_EQ(Split("COPY public.t (a, b) FROM stdin;\n1\tit's; CREATE TABLE x (a "
                    "int);\n\\N\t\\.x\n\\.\n\nSELECT 1;"),
              (Texts{"COPY public.t (a, b) FROM stdin", "SELECT 1"}));
    EXPECT_EQ(Split("copy t from stdin;\r\n\\.\r\nSELECT 1;"), (Texts{"copy t from stdin", "SELECT 1"}));
    EXPECT_EQ(Split("COPY t TO stdout;\nSELECT 1;"), (Texts{"COPY t TO stdout", "SELECT 1"}));
}

TEST(SqlScript, WhateverIsOpenEndsWithTheScript)
{
    for (const std::string open :
         {"'", "\"", "$$", "$a$", "/*", "/* /* */", "(", "((", "E'\\", "--", "\\", "$", "$a"})
        EXPECT_EQ(Split("SELECT 1; SELECT 2 " + open).size(), 2U) << open;
    EXPECT_EQ(Split("COPY t FROM stdin;\n1"), (Texts{"COPY t FROM stdin"}));
    EXPECT_EQ(Split("COPY t FROM stdin;"), (Texts{"COPY t FROM stdin"}));
}

TEST(SqlScript, WhatNeverEndsIsSaid)
{
    const std::vector<std::pair<std::string, std::string>> cases{{"A; 'x;''", "quote 3"},
                                                                 {"A; B E'x\\'; C", "quote 5"},
                                                                 {"A; \"x;", "quote 3"},
                                                                 {"A; $a$ $$ $a", "quote 3"},
                                                                 {"A; /* /* */ B", "comment 3"},
                                                                 {"A /* x", "comment 2"},
                                                                 {"A ((); B", "parenthesis 2"},
                                                                 {"A; COPY t FROM stdin;\n1\n", "COPY 3"},
                                                                 {"A 'x'", ""},
                                                                 {"A E'x'", ""},
                                                                 {"A $$x$$", ""},
                                                                 {"A /* x */", ""},
                                                                 {"A -- 'x", ""},
                                                                 {"-- x", ""},
                                                                 {"A $a", ""},
                                                                 {"A (x)", ""},
                                                                 {"A )", ""},
                                                                 {"A ([1, 2]) ]", ""},
                                                                 {"A [1; B", "bracket 2"},
                                                                 {"COPY t FROM stdin;\n1\n\\.", ""},
                                                                 {"\\x 'y", ""},
                                                                 {"", ""}};
    for (const auto& [script, said] : cases) {
        std::optional<OpenEnd> open;
        const std::vector<SqlStatement> statements = SplitScript(script, &open);
        EXPECT_EQ(open ? std::string(open->what) + " " + std::to_string(open->offset) : "", said) << script;
        for (const SqlStatement& statement : statements)
            EXPECT_EQ(statement.is_open, open && open->what != "COPY" && open->offset >= statement.offset &&
                                             open->offset < statement.offset + statement.text.size())
                << script;
    }
}

TEST(SqlScript, WhatIsNoText)
{
    using namespace std::string_literals;
    EXPECT_EQ(NoTextAt(""), std::nullopt);
    EXPECT_EQ(NoTextAt("a\n\xC3\xA9\xF0\x9F\x98\x80"), std::nullopt);
    EXPECT_EQ(NoTextAt("ab\xE9 c"), 2U);
    EXPECT_EQ(NoTextAt("\xFF\xFE"), 0U);
    EXPECT_EQ(NoTextAt("\xC3\xA9\0b\xE9"s), 2U);
    EXPECT_EQ(NoTextAt("\xE9\0"s), 0U);
    EXPECT_EQ(NoTextAt("ab\xC3"), 2U);
}

TEST(SqlScript, FirstWords)
{
    EXPECT_EQ(FirstWords("create /* a */ Unlogged\n-- b\nTABLE public.t (", 4),
              (Texts{"CREATE", "UNLOGGED", "TABLE", "PUBLIC"}));
    EXPECT_EQ(FirstWords("CREATE TABLE \"x\" (", 5), (Texts{"CREATE", "TABLE"}));
    EXPECT_EQ(FirstWords("SET search_path=public", 5), (Texts{"SET", "SEARCH_PATH"}));
    EXPECT_EQ(FirstWords("ALTER TABLE t", 1), Texts{"ALTER"});
    EXPECT_EQ(FirstWords("", 1), Texts{});
    EXPECT_EQ(FirstWords("(SELECT 1)", 1), Texts{});
}

TEST(SqlScript, Elements)
{
    const std::string text =
        "CREATE TABLE \"a(,\" (\n  a numeric(3,2) DEFAULT f(1, ')'),\n  \"b,\" text /* , */,\n"
        "  CHECK ((a > 1))\n) PARTITION BY LIST (a, b)";
    const std::vector<std::string_view> elements = SplitElements(text);
    ASSERT_EQ(elements.size(), 3U);
    EXPECT_EQ(elements[0], "a numeric(3,2) DEFAULT f(1, ')')");
    EXPECT_EQ(elements[1], "\"b,\" text /* , */");
    EXPECT_EQ(elements[2], "CHECK ((a > 1))");
    const std::string arrays = "CREATE TABLE t (a text[] DEFAULT ARRAY['x', ']'], b int[3][3], c int)";
    EXPECT_EQ(SplitElements(arrays),
              (std::vector<std::string_view>{"a text[] DEFAULT ARRAY['x', ']']", "b int[3][3]", "c int"}));
    EXPECT_TRUE(SplitElements("CREATE TABLE t (a int, b").empty());
    EXPECT_TRUE(SplitElements("CREATE TABLE t").empty());
}

TEST(SqlScript, CutsOfAnElement)
{
    EXPECT_EQ(CutsOf("a int NEW"), (std::vector<size_t>{9, 5, 1, 0}));
    EXPECT_EQ(CutsOf("a"), (std::vector<size_t>{1, 0}));
    EXPECT_EQ(CutsOf(""), std::vector<size_t>{0});
    // However many words there are: the last ones, and the first, where name and type are.
    std::string element = "a int";
    for (int i = 0; i < 100'000; i++)
        element += " x";
    const std::vector<size_t> cuts = CutsOf(element);
    EXPECT_LT(cuts.size(), 100U);
    EXPECT_TRUE(std::is_sorted(cuts.rbegin(), cuts.rend()));
    EXPECT_EQ(cuts.front(), element.size());
    EXPECT_EQ(cuts[1], element.size() - 2);
    EXPECT_EQ(cuts[cuts.size() - 2], 5U);
    EXPECT_EQ(cuts.back(), 1U);
}

TEST(SqlScript, Lines)
{
    const LineIndex lines("a\nbc\n\nd");
    EXPECT_EQ(lines.LineOf(0), 1U);
    EXPECT_EQ(lines.LineOf(1), 1U);
    EXPECT_EQ(lines.LineOf(2), 2U);
    EXPECT_EQ(lines.LineOf(5), 3U);
    EXPECT_EQ(lines.LineOf(6), 4U);
    EXPECT_EQ(lines.LineOf(100), 4U);
    EXPECT_EQ(LineIndex("").LineOf(0), 1U);
}

} // namespace
} // namespace wal2lake
