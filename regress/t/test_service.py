"""A service manager is told the truth, and a stop ends in time whatever is down.

The manager is a datagram socket of the test's own: READY once the sources are served, a line for people,
signs of life for the watchdog while each source's loop turns, STOPPING at SIGTERM. A server or a store
that is down or silent is no reason to be restarted; a loop that hangs in a call is.
"""

import contextlib
import os
import socket
import threading
import time

import pytest

from harness import forwarder
from harness.cluster import lsn_number, wait_until
from harness.relay import Relay

OK, SOURCE, STORE = 0, 4, 5

# What docs/deploy.md promises, and room for a loaded machine.
STOP_SECONDS = 30 + 15


class Manager:
    """What systemd is to a service of Type=notify: hears its datagrams."""

    def __init__(self, folder, watchdog_s=2):
        self.path = folder / "notify"
        self.watchdog_s = watchdog_s
        self.heard = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        with contextlib.suppress(OSError):
            while text := self.socket.recv(4096).decode():
                now = time.monotonic()
                self.heard += [(now, line) for line in text.splitlines()]

    def environment(self, **changes):
        return {"NOTIFY_SOCKET": str(self.path), "WATCHDOG_USEC": str(int(self.watchdog_s * 1e6)), **changes}

    def said(self, line):
        return [at for at, heard in self.heard if heard == line]

    def status(self):
        return next((line for _, line in reversed(self.heard) if line.startswith("STATUS=")), None)

    def wait_for(self, line, timeout=30):
        wait_until(lambda: self.said(line), timeout, f"{line!r}; heard: {[line for _, line in self.heard]}")

    def wait_for_signs(self, number, timeout=60):
        """So many further signs of life."""
        before = len(self.said("WATCHDOG=1"))
        wait_until(lambda: len(self.said("WATCHDOG=1")) >= before + number, timeout, f"{number} signs of life")

    def would_restart(self):
        """Whether a manager's watchdog has run out."""
        signs = self.said("WATCHDOG=1") or self.said("READY=1")
        return bool(signs) and time.monotonic() - signs[-1] > self.watchdog_s

    def longest_pause(self):
        """Between two signs of life."""
        signs = self.said("WATCHDOG=1")
        return max(after - before for before, after in zip(signs, signs[1:]))

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path)
    yield made
    made.close()


class Service:
    """The forwarder as a service of the manager."""

    def __init__(self, folder, manager, conninfo, **settings):
        self.lake = settings.pop("lake", folder / "lake")
        self.manager = manager
        self.config = forwarder.write_config(folder / "w.toml", self.lake, conninfo, **settings)
        self.forwarder = forwarder.Forwarder(self.config, folder / "forwarder.log")

    def start(self, *arguments, failpoint=None, **changes):
        self.forwarder.start(*arguments, failpoint=failpoint, environment=self.manager.environment(**changes))
        return self

    def stop(self):
        """SIGTERM. Exit code, and how long it took."""
        began = time.monotonic()
        code = self.forwarder.terminate(STOP_SECONDS)
        return code, time.monotonic() - began

    def close(self):
        self.forwarder.stop()


@pytest.fixture
def service(tmp_path, manager):
    made = []

    def make(conninfo, **settings):
        made.append(Service(tmp_path, manager, conninfo, **settings))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def labelled(database):
    """A database with a table that is sent, and the name of a slot."""
    database.execute("CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)")
    database.label("t", id="green")
    return database, f"{database.name[:50]}_w2l"


def create_slot(config):
    done = forwarder.command("slot", "create", "-c", config)
    assert done.returncode == OK, done.stderr


def test_a_service_from_start_to_stop(labelled, service, manager):
    database, slot = labelled
    running = service(database.cluster.conninfo(database.name), slot=slot)
    create_slot(running.config)
    running.start()
    manager.wait_for("STATUS=1 of 1 sources streaming")
    assert [line for _, line in manager.heard].index("READY=1") == 0
    manager.wait_for_signs(5)
    assert not manager.said("STOPPING=1")
    code, _ = running.stop()
    assert code == OK
    manager.wait_for("STOPPING=1")
    assert len(manager.said("READY=1")) == len(manager.said("STOPPING=1")) == 1


def test_an_abstract_socket_is_served_and_a_strange_watchdog_is_not(tmp_path, service, manager):
    """The name may begin with '@'; WATCHDOG_PID says for whom the watchdog is."""
    abstract = f"wal2lake-test-{os.getpid()}"
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind(f"\0{abstract}")
        listener.settimeout(30)
        running = service(f"host={tmp_path} dbname=postgres").start(NOTIFY_SOCKET=f"@{abstract}", WATCHDOG_PID="1")
        assert listener.recv(100) == b"READY=1"
        assert listener.recv(100) == b"STATUS=0 of 1 sources streaming"
        assert running.stop()[0] == OK
        assert listener.recv(100).startswith(b"STOPPING=1")


def test_a_server_that_is_down_is_no_reason_to_restart(tmp_path, service, manager):
    """It is ready, it lives, it says what it waits for; and it stops at once."""
    running = service(f"host={tmp_path} port=5432 dbname=postgres").start()
    manager.wait_for("READY=1")
    manager.wait_for_signs(8)
    assert manager.status() == "STATUS=0 of 1 sources streaming"
    assert "cannot connect" in running.forwarder.log_text()
    assert running.stop()[0] == OK


def test_a_store_that_is_down_is_no_reason_to_restart_and_no_reason_to_stay(labelled, service, manager, small_disk):
    """With a full disk it lives on. SIGTERM ends it in time, and the exit code says that the store is why."""
    database, slot = labelled
    running = service(database.cluster.conninfo(database.name), slot=slot, lake=small_disk.folder / "lake",
                      max_age="200ms")
    create_slot(running.config)
    small_disk.fill()
    running.start()
    manager.wait_for("STATUS=1 of 1 sources streaming")
    database.execute("INSERT INTO t DEFAULT VALUES")
    wait_until(lambda: "store_failed" in running.forwarder.log_text(), 30, "the store to fail")
    manager.wait_for_signs(8)
    code, seconds = running.stop()
    assert code == STORE, running.forwarder.log_text()[-2000:]
    assert 15 < seconds < STOP_SECONDS


def test_a_store_that_hangs_does_not_keep_it(labelled, service, manager):
    """A call that never returns, as of a network file system: reading a named pipe that nobody writes to."""
    database, slot = labelled
    running = service(database.cluster.conninfo(database.name), slot=slot)
    create_slot(running.config)
    hint = running.lake / forwarder.SOURCE / "head"
    hint.unlink(missing_ok=True)
    os.mkfifo(hint)
    running.start()
    manager.wait_for_signs(8)
    assert manager.status() == "STATUS=0 of 1 sources streaming"
    assert running.stop()[1] < STOP_SECONDS


def test_a_source_that_hangs_in_a_call_is_noticed(tmp_path, service, manager):
    """Nothing can interrupt the call: the watchdog must run out, and SIGTERM must still end it in time."""
    running = service(f"host={tmp_path} dbname=postgres").start(failpoint="connect.before=hang")
    manager.wait_for("READY=1")
    wait_until(lambda: "failpoint connect.before reached" in running.forwarder.log_text(), 30, "it to hang")
    wait_until(manager.would_restart, 60, "the signs of life to stop")
    before = len(manager.said("WATCHDOG=1"))
    time.sleep(3 * manager.watchdog_s)
    assert len(manager.said("WATCHDOG=1")) == before
    assert running.forwarder.running()
    code, _ = running.stop()
    assert code == SOURCE, running.forwarder.log_text()[-2000:]
    manager.wait_for("STOPPING=1")


def test_a_server_that_falls_silent_is_left_and_is_nobody_elses_trouble(labelled, service, manager, tmp_path):
    """One silent when it is asked who it is, one when it is to stream, beside one that is well: that one ships, the
    process lives, both are left at their deadline, and go on once they are answered."""
    database, slot = labelled
    with Relay(database.cluster, b"IDENTIFY_SYSTEM") as asked, Relay(database.cluster, b"START_REPLICATION") as begun:
        relays = {"asked": (asked, 30), "begun": (begun, 60)}
        stanzas = ""
        for name, (relay, _) in relays.items():
            alone = forwarder.write_config(tmp_path / f"{name}.toml", tmp_path / "lake", database.cluster.conninfo(
                database.name), source=name, slot=f"{slot}_{name}")
            create_slot(alone)
            conninfo = relay.conninfo(database.name)
            stanzas += f'[[source]]\nid = "{name}"\nslot = "{slot}_{name}"\nconninfo = "{conninfo}"\n'
        running = service(database.cluster.conninfo(database.name), slot=slot, extra=stanzas, max_age="100ms")
        done = forwarder.command("slot", "create", "-c", running.config, "--source", forwarder.SOURCE)
        assert done.returncode == OK, done.stderr
        running.start()
        began = time.monotonic()
        for relay, _ in relays.values():
            assert relay.silent.wait(30), running.forwarder.log_text()
            # The next connection is answered; this one never is.
            relay.silent_from = None
        database.execute("INSERT INTO t DEFAULT VALUES")
        end = lsn_number(database.commit_end()) - 200
        forwarder.wait_shipped(running.forwarder, running.lake, end, timeout=10)
        manager.wait_for("STATUS=1 of 3 sources streaming")
        for name, (_, patience) in relays.items():
            silence = f"the server did not answer within {patience} s"
            wait_until(lambda: any(
                line["event"] == "reconnect" and silence in line["message"] and line["source"] == name
                for line in running.forwarder.log_lines()), patience + 10, f"{name} to be left")
            assert patience - 1 < time.monotonic() - began < patience + 15
            wait_until(lambda: forwarder.tail_end(running.lake, name) >= end, 30, f"{name} to go on")
        assert manager.longest_pause() < manager.watchdog_s
        assert running.stop()[0] == OK


@pytest.mark.parametrize("where", ["user", "search_path", "IDENTIFY_SYSTEM", "START_REPLICATION"])
def test_sigterm_does_not_wait_for_a_server_that_is_silent(labelled, service, where):
    database, slot = labelled
    create_slot(service(database.cluster.conninfo(database.name), slot=slot).config)
    with Relay(database.cluster, where.encode()) as relay:
        running = service(relay.conninfo(database.name), slot=slot).start()
        assert relay.silent.wait(30), running.forwarder.log_text()
        code, seconds = running.stop()
    assert code == OK, running.forwarder.log_text()[-2000:]
    assert seconds < 3


def test_a_slot_in_the_making_is_waited_for_and_sigterm_is_not_held_up(labelled, service, manager):
    """It waits for the transactions that are open. Meanwhile the process lives; stopped, it leaves no half slot."""
    database, slot = labelled
    running = service(database.cluster.conninfo(database.name), slot=slot)
    with contextlib.closing(database.cluster.connect(database.name, autocommit=False)) as open_transaction:
        open_transaction.cursor().execute("INSERT INTO t DEFAULT VALUES")
        running.start("--create-slot")
        slots = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s"
        wait_until(lambda: database.value(slots, (slot,)) == 1, 30, "the slot to be begun")
        manager.wait_for_signs(8)
        code, seconds = running.stop()
        assert code == OK, running.forwarder.log_text()[-2000:]
        assert seconds < 3
        wait_until(lambda: database.value(slots, (slot,)) == 0, 10, "the server to give up too")
    running.start("--create-slot")
    forwarder.wait_until_streaming(running.forwarder, database.cluster, slot)
    assert running.stop()[0] == OK
