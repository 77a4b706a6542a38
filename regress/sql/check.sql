-- What a reviewer should look at, each provoked, and gone when it is mended.
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
-- The superuser has the name that initdb gave it.
CREATE FUNCTION findings() RETURNS TABLE (severity text, code text, object text, finding text, fix text) LANGUAGE sql AS $$
    SELECT severity, code, object, regexp_replace(regexp_replace(finding, '\d{4}-\d\d-\d\d \d\d:\d\d UTC', 'then'), 'by \w+,', 'by somebody,'), fix
      FROM wal2lake.check() WHERE code <> 'superuser' OR object = 'role check_super'
$$;
DELETE FROM wal2lake.label_history;
SELECT * FROM findings();
-- Ways out.
CREATE ROLE check_super SUPERUSER;
CREATE ROLE check_replicates REPLICATION;
CREATE ROLE check_forwards REPLICATION;
DO $$ BEGIN
    IF current_setting('output_plugin_libraries', true) IS NOT NULL THEN
        ALTER ROLE check_forwards SET output_plugin_libraries = wal2lake;
    END IF;
END $$;
CREATE ROLE check_reads IN ROLE pg_read_server_files;
CREATE ROLE check_runs IN ROLE check_reads;
CREATE ROLE check_becomes IN ROLE check_replicates, check_super;
CREATE ROLE check_dumps IN ROLE pg_read_all_data;
GRANT EXECUTE ON FUNCTION pg_read_file(text), lo_import(text) TO check_dumps;
GRANT EXECUTE ON FUNCTION pg_read_binary_file(text) TO PUBLIC;
CREATE PUBLICATION check_everything;
SELECT 'made' FROM pg_create_logical_replication_slot('other', 'test_decoding');
SELECT * FROM findings() WHERE code NOT IN ('key', 'key-not-named', 'messages-open');
-- What ends with a semicolon is run as it stands. What is left has no statement.
SELECT fix FROM findings() WHERE fix LIKE '%;' AND code NOT IN ('key-not-named', 'messages-open') \gexec
SELECT * FROM findings() WHERE code NOT IN ('key', 'key-not-named', 'messages-open');
DROP ROLE check_super, check_replicates, check_forwards, check_runs, check_reads, check_becomes, check_dumps;
-- Keys. The file has one.
DO $$ BEGIN EXECUTE format('SECURITY LABEL FOR wal2lake ON DATABASE %I IS ''key=k2026''', current_database()); END $$;
SELECT * FROM findings() WHERE code LIKE 'key%';
DO $$ BEGIN EXECUTE format('SECURITY LABEL FOR wal2lake ON DATABASE %I IS ''key=k2026 check=4ab93f7a''', current_database()); END $$;
SELECT * FROM findings() WHERE code LIKE 'key%';
UPDATE pg_shseclabel SET label = 'key=k2026 check=00000000' WHERE provider = 'wal2lake';
SELECT * FROM findings() WHERE code LIKE 'key%';
UPDATE pg_shseclabel SET label = 'key=gone check=00000000' WHERE provider = 'wal2lake';
SELECT * FROM findings() WHERE code LIKE 'key%';
DELETE FROM pg_shseclabel WHERE provider = 'wal2lake';
-- Labels.
CREATE TYPE traffic_light AS ENUM ('red', 'green');
CREATE TABLE people (id int PRIMARY KEY, email text, mood traffic_light, size int2, city text,
                     shout text GENERATED ALWAYS AS (upper(email)) STORED);
CREATE TABLE "Odd.name" (email text PRIMARY KEY, id int);
CREATE TABLE days (id int, day int, note text) PARTITION BY LIST (day);
CREATE TABLE attached (id int, day int, note text);
ALTER TABLE days ATTACH PARTITION attached FOR VALUES IN (1);
CREATE TABLE made PARTITION OF days FOR VALUES IN (2);
SELECT count(*) FROM wal2lake.classify('people', 'green', 'id', 'shout');
SELECT count(*) FROM wal2lake.classify('people', 'red hash domain=d', 'email', 'mood', 'size', 'city');
SELECT count(*) FROM wal2lake.classify('"Odd.name"', 'green');
SELECT count(*) FROM wal2lake.classify('days', 'green');
INSERT INTO people SELECT i, 'e' || i, 'red', 1, (ARRAY['here', 'there'])[i % 2 + 1] FROM generate_series(1, 2000) AS i;
ANALYZE people;
SELECT * FROM findings() WHERE code NOT IN ('key', 'key-not-named', 'messages-open');
SECURITY LABEL FOR wal2lake ON COLUMN people.shout IS 'red drop';
SECURITY LABEL FOR wal2lake ON COLUMN "Odd.name".email IS 'red drop';
SECURITY LABEL FOR wal2lake ON COLUMN people.email IS 'orange hash domain=d';
SECURITY LABEL FOR wal2lake ON COLUMN people.city IS 'red drop';
SECURITY LABEL FOR wal2lake ON COLUMN people.city IS 'red hash domain=d';
SECURITY LABEL FOR wal2lake ON COLUMN people.city IS 'red drop';
SECURITY LABEL FOR wal2lake ON COLUMN people.mood IS 'red drop';
SECURITY LABEL FOR wal2lake ON TABLE attached IS 'inherit';
UPDATE pg_seclabel SET label = 'purple' WHERE objoid = 'people'::regclass AND objsubid = 4;
UPDATE pg_seclabel SET label = 'red plaid' WHERE objoid = 'people'::regclass AND objsubid = 5;
SELECT * FROM findings() WHERE code NOT IN ('key', 'key-not-named', 'messages-open');
-- Generated from what nobody has labelled; of a partition and its root one finding.
CREATE TABLE halves (id int PRIMARY KEY, raw text, copied text GENERATED ALWAYS AS (lower(raw)) STORED);
CREATE TABLE parted (id int, secret text, copied text GENERATED ALWAYS AS (lower(secret)) STORED) PARTITION BY LIST (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
SELECT count(*) FROM wal2lake.classify('halves', 'green', 'id', 'copied');
SELECT count(*) FROM wal2lake.classify('parted', 'green', 'id', 'copied');
SECURITY LABEL FOR wal2lake ON COLUMN parted.secret IS 'red';
SELECT * FROM findings() WHERE code = 'generated-copy';
DROP TABLE halves, parted;
-- What waits. The column that has waited longest, how many there are, and what brought it.
CREATE FUNCTION waiting() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws('|', severity, object, finding, fix) FROM findings() WHERE code IN ('unclassified', 'declared-unmatched')
$$;
CREATE TABLE waits (id int, first int, "Sec.ond" int, third int);
SELECT waiting();
SELECT count(*) FROM wal2lake.classify('waits', 'green', 'id');
UPDATE wal2lake.label_history SET changed_at = '2026-01-02 03:04:05+00' WHERE object = 'waits'::regclass AND attnum IN (3, 4);
UPDATE wal2lake.label_history SET changed_at = '2026-01-02 03:04:59+00', changed_by = 'a "migrator"' WHERE object = 'waits'::regclass AND attnum = 3;
UPDATE wal2lake.label_history SET changed_at = '2026-01-02 03:05:00+00' WHERE object = 'waits'::regclass AND attnum = 2 AND new_label IS NULL;
SELECT waiting();
SELECT count(*) FROM wal2lake.classify('waits', 'green', 'third');
SELECT waiting();
SELECT count(*) FROM wal2lake.classify('waits', 'green');
SELECT waiting();
SECURITY LABEL FOR wal2lake ON COLUMN waits.first IS NULL;
SELECT waiting();
DELETE FROM pg_seclabel WHERE objoid = 'waits'::regclass AND objsubid = 4;
SELECT waiting();
-- From before the trail.
DELETE FROM wal2lake.label_history WHERE object = 'waits'::regclass AND attnum = 2;
SELECT waiting();
DELETE FROM wal2lake.label_history;
SELECT waiting();
DROP TABLE waits;
-- A declaration that nothing has matched; a week later it is a warning.
SELECT wal2lake.declare('public', 'comes "late"', '{a,"",b}', '{green,exclude,red drop}');
SELECT wal2lake.declare('public', 'came', '{a}', '{green}');
CREATE TABLE came (a int);
DROP TABLE came;
SELECT waiting();
UPDATE wal2lake.declared SET declared_at = declared_at - interval '7 days 1 hour' WHERE column_name = 'b';
SELECT waiting();
SELECT wal2lake.declare('public', 'comes "late"', '{}', '{}'), wal2lake.declare('public', 'came', '{}', '{}');
SELECT waiting();
DROP FUNCTION waiting;
-- For the admin alone; the parts of it for nobody.
CREATE ROLE check_admin IN ROLE wal2lake_admin;
SET ROLE wal2lake_owner;
SELECT * FROM wal2lake.check();
RESET ROLE;
GRANT EXECUTE ON FUNCTION wal2lake.check() TO wal2lake_owner, check_admin;
SET ROLE wal2lake_owner;
SELECT * FROM wal2lake.check();
SELECT * FROM wal2lake.check_keys();
SELECT wal2lake.key_digits();
SET ROLE check_admin;
SELECT count(*) > 3 FROM wal2lake.check();
RESET ROLE;
REVOKE EXECUTE ON FUNCTION wal2lake.check() FROM wal2lake_owner, check_admin;
DROP FUNCTION findings;
DROP TABLE people, "Odd.name", days;
DROP TYPE traffic_light;
DROP ROLE check_admin;
