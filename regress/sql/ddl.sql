-- What a statement does that neither rows nor the shape of a table tell: Ddl records, in their place.
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE TABLE t (id int PRIMARY KEY, a text, b int);
SELECT count(*) FROM wal2lake.classify('t', 'green');
SELECT make_slot();
-- Renames, in one transaction with rows. The old name, the new one, and the number that stays.
BEGIN;
INSERT INTO t VALUES (1, 'one', 1);
ALTER TABLE t RENAME COLUMN a TO c;
INSERT INTO t VALUES (2, 'two', 2);
ALTER TABLE t RENAME TO u;
CREATE SCHEMA moved;
ALTER TABLE u SET SCHEMA moved;
ALTER TABLE moved.u SET SCHEMA moved;
ALTER SCHEMA moved RENAME TO "Moved on";
INSERT INTO "Moved on".u VALUES (3, 'three', 3);
COMMIT;
SELECT changes();
-- Two columns that swap their names.
BEGIN;
ALTER TABLE "Moved on".u RENAME c TO x;
ALTER TABLE "Moved on".u RENAME b TO c;
ALTER TABLE "Moved on".u RENAME x TO b;
COMMIT;
SELECT changes();
-- The statements that rename a table or its column under another word.
ALTER INDEX "Moved on".u RENAME TO v;
ALTER VIEW "Moved on".v RENAME COLUMN b TO d;
ALTER TABLE "Moved on".v RENAME TO u;
-- Nothing is told of what holds no rows, of what is rolled back, and of what does not exist.
CREATE VIEW w AS SELECT 1 AS one;
ALTER TABLE w RENAME COLUMN one TO uno;
ALTER TABLE w RENAME TO x;
CREATE SEQUENCE s;
ALTER TABLE s RENAME TO s2;
ALTER TABLE IF EXISTS nothing RENAME TO something;
ALTER TABLE "Moved on".u RENAME CONSTRAINT t_pkey TO u_pkey;
ALTER INDEX "Moved on".u_pkey RENAME TO u_key;
BEGIN;
ALTER TABLE "Moved on".u RENAME TO undone;
ROLLBACK;
DROP VIEW x;
DROP SEQUENCE s2;
SELECT changes();
-- Values that change in every row.
CREATE TABLE r (id int PRIMARY KEY, amount int, at timestamptz);
SELECT count(*) FROM wal2lake.classify('r', 'green');
INSERT INTO r VALUES (1, 10, '2026-01-01 00:00:00+00');
ALTER TABLE r ALTER COLUMN amount TYPE numeric(10, 2) USING amount / 3.0, ALTER COLUMN at TYPE text;
ALTER TABLE r ADD COLUMN made timestamptz DEFAULT clock_timestamp();
ALTER TABLE r ADD COLUMN twice numeric GENERATED ALWAYS AS (amount * 2) STORED;
-- A type that reads the same bytes, and what leaves values alone.
ALTER TABLE r ALTER COLUMN at TYPE varchar;
ALTER TABLE r ADD COLUMN plain int DEFAULT 7;
ALTER TABLE r ALTER COLUMN plain SET DEFAULT 8, ALTER COLUMN plain SET NOT NULL;
ALTER TABLE r REPLICA IDENTITY FULL;
CLUSTER r USING r_pkey;
VACUUM FULL r;
SELECT changes();
ALTER TABLE r DROP COLUMN twice, DROP COLUMN plain;
-- What is not logged has no changes, and what was not logged was never sent.
ALTER TABLE r SET UNLOGGED;
INSERT INTO r (id) VALUES (2);
ALTER TABLE r ALTER COLUMN amount TYPE text;
ALTER TABLE r SET LOGGED;
INSERT INTO r (id) VALUES (3);
SELECT changes();
-- Types whose values read differently.
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE pair AS (x int, y int);
ALTER TYPE mood ADD VALUE 'mad';
ALTER TYPE mood RENAME VALUE 'glad' TO 'happy';
ALTER TYPE pair ADD ATTRIBUTE z int;
ALTER TYPE pair DROP ATTRIBUTE z;
ALTER TYPE pair RENAME ATTRIBUTE y TO w;
ALTER TABLE r ADD COLUMN m mood, ADD COLUMN p pair;
DROP TYPE pair CASCADE;
SELECT changes();
-- A typed table is rewritten by its type.
CREATE TYPE shape AS (id int, name text);
CREATE TABLE typed OF shape (PRIMARY KEY (id));
ALTER TYPE shape ALTER ATTRIBUTE id TYPE bigint CASCADE;
ALTER TYPE shape RENAME ATTRIBUTE name TO label CASCADE;
SELECT changes();
DROP TYPE shape CASCADE;
-- Partitions: a rename, a drop and a rewrite of all, one by one; attached and detached.
CREATE TABLE parts (id int, v int, w text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE first PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE second (w text, v int, id int NOT NULL);
ALTER TABLE parts ATTACH PARTITION second FOR VALUES FROM (10) TO (20);
ALTER TABLE parts RENAME v TO value;
ALTER TABLE parts ALTER COLUMN value TYPE bigint;
ALTER TABLE parts DROP COLUMN w;
ALTER TABLE parts DETACH PARTITION first;
ALTER TABLE parts DETACH PARTITION second CONCURRENTLY;
-- A partition of an index is none of a table.
CREATE INDEX parts_value ON ONLY parts (value);
CREATE TABLE third PARTITION OF parts FOR VALUES FROM (20) TO (30);
CREATE INDEX ON first (value);
ALTER TABLE parts ATTACH PARTITION first FOR VALUES FROM (0) TO (10);
CREATE INDEX parts_id ON ONLY parts (id, value);
CREATE INDEX third_id ON third (id, value);
ALTER INDEX parts_id ATTACH PARTITION third_id;
-- The right one of those of a name, whatever else the transaction changed, and whatever the path.
CREATE SCHEMA other;
CREATE TABLE other.third (LIKE third);
BEGIN;
ALTER TABLE other.third RENAME value TO v;
ALTER TABLE parts DETACH PARTITION third;
ALTER TABLE third RENAME value TO v;
ALTER TABLE other.third RENAME v TO value;
SET LOCAL search_path = other, public;
ALTER TABLE parts ATTACH PARTITION third FOR VALUES FROM (30) TO (40);
ALTER TABLE parts DETACH PARTITION other.third;
COMMIT;
DROP SCHEMA other CASCADE;
DROP TABLE third;
SELECT changes();
-- A table that goes, whichever way. Not what is temporary, and not its columns one by one.
DROP TABLE parts, second;
CREATE SCHEMA doomed CREATE TABLE one (id int) CREATE TABLE two (id int);
CREATE TEMPORARY TABLE passing (id int, a int);
ALTER TABLE passing DROP COLUMN a;
ALTER TABLE passing ALTER COLUMN id TYPE bigint;
ALTER TABLE passing RENAME TO passed;
DROP TABLE passed;
DROP SCHEMA doomed CASCADE;
CREATE TABLE owned (id int);
ALTER TABLE owned OWNER TO wal2lake_owner;
DROP OWNED BY wal2lake_owner;
GRANT CREATE ON SCHEMA public TO wal2lake_owner;
CREATE MATERIALIZED VIEW mat AS SELECT 1 AS one;
ALTER MATERIALIZED VIEW mat RENAME TO mat2;
DROP MATERIALIZED VIEW mat2;
SELECT changes();
-- Rows that a statement makes come as rows.
CREATE TABLE made AS SELECT 1 AS id;
SELECT count(*) FROM wal2lake.classify('made', 'green');
SELECT 2 AS id INTO made2;
SELECT changes();
-- Whoever runs the statement, in whatever mode; the table stays empty.
SET ROLE wal2lake_owner;
SET search_path = pg_temp;
CREATE TABLE public.mine (id int);
ALTER TABLE public.mine RENAME TO mine2;
RESET search_path;
RESET ROLE;
SET session_replication_role = replica;
ALTER TABLE mine2 RENAME TO mine3;
-- As a subscription would, of a publication of all tables.
INSERT INTO wal2lake.ddl (kind, object, name, xid) VALUES ('drop_table', 1, 'of another server', '3');
INSERT INTO wal2lake.ddl (kind, object, name) VALUES ('drop_table', 1, 'of nobody');
DELETE FROM wal2lake.ddl;
RESET session_replication_role;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SAVEPOINT a;
ALTER TABLE mine3 RENAME TO lost;
ROLLBACK TO a;
DROP TABLE mine3;
COMMIT;
SELECT count(*) FROM wal2lake.ddl;
SELECT changes();
-- A publication of all tables asks for an identity of what is deleted.
CREATE PUBLICATION everything FOR ALL TABLES;
DROP TABLE made2;
DROP PUBLICATION everything;
SELECT changes();
-- Nothing may be written there but by the trigger: not by who may write everywhere, not by default privileges.
SET client_min_messages = notice;
CREATE ROLE wal2lake_writer;
GRANT pg_write_all_data, pg_read_all_data TO wal2lake_writer;
SET ROLE wal2lake_writer;
INSERT INTO wal2lake.ddl (kind, object) VALUES ('drop_table', 1);
RESET ROLE;
SET ROLE wal2lake_owner;
INSERT INTO wal2lake.ddl (kind, object) VALUES ('drop_table', 1);
SELECT count(*) FROM wal2lake.ddl;
DELETE FROM wal2lake.ddl;
TRUNCATE wal2lake.ddl;
ALTER TABLE wal2lake.ddl DISABLE ROW LEVEL SECURITY;
BEGIN;
LOCK TABLE wal2lake.ddl IN ROW EXCLUSIVE MODE;
ROLLBACK;
CREATE TABLE child () INHERITS (wal2lake.ddl);
SELECT wal2lake.tell_ddl();
SELECT count(*) FROM wal2lake.ddl_facts(NULL);
CREATE FUNCTION mine() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER mine ON sql_drop EXECUTE FUNCTION mine();
RESET ROLE;
DROP FUNCTION mine;
SELECT changes();
-- A table of that name that is not the extension's tells nothing, labels or not.
CREATE SCHEMA elsewhere;
CREATE TABLE elsewhere.ddl (kind name, object oid, name name);
INSERT INTO elsewhere.ddl VALUES ('drop_table', 1, 'forged');
SELECT changes();
SELECT count(*) FROM wal2lake.classify('elsewhere.ddl', 'green');
INSERT INTO elsewhere.ddl VALUES ('drop_table', 1, 'a row');
SELECT changes();
DROP SCHEMA elsewhere CASCADE;
-- The table needs no label and heeds none; whoever owns it may change it, and no rows of it leave.
SELECT count(*) FROM wal2lake.unclassified WHERE schema_name = 'wal2lake';
INSERT INTO pg_seclabel SELECT attrelid, 'pg_class'::regclass, attnum, 'wal2lake', 'green'
  FROM pg_attribute WHERE attrelid = 'wal2lake.ddl'::regclass AND attnum > 0;
BEGIN;
INSERT INTO wal2lake.ddl (kind, object, name, xid) VALUES ('by_a_later_version', 7, 'x', pg_current_xact_id()::xid);
UPDATE wal2lake.ddl SET name = 'y';
TRUNCATE wal2lake.ddl;
DROP TABLE made;
COMMIT;
SELECT changes();
DELETE FROM pg_seclabel WHERE objoid = 'wal2lake.ddl'::regclass;
-- As an upgrade of the extension would: columns that came, a column that is not what it was.
ALTER TABLE wal2lake.ddl ADD COLUMN later text, ADD COLUMN kept int;
ALTER TABLE wal2lake.ddl DROP COLUMN kept;
CREATE TABLE gone (id int);
ALTER TABLE gone RENAME TO gone2;
DROP TABLE gone2;
BEGIN;
ALTER TABLE wal2lake.ddl ALTER COLUMN name TYPE text, ALTER COLUMN later TYPE int USING length(later);
INSERT INTO wal2lake.ddl (kind, object, name, xid) VALUES ('drop_table', 9, 'not a name', pg_current_xact_id()::xid);
ALTER TABLE wal2lake.ddl ALTER COLUMN name TYPE name;
ALTER TABLE wal2lake.ddl DROP COLUMN later;
COMMIT;
SELECT changes();
-- Whatever goes wrong in the trigger, the statement goes on.
CREATE TABLE unlucky (id int);
ALTER TABLE wal2lake.ddl ADD CONSTRAINT never CHECK (name <> 'unlucky');
DROP TABLE unlucky;
ALTER TABLE wal2lake.ddl DROP CONSTRAINT never;
ALTER FUNCTION wal2lake.tell_ddl() OWNER TO wal2lake_owner;
CREATE TABLE unlucky (id int);
DROP TABLE unlucky;
ALTER FUNCTION wal2lake.tell_ddl() OWNER TO CURRENT_USER;
SELECT changes();
-- The extension goes and comes while the slot waits; what lies behind is told as it was.
CREATE TABLE before (id int);
DROP TABLE before;
DROP EXTENSION wal2lake;
CREATE TABLE between (id int);
DROP TABLE between;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO wal2lake_owner, PUBLIC;
BEGIN;
CREATE EXTENSION wal2lake;
CREATE TABLE after (id int);
DROP TABLE after;
COMMIT;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM wal2lake_owner, PUBLIC;
SELECT relacl FROM pg_class WHERE oid = 'wal2lake.ddl'::regclass AND cardinality(relacl) > 1;
ALTER EXTENSION wal2lake UPDATE;
CREATE TABLE after (id int);
DROP TABLE after;
SELECT changes();
-- An UPDATE or DELETE of a table without identity says so in its relation.
CREATE TABLE keyless (v text);
SELECT count(*) FROM wal2lake.classify('keyless', 'green');
INSERT INTO keyless VALUES ('a');
UPDATE keyless SET v = 'b';
DELETE FROM keyless;
SELECT changes();
SELECT drop_slot();
DROP TABLE keyless, r, "Moved on".u;
DROP SCHEMA "Moved on";
DROP TYPE mood;
DROP ROLE wal2lake_writer;
