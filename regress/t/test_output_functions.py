"""Output functions that are not PostgreSQL's own, and misbehave: the value is not carried, what comes after it is, and neither
memory, settings nor an open query are left behind. Those that run without end: regress/sql/output_failure.sql."""

from pathlib import Path

import pytest

from harness import odd_types
from harness.odd_types import (ENDLESS, ENDLESS_DOUBLING, ENDLESS_OUTSIDE, FINE, LACKS_MEMORY, LEAVES_SPI, LONG, LOOKS_FOR_SPI, MUCH,
                               RECURSES, ROLLBACK, SERIALIZATION, SHORT_ONCE, TOO_MUCH_AT_ONCE)
from harness.plugin import assemble
from harness.receiver import Receiver
from harness.values import Uncarried

FAILED, TOO_LARGE = 2, 1
EXPECTED = {
    FINE: "fine", MUCH: "fine", LONG: "x" * 200000, LOOKS_FOR_SPI: "nothing is left", SHORT_ONCE: "fine",
    ENDLESS: Uncarried(TOO_LARGE, 0), ENDLESS_OUTSIDE: Uncarried(TOO_LARGE, 0), ENDLESS_DOUBLING: Uncarried(TOO_LARGE, 0),
    LACKS_MEMORY: Uncarried(TOO_LARGE, 0), TOO_MUCH_AT_ONCE: Uncarried(FAILED, 0), LEAVES_SPI: Uncarried(FAILED, 0),
    ROLLBACK: Uncarried(FAILED, 0), SERIALIZATION: Uncarried(FAILED, 0), RECURSES: Uncarried(FAILED, 0)}


@pytest.fixture
def odd(database):
    odd_types.create_type(database)
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v odd, l odd[], after text)")
    database.label("t", id="green", v="green", l="green", after="green")
    database.slot = database.plugin_slot()
    return database


def insert(database, *values):
    database.execute("INSERT INTO t VALUES " + ", ".join(
        f"({number}, '{value}', '{{0,{value}}}', 'goes on')" for number, value in enumerate(values)))


def rows(data):
    return [change.new for transaction in assemble(data) for change in transaction.changes]


def expected(*values):
    def listed(value):
        return value if isinstance(value, Uncarried) else '{fine,"%s"}' % value if " " in value else "{fine,%s}" % value
    return [{"id": str(number), "v": EXPECTED[value], "l": listed(EXPECTED[value]), "after": "goes on"}
            for number, value in enumerate(values)]


def test_none_stops_the_stream(odd):
    """All of them in one transaction, by SQL and by a walsender; each is followed by one that looks at what it left."""
    order = [value for odd_one in EXPECTED for value in (odd_one, LOOKS_FOR_SPI, MUCH)]
    insert(odd, *order)
    offset = odd.cluster.log_size()
    assert rows(odd.slot.peek()) == expected(*order)
    assert rows(odd.slot.receive(odd.commit_end())) == expected(*order)
    assert "secret-of-odd-types" not in odd.cluster.log_text(offset)


PEEK = "SELECT data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL)"


class Backend:
    """One session, whose memory can be bounded."""

    def __init__(self, database):
        self.database, self.connection = database, database.cluster.connect(database.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def query(self, sql, *parameters):
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()

    def peek(self):
        return b"".join(bytes(data) for data, in self.query(PEEK, self.database.slot.slot))

    def limit(self):
        return self.query("SELECT odd_limit()")[0][0]

    def bound(self, more):
        """It may take so many bytes more; -1: as many as it likes."""
        self.query("SELECT odd_bound(%s)", more)


def test_a_limit_ends_with_its_row(odd):
    """The session that decoded has the limit that it had before."""
    insert(odd, FINE, ENDLESS, MUCH)
    with Backend(odd) as backend:
        before = backend.limit()
        assert rows(backend.peek()) == expected(FINE, ENDLESS, MUCH)
        assert backend.limit() == before


def data_limit(pid):
    """The line of the process about its data."""
    limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
    return next(line.split() for line in limits.splitlines() if line.startswith("Max data size"))


def test_a_walsender_has_no_limit_between_rows(odd, tmp_path):
    """What it does beside reading values, such as putting large ones together, takes what it needs."""
    receiver = Receiver(odd.slot, tmp_path / "stream")
    insert(odd, ENDLESS, FINE)
    assert receiver.rows("t", 2) == expected(ENDLESS, FINE)
    pid = odd.value("SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", (odd.slot.slot,))
    with Backend(odd) as backend:
        assert data_limit(pid) == data_limit(backend.query("SELECT pg_backend_pid()")[0][0])
    receiver.stop()


def test_a_server_without_memory_loses_nothing(odd):
    """Where it has none for anybody, no value is given up: decoding stops, and goes on when there is some."""
    insert(odd, FINE, MUCH)
    with Backend(odd) as backend:
        backend.bound(700 * 2**20)
        bounded = backend.limit()
        with pytest.raises(Exception, match='out of memory while a value of table "public.t" is read') as refused:
            backend.peek()
        assert refused.value.pgcode == "53200" and "secret" not in str(refused.value)
        assert backend.limit() == bounded
        backend.bound(-1)
        assert rows(backend.peek()) == expected(FINE, MUCH)
