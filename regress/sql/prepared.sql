-- A prepared transaction is sent when it commits, as if it had not been prepared; a
-- gid is text of the application and is never sent.
\pset format unaligned
\pset tuples_only on
CREATE TABLE t (id int PRIMARY KEY, note text);
CREATE TABLE hidden (filler text);
SELECT * FROM wal2lake.classify('t', 'green');
SELECT make_slot();
BEGIN;
INSERT INTO t VALUES (1, 'prepared');
SAVEPOINT a;
INSERT INTO t VALUES (2, 'rolled back');
ROLLBACK TO a;
SAVEPOINT b;
UPDATE t SET note = 'in a subtransaction' WHERE id = 1;
RELEASE b;
PREPARE TRANSACTION 'gid of the application';
INSERT INTO t VALUES (3, 'commits first');
BEGIN;
DELETE FROM t WHERE id = 3;
PREPARE TRANSACTION 'in vain';
-- The other one is there, the prepared ones are not.
SELECT changes();
SELECT changes();
COMMIT PREPARED 'gid of the application';
ROLLBACK PREPARED 'in vain';
SELECT changes();
-- With DDL in it: the rows are those of its shape.
BEGIN;
INSERT INTO t VALUES (4, 'before');
ALTER TABLE t ADD COLUMN later int DEFAULT 7;
SECURITY LABEL FOR wal2lake ON COLUMN t.later IS 'green';
INSERT INTO t VALUES (5, 'after', 8);
TRUNCATE hidden;
PREPARE TRANSACTION 'ddl';
COMMIT PREPARED 'ddl';
SELECT changes();
-- Larger than the memory of the decoding: in pieces before it is prepared, and whole when it commits.
BEGIN;
INSERT INTO t VALUES (6, 'streamed');
INSERT INTO hidden SELECT repeat('x', 1000) FROM generate_series(1, 200);
SAVEPOINT c;
INSERT INTO t VALUES (7, 'aborts');
ROLLBACK TO c;
INSERT INTO t VALUES (8, 'last');
PREPARE TRANSACTION 'large';
CREATE FUNCTION streamed() RETURNS SETOF text LANGUAGE sql SET logical_decoding_work_mem = '64kB' AS $$
    SELECT line
      FROM (SELECT wal2lake.decode_frame(data, positions => false) AS frame
              FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'streaming', 'on')) AS frames,
           regexp_split_to_table(frame, E'\n') AS line
     WHERE line !~ '^(stats|skipped) ' AND line NOT IN ('in progress', 'more')
$$;
SELECT streamed();
COMMIT PREPARED 'large';
SELECT streamed();
SELECT changes();
-- It is not asked for, and cannot be.
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'two_phase', 'on');
SELECT 'made' FROM pg_create_logical_replication_slot('twophase', 'wal2lake', false, true);
SELECT drop_slot();
DROP FUNCTION streamed;
DROP TABLE t, hidden;
