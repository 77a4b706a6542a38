-- Rows arrive in order, with ordinals, clear, as token or withheld.
\pset format unaligned
\pset tuples_only on
CREATE TABLE users (id int PRIMARY KEY, email text, name text, bio text, note text);
SELECT * FROM wal2lake.classify('users', 'green', 'id', 'name');
SELECT * FROM wal2lake.classify('users', 'red', 'email');
SELECT * FROM wal2lake.classify('users', 'red drop', 'bio');
SELECT make_slot();
INSERT INTO users VALUES (1, 'ada@example.com', 'Ada', 'secret', 'unlabelled'), (2, NULL, '', NULL, NULL);
INSERT INTO users VALUES (3, 'ada@example.com', E'quote '' and\nline', NULL, NULL);
SELECT changes();
SELECT drop_slot();
DROP TABLE users;
