-- What is withheld, not carried and not emitted is counted, by table.
\pset format unaligned
\pset tuples_only on
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
