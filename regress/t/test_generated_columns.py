"""Columns that the server computes: stored ones travel like any other, virtual ones (18) have no value that could."""

import pytest


@pytest.fixture
def rows(database):
    """The new and the old rows of a table with a generated column of a kind, after an insert, an update and a delete."""
    def made(kind):
        database.execute(f"CREATE TABLE t (id bigint PRIMARY KEY, name text, shout text GENERATED ALWAYS AS (upper(name)) {kind}, "
                         "last text)", "ALTER TABLE t REPLICA IDENTITY FULL")
        database.label("t", id="green", name="green", shout="green", last="green")
        slot = database.plugin_slot()
        database.execute("INSERT INTO t (id, name, last) VALUES (1, 'a', 'z')", "UPDATE t SET name = 'b'", "DELETE FROM t")
        changes = [change for transaction in slot.transactions() for change in transaction.changes]
        return [row for change in changes for row in (change.new, change.old) if row]
    return made


def test_a_stored_column_is_sent(rows):
    assert [row["shout"] for row in rows("STORED")] == ["A", "B", "A", "B"]


def test_a_virtual_column_is_no_column(rows, database, server):
    """It is in no row of the WAL: a NULL in its place would be untrue. So nobody has to label one."""
    if server.connect().server_version < 180000:
        pytest.skip("virtual columns came with PostgreSQL 18")
    seen = rows("VIRTUAL")
    assert [sorted(row) for row in seen] == [["id", "last", "name"]] * 4
    assert [(row["name"], row["last"]) for row in seen] == [("a", "z"), ("b", "z"), ("a", "z"), ("b", "z")]
    database.execute("ALTER TABLE t ADD COLUMN whisper text GENERATED ALWAYS AS (lower(name)) VIRTUAL, ADD COLUMN plain text")
    assert database.value("SELECT array_agg(column_name::text) FROM wal2lake.unclassified") == ["plain"]
    assert database.value("SELECT array_agg(object_identity) FROM wal2lake.label_history WHERE old_label IS NULL AND new_label IS NULL "
                          "AND object_identity IN ('public.t.plain', 'public.t.whisper')") == ["public.t.plain"]
