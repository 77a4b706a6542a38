-- Labels that were declared before there was anything to label: on from the first row, in the transaction of the migration.
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE declared_admin IN ROLE wal2lake_admin;
CREATE ROLE declared_migrator;
CREATE ROLE declared_writer IN ROLE pg_write_all_data;
GRANT CREATE ON SCHEMA public TO declared_migrator;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO declared_migrator', current_database()); END $$;
GRANT EXECUTE ON FUNCTION wal2lake.declare(name, name, name[], text[]) TO declared_admin, wal2lake_owner;
CREATE VIEW labels AS SELECT schema_name, table_name, column_name, label FROM wal2lake.policy ORDER BY 1, 2, 3;
CREATE VIEW declarations AS
SELECT schema_name, table_name, column_name, label, declared_by, matched_at IS NOT NULL AS matched FROM wal2lake.declared ORDER BY 1, 2, 3;
SELECT make_slot();
-- A table, its rows, a column without a declaration: by a role that knows nothing of wal2lake.
SET ROLE declared_admin;
SELECT wal2lake.declare('public', 'ahead', '{id,email,bio}', '{green,red hash domain=email,red drop}');
SET ROLE declared_migrator;
BEGIN;
CREATE TABLE ahead (id int PRIMARY KEY, email text, bio text, surprise text);
INSERT INTO ahead VALUES (1, 'ada@example.com', 'canary', 'canary');
COMMIT;
RESET ROLE;
SELECT changes();
SELECT * FROM declarations;
-- Columns that come later, with a default and without, in one statement; what was matched stays so.
SET ROLE declared_admin;
SELECT wal2lake.declare('public', 'ahead', '{id,email,bio,later,token,nothing}',
                        '{green,red hash domain=email,red drop,green,red hash domain=email,red drop}');
SET ROLE declared_migrator;
BEGIN;
ALTER TABLE ahead ADD COLUMN later text DEFAULT 'as of old', ADD COLUMN token text DEFAULT 'ada@example.com', ADD COLUMN nothing int;
UPDATE ahead SET nothing = 1;
ALTER TABLE ahead ALTER COLUMN later SET DEFAULT 'as of now';
INSERT INTO ahead VALUES (2);
COMMIT;
RESET ROLE;
SELECT changes();
-- Once: what the admin takes away stays away, whatever is altered.
SECURITY LABEL FOR wal2lake ON COLUMN ahead.later IS NULL;
SET ROLE declared_migrator;
ALTER TABLE ahead ADD COLUMN other int;
ALTER TABLE ahead RENAME TO elsewhere;
ALTER TABLE elsewhere RENAME TO ahead;
ALTER TABLE ahead RENAME COLUMN later TO sooner;
ALTER TABLE ahead ADD COLUMN later text;
RESET ROLE;
SELECT * FROM labels WHERE column_name IN ('later', 'sooner');
-- Also once it is gone, as what the admin has changed does; unless it is declared anew.
SECURITY LABEL FOR wal2lake ON COLUMN ahead.nothing IS 'regulated_red';
SET ROLE declared_migrator;
ALTER TABLE ahead DROP COLUMN sooner, DROP COLUMN nothing, DROP COLUMN later;
ALTER TABLE ahead ADD COLUMN later text, ADD COLUMN nothing int;
RESET ROLE;
SELECT * FROM labels WHERE column_name IN ('later', 'nothing');
ALTER TABLE ahead DROP COLUMN later;
SELECT wal2lake.declare('public', 'ahead', '{id,email,bio,later,token}', '{green,red hash domain=email,red drop,green,red hash domain=email}');
ALTER TABLE ahead ADD COLUMN later text;
SELECT * FROM labels WHERE column_name = 'later';
-- Open again once it is gone with its label; also within one migration, and where it is undone.
SET ROLE declared_migrator;
ALTER TABLE ahead DROP COLUMN token;
ALTER TABLE ahead ADD COLUMN token text;
RESET ROLE;
SELECT * FROM labels WHERE column_name = 'token';
SET ROLE declared_migrator;
BEGIN;
DROP TABLE ahead;
CREATE TABLE ahead (id int PRIMARY KEY, email text);
INSERT INTO ahead VALUES (1, 'ada@example.com');
DROP TABLE ahead;
CREATE TABLE ahead (email text, id int PRIMARY KEY);
INSERT INTO ahead VALUES ('ada@example.com', 2);
SAVEPOINT s;
DROP TABLE ahead;
CREATE TABLE ahead (id int, bio text);
ROLLBACK TO s;
INSERT INTO ahead VALUES ('ada@example.com', 3);
COMMIT;
RESET ROLE;
SELECT changes();
SELECT * FROM labels;
SELECT * FROM declarations;
DROP TABLE ahead;
BEGIN;
CREATE TABLE ahead (id int);
ROLLBACK;
SELECT count(*) FROM wal2lake.declared d WHERE EXISTS (SELECT FROM pg_class WHERE oid = d.object);
-- Nothing is left of what is not declared any more.
SELECT wal2lake.declare('public', 'ahead', '{}', '{}');
SELECT * FROM declarations;
-- All ways by which a name may appear. Rows that a statement makes itself are older than the label.
SELECT wal2lake.declare('public', 'd_as', '{id}', '{green}'), wal2lake.declare('public', 'd_into', '{id}', '{green}'),
       wal2lake.declare('public', 'd_do', '{id}', '{green}'), wal2lake.declare('d_schema', 'd_of_schema', '{id}', '{green}'),
       wal2lake.declare('d_schema', 'd_moved', '{id}', '{green}'), wal2lake.declare('d_renamed', 'd_moved', '{id,more}', '{green,green}'),
       wal2lake.declare('public', 'd_table', '{id,name}', '{green,green}'), wal2lake.declare('public', 'd_typed', '{id,more}', '{green,green}'),
       wal2lake.declare('public', 'd_root', '{id,note}', '{green,green}'), wal2lake.declare('public', 'd_leaf', '{id,note}', '{yellow,yellow}'),
       wal2lake.declare('public', 'd_parent', '{id,more}', '{green,green}'), wal2lake.declare('public', 'd_child', '{more}', '{yellow}'),
       wal2lake.declare('public', 'd_out', '{"",id}', '{exclude,green}'), wal2lake.declare('public', 'd_temporary', '{id}', '{green}'),
       wal2lake.declare('public', 'd_unlogged', '{id}', '{green}'), wal2lake.declare('public', 'd_view', '{id}', '{green}');
SET ROLE declared_migrator;
CREATE TABLE d_as AS SELECT 1 AS id;
INSERT INTO d_as VALUES (2);
SELECT 1 AS id INTO d_into;
INSERT INTO d_into VALUES (2);
DO $$ BEGIN EXECUTE 'CREATE TABLE d_do (id int)'; EXECUTE 'INSERT INTO d_do VALUES (1)'; END $$;
CREATE SCHEMA d_schema CREATE TABLE d_of_schema (id int) CREATE VIEW d_view AS SELECT 1 AS id;
INSERT INTO d_schema.d_of_schema VALUES (1);
CREATE TABLE d_moved (id int, other int);
INSERT INTO d_moved VALUES (0);
ALTER TABLE d_moved SET SCHEMA d_schema;
INSERT INTO d_schema.d_moved VALUES (1);
ALTER TABLE d_schema.d_moved RENAME COLUMN other TO more;
ALTER SCHEMA d_schema RENAME TO d_renamed;
INSERT INTO d_renamed.d_moved VALUES (2, 2);
CREATE TABLE d_before (id int, label int);
ALTER TABLE d_before RENAME TO d_table;
ALTER TABLE d_table RENAME COLUMN label TO name;
INSERT INTO d_table VALUES (1, 1);
CREATE TYPE d_type AS (id int);
CREATE TABLE d_typed OF d_type;
ALTER TYPE d_type ADD ATTRIBUTE more int CASCADE;
INSERT INTO d_typed VALUES (1, 1);
CREATE TABLE d_root (id int, note text) PARTITION BY LIST (id);
CREATE TABLE d_leaf PARTITION OF d_root FOR VALUES IN (1);
INSERT INTO d_root VALUES (1, 'note');
CREATE TABLE d_parent (id int);
CREATE TABLE d_child () INHERITS (d_parent);
ALTER TABLE d_parent ADD COLUMN more int;
INSERT INTO d_parent VALUES (1, 1);
INSERT INTO d_child VALUES (1, 1);
CREATE TABLE d_out (id int);
INSERT INTO d_out VALUES (1);
CREATE TEMPORARY TABLE d_temporary (id int);
CREATE UNLOGGED TABLE d_unlogged (id int);
CREATE VIEW d_view AS SELECT 1 AS id;
CREATE TABLE IF NOT EXISTS d_as (id int);
RESET ROLE;
SELECT line FROM changes() AS line WHERE line !~ '^(  |relation|transaction|end)';
SELECT * FROM labels;
SELECT objname, label FROM pg_seclabels WHERE provider = 'wal2lake' AND objtype = 'table' ORDER BY 1;
SELECT schema_name, table_name, column_name FROM declarations WHERE NOT matched;
-- What is declared to be kept in is not sent because another table had its name before; once that is gone, all is as declared.
SELECT wal2lake.declare('public', 'd_taken', '{"",id,note}', '{exclude,green,green}');
CREATE TABLE d_taken (junk int);
ALTER TABLE d_taken RENAME TO d_aside;
SET client_min_messages = notice;
CREATE TABLE d_taken (id int);
SET client_min_messages = warning;
SELECT * FROM labels WHERE table_name IN ('d_taken', 'd_aside');
SELECT severity, code, object, regexp_replace(finding, ' by \S+, .* UTC', ' by ...') FROM wal2lake.check() WHERE object ~ 'd_taken';
DROP TABLE d_aside;
ALTER TABLE d_taken ADD COLUMN note int;
SELECT * FROM labels WHERE table_name = 'd_taken';
SELECT objname, label FROM pg_seclabels WHERE provider = 'wal2lake' AND objtype = 'table' AND objname ~ 'd_taken';
ALTER TABLE d_taken RENAME COLUMN note TO remark;
SELECT severity, code, object, regexp_replace(finding, ' by \S+, .* UTC', ' by ...') FROM wal2lake.check() WHERE object ~ 'd_taken';
SELECT wal2lake.declare('public', 'd_taken', '{}', '{}');
DROP TABLE d_taken;
-- A partition that became a table is none that was excluded before. Where the table has another label, all of it stays closed.
SELECT wal2lake.declare('public', 'd_part', '{"",id}', '{exclude,green}');
CREATE TABLE d_whole (id int, ssn text) PARTITION BY LIST (id);
CREATE TABLE d_part PARTITION OF d_whole FOR VALUES IN (1);
ALTER TABLE d_whole DETACH PARTITION d_part;
ALTER TABLE d_part ALTER id SET DEFAULT 1;
SELECT * FROM labels WHERE table_name = 'd_part';
SELECT objname, label FROM pg_seclabels WHERE provider = 'wal2lake' AND objtype = 'table' AND objname ~ 'd_part';
DROP TABLE d_part;
SELECT wal2lake.declare('public', 'd_part', '{"",id}', '{exclude,green}');
CREATE TABLE d_marked (id int);
SECURITY LABEL FOR wal2lake ON TABLE d_marked IS 'inherit';
ALTER TABLE d_marked RENAME TO d_part;
SELECT * FROM labels WHERE table_name = 'd_part';
SELECT column_name, matched FROM declarations WHERE table_name = 'd_part';
DROP TABLE d_part, d_whole;
SELECT wal2lake.declare('public', 'd_part', '{}', '{}');
-- What has a label when it appears keeps it, and the declaration is used.
SELECT wal2lake.declare('public', 'd_table', '{id,name,own}', '{green,green,green}');
ALTER TABLE d_table ADD COLUMN mine int;
SECURITY LABEL FOR wal2lake ON COLUMN d_table.mine IS 'red drop';
ALTER TABLE d_table RENAME COLUMN mine TO own;
SELECT label FROM labels WHERE column_name = 'own';
SECURITY LABEL FOR wal2lake ON COLUMN d_table.own IS NULL;
ALTER TABLE d_table ADD COLUMN again int;
SELECT label FROM labels WHERE column_name = 'own';
-- As a replica, where other triggers sleep; not in a transaction that is serializable, where reading may be a failure later.
SELECT wal2lake.declare('public', 'd_replica', '{id}', '{green}'), wal2lake.declare('public', 'd_strict', '{id}', '{green}'),
       wal2lake.declare('public', 'd_steady', '{id}', '{green}');
SET session_replication_role = replica;
CREATE TABLE d_replica (id int);
RESET session_replication_role;
BEGIN ISOLATION LEVEL SERIALIZABLE;
CREATE TABLE d_strict (id int);
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
CREATE TABLE d_steady (id int);
INSERT INTO d_steady VALUES (1);
COMMIT;
SELECT table_name, label FROM labels WHERE table_name IN ('d_replica', 'd_steady', 'd_strict');
-- Nothing of it makes a migration fail. What cannot be leaves the rest alone, and is done when it can be.
SELECT wal2lake.declare('public', 'd_odd', '{a,doc,z}', '{green,red hash domain=d,green}');
BEGIN;
CREATE TABLE d_odd (a int, doc jsonb, z int);
INSERT INTO d_odd VALUES (1, '"canary"', 1);
COMMIT;
SELECT column_name, label FROM labels WHERE table_name = 'd_odd';
SELECT column_name, matched FROM declarations WHERE table_name = 'd_odd';
ALTER TABLE d_odd ALTER COLUMN doc TYPE text;
SELECT column_name, label FROM labels WHERE table_name = 'd_odd';
DROP TABLE d_odd;
-- Whatever fails: the search for declarations, the trail, both.
ALTER TABLE wal2lake.declared RENAME COLUMN label TO misnamed;
CREATE TABLE d_odd (a int);
ALTER TABLE wal2lake.declared RENAME COLUMN misnamed TO label;
DROP TABLE d_odd;
ALTER TABLE wal2lake.label_history ADD CONSTRAINT never CHECK (object_identity <> 'public.d_odd.other');
CREATE TABLE d_odd (a int, other int);
ALTER TABLE wal2lake.label_history DROP CONSTRAINT never;
SELECT column_name, label FROM labels WHERE table_name = 'd_odd';
DROP TABLE d_odd;
ALTER FUNCTION wal2lake.meet_new_columns() OWNER TO wal2lake_owner;
CREATE TABLE d_odd (a int);
ALTER FUNCTION wal2lake.meet_new_columns() OWNER TO CURRENT_USER;
SELECT column_name, label FROM labels WHERE table_name = 'd_odd';
-- Names that are hard to write. One that is too long is cut where PostgreSQL cuts it.
CREATE SCHEMA "Odd ""sch.ema""";
CREATE FUNCTION odd_names() RETURNS name[] LANGUAGE sql AS
$$ SELECT ARRAY['quo"te', '''', 'do.t', E'new\nline', '100%s%1$I', 'Case', 'case', repeat('n', 63), 'select', '{br,ace}', E'back\\slash', ' ', repeat('m', 70)]::name[] $$;
SELECT wal2lake.declare('Odd "sch.ema"', E'Ta\n"b%le', odd_names(), array_fill('green'::text, ARRAY[cardinality(odd_names())]));
DO $$ BEGIN
    EXECUTE format('CREATE TABLE "Odd ""sch.ema""".%I (%s)', E'Ta\n"b%le',
                   (SELECT string_agg(format('%I int', n), ', ') || ', ' || repeat('o', 70) || ' int' FROM unnest(odd_names()) AS n));
END $$;
SELECT count(*), cardinality(odd_names()), count(DISTINCT column_name) FROM labels WHERE schema_name LIKE 'Odd%';
SELECT column_name FROM wal2lake.unclassified WHERE schema_name LIKE 'Odd%';
-- How often it was changed, and not how often it was said; also where nothing is left.
SELECT wal2lake.declare('public', 'd_counted', '{a}', '{green}');
SELECT wal2lake.declare('public', 'd_counted', '{a}', '{green}');
SELECT wal2lake.declare('public', 'd_counted', '{a,b}', '{yellow,green}');
SELECT wal2lake.declare('public', 'd_counted', '{}', '{}');
SELECT wal2lake.declare('public', 'd_counted', '{}', '{}');
SELECT version FROM wal2lake.declared_version WHERE table_name = 'd_counted';
-- What cannot be declared.
SET ROLE declared_admin;
SELECT wal2lake.declare('public', 'never', '{a}', '{purple}');
SELECT wal2lake.declare('public', 'never', '{a}', '{red hash domain=}');
SELECT wal2lake.declare('public', 'never', '{a}', '{exclude}');
SELECT wal2lake.declare('public', 'never', '{""}', '{green}');
SELECT wal2lake.declare('public', 'never', '{""}', '{inherit}');
SELECT wal2lake.declare('public', 'never', ARRAY['a']::name[], ARRAY['green domain=' || repeat('d', 250)]);
SELECT wal2lake.declare('public', 'never', '{a}', '{NULL}');
SELECT wal2lake.declare('public', 'never', '{NULL}', '{green}');
SELECT wal2lake.declare('public', 'never', '{a,b}', '{green}');
SELECT wal2lake.declare('public', 'never', '{a,a}', '{green,red}');
SELECT wal2lake.declare('public', 'never', '{{a}}', '{{green}}');
SELECT wal2lake.declare('public', 'never', NULL, NULL);
SELECT wal2lake.declare('public', NULL, '{a}', '{green}');
SELECT wal2lake.declare('', 'never', '{a}', '{green}');
SELECT wal2lake.declare('wal2lake', 'ddl', '{kind}', '{green}');
-- A column that is there is labelled, not declared; one with a label keeps it, and is no news.
SELECT wal2lake.declare('public', 'd_table', '{id,again,own}', '{green,green,green}');
SELECT wal2lake.declare('public', 'd_table', '{""}', '{exclude}');
SELECT wal2lake.declare('public', 'd_table', '{id}', '{yellow}');
RESET ROLE;
SELECT column_name, label, declared_by, matched FROM declarations WHERE table_name IN ('never', 'd_table');
SELECT label FROM labels WHERE table_name = 'd_table' AND column_name = 'id';
-- For the admin alone, whoever may execute it; and by declare alone. Everybody may read it, as pg_seclabel.
SET ROLE wal2lake_owner;
SELECT wal2lake.declare('public', 'never', '{a}', '{green}');
DELETE FROM wal2lake.declared;
SELECT count(*) > 0 FROM wal2lake.declared;
SET ROLE declared_migrator;
SELECT wal2lake.declare('public', 'never', '{a}', '{green}');
SET ROLE declared_writer;
INSERT INTO wal2lake.declared VALUES ('public', 'never', 'a', 'green', now(), 'forged');
UPDATE wal2lake.declared SET label = 'green';
DELETE FROM wal2lake.declared;
DELETE FROM wal2lake.declared_version;
RESET ROLE;
-- Nor by a role that a replica's rights were given to: so would a subscription bring rows.
GRANT SET ON PARAMETER session_replication_role TO declared_writer;
SET ROLE declared_writer;
SET session_replication_role = replica;
INSERT INTO wal2lake.declared VALUES ('public', 'never', 'a', 'green', now(), 'forged');
UPDATE wal2lake.declared SET label = 'green';
DELETE FROM wal2lake.declared;
TRUNCATE wal2lake.declared;
UPDATE wal2lake.declared_version SET version = 0;
RESET session_replication_role;
RESET ROLE;
REVOKE SET ON PARAMETER session_replication_role FROM declared_writer;
SELECT tgrelid::regclass, tgenabled, tgtype & 1 AS each_row FROM pg_trigger
 WHERE tgfoid = 'wal2lake.guard_own_table'::regproc ORDER BY 1, 3;
-- It is not sent, labelled or not, and cannot be labelled; in a publication of all tables it has an identity.
SECURITY LABEL FOR wal2lake ON COLUMN wal2lake.declared.label IS 'green';
INSERT INTO pg_seclabel SELECT attrelid, 'pg_class'::regclass, attnum, 'wal2lake', 'green'
  FROM pg_attribute WHERE attrelid = 'wal2lake.declared'::regclass AND attnum > 0;
CREATE PUBLICATION everything FOR ALL TABLES;
UPDATE wal2lake.declared SET declared_by = 'canary';
DELETE FROM wal2lake.declared;
DROP PUBLICATION everything;
DELETE FROM pg_seclabel WHERE objoid = 'wal2lake.declared'::regclass;
SELECT line FROM changes() AS line WHERE line ~ 'canary|wal2lake\.';
DROP VIEW declarations, labels;
SELECT drop_slot();
DROP SCHEMA "Odd ""sch.ema""", d_renamed CASCADE;
DROP TABLE d_as, d_into, d_do, d_table, d_typed, d_root, d_parent, d_child, d_out, d_temporary, d_unlogged, d_replica, d_steady, d_strict, d_odd;
DROP VIEW d_view;
DROP TYPE d_type;
DROP FUNCTION odd_names;
REVOKE EXECUTE ON FUNCTION wal2lake.declare(name, name, name[], text[]) FROM declared_admin, wal2lake_owner;
REVOKE CREATE ON SCHEMA public FROM declared_migrator;
DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM declared_migrator', current_database()); END $$;
DROP ROLE declared_admin, declared_migrator, declared_writer;
