-- NULL, empty, unchanged, withheld: never confused.
\pset format unaligned
\pset tuples_only on
CREATE TABLE t (id int PRIMARY KEY, clear text, bytes bytea, hashed text, dropped text, bare text);
SELECT * FROM wal2lake.classify('t', 'green', 'id', 'clear', 'bytes');
SELECT * FROM wal2lake.classify('t', 'red hash domain=d', 'hashed');
SELECT * FROM wal2lake.classify('t', 'red drop', 'dropped');
SELECT make_slot();
INSERT INTO t VALUES (1, NULL, NULL, NULL, NULL, NULL), (2, '', '', '', '', '');
SELECT changes();
-- A column added with a default is there for old rows too.
ALTER TABLE t ADD late text DEFAULT 'default', ADD later text DEFAULT 'secret default';
SELECT * FROM wal2lake.classify('t', 'green', 'late');
ALTER TABLE t REPLICA IDENTITY FULL;
UPDATE t SET clear = 'x' WHERE id = 1;
-- A dropped column is gone, whatever its bytes were.
ALTER TABLE t DROP COLUMN clear;
DELETE FROM t WHERE id = 1;
SELECT changes();
SELECT drop_slot();
DROP TABLE t;
