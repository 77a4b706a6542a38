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
