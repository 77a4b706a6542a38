-- Large values: toasted, unchanged, in chunks, and next to each other.
\pset format unaligned
\pset tuples_only on
CREATE TABLE doc (id int PRIMARY KEY, title text, body text, secret text, hidden text);
ALTER TABLE doc ALTER body SET STORAGE EXTERNAL, ALTER secret SET STORAGE EXTERNAL, ALTER hidden SET STORAGE EXTERNAL;
SELECT * FROM wal2lake.classify('doc', 'green', 'id', 'title', 'body');
SELECT * FROM wal2lake.classify('doc', 'red hash domain=secret', 'secret');
SELECT * FROM wal2lake.classify('doc', 'red drop', 'hidden');
SELECT make_slot();
INSERT INTO doc VALUES (1, 'one', repeat('b', 3000), repeat('s', 3000), repeat('h', 3000));
UPDATE doc SET title = 'uno';
UPDATE doc SET body = repeat('c', 3000);
UPDATE doc SET secret = repeat('s', 3000);
UPDATE doc SET id = 2;
-- REPLICA IDENTITY FULL logs the old values, the toasted ones too.
ALTER TABLE doc REPLICA IDENTITY FULL;
UPDATE doc SET title = 'due';
DELETE FROM doc;
SELECT regexp_replace(line, '(b|c)\1{100,}', '\1...', 'g') FROM changes() AS line;
-- Above 1 MiB a clear value comes in chunks; a hashed one is hashed.
INSERT INTO doc SELECT 3, 'big', string_agg(md5(i::text), ''), string_agg(md5(i::text), ''), NULL FROM generate_series(1, 40000) i;
INSERT INTO doc VALUES (4, 'edge', repeat('e', 1048576), NULL, NULL), (5, 'over', repeat('e', 1048577), NULL, NULL);
SELECT regexp_replace(line, 'e{100,}', 'e...', 'g') FROM changes() AS line;
-- Many values just below 1 MiB do not add up to a frame without bound; nor do old and new ones.
CREATE TABLE many (id int PRIMARY KEY, a text, b text, c text, d text, e text, f text);
SELECT count(*) FROM wal2lake.classify('many', 'green');
INSERT INTO many SELECT 1, v, v, v, v, v, 'small' FROM (SELECT repeat('v', 1000000)) AS t (v);
ALTER TABLE many REPLICA IDENTITY FULL;
UPDATE many SET c = 'also small', d = repeat('d', 1500000);
SELECT regexp_replace(line, '([vd])\1{100,}', '\1...', 'g') FROM changes() AS line;
SELECT drop_slot();
DROP TABLE doc, many;
