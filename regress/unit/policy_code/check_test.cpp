// What a check of a policy finds, and where it keeps silent.
#include "policy_code/check.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "made_schema.h"
#include "policy_code/codes.h"
#include "policy_code/structure.h"
#include "policy_code/suggest.h"

namespace wal2lake
{
namespace
{

using Texts = std::vector<std::string>;

const std::string kFile = "db/structure.sql";

// As "code object file:line". Also: what holds for every finding.
Texts Lines(const std::vector<PolicyFinding>& findings)
{
    Texts lines;
    for (const PolicyFinding& finding : findings) {
        const auto codes = AllPolicyCodes();
        const auto code = std::find_if(codes.begin(), codes.end(),
                                       [&](const PolicyCode& each) { return each.name == finding.code; });
        EXPECT_NE(code, codes.end()) << finding.code;
        if (code != codes.end()) {
            EXPECT_EQ(finding.severity, code->severity);
        }
        EXPECT_FALSE(finding.text.empty());
        EXPECT_FALSE(finding.fix.empty());
        EXPECT_NE(finding.text.back(), '.');
        lines.push_back(finding.code + " " + finding.object + " " + finding.place.file + ":" +
                        std::to_string(finding.place.line));
    }
    EXPECT_TRUE(
        std::is_sorted(findings.begin(), findings.end(),
                       [](const PolicyFinding& a, const PolicyFinding& b) { return a.place < b.place; }));
    return lines;
}

Texts Check(const Policy& policy, const Schema& structure, const std::vector<Dictionary>& dictionaries = {})
{
    return Lines(CheckPolicy(policy, &structure, kFile, dictionaries));
}

Texts CheckAlone(const Policy& policy, const std::vector<Dictionary>& dictionaries = {})
{
    return Lines(CheckPolicy(policy, nullptr, "", dictionaries));
}

// Of the single finding.
PolicyFinding Only(const Policy& policy, const Schema& structure)
{
    const std::vector<PolicyFinding> findings = CheckPolicy(policy, &structure, kFile, {});
    EXPECT_EQ(findings.size(), 1U);
    return findings.empty() ? PolicyFinding{} : findings[0];
}

TEST(Check, AGoodPolicyIsSilent)
{
    const Schema schema =
        MakeSchema({{"users", {Key("id", "int8"), MakeColumn("email", "text"), MakeColumn("theme", "int2")}},
                    {"posts",
                     {Key("id", "int8"), Referring("user_id", "int8", "users", "id"),
                      MakeColumn("body", "text"), Generated("size", "int4", {"id"})}}});
    const Policy policy = MakePolicy(
        {{"users", {{"id", "green"}, {"email", "red hash domain=email"}, {"theme", "yellow"}}},
         {"posts", {{"id", "green"}, {"user_id", "green"}, {"body", "red drop"}, {"size", "green"}}}});
    EXPECT_EQ(Check(policy, schema), Texts{});
    EXPECT_EQ(CheckAlone(policy), Texts{});
    EXPECT_EQ(CheckAlone({}), Texts{});
    EXPECT_EQ(Check({}, {}), Texts{});
}

TEST(Check, OddLabel)
{
    const Policy policy = MakePolicy({{"t", {{"a", "blue"}, {"b", "red clear"}, {"c", "green clear"}}}});
    const Texts expected{"odd-label public.t.a policy/t.yml:2", "odd-label public.t.b policy/t.yml:3"};
    EXPECT_EQ(CheckAlone(policy), expected);
    EXPECT_EQ(
        Check(
            policy,
            MakeSchema({{"t", {MakeColumn("a", "json"), MakeColumn("b", "int8"), MakeColumn("c", "int8")}}})),
        expected);
    // Nobody can review it away, nor by not sending the table.
    Policy reviewed = MakePolicy({{"t", {{"a", "blue", "it is fine"}}}});
    EXPECT_EQ(CheckAlone(reviewed).size(), 1U);
    reviewed.tables[0].label = "exclude";
    EXPECT_EQ(CheckAlone(reviewed).size(), 1U);
}

TEST(Check, ImpossibleAction)
{
    const Schema schema =
        MakeSchema({{"t", {MakeColumn("a", "json"), MakeColumn("b", "json"), MakeColumn("c", "text")}}});
    const Policy policy = MakePolicy({{"t", {{"a", "red hash"}, {"b", "red"}, {"c", "red hash"}}}});
    EXPECT_EQ(Check(policy, schema), Texts{"impossible-action public.t.a policy/t.yml:2"});
    EXPECT_EQ(Only(policy, schema).fix, "write red drop");
    EXPECT_EQ(CheckAlone(policy), Texts{});
}

TEST(Check, Unlabelled)
{
    const Schema schema =
        MakeSchema({{"t", {MakeColumn("a", "text"), MakeColumn("b", "text"), MakeColumn("c", "text")}}});
    const Policy policy = MakePolicy({{"t", {{"a", ""}, {"b", "green"}}}});
    EXPECT_EQ(Check(policy, schema),
              (Texts{"unlabelled public.t.c policy/t.yml:1", "unlabelled public.t.a policy/t.yml:2"}));
    EXPECT_EQ(CheckAlone(policy), Texts{"unlabelled public.t.a policy/t.yml:2"});
    Policy excluded = policy;
    excluded.tables[0].label = "exclude";
    EXPECT_EQ(Check(excluded, schema), Texts{});
}

TEST(Check, ReviewedBesideTodo)
{
    Policy policy = MakePolicy({{"t", {{"a", "", "asked Ann"}, {"b", ""}, {"c", "green", "asked Ann"}}}});
    EXPECT_EQ(CheckAlone(policy),
              (Texts{"unlabelled public.t.a policy/t.yml:2", "unlabelled public.t.a policy/t.yml:2",
                     "unlabelled public.t.b policy/t.yml:3"}));
    EXPECT_EQ(CheckPolicy(policy, nullptr, "", {}).at(1).text,
              "reviewed stands beside TODO, and there is no label yet that it could be about");
    policy.tables[0].label = "exclude";
    EXPECT_EQ(CheckAlone(policy), Texts{});
}

TEST(Check, MissingTable)
{
    Schema schema = MakeSchema({{"a", {MakeColumn("x", "text")}}, {"b", {MakeColumn("x", "text")}}});
    schema.views = {"public.v"};
    const Policy policy = MakePolicy({{"a", {{"x", "yellow"}}}});
    EXPECT_EQ(Check(policy, schema), Texts{"missing-table public.b db/structure.sql:3"});
    schema.tables[1].is_partition = true;
    EXPECT_EQ(Check(policy, schema), Texts{});
}

TEST(Check, StaleTable)
{
    const Schema schema = MakeSchema({{"users", {MakeColumn("x", "text")}}});
    const Policy policy =
        MakePolicy({{"users", {{"x", "yellow"}}}, {"user", {{"x", "yellow"}}}, {"gone", {}}});
    // `users` has a document, so nobody meant it.
    EXPECT_EQ(Check(policy, schema), (Texts{"stale-table public.gone policy/gone.yml:1",
                                            "stale-table public.user policy/user.yml:1"}));
    EXPECT_EQ(CheckAlone(policy), Texts{});
}

TEST(Check, StaleColumn)
{
    const Schema schema = MakeSchema({{"t", {MakeColumn("shape", "text")}}});
    const Policy policy = MakePolicy({{"t", {{"shape", "yellow"}, {"shapes", "yellow"}, {"gone", ""}}}});
    EXPECT_EQ(Check(policy, schema), (Texts{"stale-column public.t.shapes policy/t.yml:3",
                                            "stale-column public.t.gone policy/t.yml:4"}));
}

TEST(Check, MisspeltColumn)
{
    const Schema schema = MakeSchema({{"t", {MakeColumn("state_of_it", "text"), MakeColumn("a1", "text")}}});
    const Policy policy = MakePolicy({{"t", {{"sate_of_itt", "yellow"}, {"a1", "yellow"}}}});
    const PolicyFinding finding = Only(policy, schema);
    EXPECT_EQ(Lines({finding}), Texts{"misspelt public.t.sate_of_itt policy/t.yml:2"});
    EXPECT_EQ(finding.text, "the table has no such column; did you mean \"state_of_it\"?");
    EXPECT_EQ(finding.fix, "write state_of_it, which has no label yet");
}

TEST(Check, MisspeltOnlyWhereOneIsMeant)
{
    const Schema schema = MakeSchema({{"t", {MakeColumn("a1", "text"), MakeColumn("a2", "text")}}});
    const Policy policy = MakePolicy({{"t", {{"a3", "yellow"}}}});
    EXPECT_EQ(Check(policy, schema),
              (Texts{"unlabelled public.t.a1 policy/t.yml:1", "unlabelled public.t.a2 policy/t.yml:1",
                     "stale-column public.t.a3 policy/t.yml:2"}));
    // Too far away.
    const Schema other = MakeSchema({{"t", {MakeColumn("colour", "text")}}});
    EXPECT_EQ(
        Check(MakePolicy({{"t", {{"cover", "yellow"}}}}), other),
        (Texts{"unlabelled public.t.colour policy/t.yml:1", "stale-column public.t.cover policy/t.yml:2"}));
}

TEST(Check, MisspeltTable)
{
    const Schema schema =
        MakeSchema({{"users", {MakeColumn("x", "text")}}, {"posts", {MakeColumn("x", "text")}}});
    const Policy policy = MakePolicy({{"usres", {{"y", "yellow"}}}, {"posts", {{"x", "yellow"}}}});
    const PolicyFinding finding = Only(policy, schema);
    EXPECT_EQ(Lines({finding}), Texts{"misspelt public.usres policy/usres.yml:1"});
    EXPECT_EQ(finding.text, "there is no such table; did you mean public.users?");
}

TEST(Check, NotARoot)
{
    Schema schema = MakeSchema({{"p", {MakeColumn("x", "text")}}, {"p_1", {MakeColumn("x", "text")}}});
    const Policy policy = MakePolicy({{"p", {{"x", "yellow"}}}, {"p_1", {{"x", "yellow"}}}});
    EXPECT_EQ(Check(policy, schema), Texts{});
    schema.tables[1].is_partition = true;
    EXPECT_EQ(Check(policy, schema), Texts{"not-a-root public.p_1 policy/p_1.yml:1"});
}

TEST(Check, NotATable)
{
    Schema schema;
    const Policy policy = MakePolicy({{"v", {{"x", "yellow"}}}});
    schema.views = {"public.w"};
    EXPECT_EQ(Check(policy, schema), Texts{"stale-table public.v policy/v.yml:1"});
    schema.views = {"public.v"};
    EXPECT_EQ(Check(policy, schema), Texts{"not-a-table public.v policy/v.yml:1"});
}

TEST(Check, GeneratedCopy)
{
    const Schema schema =
        MakeSchema({{"t",
                     {MakeColumn("a", "text"), MakeColumn("b", "int8"), Generated("c", "text", {"a", "b"}),
                      Generated("d", "text", {"b"}), Generated("e", "text", {"a"})}}});
    const auto policy = [](const std::string& a, const std::string& reviewed) {
        return MakePolicy(
            {{"t",
              {{"a", a}, {"b", "green"}, {"c", "yellow", reviewed}, {"d", "green"}, {"e", "red hash"}}}});
    };
    for (const char* closed : {"red drop", "orange hash", "green drop"}) {
        const PolicyFinding finding = Only(policy(closed, ""), schema);
        EXPECT_EQ(Lines({finding}), Texts{"generated-copy public.t.c policy/t.yml:4"});
        EXPECT_EQ(finding.text, "the column is sent in clear, and is generated from a, which is not");
    }
    EXPECT_EQ(Check(policy("green", ""), schema), Texts{});
    EXPECT_EQ(Check(policy("red drop", "it counts letters"), schema), Texts{});
    // What nobody has decided is not clear.
    EXPECT_EQ(Check(policy("", ""), schema),
              (Texts{"unlabelled public.t.a policy/t.yml:2", "generated-copy public.t.c policy/t.yml:4"}));
}

TEST(Check, GeneratedFromSeveral)
{
    const Schema schema = MakeSchema({{"t",
                                       {MakeColumn("a", "text"), MakeColumn("b", "text"),
                                        MakeColumn("c", "text"), Generated("d", "text", {"a", "b", "c"})}}});
    const auto found = CheckPolicy(
        MakePolicy({{"t", {{"a", "red drop"}, {"b", "yellow"}, {"c", "red hash"}, {"d", "yellow"}}}}),
        &schema, kFile, {});
    EXPECT_EQ(Lines(found), (Texts{"generated-copy public.t.d policy/t.yml:5",
                                   "generated-copy public.t.d policy/t.yml:5"}));
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].text, "the column is sent in clear, and is generated from a, which is not");
    EXPECT_EQ(found[1].text, "the column is sent in clear, and is generated from c, which is not");
}

TEST(Check, NamedLikeRed)
{
    const Policy policy = MakePolicy({{"t",
                                       {{"email", "green"},
                                        {"feed_token", "yellow"},
                                        {"phone", "orange hash"},
                                        {"login", "yellow", "public names"},
                                        {"token_expires_at", "green"},
                                        {"username", "yellow"}}}});
    EXPECT_EQ(CheckAlone(policy), (Texts{"named-like-red public.t.email policy/t.yml:2",
                                         "named-like-red public.t.feed_token policy/t.yml:3",
                                         "named-like-red public.t.username policy/t.yml:7"}));
    // The type knows better.
    const Schema schema =
        MakeSchema({{"t",
                     {MakeColumn("email", "timestamptz"), MakeColumn("feed_token", "text"),
                      MakeColumn("phone", "text"), MakeColumn("login", "text"),
                      MakeColumn("token_expires_at", "timestamptz"), MakeColumn("username", "int8")}}});
    EXPECT_EQ(Check(policy, schema), Texts{"named-like-red public.t.feed_token policy/t.yml:3"});
}

TEST(Check, SameNameAsRed)
{
    const Schema schema = MakeSchema({{"a", {Key("id", "int8"), MakeColumn("shape", "text")}},
                                      {"b", {Key("id", "int8"), MakeColumn("shape", "varchar")}},
                                      {"c", {Key("id", "int8"), MakeColumn("shape", "int8")}},
                                      {"d", {Key("id", "int8"), MakeColumn("shape", "text")}}});
    const Policy policy = MakePolicy({{"a", {{"id", "orange hash domain=a"}, {"shape", "orange drop"}}},
                                      {"b", {{"id", "green"}, {"shape", "yellow"}}},
                                      {"c", {{"id", "green"}, {"shape", "yellow"}}},
                                      {"d", {{"id", "green"}, {"shape", "yellow", "public there"}}}});
    EXPECT_EQ(Check(policy, schema), Texts{"same-name-as-red public.b.shape policy/b.yml:3"});
    EXPECT_EQ(CheckAlone(policy), (Texts{"same-name-as-red public.b.shape policy/b.yml:3",
                                         "same-name-as-red public.c.shape policy/c.yml:3"}));
    EXPECT_EQ(CheckAlone(MakePolicy({{"a", {{"shape", "yellow drop"}}}, {"b", {{"shape", "yellow"}}}})),
              Texts{});
}

TEST(Check, IgnoredColumn)
{
    Dictionary dictionary;
    dictionary.table = "t";
    dictionary.ignored_columns = {"a", "b", "c"};
    dictionary.place = {"db/docs/t.yml", 1};
    const Policy policy =
        MakePolicy({{"t", {{"a", "green"}, {"b", "red hash"}, {"c", "green", "small now"}, {"d", "green"}}},
                    {"u", {{"a", "green"}}}});
    EXPECT_EQ(CheckAlone(policy, {dictionary}), Texts{"ignored-column public.t.a policy/t.yml:2"});
    EXPECT_NE(CheckPolicy(policy, nullptr, "", {dictionary})[0].text.find("db/docs/t.yml"),
              std::string::npos);
    EXPECT_EQ(CheckAlone(policy), Texts{});
}

TEST(Check, ReferenceDiffers)
{
    const Schema schema =
        MakeSchema({{"users", {Key("id", "int8")}}, {"t", {Referring("u", "int8", "users", "id")}}});
    const auto check = [&](const std::string& of_users, const std::string& of_t) {
        return Check(MakePolicy({{"users", {{"id", of_users}}}, {"t", {{"u", of_t}}}}), schema);
    };
    const Texts found{"reference-differs public.t.u policy/t.yml:2"};
    EXPECT_EQ(check("green", "yellow"), Texts{});
    EXPECT_EQ(check("red hash domain=u", "orange hash domain=u"), Texts{});
    EXPECT_EQ(check("red hash", "red hash domain=public.users.id"), Texts{});
    EXPECT_EQ(check("red drop", "orange drop"), Texts{});
    EXPECT_EQ(check("green", "red hash"), found);
    EXPECT_EQ(check("red hash domain=u", "green"), found);
    EXPECT_EQ(check("red hash", "red hash"), found);
    EXPECT_EQ(check("red hash domain=u", "red hash domain=v"), found);
    EXPECT_EQ(check("red hash domain=u", "red drop"), found);
    Policy excused = MakePolicy({{"users", {{"id", "green"}}}, {"t", {{"u", "red drop", "not joined"}}}});
    EXPECT_EQ(Check(excused, schema), Texts{});
    // A table that is not sent has nothing to join.
    excused = MakePolicy({{"users", {{"id", "green"}}}, {"t", {{"u", "red drop"}}}});
    excused.tables[0].label = "exclude";
    EXPECT_EQ(Check(excused, schema), Texts{});
}

TEST(Check, SmallDomain)
{
    const Schema schema =
        MakeSchema({{"t",
                     {MakeColumn("a", "int2"), MakeColumn("b", "int2"), MakeColumn("c", "int4"),
                      MakeColumn("d", "date"), MakeColumn("e", "enum")}}});
    EXPECT_EQ(Check(MakePolicy({{"t",
                                 {{"a", "red hash"},
                                  {"b", "red"},
                                  {"c", "red hash"},
                                  {"d", "orange hash domain=d"},
                                  {"e", "red hash", "twelve are enough"}}}}),
                    schema),
              (Texts{"small-domain public.t.a policy/t.yml:2", "small-domain public.t.d policy/t.yml:5"}));
}

// 1,000 tables of 15 columns, of names and types that say much and little.
Schema LargeSchema()
{
    const Texts nouns{"email", "token",  "name",     "title", "created", "count", "ip",  "state", "size",
                      "phone", "gender", "password", "note",  "address", "value", "key", "user",  "enabled"};
    const Texts ends{"", "_id", "_at", "_html", "_type", "_on", "_count", "_2"};
    const Texts types{"text", "int8", "timestamptz", "bool", "jsonb",  "date",   "enum",   "inet",
                      "int2", "uuid", "bytea",       "xml",  "text[]", "citext", "numeric"};
    std::mt19937 random(7);
    const auto any = [&](const Texts& of) { return of[random() % of.size()]; };
    std::vector<std::pair<std::string, std::vector<SchemaColumn>>> tables;
    for (int i = 0; i < 1000; i++) {
        std::vector<SchemaColumn> columns{Key("id", i % 50 == 0 ? "uuid" : "int8")};
        for (int j = 1; j < 15; j++) {
            SchemaColumn column = MakeColumn(
                any(nouns) + any(ends) + "_" + std::string(1, static_cast<char>('a' + j)), any(types));
            column.name = j % 2 == 0 ? column.name
                                     : column.name.substr(0, column.name.size() - 2) + std::string(j, '_');
            if (j == 3)
                column.generated_from = {columns[1].name, columns[2].name};
            else if (j == 5) {
                column.type = MakeType("int8");
                column.references.push_back({"public", "t" + std::to_string(random() % 1000), "id"});
            }
            columns.push_back(column);
        }
        tables.emplace_back("t" + std::to_string(i), std::move(columns));
    }
    return MakeSchema(tables);
}

TEST(Check, WhatIsSuggestedPasses)
{
    const Schema schema = LargeSchema();
    const Suggestions suggestions = SuggestLabels(schema, {}, RuleLabel(), {}, true);
    Policy policy;
    for (const SchemaTable& table : schema.tables) {
        TableEntry entry;
        entry.table = table.name;
        for (const SchemaColumn& column : table.columns) {
            const auto found = suggestions.find({"public", table.name, column.name});
            entry.columns.push_back(
                {column.name, found == suggestions.end() ? "" : found->second.label, "", {"x", column.line}});
        }
        policy.tables.push_back(std::move(entry));
    }
    // What is left as TODO may have its reason, too.
    const auto labelled = std::count_if(suggestions.begin(), suggestions.end(),
                                        [](const auto& each) { return !each.second.label.empty(); });
    EXPECT_GT(labelled, 5000);
    EXPECT_LT(labelled, 15000);
    std::map<std::string, int> codes;
    for (const PolicyFinding& finding : CheckPolicy(policy, &schema, kFile, {}))
        codes[finding.code]++;
    EXPECT_EQ(codes["unlabelled"], 15000 - labelled);
    // A closed one may have the name of an open one, and a key the name of a secret.
    for (const char* code : {"odd-label", "impossible-action", "generated-copy", "named-like-red",
                             "small-domain", "misspelt", "stale-column", "missing-table"})
        EXPECT_EQ(codes[code], 0) << code;
}

TEST(Check, EveryCodeOfTheCheckHasItsTest)
{
    // Those of other parts are tested with them.
    const std::set<std::string_view> elsewhere{"duplicate", "labels-in-structure", "structure-unreadable",
                                               "unknown-key", "unreadable", "newly-flows",
                                               // Of drift and export: test_policy_command.py.
                                               "label-differs", "not-applied", "not-declared",
                                               "not-in-policy", "renamed", "table-without-document",
                                               "unclassified", "waiting", "not-editable", "path-taken"};
    const std::set<std::string_view> here{
        "generated-copy",   "ignored-column", "impossible-action", "missing-table", "misspelt",
        "named-like-red",   "not-a-root",     "not-a-table",       "odd-label",     "reference-differs",
        "same-name-as-red", "small-domain",   "stale-column",      "stale-table",   "unlabelled"};
    for (const PolicyCode& code : AllPolicyCodes())
        EXPECT_EQ(elsewhere.count(code.name) + here.count(code.name), 1U) << code.name;
}

TEST(Since, WhatNewlyFlowsIsSaid)
{
    const Policy before = MakePolicy({{"t",
                                       {{"a", "red drop"},
                                        {"b", "red hash"},
                                        {"c", "green"},
                                        {"d", ""},
                                        {"e", "red hash"},
                                        {"f", "red drop"}}}});
    const Policy after = MakePolicy({{"t",
                                      {{"a", "red hash"},
                                       {"b", "yellow"},
                                       {"c", "red drop"},
                                       {"d", "green"},
                                       {"e", "red hash domain=x"},
                                       {"f", ""},
                                       {"g", "green"}}},
                                     {"u", {{"x", "green"}, {"y", "red drop"}, {"z", ""}}}});
    EXPECT_EQ(Lines(Since(before, after, nullptr, nullptr)),
              (Texts{"newly-flows public.t.a policy/t.yml:2", "newly-flows public.t.b policy/t.yml:3",
                     "newly-flows public.t.d policy/t.yml:5", "newly-flows public.t.g policy/t.yml:8",
                     "newly-flows public.u.x policy/u.yml:2"}));
    EXPECT_EQ(Since(before, after, nullptr, nullptr)[1].text, "the column was hashed, and becomes clear");
    EXPECT_EQ(Lines(Since(after, after, nullptr, nullptr)), Texts{});
    EXPECT_EQ(Lines(Since(after, {}, nullptr, nullptr)), Texts{});
}

TEST(Since, ExclusionAndTypesCount)
{
    const Policy sent = MakePolicy({{"t", {{"a", "red"}, {"id", ""}, {"b", "green"}}}});
    Policy excluded = sent;
    excluded.tables[0].label = "exclude";
    EXPECT_EQ(Lines(Since(excluded, sent, nullptr, nullptr)),
              (Texts{"newly-flows public.t.a policy/t.yml:2", "newly-flows public.t.b policy/t.yml:4"}));
    EXPECT_EQ(Lines(Since(sent, excluded, nullptr, nullptr)), Texts{});
    // A red json is dropped by default. A key is hashed, labelled or not, once the table is sent.
    const Schema types =
        MakeSchema({{"t", {MakeColumn("a", "json"), Key("id", "int8"), MakeColumn("b", "text")}}});
    EXPECT_EQ(Lines(Since(excluded, sent, &types, &types)),
              (Texts{"newly-flows public.t.id policy/t.yml:3", "newly-flows public.t.b policy/t.yml:4"}));
    const Policy undecided = MakePolicy({{"t", {{"a", ""}, {"id", ""}, {"b", ""}}}});
    EXPECT_EQ(Lines(Since(excluded, undecided, &types, &types)), Texts{});
}

TEST(Since, AnotherTypeLetsOut)
{
    const auto of_type = [](const std::string& type) {
        return MakeSchema({{"t", {Key("id", "int8"), MakeColumn("kind", type)}}});
    };
    const Policy policy = MakePolicy({{"t", {{"id", "green"}, {"kind", "red"}}}});
    const Schema closed = of_type("date"), open = of_type("text");
    const auto flows = Since(policy, policy, &closed, &open);
    EXPECT_EQ(Lines(flows), Texts{"newly-flows public.t.kind policy/t.yml:3"});
    EXPECT_EQ(flows.at(0).text, "the column was withheld, and becomes hashed");
    EXPECT_EQ(Lines(Since(policy, policy, &open, &closed)), Texts{});
}

TEST(Since, AKeyWithoutALineLeavesAsTokens)
{
    const Schema schema = MakeSchema({{"t", {Key("email", "text"), MakeColumn("x", "text")}}});
    const Policy before = MakePolicy({{"t", {{"email", ""}, {"x", ""}}}});
    const Policy after = MakePolicy({{"t", {{"x", "green"}}}});
    EXPECT_EQ(Lines(Since(before, after, &schema, &schema)),
              (Texts{"newly-flows public.t.email policy/t.yml:1", "newly-flows public.t.x policy/t.yml:2"}));
    EXPECT_EQ(Lines(Since(before, after, nullptr, nullptr)), Texts{"newly-flows public.t.x policy/t.yml:2"});
    EXPECT_EQ(Lines(Since(after, after, &schema, &schema)), Texts{});
}

TEST(Since, WhatBecomesAKeyLeavesAsTokens)
{
    const Policy policy = MakePolicy({{"t", {{"x", "green"}, {"b", ""}}}});
    const Schema before =
        MakeSchema({{"t", {MakeColumn("a", "text"), MakeColumn("b", "text"), MakeColumn("x", "text")}}});
    const Schema after =
        MakeSchema({{"t", {Key("a", "text"), Key("b", "text"), MakeColumn("x", "text"), Key("c", "int8")}}});
    EXPECT_EQ(Lines(Since(policy, policy, &before, &after)),
              (Texts{"newly-flows public.t.a policy/t.yml:1", "newly-flows public.t.c policy/t.yml:1",
                     "newly-flows public.t.b policy/t.yml:3"}));
    EXPECT_EQ(Lines(Since(policy, policy, &after, &before)), Texts{});
}

TEST(Since, WhatWasDeclaredAheadIsToldOnce)
{
    const Schema before = MakeSchema({{"t", {Key("id", "int8")}}});
    const Schema after = MakeSchema({{"t", {Key("id", "int8"), MakeColumn("a", "text")}}});
    const Policy undeclared = MakePolicy({{"t", {{"id", "green"}}}});
    const Policy declared = MakePolicy({{"t", {{"id", "green"}, {"a", "red"}}}});
    const Texts told{"newly-flows public.t.a policy/t.yml:3"};
    EXPECT_EQ(Lines(Since(undeclared, declared, &before, &before)), told);
    EXPECT_EQ(Lines(Since(declared, declared, &before, &after)), Texts{});
    EXPECT_EQ(Lines(Since(undeclared, declared, &before, &after)), told);
}

TEST(Since, WhatIsGoneDoesNotFlow)
{
    // Without its type the label would hash.
    const Schema before = MakeSchema({{"t", {Key("id", "int8"), MakeColumn("a", "date")}}});
    const Schema after = MakeSchema({{"t", {Key("id", "int8")}}});
    const Policy policy = MakePolicy({{"t", {{"id", "green"}, {"a", "red"}}}});
    EXPECT_EQ(Lines(Since(policy, policy, &before, &after)), Texts{});
}

TEST(Since, AStructureThatIsNewSaysNothingOfBefore)
{
    const Schema schema = MakeSchema({{"t", {Key("id", "int8"), MakeColumn("a", "date")}}});
    const Policy policy = MakePolicy({{"t", {{"a", "green"}}}});
    EXPECT_EQ(Lines(Since(policy, policy, nullptr, &schema)), Texts{});
}

// What is new of a check, of policies and structures before and after.
Texts NewLines(const Policy& policy_before, const Schema& before, const Policy& policy_after,
               const Schema& after)
{
    return Lines(WithoutKnown(CheckPolicy(policy_after, &after, kFile, {}),
                              CheckPolicy(policy_before, &before, kFile, {})));
}

TEST(WithoutKnown, WhatWasThereBeforeIsTakenAway)
{
    const PolicyFinding finding = MakeFinding("odd-label", Place{"a.yml", 3}, "public.t.a", "text", "fix");
    PolicyFinding moved = finding;
    moved.place = {"b.yml", 9};
    moved.fix = "another fix";
    PolicyFinding other = finding;
    other.object = "public.t.b";
    PolicyFinding worse = finding;
    worse.code = "impossible-action";
    EXPECT_EQ(Lines(WithoutKnown({finding, other, worse}, {moved})),
              (Texts{"odd-label public.t.b a.yml:3", "impossible-action public.t.a a.yml:3"}));
    PolicyFinding nameless = finding;
    nameless.object = "";
    PolicyFinding elsewhere = nameless;
    elsewhere.place.file = "b.yml";
    EXPECT_EQ(WithoutKnown({nameless, elsewhere}, {nameless}).size(), 1U);
    EXPECT_EQ(WithoutKnown({finding}, {}).size(), 1U);
}

TEST(WithoutKnown, OtherWordsAreNew)
{
    const PolicyFinding finding = MakeFinding("odd-label", Place{"a.yml", 3}, "public.t.a", "text", "fix");
    PolicyFinding other = finding;
    other.text = "other words";
    EXPECT_EQ(WithoutKnown({other}, {finding}).size(), 1U);
}

// Nobody knows what else would be found there.
TEST(WithoutKnown, WhatCannotBeReadIsNeverKnown)
{
    const PolicyFinding error =
        MakeFinding("structure-unreadable", Place{"s.sql", 3}, "public.t", "text", "fix");
    PolicyFinding warning = error;
    warning.severity = PolicySeverity::kWarning;
    const PolicyFinding document = MakeFinding("unreadable", Place{"a.yml", 3}, "public.t", "text", "fix");
    EXPECT_EQ(WithoutKnown({error}, {warning}).size(), 1U);
    EXPECT_EQ(WithoutKnown({error, document}, {error, document}).size(), 2U);
    EXPECT_EQ(WithoutKnown({warning}, {warning}).size(), 0U) << "the rest of the table was read";
}

TEST(WithoutKnown, ASecondOneOfTheSameIsNew)
{
    const auto at = [](size_t line, const std::string& object) {
        return MakeFinding("duplicate", Place{"a.yml", line}, object, "text", "fix");
    };
    for (const char* object : {"public.t", ""}) {
        EXPECT_EQ(WithoutKnown({at(3, object), at(8, object), at(9, object)}, {at(5, object)}).size(), 2U);
        EXPECT_EQ(WithoutKnown({at(3, object)}, {at(5, object), at(6, object)}).size(), 0U);
    }
}

TEST(WithoutKnown, ASecondColumnThatCannotBeReadIsNew)
{
    const auto found = [](const std::string& columns) {
        std::vector<PolicyFinding> findings;
        ParseStructure(kFile, "CREATE TABLE public.t (\n    a jsonb" + columns + "\n);\n", &findings);
        return findings;
    };
    const auto generated = [](const std::string& name) {
        return ",\n    " + name + " text GENERATED ALWAYS AS (JSON_VALUE(a, '$." + name +
               "' RETURNING text)) STORED";
    };
    const auto before = found(generated("b"));
    ASSERT_EQ(before.size(), 1U);
    EXPECT_EQ(before[0].object, "public.t");
    const auto now = WithoutKnown(found(",\n    x text" + generated("b") + generated("c")), before);
    ASSERT_EQ(now.size(), 1U);
    EXPECT_EQ(now[0].place, (Place{kFile, 5}));
    EXPECT_EQ(WithoutKnown(found(",\n    x text" + generated("b")), before).size(), 0U);
}

TEST(WithoutKnown, AnotherNameThatIsMeantIsNew)
{
    const Schema before = MakeSchema({{"t", {Key("id", "int8"), MakeColumn("username", "text")}}});
    const Schema after = MakeSchema(
        {{"t", {Key("id", "int8"), MakeColumn("username", "text"), MakeColumn("usernames", "text")}}});
    const Policy policy = MakePolicy({{"t", {{"id", "green"}, {"usernme", "red drop"}}}});
    const Policy mended =
        MakePolicy({{"t", {{"id", "green"}, {"usernme", "red drop"}, {"username", "red drop"}}}});
    EXPECT_EQ(NewLines(policy, before, mended, after), Texts{"misspelt public.t.usernme policy/t.yml:3"});
    EXPECT_EQ(NewLines(policy, before, policy, before), Texts{});
}

TEST(WithoutKnown, AnotherSourceOfACopyIsNew)
{
    const auto reads = [](const std::vector<std::string>& names) {
        return MakeSchema(
            {{"t",
              {MakeColumn("nick", "text"), MakeColumn("ssn", "text"), Generated("copy", "text", names)}}});
    };
    const Policy policy =
        MakePolicy({{"t", {{"nick", "red drop"}, {"ssn", "red drop"}, {"copy", "yellow"}}}});
    const Texts told{"generated-copy public.t.copy policy/t.yml:4"};
    EXPECT_EQ(NewLines(policy, reads({"nick"}), policy, reads({"ssn"})), told);
    EXPECT_EQ(NewLines(policy, reads({"nick"}), policy, reads({"nick", "ssn"})), told);
    // Less is not new.
    EXPECT_EQ(NewLines(policy, reads({"nick", "ssn"}), policy, reads({"ssn"})), Texts{});
    EXPECT_EQ(NewLines(policy, reads({"nick", "ssn"}), policy, reads({"ssn", "nick"})), Texts{});
}

TEST(WithoutKnown, LineNumbersDoNotCount)
{
    const auto found = [](const std::string& text) {
        return ParsePolicy("policy", {{"t.yml", "table: t\ncolumns:\n  a: green\n" + text}}).findings;
    };
    const auto before = found("  b: green\n  b: yellow\n");
    EXPECT_EQ(Lines(before), Texts{"duplicate public.t.b policy/t.yml:5"});
    EXPECT_EQ(WithoutKnown(found("  # why\n\n  b: green\n  c: green\n  b: yellow\n"), before).size(), 0U);
    EXPECT_EQ(WithoutKnown(found("  b: green\n  b: yellow\n  b: red\n"), before).size(), 1U);
}

TEST(WithoutKnown, WhatIsUndecidedIsSoInOtherWords)
{
    const Schema before = MakeSchema({{"t", {MakeColumn("a", "text"), MakeColumn("b", "text")}}});
    const Schema after =
        MakeSchema({{"t", {MakeColumn("new", "text"), MakeColumn("a", "text"), MakeColumn("b", "text")}}});
    const Policy policy = MakePolicy({{"t", {{"a", ""}}}});
    const Policy other = MakePolicy({{"t", {{"new", "green"}, {"b", ""}}}});
    EXPECT_EQ(NewLines(policy, before, other, after), Texts{});
    EXPECT_EQ(NewLines(policy, before, policy, after), Texts{"unlabelled public.t.new policy/t.yml:1"});
    // One that is now excused beforehand is another matter.
    const Policy reviewed = MakePolicy({{"t", {{"a", "", "asked Ann"}}}});
    EXPECT_EQ(NewLines(policy, before, reviewed, before), Texts{"unlabelled public.t.a policy/t.yml:2"});
}

TEST(WithoutKnown, AnotherColumnOfTheSameNameIsNotNew)
{
    const Policy before = MakePolicy({{"b", {{"shape", "yellow"}}}, {"c", {{"shape", "red drop"}}}});
    const Policy after = MakePolicy(
        {{"a", {{"shape", "orange drop"}}}, {"b", {{"shape", "yellow"}}}, {"c", {{"shape", "red drop"}}}});
    const auto found = [](const Policy& policy) { return CheckPolicy(policy, nullptr, "", {}); };
    EXPECT_EQ(Lines(found(before)), Texts{"same-name-as-red public.b.shape policy/b.yml:2"});
    EXPECT_EQ(WithoutKnown(found(after), found(before)).size(), 0U);
}

TEST(WithoutKnown, AnotherTypeThatCannotBeHashedIsNotNew)
{
    const Policy policy = MakePolicy({{"t", {{"a", "red hash"}, {"b", "red hash"}}}});
    const Schema before = MakeSchema({{"t", {MakeColumn("a", "text[]"), MakeColumn("b", "date")}}});
    const Schema after = MakeSchema({{"t", {MakeColumn("a", "varchar[]"), MakeColumn("b", "int2")}}});
    EXPECT_EQ(Check(policy, before), (Texts{"impossible-action public.t.a policy/t.yml:2",
                                            "small-domain public.t.b policy/t.yml:3"}));
    EXPECT_EQ(NewLines(policy, before, policy, after), Texts{});
}

} // namespace
} // namespace wal2lake
