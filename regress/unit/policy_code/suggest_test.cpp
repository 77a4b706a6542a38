// Which labels are suggested, and which are left to people.
#include "policy_code/suggest.h"

#include <gtest/gtest.h>

#include "made_schema.h"

namespace wal2lake
{
namespace
{

const RuleLabel kNoRule;

struct Suggested {
    Suggestions all;

    explicit Suggested(const Schema& schema, const Policy& policy = {}, const RuleLabel& rule = kNoRule,
                       const std::vector<Dictionary>& dictionaries = {}, bool guess = true)
        : all(SuggestLabels(schema, policy, rule, dictionaries, guess))
    {
    }

    Suggestion Of(const std::string& table, const std::string& column) const
    {
        const auto found = all.find({"public", table, column});
        return found == all.end() ? Suggestion{"TODO", ""} : found->second;
    }

    std::string Label(const std::string& table, const std::string& column) const
    {
        return Of(table, column).label;
    }
};

std::string LabelFor(const SchemaColumn& column, const std::string& table = "things")
{
    return Suggested(MakeSchema({{table, {column}}})).Label(table, column.name);
}

std::string LabelFor(const std::string& name, const std::string& type)
{
    return LabelFor(MakeColumn(name, type));
}

TEST(Suggest, NothingIsGuessedUnasked)
{
    const Schema schema = MakeSchema({{"users", {Key("id", "int8"), MakeColumn("email", "text")}}});
    EXPECT_TRUE(Suggested(schema, {}, kNoRule, {}, false).all.empty());
    EXPECT_EQ(Suggested(schema).all.size(), 2U);
}

TEST(Suggest, ADecisionStands)
{
    Schema schema = MakeSchema({{"users",
                                 {Key("id", "int8"), MakeColumn("email", "text"), MakeColumn("phone", "text"),
                                  MakeColumn("login", "text"), MakeColumn("fax", "text")}}});
    schema.tables[0].columns[1].label = "orange drop";
    schema.tables[0].columns[2].label = "nonsense";
    const Policy policy =
        MakePolicy({{"users", {{"id", "yellow"}, {"email", "red hash"}, {"login", ""}, {"gone", "green"}}}});
    const RuleLabel rule = [](std::string_view, std::string_view, std::string_view) { return "green"; };
    for (const bool guess : {false, true}) {
        const Suggested suggested(schema, policy, rule, {}, guess);
        EXPECT_EQ(suggested.Label("users", "id"), "yellow");
        // The document is what is meant, what is stored is what is.
        EXPECT_EQ(suggested.Label("users", "email"), "red hash");
        EXPECT_EQ(suggested.Label("users", "phone"), "nonsense");
        EXPECT_EQ(suggested.Label("users", "login"), "green");
        EXPECT_EQ(suggested.Of("users", "login").reason, "by rule");
        EXPECT_EQ(suggested.Label("users", "fax"), "green");
        EXPECT_EQ(suggested.all.size(), 5U);
    }
}

TEST(Suggest, ARuleThatDoesNotFitTheTypeGivesNoLabel)
{
    const Schema schema =
        MakeSchema({{"t", {MakeColumn("a", "json"), MakeColumn("b", "text"), MakeColumn("c", "text")}}});
    const RuleLabel rule = [](std::string_view, std::string_view, std::string_view column) {
        return column == "c" ? std::nullopt : std::optional<std::string>("red hash domain=x");
    };
    const Suggested suggested(schema, {}, rule);
    EXPECT_EQ(suggested.Of("t", "a").label, "");
    EXPECT_EQ(suggested.Of("t", "a").reason,
              "a rule says red hash domain=x, but values of type json cannot be hashed");
    EXPECT_EQ(suggested.Label("t", "b"), "red hash domain=x");
    EXPECT_EQ(suggested.Label("t", "c"), "TODO");
}

TEST(Suggest, WhatARuleLeavesToPeopleIsNotGuessed)
{
    const Schema schema = MakeSchema({{"t", {MakeColumn("email", "text")}}});
    const RuleLabel rule = [](std::string_view, std::string_view, std::string_view) { return ""; };
    EXPECT_EQ(Suggested(schema, {}, rule).Of("t", "email").label, "");
    EXPECT_EQ(Suggested(schema, {}, rule).Of("t", "email").reason, "a rule says TODO");
}

TEST(Suggest, NamesOfRedValues)
{
    EXPECT_EQ(LabelFor("email", "text"), "red hash domain=email");
    EXPECT_EQ(LabelFor("commit_email", "varchar"), "red hash domain=email");
    EXPECT_EQ(LabelFor("email", "citext"), "red drop");
    EXPECT_EQ(LabelFor("emails", "text[]"), "red drop");
    EXPECT_EQ(LabelFor("email", "bytea"), "red drop");
    EXPECT_EQ(LabelFor("username", "text"), "red hash domain=username");
    EXPECT_EQ(LabelFor("mobile_phone", "int8"), "red hash domain=phone");
    EXPECT_EQ(LabelFor("last_sign_in_ip", "text"), "red hash domain=ip");
    EXPECT_EQ(LabelFor("last_sign_in_ip", "inet"), "red hash domain=ip");
    EXPECT_EQ(LabelFor("source", "cidr"), "red hash domain=ip");
    EXPECT_EQ(LabelFor("card", "macaddr"), "red hash domain=mac");
    EXPECT_EQ(LabelFor("encrypted_password", "text"), "red drop");
    EXPECT_EQ(LabelFor("feed_token", "text"), "red drop");
    EXPECT_EQ(LabelFor("description_html", "text"), "red drop");
    EXPECT_EQ(LabelFor("birth_date", "date"), "red drop");
    EXPECT_EQ(Suggested(MakeSchema({{"t", {MakeColumn("email", "text")}}})).Of("t", "email").reason,
              "named like an e-mail address");
}

TEST(Suggest, FewValuesAreNeverHashed)
{
    for (const char* type : {"bool", "enum", "int2", "char"})
        EXPECT_EQ(LabelFor("phone", type), "red drop") << type;
    EXPECT_EQ(LabelFor("gender", "enum"), "red drop");
}

TEST(Suggest, TypesThatHoldAnything)
{
    for (const char* type : {"json", "jsonb", "xml", "bytea", "public.hstore", "tsvector"})
        EXPECT_EQ(LabelFor("stuff", type), "red drop") << type;
    for (const char* type :
         {"text", "varchar", "int8", "uuid", "text[]", "public.geometry", "numeric", "bool", "enum"})
        EXPECT_EQ(LabelFor("stuff", type), "TODO") << type;
}

TEST(Suggest, FewAreOpenedAndSurely)
{
    EXPECT_EQ(LabelFor(Key("id", "int8")), "green");
    EXPECT_EQ(LabelFor(Key("id", "int4")), "green");
    EXPECT_EQ(LabelFor("created_at", "timestamptz"), "green");
    EXPECT_EQ(LabelFor("archived", "bool"), "green");
    EXPECT_EQ(LabelFor("status", "enum"), "green");
    EXPECT_EQ(LabelFor("upload_count", "int4"), "green");
    EXPECT_EQ(LabelFor("born_at", "timestamptz"), "red drop");
    EXPECT_EQ(LabelFor(Key("id", "uuid")), "TODO");
    EXPECT_EQ(LabelFor(Key("id", "text")), "TODO");
    EXPECT_EQ(LabelFor(Key("number", "int8")), "TODO");
    EXPECT_EQ(LabelFor("id", "int8"), "TODO");
    EXPECT_EQ(LabelFor("status", "text"), "TODO");
    EXPECT_EQ(LabelFor("emailed_at", "timestamptz"), "green");
    EXPECT_EQ(LabelFor("token_expires_at", "timestamptz"), "green");
}

TEST(Suggest, ReferencesHaveTheLabelOfWhatTheyReferTo)
{
    const Schema schema = MakeSchema(
        {{"a", {Referring("b_key", "int8", "b", "key"), Referring("username", "text", "logins", "name")}},
         {"b", {Referring("key", "int8", "users", "id"), Referring("lost", "int8", "nowhere", "id")}},
         {"logins", {Key("name", "text")}},
         {"users", {Key("id", "int8"), Referring("boss", "int8", "users", "id")}}});
    const Suggested open(schema);
    EXPECT_EQ(open.Label("users", "boss"), "green");
    EXPECT_EQ(open.Label("b", "key"), "green");
    EXPECT_EQ(open.Label("a", "b_key"), "green");
    EXPECT_EQ(open.Of("a", "b_key").reason, "refers to public.b.key");
    EXPECT_EQ(open.Label("b", "lost"), "TODO");

    // The domain that the label left unsaid is said where others are to join it.
    const Suggested hashed(
        schema, MakePolicy({{"users", {{"id", "orange"}}}, {"logins", {{"name", "red hash domain=l"}}}}));
    EXPECT_EQ(hashed.Label("users", "id"), "orange");
    EXPECT_EQ(hashed.Label("users", "boss"), "orange hash domain=public.users.id");
    EXPECT_EQ(hashed.Label("a", "b_key"), "orange hash domain=public.users.id");
    // More than its name, which says another domain.
    EXPECT_EQ(hashed.Label("a", "username"), "red hash domain=l");

    // A clear one does not open what is named like a red one.
    const Suggested clear(schema, MakePolicy({{"logins", {{"name", "green"}}}}));
    EXPECT_EQ(clear.Label("a", "username"), "red hash domain=username");
}

TEST(Suggest, TheStrictestReferenceCounts)
{
    SchemaColumn both = Referring("x", "int8", "a", "id");
    both.references.push_back({"public", "b", "id"});
    const Schema schema = MakeSchema({{"a", {Key("id", "int8")}}, {"b", {Key("id", "int8")}}, {"t", {both}}});
    EXPECT_EQ(Suggested(schema, MakePolicy({{"b", {{"id", "red hash domain=b"}}}})).Label("t", "x"),
              "red hash domain=b");
    EXPECT_EQ(
        Suggested(schema, MakePolicy({{"a", {{"id", "red drop"}}}, {"b", {{"id", "red hash domain=b"}}}}))
            .Label("t", "x"),
        "red drop");
}

// Its values may be among those that nobody has decided about.
TEST(Suggest, AClearReferenceOpensNothingWhileAnotherIsUnknown)
{
    SchemaColumn both = Referring("x", "int8", "a", "id");
    both.references.push_back({"public", "b", "key"});
    const Schema schema =
        MakeSchema({{"a", {Key("id", "int8")}}, {"b", {Key("key", "int8")}}, {"t", {both}}});
    EXPECT_EQ(Suggested(schema).Label("t", "x"), "TODO");
    EXPECT_EQ(Suggested(schema, MakePolicy({{"b", {{"key", "green"}}}})).Label("t", "x"), "green");
    EXPECT_EQ(Suggested(schema, MakePolicy({{"b", {{"key", "no label"}}}})).Label("t", "x"), "TODO");
}

// The number that names a person elsewhere does so here, whatever the column is called.
TEST(Suggest, AnUnknownReferenceOpensNothing)
{
    const Schema schema = MakeSchema({{"persons", {Key("national_number", "int8")}},
                                      {"employees", {[] {
                                           SchemaColumn id =
                                               Referring("id", "int8", "persons", "national_number");
                                           id.is_key = true;
                                           return id;
                                       }()}},
                                      {"visits",
                                       {Referring("visit_position", "int8", "persons", "national_number"),
                                        Referring("email", "text", "persons", "national_number")}}});
    const RuleLabel todo = [](std::string_view, std::string_view table,
                              std::string_view) -> std::optional<std::string> {
        return table == "persons" ? std::optional<std::string>("") : std::nullopt;
    };
    const Suggested suggested(schema, {}, todo);
    EXPECT_EQ(suggested.Label("employees", "id"), "");
    EXPECT_EQ(suggested.Of("employees", "id").reason,
              "refers to public.persons.national_number, which has no label");
    EXPECT_EQ(suggested.Label("visits", "visit_position"), "");
    EXPECT_EQ(suggested.Label("visits", "email"), "red hash domain=email")
        << "what closes needs no certainty";
    // As soon as that is decided, they follow.
    const RuleLabel decided = [](std::string_view, std::string_view table,
                                 std::string_view) -> std::optional<std::string> {
        return table == "persons" ? std::optional<std::string>("green") : std::nullopt;
    };
    EXPECT_EQ(Suggested(schema, {}, decided).Label("employees", "id"), "green");
}

TEST(Suggest, AReferenceOfFewValuesIsNotHashed)
{
    const Schema schema = MakeSchema(
        {{"people", {Key("code", "int4")}}, {"visits", {Referring("person", "int2", "people", "code")}}});
    const RuleLabel rule = [](std::string_view, std::string_view table,
                              std::string_view) -> std::optional<std::string> {
        return table == "people" ? std::optional<std::string>("red hash domain=code") : std::nullopt;
    };
    EXPECT_EQ(Suggested(schema, {}, rule).Label("visits", "person"), "red drop");
}

TEST(Suggest, AHashThatTheTypeCannotHaveIsADrop)
{
    const Schema schema =
        MakeSchema({{"a", {Key("id", "text")}}, {"t", {Referring("a", "citext", "a", "id")}}});
    EXPECT_EQ(Suggested(schema, MakePolicy({{"a", {{"id", "orange hash domain=a"}}}})).Label("t", "a"),
              "orange drop");
}

TEST(Suggest, ReferencesInACircleEnd)
{
    const Schema schema =
        MakeSchema({{"a", {Referring("x", "int8", "b", "y")}},
                    {"b", {Referring("y", "int8", "a", "x"), Referring("archived", "bool", "c", "z")}},
                    {"c", {Referring("z", "bool", "b", "archived")}}});
    const Suggested suggested(schema);
    EXPECT_EQ(suggested.Label("a", "x"), "TODO");
    EXPECT_EQ(suggested.Label("b", "archived"), "") << "each waits for the other";
    EXPECT_EQ(suggested.Label("c", "z"), "TODO");
}

TEST(Suggest, IdsOfTablesByTheirName)
{
    const Schema schema = MakeSchema(
        {{"users", {Key("id", "int8")}},
         {"boxes", {Key("id", "int8")}},
         {"companies", {Key("id", "int4")}},
         {"keys", {Key("id", "uuid")}},
         {"t",
          {MakeColumn("user_id", "int8"), MakeColumn("box_id", "int8"), MakeColumn("company_id", "int8"),
           MakeColumn("key_id", "int8"), MakeColumn("author_id", "int8"), MakeColumn("user_ids", "int8"),
           MakeColumn("_id", "int8")}}});
    const Suggested suggested(schema, MakePolicy({{"users", {{"id", "orange hash domain=user"}}}}));
    EXPECT_EQ(suggested.Label("t", "user_id"), "orange hash domain=user");
    EXPECT_EQ(suggested.Label("t", "box_id"), "green");
    EXPECT_EQ(suggested.Label("t", "company_id"), "green");
    // A uuid is no int8, and nobody is called authors.
    for (const char* name : {"key_id", "author_id", "user_ids", "_id"})
        EXPECT_EQ(suggested.Label("t", name), "TODO") << name;
}

TEST(Suggest, GeneratedColumnsAreAsStrictAsWhatTheyRead)
{
    const Schema schema = MakeSchema(
        {{"t",
          {MakeColumn("email", "text"), MakeColumn("size", "int4"), MakeColumn("secret_word", "text"),
           MakeColumn("what", "text"), Generated("lower", "text", {"email", "size"}),
           Generated("twice", "int4", {"size"}), Generated("who", "text", {"what", "size"}),
           Generated("whom", "text", {"what", "email"}), Generated("one", "int4", {}),
           Generated("what_email", "text", {"what"})}}});
    const Suggested suggested(schema, MakePolicy({{"t", {{"size", "yellow"}, {"email", "orange hash"}}}}));
    EXPECT_EQ(suggested.Label("t", "lower"), "orange drop");
    EXPECT_EQ(suggested.Of("t", "lower").reason, "made of public.t.email");
    EXPECT_EQ(suggested.Label("t", "twice"), "yellow");
    EXPECT_EQ(suggested.Label("t", "who"), "TODO");
    EXPECT_EQ(suggested.Label("t", "whom"), "orange drop");
    EXPECT_EQ(suggested.Label("t", "one"), "TODO");
    EXPECT_EQ(suggested.Label("t", "what_email"), "red drop");
}

TEST(Suggest, WhatADictionaryIgnoresIsNotOpened)
{
    Dictionary dictionary;
    dictionary.table = "users";
    dictionary.ignored_columns = {"id", "created_at", "email", "boss_id", "seen_at"};
    const Schema schema =
        MakeSchema({{"users",
                     {Key("id", "int8"), MakeColumn("created_at", "timestamptz"), MakeColumn("email", "text"),
                      Referring("boss_id", "int8", "users", "id"), MakeColumn("seen_at", "timestamptz"),
                      MakeColumn("left_at", "timestamptz")}}});
    const Suggested suggested(schema, MakePolicy({{"users", {{"seen_at", "green"}}}}), kNoRule, {dictionary});
    EXPECT_EQ(suggested.Label("users", "created_at"), "red drop");
    EXPECT_EQ(suggested.Of("users", "created_at").reason, "ignored by a dictionary");
    EXPECT_EQ(suggested.Label("users", "email"), "red drop");
    EXPECT_EQ(suggested.Label("users", "boss_id"), "red drop");
    EXPECT_EQ(suggested.Label("users", "seen_at"), "green");
    EXPECT_EQ(suggested.Label("users", "left_at"), "green");
    EXPECT_EQ(suggested.Label("users", "id"), "green");
}

TEST(Suggest, PartitionsAndExcludedTablesAreLeftOut)
{
    Schema schema = MakeSchema({{"a", {Key("id", "int8")}},
                                {"b", {Key("id", "int8")}},
                                {"c", {Key("id", "int8")}},
                                {"d", {Referring("b_id", "int8", "b", "id")}}});
    schema.tables[0].is_partition = true;
    schema.tables[2].label = "exclude";
    Policy policy = MakePolicy({{"b", {}}});
    policy.tables[0].label = "exclude";
    const Suggested suggested(schema, policy);
    EXPECT_EQ(suggested.all.size(), 1U);
    EXPECT_EQ(suggested.Label("d", "b_id"), "green");
}

} // namespace
} // namespace wal2lake
