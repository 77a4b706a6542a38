"""Labels and shapes that change under a walsender that is running and has its decisions cached.

The SQL functions start afresh at each call, so pg_regress cannot see a decision that went stale.
"""

import contextlib
import os
import select
import signal
import threading
import time

import psycopg2
import psycopg2.extras
import pytest

from harness.cluster import wait_until
from harness.plugin import assemble
from harness.receiver import Receiver
from harness.values import WITHHELD, Token


@pytest.fixture
def streaming(database, tmp_path):
    """A table `t` whose column v is green, and a walsender that has already sent a row of it."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    database.label("t", id="green", v="green")
    database.slot = database.plugin_slot()
    receiver = Receiver(database.slot, tmp_path / "stream")
    database.execute("INSERT INTO t VALUES (0, 'warm')")
    assert receiver.rows("t", 1)[0]["v"] == "warm"
    database.receiver = receiver
    yield database
    receiver.stop()


def test_a_raised_label_holds_from_the_next_batch_on(streaming):
    streaming.label("t", v="red hash domain=d")
    streaming.execute("INSERT INTO t VALUES (1, 'red now')")
    assert isinstance(streaming.receiver.rows("t", 2)[1]["v"], Token)
    streaming.label("t", v="red drop")
    streaming.execute("INSERT INTO t VALUES (2, 'dropped now')")
    assert streaming.receiver.rows("t", 3)[2]["v"] is WITHHELD
    streaming.execute("SECURITY LABEL FOR wal2lake ON COLUMN t.v IS NULL", "INSERT INTO t VALUES (3, 'unlabelled')")
    assert streaming.receiver.rows("t", 4)[3]["v"] is WITHHELD


def test_each_row_of_an_open_transaction_has_the_label_of_its_position(streaming):
    """Another session relabels while a transaction is open; labels are green again when it is decoded."""
    connection = streaming.cluster.connect(streaming.name, autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (1, 'green')")
        streaming.label("t", v="red hash domain=d")
        cursor.execute("INSERT INTO t VALUES (2, 'red')")
        streaming.label("t", v="red drop")
        cursor.execute("INSERT INTO t VALUES (3, 'dropped')")
        streaming.label("t", v="green")
        cursor.execute("INSERT INTO t VALUES (4, 'green again')")
    connection.commit()
    connection.close()
    first, second, third, fourth = streaming.receiver.rows("t", 5)[1:]
    assert (first["v"], fourth["v"]) == ("green", "green again")
    assert isinstance(second["v"], Token) and third["v"] is WITHHELD


def test_an_edit_of_the_catalog_escapes_for_a_second_at_most(streaming):
    """A superuser's UPDATE of pg_seclabel raises no invalidation."""
    streaming.execute("UPDATE pg_seclabel SET label = 'red drop' WHERE objoid = 't'::regclass AND objsubid = 2")
    time.sleep(1.1)
    streaming.execute("INSERT INTO t VALUES (1, 'edited')")
    assert streaming.receiver.rows("t", 2)[1]["v"] is WITHHELD


def test_an_edit_of_the_catalog_reaches_what_waits(streaming):
    """The same edit, and a walsender whose client does not read: what was written as green before, and is not decoded yet."""
    client = streaming.receiver.process
    client.send_signal(signal.SIGSTOP)
    try:
        streaming.execute("""
            DO $$ BEGIN
                FOR i IN 1..1000 LOOP
                    INSERT INTO t SELECT i, string_agg(md5(concat(i, ' ', j)), '') FROM generate_series(1, 250) AS j;
                    COMMIT;
                END LOOP;
            END $$""", "UPDATE pg_seclabel SET label = 'red drop' WHERE objoid = 't'::regclass AND objsubid = 2")
        time.sleep(1.5)
    finally:
        client.send_signal(signal.SIGCONT)
    values = [row["v"] for row in streaming.receiver.rows("t", 1001)]
    withheld = [value is WITHHELD for value in values]
    assert not withheld[1] and withheld[-1]
    # Never again in clear, once it is withheld.
    assert withheld == sorted(withheld)


def test_a_raised_label_holds_within_one_batch_of_a_large_transaction(streaming, note):
    """Its rows were green when they were written; while it is being sent somebody finds that they should not have been."""
    rows = 600_000 if os.environ.get("WAL2LAKE_LONG") else 100_000
    client = streaming.receiver.process
    client.send_signal(signal.SIGSTOP)
    try:
        streaming.execute(f"INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, {rows}) AS i")
        wait_until(lambda: streaming.value("SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'walsender'")
                   == "WalSenderWriteData", 30, "the walsender to have filled the socket")
        streaming.label("t", v="red hash domain=d")
    finally:
        client.send_signal(signal.SIGCONT)
    tokens = [isinstance(row["v"], Token) for row in streaming.receiver.rows("t", rows + 1)[1:]]
    clear = tokens.index(True)
    assert tokens == [False] * clear + [True] * (rows - clear)
    # 64 KiB are some 1,100 rows; the rest had left before.
    in_flight = 20_000
    assert 0 < clear < in_flight
    note(f"{clear} of {rows} rows in clear: what the socket held, and a batch")


EDIT = "UPDATE pg_seclabel SET label = '{}' WHERE objoid = 't'::regclass AND objsubid = 2"
# So large that what waits in sockets is few of them.
WRITE = """
    DO $$ BEGIN
        FOR i IN {}..{} LOOP
            INSERT INTO t SELECT i, string_agg(md5(concat(i, ' ', j)), '') FROM generate_series(1, 250) AS j;
            COMMIT;
        END LOOP;
    END $$"""


def test_an_edit_that_was_open_when_it_was_looked_for_counts_once_it_commits(streaming):
    """A commit writes to no page: what was written and not committed must be looked for again."""
    editor = streaming.cluster.connect(streaming.name, autocommit=False)
    with editor.cursor() as cursor:
        cursor.execute(EDIT.format("red drop"))
    for number in (1, 2):
        time.sleep(1.1)
        streaming.execute(f"INSERT INTO t VALUES ({number}, 'looked')")
        assert streaming.receiver.rows("t", number + 1)[number]["v"] == "looked"
    client = streaming.receiver.process
    client.send_signal(signal.SIGSTOP)
    try:
        streaming.execute(WRITE.format(3, 400))
        editor.commit()
        editor.close()
        time.sleep(1.5)
    finally:
        client.send_signal(signal.SIGCONT)
    assert streaming.receiver.rows("t", 401)[-1]["v"] is WITHHELD


def test_an_edit_is_in_force_where_it_was_made_though_now_does_not_change(database):
    """Labels that were edited and edited back before anything of them is decoded: they are seen by position alone."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    database.label("t", id="green", v="green")
    slot = database.plugin_slot()
    database.execute(WRITE.format(1, 200), EDIT.format("red drop"), WRITE.format(201, 500), EDIT.format("green"),
                     WRITE.format(501, 800))
    connection = psycopg2.connect(slot.cluster.conninfo(slot.dbname),
                                  connection_factory=psycopg2.extras.LogicalReplicationConnection)
    messages = []
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.start_replication(slot.slot)
        deadline = time.monotonic() + 60
        while len(messages) < 800 and time.monotonic() < deadline:
            message = cursor.read_message()
            if message is None:
                select.select([connection], [], [], 1)
                continue
            messages.append(bytes(message.payload))
            # In the middle of each part decisions become older than a second; what is sent already is in sockets.
            if len(messages) in (100, 300, 600):
                time.sleep(1.2)
    rows = [change.new for transaction in assemble(b"".join(messages)) for change in transaction.changes]
    kinds = ["withheld" if row["v"] is WITHHELD else "clear" for row in rows]
    assert len(rows) == 800 and kinds[0] == kinds[199] == "clear"
    assert set(kinds[400:500]) == {"withheld"}


def test_what_no_edit_touched_is_not_read_again(database, tmp_path, note):
    """Old decisions on many tables hold on after one look at the catalogs, not one at the labels of each."""
    tables, seconds = 50, 4
    database.execute(*(f"CREATE TABLE t{i} (id int PRIMARY KEY)" for i in range(tables)),
                     *(f"SECURITY LABEL FOR wal2lake ON COLUMN t{i}.id IS 'green'" for i in range(tables)))
    slot = database.plugin_slot()
    write = "".join(f"INSERT INTO t{i} VALUES (%s);" for i in range(tables))

    def scans():
        return database.value("SELECT idx_scan FROM pg_stat_sys_indexes WHERE indexrelname = 'pg_seclabel_object_index'")

    def read(path, rounds):
        receiver = Receiver(slot, path)
        for number in rounds:
            database.execute(write.replace("%s", str(number)))
            receiver.rows(f"t{tables - 1}", number - rounds.start + 1)
            time.sleep(1.1)
        receiver.stop()
        wait_until(lambda: not database.value(f"SELECT active FROM pg_replication_slots WHERE slot_name = '{slot.slot}'"),
                   20, "the slot to be free")
        return scans()

    before = scans()
    first = read(tmp_path / "first", range(1, 2)) - before
    more = read(tmp_path / "more", range(2, 2 + seconds)) - before - first
    note(f"index scans of pg_seclabel: {first} in the first second, {more} in {seconds}")
    assert first > tables
    # Who was at work when we came may keep the first look from knowing.
    assert more <= first + tables * 2 * 2


def test_a_label_on_the_root_reaches_cached_partitions(streaming):
    streaming.execute("CREATE TABLE root (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id)",
                      "CREATE TABLE middle PARTITION OF root FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id)",
                      "CREATE TABLE leaf PARTITION OF middle FOR VALUES FROM (0) TO (100)")
    streaming.label("root", id="green", v="green")
    streaming.execute("INSERT INTO root VALUES (1, 'clear')")
    assert streaming.receiver.rows("leaf", 1)[0]["v"] == "clear"
    streaming.label("root", v="red hash domain=d")
    streaming.execute("INSERT INTO root VALUES (2, 'token')")
    assert isinstance(streaming.receiver.rows("leaf", 2)[1]["v"], Token)
    streaming.execute("SECURITY LABEL FOR wal2lake ON TABLE middle IS 'exclude'", "INSERT INTO root VALUES (3, 'no')",
                      "INSERT INTO t VALUES (9, 'after')")
    assert streaming.receiver.rows("t", 2)
    assert len(streaming.receiver.rows("leaf", 2)) == 2


def test_renames_and_new_columns_are_seen_in_mid_stream(streaming):
    streaming.execute("ALTER TABLE t RENAME COLUMN v TO w", "ALTER TABLE t ADD COLUMN extra text",
                      "INSERT INTO t VALUES (1, 'kept', 'unlabelled')", "ALTER TABLE t RENAME TO s",
                      "INSERT INTO s VALUES (2, 'kept', 'unlabelled')", "ALTER SCHEMA public RENAME TO moved",
                      "INSERT INTO moved.s VALUES (3, 'kept', 'unlabelled')", "ALTER SCHEMA moved RENAME TO public")
    assert streaming.receiver.rows("t", 2)[1] == {"id": "1", "w": "kept", "extra": WITHHELD}
    assert streaming.receiver.rows("s", 1)[0] == {"id": "2", "w": "kept", "extra": WITHHELD}
    moved = wait_until(lambda: [change.new for change in streaming.receiver.changes() if change.table == "moved.s"], 20,
                       "the table in its new schema")
    assert moved == [{"id": "3", "w": "kept", "extra": WITHHELD}]


def test_an_index_built_concurrently_between_transactions_does_not_wedge(streaming):
    """An index that the relation cache knows and the snapshot of an older transaction does not."""
    streaming.execute("INSERT INTO t VALUES (1, 'old'), (2, 'old')")
    first = streaming.cluster.connect(streaming.name, autocommit=False)
    with first.cursor() as cursor:
        cursor.execute("DELETE FROM t WHERE id = 1")
    builder = threading.Thread(target=streaming.execute, args=("CREATE INDEX CONCURRENTLY t_v ON t (v)",))
    builder.start()
    wait_until(lambda: streaming.value("SELECT count(*) FROM pg_class WHERE relname = 't_v'"), 20, "the index to begin")
    streaming.execute("INSERT INTO t VALUES (3, 'new')")
    assert streaming.receiver.rows("t", 4)[3]["v"] == "new"
    first.commit()
    first.close()
    builder.join(30)
    assert not builder.is_alive()
    streaming.execute("REINDEX TABLE CONCURRENTLY t", "INSERT INTO t VALUES (4, 'last')")
    changes = wait_until(lambda: [change for change in streaming.receiver.changes()
                                  if change.table == "public.t"][4:] or None, 20, "the delete")
    assert changes[0].operation == "delete" and changes[0].old["id"] == "1"
    assert streaming.receiver.rows("t", 6)[5]["v"] == "last"
