"""What is said of a running forwarder is true: metrics and health over HTTP, `wal2lake status` without it."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess

import pytest

from harness import forwarder
from harness.canary import Canaries
from harness.cluster import Cluster, lsn_number, wait_until
from harness.database import Database
from harness.forwarder import SOURCE
from harness.lake import Lake
from harness.monitoring import ANY_PORT, Monitoring, value

CREATE = ("CREATE TABLE t (id bigint PRIMARY KEY, email text, bio text, note text)",
          "CREATE TABLE unseen (id bigint PRIMARY KEY)")


class Source:
    """A labelled table, a slot with its log, and a forwarder."""

    def __init__(self, database, folder, *, log_folder=None, **segment):
        self.database, self.cluster = database, database.cluster
        self.lake, self.slot = folder / "lake", f"{database.name[:50]}_w2l"
        database.execute(*CREATE)
        database.label("t", id="green", email="red hash domain=email", bio="red drop", note="green")
        self.config = forwarder.write_config(folder / "w.toml", self.lake, self.cluster.conninfo(database.name),
                                             slot=self.slot, **{"listen": ANY_PORT, **segment})
        assert forwarder.command("slot", "create", "-c", self.config).returncode == 0
        self.running = forwarder.Forwarder(self.config, (log_folder or folder) / "forwarder.log")

    def slot_row(self):
        return self.cluster.query("SELECT confirmed_flush_lsn::text, restart_lsn::text, active, "
                                  "pg_current_wal_flush_lsn()::text FROM pg_replication_slots WHERE slot_name = %s",
                                  (self.slot,))[0]

    def status(self, *arguments):
        done = forwarder.command("status", "-c", self.config, "--json", *arguments)
        return done.returncode, json.loads(done.stdout)[0]


@pytest.fixture
def source(database, tmp_path):
    made = []

    def make(**segment):
        made.append(Source(database, tmp_path, **segment))
        return made[0]
    yield make
    for each in made:
        each.running.stop()


def test_metrics_agree_with_the_lake_and_the_slot(source, seed):
    """Segments, bytes, transactions and changes are those of the objects, positions those of tail and slot, what was
    withheld is counted by table, and no value is in any of it."""
    ours = source(max_age="300ms")
    canaries = Canaries(random.Random(seed))
    before = {path.name for path in Lake(ours.lake, SOURCE).objects()}
    with ours.running.start():
        monitoring = Monitoring(ours.running)
        wait_until(lambda: monitoring.moving(SOURCE), 30, "it to move")
        ours.database.execute("INSERT INTO unseen VALUES (1), (2), (3)")
        email, bio, note = canaries.red_marker("email"), canaries.red_marker("bio"), canaries.green_marker("note")
        for number in range(40):
            ours.database.execute(f"INSERT INTO t VALUES ({number}, '{email}', '{bio}', '{note}')")
        ours.database.execute("UPDATE t SET bio = 'b' WHERE id < 10", "DELETE FROM t WHERE id < 5", "TRUNCATE t")
        end = lsn_number(ours.database.commit_end())

        def complete():
            metrics = monitoring.metrics()
            return value(metrics, "wal2lake_transactions_total", source=SOURCE) >= 43 and metrics
        metrics = wait_until(complete, 60, "everything to be counted")
        assert value(metrics, "wal2lake_lag_seconds", source=SOURCE) < 60
        wait_until(lambda: value(monitoring.metrics(), "wal2lake_acknowledged_lsn", source=SOURCE)
                   == lsn_number(ours.slot_row()[0]) == forwarder.tail_end(ours.lake), 30, "the acknowledgement")
        metrics, text = monitoring.metrics(), monitoring.get("/metrics")[1]
        written = [segment for segment in Lake(ours.lake, SOURCE).segments() if segment.path.name not in before]

    def of(name, **labels):
        return value(metrics, f"wal2lake_{name}", source=SOURCE, **labels)
    assert of("segments_total") == len(written)
    assert of("segment_bytes_total") == sum(segment.path.stat().st_size for segment in written)
    transactions = [transaction for segment in written for transaction in segment.transactions]
    assert of("transactions_total") == of("commit_to_durable_seconds_count") == len(transactions) == 43
    assert [of("changes_total", operation=each) for each in ("insert", "update", "delete", "truncate")] \
        == [40, 10, 5, 1]
    assert of("durable_lsn") == of("acknowledged_lsn") == written[-1].footer.end_lsn
    assert of("received_lsn") >= of("durable_lsn") and of("wal_end_lsn") >= of("received_lsn")
    assert of("lag_bytes") == of("wal_end_lsn") - of("durable_lsn")
    assert of("lag_seconds") == 0 and of("durable_lsn") <= end
    # Told with the first transaction, then once a minute.
    assert of("withheld_values_total", table="public.t") >= 1
    assert of("not_emitted_changes_total", table="public.unseen") == 3
    assert of("state", state="streaming") == 1 and of("moving") == 1 and of("paused") == 0
    delays = metrics["wal2lake_commit_to_durable_seconds_bucket"]
    assert delays[(("le", "0.1"), ("source", SOURCE))] < 43 == delays[(("le", "+Inf"), ("source", SOURCE))]
    assert canaries.find_red(text.encode()) == canaries.find_green(text.encode()) == []


def walsender(ours):
    return ours.cluster.value("SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", (ours.slot,))


@contextlib.contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def disk(tmp_path):
    """A file system of its own, so that it can be made read-only."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_health_means_moving(disk, tmp_path):
    """An idle source is well. One whose lake cannot be written, or whose server is silent, is not, and is named; once
    cured it is well again without our doing."""
    with Cluster({"wal_sender_timeout": "3s"}, name="health") as cluster, Database(cluster, "app") as database:
        ours = Source(database, disk, log_folder=tmp_path, max_age="100ms")
        with ours.running.start():
            monitoring = Monitoring(ours.running)
            wait_until(lambda: monitoring.moving(SOURCE), 30, "it to move")
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            database.execute("INSERT INTO t VALUES (1, 'a', 'b', 'c')")
            wait_until(lambda: not monitoring.moving(SOURCE), 40, "the store to be missed")
            status, body = monitoring.health()
            assert status == 503 and not body[SOURCE]["moving"]
            assert "store" in body[SOURCE]["reason"] and body[SOURCE]["state"] == "streaming"
            metrics = monitoring.metrics()
            assert value(metrics, "wal2lake_moving", source=SOURCE) == 0
            assert value(metrics, "wal2lake_lag_seconds", source=SOURCE) >= 9
            assert value(metrics, "wal2lake_store_retries_total", source=SOURCE) >= 2
            assert monitoring.get("/livez")[0] == 200
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
            wait_until(lambda: monitoring.moving(SOURCE), 60, "it to go on")
            with stopped(walsender(ours)):
                wait_until(lambda: not monitoring.moving(SOURCE), 40, "the server to be missed")
                assert "server" in monitoring.health()[1][SOURCE]["reason"]
            database.execute("INSERT INTO t VALUES (2, 'a', 'b', 'c')")
            wait_until(lambda: monitoring.moving(SOURCE), 60, "it to go on")
            # A server that answers again is enough to move; the row may come a moment later.
            forwarder.wait_shipped(ours.running, ours.lake, lsn_number(database.commit_end()))
            assert ours.running.terminate() == 0
        assert sum(segment.footer.transactions for segment in Lake(ours.lake, SOURCE).segments()) == 2


def test_a_port_that_is_taken(source):
    """Asked for, it must be had: exit code 2 and the fix. Not asked for, it is done without."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ours = source(listen=f"127.0.0.1:{taken.getsockname()[1]}")
        ours.running.start()
        assert ours.running.wait() == 2
        assert "metrics.listen" in ours.running.log_text()
    text = ours.config.read_text()
    with socket.socket() as taken:
        # Where another forwarder of this host has it, that is just as well.
        with contextlib.suppress(OSError):
            taken.bind(("127.0.0.1", 8732))
            taken.listen()
        ours.config.write_text(text[:text.index("[metrics]")] + text[text.index("[[source]]"):])
        with ours.running.start():
            forwarder.wait_until_streaming(ours.running, ours.cluster, ours.slot)
            assert any(line["event"] == "metrics_unavailable" for line in ours.running.log_lines())
            assert ours.running.terminate() == 0


def test_status_agrees_with_lake_and_server(source):
    """With and without a running forwarder; late by a tiny promise; broken without server or slot."""
    ours = source(max_age="300ms", idle_age="1s")
    with ours.running.start():
        ours.database.execute("INSERT INTO t VALUES (1, 'a', 'b', 'c')")
        forwarder.wait_shipped(ours.running, ours.lake, lsn_number(ours.database.commit_end()) - 200)
        code, row = ours.status()
        assert code == 0 and row["verdict"] == "ok" and row["slot"] == "active" and row["lag_seconds"] < 60
        assert ours.running.terminate() == 0
    ours.cluster.query("CREATE TABLE IF NOT EXISTS neighbour (x text)")
    ours.cluster.query("INSERT INTO neighbour SELECT repeat('x', 900) FROM generate_series(1, 1000)")
    code, row = ours.status()
    confirmed, restart, active, wal_end = ours.slot_row()
    assert code == 0 and not active and row["slot"] == "inactive"
    assert (row["confirmed_flush_lsn"], row["restart_lsn"]) == (confirmed, restart)
    tail = forwarder.tail_end(ours.lake)
    assert lsn_number(row["durable_lsn"]) == tail == lsn_number(confirmed)
    end = lsn_number(row["wal_end_lsn"])
    assert tail + 900_000 < end <= lsn_number(wal_end)
    assert row["lag_bytes"] == end - tail and row["retained_bytes"] == end - lsn_number(restart)
    assert 0 < row["lag_seconds"] < 600 and row["slo_left_seconds"] == pytest.approx(21600 - row["lag_seconds"])

    ours.config.write_text('[slo]\nfreshness = "1s"\n' + ours.config.read_text())
    code, row = wait_until(lambda: ours.status()[0] == 6 and ours.status(), 30, "a second to pass")
    assert row["verdict"] == "late" and row["slo_left_seconds"] < 0
    table = forwarder.command("status", "-c", ours.config).stdout.decode().splitlines()
    assert table[0].split()[:3] == ["source", "verdict", "durable_lsn"]
    assert table[1].split()[:2] == [SOURCE, "late"]

    code, row = ours.status("--source", SOURCE, "--slot", "nobody")
    assert code == 4 and row["slot"] == "missing" and "nobody" in row["trouble"]
    code, row = ours.status("--source", SOURCE, "--conninfo", "host=/nonexistent")
    assert code == 4 and row["slot"] == "-" and row["lag_bytes"] is None
    assert lsn_number(row["durable_lsn"]) == tail, "the lake is still told"
    code, row = ours.status("--source", "nothing.here", "--conninfo", "host=/nonexistent")
    assert code == 3 and row["durable_lsn"] is None
