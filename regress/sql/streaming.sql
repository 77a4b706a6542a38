-- Transactions in progress: what is sent while they are, and what ends them. Where
-- the pieces are cut is the server's affair, so their borders are left out.
\pset format unaligned
\pset tuples_only on
CREATE TABLE t (id int PRIMARY KEY, note text);
CREATE TABLE hidden (filler text);
SELECT * FROM wal2lake.classify('t', 'green');
-- More than the memory that decoding is given below: what came before it is sent.
CREATE FUNCTION exceed() RETURNS void LANGUAGE sql AS $$
    INSERT INTO hidden SELECT repeat('x', 1000) FROM generate_series(1, 200)
$$;
CREATE FUNCTION streamed() RETURNS SETOF text LANGUAGE sql SET logical_decoding_work_mem = '64kB' AS $$
    SELECT line
      FROM (SELECT wal2lake.decode_frame(data, positions => false) AS frame
              FROM pg_logical_slot_get_binary_changes('test', NULL, NULL, 'streaming', 'on')) AS frames,
           regexp_split_to_table(frame, E'\n') AS line
     WHERE line !~ '^stats ' AND line NOT IN ('in progress', 'more')
$$;
SELECT make_slot();
-- Small ones are sent when they commit, as ever.
INSERT INTO t VALUES (0, 'small');
SELECT streamed();
BEGIN;
INSERT INTO t VALUES (1, 'top level');
SAVEPOINT a;
INSERT INTO t VALUES (2, 'aborts after it was sent');
SELECT 'x' FROM pg_logical_emit_message(true, 'prefix', 'in the subtransaction');
SAVEPOINT b;
INSERT INTO t VALUES (3, 'aborts too');
SELECT exceed();
ROLLBACK TO a;
SAVEPOINT c;
INSERT INTO t VALUES (4, 'stays');
RELEASE c;
SELECT exceed();
TRUNCATE hidden;
TRUNCATE t;
UPDATE t SET note = 'nothing' WHERE id = 1;
INSERT INTO t VALUES (5, 'last');
COMMIT;
SELECT streamed();
-- One that rolls back as a whole, and one of which nothing is sent.
BEGIN;
INSERT INTO t VALUES (6, 'in vain');
SELECT exceed();
ROLLBACK;
SELECT exceed();
SELECT streamed();
-- A value in pieces belongs to its subtransaction.
BEGIN;
SAVEPOINT a;
INSERT INTO t SELECT 7, string_agg(md5(i::text), '') FROM generate_series(1, 46875) AS i;
RELEASE a;
COMMIT;
SELECT streamed();
-- Tables that change while they are written.
BEGIN;
INSERT INTO t VALUES (8, 'before');
SELECT exceed();
SAVEPOINT a;
ALTER TABLE t RENAME note TO remark;
INSERT INTO t VALUES (9, 'renamed');
SELECT exceed();
ROLLBACK TO a;
INSERT INTO t VALUES (10, 'not renamed');
SELECT exceed();
COMMIT;
INSERT INTO t VALUES (11, 'another transaction');
SELECT streamed();
SELECT drop_slot();
DROP FUNCTION exceed, streamed;
DROP TABLE t, hidden;
