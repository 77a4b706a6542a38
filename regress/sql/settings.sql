-- The session's settings change nothing, and are as they were afterwards.
\pset format unaligned
\pset tuples_only on
CREATE TYPE pair AS (x float8, y bytea);
CREATE TABLE t (id int PRIMARY KEY, f float8, b bytea, n numeric, m money, d date, ts timestamp, tz timestamptz, tt timetz,
                i interval, a timestamptz[], p pair, r tstzrange, c regclass[], x xml, h text);
SELECT count(*) FROM wal2lake.classify('t', 'green', 'id', 'f', 'b', 'n', 'm', 'd', 'ts', 'tz', 'tt', 'i', 'a', 'p', 'r', 'c', 'x');
SELECT * FROM wal2lake.classify('t', 'red hash domain=d', 'h');
SELECT make_slot();
INSERT INTO t VALUES (1, 0.1, '\xdeadbeef', 1.10, 1.1, '2026-11-22', '2026-11-22 01:02:03', '2026-11-22 01:02:03+00', '01:02:03+01',
                      '1 year 2 days', '{2026-11-22 01:02:03+00,-infinity}', '(0.1,"\\xff")',
                      '[2026-11-22 01:02:03+00,infinity)', '{public.t,pg_class}', '<a/>', 'value');
CREATE TABLE plain AS SELECT row_number() OVER () AS n, line
  FROM (SELECT regexp_split_to_table(wal2lake.decode_frame(data, false), E'\n') AS line
          FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL)) AS t;
SELECT line FROM plain WHERE line ~ 'INSERT' ORDER BY n;
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'sql_standard';
SET TimeZone = 'Asia/Kathmandu';
SET extra_float_digits = -10;
SET bytea_output = 'escape';
SET search_path = 'public';
SET quote_all_identifiers = on;
SET xmlbinary = hex;
SET lc_monetary = 'C.UTF-8';
CREATE TEMP TABLE pg_class (x int);
CREATE TABLE public.hostile AS SELECT row_number() OVER () AS n, line
  FROM (SELECT regexp_split_to_table(wal2lake.decode_frame(data, false), E'\n') AS line
          FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL)) AS t;
SHOW DateStyle;
SHOW TimeZone;
SHOW search_path;
RESET ALL;
DROP TABLE pg_temp.pg_class;
\pset format unaligned
\pset tuples_only on
SELECT count(*) > 10 AS compared, count(*) FILTER (WHERE p.line IS DISTINCT FROM h.line) AS different
  FROM plain p FULL JOIN hostile h USING (n);
-- Decoding in a subtransaction that goes on, and an error while decoding, leave no setting behind.
SET DateStyle = 'German';
BEGIN;
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL);
SHOW DateStyle;
COMMIT;
SELECT count(*) FROM pg_logical_slot_peek_changes('test', NULL, NULL);
SHOW DateStyle;
RESET DateStyle;
-- Settings of ours cannot be set by a session.
SET wal2lake.key_file = '/tmp/key';
SET wal2lake.admin_role = 'wal2lake_owner';
SET wal2lake.message_prefixes = 'x';
SET wal2lake.nosuch = 'x';
ALTER ROLE wal2lake_owner SET wal2lake.key_file = '/tmp/key';
ALTER DATABASE regression SET wal2lake.admin_role = 'wal2lake_owner';
SELECT drop_slot();
DROP TABLE t, plain, hostile;
DROP TYPE pair;
