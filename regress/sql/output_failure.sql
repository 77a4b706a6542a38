-- An output function that fails does not stop the stream, and its error text goes nowhere.
\pset format unaligned
\pset tuples_only on
CREATE TABLE t (id int PRIMARY KEY, v touchy, after text);
SELECT count(*) FROM wal2lake.classify('t', 'green');
SELECT make_slot();
INSERT INTO t VALUES (1, '987654321', 'goes on');
INSERT INTO t SELECT i, '987654321', 'goes on' FROM generate_series(2, 1001) i;
SELECT count(*), count(*) FILTER (WHERE line ~ 'v=uncarried:output_failed:0 after=''goes on''$') AS uncarried,
       count(*) FILTER (WHERE line ~ '987654321') AS leaked
  FROM changes() AS line WHERE line ~ 'INSERT';
-- Asked for directly, the value is in the message.
SELECT v FROM t WHERE id = 1;
SELECT drop_slot();
DROP TABLE t;
