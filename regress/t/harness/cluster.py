"""A throwaway PostgreSQL of its own: Unix socket only, in a directory under /tmp, run by an ordinary user.

It works as root (the server drops to `postgres` or `nobody`), beside other servers (no TCP port is
opened and the socket directory is private), and where the server's user cannot read this checkout
(nothing the server needs is in it: the plugin is installed, the key file is written here).
"""

import base64
import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg2
import psycopg2.extensions

SUPERUSER = "postgres"


class ClusterError(Exception):
    """The server could not be set up, started or stopped; the text has the end of its log."""


def server_root():
    """Where the server has another root (WAL2LAKE_SERVER_ROOT, see tools/dev/chroot.py): that folder. It has our /tmp."""
    root = os.environ.get("WAL2LAKE_SERVER_ROOT")
    return Path(root) if root else None


def server_bindir():
    """The directory of the PostgreSQL programs that PG_CONFIG, or Debian's layout, points to; as seen by the server."""
    root = server_root()
    if root:
        found = list(root.glob("usr/lib/postgresql/*/bin/postgres"))
        if len(found) != 1:
            raise ClusterError(f"there should be one PostgreSQL in {root}, not {len(found)}")
        return Path("/") / found[0].parent.relative_to(root)
    pg_config = os.environ.get("PG_CONFIG")
    if pg_config:
        return Path(subprocess.check_output([pg_config, "--bindir"], text=True).strip())
    debian = Path("/usr/lib/postgresql/15/bin")
    if debian.is_dir():
        return debian
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    raise ClusterError("no PostgreSQL server programs found; run `make deps` or set PG_CONFIG")


def ordinary_user():
    """Who the server runs as: ourselves, or where we are root (initdb refuses root) an ordinary user."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise ClusterError("running as root, and there is neither a user \"postgres\" nor \"nobody\" to drop to")


def random_key():
    """32 random bytes as a key file writes them."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


class Cluster:
    """One server. Use it as a context manager, so that nothing of it outlives the test."""

    def __init__(self, settings=None, *, preload=True, keys=None, fsync=False, name="test"):
        self.user = ordinary_user()
        self.bindir, self.root = server_bindir(), server_root()
        self.base = Path(tempfile.mkdtemp(prefix=f"wal2lake-{name}-", dir="/tmp"))
        self.data = self.base / "data"
        self.sockets = self.base / "s"
        self.log = self.base / "server.log"
        self.key_file = self.base / "wal2lake.keys"
        self.port = 57400 + os.getpid() % 100
        self.process = None
        try:
            self._prepare(settings or {}, preload, keys if keys is not None else f"k2026 {random_key()}\n", fsync)
        except BaseException:
            self.remove()
            raise

    # ---- life ----

    def _prepare(self, settings, preload, keys, fsync):
        self.sockets.mkdir()
        for path in (self.base, self.sockets):
            self._give(path, 0o700)
        self.write_keys(keys)
        self._run([self.bindir / "initdb", "-D", self.data, "-U", SUPERUSER, "-A", "trust", "-E", "UTF8",
                   "--locale=C.UTF-8", "--no-sync"])
        lines = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "port": self.port,
            "wal_level": "logical",
            "max_wal_senders": 10,
            "max_replication_slots": 10,
            "max_connections": 60,
            "shared_buffers": "32MB",
            "autovacuum_naptime": "1d",
            "wal_sender_timeout": "10s",
            "log_line_prefix": "%m [%p] ",
            "log_min_messages": "warning",
            "fsync": "on" if fsync else "off",
        }
        if preload:
            lines["shared_preload_libraries"] = "wal2lake_policy"
            lines["wal2lake.key_file"] = str(self.key_file)
        if self.knows("output_plugin_libraries"):
            # In postgresql.conf the list is one quoted string; ALTER SYSTEM wants unquoted items.
            lines["output_plugin_libraries"] = "wal2lake, test_decoding"
        lines.update(settings)
        self.configure(lines)

    def knows(self, setting):
        """True if this server has the setting: an unknown one would keep it from starting."""
        asked = self._run([self.bindir / "postgres", "-C", setting, "-D", self.data], check=False)
        return asked.returncode == 0

    def configure(self, settings):
        """Append settings to postgresql.conf; takes effect at the next start or reload."""
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            for name, value in settings.items():
                quoted = str(value).replace("'", "''")
                conf.write(f"{name} = '{quoted}'\n")

    def start(self, timeout=60):
        """Start the server and wait until it answers. It ends with this process, whatever ends this process."""
        offset = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self._as_user(), "--pdeathsig", "QUIT", self.bindir / "postgres", "-D", self.data],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.base, start_new_session=True,
                env=self._environment())
        deadline = time.monotonic() + timeout
        while True:
            with contextlib.suppress(psycopg2.OperationalError):
                self.connect().close()
                return self
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = self.log_text(offset)[-3000:]
                self.kill()
                raise ClusterError(f"the server did not start:\n{text}")
            time.sleep(0.05)

    def stop(self, mode="fast", timeout=60):
        """Stop the server: fast (clean) or immediate (as a crash, minus the dirty reads)."""
        if self.process is None:
            return
        self.process.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode])
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ClusterError(f"the server did not stop ({mode}) within {timeout} s:\n{self.log_text()[-3000:]}") \
                from None
        self.process = None

    def restart(self, mode="fast"):
        self.stop(mode)
        return self.start()

    def reload(self):
        """Read the configuration again, and wait until every new session has it."""
        before = self.value("SELECT pg_conf_load_time()")
        self.query("SELECT pg_reload_conf()")
        wait_until(lambda: self.value("SELECT pg_conf_load_time()") != before, 20, "the reload")

    def kill(self):
        """End the server that this object started, without asking."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def remove(self):
        """Server, sockets, data directory, key: all gone."""
        self.kill()
        if os.environ.get("WAL2LAKE_KEEP"):
            print(f"kept {self.base}")
        else:
            shutil.rmtree(self.base, ignore_errors=True)

    def __enter__(self):
        return self.start() if self.process is None else self

    def __exit__(self, *_):
        self.remove()

    # ---- sql ----

    def conninfo(self, dbname="postgres", user=SUPERUSER):
        return f"host={self.sockets} port={self.port} dbname={dbname} user={user}"

    def connect(self, dbname="postgres", user=SUPERUSER, autocommit=True, **more):
        connection = psycopg2.connect(self.conninfo(dbname, user), connect_timeout=10, **more)
        connection.autocommit = autocommit
        return connection

    def query(self, sql, parameters=None, dbname="postgres", user=SUPERUSER, **more):
        """Rows of one statement, in a session of its own."""
        connection = self.connect(dbname, user, **more)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, parameters)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def value(self, sql, parameters=None, dbname="postgres", **more):
        return self.query(sql, parameters, dbname, **more)[0][0]

    def create_database(self, name):
        self.query(f'CREATE DATABASE "{name}"')

    def flush_lsn(self):
        """Where the WAL is durable now: what a forwarder that is level has reached."""
        return lsn_number(self.value("SELECT pg_current_wal_flush_lsn()::text"))

    def command(self, name, *arguments):
        """The command line of one of PostgreSQL's programs, run as ourselves."""
        return [*map(str, (*self._entered(), self.bindir / name, *arguments))]

    def program(self, name, *arguments, dbname="postgres", user=SUPERUSER, env=None, **more):
        """Run one of PostgreSQL's programs against this server, as ourselves; bytes in and out."""
        environment = {**self._environment(), "PGHOST": str(self.sockets), "PGPORT": str(self.port),
                       "PGDATABASE": dbname, "PGUSER": user, **(env or {})}
        return subprocess.run(self.command(name, *arguments), env=environment, cwd="/",
                              stdin=subprocess.DEVNULL, capture_output=True, **{"timeout": 60, **more})

    # ---- files ----

    def write_keys(self, text, mode=0o600):
        """(Re)write the key file: owned by the server's user, outside the data directory."""
        self.key_file.write_text(text, encoding="utf-8")
        self._give(self.key_file, mode)

    def log_text(self, offset=0):
        return read_log(self.log, offset)

    def log_size(self):
        return self.log.stat().st_size

    def log_of_pids(self, pids, offset=0):
        """Every line written by these processes, continuation lines (DETAIL of several lines) included."""
        prefix = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \S+ \[(\d+)\] ")
        lines, mine = [], False
        for line in self.log_text(offset).splitlines():
            match = prefix.match(line)
            if match:
                mine = int(match.group(1)) in pids
            if mine:
                lines.append(line)
        return lines

    # ---- processes ----

    def _give(self, path, mode):
        os.chmod(path, mode)
        if os.geteuid() == 0:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def _entered(self):
        return ["chroot", self.root] if self.root else []

    def _as_user(self):
        command = [*self._entered(), "setpriv"]
        if os.geteuid() == 0:
            command += ["--reuid", str(self.user.pw_uid), "--regid", str(self.user.pw_gid), "--clear-groups"]
        return command

    def _environment(self):
        """Nothing of the caller's libpq settings may reach what is started here."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {**inherited, "HOME": str(self.base), "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def _run(self, command, check=True):
        done = subprocess.run([*self._as_user(), *map(str, command)], cwd=self.base, env=self._environment(),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        if check and done.returncode != 0:
            raise ClusterError(f"{Path(command[0]).name} failed ({done.returncode}): {done.stderr.strip()}")
        return done


def read_log(path, offset=0):
    """A log from a byte on, empty where it is not there yet."""
    if not path.exists():
        return ""
    with open(path, "rb") as log:
        log.seek(offset)
        return log.read().decode("utf-8", "replace")


def lsn_number(text):
    """0/16B3748 as a number."""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def lsn_text(number):
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


def wait_until(condition, timeout, what, interval=0.05):
    """Poll until condition() is true and return what it gave; otherwise fail with a sentence."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout} s for {what}")
        time.sleep(interval)
