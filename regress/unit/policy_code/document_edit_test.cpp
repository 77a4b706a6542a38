#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "policy_code/document.h"

namespace wal2lake
{
namespace
{

std::string Edited(const std::string& text, const std::vector<NewColumn>& added,
                   const std::map<std::string, std::string>& changed = {})
{
    const Result<std::string> edited = EditDocument(text, added, changed);
    return edited.ok() ? edited.value() : "error: " + edited.error().text;
}

TEST(PolicyFormat, IsWhatPeopleWouldWrite)
{
    const std::string text = FormatDocument("public", "users", "",
                                            {{"id", "green", ""},
                                             {"email", "red hash domain=email", "like users.email"},
                                             {"no", "", "a word\nof YAML\t\u202e\u202c"},
                                             {"Größe \"x\": #1", "yellow", ""}});
    EXPECT_EQ(text.substr(text.find('\n') + 1), "schema: public\n"
                                                "table: users\n"
                                                "columns:\n"
                                                "  id: green\n"
                                                "  email: red hash domain=email  # like users.email\n"
                                                "  \"no\": TODO  # a word of YAML \\u{202e}\\u{202c}\n"
                                                "  \"Größe \\\"x\\\": #1\": yellow\n");
    EXPECT_EQ(text.substr(0, 2), "# ");
    const std::string excluded = FormatDocument("a b", "y", "exclude", {});
    EXPECT_EQ(excluded.substr(excluded.find('\n') + 1), "schema: a b\ntable: \"y\"\nlabel: exclude\n");
}

// Names that are something else somewhere, or are no line of their own.
const std::vector<std::string>& HostileNames()
{
    static const std::vector<std::string> names{"null",
                                                "Null",
                                                "~",
                                                "no",
                                                "NO",
                                                "y",
                                                "N",
                                                "on",
                                                "off",
                                                "true",
                                                "False",
                                                "123",
                                                "-1",
                                                "0x1f",
                                                "0o7",
                                                "1_000",
                                                "1e3",
                                                ".inf",
                                                ".nan",
                                                "2026-01-01",
                                                "12:30:45",
                                                "<<",
                                                "=",
                                                "TODO",
                                                "exclude",
                                                "table",
                                                "columns",
                                                "label",
                                                "reviewed",
                                                "a b",
                                                " a",
                                                "a ",
                                                "a: b",
                                                "a:b",
                                                ":a",
                                                "a:",
                                                "a #b",
                                                "#a",
                                                "- a",
                                                "-",
                                                "? a",
                                                "?",
                                                "[a]",
                                                "{a}",
                                                "a,b",
                                                "!a",
                                                "&a",
                                                "*a",
                                                "|",
                                                ">",
                                                "%a",
                                                "@a",
                                                "`a`",
                                                "'a'",
                                                "''",
                                                "\"a\"",
                                                "a\"b",
                                                "a\\b",
                                                "\\",
                                                "\\n",
                                                "a\nb",
                                                "\n",
                                                "a\rb",
                                                "a\r\nb",
                                                "a\tb",
                                                "\t",
                                                "\x01",
                                                "\x1b[31m",
                                                "\x7f",
                                                "\u0085",
                                                "\u00ad",
                                                "\u2028",
                                                "\u202e\u202c",
                                                "\ufeff",
                                                "\ufffd",
                                                "\uffff",
                                                "\U0001F600",
                                                "\U000E0041",
                                                "größe",
                                                "日本",
                                                "a.b.c",
                                                "---",
                                                "...",
                                                "--- a",
                                                "Users",
                                                "USERS",
                                                "sel\"ect\";--",
                                                std::string(63, '"'),
                                                std::string(63, '\x01'),
                                                std::string(63, ' '),
                                                "\U0001F468\u200d\U0001F469\u200d\U0001F467",
                                                "a\u0300",
                                                "%41",
                                                "$x",
                                                "a=b",
                                                "_"};
    return names;
}

TEST(PolicyFormat, HostileNamesComeBack)
{
    std::vector<NewColumn> columns;
    for (const std::string& name : HostileNames()) {
        columns.push_back({name, "red hash domain=" + std::to_string(columns.size()), name});
        const Policy alone =
            ParsePolicy("p", {{"a.yml", FormatDocument(name, name, "", {{name, "", name}})}});
        ASSERT_TRUE(alone.findings.empty()) << alone.findings[0].text;
        ASSERT_NE(alone.Find(name, name), nullptr) << name;
        ASSERT_EQ(alone.tables[0].columns.size(), 1U);
        EXPECT_EQ(alone.tables[0].columns[0].name, name);
        EXPECT_EQ(alone.tables[0].columns[0].label, "");
    }
    const std::string text = FormatDocument("s", "t", "", columns);
    // The first line, three keys, and one for each column.
    EXPECT_EQ(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')), 4 + columns.size());
    const Policy policy = ParsePolicy("p", {{"a.yml", text}});
    ASSERT_TRUE(policy.findings.empty()) << policy.findings[0].text;
    ASSERT_EQ(policy.tables[0].columns.size(), columns.size());
    for (size_t i = 0; i < columns.size(); i++) {
        EXPECT_EQ(policy.tables[0].columns[i].name, columns[i].name);
        EXPECT_EQ(policy.tables[0].columns[i].label, columns[i].label);
    }
}

TEST(PolicyFormat, WhatIsNoUtf8IsStillADocument)
{
    const Policy policy =
        ParsePolicy("p", {{"a.yml", FormatDocument("s", "t", "", {{"a\xff", "\xc3", "\xff"}})}});
    ASSERT_TRUE(policy.findings.empty()) << policy.findings[0].text;
    EXPECT_EQ(policy.tables[0].columns[0].name, "a\ufffd");
}

TEST(PolicyEdit, AddsBehindAndKeepsTheRest)
{
    EXPECT_EQ(Edited("# who\n"
                     "columns: # all\n"
                     "    id:    green   # the key\n"
                     "\n"
                     "    'a':\n"
                     "       label: red\n"
                     "       reviewed: >\n"
                     "         yes,\n"
                     "\n"
                     "         really\n"
                     "    # about a\n"
                     "\n"
                     "# about the table\n"
                     "table:   users\n"
                     "\n",
                     {{"b", "", "new"}, {"c d", "green", ""}}),
              "# who\n"
              "columns: # all\n"
              "    id:    green   # the key\n"
              "\n"
              "    'a':\n"
              "       label: red\n"
              "       reviewed: >\n"
              "         yes,\n"
              "\n"
              "         really\n"
              "    # about a\n"
              "    b: TODO  # new\n"
              "    c d: green\n"
              "\n"
              "# about the table\n"
              "table:   users\n"
              "\n");
}

TEST(PolicyEdit, AddsToEachKindOfDocument)
{
    const std::vector<NewColumn> added{{"b", "green", ""}};
    EXPECT_EQ(Edited("table: t\r\ncolumns:\r\n  a: red\r\n", added),
              "table: t\r\ncolumns:\r\n  a: red\r\n  b: green\r\n");
    EXPECT_EQ(Edited("table: t\ncolumns:\n  a: red", added), "table: t\ncolumns:\n  a: red\n  b: green");
    EXPECT_EQ(Edited("table: t\r\ncolumns:\r\n  a: red", added),
              "table: t\r\ncolumns:\r\n  a: red\r\n  b: green");
    EXPECT_EQ(Edited("table: t\ncolumns:\n", added), "table: t\ncolumns:\n  b: green\n");
    EXPECT_EQ(Edited("columns:  # none\n# x\ntable: t\n", added),
              "columns:  # none\n  b: green\n# x\ntable: t\n");
    EXPECT_EQ(Edited("table: t\n", added), "table: t\ncolumns:\n  b: green\n");
    EXPECT_EQ(Edited("table: t", added), "table: t\ncolumns:\n  b: green");
    EXPECT_EQ(Edited("---\ntable: t\n...\n", added), "---\ntable: t\ncolumns:\n  b: green\n...\n");
    EXPECT_EQ(Edited("\xEF\xBB\xBFtable: t\ncolumns:\n  a: red\n", added),
              "\xEF\xBB\xBFtable: t\ncolumns:\n  a: red\n  b: green\n");
    EXPECT_EQ(Edited("  table: t\n  columns:\n   a: red\n", added),
              "  table: t\n  columns:\n   a: red\n   b: green\n");
    EXPECT_EQ(Edited("  table: t\n", added), "  table: t\n  columns:\n    b: green\n");
    EXPECT_EQ(Edited("table: t\ncolumns:\n  a: {label: red, reviewed: x}\n", added),
              "table: t\ncolumns:\n  a: {label: red, reviewed: x}\n  b: green\n");
    EXPECT_EQ(Edited("table: t\ncolumns:\n  a: \"red \\\n    drop\"\n", added),
              "table: t\ncolumns:\n  a: \"red \\\n    drop\"\n  b: green\n");
    EXPECT_EQ(Edited("table: t\n", {}), "table: t\n");
}

TEST(PolicyEdit, ChangesNothingButTheLabel)
{
    const std::string text = "table: t\n"
                             "columns:\n"
                             "  a:   red   # why\n"
                             "  b: 'it''s'  \n"
                             "  c: \"a \\\" b\"  # c\n"
                             "  d: { label: red drop , reviewed: \"label: red\" }\n"
                             "  e:\n"
                             "    # here\n"
                             "    label:\n"
                             "      red#drop   # x\n"
                             "  f: null\n"
                             "  g: TODO";
    EXPECT_EQ(Edited(text, {{"h", "", ""}},
                     {{"a", ""},
                      {"b", "green"},
                      {"c", "x: y"},
                      {"d", "red hash domain=d"},
                      {"e", "yellow"},
                      {"f", "green"},
                      {"g", "red drop"}}),
              "table: t\n"
              "columns:\n"
              "  a:   TODO   # why\n"
              "  b: green  \n"
              "  c: \"x: y\"  # c\n"
              "  d: { label: red hash domain=d , reviewed: \"label: red\" }\n"
              "  e:\n"
              "    # here\n"
              "    label:\n"
              "      yellow   # x\n"
              "  f: green\n"
              "  g: red drop\n"
              "  h: TODO");
    // The same label is left as it is written.
    EXPECT_EQ(Edited(text, {}, {{"b", "it's"}, {"g", ""}}), text);
    EXPECT_EQ(Edited("{table: t, columns: {a: red, b: red}}", {}, {{"a", "green"}}),
              "{table: t, columns: {a: green, b: red}}");
}

TEST(PolicyEdit, RefusesWhatItDoesNotKnow)
{
    const std::vector<NewColumn> added{{"b", "green", ""}};
    const auto told = [](const std::string& text, const std::vector<NewColumn>& columns,
                         const std::map<std::string, std::string>& changed) {
        const Result<std::string> edited = EditDocument(text, columns, changed);
        return edited.ok() ? edited.value()
                           : (edited.error().kind == ErrorKind::kInvalid ? "" : "?") + edited.error().text;
    };
    const std::string front = "the document cannot be edited: ";
    const std::string braces = front + "it is written in braces; write a line for each column, without them";
    EXPECT_EQ(told("table: t\ncolumns: {a: red}\n", added, {}), braces);
    EXPECT_EQ(told("table: t\ncolumns: {\n  a: red\n}\n", added, {}), braces);
    EXPECT_EQ(told("table: t\ncolumns: {}\n", added, {}), braces);
    EXPECT_EQ(told("{table: t}\n", added, {}), braces);
    EXPECT_EQ(told("table: t\ncolumns:\n  b: red\n", added, {}), front + "it has a column \"b\" already");
    EXPECT_EQ(told("table: t\n", {added[0], added[0]}, {}), front + "it has a column \"b\" already");
    EXPECT_EQ(told("table: t\n", {}, {{"a", "red"}}), front + "it has no column \"a\"");
    EXPECT_EQ(told("table: t\ncolumns:\n  a: |\n    red\n", {}, {{"a", "green"}}),
              front + "the label of column \"a\" takes several lines");
    EXPECT_EQ(told("table: t\ncolumns:\n  a: \"red\n    drop\"\n", {}, {{"a", "green"}}),
              front + "the label of column \"a\" takes several lines");
    EXPECT_EQ(told("table: t\ntable: u\n", added, {}),
              front + "the key \"table\" is there twice, first in line 1, line 2");
    EXPECT_EQ(told("table: t\n", {{std::string(64, 'x'), "", ""}}, {}).substr(0, front.size() + 8),
              front + "the name");
    const std::string unknown =
        front + "it is written in a way that this does not know; write a line for each column";
    EXPECT_EQ(told("table: t\ncolumns:\n  a: red\n    drop\n", {}, {{"a", "green"}}), unknown);
    EXPECT_EQ(told("? table\n: t\n", added, {}).substr(0, front.size()), front);
    EXPECT_EQ(told("--- {table: t}\n", added, {}), braces);
    EXPECT_EQ(told("", added, {}), front + "the document names no table, line 1");
}

// A document in the hand of somebody: each kind of style, at random, and what it says.
class RandomDocument
{
  public:
    explicit RandomDocument(unsigned seed) : random_(seed), line_break_(Chance(4) ? "\r\n" : "\n")
    {
        table_ = {"public", Name("t"), Chance(5) ? "exclude" : "", {}, {}};
        std::vector<std::string> parts{Key("table") + Scalar(table_.table) + Comment()};
        if (Chance(2)) {
            table_.schema = Name("s");
            parts.push_back(Key("schema") + Scalar(table_.schema) + Comment());
        }
        if (!table_.label.empty())
            parts.push_back(Key("label") + Scalar("exclude") + Comment());
        if (!Chance(6))
            parts.push_back(Columns());
        std::shuffle(parts.begin(), parts.end(), random_);
        text_ = Chance(8) ? "\xEF\xBB\xBF" : "";
        text_ += Chance(5) ? "---" + line_break_ : "";
        for (const std::string& part : parts)
            text_ += Between(0) + part;
        if (Chance(4))
            text_ = text_.substr(0, text_.find_last_not_of("\r\n") + 1);
        else
            text_ += Between(0);
    }

    const std::string& text() const { return text_; }
    const TableEntry& table() const { return table_; }

    bool Chance(unsigned one_in) { return random_() % one_in == 0; }

    // One that no column has.
    std::string Name(const std::string& kind)
    {
        std::string name;
        do {
            if (Chance(2)) {
                name = HostileNames()[random_() % HostileNames().size()];
            } else {
                static const std::string kLetters = "abcXYZ019_.:#-?' \"\\,{}[]&*!|>%@`\n\t";
                name = Chance(2) ? kind : "";
                while (name.empty() || (name.size() < 60 && !Chance(6)))
                    name += kLetters[random_() % kLetters.size()];
            }
        } while (!names_.insert(name).second);
        return name;
    }

    std::string Label()
    {
        static const std::vector<std::string> kLabels{"green",  "red drop", "red hash domain=x",
                                                      "yellow", "no",       "'"};
        return Chance(5) ? "" : kLabels[random_() % kLabels.size()];
    }

  private:
    std::string Comment()
    {
        return std::string(random_() % 3, ' ') + (Chance(3) ? "  # it's: {a} \"b" : "") + line_break_;
    }

    // Blank lines and comments, which say nothing.
    std::string Between(size_t indent)
    {
        std::string text;
        while (Chance(4))
            text += Chance(2) ? line_break_ : std::string(indent, ' ') + "# - a: 'b" + line_break_;
        return text;
    }

    std::string Key(const std::string& name)
    {
        return Scalar(name) + ":" + std::string(1 + random_() % 3, ' ');
    }

    // In one of the styles that can have it.
    std::string Scalar(const std::string& text)
    {
        const bool is_word = std::all_of(text.begin(), text.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        });
        const bool is_ascii =
            std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
        if (is_word && !text.empty() && Chance(2))
            return text;
        if (is_ascii && Chance(2)) {
            std::string quoted = "'";
            for (const char c : text)
                quoted += c == '\'' ? std::string("''") : std::string(1, c);
            return quoted + "'";
        }
        return DoubleQuoted(text);
    }

    // All that is no letter as an escape, which the product never writes of most.
    static std::string DoubleQuoted(const std::string& text)
    {
        std::string quoted = "\"";
        for (size_t at = 0; at < text.size();) {
            const auto lead = static_cast<unsigned char>(text[at]);
            const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
            unsigned code = length == 1 ? lead : lead & (0xFFU >> (length + 1));
            for (size_t i = 1; i < length; i++)
                code = code << 6U | (static_cast<unsigned char>(text[at + i]) & 0x3FU);
            char escape[16];
            std::snprintf(escape, sizeof escape, "\\U%08x", code);
            quoted += std::isalnum(lead) != 0 ? text.substr(at, 1) : escape;
            at += length;
        }
        return quoted + "\"";
    }

    std::string Columns()
    {
        const size_t indent = 1 + random_() % 5;
        std::string text = Key("columns") + Comment();
        for (size_t left = random_() % 7; left > 0; left--) {
            ColumnEntry column{Name("c"), Label(), {}, {}};
            const std::string label = Scalar(column.label.empty() ? "TODO" : column.label);
            text += Between(indent) + std::string(indent, ' ') + Scalar(column.name) + ": ";
            if (Chance(3))
                column.reviewed = Name("looked at");
            if (column.reviewed.empty()) {
                text += label + Comment();
            } else if (Chance(2)) {
                text +=
                    "{label: " + label + ", 'reviewed': " + DoubleQuoted(column.reviewed) + "}" + Comment();
            } else {
                const std::string inner(indent + 1 + random_() % 3, ' ');
                std::vector<std::string> members{"label: " + label, "reviewed: " + Scalar(column.reviewed)};
                std::shuffle(members.begin(), members.end(), random_);
                text += line_break_;
                for (const std::string& member : members)
                    text += Between(inner.size()) + inner + member + Comment();
            }
            table_.columns.push_back(column);
        }
        return text;
    }

    std::mt19937 random_;
    std::string line_break_;
    std::set<std::string> names_;
    TableEntry table_;
    std::string text_;
};

std::string Said(const TableEntry& table)
{
    std::string said = table.schema + "\x1f" + table.table + "\x1f" + table.label;
    for (const ColumnEntry& column : table.columns)
        said += "\x1e" + column.name + "\x1f" + column.label + "\x1f" + column.reviewed;
    return said;
}

std::string SaidBy(const std::string& text)
{
    const Policy policy = ParsePolicy("p", {{"a.yml", text}});
    if (!policy.findings.empty())
        return "line " + std::to_string(policy.findings[0].place.line) + ": " + policy.findings[0].text;
    return Said(policy.tables.at(0));
}

// What `edited` has instead of a stretch of `text`, which is *taken.
std::string Difference(const std::string& text, const std::string& edited, std::string* taken)
{
    const size_t most = std::min(text.size(), edited.size());
    size_t front = 0;
    while (front < most && text[front] == edited[front])
        front++;
    size_t back = 0;
    while (back < most - front && text[text.size() - 1 - back] == edited[edited.size() - 1 - back])
        back++;
    *taken = text.substr(front, text.size() - front - back);
    return edited.substr(front, edited.size() - front - back);
}

void CheckAdding(RandomDocument* document)
{
    TableEntry expected = document->table();
    std::vector<NewColumn> added;
    for (int left = document->Chance(2) ? 1 : 3; left > 0; left--) {
        added.push_back(
            {document->Name("new"), document->Label(), document->Chance(2) ? document->Name("why") : ""});
        expected.columns.push_back({added.back().name, added.back().label, {}, {}});
    }
    const std::string edited = Edited(document->text(), added);
    ASSERT_EQ(SaidBy(edited), Said(expected)) << document->text() << "\n--- edited:\n" << edited;
    std::string taken;
    const std::string put = Difference(document->text(), edited, &taken);
    ASSERT_EQ(taken, "") << document->text() << "\n--- edited:\n" << edited;
    if (document->text().find("\r\n") != std::string::npos) {
        for (size_t at = edited.find('\n'); at != std::string::npos; at = edited.find('\n', at + 1))
            ASSERT_TRUE(at > 0 && edited[at - 1] == '\r') << edited;
    }
    // One line each, and one for the key where that was missing.
    const auto lines = static_cast<size_t>(std::count(put.begin(), put.end(), '\n'));
    ASSERT_LE(lines, added.size() + 1) << edited;
    ASSERT_GE(lines, added.size());
}

void CheckRelabelling(RandomDocument* document)
{
    for (const ColumnEntry& column : document->table().columns) {
        TableEntry expected = document->table();
        const std::string label = document->Label();
        std::find_if(expected.columns.begin(), expected.columns.end(), [&](const ColumnEntry& each) {
            return each.name == column.name;
        })->label = label;
        const std::string edited = Edited(document->text(), {}, {{column.name, label}});
        ASSERT_EQ(SaidBy(edited), Said(expected)) << document->text() << "\n--- edited:\n" << edited;
        std::string taken;
        const std::string put = Difference(document->text(), edited, &taken);
        ASSERT_EQ((put + taken).find('\n'), std::string::npos) << document->text() << "\n--- edited:\n"
                                                               << edited;
        ASSERT_EQ((put + taken).find('#'), std::string::npos) << document->text() << "\n--- edited:\n"
                                                              << edited;
    }
}

TEST(PolicyEdit, RandomDocumentsSayWhatWasAsked)
{
    const unsigned seeds = std::getenv("WAL2LAKE_LONG") != nullptr ? 5'000 : 500;
    for (unsigned seed = 1; seed <= seeds && !HasFatalFailure(); seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        RandomDocument document(seed);
        ASSERT_EQ(SaidBy(document.text()), Said(document.table())) << document.text();
        CheckAdding(&document);
        CheckRelabelling(&document);
    }
}

} // namespace
} // namespace wal2lake
