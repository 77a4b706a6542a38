"""One source as its operator has it: a database with one hashed column, a slot, a lake, a configuration.

`refused` is for what must not go on, `complete` for what must be in the lake afterwards.
"""

import json
import subprocess

import pytest

from . import forwarder, tokens
from .compare import differences
from .lake import Lake

OK, USAGE, LAKE, SOURCE, STORE = 0, 2, 3, 4, 5


def is_t(table):
    return table == "public.t"


class App:
    """A database with one hashed column, a slot, a lake, and a configuration that joins them."""

    def __init__(self, database, folder):
        self.database, self.cluster, self.folder = database, database.cluster, folder
        self.lake = folder / "lake"
        self.slot = f"{database.name[:50]}_w2l"
        self.config = self.configure()
        database.execute("CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text)")
        database.label("t", id="green", email="red hash domain=email")
        self.running = None

    def configure(self, name="w.toml", **changes):
        values = {"lake": self.lake, "conninfo": self.cluster.conninfo(self.database.name), "slot": self.slot,
                  "max_age": "200ms", **changes}
        return forwarder.write_config(self.folder / name, values.pop("lake"), values.pop("conninfo"), **values)

    def create(self):
        """Slot, log and witness."""
        done = forwarder.command("slot", "create", "-c", self.config)
        assert done.returncode == OK, done.stderr
        self.oracle = self.database.oracle()
        return self

    def insert(self, rows=1):
        for number in range(rows):
            self.database.execute(f"INSERT INTO t (email) VALUES ('user{number}@example.com')")

    def run(self, *arguments, config=None):
        """A forwarder in the background."""
        self.running = forwarder.Forwarder(config or self.config, self.folder / "forwarder.log")
        return self.running.start(*arguments)

    def ship(self, rows=3):
        """Insert, and forward until it is in the lake. One segment at least."""
        self.insert(rows)
        with self.run():
            forwarder.wait_shipped(self.running, self.lake, self.oracle.transactions()[-1].end_lsn)
            assert self.running.terminate() == OK

    def refused(self, *arguments, code, config=None):
        """`run` ends by itself with this code; its last sentence."""
        with self.run(*arguments, config=config) as running:
            try:
                assert running.wait(20) == code, running.log_text()
            except subprocess.TimeoutExpired:
                pytest.fail(f"still running after 20 s: {running.log_text()[-2000:]}")
        return last_sentence(running.log_text())

    def complete(self):
        """Everything committed is in the lake, once and in order."""
        shipped = Lake(self.lake, forwarder.SOURCE).transactions()
        keys = tokens.keys_of(self.cluster.key_file.read_text())
        assert differences(shipped, self.oracle.transactions(), is_t, keys) == []


def last_sentence(text):
    """What was said last: the message of a JSON line, or the line."""
    line = text.strip().splitlines()[-1]
    try:
        return json.loads(line)["message"]
    except (ValueError, KeyError):
        return line
