-- Who changed which label is kept in the database, and never sent.
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE ROLE history_admin IN ROLE wal2lake_admin;
CREATE ROLE history_writer IN ROLE pg_write_all_data;
GRANT EXECUTE ON FUNCTION wal2lake.classify(regclass, text, name[]) TO wal2lake_admin;
CREATE SCHEMA "Odd ""schema""";
GRANT USAGE ON SCHEMA "Odd ""schema""" TO PUBLIC;
CREATE TABLE "Odd ""schema""".t (id int PRIMARY KEY, email text);
CREATE TABLE parent (id int, day int) PARTITION BY RANGE (day);
CREATE VIEW history AS
SELECT changed_by, ran_as = changed_by AS own_rights, object_type, object_identity, attnum, old_label, new_label
  FROM wal2lake.label_history;
ALTER TABLE "Odd ""schema""".t OWNER TO wal2lake_owner;
DELETE FROM wal2lake.label_history;
SELECT make_slot();
-- The owner, the admin through classify, somebody with SET ROLE; what is refused or rolled back is no change.
SET ROLE wal2lake_owner;
SECURITY LABEL FOR wal2lake ON COLUMN "Odd ""schema""".t.email IS 'red drop';
SECURITY LABEL FOR wal2lake ON COLUMN "Odd ""schema""".t.email IS 'green';
BEGIN;
SECURITY LABEL FOR wal2lake ON COLUMN "Odd ""schema""".t.email IS 'regulated_red drop';
ROLLBACK;
SET ROLE history_admin;
SELECT * FROM wal2lake.classify('"Odd ""schema""".t', 'green');
RESET ROLE;
SECURITY LABEL FOR wal2lake ON TABLE "Odd ""schema""".t IS 'exclude';
SECURITY LABEL FOR wal2lake ON TABLE "Odd ""schema""".t IS NULL;
DO $$ BEGIN EXECUTE format('SECURITY LABEL FOR wal2lake ON DATABASE %I IS ''key=k2026''', current_database()); END $$;
DO $$ BEGIN EXECUTE format('SECURITY LABEL FOR wal2lake ON DATABASE %I IS NULL', current_database()); END $$;
-- What wal2lake labels itself.
CREATE TABLE leaf PARTITION OF parent FOR VALUES FROM (1) TO (2);
ALTER TABLE parent DETACH PARTITION leaf;
SELECT * FROM history;
SELECT count(*), count(DISTINCT session_role = session_user), bool_and(changed_at > now() - interval '1 hour'),
       bool_and(object::regclass IS NOT NULL) FROM wal2lake.label_history;
-- A column that appears without a label: made, added, added to what inherits; by whom. Not one that is there, undone, labelled
-- at once, of a partition, of a table that is kept in, or temporary.
SELECT wal2lake.declare('public', 'fresh', '{id,late}', '{green,green}');
GRANT CREATE ON SCHEMA public TO history_admin;
DELETE FROM wal2lake.label_history;
SET ROLE history_admin;
CREATE TABLE fresh (id int, note text);
ALTER TABLE fresh ADD COLUMN late int, ADD COLUMN more int, ADD COLUMN IF NOT EXISTS note text;
CREATE TABLE heir (own int, same int) INHERITS (fresh);
CREATE TABLE other_parent (twice int);
CREATE TABLE heir_of_two () INHERITS (heir, other_parent);
ALTER TABLE fresh ADD COLUMN same int, ADD COLUMN twice int;
ALTER TABLE fresh ADD COLUMN given int;
ALTER TABLE ONLY fresh ALTER COLUMN given SET DEFAULT 1;
CREATE TABLE copied AS SELECT 1 AS one WHERE false;
SELECT 1 AS two INTO copied_too WHERE false;
BEGIN;
ALTER TABLE fresh ADD COLUMN undone int;
ROLLBACK;
CREATE TABLE root (id int, day int) PARTITION BY LIST (day);
CREATE TABLE first PARTITION OF root FOR VALUES IN (1);
ALTER TABLE root ADD COLUMN added int;
CREATE TYPE shape AS (id int);
CREATE TABLE typed OF shape;
ALTER TYPE shape ADD ATTRIBUTE added int CASCADE;
CREATE TEMPORARY TABLE passing (id int);
CREATE VIEW seen AS SELECT 1 AS one;
SECURITY LABEL FOR wal2lake ON TABLE copied IS 'exclude';
ALTER TABLE copied ADD COLUMN kept_in int;
ALTER TABLE copied_too RENAME COLUMN two TO second;
RESET ROLE;
SECURITY LABEL FOR wal2lake ON COLUMN fresh.note IS NULL;
SELECT changed_by, own_rights, object_type, object_identity, attnum, old_label, new_label FROM history ORDER BY object_identity, attnum;
SELECT count(*), count(ran_as), bool_and(session_role = session_user), bool_and(object::regclass IS NOT NULL)
  FROM wal2lake.label_history WHERE old_label IS NULL AND new_label IS NULL;
SELECT wal2lake.declare('public', 'fresh', '{}', '{}');
DROP TABLE fresh, heir, heir_of_two, other_parent, copied, copied_too, root, typed, passing;
DROP VIEW seen;
DROP TYPE shape;
REVOKE CREATE ON SCHEMA public FROM history_admin;
-- Nobody writes it, or reads more than when something was changed last, without being allowed to.
SET ROLE history_admin;
SELECT count(changed_by) FROM wal2lake.label_history;
SELECT count(new_label) FROM wal2lake.label_history;
SELECT FROM wal2lake.label_history WHERE object_identity = 'public.fresh.note';
SELECT count(changed_at) > 0 FROM wal2lake.label_history WHERE object = 'wal2lake.ddl'::regclass OR object_type = 'table';
SET ROLE history_writer;
INSERT INTO wal2lake.label_history (changed_by) VALUES ('forged');
UPDATE wal2lake.label_history SET changed_by = 'forged';
DELETE FROM wal2lake.label_history;
SET session_replication_role = replica;
RESET ROLE;
GRANT SET ON PARAMETER session_replication_role TO history_writer;
SET ROLE history_writer;
SET session_replication_role = replica;
INSERT INTO wal2lake.label_history (changed_by) VALUES ('forged');
UPDATE wal2lake.label_history SET changed_by = 'forged';
DELETE FROM wal2lake.label_history;
RESET session_replication_role;
RESET ROLE;
REVOKE SET ON PARAMETER session_replication_role FROM history_writer;
GRANT SELECT ON wal2lake.label_history TO history_admin;
SET ROLE history_admin;
SELECT count(*) > 0 FROM wal2lake.label_history;
RESET ROLE;
REVOKE SELECT ON wal2lake.label_history FROM history_admin;
-- A superuser may tidy up, also where all tables are published.
CREATE PUBLICATION everything FOR ALL TABLES;
DELETE FROM wal2lake.label_history WHERE old_label = 'inherit';
DROP PUBLICATION everything;
-- Whoever has an index on it finds what was written since, also by an expression or in a part of it.
CREATE INDEX by_name ON wal2lake.label_history (object_identity);
CREATE INDEX by_part ON wal2lake.label_history (lower(object_identity)) WHERE new_label IS NOT NULL;
SECURITY LABEL FOR wal2lake ON COLUMN parent.id IS 'yellow';
SET enable_seqscan = off;
SELECT count(*) FROM wal2lake.label_history WHERE object_identity = 'public.parent.id';
SELECT count(*) FROM wal2lake.label_history WHERE lower(object_identity) = 'public.parent.id' AND new_label IS NOT NULL;
RESET enable_seqscan;
DROP INDEX wal2lake.by_name, wal2lake.by_part;
-- It is not sent, labelled or not, and not counted; nor can it be labelled.
SECURITY LABEL FOR wal2lake ON COLUMN wal2lake.label_history.old_label IS 'green';
SELECT * FROM wal2lake.classify('wal2lake.label_history', 'green');
INSERT INTO pg_seclabel SELECT attrelid, 'pg_class'::regclass, attnum, 'wal2lake', 'green'
  FROM pg_attribute WHERE attrelid = 'wal2lake.label_history'::regclass AND attnum > 0;
SECURITY LABEL FOR wal2lake ON COLUMN "Odd ""schema""".t.email IS 'yellow';
INSERT INTO "Odd ""schema""".t VALUES (1, 'x');
SELECT line FROM pg_logical_slot_get_binary_changes('test', NULL, NULL),
       regexp_split_to_table(wal2lake.decode_frame(data, positions => false), E'\n') AS line
 WHERE line ~ 'label_history|INSERT|^stats';
DELETE FROM pg_seclabel WHERE objoid = 'wal2lake.label_history'::regclass;
SELECT drop_slot();
DROP VIEW history;
DROP SCHEMA "Odd ""schema""" CASCADE;
DROP TABLE parent, leaf;
REVOKE EXECUTE ON FUNCTION wal2lake.classify(regclass, text, name[]) FROM wal2lake_admin;
DROP ROLE history_admin, history_writer;
