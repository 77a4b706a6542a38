// What a plan says of a policy and a catalog, and that a plan file is the plan.
#include "policy_code/plan.h"

#include <gtest/gtest.h>

#include "policy_code/plan_file.h"
#include "policy_code/plan_text.h"

namespace wal2lake
{
namespace
{

constexpr uint32_t kText = 25;
constexpr uint32_t kInt8 = 20;
constexpr uint32_t kJsonb = 3802;

SchemaColumn Column(const std::string& name, std::optional<std::string> label, uint32_t type = kText)
{
    SchemaColumn column;
    column.name = name;
    column.type = {"text", type, false, false};
    column.label = std::move(label);
    return column;
}

Catalog CatalogWith(std::vector<SchemaColumn> columns, std::optional<std::string> label = {})
{
    Catalog catalog;
    catalog.system_id = 7'000'000'000'000'000'001;
    catalog.database_oid = 16384;
    catalog.database = "app";
    catalog.knows_renames = true;
    SchemaTable table;
    table.schema = "public";
    table.name = "t";
    table.oid = 16400;
    table.state = "now";
    table.label = std::move(label);
    int attnum = 0;
    for (SchemaColumn& column : columns) {
        column.attnum = ++attnum;
        table.columns.push_back(std::move(column));
    }
    catalog.schema.tables.push_back(std::move(table));
    return catalog;
}

Policy PolicyWith(const std::map<std::string, std::string>& labels, const std::string& table_label = "",
                  const std::string& table = "t")
{
    Policy policy;
    TableEntry entry;
    entry.table = table;
    entry.label = table_label;
    entry.place = {"policy/public/t.yml", 2};
    size_t line = 4;
    for (const auto& [name, label] : labels)
        entry.columns.push_back({name, label, "", {"policy/public/t.yml", line++}});
    policy.tables.push_back(std::move(entry));
    return policy;
}

Plan Planned(const Policy& policy, const Catalog& catalog)
{
    std::vector<PolicyFinding> findings;
    Plan plan = MakePlan(policy, catalog, &findings);
    EXPECT_TRUE(findings.empty()) << findings.front().text;
    return plan;
}

Effect EffectOf(std::optional<std::string> before, const std::string& after)
{
    const Plan plan = Planned(PolicyWith({{"a", after}, {"z", "green"}}),
                              CatalogWith({Column("a", std::move(before)), Column("z", "green")}));
    EXPECT_EQ(plan.tables.size(), 1U);
    EXPECT_EQ(plan.tables.at(0).columns.size(), 1U);
    return plan.tables.at(0).columns.at(0).effect;
}

TEST(Plan, SaysWhatBecomesOfValues)
{
    EXPECT_EQ(EffectOf({}, "green"), Effect::kNewlyClear);
    EXPECT_EQ(EffectOf("red", "green"), Effect::kNewlyClear);
    EXPECT_EQ(EffectOf({}, "red"), Effect::kNewlyHashed);
    EXPECT_EQ(EffectOf("red drop", "red"), Effect::kNewlyHashed);
    EXPECT_EQ(EffectOf("red hash domain=a", "red hash domain=b"), Effect::kOtherTokens);
    EXPECT_EQ(EffectOf("green", "red"), Effect::kCloses);
    EXPECT_EQ(EffectOf("red", "red drop"), Effect::kCloses);
    EXPECT_EQ(EffectOf({}, "red drop"), Effect::kSame);
    EXPECT_EQ(EffectOf("yellow", "green"), Effect::kSame);
    EXPECT_EQ(EffectOf("orange", "red"), Effect::kSame);
    EXPECT_EQ(EffectOf("red hash domain=public.t.a", "red"), Effect::kSame) << "the same domain, written out";
    EXPECT_EQ(EffectOf("nonsense", "red drop"), Effect::kSame) << "what is no label withholds";
}

TEST(Plan, LeavesAloneWhatThePolicyDoesNotDecide)
{
    const Plan plan = Planned(PolicyWith({{"a", ""}, {"b", "green"}}),
                              CatalogWith({Column("a", "red"), Column("b", "green"), Column("c", {})}));
    EXPECT_TRUE(plan.empty());
    EXPECT_EQ(plan.undecided_columns, 2U);
    EXPECT_EQ(Planned({}, CatalogWith({Column("a", "red")})).tables_without_document, 1U);
    EXPECT_TRUE(Planned({}, CatalogWith({Column("a", "red")})).empty());
}

// A table whose columns have no label is not sent; the first label sends its key along.
TEST(Plan, TheFirstLabelOfATableLetsItsKeyOut)
{
    SchemaColumn key = Column("id", {}, kInt8);
    key.is_key = true;
    const Plan plan = Planned(PolicyWith({{"a", "red drop"}}), CatalogWith({key, Column("a", {})}));
    ASSERT_EQ(plan.tables.at(0).columns.size(), 2U);
    const PlannedColumn& found = plan.tables[0].columns[0];
    EXPECT_EQ(found.name, "id");
    EXPECT_EQ(found.effect, Effect::kNewlyHashed);
    EXPECT_FALSE(found.new_label) << "its label does not change";
}

TEST(Plan, ATableLabelDecidesForAllColumns)
{
    const Plan included =
        Planned(PolicyWith({{"a", "green"}}), CatalogWith({Column("a", "green")}, "exclude"));
    EXPECT_EQ(included.tables.at(0).new_label, "");
    EXPECT_EQ(included.tables[0].columns.at(0).effect, Effect::kNewlyClear);
    const Plan excluded = Planned(PolicyWith({}, "exclude"), CatalogWith({Column("a", "green")}));
    EXPECT_EQ(excluded.tables.at(0).new_label, "exclude");
    EXPECT_EQ(excluded.tables[0].columns.at(0).effect, Effect::kCloses);
    EXPECT_EQ(excluded.undecided_columns, 0U);
}

TEST(Plan, DeclaresWhatDoesNotExistYet)
{
    Catalog catalog = CatalogWith({Column("a", "green")});
    catalog.declared = {
        {"public", "gone", "x", "green"}, {"public", "t", "b", "red"}, {"public", "t", "c", "red"}};
    Policy policy = PolicyWith({{"a", "green"}, {"b", "red drop"}, {"d", "yellow"}});
    const Plan plan = Planned(policy, catalog);
    EXPECT_TRUE(plan.tables.empty());
    ASSERT_EQ(plan.declarations.size(), 2U);
    const PlannedDeclarations& t = plan.declarations[0];
    EXPECT_EQ(t.wanted, (ColumnLabels{{"b", "red drop"}, {"d", "yellow"}}));
    EXPECT_EQ(t.standing, (ColumnLabels{{"b", "red"}, {"c", "red"}}));
    EXPECT_EQ(t.added(), 2U);
    EXPECT_EQ(t.removed(), 1U);
    EXPECT_EQ(plan.declarations[1].table, "gone");
    EXPECT_EQ(plan.declarations[1].removed(), 1U);
    catalog.declared = {{"public", "t", "b", "red drop"}, {"public", "t", "d", "yellow"}};
    EXPECT_TRUE(Planned(policy, catalog).empty());
    const Plan whole = Planned(PolicyWith({}, "exclude", "new"), CatalogWith({Column("a", {})}));
    EXPECT_EQ(whole.declarations.at(0).wanted, (ColumnLabels{{"", "exclude"}}));
}

TEST(Plan, RefusesWhatTheServerWould)
{
    const auto codes = [](const Policy& policy, const Catalog& catalog) {
        std::vector<PolicyFinding> findings;
        MakePlan(policy, catalog, &findings);
        std::vector<std::string> found;
        for (const PolicyFinding& finding : findings) {
            found.push_back(finding.code);
            EXPECT_FALSE(finding.fix.empty());
        }
        return found;
    };
    using Codes = std::vector<std::string>;
    EXPECT_EQ(codes(PolicyWith({{"a", "blue"}}), CatalogWith({Column("a", {})})), Codes{"odd-label"});
    EXPECT_EQ(codes(PolicyWith({{"b", "red clear"}}), CatalogWith({Column("a", {})})), Codes{"odd-label"});
    EXPECT_EQ(codes(PolicyWith({{"a", "red hash"}}), CatalogWith({Column("a", {}, kJsonb)})),
              Codes{"impossible-action"});
    EXPECT_EQ(codes(PolicyWith({{"a", "red"}}), CatalogWith({Column("a", {}, kJsonb)})), Codes{});
    Catalog partition = CatalogWith({Column("a", {})});
    partition.schema.tables[0].is_partition = true;
    EXPECT_EQ(codes(PolicyWith({{"a", "green"}}), partition), Codes{"not-a-root"});
}

TEST(PlanFile, IsThePlan)
{
    Catalog catalog = CatalogWith({Column("a", "red"), Column("new\nline", {}), Column("gone", "yellow")});
    catalog.schema.tables[0].columns[0].labelled_as = "former";
    catalog.schema.tables[0].labelled_as = "public.other";
    const Plan plan = Planned(
        PolicyWith(
            {{"a", "green"}, {"new\nline", "red hash domain=x"}, {"gone", "red drop"}, {"ahead", "green"}}),
        catalog);
    const std::string text = FormatPlanJson(plan);
    const auto again = ParsePlanJson(text);
    ASSERT_TRUE(again.ok()) << again.error().text;
    EXPECT_EQ(FormatPlanJson(again.value()), text);
    EXPECT_EQ(again.value().system_id, 7'000'000'000'000'000'001U);
    EXPECT_EQ(FormatPlan(again.value()), FormatPlan(plan));
}

TEST(PlanFile, RefusesWhatIsNone)
{
    const std::string text =
        FormatPlanJson(Planned(PolicyWith({{"a", "green"}}), CatalogWith({Column("a", "red")})));
    ASSERT_TRUE(ParsePlanJson(text).ok());
    for (const auto& [from, to] : std::map<std::string, std::string>{{"\"format\":1", "\"format\":2"},
                                                                     {"\"oid\":16400", "\"oid\":\"16400\""},
                                                                     {"\"oid\":16400", "\"oid\":-1"},
                                                                     {"newly-clear", "newly"},
                                                                     {"\"attnum\":1", "\"attnum\":1.5"},
                                                                     {"0001\",", "0001x\","},
                                                                     {"\"state\"", "\"status\""}}) {
        std::string damaged = text;
        damaged.replace(damaged.find(from), from.size(), to);
        EXPECT_FALSE(ParsePlanJson(damaged).ok()) << to;
    }
    for (const char* other : {"", "{}", "[]", "null", "{\"format\":1}"})
        EXPECT_FALSE(ParsePlanJson(other).ok()) << other;
    EXPECT_FALSE(ParsePlanJson(std::string(3'000'000, '[') + std::string(3'000'000, ']')).ok());
}

TEST(PlanText, TellsWhatFlowsFirst)
{
    const Plan plan = Planned(PolicyWith({{"a", "red drop"}, {"b", "green"}, {"c", "red hash domain=c"}}),
                              CatalogWith({Column("a", "green"), Column("b", {}), Column("c", {})}));
    const std::string text = FormatPlan(plan);
    const size_t clear = text.find("public.t.b"), hashed = text.find("public.t.c"),
                 closes = text.find("public.t.a");
    EXPECT_LT(clear, hashed);
    EXPECT_LT(hashed, closes);
    EXPECT_NE(text.find("policy/public/t.yml:5"), std::string::npos) << text;
    EXPECT_TRUE(
        text.ends_with("database app: 1 table, 1 column newly in clear, 1 column newly as tokens, 1 column"
                       " that close\n"))
        << text;
}

} // namespace
} // namespace wal2lake
