"""Nothing lost, nothing twice, order kept: whatever is killed, restarted or run twice.

One scenario under load: five kill -9 of the forwarder at random moments, an immediate restart of the
server, and two forwarders of which one was asleep while the other went on. Judged against the ledger
table and against test_decoding. Two mutants of the command, each without one safeguard, go through the
same scenario and must fail it; otherwise the scenario would prove nothing.
"""

import json
import os
import random
import signal
import time

import pytest

from harness import forwarder, tokens
from harness.cluster import Cluster, wait_until
from harness.compare import differences
from harness.database import Database
from harness.lake import Lake, LakeError
from harness.ledger import LABELS, SCHEMA, Load, is_ledger, ledger_differences

KILLS = 50 if os.environ.get("WAL2LAKE_LONG") else 5
KILLS_OF_AN_OPEN_SEGMENT = 2


class Failed(Exception):
    """The promise is broken; the text says where."""


class State:
    """What the forwarder's log says it was doing when the log ends."""

    def __init__(self, text):
        self.open_transactions, self.in_flight, self.last = 0, False, "nothing"
        for line in text.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            event = entry.get("event", "")
            self.last = event or self.last
            if event == "open_segment":
                self.open_transactions = int(entry["transactions"])
            elif event == "sealed":
                self.open_transactions, self.in_flight = 0, True
            elif event in ("segment_written", "adopted"):
                self.in_flight = False

    def __str__(self):
        return (f"open segment of {self.open_transactions} transactions, "
                f"{'a segment' if self.in_flight else 'nothing'} on its way, last event {self.last}")


def last_message(log):
    """What the forwarder said last, without the frame around it."""
    line = log.strip().splitlines()[-1]
    return json.loads(line)["message"] if line.startswith("{") else line


class Scenario:
    """One run of it, with one executable."""

    def __init__(self, cluster, database, folder, seed, note, executable=None):
        self.cluster, self.database, self.folder = cluster, database, folder
        self.note = note
        note(f"seed {seed}")
        self.rng = random.Random(seed)
        self.lake = folder / "lake"
        self.slot = f"{database.name}_w2l"
        self.config = forwarder.write_config(folder / "w.toml", self.lake, cluster.conninfo(database.name),
                                             slot=self.slot, max_age="700ms", max_size="256KiB")
        self.executable = executable
        self.main = self.another("forwarder.log")
        self.offset = 0
        self.open_kills = 0

    def another(self, log):
        return forwarder.Forwarder(self.config, self.folder / log, executable=self.executable)

    # ---- faults ----

    def state(self):
        return State(self.main.log_text(self.offset))

    def start(self):
        self.offset = self.main.log.stat().st_size if self.main.log.exists() else 0
        self.main.start()

    def kill(self, number):
        """kill -9 after a random while; the last ones wait for an open segment if too few had one."""
        time.sleep(self.rng.uniform(0.2, 1.8))
        if KILLS - number <= KILLS_OF_AN_OPEN_SEGMENT - self.open_kills:
            wait_until(lambda: self.state().open_transactions or not self.main.running(), 20, "an open segment")
        self.require_running(self.main)
        self.main.kill9()
        state = self.state()
        self.open_kills += state.open_transactions > 0
        self.note(f"kill {number + 1}: {state}")
        self.start()

    def restart_server(self):
        """As a crash: clients and forwarder lose their connections at the same moment."""
        self.cluster.restart("immediate")
        self.note("restarted the server immediately")

    def wake_a_zombie(self):
        """One forwarder sleeps on an open segment while another takes over and ships; then it wakes."""
        wait_until(lambda: self.state().open_transactions or not self.main.running(), 20, "an open segment")
        self.require_running(self.main)
        self.main.signal(signal.SIGSTOP)
        before = forwarder.tail_end(self.lake)
        wait_until(self.slot_is_free, 20, "the sleeper to lose its slot", interval=0.2)
        with self.another("other.log").start() as other:
            try:
                wait_until(lambda: forwarder.tail_end(self.lake) > before or not other.running(), 30,
                           "the other forwarder to take over")
            except TimeoutError as error:
                raise Failed(f"{error}: {other.log_text()[-1500:]}") from error
            self.require_running(other)
            self.main.signal(signal.SIGCONT)
            woken = self.offset
            wait_until(lambda: '"reconnect"' in self.main.log_text(woken) or not self.main.running(), 20,
                       "the zombie to notice")
            wait_until(lambda: self.state().in_flight is False or not self.main.running(), 20,
                       "the zombie to put what it held")
            other.kill9()
        self.note("two forwarders: the one that slept is the one that goes on")

    def slot_is_free(self):
        """Ask the walsender to end, again if need be: the first time it may block in telling the sleeper so."""
        return not self.cluster.query("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots "
                                      "WHERE slot_name = %s AND active_pid IS NOT NULL", (self.slot,))

    def require_running(self, process):
        if not process.running():
            raise Failed(f"the forwarder gave up with {process.process.returncode}: {last_message(process.log_text())}")

    # ---- the run ----

    def run(self):
        """Sentences on what is wrong in the end; none if the promise was kept."""
        self.database.execute(SCHEMA)
        self.database.label("ledger", **LABELS)
        created = forwarder.command("slot", "create", "-c", self.config, executable=self.executable)
        if created.returncode != 0:
            return [f"slot create: {created.stderr.decode()}"]
        oracle = self.database.oracle()
        try:
            with Load(self.cluster, self.database.name, self.rng.randrange(2**31)) as load:
                self.start()
                for number in range(KILLS):
                    self.kill(number)
                    if number == 1:
                        self.restart_server()
                    if number == 2:
                        self.wake_a_zombie()
                load.finish()
            expected = oracle.transactions()
            self.note(f"{load.commits()} commits, {len(expected)} in the witness slot")
            forwarder.wait_shipped(self.main, self.lake, expected[-1].end_lsn, timeout=30)
            code = self.main.terminate()
            found = [] if code == 0 else [f"SIGTERM: exit code {code}"]
            shipped = Lake(self.lake, forwarder.SOURCE).transactions()
            keys = tokens.keys_of(self.cluster.key_file.read_text())
            return (found + differences(shipped, expected, is_ledger, keys)
                    + ledger_differences(self.cluster, self.database.name, shipped))
        except (Failed, LakeError, RuntimeError, TimeoutError) as error:
            return [str(error)]
        finally:
            self.main.stop()


@pytest.fixture(scope="module")
def cluster():
    """A server of its own: the scenario crashes it."""
    with Cluster({"checkpoint_timeout": "1h"}, name="exactly-once") as running:
        yield running


@pytest.fixture
def scenario(cluster, tmp_path, seed, note):
    def make(name, executable=None):
        database = Database(cluster, name)
        made.append(database.__enter__())
        return Scenario(cluster, database, tmp_path, seed, note, executable)
    made = []
    yield make
    for database in made:
        database.__exit__()


def test_nothing_is_lost_twice_or_out_of_order(scenario):
    run = scenario("real")
    assert run.run() == []
    assert run.open_kills >= KILLS_OF_AN_OPEN_SEGMENT


def test_the_mutant_that_acknowledges_before_put_fails(scenario, note):
    """Killed between the two, it has told the server to forget what the lake does not have."""
    found = scenario("ack", forwarder.mutant("ack_before_put")).run()
    note(f"it failed with: {found[0]}")
    assert any("gap:" in sentence or "is lost" in sentence for sentence in found), found


def test_the_mutant_that_renames_instead_of_linking_fails(scenario, note):
    """The one that slept overwrites what the other had put, and the chain breaks."""
    found = scenario("rename", forwarder.mutant("rename")).run()
    note(f"it failed with: {found[0]}")
    assert any(word in sentence for sentence in found
               for word in ("gap:", "missing", "SHA-256", "does not continue", "is lost", "twice")), found
