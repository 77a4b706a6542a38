-- The stricter of the label then and the label now, at the right position of the WAL.
\pset format unaligned
\pset tuples_only on
CREATE TABLE t (id int PRIMARY KEY, a text, b text);
SELECT * FROM wal2lake.classify('t', 'green', 'id');
SELECT make_slot();
-- Unlabelled then, green now: still withheld. Green then and now: clear.
INSERT INTO t VALUES (1, 'unlabelled then', 'x');
SELECT * FROM wal2lake.classify('t', 'green', 'a');
INSERT INTO t VALUES (2, 'green then', 'x');
SELECT changes();
-- Green then, red now: the correction protects the backlog.
INSERT INTO t VALUES (3, 'green then', 'x');
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'red hash domain=email';
INSERT INTO t VALUES (4, 'red then', 'x');
SELECT changes();
-- Red then, green now: what was written as red stays red.
INSERT INTO t VALUES (5, 'red then', 'x');
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'green';
INSERT INTO t VALUES (6, 'green then', 'x');
SELECT changes();
-- Within a transaction, and rolled back with a savepoint.
BEGIN;
INSERT INTO t VALUES (7, 'green', 'x');
SAVEPOINT s;
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'red drop';
INSERT INTO t VALUES (8, 'red', 'x');
ROLLBACK TO s;
INSERT INTO t VALUES (9, 'green again', 'x');
COMMIT;
SELECT changes();
-- A label that was removed: withheld, though it was green then.
INSERT INTO t VALUES (10, 'green then', 'x');
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS NULL;
SELECT changes();
SELECT * FROM wal2lake.classify('t', 'green', 'a');
-- What no longer exists adds nothing: the labels of then decide.
INSERT INTO t VALUES (11, 'green then', 'x');
ALTER TABLE t DROP COLUMN a;
INSERT INTO t VALUES (12, 'b then');
SELECT changes();
-- A column of the same name is another column, and has no label.
ALTER TABLE t ADD COLUMN a text;
INSERT INTO t VALUES (13, 'b', 'new a');
SELECT changes();
-- A column that is renamed keeps its label and its written domain, or its default one changes.
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'red hash';
SELECT * FROM wal2lake.classify('t', 'red hash', 'b');
INSERT INTO t VALUES (14, 'same', 'same');
ALTER TABLE t RENAME COLUMN a TO z;
ALTER TABLE t RENAME COLUMN b TO y;
INSERT INTO t VALUES (15, 'same', 'same');
SELECT changes();
-- A table that is excluded, or has no label left, is not emitted.
INSERT INTO t VALUES (16);
SECURITY LABEL FOR wal2lake ON TABLE t IS 'exclude';
SELECT changes();
SECURITY LABEL FOR wal2lake ON TABLE t IS NULL;
INSERT INTO t VALUES (17);
SELECT changes();
-- A table that is gone now: the labels of then decide.
CREATE TABLE gone (id int PRIMARY KEY, a text, b text);
SELECT * FROM wal2lake.classify('gone', 'green', 'id', 'a');
INSERT INTO gone VALUES (1, 'clear', 'withheld');
DROP TABLE gone;
SELECT changes();
-- A superuser's edit of the catalog raises nothing, and is seen by the next session.
INSERT INTO t VALUES (18, 'y', 'z');
UPDATE pg_seclabel SET label = 'purple' WHERE objoid = 't'::regclass AND provider = 'wal2lake' AND objsubid > 1;
UPDATE pg_seclabel SET label = 'green ' || repeat(' ', 300) WHERE objoid = 't'::regclass AND provider = 'wal2lake' AND objsubid = 1;
SELECT changes();
SELECT drop_slot();
DROP TABLE t;
