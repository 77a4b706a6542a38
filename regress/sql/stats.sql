-- What is withheld, not carried and not emitted is counted, by table.
\pset format unaligned
\pset tuples_only on
-- enum_out() finds no label for the number. The notices about it differ with the version.
SET client_min_messages = warning;
CREATE TYPE touchy;
CREATE FUNCTION touchy_in(cstring) RETURNS touchy LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION touchy_out(touchy) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'enum_out';
CREATE TYPE touchy (INPUT = touchy_in, OUTPUT = touchy_out, LIKE = int4);
RESET client_min_messages;
CREATE TABLE seen (id int PRIMARY KEY, a touchy, b text);
CREATE TABLE unseen (id int PRIMARY KEY);
SELECT * FROM wal2lake.classify('seen', 'green', 'id', 'a');
SELECT make_slot();
INSERT INTO unseen VALUES (1), (2), (3);
INSERT INTO seen VALUES (1, NULL, 'withheld'), (2, '987654321', NULL);
INSERT INTO seen VALUES (3, NULL, 'later counts wait for a minute');
SELECT line
  FROM (SELECT wal2lake.decode_frame(data, false) AS frame
          FROM pg_logical_slot_get_binary_changes('test', NULL, NULL)) AS frames,
       regexp_split_to_table(frame, E'\n') AS line
 WHERE line ~ '^stats ' ORDER BY line;
SELECT drop_slot();
DROP TABLE seen, unseen;
SET client_min_messages = warning;
DROP TYPE touchy CASCADE;
