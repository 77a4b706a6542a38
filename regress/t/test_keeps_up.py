"""What an operator relies on between crashes: progress while idle, an orderly end, a server that can stop."""

import json
import time

import pytest

from harness import forwarder
from harness.cluster import Cluster, lsn_text, wait_until
from harness.database import Database
from harness.lake import Lake, count_changes
from harness.source import INSERT, Source

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


def test_an_idle_database_pins_little_wal(source, note):
    """Beside a busy neighbour the slot lets go of WAL round by round: what it pins does not grow with what is written.

    restart_lsn moves where a record of the running transactions, as each checkpoint writes one, was acknowledged.
    """
    ours = source(max_age="1s", idle_age="1s")
    ours.start()
    cluster = ours.cluster
    cluster.query("CREATE TABLE IF NOT EXISTS neighbour (x text)")
    ends, pinned = [cluster.flush_lsn()], []
    for _ in range(8):
        cluster.query("INSERT INTO neighbour SELECT repeat('x', 900) FROM generate_series(1, 3000)")
        cluster.query("CHECKPOINT")
        ends.append(cluster.flush_lsn())
        pinned.append(ends[-1] - ours.slot_lsn("restart_lsn"))
        wait_until(lambda: ours.confirmed() >= ends[-1] or not ours.running.running(), 15, "the slot to follow")
        wait_until(lambda: ours.slot_lsn("restart_lsn") >= ends[-2] or not ours.running.running(), 15,
                   "the slot to let go of the round before")
    assert ours.running.terminate() == 0
    written = ends[-1] - ends[0]
    note(f"{written / 1e6:.0f} MB of WAL written, at most {max(pinned) / 1e6:.1f} MB pinned at once")
    # A round is an eighth.
    assert max(pinned) <= written * 3 / 8
    assert count_changes([transaction for segment in ours.segments() for transaction in segment.transactions]) == {}


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
