// The facts that the parts of policy as code share: names, types, labels.
#include "policy_code/schema.h"

#include <set>

#include <gtest/gtest.h>

#include "policy_code/codes.h"
#include "policy_code/finding.h"
#include "policy_code/label_text.h"

namespace wal2lake
{
namespace
{

SchemaType Type(const std::string& name)
{
    SchemaType type;
    type.name = name;
    type.base_oid = BuiltInType(name);
    return type;
}

TEST(Schema, TablesAreFoundOnceTheyAreInOrder)
{
    Schema schema;
    for (const char* name : {"b", "a", "c"})
        for (const char* in : {"y", "x"}) {
            SchemaTable table;
            table.schema = in;
            table.name = name;
            table.columns.resize(1);
            table.columns[0].name = std::string(in) + name;
            schema.tables.push_back(table);
        }
    schema.views = {"b", "a"};
    schema.Sort();
    for (const char* name : {"b", "a", "c"})
        for (const char* in : {"y", "x"}) {
            const SchemaTable* table = schema.Find(in, name);
            ASSERT_NE(table, nullptr);
            EXPECT_NE(table->Find(std::string(in) + name), nullptr);
            EXPECT_EQ(table->Find("z"), nullptr);
        }
    EXPECT_EQ(schema.Find("x", "d"), nullptr);
    EXPECT_EQ(schema.Find("z", "a"), nullptr);
    EXPECT_EQ(schema.Find("x", ""), nullptr);
    EXPECT_EQ(schema.views, (std::vector<std::string>{"a", "b"}));
}

TEST(Schema, BuiltInTypesAreThoseOfTheServer)
{
    EXPECT_EQ(BuiltInType("int8"), 20U);
    EXPECT_EQ(BuiltInType("varchar"), 1043U);
    EXPECT_EQ(BuiltInType("bigint"), 0U);
    EXPECT_EQ(BuiltInType("citext"), 0U);
    EXPECT_EQ(Type("uuid").facts().canonical, W2L_CANONICAL_UUID);
    EXPECT_EQ(Type("jsonb").facts().canonical, W2L_CANONICAL_NONE);
    EXPECT_TRUE(Type("date").facts().few_values);
}

TEST(Names, AreQuotedWhereSqlWantsIt)
{
    EXPECT_EQ(ObjectName("public", "users"), "public.users");
    EXPECT_EQ(ObjectName("public", "users", "e_mail2"), "public.users.e_mail2");
    EXPECT_EQ(ObjectName("Public", "u.s", "a\"b"), "\"Public\".\"u.s\".\"a\"\"b\"");
    EXPECT_EQ(ObjectName("public", "2fa"), "public.\"2fa\"");
    EXPECT_EQ(ObjectName("public", ""), "public.\"\"");
}

TEST(Labels, WhatTheyDoToValues)
{
    const SchemaType text = Type("text");
    const SchemaType json = Type("json");
    const SchemaType date = Type("date");
    EXPECT_TRUE(FactsOfLabel("green", &text).is_clear());
    EXPECT_EQ(FactsOfLabel("green", &text).data_class, W2L_CLASS_GREEN);
    EXPECT_EQ(FactsOfLabel("red", &text).action, W2L_ACTION_HASH);
    EXPECT_EQ(FactsOfLabel("red", &text).domain, "");
    EXPECT_EQ(FactsOfLabel("red hash domain=email", nullptr).domain, "email");
    EXPECT_EQ(FactsOfLabel("red drop", &text).action, W2L_ACTION_DROP);
    EXPECT_EQ(FactsOfLabel("yellow hash", &date).action, W2L_ACTION_HASH);
    // A hash by default gives way.
    EXPECT_EQ(FactsOfLabel("red", &json).action, W2L_ACTION_DROP);
    EXPECT_EQ(FactsOfLabel("red", &json).wrong, "");
    EXPECT_EQ(FactsOfLabel("red", &date).action, W2L_ACTION_DROP);
    EXPECT_EQ(OutcomeOf(W2L_ACTION_CLEAR), "clear");
    EXPECT_EQ(OutcomeOf(W2L_ACTION_HASH), "hashed");
    EXPECT_EQ(OutcomeOf(W2L_ACTION_DROP), "withheld");
}

TEST(Labels, WhatTheHookWouldRefuse)
{
    const SchemaType json = Type("json");
    EXPECT_EQ(FactsOfLabel("red hash", nullptr).wrong, "");
    EXPECT_EQ(FactsOfLabel("red hash", &json).wrong, "values of type json cannot be hashed");
    EXPECT_EQ(FactsOfLabel("red hash", &json).fix, "write red drop");
    for (const char* odd :
         {"", "blue", "red clear", "green domain=x", "red hash domain=", "red hash domain=a b"}) {
        const LabelFacts facts = FactsOfLabel(odd, nullptr);
        EXPECT_NE(facts.wrong, "") << odd;
        EXPECT_NE(facts.fix, "") << odd;
        EXPECT_EQ(facts.action, W2L_ACTION_DROP) << odd;
    }
}

TEST(Labels, WithoutOneAKeyIsHashed)
{
    SchemaColumn column;
    column.type = Type("int8");
    EXPECT_EQ(FactsOfUnlabelled(column).action, W2L_ACTION_DROP);
    column.is_key = true;
    EXPECT_EQ(FactsOfUnlabelled(column).action, W2L_ACTION_HASH);
    column.type = Type("bool");
    EXPECT_EQ(FactsOfUnlabelled(column).action, W2L_ACTION_DROP);
}

TEST(Codes, EachIsThereOnceWithItsMeaning)
{
    std::set<std::string_view> names;
    for (const PolicyCode& code : AllPolicyCodes()) {
        EXPECT_TRUE(names.insert(code.name).second) << code.name;
        EXPECT_EQ(*names.rbegin(), code.name) << "in order";
        EXPECT_FALSE(code.meaning.empty());
    }
    const PolicyFinding finding = MakeFinding("small-domain", Place{"a.yml", 3}, "public.a.b", "text", "fix");
    EXPECT_EQ(finding.severity, PolicySeverity::kWarning);
    EXPECT_EQ(NameOf(finding.severity), "warning");
    EXPECT_EQ(finding.code, "small-domain");
    EXPECT_EQ(finding.place, (Place{"a.yml", 3}));
    EXPECT_EQ(finding.object + finding.text + finding.fix, "public.a.btextfix");
}

} // namespace
} // namespace wal2lake
