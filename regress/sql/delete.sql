-- A DELETE carries what identifies the row, and is sent where nothing does.
\pset format unaligned
\pset tuples_only on
CREATE TABLE by_default (a text, id int PRIMARY KEY, b text);
CREATE TABLE by_full (id int PRIMARY KEY, email text, bio text);
ALTER TABLE by_full REPLICA IDENTITY FULL;
CREATE TABLE no_key (id int, a text);
SELECT count(*) FROM (VALUES ('by_default'), ('no_key')) AS t (name), LATERAL wal2lake.classify(name::regclass, 'green');
SELECT * FROM wal2lake.classify('by_full', 'green', 'id');
SELECT * FROM wal2lake.classify('by_full', 'red hash domain=email', 'email');
SELECT * FROM wal2lake.classify('by_full', 'red drop', 'bio');
INSERT INTO by_default VALUES ('a', 1, 'b'), ('c', 2, 'd');
INSERT INTO by_full VALUES (1, 'ada@example.com', 'secret');
INSERT INTO no_key VALUES (1, 'a');
SELECT make_slot();
DELETE FROM by_default;
DELETE FROM by_full;
DELETE FROM no_key;
SELECT changes();
SELECT drop_slot();
DROP TABLE by_default, by_full, no_key;
