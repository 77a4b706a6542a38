"""What DDL does and no row tells, from the event trigger to the lake: renames, drops, partitions, rewrites, in their place
among the rows; and the extension that goes and comes while a slot streams."""

import json
import time

import pytest

from harness import forwarder
from harness.lake import Lake
from harness.plugin import assemble
from harness.source import Source, Writer
from harness.values import Token


@pytest.fixture
def source(database, tmp_path):
    made = Source(database, tmp_path, max_age="200ms")
    yield made
    made.running.stop()


def lines(source, *options):
    """What cat shows of the lake."""
    done = forwarder.command("cat", *options, source.lake)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def told(transactions):
    return [(ddl.kind, ddl.name) for transaction in transactions for ddl in transaction.ddl]


def test_ddl_is_in_the_lake_among_the_rows(source):
    source.start()
    source.database.execute(
        "BEGIN", "INSERT INTO t (email) VALUES ('a@example.com')", "ALTER TABLE t RENAME COLUMN email TO mail",
        "ALTER TABLE t ALTER COLUMN mail TYPE varchar(200) USING mail || '.invalid', ADD COLUMN at timestamptz DEFAULT clock_timestamp()",
        "INSERT INTO t (mail) VALUES ('b@example.com')", "ALTER TABLE t RENAME TO people", "COMMIT",
        "CREATE TABLE keyless (v text)", "SECURITY LABEL FOR wal2lake ON COLUMN keyless.v IS 'green'",
        "INSERT INTO keyless VALUES ('a')", "UPDATE keyless SET v = 'b'", "DELETE FROM keyless", "DROP TABLE keyless",
        "INSERT INTO people (mail) VALUES ('c@example.com')")
    source.ship_all_that_runs()
    seen = lines(source)
    assert [line.get("kind") or line["op"] for line in seen] == [
        "INSERT", "RENAME_COLUMN", "REWRITE", "ALTER_COLUMN_TYPE", "INSERT", "RENAME_TABLE", "INSERT", "UPDATE", "DELETE", "DROP_TABLE",
        "INSERT"]
    # A row that was written and one that was deleted: the rows of wal2lake.ddl count, as rows do; so does that of the trail, for the new column.
    assert [line["ordinal"] for line in seen[:6]] == [1, 2, 4, 6, 9, 10]
    column, rewrite, _, _, table = seen[1:6]
    assert (column["table"], column["column"], column["attnum"], column["old_name"]) == ("public.t", "mail", 2, "email")
    assert (table["table"], table["old_name"], table["oid"]) == ("public.people", "t", rewrite["oid"])
    # A table without identity says so in each line that misses it.
    assert [line.get("replica_identity") for line in seen[6:10]] == [None, "NOTHING", "NOTHING", None]
    assert "old" not in seen[7] and "old" not in seen[8]
    # Nothing of the texts of the statements is anywhere.
    assert "invalid" not in json.dumps(seen) and "clock" not in json.dumps(seen)
    assert [line.get("kind") for line in lines(source, "--table", "public.people")] == ["RENAME_TABLE", None]
    assert forwarder.verify(source.lake).returncode == 0


def test_the_extension_goes_and_comes_while_a_slot_streams(source):
    """Labels and rows do not need it; what DDL does is told while it is there."""
    source.start()
    process, database = source.walsender(), source.database
    with Writer(database, pause=0.02):
        database.execute("CREATE TABLE one ()", "DROP TABLE one", "DROP EXTENSION wal2lake",
                         "CREATE TABLE two ()", "DROP TABLE two")
        for _ in range(5):
            database.execute("CREATE EXTENSION wal2lake", "ALTER EXTENSION wal2lake UPDATE", "DROP EXTENSION wal2lake")
        database.execute("CREATE EXTENSION wal2lake", "CREATE TABLE three ()", "DROP TABLE three",
                         # What an upgrade does to the table under the eyes of the walsender.
                         "ALTER TABLE wal2lake.ddl ADD COLUMN later int", "CREATE TABLE four ()", "DROP TABLE four",
                         "ALTER EXTENSION wal2lake DROP TABLE wal2lake.ddl", "ALTER TABLE wal2lake.ddl DROP COLUMN later",
                         "ALTER EXTENSION wal2lake ADD TABLE wal2lake.ddl", "CREATE TABLE five ()", "DROP TABLE five")
    source.insert(10)
    source.ship_all_that_runs()
    assert source.walsender() == process, "one walsender did all of it"
    assert source.running.terminate() == 0
    source.complete()
    transactions = Lake(source.lake, forwarder.SOURCE).transactions()
    assert told(transactions) == [("drop_table", f"public.{name}") for name in ("one", "three", "four", "five")]
    emails = [change.new["email"] for transaction in transactions for change in transaction.changes if change.new]
    assert len(emails) >= 10 and all(isinstance(email, Token) for email in emails)


def test_a_forged_table_tells_nothing(server, database):
    """Without the extension anybody may own a table and a schema of its name."""
    database.execute("DROP EXTENSION wal2lake", "DROP SCHEMA wal2lake", "CREATE ROLE forger LOGIN", f'GRANT CREATE ON DATABASE "{database.name}" TO forger')
    slot = database.plugin_slot()
    try:
        database.execute("CREATE SCHEMA wal2lake", "CREATE TABLE wal2lake.ddl (kind name, object oid, name name)",
                         "INSERT INTO wal2lake.ddl VALUES ('drop_table', 1, 'secret')", user="forger")
        assert slot.transactions() == []
        # Nor may that stop decoding once it is labelled: it is a table as any other.
        database.label("wal2lake.ddl", name="green")
        database.execute("INSERT INTO wal2lake.ddl VALUES ('drop_table', 1, 'a row')", user="forger")
        (transaction,) = slot.transactions()
        assert not transaction.ddl and transaction.changes[0].new["name"] == "a row"
    finally:
        database.execute("DROP OWNED BY forger", "DROP ROLE forger")


def test_many_tables_go_in_no_time(database, note):
    """The trigger costs a fraction of what dropping a thousand tables takes."""
    def drop(schema):
        database.execute(f"CREATE SCHEMA {schema}", f"""
            DO $$ BEGIN FOR i IN 1..1000 LOOP
                EXECUTE format('CREATE TABLE {schema}.t%s (id int)', i);
            END LOOP; END $$""")
        connection = database.cluster.connect(database.name, autocommit=False)
        with connection.cursor() as cursor:
            begun = time.monotonic()
            cursor.execute(f"DROP SCHEMA {schema} CASCADE")
            seconds = time.monotonic() - begun
            cursor.execute("SELECT coalesce(sum(seq_scan), 0) FROM pg_stat_xact_user_tables WHERE relid = 'wal2lake.ddl'::regclass")
            scans = cursor.fetchone()[0]
        connection.commit()
        connection.close()
        # It would pass what a long migration left there, and lock the table for others that are serializable.
        assert scans == 0
        return seconds
    slot = database.plugin_slot()
    with_trigger = drop("a")
    database.execute("ALTER EVENT TRIGGER wal2lake_sql_drop DISABLE")
    without = drop("b")
    note(f"DROP SCHEMA of 1,000 tables: {with_trigger:.2f} s, without the trigger {without:.2f} s")
    assert with_trigger < 2 * without + 1
    dropped = told(slot.transactions())
    assert len(dropped) == 1000 and {kind for kind, _ in dropped} == {"drop_table"}
    assert {name for _, name in dropped} == {f"a.t{i}" for i in range(1, 1001)}


def test_a_frame_of_ddl_can_be_read_by_itself(database):
    """A transaction that did nothing else."""
    slot = database.plugin_slot()
    database.execute("CREATE TABLE t ()", "DROP TABLE t")
    (transaction,) = assemble(slot.peek())
    assert told([transaction]) == [("drop_table", "public.t")]
    assert not transaction.changes and transaction.ddl[0].ordinal == 1
