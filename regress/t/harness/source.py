"""A database that is forwarded: a table with labels, its slot, its log, and a witness slot on the same WAL."""

import threading

from . import forwarder, tokens
from .cluster import SUPERUSER
from .compare import differences
from .lake import Lake
from .lake_place import Folder

TABLE = "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text)"
INSERT = "INSERT INTO t (email) VALUES ('a@example.com')"


def is_t(table):
    return table == "public.t"


class Source:
    """One source. `running` is its forwarder, not started yet; `another` makes more of them. The lake is a folder, or where a
    place of lake_place.py says."""

    user = SUPERUSER

    def __init__(self, database, folder, *, begun=True, extra="", place=None, **segment):
        self.database, self.cluster, self.folder = database, database.cluster, folder
        self.place = place or Folder(folder / "lake")
        self.lake, self.slot = place or self.place.path, f"{database.name[:50]}_w2l"
        database.execute(TABLE)
        database.label("t", id="green", email="red hash domain=email")
        self.segment, self.extra = segment, extra
        self.config = self.configuration("w.toml")
        if begun:
            assert forwarder.command("slot", "create", "-c", self.config, env=self.place.environment).returncode == 0
        self.oracle = database.oracle()
        self.running = self.another("forwarder.log")

    def configuration(self, name, **more):
        values = {"slot": self.slot, "extra": self.extra, "lake_lines": self.place.lines, **self.segment, **more}
        return forwarder.write_config(self.folder / name, self.place.url, self.cluster.conninfo(self.database.name, self.user),
                                      **values)

    def another(self, log, config=None):
        return forwarder.Forwarder(config or self.config, self.folder / log, environment=self.place.environment)

    def start(self, **more):
        self.running.start(**more)
        forwarder.wait_until_streaming(self.running, self.cluster, self.slot)

    def insert(self, times=1):
        self.database.execute(*[INSERT] * times)

    def segments(self):
        return Lake(self.place.folder(), forwarder.SOURCE).segments()

    def confirmed(self):
        return self.slot_lsn("confirmed_flush_lsn")

    def slot_lsn(self, column):
        return int(self.database.value(f"SELECT {column} - '0/0' FROM pg_replication_slots WHERE slot_name = %s",
                                       (self.slot,)))

    def walsender(self):
        """The process that serves the slot, None where nobody reads it."""
        return self.database.value("SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", (self.slot,))

    def complete(self):
        """The log holds what the witness saw: nothing lost, nothing twice, in order."""
        keys = tokens.keys_of(self.cluster.key_file.read_text())
        shipped = [transaction for segment in self.segments() for transaction in segment.transactions]
        assert differences(shipped, self.oracle.transactions(), is_t, keys) == []

    def ship_all_that_runs(self):
        """Wait until all that was written is in the lake; its forwarder goes on."""
        forwarder.wait_shipped(self.running, self.lake, self.oracle.transactions()[-1].end_lsn)

    def ship_all(self):
        """Start it anew, wait until all that was written is in the lake, end it."""
        end = self.oracle.transactions()[-1].end_lsn
        self.start()
        forwarder.wait_shipped(self.running, self.lake, end)
        assert self.running.terminate() == 0


class Writer(threading.Thread):
    """Inserts into `t` all the while, as a context manager."""

    def __init__(self, database, pause=0.005):
        super().__init__(daemon=True)
        self.database, self.pause = database, pause
        self.ending, self.commits, self.failure = threading.Event(), 0, None

    def run(self):
        try:
            connection = self.database.cluster.connect(self.database.name)
            with connection.cursor() as cursor:
                while not self.ending.wait(self.pause):
                    cursor.execute(INSERT)
                    self.commits += 1
            connection.close()
        except Exception as error:  # must not end unseen in a thread
            self.failure = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join(60)
        if self.failure is not None:
            raise self.failure
