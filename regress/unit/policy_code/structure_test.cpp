// What is read of a structure.sql.
#include "policy_code/structure.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

struct Read {
    Schema schema;
    std::vector<PolicyFinding> findings;

    explicit Read(const std::string& text) { schema = ParseStructure("structure.sql", text, &findings); }

    const SchemaTable& Table(const std::string& name, const std::string& in = "public") const
    {
        static const SchemaTable none{};
        const SchemaTable* table = schema.Find(in, name);
        EXPECT_NE(table, nullptr) << in << "." << name;
        return table == nullptr ? none : *table;
    }

    const SchemaColumn& Column(const std::string& table, const std::string& name) const
    {
        static const SchemaColumn none{};
        const SchemaColumn* column = Table(table).Find(name);
        EXPECT_NE(column, nullptr) << table << "." << name;
        return column == nullptr ? none : *column;
    }

    // code at line, for each finding.
    std::vector<std::string> Codes() const
    {
        std::vector<std::string> codes;
        for (const PolicyFinding& finding : findings) {
            EXPECT_EQ(finding.place.file, "structure.sql");
            EXPECT_FALSE(finding.text.empty());
            EXPECT_FALSE(finding.fix.empty());
            codes.push_back(finding.code + ":" + std::to_string(finding.place.line));
        }
        return codes;
    }
};

using Texts = std::vector<std::string>;

Texts Names(const SchemaTable& table)
{
    Texts names;
    for (const SchemaColumn& column : table.columns)
        names.push_back(column.name);
    return names;
}

Texts Keys(const SchemaTable& table)
{
    Texts names;
    for (const SchemaColumn& column : table.columns)
        if (column.is_key)
            names.push_back(column.name);
    return names;
}

// The order, the spelling and the commands are pg_dump's.
const std::string kDump = R"sql(--
-- PostgreSQL database dump
--

\restrict 0aBcD';$$"

-- Dumped from database version 15.14

SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
SET row_security = off;

CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;
COMMENT ON EXTENSION citext IS 'data type; "CREATE TABLE public.comment (a integer);"';

CREATE TYPE public.mood AS ENUM (
    'sad',
    'so;so'
);
ALTER TYPE public.mood OWNER TO app;

CREATE DOMAIN public.mail AS character varying(255)
	CONSTRAINT mail_check CHECK (((VALUE)::text ~ '@'::text));
CREATE DOMAIN public.work_mail AS public.mail;

CREATE FUNCTION public.f() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  CREATE TABLE public.inside (a integer);
END
$$;

SET default_tablespace = '';

CREATE TABLE public.users (
    id bigint NOT NULL,
    email public.mail NOT NULL,
    work public.work_mail,
    name character varying(255) DEFAULT 'a, (b;'::character varying,
    mood public.mood DEFAULT 'sad'::public.mood,
    code character(3),
    tags text[] DEFAULT '{}'::text[],
    score numeric(10,2),
    seen_at timestamp(6) with time zone,
    born timestamp without time zone,
    flag "char",
    nick public.citext,
    lower_email text GENERATED ALWAYS AS (lower(((email)::text || COALESCE(name, ''::character varying)))) STORED,
    "Odd ""Name""" integer
);

ALTER TABLE public.users OWNER TO app;
CREATE SEQUENCE public.users_id_seq START WITH 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1;
ALTER SEQUENCE public.users_id_seq OWNED BY public.users.id;

CREATE TABLE public.events (
    id bigint NOT NULL,
    user_id bigint,
    created_at timestamp with time zone NOT NULL
)
PARTITION BY RANGE (created_at);

CREATE TABLE parts.events_1 (
    id bigint NOT NULL,
    user_id bigint,
    created_at timestamp with time zone NOT NULL
);

CREATE UNLOGGED TABLE public.links (
    left_id bigint NOT NULL,
    right_id bigint NOT NULL,
    tenant integer
);

CREATE VIEW public.active AS
 SELECT users.id FROM public.users;
CREATE MATERIALIZED VIEW public.sums AS
 SELECT count(*) AS count FROM public.users
  WITH NO DATA;
CREATE FOREIGN TABLE public.far (
    a integer
)
SERVER elsewhere;

ALTER TABLE ONLY public.events ATTACH PARTITION parts.events_1 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
ALTER TABLE ONLY public.users ALTER COLUMN id SET DEFAULT nextval('public.users_id_seq'::regclass);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id, created_at);
CREATE INDEX i ON public.users USING btree (email);
CREATE UNIQUE INDEX links_both ON public.links USING btree (left_id, right_id);
ALTER TABLE ONLY public.links REPLICA IDENTITY USING INDEX links_both;
ALTER INDEX public.events_pkey ATTACH PARTITION parts.events_1_pkey;
CREATE TRIGGER t BEFORE INSERT ON public.users FOR EACH ROW EXECUTE FUNCTION public.f();
ALTER TABLE public.events
    ADD CONSTRAINT fk_user FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.links
    ADD CONSTRAINT fk_left FOREIGN KEY (left_id) REFERENCES public.users(id) NOT VALID;

\unrestrict 0aBcD';$$"
)sql";

TEST(Structure, ADumpIsReadInFull)
{
    const Read read(kDump);
    EXPECT_EQ(read.Codes(), Texts{});
    Texts tables;
    for (const SchemaTable& table : read.schema.tables)
        tables.push_back(table.schema + "." + table.name);
    EXPECT_EQ(tables, (Texts{"parts.events_1", "public.events", "public.links", "public.users"}));
    EXPECT_EQ(read.schema.views, (Texts{"public.active", "public.far", "public.sums"}));
    EXPECT_EQ(Names(read.Table("users")),
              (Texts{"id", "email", "work", "name", "mood", "code", "tags", "score", "seen_at", "born",
                     "flag", "nick", "lower_email", "Odd \"Name\""}));
    EXPECT_EQ(Keys(read.Table("users")), Texts{"id"});
    EXPECT_EQ(Keys(read.Table("events")), (Texts{"id", "created_at"}));
    EXPECT_EQ(Keys(read.Table("links")), (Texts{"left_id", "right_id"}));
    EXPECT_TRUE(read.Table("events").is_partitioned);
    EXPECT_FALSE(read.Table("events").is_partition);
    EXPECT_TRUE(read.Table("events_1", "parts").is_partition);
    EXPECT_FALSE(read.Table("users").is_partition);
    EXPECT_EQ(read.Column("events", "user_id").references,
              (std::vector<Reference>{{"public", "users", "id"}}));
    EXPECT_EQ(read.Column("links", "left_id").references,
              (std::vector<Reference>{{"public", "users", "id"}}));
    EXPECT_EQ(read.Column("users", "lower_email").generated_from, (Texts{"email", "name"}));
    EXPECT_EQ(read.Column("users", "name").generated_from, Texts{});
}

TEST(Structure, LinesAreThoseOfTheFile)
{
    const Read read(kDump);
    const auto line_of = [](const std::string& text) {
        const size_t at = kDump.find(text);
        EXPECT_NE(at, std::string::npos);
        return 1 + static_cast<size_t>(
                       std::count(kDump.begin(), kDump.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
    };
    EXPECT_EQ(read.Table("users").line, line_of("CREATE TABLE public.users"));
    EXPECT_EQ(read.Table("links").line, line_of("CREATE UNLOGGED"));
    EXPECT_EQ(read.Column("users", "id").line, line_of("    id bigint"));
    EXPECT_EQ(read.Column("users", "lower_email").line, line_of("    lower_email"));
    EXPECT_EQ(read.Column("links", "tenant").line, line_of("    tenant"));
    EXPECT_EQ(read.Column("users", "tags").attnum, 7);
}

TEST(Structure, Types)
{
    const Read read(kDump);
    const auto type = [&](const std::string& column) {
        const SchemaType& of = read.Column("users", column).type;
        return of.name + " " + std::to_string(of.base_oid) + (of.is_enum ? " enum" : "") +
               (of.is_array ? " array" : "");
    };
    EXPECT_EQ(type("id"), "bigint 20");
    EXPECT_EQ(type("email"), "public.mail 1043");
    EXPECT_EQ(type("work"), "public.work_mail 1043");
    EXPECT_EQ(type("name"), "character varying(255) 1043");
    EXPECT_EQ(type("mood"), "public.mood 0 enum");
    EXPECT_EQ(type("code"), "character(3) 1042");
    EXPECT_EQ(type("tags"), "text[] 0 array");
    EXPECT_EQ(type("score"), "numeric(10,2) 1700");
    EXPECT_EQ(type("seen_at"), "timestamp(6) with time zone 1184");
    EXPECT_EQ(type("born"), "timestamp without time zone 1114");
    EXPECT_EQ(type("flag"), "\"char\" 18");
    EXPECT_EQ(type("nick"), "public.citext 0");
}

TEST(Structure, TypesAsPeopleWriteThem)
{
    const Read read("CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN moods AS mood;\n"
                    "CREATE TABLE t (a bigserial PRIMARY KEY, b int, c char, d float, e varchar, f interval "
                    "day to second,"
                    " g geometry(Point,4326), h moods, i int[3][], j timestamptz(3), k decimal, l bool, m "
                    "json, n moods[],"
                    " o interval(3));");
    EXPECT_EQ(read.Codes(), Texts{});
    Texts types;
    for (const SchemaColumn& column : read.Table("t").columns)
        types.push_back(column.type.name);
    EXPECT_EQ(types,
              (Texts{"bigint", "integer", "character(1)", "double precision", "character varying", "interval",
                     "geometry(point,4326)", "moods", "integer[]", "timestamp(3) with time zone", "numeric",
                     "boolean", "json", "moods[]", "interval(3)"}));
    EXPECT_TRUE(read.Column("t", "h").type.is_enum);
    EXPECT_FALSE(read.Column("t", "n").type.is_enum);
    EXPECT_TRUE(read.Column("t", "n").type.is_array);
    EXPECT_EQ(Keys(read.Table("t")), Texts{"a"});
}

// GitLab's: names without a schema, partitions in schemas of their own.
TEST(Structure, TheSearchPathIsFollowed)
{
    const Read read(
        "SET search_path=public;\n\nCREATE SCHEMA parts;\n"
        "CREATE TABLE logs (id bigint NOT NULL, at timestamptz) PARTITION BY RANGE (at);\n"
        "CREATE TABLE parts.logs_1 PARTITION OF logs\nFOR VALUES FROM ('2026-01-01') TO ('2026-02-01');\n"
        "SET search_path = other, pg_catalog;\nCREATE TABLE t (a int, b integer);\n"
        "SET SESSION search_path TO DEFAULT;\nCREATE TABLE u (a int);\n");
    EXPECT_EQ(read.Codes(), Texts{});
    EXPECT_TRUE(read.Table("logs_1", "parts").is_partition);
    EXPECT_EQ(Names(read.Table("logs_1", "parts")), (Texts{"id", "at"}));
    EXPECT_EQ(Names(read.Table("t", "other")), (Texts{"a", "b"}));
    EXPECT_EQ(Names(read.Table("u")), Texts{"a"});
}

TEST(Structure, KeysAndReferencesOfAllKinds)
{
    const Read read(
        "CREATE TABLE a (id int PRIMARY KEY, code text UNIQUE, x int, y int, UNIQUE (x, y));\n"
        "CREATE TABLE b (a_id int REFERENCES a, code text REFERENCES a (code), x int, y int,"
        " FOREIGN KEY (x, y) REFERENCES a (x, y), self int REFERENCES b (self));\n"
        "ALTER TABLE b ADD CONSTRAINT b_pkey PRIMARY KEY (a_id) INCLUDE (code);\n"
        "ALTER TABLE a REPLICA IDENTITY USING INDEX a_code_key;\n"
        "CREATE TABLE c (p int, q int, r int);\n"
        "CREATE UNIQUE INDEX CONCURRENTLY c_i ON c (q, p) WHERE r > 0;\n"
        "ALTER TABLE c ADD CONSTRAINT c_pkey PRIMARY KEY USING INDEX c_i, ADD FOREIGN KEY (r) REFERENCES a;\n"
        "CREATE TABLE d (k int PRIMARY KEY);\nALTER TABLE d REPLICA IDENTITY USING INDEX d_pkey;\n"
        "CREATE TABLE e (k int PRIMARY KEY);\nALTER TABLE e REPLICA IDENTITY FULL;\n");
    EXPECT_EQ(read.Codes(), Texts{});
    using References = std::vector<Reference>;
    EXPECT_EQ(Keys(read.Table("a")), (Texts{"id", "code"}));
    EXPECT_EQ(Keys(read.Table("b")), Texts{"a_id"});
    EXPECT_EQ(Keys(read.Table("c")), (Texts{"p", "q"}));
    EXPECT_EQ(Keys(read.Table("d")), Texts{"k"});
    EXPECT_EQ(read.Column("b", "a_id").references, (References{{"public", "a", "id"}}));
    EXPECT_EQ(read.Column("b", "code").references, (References{{"public", "a", "code"}}));
    EXPECT_EQ(read.Column("b", "y").references, (References{{"public", "a", "y"}}));
    EXPECT_EQ(read.Column("b", "self").references, (References{{"public", "b", "self"}}));
    EXPECT_EQ(read.Column("c", "r").references, (References{{"public", "a", "id"}}));
}

TEST(Structure, WhatIsAlteredLater)
{
    const Read read(
        "CREATE TABLE a (id int PRIMARY KEY, old int, gone text, g int GENERATED ALWAYS AS (old) STORED);\n"
        "CREATE TABLE b (a_id int REFERENCES a (id), CONSTRAINT f FOREIGN KEY (a_id) REFERENCES a);\n"
        "ALTER TABLE a ADD COLUMN late text,\n  DROP COLUMN gone, ALTER COLUMN old TYPE bigint;\n"
        "ALTER TABLE a RENAME COLUMN old TO young;\nALTER TABLE a RENAME COLUMN id TO key;\n"
        "ALTER TABLE a RENAME TO aa;\nALTER TABLE b SET SCHEMA other;\n"
        "CREATE TABLE c (x int);\nDROP TABLE c;\nCREATE VIEW v AS SELECT 1;\nDROP VIEW v;\n"
        "CREATE TABLE d (x int PRIMARY KEY);\nALTER TABLE d DROP CONSTRAINT d_pkey;\n"
        "CREATE TABLE p (x int) PARTITION BY LIST (x);\nCREATE TABLE q (x int);\n"
        "ALTER TABLE p ATTACH PARTITION q DEFAULT;\nALTER TABLE p DETACH PARTITION q;\n");
    EXPECT_EQ(read.Codes(), Texts{});
    EXPECT_EQ(Names(read.Table("aa")), (Texts{"key", "young", "g", "late"}));
    EXPECT_EQ(read.Column("aa", "young").type.name, "bigint");
    EXPECT_EQ(read.Column("aa", "late").line, 3U);
    EXPECT_EQ(read.Column("aa", "late").attnum, 5);
    EXPECT_EQ(read.Column("aa", "g").generated_from, Texts{"young"});
    EXPECT_EQ(Keys(read.Table("aa")), Texts{"key"});
    const SchemaColumn* reference = read.Table("b", "other").Find("a_id");
    ASSERT_NE(reference, nullptr);
    EXPECT_EQ(reference->references, (std::vector<Reference>{{"public", "aa", "key"}})) << "said once";
    EXPECT_EQ(read.schema.Find("public", "c"), nullptr);
    EXPECT_EQ(read.schema.views, Texts{});
    EXPECT_EQ(Keys(read.Table("d")), Texts{});
    EXPECT_FALSE(read.Table("q").is_partition);
}

TEST(Structure, HeirsHaveTheColumnsOfTheirParents)
{
    const Read read(
        "CREATE TABLE a (id int PRIMARY KEY, x text);\nCREATE TABLE b (x text, y int) INHERITS (a);\n"
        "CREATE TABLE c (z int, LIKE a INCLUDING ALL);\n");
    EXPECT_EQ(read.Codes(), Texts{});
    EXPECT_EQ(Names(read.Table("b")), (Texts{"id", "x", "y"}));
    EXPECT_FALSE(read.Table("b").is_partition);
    EXPECT_EQ(Keys(read.Table("b")), Texts{});
    EXPECT_EQ(Names(read.Table("c")), (Texts{"z", "id", "x"}));
    EXPECT_EQ(Keys(read.Table("c")), Texts{"id"});
}

TEST(Structure, AnHeirsOwnDefinitionIsAdded)
{
    const Read read("CREATE TABLE a (b text, c text, g text, h text GENERATED ALWAYS AS (b) STORED);\n"
                    "CREATE TABLE heir (\n    g character varying GENERATED ALWAYS AS (b) STORED,\n"
                    "    h text GENERATED ALWAYS AS (c) STORED) INHERITS (a);\n");
    EXPECT_EQ(read.Codes(), Texts{});
    EXPECT_EQ(Names(read.Table("heir")), (Texts{"b", "c", "g", "h"}));
    EXPECT_EQ(read.Column("heir", "g").generated_from, Texts{"b"});
    EXPECT_EQ(read.Column("heir", "g").type.name, "character varying");
    EXPECT_EQ(read.Column("heir", "g").line, 3U);
    EXPECT_EQ(read.Column("heir", "h").generated_from, (Texts{"b", "c"}));
    EXPECT_EQ(read.Column("a", "g").generated_from, Texts{}) << "an heir has a document of its own";
}

// Since PostgreSQL 16 each partition may have its own expression; none has a document.
TEST(Structure, WhatPartitionsAreGeneratedFromIsSaidOfTheRoot)
{
    const std::string columns = " (k int, nick text, ssn text, g text GENERATED ALWAYS AS (";
    const std::string root = "CREATE TABLE root" + columns + "nick) STORED) PARTITION BY LIST (k);\n";
    const std::string leaf = "CREATE TABLE leaf" + columns + "ssn) STORED);\n";
    const std::string attach = "ALTER TABLE ONLY root ATTACH PARTITION leaf FOR VALUES IN (1);\n";
    const std::string partition_of =
        "CREATE TABLE leaf PARTITION OF root (g GENERATED ALWAYS AS (ssn) STORED) DEFAULT;\n";
    const std::string middle = "CREATE TABLE middle" + columns + "nick) STORED) PARTITION BY LIST (k);\n" +
                               "ALTER TABLE ONLY middle ATTACH PARTITION leaf DEFAULT;\n"
                               "ALTER TABLE ONLY root ATTACH PARTITION middle DEFAULT;\n";
    const Texts both{"nick", "ssn"};
    const std::vector<std::pair<std::string, Texts>> cases{
        {root + leaf, {"nick"}},
        {root + leaf + attach, both},
        {leaf + root + attach + "ALTER TABLE root RENAME TO root2; ALTER TABLE root2 RENAME TO root;", both},
        {root + partition_of, both},
        {root + leaf + middle, both},
        {root + leaf + attach + "ALTER TABLE root DETACH PARTITION leaf;\n", {"nick"}},
        {root + leaf + attach + "DROP TABLE leaf;\n", {"nick"}},
        {root + leaf + attach + "ALTER TABLE root RENAME ssn TO x; ALTER TABLE root RENAME nick TO y;",
         {"y", "x"}}};
    for (const auto& [text, from] : cases) {
        const Read read(text);
        EXPECT_EQ(read.Codes(), Texts{}) << text;
        EXPECT_EQ(read.Column("root", "g").generated_from, from) << text;
    }
    EXPECT_EQ(Read(root + partition_of).Column("leaf", "g").type.name, "text");
}

TEST(Structure, WhatIsAddedToATableItsHeirsHave)
{
    for (const std::string heirs :
         {"CREATE TABLE a (k int);\nCREATE TABLE b () INHERITS (a);\nCREATE TABLE c () INHERITS (b);\n",
          "CREATE TABLE a (k int) PARTITION BY LIST (k);\nCREATE TABLE b PARTITION OF a DEFAULT PARTITION BY "
          "LIST (k);\nCREATE TABLE c PARTITION OF b DEFAULT;\n",
          "CREATE TABLE a (k int);\nCREATE TABLE b (k int);\nALTER TABLE b INHERIT a;\n"
          "CREATE TABLE c () INHERITS (b, a);"})
        for (const std::string only : {"", "ONLY "}) {
            const Read read(heirs + "\nALTER TABLE " + only +
                            "a ADD COLUMN ssn int;\nALTER TABLE a ALTER COLUMN ssn TYPE text;\n"
                            "ALTER TABLE a RENAME COLUMN k TO key;\n");
            EXPECT_EQ(read.Codes(), Texts{}) << heirs;
            for (const char* name : {"a", "b", "c"}) {
                EXPECT_EQ(Names(read.Table(name)), (Texts{"key", "ssn"})) << heirs << name;
                EXPECT_EQ(read.Column(name, "ssn").type.name, "text") << heirs << name;
            }
        }
}

TEST(Structure, ColumnsThatAreThereAreNotAddedAgain)
{
    const Read read("CREATE TABLE a (k int, x text);\nCREATE TABLE b (y int) INHERITS (a);\n"
                    "ALTER TABLE a ADD COLUMN IF NOT EXISTS x int, ADD COLUMN y int;\n"
                    "CREATE TABLE d (k int);\nALTER TABLE a NO INHERIT b;\nALTER TABLE b NO INHERIT a;\n"
                    "ALTER TABLE a ADD COLUMN z int;\n");
    EXPECT_EQ(read.Codes(), Texts{});
    EXPECT_EQ(read.Column("a", "x").type.name, "text");
    EXPECT_EQ(Names(read.Table("a")), (Texts{"k", "x", "y", "z"}));
    EXPECT_EQ(Names(read.Table("b")), (Texts{"k", "x", "y"}));
}

// No server has them, a file may.
TEST(Structure, HeirsInACircleEnd)
{
    const Read read(
        "CREATE TABLE a (k int, g int GENERATED ALWAYS AS (k) STORED);\nCREATE TABLE b () INHERITS (a);\n"
        "ALTER TABLE a INHERIT b;\nALTER TABLE a ADD COLUMN x int;\n"
        "ALTER TABLE a ATTACH PARTITION b DEFAULT;\nALTER TABLE b ATTACH PARTITION a DEFAULT;\n");
    EXPECT_EQ(Names(read.Table("a")), (Texts{"k", "g", "x"}));
    EXPECT_EQ(Names(read.Table("b")), (Texts{"k", "g", "x"}));
}

TEST(Structure, ATemporaryTableHidesAnother)
{
    const std::string table = "CREATE TABLE public.k (id int, email text);\n";
    const std::string temporary = "CREATE TEMP TABLE k (id int, email text);\n";
    const Texts whole{"id", "email"};
    const std::vector<std::pair<std::string, Texts>> cases{
        {table + temporary + "ALTER TABLE k DROP COLUMN email;", whole},
        {temporary + table + "ALTER TABLE k RENAME COLUMN email TO x;", whole},
        {table + "CREATE TEMP TABLE k AS SELECT 1;\nALTER TABLE k ADD COLUMN x int;", whole},
        {table + "CREATE TABLE pg_temp.k (email text);\nALTER TABLE pg_temp.k DROP COLUMN email;", whole},
        {table + "SET search_path = pg_temp, public;\nCREATE TABLE k ();\nALTER TABLE k DROP email;", whole},
        {table + temporary + "ALTER TABLE public.k DROP COLUMN email;", {"id"}},
        {table + temporary + "DROP TABLE k;\nALTER TABLE k DROP COLUMN email;", {"id"}},
        {table + temporary + "ALTER TABLE k RENAME TO l;\nALTER TABLE k DROP COLUMN email;", {"id"}},
        {table + "CREATE TEMP VIEW k AS SELECT 1;\nDROP VIEW k;\nALTER TABLE k DROP COLUMN email;", {"id"}},
        {table + temporary + "SET search_path = public, pg_temp;\nALTER TABLE k DROP COLUMN email;", {"id"}}};
    for (const auto& [text, columns] : cases) {
        const Read read(text);
        EXPECT_EQ(read.Codes(), Texts{}) << text;
        EXPECT_EQ(Names(read.Table("k")), columns) << text;
        EXPECT_EQ(read.schema.tables.size(), 1U) << text;
    }
}

TEST(Structure, WhatIsCreatedWithASchemaIsInIt)
{
    const Read read(
        "CREATE SCHEMA app\n    CREATE VIEW v AS SELECT 1\n    CREATE TABLE app.u (id int PRIMARY KEY)"
        "\n    CREATE TABLE w (\n        u_id int REFERENCES u);\n"
        "CREATE SCHEMA AUTHORIZATION joe CREATE TABLE x (a int);\nCREATE SCHEMA IF NOT EXISTS y;\n"
        "CREATE TABLE z (a int);\n");
    EXPECT_EQ(read.Codes(), Texts{});
    EXPECT_EQ(read.schema.views, Texts{"app.v"});
    EXPECT_EQ(Keys(read.Table("u", "app")), Texts{"id"});
    EXPECT_EQ(read.Table("w", "app").line, 4U);
    const SchemaColumn* reference = read.Table("w", "app").Find("u_id");
    ASSERT_NE(reference, nullptr);
    EXPECT_EQ(reference->references, (std::vector<Reference>{{"app", "u", "id"}}));
    EXPECT_EQ(Names(read.Table("x", "joe")), Texts{"a"});
    EXPECT_EQ(Names(read.Table("z")), Texts{"a"});
}

TEST(Structure, ASchemaThatIsNotReadIsAnError)
{
    for (const std::string text : {"CREATE SCHEMA app CREATE TABLE u (a int NEW THING);",
                                   "CREATE SCHEMA AUTHORIZATION CURRENT_USER CREATE TABLE u (a int);"}) {
        const Read read("CREATE TABLE a (x int);\n" + text);
        ASSERT_EQ(read.Codes(), Texts{"structure-unreadable:2"}) << text;
        EXPECT_EQ(read.findings[0].severity, PolicySeverity::kError) << text;
    }
}

TEST(Structure, TemporaryOnesArePassedOver)
{
    const Read read("CREATE TEMP TABLE a (x int);\nCREATE TEMPORARY VIEW b AS SELECT 1;\n"
                    "CREATE LOCAL TEMPORARY TABLE c AS SELECT 1;\nCREATE TABLE pg_temp.d (x int);\n"
                    "ALTER TABLE a ADD PRIMARY KEY (x);\nCREATE TABLE e (x int);\n");
    EXPECT_EQ(read.Codes(), Texts{});
    EXPECT_EQ(read.schema.views, Texts{});
    EXPECT_EQ(read.schema.Find("public", "a"), nullptr);
}

TEST(Structure, HostileNames)
{
    const Read read(
        "CREATE TABLE \"sel;ect\".\"a\"\"b\n\\restrict x\" (\"c'd\" int PRIMARY KEY, \"$$\" text, \"E\" int, "
        "e int, \"select\" text, \xC3\xA9t\xC3\xA9 int);\nCREATE TABLE after (a int);\n");
    EXPECT_EQ(read.Codes(), Texts{});
    EXPECT_EQ(Names(read.Table("a\"b\n\\restrict x", "sel;ect")),
              (Texts{"c'd", "$$", "E", "e", "select", "\xC3\xA9t\xC3\xA9"}));
    EXPECT_EQ(read.Column("after", "a").line, 3U);
}

TEST(Structure, WhatIsNewerIsSaidAndTheRestIsRead)
{
    const Read read(
        "CREATE TABLE a (\n    id bigint NOT NULL,\n    email text,\n"
        "    lower text GENERATED ALWAYS AS (lower(email)) VIRTUAL,\n    late integer,\n"
        "    CONSTRAINT n NOT NULL email NO INHERIT,\n    CONSTRAINT a_pkey PRIMARY KEY (id)\n)\n"
        "PARTITION BY HASH (id);\n\nALTER TABLE a\n    ADD CONSTRAINT m NOT NULL late NOT VALID;\n"
        "CREATE TABLE b (a int);\n");
    EXPECT_EQ(read.Codes(), (Texts{"structure-unreadable:6", "structure-unreadable:12"}));
    EXPECT_EQ(read.findings[0].object, "public.a");
    EXPECT_EQ(Names(read.Table("a")), (Texts{"id", "email", "late"})) << "what is virtual is never sent";
    EXPECT_EQ(read.Column("a", "late").line, 5U);
    EXPECT_EQ(Keys(read.Table("a")), Texts{"id"});
    EXPECT_TRUE(read.Table("a").is_partitioned);
    EXPECT_EQ(Names(read.Table("b")), Texts{"a"});
}

TEST(Structure, AVirtualColumnIsNone)
{
    const Read read("CREATE TABLE a (id bigint, b text GENERATED ALWAYS AS (upper('x'::text)), c text,\n"
                    "    d text GENERATED ALWAYS AS (b || c) STORED);\n");
    EXPECT_EQ(read.Codes(), Texts{});
    EXPECT_EQ(Names(read.Table("a")), (Texts{"id", "c", "d"}));
}

// Neither has anything to do with a policy.
TEST(Structure, NewQueriesOfViewsAndNewIndexesAreNoMatter)
{
    const Read read(
        "CREATE VIEW v AS\n SELECT 1 2 THING;\nCREATE MATERIALIZED VIEW w AS SELECT 1 2 THING;\n"
        "CREATE TABLE t (a int);\nCREATE UNIQUE INDEX i ON t (a) NEW THING;\n"
        "CREATE UNIQUE INDEX j ON t (a NEW THING);\nALTER TABLE t REPLICA IDENTITY USING INDEX j;\n");
    EXPECT_EQ(read.Codes(), Texts{"structure-unreadable:7"});
    EXPECT_EQ(read.schema.views, (Texts{"public.v", "public.w"}));
}

TEST(Structure, WhatIsBehindTheColumnsIsSaid)
{
    const Read read("CREATE TABLE a (id int) NEW THING;\n");
    EXPECT_EQ(read.Codes(), Texts{"structure-unreadable:1"});
    EXPECT_EQ(Names(read.Table("a")), Texts{"id"});
}

std::string Repeated(const std::string& text, size_t times)
{
    std::string all;
    for (size_t i = 0; i < times; i++)
        all += text;
    return all;
}

// Deeper than any server accepts; parser and messages recurse.
TEST(Structure, ExpressionsOfAnyDepth)
{
    constexpr size_t kDepth = 20'000;
    const std::vector<std::pair<std::string, std::string>> nested{
        {"b + ", ""},  {"NOT ", ""},      {"[", "]"},
        {"(", ")"},    {"- ", ""},        {"f(", ")"},
        {"ROW(", ")"}, {"(SELECT ", ")"}, {"CASE WHEN true THEN ", " END"}};
    for (const auto& [before, behind] : nested) {
        const std::string expression =
            (before == "[" ? "ARRAY" : "") + Repeated(before, kDepth) + "b" + Repeated(behind, kDepth);
        const Read read("CREATE TABLE a (b int, c int GENERATED ALWAYS AS (" + expression +
                        ") STORED, d text);\nCREATE TABLE e (f int);\n");
        // The parser itself gives up what it would have to remember.
        EXPECT_EQ(Names(read.Table("a")), (Texts{"b", "c", "d"})) << before;
        EXPECT_EQ(Names(read.Table("e")), Texts{"f"}) << before;
        if (read.findings.empty())
            EXPECT_EQ(read.Column("a", "c").generated_from, Texts{"b"}) << before;
        else
            EXPECT_EQ(read.Codes(), Texts{"structure-unreadable:1"}) << before;
    }
}

TEST(Structure, AStatementThatIsTooLongIsSaid)
{
    const Read read("CREATE TABLE a (b int DEFAULT 1" + Repeated(" + 1", 300'000) +
                    ");\nCREATE TABLE e (f int);\n");
    EXPECT_EQ(read.Codes(), Texts{"structure-unreadable:1"});
    EXPECT_EQ(read.schema.tables.size(), 1U);
    EXPECT_EQ(Names(read.Table("e")), Texts{"f"});
}

TEST(Structure, NothingAboutATableIsLostInSilence)
{
    for (const std::string text :
         {"CREATE TABLE a (x WHAT EVER);", "CREATE TABLE;", "CREATE TABLE a AS SELECT 1;",
          "CREATE TABLE a OF b;", "CREATE TABLE a () INHERITS (nobody);", "CREATE TABLE a (LIKE nobody);",
          "ALTER TABLE a NEW THING;",
          "CREATE TABLE a (x int);\nALTER TABLE a REPLICA IDENTITY USING INDEX i;", "CREATE TYPE;",
          "CREATE TABLE a (x int", "DROP TABLE;"})
        EXPECT_EQ(Read(text).findings.size(), 1U) << text;
    for (const std::string text :
         {"", "CREATE FUNCTION NONSENSE;", "NONSENSE;", "CREATE UNIQUE INDEX i ON nobody (x);",
          "ALTER TABLE nobody ADD COLUMN x int;"})
        EXPECT_EQ(Read("CREATE TABLE a ();" + text).findings.size(), 0U) << text;
}

TEST(Structure, AByteOrderMarkIsNoMatter)
{
    const Read read("\xEF\xBB\xBF"
                    "CREATE TABLE a (x int);\nCREATE TABLE b (x WHAT EVER, y int);\n");
    EXPECT_EQ(read.Codes(), Texts{"structure-unreadable:2"});
    EXPECT_EQ(read.Column("a", "x").line, 1U);
    EXPECT_EQ(read.Column("b", "y").line, 2U);
}

TEST(Structure, WhatNeverEndsIsSaidWhereItBegins)
{
    const std::string rest = ";\nCREATE TABLE gone (x int);\n";
    const std::vector<std::pair<std::string, std::string>> cases{
        {"COMMENT ON TABLE a IS\n'it", "quote"},
        {"COMMENT ON TABLE\n\"a IS 'it'", "quote"},
        {"CREATE FUNCTION f() AS\n$body$ x $$ $body", "quote"},
        {"\n/* all /* of */ it", "comment"},
        {"CREATE TABLE b (y int) -- c\n/* it", "comment"},
        {"CREATE FUNCTION f\n(a int, (b)", "parenthesis"},
        {"SELECT 1;\nCOPY a (x) FROM stdin", "COPY"},
        {"CREATE TABLE b\n(y int", "parenthesis"}};
    for (const auto& [text, what] : cases) {
        const Read read("CREATE TABLE a (x int);\n" + text + rest);
        ASSERT_EQ(read.Codes(), Texts{"structure-unreadable:3"}) << text;
        EXPECT_EQ(read.findings[0].severity, PolicySeverity::kError) << text;
        EXPECT_NE(read.findings[0].text.find(what), std::string::npos) << read.findings[0].text;
        EXPECT_EQ(read.schema.tables.size(), 1U) << text;
    }
}

TEST(Structure, AFileThatIsNotTextIsAnError)
{
    const std::string table = "CREATE TABLE a (x int);\n";
    std::string utf16 = "\xFF\xFE";
    for (const char c : table)
        utf16 += std::string{c, '\0'};
    const std::vector<std::pair<std::string, int>> cases{{utf16, 1},
                                                         {utf16.substr(2), 1},
                                                         {table + "CREATE TABLE caf\xE9 (x int);\n", 2},
                                                         {table + "\xC3", 2}};
    for (const auto& [text, line] : cases) {
        const Read read(text);
        ASSERT_EQ(read.Codes(), Texts{"structure-unreadable:" + std::to_string(line)}) << text;
        EXPECT_EQ(read.findings[0].severity, PolicySeverity::kError);
        EXPECT_NE(read.findings[0].fix.find("--encoding=UTF8"), std::string::npos);
        EXPECT_TRUE(read.schema.tables.empty());
    }
}

TEST(Structure, AFileWithoutATableIsAnError)
{
    for (const std::string text : {"", "\n-- nothing\n", "version: 1\ntables:\n", "SELECT 1;",
                                   "CREATE TEMP TABLE a (x int);", "CREATE TABLE a (x int); DROP TABLE a;"}) {
        const Read read(text);
        ASSERT_EQ(read.Codes(), Texts{"structure-unreadable:1"}) << text;
        EXPECT_EQ(read.findings[0].severity, PolicySeverity::kError) << text;
    }
    EXPECT_EQ(Read("CREATE VIEW v AS SELECT 1;").Codes(), Texts{});
}

TEST(Structure, LabelsInTheFileAreSaidOnce)
{
    const Read read("CREATE TABLE a (x int);\nSECURITY LABEL FOR selinux ON TABLE a IS 'x';\n"
                    "SECURITY LABEL FOR wal2lake ON COLUMN a.x IS 'green';\n"
                    "SECURITY LABEL FOR wal2lake ON TABLE a IS 'exclude';\n");
    ASSERT_EQ(read.Codes(), Texts{"labels-in-structure:3"});
    EXPECT_EQ(read.findings[0].severity, PolicySeverity::kInfo);
    EXPECT_NE(read.findings[0].fix.find("--no-security-labels"), std::string::npos);
    EXPECT_EQ(read.Column("a", "x").label, std::nullopt);
}

TEST(Structure, ManyTables)
{
    std::string text;
    for (int i = 0; i < 1000; i++) {
        const std::string name = "public.table_" + std::to_string(i);
        text += "CREATE TABLE " + name + " (\n    id bigint NOT NULL";
        for (int j = 1; j < 15; j++)
            text += ",\n    column_" + std::to_string(j) +
                    " character varying(255) DEFAULT 'x'::character varying NOT NULL";
        text += "\n);\nALTER TABLE ONLY " + name + "\n    ADD CONSTRAINT p_" + std::to_string(i) +
                " PRIMARY KEY (id);\n";
        text += "CREATE INDEX i ON " + name + " USING btree (column_1);\n";
    }
    const Read read(text);
    EXPECT_EQ(read.Codes(), Texts{});
    ASSERT_EQ(read.schema.tables.size(), 1000U);
    size_t columns = 0;
    for (const SchemaTable& table : read.schema.tables)
        columns += table.columns.size();
    EXPECT_EQ(columns, 15000U);
    EXPECT_EQ(Keys(read.Table("table_999")), Texts{"id"});
}

} // namespace
} // namespace wal2lake
