"""A source that is pulled: a role without REPLICATION, and the two functions that it may call."""

import signal

from . import forwarder
from .cluster import wait_until
from .exactly_once import LONG, TWO_FORWARDERS, Scenario

ROLE = "puller"
# Each answer begins to decode where the slot does: the little that is asked for at once makes a long load last.
POLL_WAL = "1MiB" if LONG else "128KiB"
LINES = f'mode = "pull"\npoll_interval = "100ms"\npoll_wal = "{POLL_WAL}"\n'
TRIES = 5
# Places that no source passes that is pulled: the superuser makes the slot, and nothing is staged.
NOT_PULLED = ("slot.created", "stage.kept", "replay.before", "replay.after")


def create_role(cluster, role=ROLE):
    """A role that may log in, and nothing else."""
    cluster.query(f'CREATE ROLE "{role}" LOGIN')


def create_pull_source(database, slot, role=ROLE, options="{}"):
    """Slot and functions, as docs/pull.md says."""
    database.cluster.query("SELECT pg_create_logical_replication_slot(%s, 'wal2lake')", (slot,), database.name)
    database.cluster.query("SELECT wal2lake.create_pull_source(%s, %s::text::regrole, %s)", (slot, f'"{role}"', options),
                           database.name)


class PulledScenario(Scenario):
    """As Scenario, with two forwarders that may both ask whenever they like."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, user=ROLE, extra=LINES, **more)

    def begin_at(self, places):
        create_pull_source(self.database, self.slot)
        super().begin_at(places)

    def twin(self):
        config = forwarder.write_config(self.folder / "twin.toml", self.place.url,
                                        self.cluster.conninfo(self.database.name, ROLE), slot=self.slot, max_age="200ms",
                                        max_size="64KiB", extra=LINES, segment_lines="compression_level = 3")
        return forwarder.Forwarder(config, self.folder / "other.log", executable=self.executable), ()

    def sleeps_on_an_open_segment(self):
        """What it has is on its way at once, so it sleeps at any moment. One that has not begun would begin behind the other,
        and have nothing to notice."""
        if not self.main.running() or '"start_position"' not in self.main.log_text(self.offset):
            return False
        self.main.signal(signal.SIGSTOP)
        wait_until(self.main.stopped, 30, "the forwarder to sleep")
        return True

    def kill_at(self, place):
        """Two idle segments of one position are equal, and the one that wakes takes the other's for its own: nothing is adopted
        then, and it is tried again."""
        if place not in TWO_FORWARDERS:
            super().kill_at(place)
            return
        self.require_running(self.main)
        self.main.kill9()
        for _ in range(TRIES):
            self.start(failpoint=f"put.sent=stop,{place}=exit")
            self.another_goes_on_until(lambda: '"segment_written"' in self.main.log_text(self.offset))
            if not self.main.running():
                break
            self.main.kill9()
        self.died_at(place)
        self.start()

    def faults(self, kills, restarts, places, open_segments):
        faults = [self.kill] * kills + [self.restart_server] * restarts + [self.wake_a_zombie] * 2
        faults += [lambda place=place: self.kill_at(place) for place in places]
        self.rng.shuffle(faults)
        return faults
