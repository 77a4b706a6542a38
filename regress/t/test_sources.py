"""Several sources in one process: the trouble of one is nobody else's, and a cure needs no restart."""

import contextlib
import os
import signal
import time

import pytest

from harness import forwarder
from harness.cluster import wait_until
from harness.database import Database
from harness.lake import Lake
from harness.monitoring import ANY_PORT, Monitoring, value

TABLE = "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)"
INSERT = "INSERT INTO t (note) VALUES ('one')"
SOURCE_EXIT = 4


class Member:
    """One source of several: a database, a slot, a log that has begun."""

    def __init__(self, name, database, folder, conninfo=None):
        self.name, self.database, self.cluster = name, database, database.cluster
        self.slot, self.lake = f"{database.name[:50]}_w2l", folder / "lake"
        self.conninfo = conninfo or self.cluster.conninfo(database.name)
        database.execute(TABLE)
        database.label("t", id="green", note="green")
        alone = forwarder.write_config(folder / f"{name}.toml", self.lake, self.cluster.conninfo(database.name),
                                       source=name, slot=self.slot)
        assert forwarder.command("slot", "create", "-c", alone).returncode == 0

    def stanza(self):
        return f'[[source]]\nid = "{self.name}"\nconninfo = "{self.conninfo}"\nslot = "{self.slot}"\n'

    def insert(self, times=3):
        self.database.execute(*[INSERT] * times)

    def shipped(self):
        """How often each row is in the lake, checked as a chain."""
        rows = [change.new["id"] for transaction in Lake(self.lake, self.name).transactions()
                for change in transaction.changes]
        assert len(rows) == len(set(rows)), "a row is there twice"
        return len(rows)

    def complete(self):
        return self.shipped() == self.database.value("SELECT count(*) FROM t")

    def walsender(self):
        return self.database.value("SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", (self.slot,))


class Fleet:
    """One forwarder of all members."""

    def __init__(self, members, folder, memory="256MiB", stage="16GiB", **segment):
        first, *others = members
        self.members = members
        config = forwarder.write_config(
            folder / "fleet.toml", first.lake, first.conninfo, source=first.name, slot=first.slot, listen=ANY_PORT,
            extra="\n".join(member.stanza() for member in others) + f'\n[memory]\nbudget = "{memory}"\n[stage]\nmax_size = "{stage}"\n',
            **{"max_age": "300ms", **segment})
        self.running = forwarder.Forwarder(config, folder / "fleet.log")

    def events(self, name):
        return [line["event"] for line in self.running.log_lines() if line.get("source") == name]


@pytest.fixture
def databases(server, request):
    with contextlib.ExitStack() as stack:
        yield lambda count: [stack.enter_context(Database(server, f"{request.node.name[:20]} {number}"))
                             for number in range(count)]


def test_trouble_of_one_source_is_nobody_elses(server, databases, tmp_path):
    """Beside one that is well: a slot that was dropped, a server that is not there, a lake that cannot be written.
    The first ships as if alone; those that can be cured go on by themselves; SIGTERM tells of the one that cannot."""
    sockets = tmp_path / "sockets"
    one, two, three, four = databases(4)
    well, slotless = Member("well", one, tmp_path), Member("slotless", two, tmp_path)
    down = Member("down", three, tmp_path, server.conninfo(three.name).replace(str(server.sockets), str(sockets)))
    blocked = Member("blocked", four, tmp_path)
    server.query("SELECT pg_drop_replication_slot(%s)", (slotless.slot,))
    (blocked.lake / "blocked").rename(tmp_path / "aside")
    (blocked.lake / "blocked").write_text("in the way")

    fleet = Fleet([well, slotless, down, blocked], tmp_path)
    with fleet.running.start():
        monitoring = Monitoring(fleet.running)
        wait_until(lambda: "resting" in fleet.events("slotless") and "resting" in fleet.events("blocked")
                   and "reconnect" in fleet.events("down"), 30, "all troubles to be noticed")
        status, body = monitoring.health()
        assert status == 503
        assert [body[name]["state"] for name in ("slotless", "down", "blocked")] \
            == ["resting", "connecting", "resting"]
        # Cured before they are tried again for the first time.
        (blocked.lake / "blocked").unlink()
        (tmp_path / "aside").rename(blocked.lake / "blocked")
        for member in (well, down, blocked):
            member.insert()
        wait_until(lambda: well.complete() and monitoring.moving("well"), 30, "the one that is well to ship")
        assert "connected" not in fleet.events("down")
        sockets.symlink_to(server.sockets)
        wait_until(lambda: down.complete() and blocked.complete(), 60, "those that were cured to ship")
        for member in (well, down, blocked):
            wait_until(lambda: monitoring.moving(member.name), 30, f"{member.name} to be called moving")
        assert not monitoring.moving("slotless")
        well.insert()
        wait_until(well.complete, 30, "the first to go on")
        metrics = wait_until(lambda: delays(monitoring.metrics(), "well")["+Inf"] == 6 and monitoring.metrics(), 10,
                             "all six to be counted")
        assert delays(metrics, "well")["10"] == 6, "it waited for nobody"
        assert value(metrics, "wal2lake_refusals_total", source="slotless", kind="source") >= 1
        assert value(metrics, "wal2lake_refusals_total", source="blocked", kind="store") == 1
        began = time.monotonic()
        assert fleet.running.terminate() == SOURCE_EXIT
        assert time.monotonic() - began < 20
    assert fleet.events("well").count("connected") == 1
    assert all(member.complete() for member in (well, down, blocked))


def delays(metrics, source):
    """{upper bound: transactions} of commit to durable."""
    return {dict(labels)["le"]: count for labels, count in metrics["wal2lake_commit_to_durable_seconds_bucket"].items()
            if dict(labels)["source"] == source}


def test_a_huge_transaction_of_one_source_does_not_stop_the_others(databases, tmp_path):
    """Half of it is in the lake, in parts that nothing lists; the other source ships, SIGTERM ends both in time, and the
    next start gets it whole and sweeps what the first one left."""
    large, small = (Member(name, database, tmp_path) for name, database in zip(("large", "small"), databases(2)))
    # The server keeps it, so that stopping the walsender stops it halfway.
    fleet = Fleet([large, small], tmp_path, memory="512KiB", max_size="64KiB", stage="0B")
    with fleet.running.start():
        monitoring = Monitoring(fleet.running)
        wait_until(lambda: monitoring.health()[0] == 200, 30, "both to move")
        begun, pid = forwarder.tail_end(large.lake, large.name), large.walsender()
        large.database.execute("ALTER TABLE t ALTER note SET STORAGE PLAIN",
                               "INSERT INTO t (note) SELECT repeat(md5(row::text), 100) || md5('a' || row) || "
                               "md5('b' || row) FROM generate_series(1, 20000) row")
        wait_until(lambda: value(monitoring.metrics(), "wal2lake_parts_total", source="large") >= 2, 60,
                   "a part of it", interval=0)
        os.kill(pid, signal.SIGSTOP)
        try:
            assert large.shipped() == 0, "it came whole before it could be stopped"
            for _ in range(3):
                small.insert(20)
                wait_until(small.complete, 30, "the other one to ship")
            assert large.shipped() == 0 and monitoring.moving("small")
            began = time.monotonic()
            assert fleet.running.terminate() == 0
            assert time.monotonic() - began < 25
        finally:
            os.kill(pid, signal.SIGCONT)
        assert large.shipped() == 0 and small.complete()
        lake = Lake(large.lake, large.name)
        left = lake.parts()
        assert len(left) >= 2
        with fleet.running.start():
            wait_until(lambda: forwarder.tail_end(large.lake, large.name) > begun, 120, "the transaction")
            assert large.complete()
            listed = {part.name for segment in lake.segments() for part in segment.footer.parts}
            wait_until(lambda: {str(path.relative_to(lake.log.parent)) for path in lake.parts()} == listed, 30,
                       "what was left to be swept")
            assert listed and not any(path.exists() for path in left)
            small.insert()
            wait_until(small.complete, 30, "the other one to ship")
            assert fleet.running.terminate() == 0
