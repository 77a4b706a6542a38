-- Who may decode, what a slot may ask for, and what is refused before a byte.
\pset format unaligned
\pset tuples_only on
CREATE TABLE t (id int PRIMARY KEY, email text);
SELECT * FROM wal2lake.classify('t', 'green', 'id');
SET ROLE wal2lake_owner;
-- The server's own refusal; its words change with the version.
\set VERBOSITY sqlstate
SELECT pg_create_logical_replication_slot('test', 'wal2lake');
\set VERBOSITY default
SELECT * FROM pg_seclabel WHERE provider = 'none';
UPDATE pg_seclabel SET label = 'green';
RESET ROLE;
SELECT 'made' FROM pg_create_logical_replication_slot('twophase', 'wal2lake', false, true);
SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'twophase';
SELECT make_slot();
INSERT INTO t VALUES (1, 'ada@example.com');
SELECT pg_logical_slot_peek_changes('test', NULL, NULL);
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'nosuch', '1');
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'two_phase', 'on');
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'two_phase', 'true');
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'messages', 'maybe');
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'tables', 'public.t');
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'origin', 'some');
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'max_batch_bytes', '1');
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'max_batch_bytes', '64kB');
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'ORIGIN', 'none');
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'origin', 'any', 'streaming', 'on', 'origin', 'none');
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'origin', repeat('none', 262144));
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'format_version', '2');
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL, 'max_batch_bytes', '4096', 'origin', 'none', 'streaming', 'off', 'format_version', '1');
SELECT wal2lake.decode_frame('\x00010203');
SELECT wal2lake.decode_frame(substr(data, 1, length(data) - 1)) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL);
SELECT wal2lake.decode_frame(set_byte(data, length(data) - 3, 255)) FROM pg_logical_slot_peek_binary_changes('test', NULL, NULL);
-- Several starts that fail in one backend, and then one that works.
SELECT changes();
SELECT drop_slot();
DROP TABLE t;
