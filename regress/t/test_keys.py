"""The life of keys under a walsender that is running: added, switched, spoilt, removed; and that nothing stays of them."""

import base64
import re
import secrets

import psycopg2
import pytest

from harness import memory, tokens
from harness.cluster import Cluster, wait_until
from harness.database import Database
from harness.receiver import Receiver

TEXT = 25
FIRST, SECOND = secrets.token_bytes(32), secrets.token_bytes(32)


def line(identifier, key):
    return f"{identifier} {base64.b64encode(key).decode()}\n"


def email_token(key, text):
    return tokens.token(key, "email", TEXT, text)


@pytest.fixture(scope="module")
def server():
    with Cluster(keys=line("k1", FIRST), name="keys", settings={"log_min_messages": "log"}) as cluster:
        yield cluster


@pytest.fixture
def app(server):
    """A table with a hashed column, one without, and a slot."""
    server.configure({"wal2lake.key_file": server.key_file})
    configure(server, line("k1", FIRST))
    with Database(server, "keys") as database:
        database.execute("CREATE TABLE t (id int PRIMARY KEY, email text)", "CREATE TABLE clear (id int PRIMARY KEY)",
                         f"SECURITY LABEL FOR wal2lake ON DATABASE {database.name} IS 'key=k1'")
        database.label("t", id="green", email="red hash domain=email")
        database.label("clear", id="green")
        database.slot = database.plugin_slot()
        yield database


@pytest.fixture
def streaming(app, tmp_path):
    """The same with a walsender that has made a token."""
    app.log_offset = app.cluster.log_size()
    app.receiver = Receiver(app.slot, tmp_path / "stream")
    assert insert(app, 1, "warm") == email_token(FIRST, "warm")
    app.walsender = app.value("SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", (app.slot.slot,))
    yield app
    app.receiver.stop()


def configure(cluster, keys=None, mode=0o600):
    """A key file as given, and a reload that every process has seen."""
    if keys is not None:
        cluster.write_keys(keys, mode)
    cluster.reload()


def insert(database, count, text):
    """The token of the text in the row that is sent for it, the count-th of the table."""
    database.cluster.query("INSERT INTO t VALUES (%s, %s)", (count, text), database.name)
    return database.receiver.rows("t", count)[count - 1]["email"].bytes


def said(database):
    """What the walsender has written to the log since it began."""
    return "\n".join(database.cluster.log_of_pids({database.walsender}, database.log_offset))


def still_the_same(database):
    return database.walsender == database.value("SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s",
                                                (database.slot.slot,))


def test_a_key_is_added_and_switched_to_under_a_running_walsender(streaming):
    configure(streaming.cluster, line("k1", FIRST) + line("k2", SECOND))
    assert insert(streaming, 2, "same") == email_token(FIRST, "same"), "the label decides, not the file"
    streaming.execute(f"SECURITY LABEL FOR wal2lake ON DATABASE {streaming.name} IS 'key=k2'")
    assert insert(streaming, 3, "same") == email_token(SECOND, "same")
    assert [change.relation.key_id for change in streaming.receiver.changes()] == ["k1", "k1", "k2"]
    assert still_the_same(streaming)


def test_a_rotation_can_be_followed(streaming):
    """Who has the lake learns which new token an old one is, and no value; the log says that somebody asked."""
    addresses = [f"rotated{number}@example.com" for number in range(3)]
    old = {address: insert(streaming, number + 2, address) for number, address in enumerate(addresses)}
    configure(streaming.cluster, line("k1", FIRST) + line("k2", SECOND))
    streaming.execute(f"SECURITY LABEL FOR wal2lake ON DATABASE {streaming.name} IS 'key=k2'")
    new = {address: insert(streaming, number + 5, address) for number, address in enumerate(addresses)}
    offset = streaming.cluster.log_size()
    pairs = {bytes(before): bytes(after) for before, after in streaming.cluster.query(
        "SELECT * FROM wal2lake.token_pairs('email', 'k1', 'k2')", dbname=streaming.name)}
    assert len(pairs) == 4, "with that of the first row"
    assert all(pairs[old[address]] == new[address] == email_token(SECOND, address) for address in addresses)
    asked = streaming.value("SELECT wal2lake.token(%s::text, 'email')", (addresses[0],))
    assert bytes(asked) == new[addresses[0]]
    told = streaming.cluster.log_text(offset)
    assert 'all tokens of domain "email" under keys "k1" and "k2", asked for by role "postgres"' in told
    assert 'a token of domain "email" under key "k2", asked for by role "postgres"' in told and "rotated" not in told


BAD_FILES = {
    "nonsense": lambda cluster: cluster.write_keys("nonsense\n"),
    "empty": lambda cluster: cluster.write_keys(""),
    "readable by others": lambda cluster: cluster.write_keys(line("k1", FIRST), 0o644),
    "gone": lambda cluster: cluster.key_file.unlink(),
    "other bytes": lambda cluster: cluster.write_keys(line("k1", SECOND)),
}


@pytest.mark.parametrize("how", BAD_FILES)
def test_a_file_that_is_unfit_changes_nothing(streaming, how):
    """The last good keys stay, the log says why, and a mended file is read again."""
    BAD_FILES[how](streaming.cluster)
    configure(streaming.cluster)
    assert insert(streaming, 2, "on") == email_token(FIRST, "on")
    complaint = wait_until(lambda: re.search("goes on with the keys that it has: (.*)", said(streaming)), 20, "a line in the log")
    assert ("other bytes than before" in complaint[1]) == (how == "other bytes"), complaint[1]
    for key in FIRST, SECOND:
        assert base64.b64encode(key).decode() not in said(streaming)
    configure(streaming.cluster, line("k1", FIRST) + line("k2", SECOND))
    streaming.execute(f"SECURITY LABEL FOR wal2lake ON DATABASE {streaming.name} IS 'key=k2'")
    assert insert(streaming, 3, "mended") == email_token(SECOND, "mended")
    assert still_the_same(streaming)


def test_a_key_that_is_removed_stops_what_needs_it_and_loses_nothing(streaming, tmp_path):
    configure(streaming.cluster, line("k2", SECOND))
    streaming.execute("INSERT INTO clear VALUES (1)")
    assert streaming.receiver.rows("clear", 1)
    streaming.execute("INSERT INTO t VALUES (2, 'waits')")
    process = streaming.receiver.process
    wait_until(lambda: process.poll() is not None, 20, "the end of the stream")
    assert "the key that the database label names is not in the key file" in process.stderr.read().decode()
    configure(streaming.cluster, line("k1", FIRST))
    streaming.receiver = Receiver(streaming.slot, tmp_path / "again")
    assert streaming.receiver.rows("t", 1)[-1]["email"].bytes == email_token(FIRST, "waits")


def test_a_key_that_is_removed_is_forgotten(streaming):
    traces = memory.traces_of_key(FIRST, ["email"])
    assert memory.found(streaming.walsender, traces).keys() >= {"key", "email, inner", "email, outer"}
    configure(streaming.cluster, line("k1", FIRST) + line("k2", SECOND))
    streaming.execute(f"SECURITY LABEL FOR wal2lake ON DATABASE {streaming.name} IS 'key=k2'")
    configure(streaming.cluster, line("k2", SECOND))
    assert insert(streaming, 2, "x") == email_token(SECOND, "x")
    assert memory.found(streaming.walsender, traces) == {}
    assert memory.found(streaming.walsender, memory.traces_of_key(SECOND, ["email"])).keys() >= {"key", "email, inner"}


def test_a_backend_keeps_nothing_of_a_key_when_decoding_has_ended(app):
    """Whether it ended well or with an error."""
    traces = memory.traces_of_key(FIRST, ["email"])
    app.execute("INSERT INTO t SELECT i, 'x' || i FROM generate_series(1, 100000) AS i")
    connection = app.cluster.connect(app.name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend, = cursor.fetchone()
        peek = "SELECT count(*) FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL)"
        cursor.execute("SET statement_timeout = '50ms'")
        with pytest.raises(psycopg2.errors.QueryCanceled):
            cursor.execute(peek, (app.slot.slot,))
        assert memory.found(backend, traces) == {}
        cursor.execute("RESET statement_timeout")
        cursor.execute(peek, (app.slot.slot,))
        assert cursor.fetchone()[0] > 1
        assert memory.found(backend, traces) == {}
    connection.close()


def test_a_backend_keeps_nothing_of_a_key_when_it_has_told_a_token(app):
    """Or the digits of the keys, or has failed to."""
    traces = memory.traces_of_key(FIRST, ["email"])
    connection = app.cluster.connect(app.name)
    with connection.cursor() as cursor:
        for statement in ("SELECT wal2lake.token('x'::text, 'email'), pg_backend_pid()", "SELECT wal2lake.check(), pg_backend_pid()",
                          "SELECT count(*), pg_backend_pid() FROM wal2lake.token_pairs('email', 'k1', 'k1')"):
            cursor.execute(statement)
            backend = cursor.fetchone()[1]
            assert memory.found(backend, traces) == {}, statement
        with pytest.raises(psycopg2.errors.UndefinedObject):
            cursor.execute("SELECT wal2lake.compute_token(x, CASE WHEN x = 'b' THEN 'k9' ELSE 'k1' END, 'email')"
                           " FROM (VALUES ('a'), ('b')) AS t (x)")
        assert memory.found(backend, traces) == {}
        # Not that it never had them.
        cursor.execute("BEGIN; SELECT wal2lake.token('x'::text, 'email')")
        assert "key" in memory.found(backend, traces)
        cursor.execute("ROLLBACK")
        assert memory.found(backend, traces) == {}
    connection.close()


def test_a_standby_that_was_promoted_without_the_key_refuses(app):
    """Catalogs come with the standby, the key file does not."""
    cluster = app.cluster
    app.drop_slots()
    cluster.stop()
    (cluster.data / "standby.signal").touch()
    cluster.key_file.unlink()
    cluster.start()
    cluster.query("SELECT pg_promote()")
    with pytest.raises(psycopg2.Error, match="wal2lake.keys"):
        app.plugin_slot("promoted")
    cluster.write_keys(line("k9", SECOND))
    with pytest.raises(psycopg2.Error, match="the key that the database label names is not in the key file"):
        app.plugin_slot("promoted")
    cluster.write_keys(line("k1", FIRST))
    app.plugin_slot("promoted")
    app.execute("INSERT INTO t VALUES (77, 'after')")
