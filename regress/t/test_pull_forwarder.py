"""A forwarder whose role has no REPLICATION (docs/pull.md): as exactly once as one that streams, and never a gap unseen.

The scenario of test_exactly_once.py with a source that is pulled, and with the mutant that acknowledges too early, which must
fail it. Then what only a source that is pulled can meet: a slot moved by hand, a limit of temporary files, functions that go.
"""

import signal
import time

import pytest

from harness import forwarder
from harness.cluster import Cluster, wait_until
from harness.database import Database
from harness.exactly_once import LONG, scenarios
from harness.lake_place import Folder
from harness.pull import LINES, NOT_PULLED, ROLE, PulledScenario, create_pull_source, create_role
from harness.source import Source

KILLS, RESTARTS, VISITS = (100, 25, 3) if LONG else (6, 2, 1)
# What dies at these in the short form; all of them in the long one.
SHORT = ("connect.after", "start.after", "receive.after", "seal.after", "put.linked", "put.confirmed", "adopt.after", "status.before",
         "status.after")


@pytest.fixture(scope="module")
def cluster():
    """A server of its own: the scenario crashes it."""
    with Cluster({"checkpoint_timeout": "1h", "logical_decoding_work_mem": "64kB", "work_mem": "64kB"}, name="pulled") as running:
        create_role(running)
        yield running


@pytest.fixture
def scenario(cluster, tmp_path, seed, note):
    with scenarios(cluster, tmp_path, seed, note, lambda name, folder: Folder(folder / "lake"), PulledScenario) as make:
        yield make


@pytest.fixture
def source(cluster, tmp_path, request):
    with Database(cluster, request.node.name[:30]) as database:
        made = PulledSource(database, tmp_path)
        yield made
        made.running.stop()


class PulledSource(Source):
    """A source with a slot and functions, and a log that the forwarder begins by itself."""

    user = ROLE

    def __init__(self, database, folder):
        super().__init__(database, folder, begun=False, extra=LINES, max_age="100ms")
        create_pull_source(database, self.slot)

    def start(self, **more):
        offset = self.running.log_text()
        self.running.start(**more)
        wait_until(lambda: '"start_position"' in self.running.log_text()[len(offset):] or not self.running.running(), 30, "a beginning")
        assert self.running.running(), self.running.log_text()[-1500:]

    def says(self, words):
        wait_until(lambda: words in self.running.log_text() or not self.running.running(), 30, words)
        assert words in self.running.log_text(), self.running.log_text()[-1500:]


def test_nothing_is_lost_twice_or_out_of_order(scenario):
    """Killed at random moments and at failpoints, while the server crashes and a twin asks, too."""
    places = [place for place in forwarder.places() if place not in NOT_PULLED and (LONG or place in SHORT)]
    run = scenario("real")
    assert run.run(KILLS, RESTARTS, places * VISITS) == []
    assert run.visited == set(places), "failpoints that exist and were not reached"
    assert run.killed["at a random moment"] == KILLS and run.killed["servers"] == RESTARTS


def test_nothing_is_acknowledged_before_it_is_durable(source):
    """While a put is on its way the slot stays where it is; killed there, nothing is lost."""
    assert put_that_hangs(source) == set()
    source.ship_all()
    source.complete()


def test_the_mutant_that_acknowledges_before_put_fails(source):
    """The same with a command that acknowledges what it has received: seen at the slot, and afterwards as a gap."""
    source.running.executable = forwarder.mutant("ack_before_put")
    assert put_that_hangs(source) == {"ahead"}
    source.running.executable = None
    source.running.start()
    assert source.running.wait(30) == 3 and "gap: slot" in source.running.said_last()


def put_that_hangs(source):
    """The second put, after the genesis, hangs; the forwarder is killed meanwhile. Where the slot was beside the lake."""
    source.start(failpoint="put.sent=hang:4@2")
    source.insert()
    source.says("put.sent reached")
    seen, over = set(), time.monotonic() + 2
    while time.monotonic() < over and not seen:
        seen |= {"ahead"} if source.confirmed() > forwarder.tail_end(source.lake) else set()
        time.sleep(0.05)
    source.running.kill9()
    return seen


def test_a_role_without_replication_ships_everything(source):
    """Segment after segment over one connection, and the log is begun without any other right."""
    assert not source.database.value("SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = %s", (ROLE,))
    source.start()
    for _ in range(3):
        source.insert(5)
        source.ship_all_that_runs()
    # Messages that belong to no transaction, and WAL in which nothing is ours.
    source.database.execute("SELECT pg_logical_emit_message(false, 'app', 'x')", "CREATE TABLE other (t text)",
                            "INSERT INTO other SELECT repeat('x', 900) FROM generate_series(1, 1000)")
    source.insert()
    source.ship_all_that_runs()
    wait_until(lambda: source.confirmed() == forwarder.tail_end(source.lake), 30, "what is durable to be acknowledged")
    assert source.running.log_text().count('"start_position"') == 1
    assert source.running.terminate() == 0
    source.complete()


def test_it_rests_between_polls(source):
    """No transaction, no slot in use, and no CPU where there is nothing to do."""
    source.start()
    source.insert()
    source.ship_all_that_runs()
    wait_until(lambda: source.confirmed() == forwarder.tail_end(source.lake), 30, "what is durable to be acknowledged")
    busy = [source.database.value("SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND state LIKE '%%transaction%%'", (ROLE,))
            for _ in range(20)]
    assert busy == [0] * 20
    ticks = cpu_ticks(source.running.process.pid)
    waited = source.database.value("SELECT 1 FROM pg_sleep(1)")
    # Ten polls and their answers; a loop that does not wait takes a hundred ticks.
    assert waited == 1 and cpu_ticks(source.running.process.pid) - ticks < 50
    assert source.running.terminate() == 0


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_slot_that_was_moved_is_a_gap(source):
    """Somebody advances the slot over what was not shipped: it stops, and says what is missing."""
    source.start()
    source.insert()
    source.ship_all_that_runs()
    wait_until(lambda: source.confirmed() == forwarder.tail_end(source.lake), 30, "what is durable to be acknowledged")
    source.running.signal(signal.SIGSTOP)
    wait_until(source.running.stopped, 30, "it to sleep")
    source.insert()
    source.cluster.query("SELECT pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())", (source.slot,), source.database.name)
    source.running.signal(signal.SIGCONT)
    assert source.running.wait(30) == 3
    assert "gap: slot" in source.running.said_last() and "copy the tables again" in source.running.said_last()
    assert forwarder.verify(source.lake).returncode == 0


def test_too_little_room_for_temporary_files_is_named_and_waited_out(source):
    source.start()
    source.insert()
    source.ship_all_that_runs()
    source.database.execute(f"ALTER ROLE {ROLE} SET temp_file_limit = '128kB'")
    try:
        source.running.kill9()
        source.start()
        source.database.execute("INSERT INTO t (email) SELECT 'a' || i FROM generate_series(1, 20000) i")
        source.says("temp_file_limit")
        line = [line for line in source.running.log_lines() if line["event"] == "refused"][0]
        assert "raise temp_file_limit of the role" in line["message"] and 'mode = \\"stream\\"' in line["message"].replace('"', '\\"')
    finally:
        source.database.execute(f"ALTER ROLE {ROLE} RESET temp_file_limit")
    source.ship_all_that_runs()
    assert source.running.terminate() == 0
    source.complete()


def test_without_its_functions_it_says_how_to_make_them(source):
    source.database.execute(f"SELECT wal2lake.drop_pull_source('{source.slot}')")
    source.running.start()
    assert source.running.wait(30) == 4
    assert f"SELECT wal2lake.create_pull_source('{source.slot}', " in source.running.said_last()


def test_without_its_slot_it_says_how_to_make_it(source):
    source.cluster.query("SELECT pg_drop_replication_slot(%s)", (source.slot,))
    for command in ("run", "--create-slot", "--log-format", "text"), ("slot", "create"):
        done = forwarder.command(*command, "-c", source.config)
        assert done.returncode == 4 and b"pg_create_logical_replication_slot" in done.stderr, done.stderr
    done = forwarder.command("slot", "drop", "--yes", "-c", source.config)
    assert done.returncode == 2 and b"wal2lake.drop_pull_source" in done.stderr


def test_status_and_slots_need_no_replication(source):
    source.start()
    source.insert()
    source.ship_all_that_runs()
    status = forwarder.command("status", "--json", "-c", source.config)
    assert status.returncode == 0, (status.stdout, status.stderr)
    slots = forwarder.command("slot", "list", "-c", source.config)
    assert slots.returncode == 0 and source.slot.encode() in slots.stdout, slots.stderr
    assert source.running.terminate() == 0
