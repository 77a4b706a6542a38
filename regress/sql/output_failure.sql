-- An output function that fails does not stop the stream, and its error text goes nowhere.
\pset format unaligned
\pset tuples_only on
CREATE TABLE t (id int PRIMARY KEY, v touchy, after text);
SELECT count(*) FROM wal2lake.classify('t', 'green');
SELECT make_slot();
INSERT INTO t VALUES (1, '987654321', 'goes on');
INSERT INTO t SELECT i, '987654321', 'goes on' FROM generate_series(2, 1001) i;
SELECT count(*), count(*) FILTER (WHERE line ~ 'v=uncarried:output_failed:0 after=''goes on''$') AS uncarried,
       count(*) FILTER (WHERE line ~ '987654321') AS leaked
  FROM changes() AS line WHERE line ~ 'INSERT';
-- Asked for directly, the value is in the message.
SELECT v FROM t WHERE id = 1;
SELECT drop_slot();
DROP TABLE t;

-- Nor does what the call had changed reach the values that follow: the user, a setting.
SET client_min_messages = warning;
CREATE TYPE as_definer;
CREATE FUNCTION as_definer_in(cstring) RETURNS as_definer LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION as_definer_out(as_definer) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT
    SECURITY DEFINER SET DateStyle = 'German' AS 'enum_out';
ALTER FUNCTION as_definer_out(as_definer) OWNER TO wal2lake_owner;
CREATE TYPE as_definer (INPUT = as_definer_in, OUTPUT = as_definer_out, LIKE = int4);
CREATE TYPE whoever;
CREATE FUNCTION whoever_in(cstring) RETURNS whoever LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION whoever_out(whoever) RETURNS cstring LANGUAGE internal STABLE STRICT AS 'current_user';
CREATE TYPE whoever (INPUT = whoever_in, OUTPUT = whoever_out, LIKE = int4);
RESET client_min_messages;
CREATE TABLE t (id int PRIMARY KEY, v as_definer, day date[], who whoever);
SELECT count(*) FROM wal2lake.classify('t', 'green');
SELECT make_slot();
INSERT INTO t VALUES (1, '987654321', '{2026-11-26}', '1'), (2, NULL, '{2026-11-26}', '1'), (3, '987654321', '{2026-11-26}', '1');
SELECT replace(line, quote_literal(current_user), 'who decodes') FROM changes() AS line WHERE line ~ 'INSERT';
SELECT drop_slot();
DROP TABLE t;

-- One that does not end can be ended, and its column can be taken out: nothing was lost.
SET client_min_messages = warning;
CREATE TYPE endless;
CREATE FUNCTION endless_in(cstring) RETURNS endless LANGUAGE internal IMMUTABLE STRICT AS 'float8in';
CREATE FUNCTION endless_out(endless) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'pg_sleep';
CREATE TYPE endless (INPUT = endless_in, OUTPUT = endless_out, LIKE = float8);
RESET client_min_messages;
CREATE TABLE t (id int PRIMARY KEY, v endless, after text);
SELECT count(*) FROM wal2lake.classify('t', 'green');
SELECT make_slot();
INSERT INTO t VALUES (1, '1e6', 'goes on');
\set VERBOSITY terse
SET statement_timeout = '200ms';
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL);
RESET statement_timeout;
\set VERBOSITY default
SECURITY LABEL FOR wal2lake ON COLUMN t.v IS 'green drop';
SELECT line FROM changes() AS line WHERE line ~ 'INSERT';
SELECT drop_slot();
DROP TABLE t;
SET client_min_messages = warning;
DROP TYPE as_definer, whoever, endless CASCADE;
