"""Decoding begins and ends a thousand times in one backend, in every way: what is left of it is less than 1 MiB.

Over SQL and on one replication connection; ended by the end of what there is, by a limit, by options that are refused, by
an error in the middle, by a timeout. Memory is what the server's contexts hold, what malloc has given out (libcrypto and
C++ included), and the memory that is locked, for keys.
"""

import random
import time

import psycopg2
import psycopg2.extras
import pytest

from harness.cluster import Cluster
from harness.database import Database
from harness.odd_server import OddServer
from harness.plugin import assemble
from harness.values import Uncarried

# 1 MiB is promised. A set of keys that is not freed takes 0.5 KiB, so that only less than that many finds it.
ALLOWED = 128 << 10
WARM, CYCLES = 100, 1000
SCHEMA = """
CREATE TYPE broken;
CREATE FUNCTION broken_in(cstring) RETURNS broken LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION broken_out(broken) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'enum_out';
CREATE TYPE broken (INPUT = broken_in, OUTPUT = broken_out, LIKE = int4);
CREATE TABLE t (id bigint PRIMARY KEY, red text, odd broken, big text);
"""


@pytest.fixture(scope="module")
def database():
    with Cluster({"logical_decoding_work_mem": "64kB", "log_min_messages": "fatal"}, name="cycles") as cluster:
        with Database(cluster, "cycles") as made:
            made.execute(SCHEMA)
            made.label("t", id="green", red="red hash", odd="green", big="green")
            made.slot = made.plugin_slot().slot
            made.execute("INSERT INTO t SELECT i, 'ada', '1', repeat('x', 2000) FROM generate_series(1, 60) i",
                         "ALTER TABLE t ADD late int; UPDATE t SET red = 'eve' WHERE id < 10", "TRUNCATE t")
            changes = [change for transaction in assemble(peek(made)) for change in transaction.changes]
            assert sum(isinstance(change.new["odd"], Uncarried) for change in changes if change.new) == 69
            yield made


def peek(database):
    return b"".join(bytes(row[0]) for row in database.cluster.query(
        f"SELECT data FROM pg_logical_slot_peek_binary_changes('{database.slot}', NULL, NULL)", dbname=database.name))


class Growth:
    """What a backend grew by since it was warm."""

    def __init__(self, odd):
        self.odd, self.before = odd, self._now(odd)

    @staticmethod
    def _now(odd):
        return {"contexts": odd.contexts(), "malloc": odd.malloced(), "keys": odd.locked()}

    def demand(self, note):
        grown = {name: size - self.before[name] for name, size in self._now(self.odd).items()}
        note(f"bytes more after {CYCLES} cycles: " + ", ".join(f"{name} {size}" for name, size in grown.items()))
        assert all(size < ALLOWED for size in grown.values()), grown


class Sql:
    """The ways in which decoding ends over SQL. Each answers its SQLSTATE, None if it was none."""

    def __init__(self, odd, rng):
        self.odd, self.rng = odd, rng
        self.calls = odd.count("server", self._peek("NULL"))
        self.expected = self._digest()

    def _peek(self, limit, *options, function="binary_changes"):
        words = "".join(f", '{option}'" for option in options)
        return f"SELECT count(*) FROM pg_logical_slot_peek_{function}('{self.odd.slot}', NULL, {limit}{words})"

    def _digest(self):
        return self.odd.value(self._peek("NULL").replace("count(*)", "md5(string_agg(data, ''::bytea))"))

    def _answer(self, sql):
        try:
            return self.odd.value(sql) and None
        except psycopg2.Error as error:
            return error.pgcode

    def whole(self):
        assert self._digest() == self.expected

    def streamed(self):
        return self._answer(self._peek("NULL", "streaming", "on"))

    def limited(self):
        return self._answer(self._peek(1))

    def refused(self):
        return self._answer(self._peek("NULL", "streaming", "on", "unheard_of", "1"))

    def refused_value(self):
        return self._answer(self._peek("NULL", "max_batch_bytes", "lots"))

    def refused_as_text(self):
        """Once the plugin has said what it writes."""
        return self._answer(self._peek("NULL", function="changes"))

    def out_of_time(self):
        self.odd.cursor.execute("SET statement_timeout = '1ms'")
        state = self._answer(self._peek("NULL") + " UNION ALL " + self._peek("NULL"))
        self.odd.cursor.execute("RESET statement_timeout")
        return state

    def error(self):
        """Of the server, somewhere; of a value it ends nothing."""
        _, error, _ = self.odd.fail("server", self.rng.randint(1, self.calls), "XX000", self._peek("NULL", "streaming", "on"))
        return error and error.pgcode

    def no_memory(self):
        _, error, _ = self.odd.fail("server", self.rng.randint(1, self.calls), "53200", self._peek("NULL"))
        return error and error.pgcode


EXPECTED = {"whole": {None}, "streamed": {None}, "limited": {None}, "refused": {"22023"}, "refused_value": {"22023"},
            "refused_as_text": {"0A000"}, "out_of_time": {"57014", None}, "error": {None, "XX000"}, "no_memory": {"53200", None}}


def test_over_sql(database, note, seed):
    with OddServer(database) as odd:
        odd.slot = database.slot
        ways = Sql(odd, random.Random(seed))
        seen = {name: [] for name in EXPECTED}
        for cycle in range(WARM + CYCLES):
            if cycle == WARM:
                growth = Growth(odd)
            name = list(EXPECTED)[cycle % len(EXPECTED)]
            seen[name].append(getattr(ways, name)())
        growth.demand(note)
    assert {name: states for name, states in seen.items() if not set(states) <= EXPECTED[name]} == {}
    assert all(EXPECTED[name] - {None} <= set(states) for name, states in seen.items())


class Walsender(OddServer):
    """A connection for replication; it answers SQL, too."""

    def connect(self):
        return psycopg2.connect(self.database.cluster.conninfo(self.database.name),
                                connection_factory=psycopg2.extras.LogicalReplicationConnection)

    def stream(self, options):
        """Read until it ends by an error: that."""
        deadline = time.monotonic() + 20
        try:
            self.cursor.start_replication(self.slot, options=options)
            while time.monotonic() < deadline:
                self.cursor.read_message()
        except psycopg2.Error as error:
            return error.pgcode
        raise TimeoutError("no error has ended the stream")


def test_on_a_replication_connection(database, note, seed):
    """Which an error leaves usable: the next command may start once more."""
    rng, states = random.Random(seed), []
    with Walsender(database) as odd:
        odd.slot = database.slot
        pid = odd.pid
        for cycle in range(WARM + CYCLES):
            if cycle == WARM:
                growth = Growth(odd)
            if cycle % 3 == 0:
                states.append(odd.stream({"streaming": "off", "unheard_of": "1"}))
            else:
                odd.value("SELECT odd.arm('server', %s, '53200')", (rng.randint(1, 500),))
                states.append(odd.stream({"streaming": "on"} if cycle % 3 == 1 else {}))
                odd.value("SELECT odd.disarm()")
        growth.demand(note)
        assert odd.pid == pid
    assert set(states) == {"22023", "53200"}
    assert assemble(peek(database))
