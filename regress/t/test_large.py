"""Large things: values of 900 MB, old and new rows, a large transaction, 2,000 savepoints. They arrive whole, nothing is lost or twice,
and the memory of both sides is measured against what is promised (I6).

With transactions kept by the server until they commit, as a client without streaming has it, what the plugin itself allocates is the difference between the peaks of two walsenders that read the same WAL: ours,
and one of pgoutput with an empty publication, which decodes everything and sends nothing. The server's reorder
buffer and the values it puts together are in both. With streaming, as `run` asks for by itself, all of the walsender is bounded.

The transaction has 250 MB, the savepoints 100 MB and the values 200 and 60 MB, so that `make test` stays quick.
WAL2LAKE_LONG=1 makes them 1 GB, 0.77 GB, 900 and 600 MB, and sends 900 MB through the WAL uncompressed too.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import psycopg2.extras
import pytest

from harness import forwarder, tokens
from harness.cluster import Cluster, lsn_number
from harness.database import Database
from harness.lake import Lake
from harness.values import Token

MIB = 1 << 20
LONG = bool(os.environ.get("WAL2LAKE_LONG"))

HUGE = 900_000_000 if LONG else 200_000_000
# Old and new row together are more than PostgreSQL can hold in one piece.
HALF = 600_000_000 if LONG else 60_000_000
VALUE = 250_000
VALUES = 4000 if LONG else 1000
SAVEPOINTS = 2000
SAVEPOINT_VALUE = 385_000 if LONG else 50_000
ROLLED_BACK_EVERY = 10
MANY_SAVEPOINTS = 100_000
MANY_ROWS = 3_000_000

# The plugin beyond the largest single value; and the forwarder with its default budget, whatever it is sent.
PLUGIN_BYTES = 64 * MIB
FORWARDER_BYTES = 256 * MIB
# A walsender that streams, with everything in it.
STREAMING_BYTES = 128 * MIB
# What it cuts larger transactions into.
PART_BYTES = 16 * MIB
PATIENCE = 900 if LONG else 300


@dataclass
class Peaks:
    """Peaks in bytes: of all resident memory at the end, and of private memory as sampled."""

    resident: int = 0
    private: int = 0

    def look(self, pid):
        facts = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        self.resident = int(facts["VmHWM"].split()[0]) * 1024
        self.private = max(self.private, int(facts["RssAnon"].split()[0]) * 1024)

    def __str__(self):
        return f"{self.resident // MIB} MiB (private {self.private // MIB})"


@pytest.fixture(scope="module")
def cluster():
    """A server of its own, for its disk space and for pgoutput on its list."""
    made = Cluster({"max_wal_size": "8GB", "checkpoint_timeout": "1h", "wal_sender_timeout": "60s"}, name="large")
    if made.knows("output_plugin_libraries"):
        made.configure({"output_plugin_libraries": "wal2lake, test_decoding, pgoutput"})
    with made:
        # Longer than what the compressor looks back, so that reading it in a circle finds nothing to repeat.
        made.random = made.base / "random"
        made.random.write_bytes(os.urandom(17 * MIB))
        made.random.chmod(0o644)
        yield made


class Source:
    """A table, a slot, a log, and a second slot that shows what decoding alone takes."""

    def __init__(self, database, folder, note, streaming):
        self.database, self.cluster, self.note = database, database.cluster, note
        # With the server, so that gigabytes are gone with it.
        self.lake = self.cluster.base / f"lake-{database.name}"
        self.slot, self.floor_slot = f"{database.name[:50]}_w2l", f"{database.name[:50]}_floor"
        database.execute("CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, clear text,"
                         " hashed text, hashed_too text, bytes bytea)",
                         "ALTER TABLE t ALTER bytes SET STORAGE EXTERNAL", "CREATE PUBLICATION nothing")
        database.label("t", id="green", clear="green", bytes="green", hashed="red hash domain=h",
                       hashed_too="red hash domain=h")
        config = forwarder.write_config(folder / "w.toml", self.lake, self.cluster.conninfo(database.name),
                                        slot=self.slot, max_age="200ms",
                                        extra="" if streaming else 'options = { streaming = "off" }\n')
        done = forwarder.command("slot", "create", "-c", config)
        assert done.returncode == 0, done.stderr
        self.oracle_slot = f"{database.name[:50]}_oracle"
        for slot, plugin in (self.floor_slot, "pgoutput"), (self.oracle_slot, "test_decoding"):
            database.execute(f"SELECT pg_copy_logical_replication_slot('{self.slot}', '{slot}', false, '{plugin}')")
        self.forwarder = forwarder.Forwarder(config, folder / "forwarder.log")
        self.ours, self.floor, self.forwarding = Peaks(), Peaks(), Peaks()

    def write(self, *statements):
        """And one small transaction behind it."""
        self.database.execute(*statements)
        self.large_end = lsn_number(self.database.commit_end())
        self.database.execute("INSERT INTO t (clear) VALUES ('after')")
        self.end = self.database.commit_end()

    def ship(self):
        """Let both read it, and say what they needed."""
        with contextlib.closing(psycopg2.connect(
                self.cluster.conninfo(self.database.name),
                connection_factory=psycopg2.extras.LogicalReplicationConnection)) as connection:
            cursor = connection.cursor()
            cursor.start_replication(self.floor_slot, options={"proto_version": "1", "publication_names": "nothing"})
            self._wait_read(self.floor_slot, self.floor, cursor.read_message)
        began = time.monotonic()
        with self.forwarder.start() as running:
            self._wait_read(self.slot, self.ours, lambda: self._look_at(running))
            forwarder.wait_shipped(running, self.lake, self.large_end + 1, timeout=PATIENCE)
            took = time.monotonic() - began
            self._look_at(running)
            assert running.terminate() == 0, running.log_text()
        sizes = [path.stat().st_size for path in self.objects()]
        self.note(f"walsender {self.ours}, of pgoutput sending nothing {self.floor}; forwarder {self.forwarding}; "
                  f"{len(sizes)} objects, the largest {max(sizes) // MIB} MiB; {took:.1f} s")
        assert self.forwarding.resident <= FORWARDER_BYTES

    def _look_at(self, running):
        assert running.running(), running.log_text()[-2000:]
        self.forwarding.look(running.process.pid)

    def _wait_read(self, slot, peaks, poll):
        """Until the walsender of the slot has read all of it. It ends later, so its peaks can be seen."""
        deadline = time.monotonic() + PATIENCE
        while True:
            poll()
            for pid, done in self.cluster.query(
                    "SELECT r.pid, r.sent_lsn >= %s::pg_lsn FROM pg_stat_replication r JOIN pg_replication_slots s"
                    " ON s.active_pid = r.pid WHERE s.slot_name = %s", (self.end, slot)):
                peaks.look(pid)
                if done:
                    return
            assert time.monotonic() < deadline, f"{slot} has not been read to its end"
            time.sleep(0.05)

    def shipped(self):
        """Transactions of the lake, as both readers have them."""
        done = forwarder.verify(self.lake)
        assert done.returncode == 0, done
        return Lake(self.lake, forwarder.SOURCE).transactions()

    def objects(self):
        lake = Lake(self.lake, forwarder.SOURCE)
        return lake.objects() + lake.parts()

    def parts(self):
        """Sizes of the parts, all of which a segment lists."""
        lake = Lake(self.lake, forwarder.SOURCE)
        listed = [part.name for segment in lake.segments() for part in segment.footer.parts]
        found = lake.parts()
        assert sorted(str(path.relative_to(lake.log.parent)) for path in found) == sorted(listed)
        return [path.stat().st_size for path in found]

    def plugin(self):
        """What the plugin allocated, at the peak."""
        return self.ours.resident - self.floor.resident


@contextlib.contextmanager
def a_source(cluster, folder, name, note, streaming):
    with Database(cluster, name) as database:
        made = Source(database, folder, note, streaming)
        yield made
        made.forwarder.stop()
        shutil.rmtree(made.lake, ignore_errors=True)
    cluster.query(f'DROP DATABASE "{database.name}"')


@pytest.fixture
def source(cluster, tmp_path, request, note):
    """Whose server keeps transactions until they commit."""
    with a_source(cluster, tmp_path, request.node.name, note, streaming=False) as made:
        yield made


@pytest.fixture
def streaming(cluster, tmp_path, request, note):
    with a_source(cluster, tmp_path, request.node.name, note, streaming=True) as made:
        yield made


def random_bytes(cluster, length):
    """SQL: `length` bytes of the random file, another place of it for each i."""
    return f"pg_read_binary_file('{cluster.random}', (i::bigint * {length}) % {16 * MIB}, {length})"


def rows(transactions):
    """Of each transaction, (id, MD5 of the bytes) in order."""
    return [[(int(change.new["id"]), change.new["bytes"] and hashlib.md5(bytes.fromhex(change.new["bytes"][2:])).hexdigest())
             for change in transaction.changes] for transaction in transactions]


def expected_rows(source):
    """The same from the table, transaction by transaction: ids are given in the order of the inserts."""
    found = source.cluster.query("SELECT id, md5(bytes), xmin = (SELECT xmin FROM t WHERE clear = 'after') FROM t"
                                 " ORDER BY id", dbname=source.database.name)
    return [[(number, digest) for number, digest, after in found if not after],
            [(number, digest) for number, digest, after in found if after]]


def token_of_repeated(source, character, length):
    """The token of a text too large to be made twice in memory."""
    (key,) = tokens.keys_of(source.cluster.key_file.read_text()).values()
    piece = character * 1_000_000
    return Token(tokens.token_of_pieces(key, "h", [b"s"] + [piece] * (length // len(piece))))


# ---- one value ----

def repeated(length):
    """SQL: so many times x."""
    return f"repeat(repeat('x', 1000), {length // 1000})"


def compress_quickly(cluster):
    """SQL: lz4 where the server has it."""
    known = cluster.value("SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'")
    return f"SET default_toast_compression = {'lz4' if known else 'pglz'}"


def require_repeated(value, length):
    """It is so many times x; compared without another one of that size."""
    assert len(value) == length and value.count("x") == length


def test_values_of_900_mb(source):
    """A clear one comes in chunks, hashed ones become tokens, one after the other is unpacked; the rest of the row is
    whole, and the next transaction comes."""
    # Three of them fit into one row only as what TOAST has made of them.
    source.database.execute("CREATE TABLE stencil (x text)", compress_quickly(source.cluster),
                            f"INSERT INTO stencil VALUES ({repeated(HUGE)})")
    source.write("INSERT INTO t (clear, hashed, hashed_too, bytes) SELECT x, x, x, 'small' FROM stencil")
    source.ship()
    large, after = source.shipped()
    (change,) = large.changes
    require_repeated(change.new.pop("clear"), HUGE)
    token = token_of_repeated(source, b"x", HUGE)
    assert change.new == {"id": "1", "hashed": token, "hashed_too": token, "bytes": "\\x" + b"small".hex()}
    assert [change.new["clear"] for change in after.changes] == ["after"]
    assert source.plugin() <= HUGE + PLUGIN_BYTES, source.plugin()


@pytest.mark.skipif(not LONG, reason="WAL2LAKE_LONG=1 sends 900 MB through the WAL")
def test_a_value_of_900_mb_that_is_not_compressed(source):
    """The server puts all of it together; the plugin sends that, and adds nothing."""
    source.write("ALTER TABLE t ALTER clear SET STORAGE EXTERNAL",
                 f"INSERT INTO t (clear) VALUES ({repeated(HUGE)})")
    source.ship()
    large, after = source.shipped()
    require_repeated(large.changes[0].new["clear"], HUGE)
    assert [change.new["clear"] for change in after.changes] == ["after"]
    assert source.plugin() <= PLUGIN_BYTES, source.plugin()


def test_old_and_new_row_above_1_gb(source):
    """Under REPLICA IDENTITY FULL the change has both; as one message it could not be."""
    pieces = -(-HALF // (16 * MIB))
    parts = "(SELECT string_agg(pg_read_binary_file('%s', %d, %d), '') FROM generate_series(1, %d))"
    old, new = (parts % (source.cluster.random, offset, HALF // pieces, pieces) for offset in (0, 1))
    source.write("ALTER TABLE t REPLICA IDENTITY FULL", f"INSERT INTO t (bytes) SELECT {old}")
    before = source.large_end
    digest = source.cluster.value("SELECT md5(bytes) FROM t WHERE id = 1", dbname=source.database.name)
    source.write(f"UPDATE t SET bytes = {new} WHERE id = 1")
    source.ship()
    changed = source.cluster.value("SELECT md5(bytes) FROM t WHERE id = 1", dbname=source.database.name)
    (update,) = [change for transaction in source.shipped() for change in transaction.changes if change.operation == "update"]
    assert before < source.large_end and digest != changed
    for row, wanted in (update.old, digest), (update.new, changed):
        assert hashlib.md5(bytes.fromhex(row["bytes"][2:])).hexdigest() == wanted
    assert source.plugin() <= PLUGIN_BYTES, source.plugin()


# ---- one transaction ----

many = pytest.mark.skipif(not LONG, reason="WAL2LAKE_LONG=1 writes 100,000 savepoints and 3,000,000 rows")


@pytest.mark.parametrize("content", ["random", *(["repetitive"] if LONG else [])])
def test_a_large_transaction(source, content):
    """It arrives whole, in parts that count all at once."""
    value = (random_bytes(source.cluster, VALUE) if content == "random" else
             f"convert_to(repeat(md5(i::text), {VALUE // 32}), 'UTF8')")
    source.write(f"INSERT INTO t (bytes) SELECT {value} FROM generate_series(1, {VALUES}) i")
    source.ship()
    assert rows(source.shipped()) == expected_rows(source)
    assert source.plugin() <= PLUGIN_BYTES, source.plugin()
    sizes = source.parts()
    if content == "random":
        assert sum(sizes) > VALUE * VALUES * 9 // 10 and len(sizes) >= sum(sizes) // PART_BYTES
        assert max(sizes) <= PART_BYTES
    else:
        assert sizes == []


def in_savepoints(count, insert):
    """SQL: one transaction of so many, each of which runs the insert; one in ten is rolled back."""
    return f"""
        DO $$ BEGIN
            FOR i IN 1..{count} LOOP
                BEGIN
                    {insert};
                    IF i % {ROLLED_BACK_EVERY} = 0 THEN
                        RAISE EXCEPTION 'rolled back';
                    END IF;
                EXCEPTION WHEN raise_exception THEN NULL;
                END;
            END LOOP;
        END $$"""


def of_random_bytes(source):
    return f"INSERT INTO t (bytes) SELECT {random_bytes(source.cluster, SAVEPOINT_VALUE)}"


def test_two_thousand_savepoints(source):
    """One in ten is rolled back. The server holds all of them at once; the plugin adds nothing."""
    source.write(in_savepoints(SAVEPOINTS, of_random_bytes(source)))
    source.ship()
    shipped = rows(source.shipped())
    assert shipped == expected_rows(source)
    assert len(shipped[0]) == SAVEPOINTS - SAVEPOINTS // ROLLED_BACK_EVERY
    witness = source.cluster.query(
        "SELECT substring(data FROM 'id\\[bigint\\]:(\\d+)')::bigint"
        f" FROM pg_logical_slot_peek_changes('{source.oracle_slot}', NULL, NULL) WHERE data LIKE 'table%%'",
        dbname=source.database.name)
    assert [number for transaction in shipped for number, _ in transaction] == [number for number, in witness]
    assert source.plugin() <= PLUGIN_BYTES, source.plugin()


@many
def test_a_hundred_thousand_savepoints(source):
    source.write(in_savepoints(MANY_SAVEPOINTS, "INSERT INTO t (clear) VALUES ('x')"))
    source.ship()
    assert rows(source.shipped()) == expected_rows(source)
    assert source.plugin() <= PLUGIN_BYTES, source.plugin()


# ---- sent while it is in progress ----

def require_streamed(streaming):
    streamed = streaming.cluster.value("SELECT stream_txns FROM pg_stat_replication_slots WHERE slot_name = %s", (streaming.slot,))
    assert streamed > 0
    assert streaming.ours.resident <= STREAMING_BYTES, str(streaming.ours)


def test_a_large_transaction_in_progress(streaming):
    value = random_bytes(streaming.cluster, VALUE)
    streaming.write(f"INSERT INTO t (bytes) SELECT {value} FROM generate_series(1, {VALUES}) i")
    streaming.ship()
    assert rows(streaming.shipped()) == expected_rows(streaming)
    require_streamed(streaming)


@many
def test_three_million_rows_in_progress(streaming):
    streaming.write(f"INSERT INTO t (clear, hashed) SELECT i, i FROM generate_series(1, {MANY_ROWS}) i")
    streaming.ship()
    with subprocess.Popen([forwarder.binary(), "cat", streaming.lake], stdout=subprocess.PIPE) as cat:
        found = [(int(ordinal), int(number)) for ordinal, number in
                 (re.search(rb'"ordinal":(\d+),.*"new":{"id":(\d+)', line).groups() for line in cat.stdout)]
    assert found.pop() == (1, MANY_ROWS + 1)
    assert found == [(i, i) for i in range(1, MANY_ROWS + 1)]
    require_streamed(streaming)


def test_savepoints_in_progress(streaming):
    """Of small rows. Where each savepoint is one value that is stored out of line, the server finds nothing whole to stream."""
    small = f"INSERT INTO t (bytes) SELECT {random_bytes(streaming.cluster, 1900)} FROM generate_series(1, {SAVEPOINT_VALUE // 1900}) j"
    streaming.write(in_savepoints(SAVEPOINTS, small))
    streaming.ship()
    assert rows(streaming.shipped()) == expected_rows(streaming)
    require_streamed(streaming)


@many
def test_a_hundred_thousand_savepoints_in_progress(streaming):
    streaming.write(in_savepoints(MANY_SAVEPOINTS, "INSERT INTO t (clear) SELECT repeat('x', 1000)"))
    streaming.ship()
    assert rows(streaming.shipped()) == expected_rows(streaming)
    require_streamed(streaming)
