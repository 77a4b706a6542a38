// How doctor asks wal2lake.check(), and what it makes of the answer; the rest is in
// regress/t/test_doctor_policy.py.
#include "doctor_policy.h"

#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

TEST(DoctorPolicy, TheAdminIsLaidOverTheSource)
{
    EXPECT_EQ(LaidOver("host=/s user=forwarder dbname=app", "user=postgres"),
              "dbname=app host=/s user=postgres");
    EXPECT_EQ(LaidOver("postgresql://forwarder@db:5433/app", "user=postgres"),
              "dbname=app host=db port=5433 user=postgres");
    EXPECT_EQ(LaidOver("dbname='a \\'b\\'' user=x", "user='c\\\\'"), "dbname='a \\'b\\'' user='c\\\\'");
    EXPECT_EQ(LaidOver("hostaddr=10.0.0.1 host=db", "host=/s"), "host=/s");
    EXPECT_EQ(LaidOver("user=forwarder", ""), "user=forwarder");
    EXPECT_EQ(LaidOver("host=/s user=forwarder", "service=admin"), "service=admin");
}

TEST(DoctorPolicy, APasswordDoesNotGoToAnotherUser)
{
    EXPECT_EQ(LaidOver("user=forwarder password=p", "user=postgres"), "user=postgres");
    EXPECT_EQ(LaidOver("user=forwarder password=p", "user=postgres password=q"), "password=q user=postgres");
    EXPECT_EQ(LaidOver("user=forwarder password=p", "dbname=x"), "dbname=x password=p user=forwarder");
}

TEST(DoctorPolicy, WhatCannotBeReadIsSaid)
{
    EXPECT_EQ(LaidOver("user=a", "nonsense"), std::nullopt);
    EXPECT_EQ(LaidOver("nonsense", "user=a"), std::nullopt);
}

TEST(DoctorPolicy, NothingIsAskedWhereThereIsNothing)
{
    ServerFacts server;
    server.settings["wal2lake.admin_role"] = "";
    EXPECT_FALSE(LookAtPolicy({}, "", server).has_value());
    server.extension = ExtensionFacts{"", "0.1.0", {}};
    EXPECT_FALSE(LookAtPolicy({}, "", server).has_value());
    server.extension->version = "0.1.0";
    server.settings.clear();
    EXPECT_FALSE(LookAtPolicy({}, "", server).has_value());
}

TEST(DoctorPolicy, RowsBecomeFindings)
{
    SourceReport report;
    PolicyFacts policy;
    policy.rows = {{"error", "e", "role a", "said", "REVOKE a FROM b;"},
                   {"warning", "w", "role b", "said", "Look; then think."},
                   {"info", "i", "role c", "said", ""},
                   {"of a later version", "l", "x", "said", ""}};
    report.policy = policy;
    std::vector<Finding> findings;
    FindingList list("cell1.main", &findings);
    JudgePolicy(report, &list);
    ASSERT_EQ(findings.size(), 4U);
    EXPECT_EQ(findings[0].code, Code::kPolicyError);
    EXPECT_EQ(findings[0].object, "e role a");
    EXPECT_EQ(findings[0].fixes.at(0).kind, Fix::Kind::kSql);
    EXPECT_EQ(findings[1].code, Code::kPolicyWarning);
    EXPECT_EQ(findings[1].fixes.at(0).kind, Fix::Kind::kAdvice);
    EXPECT_TRUE(findings[2].fixes.empty());
    EXPECT_EQ(findings[3].code, Code::kPolicyInfo);
}

} // namespace
} // namespace wal2lake
