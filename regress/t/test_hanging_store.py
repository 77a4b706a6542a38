"""The store does not answer, or answers for ever that it is busy: the server, its reader and whoever ends the forwarder are not
held up by that."""

import os
import signal
import time

import pytest

from harness import forwarder, s3_faults as faults
from harness.cluster import Cluster, wait_until
from harness.database import Database
from harness.lake_place import Bucket
from harness.scripted_s3 import ScriptedS3
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


class FolderStore:
    """A folder, which is all that a source needs to be told. Where it hangs a segment is written, and the answer never comes."""

    place = None

    def __init__(self, failpoint=None):
        self.failpoint = failpoint

    def fail(self):
        """From now on; here the failpoint does it."""

    def met(self, log):
        """Whether somebody waits for it, by his log."""
        return "failpoint put.sent reached" in log

    def mend(self):
        pass

    close = mend


class S3Store:
    """It does this to each put of a segment, for ever, and to all that is asked after the first."""

    failpoint = None

    def __init__(self, folder, fault):
        self.server, self.fault, self.rule = ScriptedS3(), fault, None
        self.place = Bucket(self.server, folder / "copies")

    def fail(self):
        self.rule = self.server.on("put_if_absent", self.stay_failed, times=None, key="/log/")

    def stay_failed(self, exchange):
        if self.rule.hits == 1:
            self.server.on("any", self.fault, times=None)
        self.fault(exchange)

    def met(self, _):
        return self.rule.hits > 0

    def mend(self):
        self.server.heal()
        self.server.cut()

    def close(self):
        self.server.down()


STORES = {
    "works": lambda folder: FolderStore(),
    "hangs": lambda folder: FolderStore("put.sent=hang"),
    "S3 hangs": lambda folder: S3Store(folder, faults.hang()),
    "S3 is busy": lambda folder: S3Store(folder, faults.SERVICE_UNAVAILABLE),
}


@pytest.fixture
def source(cluster, tmp_path, request):
    """Of a store by its name."""
    made = []

    def make(name="works", **segment):
        folder = tmp_path / name
        folder.mkdir()
        store = STORES[name](folder)
        database = Database(cluster, f"{request.node.name} {name}")
        made.append(Source(database.__enter__(), folder, place=store.place, **segment))
        made[-1].store = store
        return made[-1]
    yield make
    for each in made:
        each.running.stop()
        each.database.__exit__()
        each.store.close()


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


@pytest.mark.parametrize("store, reading", [("works", "goes on"), *((store, reading) for store in STORES if store != "works"
                                                                  for reading in ("goes on", "waits"))])
def test_a_server_stops_without_waiting_for_us(source, cluster, note, store, reading):
    """A fast shutdown waits for its readers; whatever the store does, ours does not delay it by more than 5 s."""
    ours = source(store, **({"max_age": "1h"} if store == "works" else SMALL))
    alone = timed_stop(cluster)
    cluster.start()
    if reading == "waits":
        write_much(ours)
    delays = []
    for _ in range(1 if "S3" in store and not LONG else STOPS):
        ours.running.log.unlink(missing_ok=True)
        ours.store.fail()
        ours.start(failpoint=ours.store.failpoint)
        if reading == "goes on":
            ours.insert(20)
            wait_for(ours, '"transactions":20' if store == "works" else '"sealed"', "the rows to be received")
        else:
            wait_for(ours, '"paused"', "reading to wait")
        delays.append(timed_stop(cluster) - alone)
        assert ours.running.running(), ours.running.log_text()[-1500:]
        cluster.start()
        ours.running.kill9()
        ours.store.mend()
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


def test_sigterm_does_not_wait_for_a_store(source, note):
    """Whichever it is, and whether it hangs or is busy: the forwarder ends within half a minute, says that the store did not
    answer, and nothing is lost."""
    failing = {name: source(name, max_age="100ms") for name in STORES if name != "works"}
    for ours in failing.values():
        ours.store.fail()
        ours.start(failpoint=ours.store.failpoint)
        ours.insert(20)
    for ours in failing.values():
        wait_until(lambda ours=ours: ours.store.met(ours.running.log_text()), 30, "the store to be met")
        assert ours.running.running(), ours.running.log_text()[-1500:]
    began = time.monotonic()
    for ours in failing.values():
        ours.running.signal(signal.SIGTERM)
    for name, ours in failing.items():
        assert ours.running.wait(timeout=60) == 5, ours.running.log_text()[-1500:]
        took = time.monotonic() - began
        note(f"{name}: ended after {took:.1f} s")
        assert took < 30
        assert "stopped before the store answered; nothing is lost" in ours.running.said_last()
        assert forwarder.tail_end(ours.lake) < ours.oracle.transactions()[-1].end_lsn, "or it was no store that fails"
    for ours in failing.values():
        ours.store.mend()
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
