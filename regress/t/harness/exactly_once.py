"""A ledger on its way into a lake while things are killed: what was written, what arrived, and every way to die in between."""

import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import time

from . import forwarder, tokens
from .cluster import SUPERUSER, wait_until
from .compare import differences
from .database import Database
from .lake import Lake, LakeError
from .ledger import LABELS, SCHEMA, Load, is_ledger, ledger_differences

LONG = bool(os.environ.get("WAL2LAKE_LONG"))
KILLS_OF_AN_OPEN_SEGMENT = 2
# Seconds that a put is on its way that another overtakes.
HANGS = 5
# Passed only while the log is begun; and those that need more than load to be passed.
BEGINNING = ("slot.created", "genesis.before", "genesis.after")
LOST_ANSWER = ("put.exists",)
TWO_FORWARDERS = ("adopt.before", "adopt.after")


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
                # Sealed for an adoption it may be covered whole, and is not put then.
                self.open_transactions, self.in_flight = 0, self.in_flight or entry["reason"] != "adoption"
            elif event in ("segment_written", "adopted"):
                self.in_flight = False

    def __str__(self):
        return (f"open segment of {self.open_transactions} transactions, "
                f"{'a segment' if self.in_flight else 'nothing'} on its way, last event {self.last}")


class Forwarded:
    """A ledger that is forwarded into a lake. `main` is its forwarder, not started yet."""

    def __init__(self, cluster, database, folder, place, note, *, executable=None, max_age="200ms", max_size="80KiB",
                 user=SUPERUSER, **more):
        self.cluster, self.database, self.folder, self.place = cluster, database, folder, place
        self.note, self.executable = note, executable
        self.slot = f"{database.name[:50]}_w2l"
        self.config = forwarder.write_config(folder / "w.toml", place.url, cluster.conninfo(database.name, user), slot=self.slot,
                                             max_age=max_age, max_size=max_size, lake_lines=place.lines, **more)
        self.main = self.another("forwarder.log")
        self.offset = 0
        self.oracle = None

    def another(self, log):
        return forwarder.Forwarder(self.config, self.folder / log, executable=self.executable,
                                   environment=self.place.environment)

    def state(self):
        return State(self.main.log_text(self.offset))

    def start(self, *arguments, failpoint=None):
        self.offset = self.main.log.stat().st_size if self.main.log.exists() else 0
        self.main.start(*arguments, failpoint=failpoint)

    def require_running(self, process):
        if not process.running():
            raise Failed(f"the forwarder gave up with {process.process.returncode}: {process.said_last()}")

    def wait_for(self, condition, what, timeout=30):
        """Until it holds or the forwarder has ended, which its next user will notice."""
        try:
            wait_until(lambda: condition() or not self.main.running(), timeout, what)
        except TimeoutError as error:
            raise Failed(f"{error}: {self.main.log_text(self.offset)[-1500:]}") from error

    def acknowledged(self):
        return self.cluster.value("SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = %s",
                                  (self.slot,))

    def prepare(self):
        """Its table and its witness."""
        self.database.execute(SCHEMA)
        self.database.label("ledger", **LABELS)
        self.oracle = self.database.oracle()

    def begin(self):
        # The real command: what takes link() away would be found wanting before it began.
        created = forwarder.command("slot", "create", "-c", self.config, env=self.place.environment)
        if created.returncode != 0:
            raise Failed(f"slot create: {created.stderr.decode()}")

    def judge(self, load, timeout=30):
        """Ships the rest and ends it. Sentences on what is wrong; none if the promise was kept."""
        expected = self.oracle.transactions()
        self.note(f"{load.commits()} commits, {len(expected)} in the witness slot")
        forwarder.wait_shipped(self.main, self.place, expected[-1].end_lsn, timeout=timeout)
        code = self.main.terminate()
        found = [] if code == 0 else [f"SIGTERM: exit code {code}"]
        lake = Lake(self.place.folder(), forwarder.SOURCE)
        segments = lake.segments()
        listed = sum(len(segment.footer.parts) for segment in segments)
        self.note(f"{len(segments)} segments, {sum(1 for each in segments if each.footer.parts)} of them of a large "
                  f"transaction in {listed} parts; {len(lake.parts()) - listed} parts are left of those that were cut off")
        shipped = [transaction for segment in segments for transaction in segment.transactions]
        keys = tokens.keys_of(self.cluster.key_file.read_text())
        return (found + differences(shipped, expected, is_ledger, keys)
                + ledger_differences(self.cluster, self.database.name, shipped))


class Scenario(Forwarded):
    """One run of kills, with one executable."""

    def __init__(self, cluster, database, folder, place, seed, note, executable=None, *, large_every, **more):
        super().__init__(cluster, database, folder, place, note, executable=executable, **more)
        note(f"seed {seed}")
        self.rng = random.Random(seed)
        # Seconds between transactions that go into the lake in parts; None: there are none.
        self.large_every = large_every
        self.killed = collections.Counter()
        self.visited = set()

    # ---- faults: each begins and ends with a forwarder that runs ----

    def kill(self, open_segment=False):
        """kill -9 after a random while, or once there is an open segment."""
        time.sleep(self.rng.uniform(0.05, 0.7))
        if open_segment:
            self.wait_for(lambda: self.state().open_transactions, "an open segment")
        self.require_running(self.main)
        self.main.kill9()
        state = self.state()
        self.killed["at a random moment"] += 1
        self.killed["with an open segment"] += state.open_transactions > 0
        self.killed["with a segment on its way"] += state.in_flight
        print(f"kill {self.killed['at a random moment']}: {state}")
        self.start()

    def kill_at(self, place):
        """The forwarder ends itself at this place, as by kill -9."""
        self.require_running(self.main)
        self.main.kill9()
        time_of_it = self.rng.randrange(1, 4) if place.startswith(("receive", "put", "temp", "status")) else 1
        if place in LOST_ANSWER:
            self.start(failpoint=f"put.answered=error,{place}=exit")
        elif place in TWO_FORWARDERS:
            self.start(failpoint=f"put.sent=stop,{place}=exit")
            self.another_goes_on_until(lambda: not self.main.running())
        else:
            self.start(failpoint=f"{place}=exit@{time_of_it}")
        self.died_at(place)
        self.start()

    def died_at(self, place):
        try:
            code = self.main.wait()
        except subprocess.TimeoutExpired:
            raise Failed(f"{place} was never reached: {self.main.log_text(self.offset)[-1500:]}") from None
        if code != forwarder.FAILPOINT_EXIT:
            raise Failed(f"exit code {code} on the way to {place}: {self.main.said_last()}")
        self.visited.add(place)
        self.killed["at a failpoint"] += 1
        self.killed["with a segment on its way"] += self.state().in_flight

    def restart_server(self):
        """As a crash: clients and forwarder lose their connections at the same moment."""
        self.cluster.restart("immediate")
        self.killed["servers"] += 1

    def wake_a_zombie(self):
        """One forwarder sleeps on an open segment while another takes over and ships; then it wakes."""
        self.wait_for(self.sleeps_on_an_open_segment, "an open segment to sleep on")
        self.require_running(self.main)
        woken = self.main.log.stat().st_size
        self.another_goes_on_until(lambda: '"reconnect"' in self.main.log_text(woken) and not self.state().in_flight)
        self.note("two forwarders: the one that slept is the one that goes on")

    def sleeps_on_an_open_segment(self):
        if self.state().open_transactions and self.main.running():
            self.main.signal(signal.SIGSTOP)
            wait_until(self.main.stopped, 30, "the forwarder to sleep")
            if self.state().open_transactions:
                return True
            self.main.signal(signal.SIGCONT)
        return False

    def overtake_a_put(self):
        """One forwarder sleeps with a put on its way and more behind it; others have gone on past it when the store is asked."""
        self.require_running(self.main)
        self.main.kill9()
        self.start(failpoint=f"put.sent=hang:{HANGS}")
        self.wait_for(lambda: "put.sent reached" in self.main.log_text(self.offset), "a put")
        over = time.monotonic() + HANGS
        # Nothing is sealed behind a part of a large transaction.
        self.wait_for(lambda: self.main.log_text(self.offset).count('"sealed"') >= 3 or time.monotonic() > over - 1,
                      "segments to wait for a put")
        self.require_running(self.main)
        self.main.signal(signal.SIGSTOP)
        # The request comes before the slot can be looked at, which tells it all.
        self.another_goes_on_until(lambda: any(each in self.main.log_text(self.offset) for each in ('"segment_written"', '"adopted"')),
                                   segments=2, until=over)
        self.note("two forwarders: the one that slept asks for a name that is taken, and is followed by another")

    def another_goes_on_until(self, done, segments=1, until=0):
        """While the main forwarder sleeps, at least `until` then, another ships and acknowledges; then the main one wakes and
        may go on."""
        self.wait_for(self.main.stopped, "the forwarder to sleep")
        self.require_running(self.main)
        before = self.place.tail_end()
        forwarder.take_slot_away(self.cluster, self.slot)
        twin, arguments = self.twin()
        began = twin.log.stat().st_size if twin.log.exists() else 0
        with twin.start(*arguments) as other:
            try:
                wait_until(lambda: not other.running() or (self.acknowledged() > before and
                                                           other.log_text(began).count('"segment_written"') >= segments),
                           30, "the other forwarder to take over")
            except TimeoutError as error:
                raise Failed(f"{error}: {other.log_text()[-1500:]}") from error
            self.require_running(other)
            time.sleep(max(0, until - time.monotonic()))
            self.main.signal(signal.SIGCONT)
            self.wait_for(done, "the zombie to notice")
            other.kill9()

    def twin(self):
        """Another forwarder, and its arguments. Equal bytes are taken for its own by the one that wakes, and nothing is adopted. It
        may cut segments as the other does; but the options are part of each segment."""
        return self.another("other.log"), ("--max-size", "64KiB", *forwarder.OTHER_BYTES)

    # ---- the run ----

    def begin_at(self, places):
        """The log's beginning; interrupted at those places, one after the other."""
        if not places:
            self.begin()
        for place in places:
            self.start("--create-slot", failpoint=f"{place}=exit")
            self.died_at(place)

    def faults(self, kills, restarts, places, open_segments):
        """All of them in one random order, each a function."""
        faults = [self.kill] * (kills - open_segments) + [self.restart_server] * restarts
        faults += [self.wake_a_zombie, self.overtake_a_put]
        faults += [lambda place=place: self.kill_at(place) for place in places]
        self.rng.shuffle(faults)
        return faults + [lambda: self.kill(open_segment=True)] * open_segments

    def run(self, kills, restarts, places=()):
        """Sentences on what is wrong in the end; none if the promise was kept."""
        try:
            self.prepare()
            self.begin_at([place for place in BEGINNING if place in places])
            with Load(self.cluster, self.database.name, self.rng.randrange(2**31), large_every=self.large_every) as load:
                self.start()
                for fault in self.faults(kills, restarts, [place for place in places if place not in BEGINNING],
                                         KILLS_OF_AN_OPEN_SEGMENT):
                    fault()
                load.finish()
            self.note("killed: " + ", ".join(f"{number} {what}" for what, number in self.killed.items()))
            return self.judge(load)
        except (Failed, LakeError, RuntimeError, TimeoutError) as error:
            return [str(error)]
        finally:
            self.main.stop()


@contextlib.contextmanager
def scenarios(cluster, folder, seed, note, place, kind=Scenario):
    """make(name, executable=None, ...): a scenario in a database and a folder of its own, with the lake at place(name, folder)."""
    with contextlib.ExitStack() as stack:
        def make(name, executable=None, large_every=15 if LONG else 2, **more):
            database = stack.enter_context(Database(cluster, name))
            own = folder / name
            own.mkdir()
            return kind(cluster, database, own, place(name, own), seed, note, executable, large_every=large_every, **more)
        yield make
