-- Rolled-back work is not there; ordinals count what was decoded, emitted or not.
\pset format unaligned
\pset tuples_only on
CREATE TABLE t (id int PRIMARY KEY);
CREATE TABLE hidden (id int PRIMARY KEY);
SELECT * FROM wal2lake.classify('t', 'green');
SELECT make_slot();
BEGIN;
INSERT INTO t VALUES (1);
SAVEPOINT a;
INSERT INTO t VALUES (2);
ROLLBACK TO a;
INSERT INTO hidden VALUES (1);
SELECT 'x' FROM pg_logical_emit_message(true, 'prefix', 'transactional');
SAVEPOINT b;
INSERT INTO t VALUES (3);
RELEASE b;
INSERT INTO t VALUES (4);
COMMIT;
BEGIN;
INSERT INTO t VALUES (5);
ROLLBACK;
-- Nothing to send: nothing is sent.
INSERT INTO hidden VALUES (2);
SELECT 'x' FROM pg_logical_emit_message(false, 'prefix', 'not transactional');
SELECT 'x' FROM pg_logical_emit_message(true, 'prefix', 'transactional');
SELECT changes();
-- A transaction of several batches: one end.
INSERT INTO t SELECT generate_series(1000, 30000);
SELECT count(*) > 2 AS several_frames,
       count(*) FILTER (WHERE line = 'end') AS ends, count(*) FILTER (WHERE line = 'more') > 1 AS several_more,
       count(*) FILTER (WHERE line ~ 'INSERT') AS inserts
  FROM changes() AS line;
SELECT drop_slot();
DROP TABLE t, hidden;
