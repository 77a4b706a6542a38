-- A column that is added with a default gives old rows a value that no row of the WAL says: the relation says it.
\pset format unaligned
\pset tuples_only on
CREATE DOMAIN money_like AS numeric(10,2);
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE t (id int PRIMARY KEY);
ALTER TABLE t REPLICA IDENTITY FULL;
SELECT * FROM wal2lake.classify('t', 'green');
SELECT make_slot();
INSERT INTO t SELECT generate_series(1, 9);
-- Of an unlabelled column it is not even told that there is one.
ALTER TABLE t ADD COLUMN n int DEFAULT 7;
INSERT INTO t VALUES (10, 8);
SELECT changes();
SELECT * FROM wal2lake.classify('t', 'green', 'n');
-- Each through the reader of its column: native ones, output functions, domains, arrays, odd values.
ALTER TABLE t ADD COLUMN txt text DEFAULT '', ADD COLUMN nothing text, ADD COLUMN null_default text DEFAULT NULL,
    ADD COLUMN amount money_like DEFAULT 1.5, ADD COLUMN at timestamptz DEFAULT 'infinity',
    ADD COLUMN day date DEFAULT '0044-03-15 BC', ADD COLUMN tags text[] DEFAULT '{a,NULL}', ADD COLUMN m mood DEFAULT 'ok',
    ADD COLUMN ok bool DEFAULT false, ADD COLUMN f float8 DEFAULT 'NaN', ADD COLUMN raw bytea DEFAULT '\x00ff',
    ADD COLUMN span interval DEFAULT '1 mon 2 days', ADD COLUMN odd touchy DEFAULT '987654321';
SELECT * FROM wal2lake.classify('t', 'green', 'txt', 'nothing', 'null_default', 'amount', 'at', 'day', 'tags', 'm', 'ok', 'f', 'raw', 'span', 'odd');
-- Red ones: a token as any row would have it, or nothing, also where the label is raised later.
ALTER TABLE t ADD COLUMN email text DEFAULT 'ada@example.com', ADD COLUMN phone text DEFAULT '555 canary', ADD COLUMN late text DEFAULT 'late canary';
SELECT * FROM wal2lake.classify('t', 'red hash domain=email', 'email');
SELECT * FROM wal2lake.classify('t', 'red drop', 'phone');
SELECT * FROM wal2lake.classify('t', 'green', 'late');
INSERT INTO t (id) VALUES (11);
SECURITY LABEL FOR wal2lake ON COLUMN t.late IS 'red drop';
SELECT changes();
-- An old row with fewer attributes: what it lacks is what the relation says, NULL where that says nothing.
DELETE FROM t WHERE id = 1;
UPDATE t SET n = n + 1 WHERE id = 2;
SELECT changes();
-- A default that changes is another matter: that of the column's rows stays.
ALTER TABLE t ALTER n SET DEFAULT 9;
INSERT INTO t (id) VALUES (12);
SELECT n FROM t WHERE id = 3;
DELETE FROM t WHERE id = 3;
SELECT changes();
-- Once the table is rewritten, its rows have their values themselves.
SET client_min_messages = warning;
VACUUM FULL t;
DELETE FROM t WHERE id = 4;
SELECT changes();
DROP TABLE t;
-- A partition and a table in the middle of a transaction, and one that is rolled back.
CREATE TABLE p (id int PRIMARY KEY, a int) PARTITION BY LIST (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1, 2);
SELECT * FROM wal2lake.classify('p', 'green');
BEGIN;
INSERT INTO p VALUES (1, 1);
SAVEPOINT s;
ALTER TABLE p ADD COLUMN gone int DEFAULT 1;
ROLLBACK TO s;
ALTER TABLE p ADD COLUMN b int DEFAULT 42;
SELECT * FROM wal2lake.classify('p', 'green', 'b');
INSERT INTO p VALUES (2, 2);
COMMIT;
SELECT changes();
DROP TABLE p;
-- More than a row may hold in itself is not carried; what is small always is.
CREATE TABLE w (id int PRIMARY KEY);
SELECT * FROM wal2lake.classify('w', 'green');
INSERT INTO w VALUES (1);
DO $$ BEGIN
    FOR i IN 1..5 LOOP
        EXECUTE format('ALTER TABLE w ADD COLUMN c%s text DEFAULT %L', i, repeat('x', 300000));
    END LOOP;
END $$;
ALTER TABLE w ADD COLUMN small text DEFAULT 'small';
SELECT count(*) FROM wal2lake.classify('w', 'green');
INSERT INTO w (id, c1, c2, c3, c4, c5) VALUES (2, '', '', '', '', '');
SELECT regexp_replace(changes, '(x{10})x+', '\1...', 'g') FROM changes();
SELECT c5 = repeat('x', 300000) FROM w WHERE id = 1;
SELECT drop_slot();
DROP TABLE w;
DROP TYPE mood;
DROP DOMAIN money_like;
