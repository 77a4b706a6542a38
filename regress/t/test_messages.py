"""Logical messages, from pg_logical_emit_message() to the lake: closed by default, opened and closed by the server's setting
alone, exactly once, and never more than what somebody said."""

import json
import random
import threading
import time

import pytest

from harness import forwarder
from harness.cluster import wait_until
from harness.source import Source

SENT = "wal2lake.message_prefixes"


def allow(cluster, prefixes):
    """What the setting says from the next reload on; the processes notice at their own time."""
    cluster.query(f"ALTER SYSTEM SET {SENT} = %s" if prefixes else f"ALTER SYSTEM RESET {SENT}", (prefixes,) if prefixes else None)
    cluster.query("SELECT pg_reload_conf()")
    wait_until(lambda: cluster.value(f"SHOW {SENT}") == prefixes, 20, "the setting")


@pytest.fixture
def source(database, tmp_path):
    made = Source(database, tmp_path, max_age="200ms")
    yield made
    made.running.stop()
    allow(made.cluster, "")


def emit(source, content, *, transactional=False, prefix="app"):
    source.database.execute(f"SELECT pg_logical_emit_message({transactional}, '{prefix}', '{content}')")


def shipped(source):
    """Contents of the messages in the lake; behind all that was written before."""
    source.insert()
    source.ship_all_that_runs()
    return [message.content.decode() for segment in source.segments() for transaction in segment.transactions
            for message in transaction.messages]


def emit_until(source, name, arrives):
    """Emits messages until one does or does not arrive, as the walsender takes the setting over."""
    for attempt in range(100):
        emit(source, f"{name}{attempt}")
        if (f"{name}{attempt}" in shipped(source)) == arrives:
            return
    raise AssertionError(f"messages still {'do not' if arrives else ''} arrive")


def test_the_setting_opens_and_closes_a_stream_that_runs(source):
    source.start()
    process = source.walsender()
    emit(source, "closed")
    emit(source, "closed too", transactional=True)
    assert shipped(source) == []
    allow(source.cluster, "app, other")
    emit_until(source, "open", True)
    emit(source, "in a transaction", transactional=True)
    emit(source, "of another prefix", prefix="apps")
    emit(source, "allowed", prefix="other")
    assert shipped(source)[-2:] == ["in a transaction", "allowed"]
    allow(source.cluster, "")
    emit_until(source, "shut", False)
    before = len(shipped(source))
    emit(source, "closed", transactional=True)
    assert len(shipped(source)) == before
    assert source.walsender() == process, "one walsender saw all of it"
    # A session cannot open it.
    with pytest.raises(Exception, match="cannot be changed now"):
        source.database.execute(f"SET {SENT} = 'app'")
    source.complete()


def test_what_cat_and_verify_make_of_them(source):
    allow(source.cluster, "app")
    source.start()
    source.database.execute("BEGIN", "INSERT INTO t (email) VALUES ('a@example.com')",
                            "SELECT pg_logical_emit_message(true, 'app', 'inside')", "COMMIT",
                            "SELECT pg_logical_emit_message(false, 'app', '\\x00ff'::bytea)",
                            "SELECT pg_logical_emit_message(false, 'app', repeat('x', 3000000))")
    # Nothing but a message follows: it is shipped all the same.
    wait_until(lambda: sum(len(each.messages) for segment in source.segments() for each in segment.transactions) == 3, 30, "messages")
    done = forwarder.command("cat", source.lake)
    assert done.returncode == 0, done.stderr.decode()
    row, inside, raw, large = map(json.loads, done.stdout.decode().splitlines())
    assert (row["op"], row["ordinal"], inside["op"], inside["ordinal"]) == ("INSERT", 1, "MESSAGE", 2)
    assert (inside["prefix"], inside["content"], inside["transactional"]) == ("app", "inside", True)
    assert inside["commit_lsn"] == row["commit_lsn"] and inside["xid"] == row["xid"]
    assert raw["content"] == {"bytes": "00ff"} and raw["transactional"] is False and "xid" not in raw
    assert large["content"] == "x" * 3_000_000 and large["ordinal"] == 1
    assert forwarder.verify(source.lake).returncode == 0
    source.complete()


class Speaker(threading.Thread):
    """Says numbers: alone, in transactions that commit, and in some that do not; beside rows and without."""

    def __init__(self, source, seed):
        super().__init__(daemon=True)
        self.database, self.rng, self.ending, self.said, self.failure = source.database, random.Random(seed), threading.Event(), [], None

    def run(self):
        try:
            connection = self.database.cluster.connect(self.database.name, autocommit=False)
            with connection.cursor() as cursor:
                number = 0
                while not self.ending.is_set():
                    number += 1
                    alone, commits = self.rng.random() < 0.5, self.rng.random() < 0.8
                    if self.rng.random() < 0.5:
                        cursor.execute("INSERT INTO t (email) VALUES ('a@example.com')")
                    cursor.execute("SELECT pg_logical_emit_message(%s, 'app', %s)", (not alone, f"{number}"))
                    (connection.commit if commits else connection.rollback)()
                    # One that belongs to no transaction is on its way once a later commit has flushed the WAL.
                    if alone or commits:
                        self.said.append(number)
                    time.sleep(0.002)
                cursor.execute("INSERT INTO t (email) VALUES ('last@example.com')")
                connection.commit()
            connection.close()
        except Exception as error:  # must not end unseen in a thread
            self.failure = error


def test_each_once_whatever_is_killed(source, seed, note):
    allow(source.cluster, "app")
    rng, kills = random.Random(seed), 6
    speaker = Speaker(source, seed)
    source.start()
    speaker.start()
    for _ in range(kills):
        before = len(source.segments())
        wait_until(lambda: len(source.segments()) > before + 1, 30, "segments")
        time.sleep(rng.uniform(0, 0.2))
        source.running.kill9()
        source.start()
    speaker.ending.set()
    speaker.join(60)
    assert speaker.failure is None, speaker.failure
    source.ship_all_that_runs()
    arrived = [int(message.content) for segment in source.segments() for transaction in segment.transactions
               for message in transaction.messages]
    assert arrived == speaker.said
    note(f"{len(arrived)} messages, {kills} kills, seed {seed}")
    assert len(arrived) > 100
    assert forwarder.verify(source.lake).returncode == 0
    source.complete()
