-- A plan for the labels of a table is carried out as a whole, or not where the table is not what it was made for.
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE plan_admin IN ROLE wal2lake_admin;
GRANT EXECUTE ON FUNCTION wal2lake.set_labels(regclass, text, text, name[], text[]) TO plan_admin, wal2lake_owner;
CREATE SCHEMA "Pl.an";
CREATE TABLE "Pl.an"."T%s" (id int PRIMARY KEY, "e.mail" varchar(20), gone int, note text);
ALTER TABLE "Pl.an"."T%s" DROP COLUMN gone;
CREATE VIEW labels AS
SELECT column_name, label FROM wal2lake.policy WHERE schema_name = 'Pl.an'
UNION ALL
SELECT '', label FROM pg_seclabel WHERE objoid = '"Pl.an"."T%s"'::regclass AND objsubid = 0 ORDER BY 1;
CREATE TABLE states (number serial, what text, state text);
GRANT SELECT ON states TO plan_admin, wal2lake_owner;
GRANT USAGE ON SCHEMA "Pl.an" TO plan_admin, wal2lake_owner;
-- What changes the state, and nothing else does.
CREATE FUNCTION note(what text) RETURNS void LANGUAGE sql AS
$$ INSERT INTO states (what, state) VALUES (what, wal2lake.policy_state('"Pl.an"."T%s"')) $$;
SELECT note('made');
ALTER TABLE "Pl.an"."T%s" ADD COLUMN more int;
SELECT note('column added');
ALTER TABLE "Pl.an"."T%s" DROP COLUMN more;
SELECT note('and dropped: as made');
ALTER TABLE "Pl.an"."T%s" RENAME COLUMN note TO remark;
SELECT note('column renamed');
ALTER TABLE "Pl.an"."T%s" ALTER COLUMN "e.mail" TYPE varchar(30);
SELECT note('type modified');
SECURITY LABEL FOR wal2lake ON COLUMN "Pl.an"."T%s".id IS 'green';
SELECT note('labelled');
SECURITY LABEL FOR wal2lake ON TABLE "Pl.an"."T%s" IS 'exclude';
SELECT note('table labelled');
SECURITY LABEL FOR wal2lake ON TABLE "Pl.an"."T%s" IS NULL;
SELECT note('as labelled');
ALTER TABLE "Pl.an"."T%s" RENAME TO renamed;
INSERT INTO states (what, state) VALUES ('table renamed', wal2lake.policy_state('"Pl.an".renamed'));
ALTER TABLE "Pl.an".renamed RENAME TO "T%s";
INSERT INTO "Pl.an"."T%s" VALUES (1, 'x', 'y');
ALTER TABLE "Pl.an"."T%s" OWNER TO wal2lake_owner;
CREATE INDEX ON "Pl.an"."T%s" ("e.mail");
SET quote_all_identifiers = on;
SET search_path = "Pl.an", public;
SELECT note('as labelled, whatever else is done and set');
RESET quote_all_identifiers;
RESET search_path;
SELECT what, dense_rank() OVER (ORDER BY first) FROM (SELECT number, what, min(number) OVER (PARTITION BY state) AS first FROM states) AS s ORDER BY number;
SELECT wal2lake.policy_state(0::regclass) IS NULL, length(state) FROM states WHERE number = 1;
-- As planned: labels that come, change, stay and go, and that of the table.
DELETE FROM wal2lake.label_history;
CREATE FUNCTION now_state() RETURNS text LANGUAGE sql AS $$ SELECT wal2lake.policy_state('"Pl.an"."T%s"') $$;
SET ROLE plan_admin;
SELECT wal2lake.set_labels('"Pl.an"."T%s"', now_state(), NULL, '{id,e.mail,remark}', '{green,red hash domain=email,red drop}');
RESET ROLE;
SELECT * FROM labels;
SET ROLE plan_admin;
SELECT wal2lake.set_labels('"Pl.an"."T%s"', now_state(), 'exclude', '{id,e.mail}', '{NULL,orange hash domain=email}');
SELECT wal2lake.set_labels('"Pl.an"."T%s"', now_state(), NULL, '{}', '{}');
RESET ROLE;
SELECT * FROM labels;
SET ROLE plan_admin;
SELECT wal2lake.set_labels('"Pl.an"."T%s"', now_state(), '', '{id,remark}', '{NULL,NULL}');
RESET ROLE;
SELECT * FROM labels;
-- The trail has the changes, and not what was so before.
SELECT changed_by, object_identity, old_label, new_label FROM wal2lake.label_history ORDER BY changed_at;
-- Another state, or all of it or nothing.
SET ROLE plan_admin;
SELECT wal2lake.set_labels('"Pl.an"."T%s"', (SELECT state FROM states WHERE number = 1), NULL, '{id}', '{green}');
SELECT wal2lake.set_labels('"Pl.an"."T%s"', NULL, NULL, '{id}', '{green}');
SELECT wal2lake.set_labels('"Pl.an"."T%s"', now_state(), NULL, '{id,remark}', '{green,purple}');
SELECT wal2lake.set_labels('"Pl.an"."T%s"', now_state(), NULL, '{id,nosuch}', '{green,green}');
SELECT wal2lake.set_labels('"Pl.an"."T%s"', now_state(), NULL, '{id,nosuch}', '{green,NULL}');
SELECT wal2lake.set_labels('"Pl.an"."T%s"', now_state(), 'purple', '{id}', '{green}');
SELECT wal2lake.set_labels('"Pl.an"."T%s"', now_state(), NULL, '{id,remark}', '{green}');
SELECT wal2lake.set_labels('"Pl.an"."T%s"', now_state(), NULL, '{id,id}', '{green,red}');
SELECT wal2lake.set_labels('"Pl.an"."T%s"', now_state(), NULL, '{NULL}', '{green}');
SELECT wal2lake.set_labels('"Pl.an"."T%s"', now_state(), NULL, NULL, NULL);
SELECT wal2lake.set_labels(0::regclass, NULL, NULL, '{}', '{}');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT wal2lake.set_labels('"Pl.an"."T%s"', now_state(), NULL, '{id}', '{green}');
ROLLBACK;
-- By PostgreSQL this one is READ COMMITTED.
BEGIN ISOLATION LEVEL READ UNCOMMITTED;
SELECT wal2lake.set_labels('"Pl.an"."T%s"', now_state(), NULL, '{id}', '{green}');
ROLLBACK;
-- Who may: not the owner, to whom it was granted.
SET ROLE wal2lake_owner;
SELECT wal2lake.set_labels('"Pl.an"."T%s"', now_state(), NULL, '{id}', '{red drop}');
RESET ROLE;
SELECT * FROM labels;
-- A root, and not its partitions; a parent, and not its children. One lock.
CREATE TABLE "Pl.an".root (id int, note text) PARTITION BY LIST (id);
CREATE TABLE "Pl.an".leaf PARTITION OF "Pl.an".root FOR VALUES IN (1);
CREATE TABLE "Pl.an".parent (id int);
CREATE TABLE "Pl.an".child () INHERITS ("Pl.an".parent);
BEGIN;
SELECT wal2lake.set_labels('"Pl.an".root', wal2lake.policy_state('"Pl.an".root'), NULL, '{id}', '{green}');
SELECT wal2lake.set_labels('"Pl.an".parent', wal2lake.policy_state('"Pl.an".parent'), NULL, '{id}', '{green}');
SELECT relation::regclass, mode FROM pg_locks
 WHERE pid = pg_backend_pid() AND relation IN ('"Pl.an".root'::regclass, '"Pl.an".leaf'::regclass, '"Pl.an".parent'::regclass, '"Pl.an".child'::regclass)
   AND mode <> 'AccessShareLock' ORDER BY relation::regclass::text;
COMMIT;
SELECT wal2lake.set_labels('"Pl.an".leaf', wal2lake.policy_state('"Pl.an".leaf'), NULL, '{id}', '{green}');
SELECT wal2lake.set_labels('labels', wal2lake.policy_state('labels'), NULL, '{label}', '{green}');
SELECT table_name, column_name, label FROM wal2lake.policy WHERE schema_name = 'Pl.an' ORDER BY 1, 2;
-- Tables of the extension have no labels.
SELECT wal2lake.set_labels('wal2lake.label_history', wal2lake.policy_state('wal2lake.label_history'), NULL, '{old_label}', '{green}');
REVOKE EXECUTE ON FUNCTION wal2lake.set_labels(regclass, text, text, name[], text[]) FROM plan_admin, wal2lake_owner;
DROP VIEW labels;
DROP TABLE states;
DROP FUNCTION note, now_state;
DROP SCHEMA "Pl.an" CASCADE;
DROP ROLE plan_admin;
