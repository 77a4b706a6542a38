"""A database for `wal2lake doctor` to look at, and a reader of what it prints that does as it is told."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import threading

from .cluster import wait_until
from .forwarder import binary, clean_environment, command

SETTINGS = ("max_slot_wal_keep_size", "wal_sender_timeout", "logical_decoding_work_mem", "wal2lake.key_file",
            "wal2lake.message_prefixes")


_numbers = itertools.count(1)


class Patient:
    """A database with its own role, slot, lake and configuration, and one labelled table. It is healthy at first."""

    def __init__(self, database, folder):
        self.cluster, self.database, self.name = database.cluster, database, database.name
        number = next(_numbers)
        self.role = self.slot = f"forwarder_{number}"
        self.folder = folder / str(number)
        self.folder.mkdir()
        cluster = self.cluster
        self.lake = self.folder / "lake"
        self.config = self.folder / "wal2lake.toml"
        self.sources = [{"id": "cell1.main", "conninfo": cluster.conninfo(self.name, self.role), "slot": self.slot}]
        self.lines = {}

    def __enter__(self):
        # Whatever the one before left; making a database anew would take a second.
        self.database.execute(
            "DROP EXTENSION IF EXISTS wal2lake CASCADE", "DROP SCHEMA IF EXISTS s CASCADE", "DROP SCHEMA public CASCADE",
            "CREATE SCHEMA public", "GRANT SELECT ON pg_catalog.pg_seclabel TO PUBLIC", "CREATE EXTENSION wal2lake",
            f"CREATE ROLE {self.role} LOGIN REPLICATION", f"GRANT pg_read_all_settings TO {self.role}",
            "CREATE TABLE people (id int PRIMARY KEY, email text)")
        self.database.label("people", id="green", email="red drop")
        self.lake.mkdir()
        self.write()
        return self

    def __exit__(self, *_):
        self.database.drop_slots()
        self.database.execute(*(f"ALTER SYSTEM RESET {name}" for name in SETTINGS), "SELECT pg_reload_conf()")

    # ---- the configuration ----

    def write(self):
        """Write the configuration file: `sources`, and `lines` of other tables by name."""
        text = f'[lake]\nurl = "file://{self.lake}"\n'
        for table, lines in self.lines.items():
            text += f"[{table}]\n{lines}\n"
        for source in self.sources:
            text += "[[source]]\n" + "".join(
                f"{key} = {value if value.startswith('{') else json.dumps(value)}\n" for key, value in source.items())
        self.config.write_text(text, encoding="utf-8")

    def change(self, **values):
        """Other values for the first source."""
        self.sources[0].update(values)
        self.write()

    def system(self, name, value):
        """ALTER SYSTEM, in force for new sessions when this returns."""
        self.cluster.query(f"ALTER SYSTEM SET {name} = '{value}'")
        self.cluster.query("SELECT pg_reload_conf()")
        wait_until(lambda: self.cluster.value(f"SHOW {name}") == value, 20, f"{name} to be {value}")

    # ---- slot and log ----

    def sql(self, *statements):
        self.database.execute(*statements)

    def slot_create(self):
        done = command("slot", "create", "-c", self.config)
        assert done.returncode == 0, done.stderr

    def switch_wal(self, times):
        """Move the server's WAL on by some segments of 16 MiB."""
        for _ in range(times):
            self.sql("SELECT pg_logical_emit_message(false, 'x', 'y')", "SELECT pg_switch_wal()")

    @contextlib.contextmanager
    def traffic(self):
        """Small transactions, one after the other, from another thread."""
        over = threading.Event()
        def insert():
            connection = self.cluster.connect(self.name)
            with contextlib.closing(connection), connection.cursor() as cursor:
                for number in itertools.count():
                    if over.is_set():
                        return
                    cursor.execute("INSERT INTO people VALUES (%s)", (number,))
        thread = threading.Thread(target=insert)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def genesis(self):
        return next((self.lake / self.sources[0]["id"] / "log").rglob("*.w2l"))

    # ---- the doctor ----

    def doctor(self, *arguments, **more):
        """What it finds, as dictionaries. Its exit code must be that of the worst."""
        done = command("doctor", "-c", self.config, "--json", *arguments, **more)
        assert done.stderr == b"", done.stderr
        said = json.loads(done.stdout)
        severities = [finding["severity"] for finding in said["findings"]]
        assert done.returncode == (2 if "error" in severities else 1 if "warning" in severities else 0)
        assert (said["errors"], said["warnings"], said["infos"]) == tuple(
            severities.count(severity) for severity in ("error", "warning", "info"))
        return said["findings"]

    def find(self, code, **more):
        """The one finding of this code, or None."""
        found = [finding for finding in self.doctor(**more) if finding["code"] == code]
        assert len(found) < 2, found
        return found[0] if found else None

    def cure(self, code, *, by_hand=None, **more):
        """Find it, do what is printed, see it go. `by_hand` does what only a sentence asks for. The finding."""
        finding = self.find(code, **more)
        assert finding, f"{code} is not among {[found['code'] for found in self.doctor(**more)]}"
        assert finding["fix"], finding
        kinds = {fix["kind"] for fix in finding["fix"]}
        assert ("advice" in kinds) == (by_hand is not None), finding["fix"]
        with contextlib.ExitStack() as running:
            for fix in finding["fix"]:
                self.apply(fix, finding, running)
            if by_hand:
                more = by_hand() or {}
            wait_until(lambda: not self.find(code, **more), 30, f"{code} to go after {finding['fix']}", 0.1)
        return finding

    def apply(self, fix, finding, running):
        """Do one step of a fix exactly as it is printed."""
        kind, text = fix["kind"], fix["text"]
        if kind == "sql":
            script = self.folder / "fix.sql"
            script.write_text(text + "\n", encoding="utf-8")
            done = self.cluster.program("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", script, dbname=self.name)
            assert done.returncode == 0, (text, done.stderr)
        elif kind in ("shell", "server-shell"):
            environment = {**clean_environment(), "PATH": f"{binary().parent}:{os.environ['PATH']}"}
            if text.startswith("wal2lake run"):
                process = subprocess.Popen(["sh", "-c", "exec " + text], env=environment, stdin=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
                running.callback(process.wait)
                running.callback(process.send_signal, signal.SIGTERM)
                return
            done = subprocess.run(["sh", "-c", text], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                                  cwd="/", timeout=60)
            assert done.returncode == 0, (text, done.stderr)
        elif kind == "config":
            key, value = text.split(" = ", 1)
            source = next(source for source in self.sources if source["id"] == finding["source"])
            source[key] = value if value.startswith("{") else json.loads(value)
            self.write()
        elif kind in ("pg_hba.conf", "pg_ident.conf"):
            path = self.cluster.data / kind
            path.write_text(text + "\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
            self.cluster.query("SELECT pg_reload_conf()")
        elif kind == "restart":
            self.cluster.restart()
        else:
            assert kind == "advice", kind


class Pooler:
    """Between client and server, and without the replication protocol, as poolers are."""

    def __init__(self, cluster, folder):
        self.folder, self.port = folder, cluster.port
        self.target = str(cluster.sockets / f".s.PGSQL.{cluster.port}")
        self.listener = socket.socket(socket.AF_UNIX)

    def __enter__(self):
        self.listener.bind(str(self.folder / f".s.PGSQL.{self.port}"))
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self.listener.accept()[0],), daemon=True).start()

    def _serve(self, client):
        startup = client.recv(65536)
        if b"\0replication\0" in startup:
            fields = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: replication\0\0"
            client.sendall(b"E" + (4 + len(fields)).to_bytes(4, "big") + fields)
            client.close()
            return
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.target)
        server.sendall(startup)
        threading.Thread(target=self._pump, args=(server, client), daemon=True).start()
        self._pump(client, server)

    @staticmethod
    def _pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def occupied_sender(cluster):
    """All connections for replication are taken: there is one."""
    holder = subprocess.Popen(
        cluster.command("pg_receivewal", "-h", cluster.sockets, "-p", cluster.port, "-U", "postgres", "-D", cluster.base,
                        "-S", "taken"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: cluster.value("SELECT count(*) FROM pg_stat_replication") == 1, 20, "a walsender")
        yield
    finally:
        holder.terminate()
        holder.wait()


def odd_host(folder):
    """The library of odd_host.c, built."""
    library = folder / "odd_host.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, os.path.join(os.path.dirname(__file__), "odd_host.c"),
                    "-ldl"], check=True)
    return library
