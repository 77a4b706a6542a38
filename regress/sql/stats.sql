-- What is withheld, not carried and not emitted is counted, by table; of an excluded one not even the name is told.
\pset format unaligned
\pset tuples_only on
CREATE TABLE seen (id int PRIMARY KEY, a touchy, b text);
CREATE TABLE unseen (id int PRIMARY KEY);
CREATE TABLE acme_inc (id int PRIMARY KEY);
SECURITY LABEL FOR wal2lake ON TABLE acme_inc IS 'exclude';
SELECT * FROM wal2lake.classify('seen', 'green', 'id', 'a');
SELECT make_slot();
INSERT INTO unseen VALUES (1), (2), (3);
INSERT INTO acme_inc VALUES (1);
INSERT INTO seen VALUES (1, NULL, 'withheld'), (2, '987654321', NULL);
INSERT INTO seen VALUES (3, NULL, 'later counts wait for a minute');
SELECT line
  FROM (SELECT wal2lake.decode_frame(data, false) AS frame
          FROM pg_logical_slot_get_binary_changes('test', NULL, NULL)) AS frames,
       regexp_split_to_table(frame, E'\n') AS line
 WHERE line ~ '^stats ' ORDER BY line;
SELECT drop_slot();
DROP TABLE seen, unseen, acme_inc;
-- The server's own counters of the slot: each transaction once, also in pieces, and none that it did not decode.
CREATE TABLE t (id int PRIMARY KEY);
CREATE TABLE hidden (filler text);
SELECT * FROM wal2lake.classify('t', 'green');
SELECT make_slot();
CREATE FUNCTION counters() RETURNS text LANGUAGE sql AS $$
    SELECT format('total %s spilled %s streamed %s bytes %s', total_txns, spill_txns, stream_txns, total_bytes > 0)
      FROM pg_stat_replication_slots WHERE slot_name = 'test'
$$;
SELECT counters();
INSERT INTO t VALUES (1);
INSERT INTO hidden VALUES ('x');
BEGIN;
INSERT INTO t VALUES (2);
ROLLBACK;
SELECT count(*) FROM changes();
SELECT counters();
BEGIN;
INSERT INTO t VALUES (3);
INSERT INTO hidden SELECT repeat('x', 1000) FROM generate_series(1, 200);
COMMIT;
SET logical_decoding_work_mem = '64kB';
SELECT count(*) > 0 FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL);
SELECT counters();
SELECT count(*) > 0 FROM pg_logical_slot_get_binary_changes('test', NULL, NULL, 'streaming', 'on');
SELECT counters();
RESET logical_decoding_work_mem;
SELECT drop_slot();
DROP FUNCTION counters;
DROP TABLE t, hidden;
