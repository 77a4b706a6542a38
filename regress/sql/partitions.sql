-- A partition takes its ancestors' labels if it was created as one.
\pset format unaligned
\pset tuples_only on
CREATE TABLE parent (id int, day date, email text, note text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE before (junk int, note text, email text, id int NOT NULL, day date NOT NULL, PRIMARY KEY (id, day));
ALTER TABLE before DROP COLUMN junk;
CREATE TABLE made PARTITION OF parent FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE nested PARTITION OF parent FOR VALUES FROM ('2027-01-01') TO ('2028-01-01') PARTITION BY LIST (id);
CREATE TABLE leaf PARTITION OF nested FOR VALUES IN (1, 2, 3);
ALTER TABLE parent ATTACH PARTITION before FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
SELECT objname, label FROM pg_seclabels WHERE provider = 'wal2lake' AND objtype = 'table' ORDER BY 1;
SELECT * FROM wal2lake.classify('parent', 'green', 'id', 'day');
SELECT * FROM wal2lake.classify('parent', 'red', 'email');
SELECT make_slot();
-- The attached partition has other column numbers, and no labels: its key is hashed, the rest withheld.
INSERT INTO parent VALUES (1, '2026-06-01', 'ada@example.com', 'n'), (1, '2027-06-01', 'ada@example.com', 'n'),
                          (1, '2025-06-01', 'ada@example.com', 'n');
SELECT changes();
-- Until the admin confirms.
SECURITY LABEL FOR wal2lake ON TABLE before IS 'inherit';
INSERT INTO parent VALUES (2, '2025-06-01', 'ada@example.com', 'n');
SELECT changes();
-- A partition's own label can only add.
SECURITY LABEL FOR wal2lake ON COLUMN made.id IS 'red drop';
SECURITY LABEL FOR wal2lake ON COLUMN made.email IS 'green';
INSERT INTO parent VALUES (2, '2026-06-01', 'ada@example.com', 'n');
SELECT changes();
-- A label on the root reaches the leaves, whatever is cached.
SECURITY LABEL FOR wal2lake ON COLUMN parent.email IS 'red drop';
INSERT INTO parent VALUES (2, '2027-06-01', 'ada@example.com', 'n');
SELECT changes();
-- The ancestors then count, also once detached. A table that is no partition has its own labels alone.
INSERT INTO parent VALUES (3, '2027-06-01', 'ada@example.com', 'n');
ALTER TABLE nested DETACH PARTITION leaf;
INSERT INTO leaf VALUES (3, '2027-07-01', 'ada@example.com', 'n');
SELECT changes();
-- A mark from an earlier life does not follow a partition to where it is attached.
SELECT objname, label FROM pg_seclabels WHERE provider = 'wal2lake' AND objtype = 'table' ORDER BY 1;
GRANT ALL ON parent, nested, leaf TO wal2lake_owner;
ALTER TABLE parent OWNER TO wal2lake_owner;
ALTER TABLE nested OWNER TO wal2lake_owner;
ALTER TABLE leaf OWNER TO wal2lake_owner;
SECURITY LABEL FOR wal2lake ON TABLE leaf IS 'inherit';
SET ROLE wal2lake_owner;
DELETE FROM leaf;
-- A statement that was skipped asks nobody whose the partition is, and takes no mark.
ALTER TABLE IF EXISTS nowhere DETACH PARTITION before;
ALTER TABLE IF EXISTS nowhere ATTACH PARTITION before DEFAULT;
ALTER TABLE IF EXISTS nowhere ATTACH PARTITION leaf DEFAULT;
SELECT objname, label FROM pg_seclabels WHERE provider = 'wal2lake' AND objtype = 'table' ORDER BY 1;
ALTER TABLE nested ATTACH PARTITION leaf FOR VALUES IN (1, 2, 3);
RESET ROLE;
SELECT objname, label FROM pg_seclabels WHERE provider = 'wal2lake' AND objtype = 'table' ORDER BY 1;
INSERT INTO parent VALUES (1, '2027-06-01', 'ada@example.com', 'n');
SELECT changes();
ALTER TABLE nested DETACH PARTITION leaf;
-- TRUNCATE names the root and its leaves.
TRUNCATE parent;
SELECT changes();
-- Excluding the root excludes all.
SECURITY LABEL FOR wal2lake ON TABLE parent IS 'exclude';
INSERT INTO parent VALUES (3, '2026-06-01', 'x', 'n');
SELECT changes();
SELECT drop_slot();
DROP TABLE parent, leaf;
-- Partitions of each day, made and dropped by a job of the owner: from the first row on they are the root's.
CREATE TABLE daily (day date, email text, note text) PARTITION BY RANGE (day);
SELECT * FROM wal2lake.classify('daily', 'green', 'day', 'note');
SELECT * FROM wal2lake.classify('daily', 'red', 'email');
GRANT USAGE, CREATE ON SCHEMA public TO wal2lake_owner;
ALTER TABLE daily OWNER TO wal2lake_owner;
SELECT make_slot();
SET ROLE wal2lake_owner;
CREATE FUNCTION make_day(day date, attach boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := 'daily_' || to_char(day, 'MMDD');
BEGIN
    IF attach THEN
        EXECUTE format('CREATE TABLE %I (LIKE daily INCLUDING ALL)', name);
        EXECUTE format('ALTER TABLE daily ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, day, day + 1);
    ELSE
        EXECUTE format('CREATE TABLE %I PARTITION OF daily FOR VALUES FROM (%L) TO (%L)', name, day, day + 1);
    END IF;
    INSERT INTO daily VALUES (day, 'ada@example.com', 'n');
END
$$;
SELECT make_day('2026-01-01', false), make_day('2026-01-02', false);
DO $$ BEGIN DROP TABLE daily_0101; PERFORM make_day('2026-01-03', false); END $$;
-- A job that makes a table and attaches it: withheld, and said so, until the admin confirms.
SELECT make_day('2026-01-04', true);
RESET ROLE;
SELECT severity, code, object, fix FROM wal2lake.check() WHERE code = 'attached-partition';
SECURITY LABEL FOR wal2lake ON TABLE daily_0104 IS 'inherit';
INSERT INTO daily VALUES ('2026-01-04', 'ada@example.com', 'n');
SELECT changes();
SELECT drop_slot();
DROP TABLE daily;
DROP FUNCTION make_day;
