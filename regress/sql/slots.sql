-- What a slot is asked for besides the next changes: copies, a position, one that is temporary, origins, little memory.
\pset format unaligned
\pset tuples_only on
CREATE TABLE t (id int PRIMARY KEY, a text);
SELECT * FROM wal2lake.classify('t', 'green');
CREATE FUNCTION read(slot name, VARIADIC options text[] DEFAULT '{}') RETURNS SETOF text LANGUAGE sql AS $$
    SELECT line
      FROM (SELECT wal2lake.decode_frame(data, positions => false) AS frame
              FROM pg_logical_slot_get_binary_changes(slot, NULL, NULL, VARIADIC options)) AS frames,
           regexp_split_to_table(frame, E'\n') AS line
     WHERE line ~ 'INSERT|UPDATE|DELETE'
$$;
SELECT make_slot();
INSERT INTO t VALUES (1, 'one');
-- A copy begins where its original stands, and goes its own way; so does one that is temporary.
SELECT 'copied' FROM pg_copy_logical_replication_slot('test', 'copy');
SELECT 'copied' FROM pg_copy_logical_replication_slot('test', 'brief', true);
SELECT read('test');
INSERT INTO t VALUES (2, 'two');
SELECT read('copy');
SELECT read('brief');
SELECT pg_drop_replication_slot('copy');
SELECT pg_drop_replication_slot('brief');
-- A copy may be for another plugin.
SELECT 'copied' FROM pg_copy_logical_replication_slot('test', 'other', false, 'test_decoding');
SELECT count(*) FROM pg_logical_slot_peek_changes('other', NULL, NULL, 'include-xids', 'off');
SELECT pg_drop_replication_slot('other');
-- What is passed over is not sent; what follows is, with its table announced.
SELECT 'advanced' FROM pg_replication_slot_advance('test', pg_current_wal_insert_lsn());
INSERT INTO t VALUES (3, 'three');
SELECT changes();
-- A transaction that is open sees nothing of itself, and slots wait for it.
BEGIN;
INSERT INTO t VALUES (4, 'four');
SELECT read('test');
\set VERBOSITY sqlstate
SELECT pg_create_logical_replication_slot('late', 'wal2lake');
\set VERBOSITY default
ROLLBACK;
-- As many transactions as were asked for; what was not read comes next.
INSERT INTO t VALUES (5, 'five');
INSERT INTO t VALUES (6, 'six');
SELECT count(*) FROM pg_logical_slot_get_binary_changes('test', NULL, 1);
SELECT read('test');
-- What another server wrote, and what was written here: all, or only that.
SELECT 'made' FROM pg_replication_origin_create('elsewhere');
SELECT 'copied' FROM pg_copy_logical_replication_slot('test', 'local');
INSERT INTO t VALUES (7, 'here');
SELECT pg_replication_origin_session_setup('elsewhere');
INSERT INTO t VALUES (8, 'elsewhere');
BEGIN;
INSERT INTO t VALUES (9, 'elsewhere, with a position');
SELECT pg_replication_origin_xact_setup('0/1234', '2026-11-26 12:00+00');
DELETE FROM t WHERE id = 1;
COMMIT;
SELECT pg_replication_origin_session_reset();
INSERT INTO t VALUES (10, 'here');
SELECT read('local', 'origin', 'none');
SELECT read('test', 'origin', 'any');
SELECT pg_replication_origin_drop('elsewhere');
SELECT pg_drop_replication_slot('local');
-- More than decoding may keep in memory, in the transaction, in what is below it, and in what is undone; in order.
SET logical_decoding_work_mem = '64kB';
BEGIN;
INSERT INTO t SELECT i, 'top' FROM generate_series(10001, 12000) AS i;
SAVEPOINT a;
INSERT INTO t SELECT i, 'below' FROM generate_series(12001, 14000) AS i;
RELEASE a;
SAVEPOINT b;
INSERT INTO t SELECT i, 'undone' FROM generate_series(14001, 16000) AS i;
ROLLBACK TO b;
INSERT INTO t SELECT i, 'top' FROM generate_series(16001, 16010) AS i;
COMMIT;
BEGIN;
SAVEPOINT a;
INSERT INTO t SELECT i, 'below' FROM generate_series(20001, 22000) AS i;
RELEASE a;
INSERT INTO t SELECT i, 'top' FROM generate_series(22001, 22010) AS i;
COMMIT;
BEGIN;
INSERT INTO t SELECT i, 'undone' FROM generate_series(30001, 32000) AS i;
ROLLBACK;
WITH rows AS (SELECT row_number() OVER () AS place, (regexp_match(line, 'id=(\d+) a=''(\w+)'''))[1]::int AS id,
                     (regexp_match(line, 'a=''(\w+)'''))[1] AS a FROM read('test') AS line)
SELECT a, count(*), min(id), max(id), bool_and(place = number) AS in_order
  FROM (SELECT *, row_number() OVER (ORDER BY id) AS number FROM rows) AS r GROUP BY a ORDER BY a;
RESET logical_decoding_work_mem;
SELECT drop_slot();
DROP FUNCTION read;
DROP TABLE t;
