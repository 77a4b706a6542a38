-- Tokens over SQL: the admin's, told to the log, and so many in a minute.
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE ROLE lookup_admin IN ROLE wal2lake_admin;
CREATE TYPE mood AS ENUM ('happy', 'sad');
CREATE DOMAIN mail AS text;
CREATE TABLE people (id int PRIMARY KEY, email text, born date, mood mood, at inet);
CREATE TABLE guests (email mail, number int8);
CREATE TABLE staff (email text, day int) PARTITION BY LIST (day);
CREATE TABLE staff_1 PARTITION OF staff FOR VALUES IN (1);
SELECT count(*) FROM wal2lake.classify('people', 'red hash domain=email', 'email');
SELECT count(*) FROM wal2lake.classify('people', 'red hash', 'born', 'mood', 'at');
SELECT count(*) FROM wal2lake.classify('guests', 'red hash domain=email', 'email');
SELECT count(*) FROM wal2lake.classify('staff', 'red hash domain=email', 'email');
SELECT count(*) FROM wal2lake.classify('people', 'green');
SELECT make_slot();
INSERT INTO people VALUES (1, 'ada@example.com', '1815-12-10', 'happy', '10.0.0.1'), (2, NULL, NULL, NULL, NULL);
SELECT line FROM changes() AS line WHERE line ~ 'INSERT';
SELECT drop_slot();
-- The same tokens, under the key in force or one that is named.
SELECT wal2lake.token('ada@example.com'::text, 'email'), wal2lake.token('ada@example.com'::mail, 'email', 'k2026'),
       wal2lake.token('1815-12-10'::date, 'public.people.born'), wal2lake.token('happy'::mood, 'public.people.mood'),
       wal2lake.token('10.0.0.1'::inet, 'public.people.at'), wal2lake.token(NULL::text, 'email') IS NULL;
SELECT wal2lake.token('x'::text, 'email', 'k2027');
SELECT wal2lake.token('{}'::jsonb, 'email');
SELECT wal2lake.token('x'::text, 'email', 'no such key');
-- A value of any size, out of line too.
CREATE TABLE large (t text);
ALTER TABLE large ALTER t SET STORAGE EXTERNAL;
INSERT INTO large SELECT repeat('x', 3000000);
SELECT wal2lake.token(t, 'email') = wal2lake.token(repeat('x', 3000000), 'email') FROM large;
-- All tokens of a domain, each pair once, of every table that has it; nothing else of them.
INSERT INTO guests VALUES ('ada@example.com', 1), ('bob@example.com', 2), ('bob@example.com', 3);
INSERT INTO staff VALUES ('cleo@example.com', 1);
SELECT old_token, new_token = old_token FROM wal2lake.token_pairs('email', 'k2026', 'k2026') ORDER BY 1;
SELECT count(*) FROM wal2lake.token_pairs('public.people.born', 'k2026', 'k2026');
SELECT * FROM wal2lake.token_pairs('nothing', 'k2026', 'k2026');
SELECT * FROM wal2lake.token_pairs('email', 'k2026', 'k1999');
-- Whoever may execute it must be the admin, too.
SET ROLE wal2lake_owner;
SELECT wal2lake.token('x'::text, 'email');
RESET ROLE;
GRANT EXECUTE ON FUNCTION wal2lake.token(anyelement, text, text), wal2lake.token_pairs(text, text, text) TO lookup_admin, wal2lake_owner;
SET ROLE wal2lake_owner;
SELECT wal2lake.token('x'::text, 'email');
SELECT wal2lake.token_pairs('email', 'k2026', 'k2026');
SELECT wal2lake.compute_token('x'::text, 'k2026', 'email');
SELECT wal2lake.log_lookup('x');
SELECT setval('wal2lake.token_lookups', 0);
SET ROLE lookup_admin;
SELECT wal2lake.token('ada@example.com'::text, 'email');
SELECT count(*) FROM wal2lake.token_pairs('email', 'k2026', 'k2026');
RESET ROLE;
-- A rollback gives no look-up back. In two minutes, where one ends in between, there are 60 at most.
CREATE FUNCTION asks(times int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    answers int := 0;
BEGIN
    FOR i IN 1 .. times LOOP
        BEGIN
            PERFORM wal2lake.token(i, 'd');
            answers := answers + 1;
            RAISE division_by_zero;
        EXCEPTION WHEN division_by_zero THEN
        WHEN configuration_limit_exceeded THEN
        END;
    END LOOP;
    RETURN answers;
END
$$;
SELECT asks(100) <= 60;
SELECT setval('wal2lake.token_lookups', 0);
SELECT asks(20);
SELECT setval('wal2lake.token_lookups', 0);
REVOKE EXECUTE ON FUNCTION wal2lake.token(anyelement, text, text), wal2lake.token_pairs(text, text, text) FROM lookup_admin, wal2lake_owner;
DROP FUNCTION asks;
DROP TABLE people, guests, staff, large;
DROP TYPE mood;
DROP DOMAIN mail;
DROP ROLE lookup_admin;
