"""Parts of different versions that meet, as after an upgrade that was not finished: refused by name, or harmless."""

import pytest

from harness.cluster import Cluster
from harness.odd_types import build


@pytest.fixture(scope="module")
def upgraded():
    """A server that was not restarted: what it preloaded is of another version than what decodes."""
    cluster = Cluster(preload=False, name="versions")
    try:
        cluster.configure({"shared_preload_libraries": build(cluster, "other_policy.c")})
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


def test_a_preloaded_library_of_another_version_is_refused(upgraded):
    with pytest.raises(Exception, match="wal2lake and the preloaded wal2lake_policy are of different versions") as refused:
        upgraded.query("SELECT pg_create_logical_replication_slot('s', 'wal2lake')")
    assert refused.value.pgcode == "55000" and "Restart" in refused.value.diag.message_hint
    assert upgraded.query("SELECT 1 FROM pg_replication_slots") == []


def test_functions_of_the_extension_refuse_it_too(upgraded):
    """They must not call into a table of functions that they do not know."""
    upgraded.query("CREATE EXTENSION wal2lake")
    for statement in ("SELECT wal2lake.is_admin()", "SELECT wal2lake.classify('pg_class', 'green')"):
        with pytest.raises(Exception, match="different versions"):
            upgraded.query(statement)
    assert "terminated by signal" not in upgraded.log_text()


def test_an_extension_that_was_not_updated_stops_nothing(database):
    """Its table of DDL is of another shape than the library knows: rows go on, and the statement says that it was not told."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY)")
    database.label("t", id="green")
    slot = database.plugin_slot()
    # As in an extension of a version that had neither these columns nor the name.
    database.execute("ALTER TYPE wal2lake.ddl_fact DROP ATTRIBUTE parent_name CASCADE",
                     "ALTER TABLE wal2lake.ddl DROP COLUMN parent_name")
    connection = database.cluster.connect(database.name)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE t RENAME COLUMN id TO number")
    assert any("could not tell the stream" in notice for notice in connection.notices), connection.notices
    connection.close()
    database.execute("INSERT INTO t VALUES (1)")
    assert [change.new for transaction in slot.transactions() for change in transaction.changes] == [{"number": "1"}]
