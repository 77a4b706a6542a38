// What dumps of servers have that are newer than the grammar that they are read with.
#include <gtest/gtest.h>

#include "policy_code/structure.h"

namespace wal2lake
{
namespace
{

using Texts = std::vector<std::string>;

struct Columns {
    Texts names;
    size_t findings = 0;
};

// Of a table with column a, that one, and c.
Columns ColumnsWith(const std::string& element)
{
    std::vector<PolicyFinding> findings;
    const Schema schema = ParseStructure(
        "structure.sql", "CREATE TABLE public.t (\n    a text,\n    " + element + ",\n    c text\n);\n",
        &findings);
    Columns columns;
    columns.findings = findings.size();
    const SchemaTable* table = schema.Find("public", "t");
    EXPECT_NE(table, nullptr);
    if (table != nullptr)
        for (const SchemaColumn& column : table->columns)
            columns.names.push_back(column.name);
    return columns;
}

TEST(NewerDump, AVirtualColumnIsNoneWhateverIsBehindItsExpression)
{
    const std::string start = "b text GENERATED ALWAYS AS (upper(a))";
    for (const char* storage : {"", " VIRTUAL", " virtual"})
        for (const char* constraints :
             {"", " NOT NULL", " CONSTRAINT b_there NOT NULL", " CONSTRAINT long CHECK ((length(b) > 1))",
              " CONSTRAINT long CHECK ((b <> ' STORED '::text)) NOT NULL", " NOT NULL CHECK (b <> '')"}) {
            const Columns columns = ColumnsWith(start + storage + constraints);
            EXPECT_EQ(columns.names, (Texts{"a", "c"})) << storage << constraints;
            EXPECT_EQ(columns.findings, 0U) << storage << constraints;
        }
    EXPECT_EQ(ColumnsWith("b text COLLATE \"C\" NOT NULL GENERATED ALWAYS AS (upper(a))").names,
              (Texts{"a", "c"}));
}

TEST(NewerDump, WhatIsStoredIsAColumn)
{
    for (const char* element :
         {"b text GENERATED ALWAYS AS (upper(a)) STORED NOT NULL",
          "b text GENERATED ALWAYS AS (upper(a)) STORED NEW THING",
          "b text GENERATED ALWAYS AS (upper(a)) NEW THING", "b text NEW THING", "b text CONSTRAINT",
          "b text COLLATE", "b text DEFAULT 'GENERATED ALWAYS AS (a)' NEW",
          "b integer GENERATED ALWAYS AS IDENTITY NEW THING"})
        EXPECT_EQ(ColumnsWith(element).names, (Texts{"a", "b", "c"})) << element;
}

TEST(NewerDump, ATableInPartsKeepsItsArraysWhole)
{
    const Columns columns = ColumnsWith(
        "tags text[] DEFAULT ARRAY['x'::text, 'y'::text] NOT NULL,\n    v text"
        " GENERATED ALWAYS AS (upper(a)),\n    m integer[] DEFAULT ARRAY[ARRAY[1, 2], ARRAY[3, 4]]");
    EXPECT_EQ(columns.names, (Texts{"a", "tags", "m", "c"}));
    EXPECT_EQ(columns.findings, 0U);
}

} // namespace
} // namespace wal2lake
