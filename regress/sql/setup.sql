-- What the other tests share: the extension, roles, and one way to look.
CREATE EXTENSION wal2lake;
CREATE ROLE wal2lake_admin;
CREATE ROLE wal2lake_owner;
GRANT CREATE ON SCHEMA public TO wal2lake_owner, wal2lake_admin;

-- What the slot "test" would send, and moves on. Without what differs from run to
-- run, and without the counters, which have a test of their own.
CREATE FUNCTION changes() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT line
      FROM (SELECT wal2lake.decode_frame(data, positions => false) AS frame
              FROM pg_logical_slot_get_binary_changes('test', NULL, NULL)) AS frames,
           regexp_split_to_table(frame, E'\n') AS line
     WHERE line !~ '^stats '
$$;
CREATE FUNCTION make_slot() RETURNS void LANGUAGE sql AS $$
    SELECT FROM pg_create_logical_replication_slot('test', 'wal2lake')
$$;
CREATE FUNCTION drop_slot() RETURNS void LANGUAGE sql AS $$
    SELECT pg_drop_replication_slot('test')
$$;

-- A type whose output function fails: enum_out() finds no label for the number and says
-- so, number included. The notices about it differ with the version.
SET client_min_messages = warning;
CREATE TYPE touchy;
CREATE FUNCTION touchy_in(cstring) RETURNS touchy LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION touchy_out(touchy) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'enum_out';
CREATE TYPE touchy (INPUT = touchy_in, OUTPUT = touchy_out, LIKE = int4);
