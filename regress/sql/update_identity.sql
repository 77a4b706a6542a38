-- What identifies the old row, for each replica identity.
\pset format unaligned
\pset tuples_only on
CREATE TABLE by_default (id int PRIMARY KEY, a text, b text);
CREATE TABLE by_full (id int PRIMARY KEY, a text, b text);
ALTER TABLE by_full REPLICA IDENTITY FULL;
CREATE TABLE by_index (id int PRIMARY KEY, a text NOT NULL, b text);
CREATE UNIQUE INDEX by_index_a ON by_index (a);
ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_a;
CREATE TABLE by_nothing (id int PRIMARY KEY, a text, b text);
ALTER TABLE by_nothing REPLICA IDENTITY NOTHING;
CREATE TABLE no_key (id int, a text, b text);
SELECT count(*) FROM (VALUES ('by_default'), ('by_full'), ('by_index'), ('by_nothing'), ('no_key')) AS t (name),
       LATERAL wal2lake.classify(name::regclass, 'green');
-- A key that is hashed identifies the row in both images.
CREATE TABLE red_key (email text PRIMARY KEY, a int);
SELECT * FROM wal2lake.classify('red_key', 'red hash domain=email', 'email');
SELECT * FROM wal2lake.classify('red_key', 'green', 'a');
-- An unlabelled key is hashed in its own domain, a written drop is kept.
CREATE TABLE bare_key (id int PRIMARY KEY, a int);
SELECT * FROM wal2lake.classify('bare_key', 'green', 'a');
CREATE TABLE dropped_key (id int PRIMARY KEY, a int);
SELECT * FROM wal2lake.classify('dropped_key', 'red drop', 'id');
SELECT * FROM wal2lake.classify('dropped_key', 'green', 'a');
-- FULL alone does not make an unlabelled column part of the key.
CREATE TABLE full_without_key (id int, a int);
ALTER TABLE full_without_key REPLICA IDENTITY FULL;
SELECT * FROM wal2lake.classify('full_without_key', 'green', 'a');

SELECT make_slot();
INSERT INTO by_default VALUES (1, 'a', 'b');
UPDATE by_default SET b = 'c';
UPDATE by_default SET id = 2;
INSERT INTO by_full VALUES (1, 'a', NULL);
UPDATE by_full SET b = 'c';
INSERT INTO by_index VALUES (1, 'a', 'b');
UPDATE by_index SET b = 'c';
UPDATE by_index SET a = 'z';
INSERT INTO by_nothing VALUES (1, 'a', 'b');
UPDATE by_nothing SET id = 2;
INSERT INTO no_key VALUES (1, 'a', 'b');
UPDATE no_key SET id = 2;
INSERT INTO red_key VALUES ('ada@example.com', 1);
UPDATE red_key SET email = 'eve@example.com';
INSERT INTO bare_key VALUES (1, 1);
UPDATE bare_key SET id = 2;
INSERT INTO dropped_key VALUES (1, 1);
UPDATE dropped_key SET id = 2;
INSERT INTO full_without_key VALUES (1, 1);
UPDATE full_without_key SET a = 2;
SELECT changes();
SELECT drop_slot();
DROP TABLE by_default, by_full, by_index, by_nothing, no_key, red_key, bare_key, dropped_key, full_without_key;
-- The owner may make any index the identity; a written drop stays one, and what has no label is hashed at most.
CREATE TABLE guarded (id int PRIMARY KEY, secret text NOT NULL UNIQUE, unsaid text NOT NULL UNIQUE, note int);
SELECT * FROM wal2lake.classify('guarded', 'green', 'id', 'note');
SELECT * FROM wal2lake.classify('guarded', 'red drop', 'secret');
ALTER TABLE guarded OWNER TO wal2lake_owner;
SELECT make_slot();
SET ROLE wal2lake_owner;
ALTER TABLE guarded REPLICA IDENTITY USING INDEX guarded_secret_key;
INSERT INTO guarded VALUES (1, 'secret', 'unsaid', 1);
UPDATE guarded SET secret = 'other', note = 2;
ALTER TABLE guarded REPLICA IDENTITY FULL;
UPDATE guarded SET note = 3;
ALTER TABLE guarded REPLICA IDENTITY USING INDEX guarded_unsaid_key;
UPDATE guarded SET unsaid = 'else';
ALTER TABLE guarded REPLICA IDENTITY DEFAULT;
DELETE FROM guarded;
RESET ROLE;
SELECT changes();
SELECT drop_slot();
DROP TABLE guarded;
