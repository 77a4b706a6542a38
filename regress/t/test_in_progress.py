"""Transactions are sent while they are in progress, wait on the forwarder's disk, and arrive as if they had not been.

Two forwarders read the same WAL, one with and one without; every record must be the same in both lakes, with the
same (commit LSN, ordinal), and be what test_decoding says. Decoding has 64 kB of memory, so that nearly every
transaction is sent in pieces, mixed with the others.
"""

import contextlib
import json
import os
import random
import time
from pathlib import Path

import pytest

from harness import forwarder, tokens
from harness.cluster import Cluster, lsn_number, wait_until
from harness.compare import differences
from harness.database import Database
from harness.lake import Lake

LONG = bool(os.environ.get("WAL2LAKE_LONG"))
STEPS = 6000 if LONG else 500
SESSIONS = 4


@pytest.fixture(scope="module")
def cluster():
    with Cluster({"logical_decoding_work_mem": "64kB", "checkpoint_timeout": "1h"}, name="in-progress") as running:
        yield running


@pytest.fixture
def database(cluster, request):
    with Database(cluster, request.node.name) as made:
        made.execute("CREATE TABLE t (id bigint PRIMARY KEY, session int, payee text, note text)",
                     "CREATE TABLE hidden (filler text)")
        made.label("t", id="green", session="green", payee="red hash domain=payee", note="green")
        for number in range(SESSIONS):
            made.execute(f"CREATE TABLE own_{number} (id bigint, note text)")
            made.label(f"own_{number}", id="green", note="green")
        yield made


def is_shipped(table):
    return table.startswith("public.") and table != "public.hidden"


class Source:
    """A slot, its lake and its forwarder."""

    def __init__(self, database, folder, name, extra="", stage=""):
        self.cluster, self.slot = database.cluster, f"{database.name[:50]}_{name}"
        self.lake = folder / name
        config = forwarder.write_config(folder / f"{name}.toml", self.lake, self.cluster.conninfo(database.name), slot=self.slot,
                                        max_age="200ms", max_size="256KiB", extra=extra)
        config.write_text(config.read_text() + stage)
        created = forwarder.command("slot", "create", "-c", config)
        assert created.returncode == 0, created.stderr
        self.forwarder = forwarder.Forwarder(config, folder / f"{name}.log")

    def lines(self, *arguments):
        shown = forwarder.command("cat", self.lake, *arguments)
        assert shown.returncode == 0, shown.stderr
        return [json.loads(line) for line in shown.stdout.splitlines()]

    def statistics(self):
        """(transactions streamed, and spilled by the server), as it counts them."""
        return self.cluster.query("SELECT stream_txns, spill_txns FROM pg_stat_replication_slots WHERE slot_name = %s",
                                  (self.slot,))[0]


class Session:
    """One connection in a transaction of many steps, on rows of its own."""

    def __init__(self, database, number, rng):
        self.connection = database.cluster.connect(database.name)
        self.cursor = self.connection.cursor()
        self.number, self.rng = number, rng
        self.next_id, self.savepoints, self.open, self.columns = number * 1_000_000, 0, False, 0

    def execute(self, sql, *parameters):
        self.cursor.execute(sql, parameters)

    def insert(self):
        rows = self.rng.choice((1, 3, 200))
        self.execute("INSERT INTO t SELECT i, %s, 'payee ' || i, repeat(md5(i::text), %s) FROM generate_series(%s, %s) i",
                     self.number, self.rng.randrange(20), self.next_id + 1, self.next_id + rows)
        self.next_id += rows

    def large(self):
        self.next_id += 1
        self.execute("INSERT INTO t SELECT %s, %s, 'large', string_agg(md5(i::text), '') FROM generate_series(1, 40000) i",
                     self.next_id, self.number)

    def update(self):
        self.execute("UPDATE t SET note = note || '.' WHERE session = %s AND id %% 7 = %s", self.number, self.rng.randrange(7))

    def delete(self):
        self.execute("DELETE FROM t WHERE session = %s AND id %% 29 = %s", self.number, self.rng.randrange(29))

    def fill(self):
        self.execute("INSERT INTO hidden SELECT repeat('x', 1000) FROM generate_series(1, %s)", self.rng.choice((1, 100)))

    def message(self):
        """And a record behind it that is no change: to the server a message lies where the record behind it does, and which of the
        two comes first is open where that is another subtransaction's."""
        self.execute("SELECT pg_logical_emit_message(true, 'wal2lake', 'of no interest'), "
                     "pg_logical_emit_message(false, 'wal2lake', 'of no interest')")

    def truncate(self):
        self.execute(f"INSERT INTO own_{self.number} VALUES (1, 'going'); TRUNCATE own_{self.number}, own_{self.number}")

    def alter(self):
        """A column more, or another name of one: what follows must be told by the new shape, until it is undone."""
        self.columns += 1
        name = f"own_{self.number}"
        self.execute(f"ALTER TABLE {name} ADD c{self.columns}_{self.next_id} int DEFAULT 3; INSERT INTO {name} VALUES (2, 'altered')")

    def savepoint(self):
        self.savepoints += 1
        self.execute(f"SAVEPOINT s{self.savepoints}")

    def undo(self):
        if self.savepoints:
            to = self.rng.randrange(self.savepoints) + 1
            self.execute(f"ROLLBACK TO s{to}")
            self.savepoints = to

    def release(self):
        if self.savepoints:
            to = self.rng.randrange(self.savepoints) + 1
            self.execute(f"RELEASE s{to}")
            self.savepoints = to - 1

    def end(self, how="COMMIT"):
        self.execute(how)
        self.open, self.savepoints = False, 0

    def step(self):
        if not self.open:
            self.execute("BEGIN")
            self.open = True
        elif self.rng.random() < 0.06:
            self.end("ROLLBACK" if self.rng.random() < 0.3 else "COMMIT")
        else:
            self.rng.choices([self.insert, self.update, self.delete, self.fill, self.message, self.truncate, self.alter,
                              self.savepoint, self.undo, self.release, self.large],
                             [30, 8, 5, 8, 8, 4, 2, 15, 8, 6, 0.5])[0]()


def write(database, seed, steps=STEPS):
    rng = random.Random(seed)
    sessions = [Session(database, number, rng) for number in range(SESSIONS)]
    try:
        for _ in range(steps):
            rng.choice(sessions).step()
        for session in sessions:
            if session.open:
                session.end()
    finally:
        for session in sessions:
            session.connection.close()


def content(lines):
    """All that a replay is compared by."""
    return [{key: line[key] for key in line if key != "commit_time"} for line in lines]


def test_equal_with_and_without(database, tmp_path, seed, note):
    streamed = Source(database, tmp_path, "streamed")
    kept = Source(database, tmp_path, "kept", extra='options = { streaming = "off" }\n')
    oracle = database.oracle()
    with streamed.forwarder.start(), kept.forwarder.start():
        for each in streamed, kept:
            forwarder.wait_until_streaming(each.forwarder, database.cluster, each.slot)
        write(database, seed)
        # Of the last one of them nothing may have been sent.
        database.execute("INSERT INTO t VALUES (0, 0, 'last', 'last')")
        end = lsn_number(database.commit_end())
        for each in streamed, kept:
            forwarder.wait_shipped(each.forwarder, each.lake, end, timeout=120)
            assert each.forwarder.terminate() == 0
        wait_until(lambda: streamed.statistics()[0] > 0, 20, "statistics")
    with_it, without = streamed.statistics(), kept.statistics()
    ours, theirs = content(streamed.lines()), content(kept.lines())
    note(f"{len(ours)} records; streamed {with_it[0]}, spilled {with_it[1]} transactions, without streaming {without[0]} and {without[1]}")
    # What cannot be read yet, such as half of a large value, the server keeps all the same.
    assert with_it[0] > 10 and with_it[1] < without[1] and without[0] == 0 and without[1] > 10
    assert len(ours) > STEPS
    for number, (mine, other) in enumerate(zip(ours, theirs)):
        assert mine == other, f"record {number}"
    assert len(ours) == len(theirs)
    transactions = [each for segment in Lake(streamed.lake, forwarder.SOURCE).segments() for each in segment.transactions]
    keys = tokens.keys_of(database.cluster.key_file.read_text())
    assert differences(transactions, oracle.transactions(), is_shipped, keys) == []


def staged_files(process):
    """What it keeps on disk, in files without a name."""
    found = 0
    for link in Path(f"/proc/{process.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if "wal2lake-stage-" in os.readlink(link):
                found += os.stat(link).st_size
    return found


@contextlib.contextmanager
def a_staged_transaction(database, running):
    """The connection in which it is open, once the forwarder has what was written: rows 1 to 1,000."""
    with contextlib.closing(database.cluster.connect(database.name, autocommit=False)) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO t SELECT i, 0, 'p', repeat('n', 500) FROM generate_series(1, 1000) i")
        wait_until(lambda: staged_files(running) > 300_000, 20, "the transaction to be staged")
        yield connection


def test_nothing_is_seen_before_the_commit(database, tmp_path):
    source = Source(database, tmp_path, "streamed")
    with source.forwarder.start() as running:
        forwarder.wait_until_streaming(running, database.cluster, source.slot)
        with a_staged_transaction(database, running) as connection:
            database.execute("INSERT INTO t VALUES (5000, 0, 'p', 'another commits meanwhile')")
            forwarder.wait_shipped(running, source.lake, lsn_number(database.commit_end()))
            assert [line["new"]["id"] for line in source.lines()] == [5000]
            connection.commit()
        forwarder.wait_shipped(running, source.lake, lsn_number(database.commit_end()))
        assert [line["new"]["id"] for line in source.lines()] == [5000, *range(1, 1001)]
        assert staged_files(running) == 0
        assert running.terminate() == 0


def test_what_rolls_back_leaves_nothing(database, tmp_path):
    source = Source(database, tmp_path, "streamed")
    with source.forwarder.start() as running:
        forwarder.wait_until_streaming(running, database.cluster, source.slot)
        with a_staged_transaction(database, running) as connection:
            connection.rollback()
        wait_until(lambda: staged_files(running) == 0, 20, "the files to go")
        database.execute("INSERT INTO t VALUES (1, 0, 'p', 'after')")
        forwarder.wait_shipped(running, source.lake, lsn_number(database.commit_end()))
        assert [line["new"]["note"] for line in source.lines()] == ["after"]
        assert running.terminate() == 0


@pytest.mark.parametrize("stage", ['[stage]\nmax_size = "1MiB"\n', '[stage]\ndirectory = "/nonexistent/stage"\n'],
                         ids=["too small", "not there"])
def test_without_a_stage_the_server_keeps_it(database, tmp_path, stage):
    """Said once, and everything arrives all the same."""
    source = Source(database, tmp_path, "streamed", stage=stage)
    with source.forwarder.start() as running:
        forwarder.wait_until_streaming(running, database.cluster, source.slot)
        database.execute("INSERT INTO t SELECT i, 0, 'p', repeat('n', 500) FROM generate_series(1, 10000) i")
        forwarder.wait_shipped(running, source.lake, lsn_number(database.commit_end()))
        assert [line["ordinal"] for line in source.lines()] == list(range(1, 10001))
        said = [line for line in running.log_lines() if line.get("event") == "stage_failed"]
        assert len(said) == 1 and "stage." in said[0]["message"], said
        assert running.terminate() == 0


def test_a_stream_on_standard_input_is_shown_as_it_committed(database):
    """`pg_recvlogical ... -o streaming=on -f - | wal2lake cat`."""
    slot = database.plugin_slot()
    with contextlib.closing(database.cluster.connect(database.name, autocommit=False)) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO t SELECT i, 0, 'p', repeat('n', 500) FROM generate_series(1, 500) i")
        database.execute("INSERT INTO t VALUES (5000, 0, 'p', 'first')")
        cursor.execute("SAVEPOINT s; INSERT INTO t SELECT i, 0, 'p', repeat('n', 500) FROM generate_series(501, 1000) i; ROLLBACK TO s")
        cursor.execute("INSERT INTO t VALUES (6000, 0, 'p', 'last')")
        connection.commit()
    shown = forwarder.command("cat", stdin=slot.receive(database.commit_end(), "streaming=on"))
    assert shown.returncode == 0, shown.stderr
    lines = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [(line["ordinal"], line["new"]["id"]) for line in lines] == [(1, 5000), *((i, i) for i in range(1, 501)), (501, 6000)]


def test_a_server_that_shuts_down_does_not_wait_for_what_is_staged(cluster, database, tmp_path):
    """The lake is slow and a large transaction is on its way out of the stage: the server stops all the same."""
    source = Source(database, tmp_path, "streamed", stage='[memory]\nbudget = "2MiB"\n')
    # Each put takes a second, and the transaction is many of them.
    with source.forwarder.start(failpoint="put.sent=hang:1@1+") as running:
        forwarder.wait_until_streaming(running, cluster, source.slot)
        database.execute("INSERT INTO t SELECT i, 0, md5(i::text), string_agg(md5(i::text || j), '') "
                         "FROM generate_series(1, 30000) i, generate_series(1, 20) j GROUP BY i")
        end = lsn_number(database.commit_end())
        wait_until(lambda: '"part_written"' in running.log_text(), 60, "parts of it")
        began = time.monotonic()
        cluster.stop("fast")
        took = time.monotonic() - began
        cluster.start()
        assert took <= 5, f"the server waited {took:.1f} s"
        running.kill9()
    with source.forwarder.start() as running:
        forwarder.wait_shipped(running, source.lake, end)
        assert [line["ordinal"] for line in source.lines()] == list(range(1, 30001))
        assert running.terminate() == 0
