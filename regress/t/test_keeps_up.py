"""What an operator relies on between crashes: progress while idle, an orderly end, a server that can stop."""

import json
import time

import pytest

from harness import forwarder, tokens
from harness.cluster import Cluster, lsn_text, wait_until
from harness.compare import differences
from harness.database import Database
from harness.lake import Lake, count_changes

TABLE = "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text)"
INSERT = "INSERT INTO t (email) VALUES ('a@example.com')"


def is_t(table):
    return table == "public.t"


class Source:
    """A database whose slot and log exist."""

    def __init__(self, database, folder, **segment):
        self.database, self.cluster = database, database.cluster
        self.lake, self.slot = folder / "lake", f"{database.name[:50]}_w2l"
        database.execute(TABLE)
        database.label("t", id="green", email="red hash domain=email")
        self.config = forwarder.write_config(folder / "w.toml", self.lake, self.cluster.conninfo(database.name),
                                             slot=self.slot, **segment)
        assert forwarder.command("slot", "create", "-c", self.config).returncode == 0
        self.oracle = database.oracle()
        self.running = forwarder.Forwarder(self.config, folder / "forwarder.log")

    def start(self):
        self.running.start()
        forwarder.wait_until_streaming(self.running, self.cluster, self.slot)

    def segments(self):
        return Lake(self.lake, forwarder.SOURCE).segments()

    def confirmed(self):
        return self.database.value("SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = %s",
                                   (self.slot,))

    def complete(self):
        keys = tokens.keys_of(self.cluster.key_file.read_text())
        shipped = [transaction for segment in self.segments() for transaction in segment.transactions]
        assert differences(shipped, self.oracle.transactions(), is_t, keys) == []


@pytest.fixture
def source(database, tmp_path):
    made = []

    def make(**segment):
        made.append(Source(database, tmp_path, **segment))
        return made[0]
    yield make
    for each in made:
        each.running.stop()


def test_nothing_is_acknowledged_before_it_is_in_the_lake(source):
    """Under load, at every look: the server's idea of what is safe never passes the end of the log."""
    ours = source(max_age="300ms")
    ours.start()
    looks = 0
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        ours.database.execute(INSERT)
        confirmed = ours.confirmed()
        # Read the lake second: it may only have grown since.
        assert confirmed <= forwarder.tail_end(ours.lake)
        looks += 1
    assert looks > 50 and len(ours.segments()) > 5
    assert ours.running.terminate() == 0
    ours.complete()


def test_sigterm_ships_what_is_complete(source):
    """With segments of an hour, the rows are in the lake and acknowledged seconds after SIGTERM."""
    ours = source(max_age="1h")
    ours.start()
    for _ in range(20):
        ours.database.execute(INSERT)
    end = ours.oracle.transactions()[-1].end_lsn
    wait_until(lambda: '"transactions":20' in ours.running.log_text(), 20, "all of it to be received")
    assert forwarder.tail_end(ours.lake) < end
    began = time.monotonic()
    assert ours.running.terminate() == 0
    assert time.monotonic() - began < 5
    ours.complete()
    assert ours.confirmed() >= end
    assert json.loads(ours.running.log_text().splitlines()[-1])["exit_code"] == 0


def test_progress_is_recorded_while_nothing_changes(source):
    """A busy neighbour writes WAL; the slot of the idle database moves on, by way of empty segments in the log."""
    ours = source(max_age="1s", idle_age="1s")
    ours.start()
    before = ours.confirmed()
    ours.cluster.query("CREATE TABLE IF NOT EXISTS neighbour (x text)")
    ours.cluster.query("INSERT INTO neighbour SELECT repeat('x', 900) FROM generate_series(1, 3000)")
    target = ours.cluster.flush_lsn() - 1_000_000
    assert target > before + 1_000_000
    wait_until(lambda: ours.confirmed() >= target or not ours.running.running(), 30, "the slot to move on")
    assert ours.running.terminate() == 0
    segments = ours.segments()
    assert len(segments) > 1 and count_changes(segments[-1].transactions) == {}
    assert ours.confirmed() <= segments[-1].footer.end_lsn, lsn_text(ours.confirmed())


def test_a_server_that_stops_is_not_held_up(tmp_path):
    """A fast stop waits for its receivers; ours seals and acknowledges at once, and comes back afterwards."""
    with Cluster(name="stop") as cluster, Database(cluster, "app") as database:
        ours = Source(database, tmp_path, max_age="1h")
        with ours.running:
            forwarder.wait_until_streaming(ours.running, cluster, ours.slot)
            for _ in range(20):
                database.execute(INSERT)
            wait_until(lambda: '"transactions":20' in ours.running.log_text(), 20, "all of it to be received")
            began = time.monotonic()
            cluster.stop("fast")
            assert time.monotonic() - began < 10
            assert ours.running.running(), ours.running.log_text()[-1500:]
            assert len(Lake(ours.lake, forwarder.SOURCE).transactions()) == 20
            stopped = ours.running.log.stat().st_size
            cluster.start()
            database.execute(INSERT)
            wait_until(lambda: '"transactions":1,' in ours.running.log_text(stopped), 60, "it to come back")
            end = ours.oracle.transactions()[-1].end_lsn
            assert ours.running.terminate() == 0
            assert forwarder.tail_end(ours.lake) >= end
        ours.complete()
