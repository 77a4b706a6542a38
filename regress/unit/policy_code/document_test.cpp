#include "policy_code/document.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>
#include <utility>

#include <gtest/gtest.h>

#include <sys/stat.h>

#include "../folder.h"
#include "policy_code/yaml_text.h"

namespace wal2lake
{
namespace
{

Policy Parse(const std::string& text)
{
    return ParsePolicy("policy", {{"a.yml", text}});
}

// "file:line code text; fix" of each finding.
std::string Told(const Policy& policy)
{
    std::string told;
    for (const PolicyFinding& finding : policy.findings)
        told += finding.place.file + ":" + std::to_string(finding.place.line) + " " + finding.code + " " +
                (finding.object.empty() ? "" : finding.object + ": ") + finding.text + "; " + finding.fix +
                "\n";
    return told;
}

std::string ToldOf(const std::string& text)
{
    return Told(Parse(text));
}

TEST(PolicyDocument, SaysWhatItSays)
{
    const Policy policy = Parse("# comment\n"
                                "schema: shop\n"
                                "table: users\n"
                                "label: exclude\n"
                                "columns:\n"
                                "  id: green\n"
                                "  email: red hash domain=email  # comment\n"
                                "  theme: TODO\n"
                                "  seen_at: {label: green, reviewed: \"a time\"}\n"
                                "  note:\n"
                                "    reviewed: not free text\n"
                                "    label: 'yellow'\n");
    EXPECT_EQ(Told(policy), "");
    ASSERT_EQ(policy.tables.size(), 1U);
    const TableEntry& table = policy.tables[0];
    EXPECT_EQ(table.schema, "shop");
    EXPECT_EQ(table.table, "users");
    EXPECT_EQ(table.label, "exclude");
    EXPECT_EQ(table.place, (Place{"policy/a.yml", 3}));
    ASSERT_EQ(table.columns.size(), 5U);
    EXPECT_EQ(table.columns[0].label, "green");
    EXPECT_EQ(table.columns[0].place, (Place{"policy/a.yml", 6}));
    EXPECT_EQ(table.Find("email")->label, "red hash domain=email");
    EXPECT_EQ(table.Find("theme")->label, "");
    EXPECT_EQ(table.Find("seen_at")->reviewed, "a time");
    EXPECT_EQ(table.Find("note")->label, "yellow");
    EXPECT_EQ(table.Find("note")->reviewed, "not free text");
    EXPECT_EQ(table.Find("note")->place.line, 10U);
    EXPECT_EQ(table.Find("Email"), nullptr);
    EXPECT_EQ(policy.Find("shop", "users"), &table);
    EXPECT_EQ(policy.Find("public", "users"), nullptr);
}

TEST(PolicyDocument, SchemaIsPublicAndColumnsMayBeMissing)
{
    for (const char* text :
         {"table: users\n", "table: users\ncolumns:\n", "table: users\ncolumns: {}\n",
          "\xEF\xBB\xBFtable: users\r\ncolumns:\r\n", "---\ntable: users\n...\n", "{table: users}"}) {
        const Policy policy = Parse(text);
        EXPECT_EQ(Told(policy), "") << text;
        ASSERT_NE(policy.Find("public", "users"), nullptr) << text;
        EXPECT_TRUE(policy.tables[0].columns.empty());
    }
}

TEST(PolicyDocument, WordsOfYamlAreNames)
{
    const Policy policy = Parse("table: null\n"
                                "schema: ~\n"
                                "columns:\n"
                                "  no: no\n"
                                "  null: Null\n"
                                "  y: NULL\n"
                                "  123: 1_0\n"
                                "  0x1F: 1e3\n"
                                "  ~: ~\n"
                                "  2026-01-01: .inf\n"
                                "  <<: =\n"
                                "  null x: nullable\n");
    EXPECT_EQ(Told(policy), "");
    ASSERT_NE(policy.Find("~", "null"), nullptr);
    std::string said;
    for (const ColumnEntry& column : policy.tables[0].columns)
        said += column.name + "=" + column.label + ";";
    EXPECT_EQ(said, "no=no;null=Null;y=NULL;123=1_0;0x1F=1e3;~=~;2026-01-01=.inf;<<==;null x=nullable;");
}

// An empty value is reported where the next key is, which may be a word for null.
TEST(PolicyDocument, NothingIsNotTheNullThatFollows)
{
    EXPECT_EQ(ToldOf("table: t\ncolumns:\n  a:\n  null: green\n  b:\n  ~: red\n  c:\n"),
              "policy/a.yml:3 unreadable public.t.a: \"a\" has no value; write one text behind the colon\n"
              "policy/a.yml:5 unreadable public.t.b: \"b\" has no value; write one text behind the colon\n"
              "policy/a.yml:7 unreadable public.t.c: \"c\" has no value; write one text behind the colon\n");
    const Policy policy = Parse("table: t\ncolumns:\n  a:\n  null: green\n");
    ASSERT_EQ(policy.tables.size(), 1U);
    ASSERT_NE(policy.tables[0].Find("null"), nullptr);
    EXPECT_EQ(policy.tables[0].Find("null")->label, "green");
    EXPECT_EQ(ToldOf("table: t\ncolumns:\nnull: x\n"),
              "policy/a.yml:3 unknown-key public.t: there is no key \"null\"; keys are schema, table, label "
              "and columns\n");
}

TEST(PolicyDocument, NothingIsThereTwice)
{
    EXPECT_EQ(ToldOf("table: t\ncolumns:\n  a: green\n  b: green\n  \"a\": red\n"),
              "policy/a.yml:5 duplicate public.t.a: the column \"a\" is there twice, first in line 3; keep "
              "one of the two\n");
    EXPECT_EQ(ToldOf("table: t\ntable: u\n"), "policy/a.yml:2 duplicate public.t: the key \"table\" is there "
                                              "twice, first in line 1; keep one of the two\n");
    EXPECT_EQ(ToldOf("table: t\ncolumns:\n  a: {label: green, label: red}\n"),
              "policy/a.yml:3 duplicate public.t.a: the key \"label\" is there twice, first in line 3; keep "
              "one of the two\n");
    const Policy policy = ParsePolicy("p/", {{"a/t.yml", "table: t\ncolumns: {a: green}\n"},
                                             {"b/t.yaml", "\nschema: public\ntable: t\ncolumns: {a: red}\n"},
                                             {"c.yml", "table: T\n"}});
    EXPECT_EQ(Told(policy),
              "p/b/t.yaml:3 duplicate public.t: the table has a document already, p/a/t.yml, line 1; "
              "keep one of the two\n");
    // Upper case sorts first.
    ASSERT_EQ(policy.tables.size(), 2U);
    EXPECT_EQ(policy.tables[1].Find("a")->label, "green");
}

TEST(PolicyDocument, UnknownKeysNameTheKnown)
{
    EXPECT_EQ(ToldOf("table: t\ncolumn:\n  a: green\n"),
              "policy/a.yml:2 unknown-key public.t: there is no key \"column\"; keys are schema, table, "
              "label and columns\n");
    EXPECT_EQ(
        ToldOf("table: t\ncolumns:\n  a:\n    label: green\n    why: x\n"),
        "policy/a.yml:5 unknown-key public.t.a: there is no key \"why\"; keys are label and reviewed\n");
}

TEST(PolicyDocument, KindsAreRight)
{
    const std::vector<std::pair<const char*, const char*>> cases{
        {"", ":1 unreadable the document names no table"},
        {"# nothing\n", ":1 unreadable the document names no table"},
        {"- table: t\n", ":1 unreadable the document is no mapping"},
        {"users\n", ":1 unreadable the document is no mapping"},
        {"schema: s\n", ":1 unreadable the document names no table"},
        {"table: [t]\n", ":1 unreadable \"table\" has no single value"},
        {"table: \"\"\n", ":1 unreadable \"table\" has an empty value"},
        {"table:\ncolumns: {}\n", ":1 unreadable \"table\" has no value"},
        {"table: t\nschema: {a: b}\n", ":2 unreadable \"schema\" has no single value"},
        {"table: t\nlabel: excluded\n", ":2 unreadable public.t: a table cannot have the label \"excluded\""},
        {"table: t\ncolumns:\n- a\n", ":3 unreadable public.t: the columns are no mapping"},
        {"table: t\ncolumns: a\n", ":2 unreadable public.t: the columns are no mapping"},
        {"table: t\ncolumns:\n  a: [green]\n", ":3 unreadable public.t.a: \"a\" has no single value"},
        {"table: t\ncolumns:\n  a: ''\n", ":3 unreadable public.t.a: \"a\" has an empty value"},
        {"table: t\ncolumns:\n  a: {reviewed: x}\n", ":3 unreadable public.t.a: the column has no label"},
        {"table: t\ncolumns:\n  a: {label: green, reviewed: }\n",
         ":3 unreadable public.t.a: \"reviewed\" has no value"},
        {"table: t\ncolumns:\n  '': green\n", ":3 unreadable public.t.\"\": a name is empty"},
        {"table: t\n? [a]\n: b\n", ":2 unreadable a key is no text"}};
    for (const auto& [text, told] : cases) {
        const std::string all = ToldOf(text);
        EXPECT_EQ(all.rfind("policy/a.yml" + std::string(told) + "; ", 0), 0U) << text << "\n" << all;
        EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 1) << all;
    }
}

TEST(PolicyDocument, NamesHave63Bytes)
{
    const std::string longest(63, 'x');
    EXPECT_EQ(ToldOf("table: " + longest + "\ncolumns:\n  " + longest + ": green\n"), "");
    EXPECT_EQ(ToldOf("table: t\ncolumns:\n  " + longest + "y: green\n"),
              "policy/a.yml:3 unreadable public.t." + longest + "y: the name \"" + longest +
                  "y\" has 64 bytes; write the name as the database has it, which cuts names to 63 bytes\n");
}

TEST(PolicyDocument, WhatNoPolicyNeedsIsRefused)
{
    const std::vector<std::pair<std::string, const char*>> cases{
        {"table: &t users\n", ":1 unreadable an anchor of YAML is used"},
        {"table: t\ncolumns: &c\n  a: green\n", ":2 unreadable an anchor of YAML is used"},
        {"table: t\ncolumns:\n  a: &x green\n  b: *x\n", ":3 unreadable an anchor of YAML is used"},
        {"table: t\ncolumns:\n  &x a: green\n", ":3 unreadable an anchor of YAML is used"},
        {"table: t\nlabel: *x\n", ":2 unreadable it is no YAML: the referenced anchor is not defined"},
        {"table: !!str users\n", ":1 unreadable a tag of YAML is used"},
        {"table: ! users\n", ":1 unreadable a tag of YAML is used"},
        {"!t\ntable: users\n", ":1 unreadable a tag of YAML is used"},
        {"table: t\n---\ntable: u\n", ":2 unreadable a second document begins"},
        {"table: t\n---\n", ":2 unreadable a second document begins"},
        {"table: t\n a: b\n", ":2 unreadable it is no YAML: "},
        {"table: t\n\ta: b\n", ":2 unreadable it is no YAML: "},
        {"table: \"t\n", ":1 unreadable a text in quotes does not end"},
        {"table: t\ncolumns: {a: green\n", "unreadable it is no YAML: "},
        {"table: \"a\\0b\"\n", ":1 unreadable a text has a zero byte"},
        {"table: t\na: " + std::string(100, '[') + "\n", ":2 unreadable it nests too deep"},
        {"table: t\na: " + std::string(100'000, '{') + "\n", ":2 unreadable it nests too deep"}};
    for (const auto& [text, told] : cases) {
        const std::string all = ToldOf(text);
        EXPECT_NE(all.find(told), std::string::npos) << text.substr(0, 100) << "\n" << all;
        EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 1) << all;
        EXPECT_TRUE(Parse(text).tables.empty());
    }
}

TEST(PolicyDocument, BytesAreTextThatAllReadAlike)
{
    const std::string control =
        " unreadable the line has a control character; write it as an escape such as \\x01 or \\u2028, "
        "in double quotes\n";
    for (const std::string& odd : {std::string("\0", 1), std::string("\x01"), std::string("\x04"),
                                   std::string("\x7f"), std::string("\r"), std::string("\xEF\xBF\xBE"),
                                   std::string("\u0085"), std::string("\u2028"), std::string("\ufeff")})
        EXPECT_EQ(ToldOf("table: t\n# a" + odd + "b\n"), "policy/a.yml:2" + control) << odd;
    EXPECT_EQ(ToldOf("table: t\n# \xff\n"),
              "policy/a.yml:2 unreadable the line is no UTF-8; save the file as UTF-8\n");
    const std::string hidden =
        "policy/a.yml:1 unreadable the line has a character that is not seen, or turns the direction "
        "of text; write it as an escape such as \\u202E, in double quotes\n";
    for (const char* odd : {"\u202e\u202c", "\u2066\u2069", "\u00ad", "\u200b"})
        EXPECT_EQ(ToldOf("table: t" + std::string(odd) + "\n"), hidden);
    EXPECT_EQ(ToldOf("table: \"t\\u202e\\x01\\u0085\"  # \U0001F468\u200d\U0001F469 \u200c\t.\n"), "");
    EXPECT_EQ(ToldOf("table: t\n#" + std::string(kMaxDocumentBytes, ' ')),
              "policy/a.yml:0 unreadable it is larger than 4 MiB; give each table a file of its own\n");
    EXPECT_EQ(ToldOf("table: t\na: [" + std::string(200'001, ',') + "]"),
              "policy/a.yml:2 unreadable it is too long; give each table a file of its own\n");
}

TEST(PolicyRules, TheFirstThatMatchesCounts)
{
    const Policy policy = ParsePolicy("policy", {{"rules.yml", "# no table\n"
                                                               "rules:\n"
                                                               "  token_*_at: TODO\n"
                                                               "  users.*_at: yellow\n"
                                                               "  \"*_at\": green\n"
                                                               "  audit.events.[a-c]?: red drop\n"
                                                               "  'odd\\.name.x': orange\n"
                                                               "  'in[.]bracket': red\n"
                                                               "  '*.*.created': green\n"}});
    EXPECT_EQ(Told(policy), "");
    EXPECT_TRUE(policy.tables.empty());
    ASSERT_EQ(policy.rules.size(), 7U);
    EXPECT_EQ(policy.rules[2].pattern, "*_at");
    EXPECT_EQ(policy.rules[2].place, (Place{"policy/rules.yml", 5}));
    const auto label = [&](const char* schema, const char* table, const char* column) {
        return LabelByRule(policy.rules, schema, table, column).value_or("none");
    };
    EXPECT_EQ(label("public", "a", "token_expires_at"), "");
    EXPECT_EQ(label("public", "a", "made_at"), "green");
    EXPECT_EQ(label("public", "users", "made_at"), "yellow");
    EXPECT_EQ(label("audit", "events", "b1"), "red drop");
    EXPECT_EQ(label("audit", "events", "d1"), "none");
    EXPECT_EQ(label("public", "events", "b1"), "none");
    EXPECT_EQ(label("public", "odd.name", "x"), "orange");
    EXPECT_EQ(label("odd", "name", "x"), "none");
    EXPECT_EQ(label("public", "t", "in.bracket"), "red");
    // Dots within names are none between them.
    EXPECT_EQ(label("public", "t", "a.b.created"), "none");
    EXPECT_EQ(label("a.b", "c.d", "created"), "green");
    EXPECT_EQ(label("public", "t", "Made_AT"), "none");
}

TEST(PolicyRules, WhatIsWrongHasAPlace)
{
    const auto told = [](const std::string& text) {
        return Told(ParsePolicy("policy", {{"rules.yml", text}}));
    };
    EXPECT_EQ(told(""), "");
    EXPECT_EQ(told("rules:\n"), "");
    EXPECT_EQ(told("rule: {a: green}\n"),
              "policy/rules.yml:1 unknown-key there is no key \"rule\"; the only key is rules\n");
    EXPECT_EQ(told("rules: [a]\n").find("policy/rules.yml:1 unreadable the rules are no mapping"), 0U);
    EXPECT_EQ(told("rules:\n  a: green\n  a: red\n"), "policy/rules.yml:3 duplicate the pattern \"a\" is "
                                                      "there twice, first in line 2; keep one of the two\n");
    EXPECT_EQ(told("rules:\n  a.b.c.d: green\n")
                  .find("policy/rules.yml:2 unreadable the pattern \"a.b.c.d\" has more"),
              0U);
    EXPECT_EQ(told("rules:\n  '': green\n").find("policy/rules.yml:2 unreadable a pattern is empty"), 0U);
    EXPECT_EQ(told("rules:\n  a:\n").find("policy/rules.yml:2 unreadable \"a\" has no value"), 0U);
    EXPECT_EQ(Told(ParsePolicy("policy",
                               {{"rules.yaml", "rules: {a: red}\n"}, {"rules.yml", "rules: {a: green}\n"}})),
              "policy/rules.yml:0 duplicate there are both rules.yaml and rules.yml; keep one of the two\n");
    // Elsewhere it is a document like others.
    EXPECT_EQ(ParsePolicy("policy", {{"public/rules.yml", "table: rules\n"}}).tables.size(), 1U);
}

// Brackets and backslashes that do not end, over the whole of a pattern: nothing but no match.
TEST(PolicyRules, OddPatternsMatchNothing)
{
    for (const char* pattern : {"[", "[a", "\\", "a\\", "[]", "[!", "[[:alpha:", "[[.", "[\\", "a[.b"})
        EXPECT_EQ(LabelByRule({Rule{pattern, "green", {}}}, "s", "t", "x"), std::nullopt) << pattern;
    EXPECT_TRUE(LabelByRule({Rule{"[[:alpha:].]", "green", {}}}, "s", "t", "."));
    EXPECT_TRUE(LabelByRule({Rule{"t.[]x]", "green", {}}}, "s", "t", "]"));
}

TEST(PolicyDocumentPath, NamesDoNotMeet)
{
    EXPECT_EQ(DocumentPath("public", "users"), "public/users.yml");
    EXPECT_EQ(DocumentPath("a-b", "c_1"), "a-b/c_1.yml");
    EXPECT_EQ(DocumentPath("Users", "a/b.c%d"), "%55sers/a%2Fb%2Ec%25d.yml");
    EXPECT_EQ(DocumentPath("..", "\n\""), "%2E%2E/%0A%22.yml");
    std::set<std::string> paths;
    for (const char* name : {"users", "Users", "USERS", "u%73ers", "%55sers", "%55SERS"}) {
        std::string path = DocumentPath("s", name);
        for (char& c : path)
            c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        EXPECT_TRUE(paths.insert(path).second) << path;
    }
    const std::string longest = DocumentPath(std::string(63, '\xC3'), std::string(63, '\xA9'));
    EXPECT_LE(longest.size() - longest.find('/') - 1, 255U);
    EXPECT_LE(longest.find('/'), 255U);
}

TEST(PolicyFolder, AllDocumentsAreRead)
{
    const Folder folder;
    folder.Write("rules.yml", "rules:");
    folder.Write("public/a.yml", "a");
    folder.Write("x/y/z/b.yaml", "b");
    folder.Write("public/%41.yml", "c");
    folder.Write(".git/c.yml", "no");
    folder.Write("public/.#a.yml", "no");
    folder.Write("public/README.md", "no");
    folder.Write("folder.yml/d.yml", "d");
    folder.Write("public/C.YML", "C");
    std::filesystem::create_directory_symlink(folder.path(), folder.path() + "/.loop");
    std::filesystem::create_symlink("a.yml", folder.path() + "/public/link.yml");
    const Result<Documents> documents = ReadDocuments(folder.path());
    ASSERT_TRUE(documents.ok()) << documents.error().text;
    EXPECT_EQ(documents.value(), (Documents{{"folder.yml/d.yml", "d"},
                                            {"public/%41.yml", "c"},
                                            {"public/C.YML", "C"},
                                            {"public/a.yml", "a"},
                                            {"public/link.yml", "a"},
                                            {"rules.yml", "rules:"},
                                            {"x/y/z/b.yaml", "b"}}));
}

TEST(PolicyFolder, ALinkToAFolderIsRefused)
{
    for (const char* name : {"loop", "loop.yml"}) {
        const Folder folder;
        folder.Write("public/a.yml", "a");
        std::filesystem::create_directory_symlink(folder.path(), folder.path() + "/public/" + name);
        const Result<Documents> documents = ReadDocuments(folder.path());
        ASSERT_FALSE(documents.ok());
        EXPECT_NE(documents.error().text.find(std::string("/public/") + name + "\" is a link to a folder"),
                  std::string::npos)
            << documents.error().text;
    }
}

TEST(PolicyFolder, WhatCannotBeReadIsNamed)
{
    const Folder folder;
    const Result<Documents> nothing = ReadDocuments(folder.path() + "/none");
    ASSERT_FALSE(nothing.ok());
    EXPECT_EQ(nothing.error().kind, ErrorKind::kNotFound);
    EXPECT_EQ(nothing.error().text, "cannot read \"" + folder.path() + "/none\": No such file or directory");
    folder.Write("file", "");
    EXPECT_EQ(ReadDocuments(folder.path() + "/file").error().kind, ErrorKind::kPermanent);
    std::filesystem::create_symlink("nowhere", folder.path() + "/dangling.yml");
    EXPECT_EQ(ReadDocuments(folder.path()).error().text,
              "cannot read \"" + folder.path() + "/dangling.yml\": No such file or directory");
    std::filesystem::remove(folder.path() + "/dangling.yml");
    ASSERT_EQ(::mkfifo((folder.path() + "/pipe.yml").c_str(), 0600), 0);
    EXPECT_EQ(ReadDocuments(folder.path()).error().text,
              "cannot read \"" + folder.path() + "/pipe.yml\": it is no file");
}

TEST(PolicyFolder, AFileThatIsTooLargeIsRefusedAndNotHeld)
{
    const Folder folder;
    folder.Write("large.yml", std::string(2 * kMaxDocumentBytes, '#'));
    const Result<Documents> documents = ReadDocuments(folder.path());
    ASSERT_TRUE(documents.ok());
    EXPECT_LT(documents.value().at("large.yml").size(), kMaxDocumentBytes + 100'000);
    EXPECT_EQ(ParsePolicy(folder.path(), documents.value()).findings.size(), 1U);
}

} // namespace
} // namespace wal2lake
