-- TRUNCATE: several tables in one record, options, tables that are not emitted.
\pset format unaligned
\pset tuples_only on
CREATE TABLE one (id int PRIMARY KEY);
CREATE TABLE two (id int PRIMARY KEY, one_id int REFERENCES one);
CREATE TABLE hidden (id int PRIMARY KEY);
SELECT count(*) FROM (VALUES ('one'), ('two')) AS t (name), LATERAL wal2lake.classify(name::regclass, 'green');
SELECT make_slot();
TRUNCATE one CASCADE;
BEGIN;
INSERT INTO one VALUES (1);
TRUNCATE hidden;
TRUNCATE two, hidden RESTART IDENTITY;
INSERT INTO one VALUES (2);
COMMIT;
BEGIN;
TRUNCATE two;
ROLLBACK;
TRUNCATE hidden;
SELECT changes();
SELECT drop_slot();
DROP TABLE one, two, hidden;
