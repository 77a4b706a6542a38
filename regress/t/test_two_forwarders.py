"""Two forwarders on one log, on purpose: one of them slept, or was started too often, or reads another slot.

There is no lease: the slot admits one reader, and a name in the lake is taken once. Whatever the moment,
the log must stay one chain without a gap or a transaction twice, and the loser must say why it waits or ends.
"""

import os
import random
import signal

import pytest

from harness import forwarder
from harness.cluster import wait_until
from harness.source import INSERT, Source, Writer

LONG = bool(os.environ.get("WAL2LAKE_LONG"))
# Each verifies the whole log, so three times as many take nine times as long.
RACES = 150 if LONG else 50
BEGINNINGS = 20 if LONG else 3
# Where the first one stands still while the second takes over: with an object not yet asked for, half
# written, there but not answered, answered but not acknowledged.
PLACES = ("receive.after", "seal.after", "put.before", "put.sent", "temp.opened", "put.temp_written", "put.linked",
          "put.temp_removed", "put.synced", "put.answered", "put.confirmed", "head.temp_written", "status.before",
          "status.after", "start.before", "connect.after")
# There the first holds something whose name the second takes.
BEFORE_THE_PUT = ("receive.after", "seal.after", "put.before", "put.sent", "put.temp_written")
WAITS = "is in use by another connection"


class Race:
    """The first stands still at a place, the second takes over and ships, the first goes on. One of them ends first."""

    def __init__(self, source, number, rng):
        self.source, self.rng = source, rng
        self.first = source.another(f"first{number}.log")
        self.second = source.another(f"second{number}.log")
        place = PLACES[number % len(PLACES)]
        # In each third race both may cut equal segments, which the first takes for its own without an adoption.
        self.options = () if number % 3 == 2 else forwarder.OTHER_BYTES
        self.must_adopt = bool(self.options) and place in BEFORE_THE_PUT
        time_of_it = rng.randrange(1, 4) if place.startswith(("receive", "put", "status")) else 1
        self.deed = f"{place}=stop@{time_of_it}"

    def run(self):
        with self.first.start(failpoint=self.deed):
            self.until(self.first.stopped, "the first to stand still", self.first)
            forwarder.take_slot_away(self.source.cluster, self.source.slot)
            before = forwarder.tail_end(self.source.lake)
            with self.second.start(*self.options):
                self.until(lambda: self.source.confirmed() > before, "the second to ship", self.second)
                self.first.signal(signal.SIGCONT)
                self.until(lambda: WAITS in self.first.log_text(), "the first to say why it waits", self.first)
                ends, goes_on = self.rng.sample((self.first, self.second), 2)
                assert ends.terminate() == 0, ends.log_text()[-1500:]
                after = forwarder.tail_end(self.source.lake)
                self.until(lambda: self.source.confirmed() > after, "the other to go on", goes_on)
                assert goes_on.terminate() == 0, goes_on.log_text()[-1500:]
        verified = forwarder.verify(self.source.lake)
        assert verified.returncode == 0, (self.deed, verified.stderr)
        adopted = '"adopted"' in self.first.log_text()
        assert adopted or not self.must_adopt, f"{self.deed}: {self.first.log_text()[-1500:]}"
        return adopted

    def until(self, condition, what, runner):
        wait_until(lambda: condition() or not runner.running(), 30, f"{what} ({self.deed})")
        assert runner.running(), f"{self.deed}: {runner.log_text()[-1500:]}"


def test_races_of_a_sleeper_and_its_successor(database, tmp_path, seed, note):
    """At every edge: no fork, no gap, no duplicate; the one without the slot says so and waits."""
    rng = random.Random(seed)
    source = Source(database, tmp_path, max_age="100ms")
    with Writer(database) as writer:
        adopted = sum(Race(source, number, rng).run() for number in range(RACES))
    source.ship_all()
    source.complete()
    note(f"{RACES} races, {adopted} adoptions, {writer.commits} commits, seed {seed}")
    assert adopted >= RACES / 5


class Beginning:
    """Two forwarders find a lake without a log. The loser stands still before its genesis, the winner overtakes it."""

    def __init__(self, database, folder, number, slots):
        self.database = database
        self.lake = folder / "lake"
        self.source = f"cell{number}.main"
        self.loser, self.winner = (self.forwarder(folder, name, slot) for name, slot in zip(("loser", "winner"), slots))
        self.slots = slots

    def forwarder(self, folder, name, slot):
        config = forwarder.write_config(folder / f"{self.source}-{name}.toml", self.lake,
                                        self.database.cluster.conninfo(self.database.name), slot=slot,
                                        source=self.source, max_age="100ms")
        return forwarder.Forwarder(config, folder / f"{self.source}-{name}.log")

    def run(self, *arguments, place, ended):
        """True once the loser did what `ended` waits for, with the log of the winner whole and growing."""
        with self.loser.start(*arguments, failpoint=f"{place}=stop"):
            wait_until(self.loser.stopped, 30, "the loser to stand still")
            with self.winner.start(*arguments):
                wait_until(lambda: '"start_position"' in self.winner.log_text(), 30, "the winner to stream")
                self.loser.signal(signal.SIGCONT)
                wait_until(lambda: ended(self.loser), 30, "the loser to notice")
                before = forwarder.tail_end(self.lake, self.source)
                self.database.execute(INSERT)
                wait_until(lambda: forwarder.tail_end(self.lake, self.source) > before, 30, "the winner to go on")
                if self.loser.running():
                    assert self.loser.terminate() == 0
                assert self.winner.terminate() == 0
        assert forwarder.verify(self.lake, self.source).returncode == 0

    def refused(self, loser):
        return loser.process.poll() == 3 and (
            f'was read from slot "{self.slots[1]}", not "{self.slots[0]}"; correct the slot' in loser.said_last())


@pytest.fixture
def table(database, tmp_path):
    """A labelled table without a log."""
    Source(database, tmp_path, begun=False)
    return database


@pytest.mark.parametrize("number", range(BEGINNINGS))
def test_two_slots_cannot_begin_one_log(table, tmp_path, number):
    """The genesis names its slot: the other forwarder ends and takes the slot that it had made away again."""
    slots = f"{table.name[:40]}_loser", f"{table.name[:40]}_winner"
    race = Beginning(table, tmp_path, number, slots)
    race.run("--create-slot", place="genesis.before", ended=race.refused)
    assert "is dropped again" in race.loser.said_last()
    assert table.value("SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s", (slots[0],)) == 0


@pytest.mark.parametrize("number", range(BEGINNINGS))
def test_two_slots_that_exist_cannot_begin_one_log(table, tmp_path, number):
    """The same without --create-slot, where the machine writes the genesis. The slots belong to whoever made them."""
    slots = f"{table.name[:40]}_loser", f"{table.name[:40]}_winner"
    for slot in slots:
        table.plugin_slot(slot)
    race = Beginning(table, tmp_path, number, slots)
    race.run(place="put.sent", ended=race.refused)


def test_one_slot_begins_one_log(table, tmp_path):
    """Two with the same slot: whoever comes second finds the log begun and waits for the slot."""
    slot = f"{table.name[:40]}_both"
    race = Beginning(table, tmp_path, 0, (slot, slot))
    race.run("--create-slot", place="genesis.before", ended=lambda loser: WAITS in loser.log_text())


def test_a_second_slot_is_refused_beside_the_first(database, tmp_path):
    """A log belongs to one slot: a forwarder with another ends and says so, the first does not notice."""
    source = Source(database, tmp_path, max_age="100ms")
    source.start()
    walsender = source.walsender()
    other = f"{source.slot[:50]}_other"
    database.plugin_slot(other)
    with source.another("other.log", source.configuration("other.toml", slot=other)).start() as second:
        assert second.wait() == 3
    assert f'was read from slot "{source.slot}", not "{other}"; correct the slot' in second.said_last()
    source.insert()
    forwarder.wait_shipped(source.running, source.lake, source.oracle.transactions()[-1].end_lsn)
    assert source.walsender() == walsender
    assert source.running.terminate() == 0
    source.complete()
