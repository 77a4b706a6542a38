"""An error, or no memory, at any call that decoding makes: the backend answers with an ERROR and nothing else happens.

odd_server.c lets the nth call of the plugin fail that reaches into the server, C++'s memory or libcrypto, and the nth
malloc of the server itself. Here that is done for every n of a workload. Each time the error must be the planted one, the
next decoding in the same backend right, and neither the error nor the log may hold a value of a red or unlabelled column; in
the end the server is the same as before and the backend no larger.

A small workload in `make test`; with WAL2LAKE_LONG=1 a larger one, streamed as well.
"""

import os
import random

import pytest

from harness.canary import Canaries
from harness.cluster import Cluster
from harness.database import Database
from harness.odd_server import OddServer
from harness.stream import parse_messages

LONG = bool(os.environ.get("WAL2LAKE_LONG"))
KIB = 1 << 10
# What a backend may grow by from the first failure to the last.
GROWTH = 128 * KIB
# Failures before that is looked at.
WARM = 20

SCHEMA = """
CREATE TYPE address AS (street text, city text);
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%');
CREATE TABLE t (id bigint PRIMARY KEY, gone text, green text, red text, amount numeric, home address, mails mail[], how mood,
                at timestamptz, big text);
ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
CREATE TABLE parted (id bigint PRIMARY KEY, b bytea) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (100);
ALTER TABLE parted_1 ALTER b SET STORAGE PLAIN;
CREATE TABLE hidden (id bigint PRIMARY KEY);
"""
LABELS = {"t": {"id": "green", "green": "green", "red": "red hash domain=email", "amount": "red hash", "home": "green",
                "mails": "green", "how": "green", "at": "green", "big": "green"},
          "parted": {"id": "green", "b": "green"}}
CANARIES = Canaries(random.Random(26))
ROW = (f"'{CANARIES.red_marker('t.gone')}', 'Grün', '{CANARIES.red_marker('t.red')}', 12.50,"
       " ('a', 'b'), '{a@b,c@d}', 'happy', 'infinity', repeat('x', 3000)")
# Each is a transaction.
SMALL = (f"INSERT INTO t VALUES (1, {ROW})",
         "INSERT INTO parted VALUES (1, '\\x00'); INSERT INTO hidden VALUES (1); TRUNCATE hidden",
         "ALTER TABLE t DROP COLUMN gone; ALTER TABLE t ADD COLUMN late text DEFAULT 'early';"
         "SECURITY LABEL FOR wal2lake ON COLUMN t.late IS 'green'; UPDATE t SET id = 2",
         "DELETE FROM t; TRUNCATE parted")
LARGE = SMALL[:1] + (
    "ALTER TABLE t ALTER big SET STORAGE EXTENDED; UPDATE t SET big = repeat('y', 1200000)",
    "UPDATE t SET big = repeat('z', 3000); ALTER TABLE t REPLICA IDENTITY FULL; UPDATE t SET red = 'Ada@example.com'",
    "BEGIN; SAVEPOINT s; INSERT INTO parted SELECT i, decode(repeat('00', 7000), 'hex') FROM generate_series(20, 32) i;"
    "ROLLBACK TO s; INSERT INTO hidden SELECT generate_series(10, 15);"
    "SAVEPOINT s; INSERT INTO parted SELECT i, decode(repeat('01', 7000), 'hex') FROM generate_series(40, 52) i;"
    "SELECT pg_logical_emit_message(true, 'p', 'm'); COMMIT",
    "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (100) TO (200); INSERT INTO parted VALUES (101, '')",
    "ALTER TABLE t RENAME green TO greener; UPDATE t SET id = 3",
) + SMALL[1:]


@pytest.fixture(scope="module")
def cluster():
    with Cluster({"logical_decoding_work_mem": "64kB", "log_min_messages": "error", "wal2lake.message_prefixes": "p"}, name="odd") as made:
        yield made


@pytest.fixture
def odd(cluster, request):
    """A backend that fails on demand, and a slot with changes."""
    with Database(cluster, request.node.name) as database:
        database.execute(SCHEMA)
        for table, columns in LABELS.items():
            database.label(table, **columns)
        with OddServer(database) as made:
            made.slot = database.plugin_slot().slot
            yield made


def decoding(odd, *options):
    words = "".join(f", '{option}'" for option in options)
    return ("SELECT string_agg(data, ''::bytea) FROM pg_logical_slot_peek_binary_changes("
            f"'{odd.slot}', NULL, NULL{words})")


def checked(odd, *options):
    """The same, when what comes is only compared."""
    return f"SELECT md5(d) FROM ({decoding(odd, *options)}) AS answer(d)"


class Watched:
    """The server as it is, and the backend; at the end they must be the same. `caches`: also of those of the server."""

    def __init__(self, odd, caches=True):
        self.odd, self.cluster, self.caches = odd, odd.database.cluster, caches

    def __enter__(self):
        self.life = self._life()
        self.sizes = self._sizes()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            assert self._life() == self.life, "the server has restarted"
            assert "terminated by signal" not in self.cluster.log_text() and "PANIC" not in self.cluster.log_text()
            grown = {name: size - self.sizes[name] for name, size in self._sizes().items()}
            print(grown)
            assert all(size <= GROWTH for size in grown.values()), grown

    def _life(self):
        return (self.cluster.process.pid, self.odd.pid,
                self.cluster.query("SELECT pg_postmaster_start_time(), count(*) FROM pg_replication_slots"))

    def _sizes(self):
        caches = 0 if self.caches else self.odd.caches()
        return {"contexts": self.odd.contexts() - caches, "malloc": self.odd.malloced() - caches, "keys": self.odd.locked()}


def sent(data):
    """Records but for those that a value which failed may change: relations (they have values), counters, pieces of values.
    And how many values of relations have failed."""
    records, failed = [], 0
    for batch in parse_messages(data):
        for record in batch.records:
            kind = record.WhichOneof("record")
            if kind == "relation":
                failed += sum(column.missing.HasField("uncarried") for column in record.relation.columns)
            elif kind not in ("stats", "value_chunk"):
                records.append((batch.committed.xid or batch.in_progress.xid, record))
    return records, failed


def take_uncarried(record, original):
    """Put the original in the place of what failed. How many that were."""
    failed = 0
    for row, other in ((record.change.new, original.change.new), (record.change.old, original.change.old)):
        for value, wanted in zip(row.values, other.values):
            if value.HasField("uncarried"):
                value.CopyFrom(wanted)
                failed += 1
    return failed


def same_but_for_uncarried(answer, expected):
    """Whether two decodings differ in nothing but values whose output failed. How many did."""
    (found, failed), (wanted, _) = sent(answer), sent(expected)
    for (_, record), (_, original) in zip(found, wanted):
        if record.HasField("change") and original.HasField("change"):
            failed += take_uncarried(record, original)
            record.change.relation_id = original.change.relation_id
    assert found == wanted
    return failed


def fail_everywhere(odd, kind, sqlstate, options=(), *, may_survive=False, may_retry=False, also=None):
    """Let each call of a kind fail in turn, until there is none. (how many there were, how many were survived, where)

    Survived is what costs a value its text; with `may_retry` what succeeded when the plugin tried it again, and costs nothing."""
    sql, check = decoding(odd, *options), checked(odd, *options)
    expected, digest = bytes(odd.value(sql)), odd.value(check)
    offset, said = odd.database.cluster.log_size(), set()
    for call in range(1, WARM):
        odd.fail(kind, call, sqlstate, sql)
    call, survived, places = 0, 0, set()
    with Watched(odd, kind != "malloc"):
        while True:
            call += 1
            place, error, answer = odd.fail(kind, call, sqlstate, sql)
            where = f"call {call}, {place}"
            if place is None:
                assert error is None and bytes(answer) == expected
                break
            places.add(place)
            if error is not None:
                assert error.pgcode in (sqlstate, also), f"{where}: {error}"
                said |= {str(error), error.diag.message_detail or "", error.diag.context or ""}
            else:
                assert may_survive or may_retry, f"{where}: no error"
                if not (may_retry and bytes(answer) == expected):
                    assert may_survive and same_but_for_uncarried(bytes(answer), expected) > 0, f"{where}: nothing has failed"
                survived += 1
            assert odd.value(check) == digest, f"after {where} another decoding differs"
    log = odd.database.cluster.log_of_pids({odd.pid}, offset)
    assert log and said and CANARIES.find_red("\n".join([*said, *log]).encode()) == []
    return call - 1, survived, places


@pytest.fixture(params=[("streaming", "on")] if LONG else [()], ids=lambda options: "streaming" if options else "whole")
def options(request, odd):
    odd.database.execute(*(LARGE if LONG else SMALL))
    pieces = [batch for batch in parse_messages(bytes(odd.value(decoding(odd, *request.param)))) if batch.HasField("in_progress")]
    assert bool(pieces) == bool(request.param)
    return request.param


def test_no_memory_at_any_call_of_the_server(odd, options, note):
    """It ends the decoding, also within the output function of a value; one that is not PostgreSQL's own is tried twice."""
    calls, again, places = fail_everywhere(odd, "server", "53200", options, may_retry=True)
    note(f"{calls} calls of {len(places)} functions of the server: no memory, {again} tried again")
    assert calls > 500 and 0 < again < calls / 4 and {"OutputPluginWrite", "OutputFunctionCall", "palloc", "ReadBuffer", "systable_getnext"} <= places


def test_an_error_at_any_call_of_the_server(odd, options, note):
    """It ends the decoding, or where it is about a value, that value."""
    calls, survived, places = fail_everywhere(odd, "server", "XX000", options, may_survive=True)
    note(f"{calls} calls of {len(places)} functions of the server: an error, {survived} of a value")
    assert calls > 500 and survived > 0


def test_no_memory_at_any_call_of_cpp(odd, options, note):
    calls, _, places = fail_everywhere(odd, "new", "53200", options)
    note(f"{calls} calls of operator new: std::bad_alloc")
    assert calls > 20 and places == {"_Znwm"}


def test_a_crypto_library_that_fails_at_any_call(odd, options, note):
    calls, _, places = fail_everywhere(odd, "crypto", "38000", options)
    note(f"{calls} calls of {', '.join(sorted(places))}: failed")
    assert calls > 20


def test_no_memory_at_any_malloc_of_the_server(odd, options, note):
    """One that a setting would have needed makes the server call its value invalid; of a
    table or an index that it was about to remember it loses what it has."""
    calls, again, places = fail_everywhere(odd, "malloc", "53200", options, may_retry=True, also="22023")
    note(f"{calls} calls of {', '.join(sorted(places))}: no memory, {again} tried again")
    assert calls > 20
