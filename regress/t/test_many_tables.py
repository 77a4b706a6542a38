"""Many tables: what the plugin remembers of them is bounded (I6), and what one of many costs beside one of few.

Memory is the difference between the peaks of two walsenders that read the same WAL, as in test_large: ours, and one of
pgoutput with an empty publication. Cost is the time on a processor of a walsender that catches up, in windows of 10 ms,
over blocks of changes to few and to many tables in turn, each a transaction of its own.

500 tables in `make test`, 10,000 with WAL2LAKE_LONG=1.
"""

import os
import time

import pytest

from harness.cluster import Cluster, lsn_number
from harness.database import Database
from harness.plugin import assemble
from harness.stream import parse_messages
from harness.values import WITHHELD, Token
from harness.walsender import Walsender

MIB = 1 << 20
LONG = bool(os.environ.get("WAL2LAKE_LONG"))
FEW, MANY = 10, 10_000 if LONG else 500
# Blocks of each kind, and changes in one.
BLOCKS, CHANGES = (3, 60_000) if LONG else (2, 15_000)
# In a transaction, each into the next table.
SMALL, LARGE = 1, 100
CACHES = 64 * MIB


@pytest.fixture(scope="module")
def cluster():
    made = Cluster({"max_wal_size": "4GB", "checkpoint_timeout": "1h", "wal_sender_timeout": "60s", "shared_buffers": "256MB"},
                   name="many")
    if made.knows("output_plugin_libraries"):
        made.configure({"output_plugin_libraries": "wal2lake, test_decoding, pgoutput"})
    with made:
        yield made


@pytest.fixture
def database(cluster, request):
    with Database(cluster, request.node.name) as made:
        made.execute("CREATE PUBLICATION nothing")
        yield made
    cluster.query(f'DROP DATABASE "{made.name}"')


def ours_and_floor(database):
    return (Walsender(database, "wal2lake", {}),
            Walsender(database, "pgoutput", {"proto_version": "1", "publication_names": "nothing"}))


def create_tables(database):
    """With a key, six types, one column hashed in a domain of its own."""
    database.execute(f"""
        DO $$ BEGIN
            FOR i IN 1..{MANY} LOOP
                EXECUTE format('CREATE TABLE t%s (id bigint PRIMARY KEY, a int, b text, at timestamptz, d numeric, email text)',
                               i);
                EXECUTE format('SELECT count(*) FROM wal2lake.classify(''t%s'', ''green'', ''id'', ''a'', ''b'', ''at'', ''d'')',
                               i);
                EXECUTE format('SELECT count(*) FROM wal2lake.classify(''t%s'', ''red hash'', ''email'')', i);
                IF i % 20 = 0 THEN
                    COMMIT;
                END IF;
            END LOOP;
        END $$""")


def insert(database, first, tables, changes, rows=LARGE):
    """So many transactions of `rows` rows into tables in turn, that it is `changes`; the first row is number `first` of all."""
    database.execute(f"""
        DO $$ BEGIN
            FOR i IN {first}..{first + changes - 1} LOOP
                EXECUTE format('INSERT INTO t%s VALUES ($1, 1, ''text of some length'', now(), 1.5, ''ada@example.com'')',
                               i % {tables} + 1) USING i;
                IF i % {rows} = 0 THEN
                    COMMIT;
                END IF;
            END LOOP;
        END $$""")


def percentile(numbers, part):
    return sorted(numbers)[min(int(len(numbers) * part), len(numbers) - 1)]


class Costs:
    """Time on a processor for a change, in µs: from looks at a walsender that reads blocks of changes as fast as it can."""

    # Of time on a processor: shorter windows say more of the moment of the look than of the cost.
    WINDOW = 10_000_000

    def __init__(self, blocks):
        self.blocks, self.windows, self.last = blocks, {kind: [] for kind, _, _ in blocks}, None

    def look(self, nanoseconds, lsn):
        """Windows count that lie within one block."""
        for kind, start, end in self.blocks:
            if start <= lsn < end:
                now = (nanoseconds, CHANGES * (lsn - start) / (end - start), start)
                if self.last is None or self.last[2] != start:
                    self.last = now
                elif now[0] - self.last[0] >= self.WINDOW:
                    self.windows[kind].append((now[0] - self.last[0]) / (now[1] - self.last[1]) / 1000)
                    self.last = now
                return
        self.last = None

    def of(self, tables, rows, part):
        return percentile(self.windows[tables, rows], part)

    def __str__(self):
        return ", ".join(f"{tables} tables, {rows} a transaction {self.of(tables, rows, 0.5):.1f}"
                         f" (p99 {self.of(tables, rows, 0.99):.1f})" for tables, rows in self.windows)


def test_what_many_tables_take(database, note):
    """Memory is demanded; what a change costs is said, since a busy machine changes it (docs/testing.md)."""
    create_tables(database)
    senders = ours_and_floor(database)
    # All are decided on before anything is measured.
    insert(database, 1, MANY, MANY)
    blocks, written = [], MANY + 1
    for tables, rows in [(FEW, SMALL), (MANY, SMALL), (FEW, LARGE), (MANY, LARGE)] * BLOCKS:
        start = lsn_number(database.commit_end())
        insert(database, written, tables, CHANGES, rows)
        blocks.append(((tables, rows), start, lsn_number(database.commit_end())))
        written += CHANGES
    peaks, costs = [], []
    for sender in senders:
        measured = Costs(blocks)
        with sender:
            sender.read_all(measured.look)
            peaks.append(sender.peak())
        costs.append(measured)
    memory = peaks[0] - peaks[1]
    note(f"{MANY} tables: caches {memory / MIB:.1f} MiB, {memory / MANY / 1024:.1f} KiB a table")
    note(f"µs a change: {costs[0]}; where nothing is sent: {costs[1]}")
    assert memory <= CACHES


def test_decisions_that_take_much_are_forgotten(database, note):
    """160 tables whose rows from before a column have 500 kB in it: more than is kept. All rows arrive, and all counters."""
    tables, rounds, large = 160, 3, 500_000
    database.execute(*(f"CREATE TABLE t{i} (id bigint PRIMARY KEY); INSERT INTO t{i} VALUES (0);"
                       f"ALTER TABLE t{i} ADD COLUMN big text DEFAULT repeat('x', {large}),"
                       " ADD COLUMN withheld int, ADD COLUMN red text;"
                       f"SELECT count(*) FROM wal2lake.classify('t{i}', 'green', 'id', 'big');"
                       f"SELECT count(*) FROM wal2lake.classify('t{i}', 'red hash', 'red')" for i in range(tables)))
    senders = ours_and_floor(database)
    for number in range(1, rounds + 1):
        database.execute(*(f"INSERT INTO t{i} VALUES ({number}, 'x', 1, 'ada')" for i in range(tables)))
    with senders[0] as ours:
        stream = ours.read_all()
        memory = ours.peak()
        if LONG:
            # Counters go out once a minute; the server hears of us meanwhile.
            for _ in range(13):
                time.sleep(5)
                stream += ours.read_all()
            database.execute("INSERT INTO t0 VALUES (9, 'x', 1, 'ada')")
            stream += ours.read_all()
    with senders[1] as floor:
        floor.read_all()
        memory -= floor.peak()
    note(f"{tables} tables with {large} bytes each: {memory / MIB:.1f} MiB")
    changes = [change for transaction in assemble(b"".join(stream)) for change in transaction.changes]
    assert [(change.table, change.new["id"]) for change in changes][:rounds * tables] == [
        (f"public.t{i}", str(number)) for number in range(1, rounds + 1) for i in range(tables)]
    assert all(isinstance(change.new["red"], Token) and change.new["withheld"] is WITHHELD for change in changes)
    records = [record for batch in parse_messages(b"".join(stream)) for record in batch.records]
    # What was forgotten and is decided again is the same, so it is not announced again.
    assert sum(record.HasField("relation") for record in records) == tables
    if LONG:
        counters = {table.name: table.withheld for record in records for table in record.stats.relations}
        assert counters == {f"t{i}": rounds + (i == 0) for i in range(tables)}
    assert memory <= CACHES
