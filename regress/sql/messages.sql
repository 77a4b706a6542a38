-- Logical messages: those of a prefix that wal2lake.message_prefixes names, and no others.
\pset format unaligned
\pset tuples_only on
CREATE TABLE t (id int PRIMARY KEY);
CREATE TABLE hidden (filler text);
SELECT * FROM wal2lake.classify('t', 'green');
SHOW wal2lake.message_prefixes;
-- A message takes a number, sent or not. The prefix must be the same to the letter.
SELECT make_slot();
BEGIN;
INSERT INTO t VALUES (1);
SELECT 'x' FROM pg_logical_emit_message(true, 'app', 'text of ''the'' application');
SELECT 'x' FROM pg_logical_emit_message(true, 'App', 'withheld');
SELECT 'x' FROM pg_logical_emit_message(true, 'ap', 'withheld');
SELECT 'x' FROM pg_logical_emit_message(true, 'app.', 'withheld');
SELECT 'x' FROM pg_logical_emit_message(true, '', 'withheld');
SELECT 'x' FROM pg_logical_emit_message(true, 'with, comma', '\x00ff'::bytea);
SELECT 'x' FROM pg_logical_emit_message(true, 'with', 'withheld');
SELECT 'x' FROM pg_logical_emit_message(true, 'app', '');
INSERT INTO t VALUES (2);
COMMIT;
SELECT changes();
-- One that belongs to no transaction stands where it was written, whatever becomes of its writer.
BEGIN;
INSERT INTO t VALUES (3);
SELECT 'x' FROM pg_logical_emit_message(false, 'app', 'before the commit');
SELECT 'x' FROM pg_logical_emit_message(false, 'other', 'withheld');
COMMIT;
BEGIN;
SELECT 'x' FROM pg_logical_emit_message(false, 'app', 'of a transaction that rolls back');
SELECT 'x' FROM pg_logical_emit_message(true, 'app', 'rolled back');
ROLLBACK;
SELECT 'x' FROM pg_logical_emit_message(true, 'app', 'a transaction of its own');
SELECT changes();
-- The client may ask for less, not for more.
SELECT 'x' FROM pg_logical_emit_message(false, 'app', 'not asked for');
SELECT 'x' FROM pg_logical_emit_message(true, 'app', 'not asked for');
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'messages', 'off');
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'messages', 'on');
SELECT count(*) FROM pg_logical_slot_get_binary_changes('test', NULL, NULL, 'messages', 'off');
-- A large one comes in pieces. One of no transaction does not flush the WAL, without which it is not decoded: the commit does.
SELECT 'x' FROM pg_logical_emit_message(false, 'app.long', repeat('y', 1048577));
SELECT 'x' FROM pg_logical_emit_message(true, 'app.long', repeat('x', 2500000));
SELECT changes();
-- In a transaction in progress it goes with its subtransaction.
CREATE FUNCTION exceed() RETURNS void LANGUAGE sql AS $$
    INSERT INTO hidden SELECT repeat('x', 1000) FROM generate_series(1, 200)
$$;
BEGIN;
INSERT INTO t VALUES (4);
SELECT 'x' FROM pg_logical_emit_message(true, 'app', 'top level');
SAVEPOINT a;
SELECT 'x' FROM pg_logical_emit_message(true, 'app', 'aborts');
SELECT exceed();
ROLLBACK TO a;
SAVEPOINT b;
SELECT 'x' FROM pg_logical_emit_message(true, 'app', 'stays');
SELECT 'x' FROM pg_logical_emit_message(false, 'app', 'of no transaction');
INSERT INTO t VALUES (5);
RELEASE b;
SELECT exceed();
COMMIT;
SET logical_decoding_work_mem = '64kB';
SELECT line
  FROM (SELECT wal2lake.decode_frame(data, positions => false) AS frame
          FROM pg_logical_slot_get_binary_changes('test', NULL, NULL, 'streaming', 'on')) AS frames,
       regexp_split_to_table(frame, E'\n') AS line
 WHERE line !~ '^(stats|skipped) ' AND line NOT IN ('in progress', 'more');
RESET logical_decoding_work_mem;
-- What the setting takes.
ALTER SYSTEM SET wal2lake.message_prefixes = 'a,,b';
ALTER SYSTEM SET wal2lake.message_prefixes = '""';
ALTER SYSTEM SET wal2lake.message_prefixes = 'prüfung';
SELECT drop_slot();
DROP FUNCTION exceed;
DROP TABLE t, hidden;
