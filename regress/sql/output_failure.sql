-- An output function that fails does not stop the stream, and its error text goes nowhere.
\pset format unaligned
\pset tuples_only on
-- enum_out() finds no label for the number and says so, number included.
-- The notices about it differ with the version.
SET client_min_messages = warning;
CREATE TYPE touchy;
CREATE FUNCTION touchy_in(cstring) RETURNS touchy LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION touchy_out(touchy) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'enum_out';
CREATE TYPE touchy (INPUT = touchy_in, OUTPUT = touchy_out, LIKE = int4);
RESET client_min_messages;
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
DROP TYPE touchy CASCADE;
