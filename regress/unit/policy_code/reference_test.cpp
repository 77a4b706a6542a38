// Foreign keys whose other side is a partition, or is not in the structure: what is read of them,
// suggested by them and found about them.
#include <gtest/gtest.h>

#include "made_schema.h"
#include "policy_code/check.h"
#include "policy_code/structure.h"
#include "policy_code/suggest.h"

namespace wal2lake
{
namespace
{

using References = std::vector<Reference>;

Schema Read(const std::string& text)
{
    std::vector<PolicyFinding> findings;
    Schema schema = ParseStructure("structure.sql", text, &findings);
    EXPECT_TRUE(findings.empty()) << findings[0].text;
    return schema;
}

References Of(const Schema& schema, const std::string& table, const std::string& column)
{
    const SchemaTable* found = schema.Find("public", table);
    EXPECT_NE(found, nullptr) << table;
    const SchemaColumn* same = found == nullptr ? nullptr : found->Find(column);
    EXPECT_NE(same, nullptr) << column;
    return same == nullptr ? References{} : same->references;
}

Suggestion Suggested(const Schema& schema, const Policy& policy, const std::string& table,
                     const std::string& column)
{
    const Suggestions all = SuggestLabels(schema, policy, RuleLabel(), {}, true);
    const auto found = all.find({"public", table, column});
    return found == all.end() ? Suggestion{} : found->second;
}

// As pg_dump writes it: the partition is attached behind its columns, keys come last.
const std::string kPeople =
    "CREATE TABLE public.people (id bigint NOT NULL, region text NOT NULL) PARTITION BY LIST (region);\n"
    "CREATE TABLE public.people_eu (id bigint NOT NULL, region text NOT NULL);\n"
    "CREATE TABLE public.passports (id bigint NOT NULL);\n"
    "ALTER TABLE ONLY public.people ATTACH PARTITION public.people_eu FOR VALUES IN ('eu');\n"
    "ALTER TABLE ONLY public.passports ADD CONSTRAINT passports_pkey PRIMARY KEY (id);\n"
    "ALTER TABLE ONLY public.people_eu ADD CONSTRAINT people_eu_id_key UNIQUE (id);\n"
    "ALTER TABLE ONLY public.passports ADD CONSTRAINT passports_id_fkey FOREIGN KEY (id)"
    " REFERENCES public.people_eu(id);\n";

TEST(Reference, OneToAPartitionIsOneToItsRoot)
{
    const Schema schema = Read(kPeople);
    EXPECT_EQ(Of(schema, "passports", "id"), (References{{"public", "people", "id"}}));
    const Policy people = MakePolicy({{"people", {{"id", "red hash domain=person"}, {"region", "green"}}}});
    const Suggestion suggestion = Suggested(schema, people, "passports", "id");
    EXPECT_EQ(suggestion.label, "red hash domain=person");
    EXPECT_EQ(suggestion.reason, "refers to public.people.id");
    const Policy open = MakePolicy({{"people", {{"id", "red hash domain=person"}, {"region", "green"}}},
                                    {"passports", {{"id", "green"}}}});
    const std::vector<PolicyFinding> findings = CheckPolicy(open, &schema, "structure.sql", {});
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].code, "reference-differs");
    EXPECT_EQ(findings[0].object, "public.passports.id");
}

TEST(Reference, ThroughPartitionsOfPartitions)
{
    const Schema schema =
        Read("CREATE TABLE a (id int PRIMARY KEY, x int UNIQUE) PARTITION BY RANGE (id);\n"
             "CREATE TABLE b PARTITION OF a FOR VALUES FROM (0) TO (9) PARTITION BY RANGE (id);\n"
             "CREATE TABLE c PARTITION OF b FOR VALUES FROM (0) TO (5);\n"
             "CREATE TABLE t (one int REFERENCES c, other int REFERENCES c (x), own int REFERENCES b (id));\n"
             "ALTER TABLE a RENAME COLUMN x TO y;\nALTER TABLE a RENAME TO aa;\n");
    EXPECT_EQ(Of(schema, "t", "one"), (References{{"public", "aa", "id"}})) << "the root's primary key";
    EXPECT_EQ(Of(schema, "t", "other"), (References{{"public", "aa", "y"}}));
    EXPECT_EQ(Of(schema, "t", "own"), (References{{"public", "aa", "id"}}));
}

// It is the root's column that has those values, and the label.
TEST(Reference, OneOfAPartitionIsOneOfItsRoot)
{
    const Schema schema =
        Read("CREATE TABLE people (id bigint PRIMARY KEY);\n"
             "CREATE TABLE visits (visit_count bigint, day date) PARTITION BY RANGE (day);\n"
             "CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');\n"
             "CREATE TABLE visits_2 PARTITION OF visits FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');\n"
             "ALTER TABLE visits_1 ADD FOREIGN KEY (visit_count) REFERENCES people(id);\n"
             "ALTER TABLE visits_2 ADD FOREIGN KEY (visit_count) REFERENCES people(id);\n");
    EXPECT_EQ(Of(schema, "visits", "visit_count"), (References{{"public", "people", "id"}})) << "said once";
    const Policy people = MakePolicy({{"people", {{"id", "red hash domain=person"}}}});
    EXPECT_EQ(Suggested(schema, people, "visits", "visit_count").label, "red hash domain=person");
}

// Partitions in a circle have no root; nothing but the end of it is asked.
TEST(Reference, ToPartitionsInACircle)
{
    const Schema schema = Read("CREATE TABLE a (id int PRIMARY KEY);\nCREATE TABLE b (id int PRIMARY KEY);\n"
                               "CREATE TABLE t (id int PRIMARY KEY REFERENCES a);\n"
                               "ALTER TABLE a ATTACH PARTITION b DEFAULT;\n"
                               "ALTER TABLE b ATTACH PARTITION a DEFAULT;\n");
    EXPECT_EQ(Of(schema, "t", "id").size(), 1U);
    EXPECT_EQ(Suggested(schema, {}, "t", "id").label, "");
}

TEST(Reference, OneToNowhereOpensNothing)
{
    const Schema schema =
        Read("CREATE TABLE known (id bigint PRIMARY KEY);\n"
             "CREATE TABLE t (id bigint PRIMARY KEY, visit_count int, email text, both_count int);\n"
             "ALTER TABLE t ADD FOREIGN KEY (id) REFERENCES other.people(id);\n"
             "ALTER TABLE t ADD FOREIGN KEY (visit_count) REFERENCES people;\n"
             "ALTER TABLE t ADD FOREIGN KEY (email) REFERENCES people (email);\n"
             "ALTER TABLE t ADD FOREIGN KEY (both_count) REFERENCES known;\n"
             "ALTER TABLE t ADD FOREIGN KEY (both_count) REFERENCES people (x);\n");
    EXPECT_EQ(Of(schema, "t", "id"), (References{{"other", "people", "id"}}));
    EXPECT_EQ(Suggested(schema, {}, "known", "id").label, "green");
    EXPECT_EQ(Suggested(schema, {}, "t", "id").label, "");
    EXPECT_EQ(Suggested(schema, {}, "t", "id").reason, "refers to other.people.id, which is not known");
    EXPECT_EQ(Suggested(schema, {}, "t", "visit_count").label, "");
    EXPECT_EQ(Suggested(schema, {}, "t", "visit_count").reason,
              "refers to public.people, which is not known");
    EXPECT_EQ(Suggested(schema, {}, "t", "both_count").label, "") << "the other may be of people";
    EXPECT_EQ(Suggested(schema, {}, "t", "email").label, "red hash domain=email")
        << "what closes needs no certainty";
    const Policy closed = MakePolicy({{"known", {{"id", "red hash domain=k"}}}});
    EXPECT_EQ(Suggested(schema, closed, "t", "both_count").label, "red hash domain=k");
}

// A key of several columns, of which the file does not say the other side's.
TEST(Reference, OneWithoutTheOtherSidesColumnsCounts)
{
    const Schema schema = Read("CREATE TABLE people (id bigint);\n"
                               "CREATE TABLE t (id bigint PRIMARY KEY REFERENCES people);\n");
    EXPECT_EQ(Suggested(schema, {}, "t", "id").label, "");
}

} // namespace
} // namespace wal2lake
