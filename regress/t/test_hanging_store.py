"""The store does not answer: the server, its reader and whoever ends the forwarder are not held up by that."""

import os
import signal
import time

import pytest

from harness import forwarder
from harness.cluster import Cluster, wait_until
from harness.database import Database
from harness.source import Source

LONG = bool(os.environ.get("WAL2LAKE_LONG"))
STOPS = 20 if LONG else 3
WAL_SENDER_TIMEOUT = 2
LONGEST_DELAY = 5
# So little that reading has to wait for the store after half a megabyte.
SMALL = {"max_size": "128KiB", "max_age": "100ms", "extra": '[memory]\nbudget = "1MiB"\n'}


@pytest.fixture(scope="module")
def cluster():
    """A server of its own: it is stopped, and gives up on readers soon."""
    with Cluster({"wal_sender_timeout": f"{WAL_SENDER_TIMEOUT}s"}, name="hanging-store") as running:
        yield running


@pytest.fixture
def source(cluster, tmp_path, request):
    made = []

    def make(**segment):
        database = Database(cluster, request.node.name)
        made.append(Source(database.__enter__(), tmp_path, **segment))
        return made[0]
    yield make
    for each in made:
        each.running.stop()
        each.database.__exit__()


def write_much(source):
    """More than the small budget and the buffers of a socket hold, in transactions that fit."""
    source.database.execute(*["INSERT INTO t (email) SELECT md5(random()::text) FROM generate_series(1, 2000)"] * 30)


def wait_for(source, text, what):
    forward = source.running
    wait_until(lambda: text in forward.log_text() or not forward.running(), 60, what)
    assert forward.running(), forward.log_text()[-1500:]


def timed_stop(cluster):
    """How long a fast shutdown takes."""
    began = time.monotonic()
    cluster.stop("fast")
    return time.monotonic() - began


@pytest.mark.parametrize("store, reading", [("works", "goes on"), ("hangs", "goes on"), ("hangs", "waits")])
def test_a_server_stops_without_waiting_for_us(source, cluster, note, store, reading):
    """A fast shutdown waits for its readers; whatever the store does, ours does not delay it by more than 5 s."""
    ours = source(**(SMALL if store == "hangs" else {"max_age": "1h"}))
    alone = timed_stop(cluster)
    cluster.start()
    if reading == "waits":
        write_much(ours)
    delays = []
    for _ in range(STOPS):
        ours.running.log.unlink(missing_ok=True)
        ours.start(failpoint="put.sent=hang" if store == "hangs" else None)
        if reading == "goes on":
            ours.insert(20)
            wait_for(ours, '"sealed"' if store == "hangs" else '"transactions":20', "the rows to be received")
        else:
            wait_for(ours, '"paused"', "reading to wait")
        delays.append(timed_stop(cluster) - alone)
        assert ours.running.running(), ours.running.log_text()[-1500:]
        cluster.start()
        ours.running.kill9()
    note(f"delayed by {', '.join(f'{delay:.1f}' for delay in delays)} s, a stop alone takes {alone:.1f} s")
    assert max(delays) <= LONGEST_DELAY
    ours.ship_all()
    ours.complete()


def test_a_reader_that_waits_keeps_its_connection(source, cluster, note):
    """Ten times wal_sender_timeout without reading a byte: the same walsender goes on, and all arrives."""
    ours = source(**SMALL)
    write_much(ours)
    ours.start(failpoint=f"put.sent=hang:{12 * WAL_SENDER_TIMEOUT}")
    walsender = ours.walsender()
    wait_for(ours, '"paused"', "reading to wait")
    began = time.monotonic()
    sent = ours.cluster.value("SELECT sent_lsn - '0/0' FROM pg_stat_replication WHERE pid = %s", (walsender,))
    assert sent < ours.cluster.flush_lsn()
    wait_for(ours, '"resumed"', "the store to answer")
    stalled = time.monotonic() - began
    note(f"stalled for {stalled:.1f} s")
    assert stalled >= 10 * WAL_SENDER_TIMEOUT
    assert ours.walsender() == walsender
    forwarder.wait_shipped(ours.running, ours.lake, ours.oracle.transactions()[-1].end_lsn)
    assert ours.walsender() == walsender and '"reconnect"' not in ours.running.log_text()
    assert ours.running.terminate() == 0
    ours.complete()


def test_sigterm_does_not_wait_for_a_store_that_hangs(source):
    """It ends within half a minute, says that the store did not answer, and nothing is lost."""
    ours = source(max_age="100ms")
    ours.start(failpoint="put.sent=hang")
    ours.insert(20)
    wait_for(ours, "failpoint put.sent reached", "the store to hang")
    began = time.monotonic()
    assert ours.running.terminate(timeout=60) == 5
    assert time.monotonic() - began < 30
    assert "stopped before the store answered; nothing is lost" in ours.running.said_last()
    ours.ship_all()
    ours.complete()


def test_a_temporary_file_that_is_taken_away_is_written_again(source):
    """Whoever sweeps what killed writers left may be wrong about one that only slept."""
    ours = source(max_age="100ms")
    ours.start(failpoint="put.temp_written=stop")
    ours.insert()
    wait_until(ours.running.stopped, 30, "it to sleep on a temporary file")
    temporary, = ours.lake.glob("*/log/*/.tmp-*")
    temporary.unlink()
    ours.running.signal(signal.SIGCONT)
    forwarder.wait_shipped(ours.running, ours.lake, ours.oracle.transactions()[-1].end_lsn)
    assert "its temporary file was removed" in ours.running.log_text()
    assert ours.running.terminate() == 0
    ours.complete()
