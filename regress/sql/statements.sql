-- Every statement that writes rows, and the ways in which a transaction can do so: what arrives is what it did.
\pset format unaligned
\pset tuples_only on
CREATE TABLE t (id int PRIMARY KEY, a text DEFAULT 'by default', n int);
CREATE TABLE child (id int PRIMARY KEY, t_id int REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE);
SELECT count(*) FROM (VALUES ('t'), ('child')) AS l (name), LATERAL wal2lake.classify(name::regclass, 'green');
SELECT make_slot();
-- A default that was taken, and a NULL that was written.
INSERT INTO t (id) VALUES (1);
INSERT INTO t VALUES (2, NULL, 2), (3, 'three', 3);
-- A conflict: nothing, an update, and both in one statement; speculative insertions that were taken back are not there.
INSERT INTO t VALUES (1, 'not inserted', 1) ON CONFLICT DO NOTHING;
INSERT INTO t VALUES (1, 'conflict', 1), (4, 'four', 4) ON CONFLICT (id) DO UPDATE SET a = EXCLUDED.a || ', so updated';
SET enable_hashjoin = off;
SET enable_mergejoin = off;
MERGE INTO t USING (VALUES (3, 'merged'), (5, 'five'), (2, NULL)) AS s (id, a) ON t.id = s.id
    WHEN MATCHED AND s.a IS NULL THEN DELETE
    WHEN MATCHED THEN UPDATE SET a = s.a
    WHEN NOT MATCHED THEN INSERT (id, a) VALUES (s.id, s.a);
RESET enable_hashjoin;
RESET enable_mergejoin;
SELECT changes();
-- Several tables in one statement, by reference and by name.
INSERT INTO child VALUES (1, 1), (4, 4);
UPDATE t SET id = 40 WHERE id = 4;
DELETE FROM t WHERE id = 1;
WITH gone AS (DELETE FROM t WHERE id = 5 RETURNING *) INSERT INTO child SELECT id, NULL FROM gone;
UPDATE t SET n = child.id FROM child WHERE child.t_id = t.id;
SELECT changes();
-- A trigger's rows are between those of the statement; one that writes nothing keeps its row out.
CREATE FUNCTION also() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.n < 0 THEN
        RETURN NULL;
    END IF;
    INSERT INTO child VALUES (NEW.id + 1000, NULL);
    RETURN NEW;
END
$$;
CREATE TRIGGER also BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION also();
INSERT INTO t VALUES (6, 'six', 6), (7, 'kept out', -1), (8, 'eight', 8);
SELECT changes();
DROP TRIGGER also ON t;
-- Many rows in one record of the WAL, among them some that are stored out of line.
ALTER TABLE t ALTER a SET STORAGE EXTERNAL;
COPY t FROM STDIN;
100	one	1
101	\N	2
102	tab\there	3
\.
INSERT INTO t SELECT i, repeat(i::text, 1000), i FROM generate_series(200, 203) AS i;
SELECT regexp_replace(line, '(20\d)\1+', '\1...') FROM changes() AS line;
-- A key that is stored compressed, and is changed and deleted: its old value is whole.
CREATE TABLE long_key (id text PRIMARY KEY, a int);
SELECT * FROM wal2lake.classify('long_key', 'green');
INSERT INTO long_key VALUES (repeat('k', 50000), 1);
UPDATE long_key SET a = 2;
UPDATE long_key SET id = repeat('l', 50000);
DELETE FROM long_key;
SELECT replace(replace(line, repeat('k', 50000), 'k 50,000 times'), repeat('l', 50000), 'l 50,000 times') FROM changes() AS line;
-- Eighty subtransactions within each other, of which the last forty are undone at once.
CREATE FUNCTION nest(depth int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO t VALUES (1000 + depth, 'nested');
    IF depth < 80 THEN
        PERFORM nest(depth + 1);
    END IF;
    IF depth = 41 THEN
        RAISE EXCEPTION 'undone';
    END IF;
EXCEPTION WHEN raise_exception THEN
    INSERT INTO t VALUES (2000 + depth, 'instead');
END
$$;
SELECT nest(1);
SELECT count(*), min(line), max(line) FROM changes() AS line WHERE line ~ 'INSERT';
-- DDL that is undone leaves no trace, whatever was written in between.
BEGIN;
INSERT INTO t VALUES (3001, 'before', 1);
SAVEPOINT s;
ALTER TABLE t DROP COLUMN n, ADD COLUMN m text;
INSERT INTO t VALUES (3002, 'undone', 'm');
SAVEPOINT r;
ALTER TABLE t RENAME m TO o;
INSERT INTO t VALUES (3003, 'undone', 'o');
ROLLBACK TO s;
INSERT INTO t VALUES (3004, 'after', 4);
SAVEPOINT u;
DROP TABLE child;
ROLLBACK TO u;
INSERT INTO child VALUES (3004, NULL);
COMMIT;
SELECT changes();
-- A table that decoding may look into is a table like any other.
ALTER TABLE child SET (user_catalog_table = true);
INSERT INTO child VALUES (3005, NULL);
ALTER TABLE child RESET (user_catalog_table);
INSERT INTO child VALUES (3006, NULL);
SELECT changes();
-- Rows that several lock are rows; locks alone are nothing.
BEGIN;
SELECT id FROM t WHERE id = 40 FOR SHARE;
SAVEPOINT s;
SELECT id FROM t WHERE id = 40 FOR UPDATE;
UPDATE t SET n = 41 WHERE id = 40;
ROLLBACK TO s;
UPDATE t SET n = 42 WHERE id = 40;
COMMIT;
BEGIN;
SELECT id FROM t WHERE id = 40 FOR UPDATE;
COMMIT;
SELECT changes();
-- A catalog that is rewritten, and a table with it, between two rows of a transaction.
BEGIN;
INSERT INTO t VALUES (4001, 'before');
CLUSTER t USING t_pkey;
INSERT INTO t VALUES (4002, 'after');
COMMIT;
VACUUM FULL pg_class;
VACUUM FULL pg_attribute;
INSERT INTO t VALUES (4003, 'after');
VACUUM FULL t;
UPDATE t SET n = 3 WHERE id = 4003;
SELECT changes();
SELECT drop_slot();
DROP TABLE child, t, long_key;
DROP FUNCTION also, nest;
