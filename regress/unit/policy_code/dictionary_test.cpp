#include "policy_code/document.h"

#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

struct Read {
    std::vector<Dictionary> dictionaries;
    std::vector<PolicyFinding> findings;
};

Read Parse(const Documents& documents)
{
    Read read;
    read.dictionaries = ParseDictionaries("db/docs", documents, &read.findings);
    return read;
}

TEST(PolicyDictionary, TakesWhatAPolicyCanUse)
{
    const Read read = Parse({{"users.yml", "---\n"
                                           "table_name: users\n"
                                           "classes:\n- User\n"
                                           "feature_categories:\n- user_profile\n"
                                           "description: >-\n  People who\n  may sign in\n"
                                           "introduced_by_url: https://example.com/1#x\n"
                                           "milestone: '0.1'\n"
                                           "gitlab_schema: gitlab_main_user\n"
                                           "sharding_key:\n  organization_id: organizations\n"
                                           "ignored_columns:\n"
                                           "- encrypted_password\n"
                                           "- \"no\"\n"
                                           "- null\n"},
                             {"siphon/tables/merge_requests.yaml", "database: main\n"
                                                                   "schema: gitlab\n"
                                                                   "ignored_columns: [title_html]\n"
                                                                   "dedup_by: [id]\n"},
                             {"by_table.yml", "table: other\nignored_columns:\n"},
                             {"empty.yml", ""},
                             {"views/active.yml", "view_name: active\n"}});
    EXPECT_TRUE(read.findings.empty()) << read.findings[0].text;
    ASSERT_EQ(read.dictionaries.size(), 4U);
    EXPECT_EQ(read.dictionaries[0].table, "other");
    EXPECT_EQ(read.dictionaries[1].table, "empty");
    const Dictionary& merge_requests = read.dictionaries[2];
    EXPECT_EQ(merge_requests.schema, "gitlab");
    EXPECT_EQ(merge_requests.table, "merge_requests");
    EXPECT_EQ(merge_requests.ignored_columns, std::vector<std::string>{"title_html"});
    EXPECT_EQ(merge_requests.place, (Place{"db/docs/siphon/tables/merge_requests.yaml", 0}));
    const Dictionary& users = read.dictionaries[3];
    EXPECT_EQ(users.schema, "public");
    EXPECT_EQ(users.table, "users");
    EXPECT_EQ(users.description, "People who may sign in");
    EXPECT_EQ(users.ignored_columns, (std::vector<std::string>{"encrypted_password", "no", "null"}));
    EXPECT_EQ(users.place, (Place{"db/docs/users.yml", 2}));
}

TEST(PolicyDictionary, WhatCannotBeReadIsAFinding)
{
    const std::vector<std::pair<const char*, const char*>> cases{
        {"table_name: t\nignored_columns: a\n", "2 unreadable \"ignored_columns\" is no list"},
        {"table_name: t\nignored_columns:\n- [a]\n",
         "3 unreadable a column in \"ignored_columns\" is no name"},
        {"table_name: t\nignored_columns:\n- ''\n", "3 unreadable a name is empty"},
        {"table_name: t\ntable_name: u\n",
         "2 duplicate the key \"table_name\" is there twice, first in line 1"},
        {"table_name: [t]\n", "1 unreadable \"table_name\" has no single value"},
        {"schema_name:\n", "1 unreadable \"schema_name\" has no value"},
        {"- t\n", "1 unreadable the document is no mapping"},
        {"table_name: 't\n", "1 unreadable a text in quotes does not end"},
        {"table_name: {t\n", "unreadable it is no YAML"}};
    for (const auto& [text, told] : cases) {
        const Read read = Parse({{"t.yml", text}});
        ASSERT_EQ(read.findings.size(), 1U) << text;
        const PolicyFinding& finding = read.findings[0];
        const std::string all = std::to_string(finding.place.line) + " " + finding.code + " " + finding.text;
        EXPECT_NE(all.find(told), std::string::npos) << all;
        EXPECT_EQ(finding.place.file, "db/docs/t.yml");
        EXPECT_FALSE(finding.fix.empty());
    }
}

} // namespace
} // namespace wal2lake
