"""A walsender grows by less than 1 MiB with each million changes, whatever happens to the tables and their labels.

After the first two million, when all that it remembers is there. Meanwhile tables come, change and go, and labels change:
what is remembered of a table is made again all the time. Some transactions are streamed while in progress.

3 million changes more with WAL2LAKE_LONG=1; a tenth of all in `make test`.
"""

import os

import pytest

from harness.cluster import Cluster
from harness.database import Database
from harness.stream import parse_messages
from harness.walsender import Walsender

MIB = 1 << 20
LONG = bool(os.environ.get("WAL2LAKE_LONG"))
# A round has so many changes.
ROUND = 100_000 if LONG else 10_000
WARM, ROUNDS = 20, 30


@pytest.fixture(scope="module")
def database():
    settings = {"max_wal_size": "2GB", "checkpoint_timeout": "1h", "wal_sender_timeout": "60s", "logical_decoding_work_mem": "1MB"}
    with Cluster(settings, name="steady") as cluster, Database(cluster, "steady") as made:
        made.execute("CREATE TABLE t (id bigint PRIMARY KEY, email text, note text)")
        made.label("t", id="green", email="red hash domain=email", note="green")
        yield made


def write(database, number):
    """A round: DDL, other labels, and so many changes, a tenth of them in transactions of one."""
    action = ("red hash", f"red hash domain=d{number}", "red drop", "green")[number % 4]
    database.execute(
        f"ALTER TABLE t ADD COLUMN c{number} text DEFAULT 'a default of the round {number}'",
        f"SECURITY LABEL FOR wal2lake ON COLUMN t.c{number} IS '{action}'",
        f"SECURITY LABEL FOR wal2lake ON COLUMN t.note IS '{action}'",
        f"CREATE TABLE r{number} (id bigint PRIMARY KEY, email text)",
        f"SELECT count(*) FROM wal2lake.classify('r{number}', 'green', 'id', 'email')",
        f"INSERT INTO t SELECT i, i || '@example.com', 'a note' FROM generate_series(1, {ROUND * 2 // 10}) i",
        f"""DO $$ BEGIN
            FOR i IN 1..{ROUND // 10} LOOP
                INSERT INTO r{number} VALUES (i, 'ada@example.com');
                COMMIT;
            END LOOP;
        END $$""",
        f"UPDATE t SET note = 'another', email = c{number}",
        f"ALTER TABLE t RENAME c{number} TO d{number}",
        f"BEGIN; INSERT INTO r{number} SELECT i, 'eve@example.com' FROM generate_series({ROUND}, {ROUND * 13 // 10 - 1}) i;"
        f"SAVEPOINT s; INSERT INTO r{number} VALUES (0, ''); ROLLBACK TO s; COMMIT",
        "DELETE FROM t",
        f"ALTER TABLE t DROP COLUMN d{number}",
        f"DROP TABLE r{number}")


def count_changes(messages):
    return sum(record.HasField("change") for batch in parse_messages(b"".join(messages)) for record in batch.records)


def test_growth(database, note):
    sizes = []
    with Walsender(database, "wal2lake", {"streaming": "on"}) as sender:
        for number in range(WARM + ROUNDS):
            write(database, number)
            messages = sender.read_all()
            sizes.append(sender.anonymous())
    assert ROUND <= count_changes(messages) <= ROUND + 1
    grown = sizes[-1] - sizes[WARM - 1]
    changes = ROUNDS * ROUND
    note(f"{sizes[WARM - 1] / MIB:.1f} MiB after {WARM * ROUND} changes, {grown / 1024:.0f} KiB more after {changes} further ones")
    assert grown < MIB * changes / 1_000_000
