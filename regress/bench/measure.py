"""One walsender reading one workload's WAL, with pg_recvlogical at the other end; CPU and memory from /proc.

The reader has no end position: the walsender waits for more when it has sent everything, so that its
counters can be read while it still exists, to the last row and not to the last sample.
"""

import contextlib
import os
import re
import signal
import subprocess
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import zstandard

from harness.cluster import wait_until

from variants import BenchError, Content, check, read_foreign, read_ours
from workloads import set_labels

TICKS = os.sysconf("SC_CLK_TCK")
DEADLINE = 1800
POLL = 0.02
# The least that a forwarder may compress: the lowest level that its configuration takes.
FASTEST_LEVEL = -7
# Statistics of ours ride along once a minute, and behind the workload come transactions that change labels, which
# some plugins tell of: so many bytes less or more do not mean that rows are missing.
LESS, MORE = 1000, 10_000


@dataclass
class Usage:
    """Of one process, so far. `cpu` is exact where the kernel counts it, else the sum of the other two."""

    cpu: float
    user: float
    system: float
    peak_rss: int  # VmHWM: shared buffers that were touched are part of it
    anonymous: int  # RssAnon: memory of its own, now


def usage(pid):
    """Of a process; one of several threads, or on a kernel without schedstat, is known to the clock tick only."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    user, system = int(fields[11]) / TICKS, int(fields[12]) / TICKS
    cpu = user + system
    status = dict(line.split(":", 1) for line in
                  Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines())
    schedstat = Path(f"/proc/{pid}/schedstat")  # of its first thread alone
    if schedstat.exists() and int(status["Threads"]) == 1:
        cpu = int(schedstat.read_text(encoding="ascii").split()[0]) / 1e9
    kilobytes = {name: int(status[name].split()[0]) * 1024 for name in ("VmHWM", "RssAnon")}
    return Usage(cpu, user, system, kilobytes["VmHWM"], kilobytes["RssAnon"])


@dataclass
class Run:
    """One reading of the WAL."""

    cpu: float
    user: float
    system: float
    wall: float
    peak_rss: int
    peak_anonymous: int
    received: int  # bytes that pg_recvlogical wrote: messages and a newline each
    receiver_cpu: float  # of pg_recvlogical
    pack_cpu: float = 0.0  # of zstd over what it wrote, where that was measured

    def as_json(self):
        return asdict(self)


class Bench:
    """A cluster with one workload written into it, and a slot from before, of which others are copied."""

    SOURCE_SLOT = "bench_source"

    def __init__(self, cluster, dbname, workload, folder):
        self.cluster, self.dbname, self.workload = cluster, dbname, workload
        self.folder = Path(folder)  # where pg_recvlogical writes; memory, if there is such a folder
        self.admin = cluster.connect(dbname)
        self.contents = {}

    def close(self):
        self.admin.close()

    def ask(self, sql, *parameters):
        with self.admin.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchone()

    def write(self):
        """Tables, green labels, the publication and the slot first, then the WAL that all variants read."""
        self.workload.create(self.cluster, self.dbname)
        self.columns = self.workload.columns(self.cluster, self.dbname)
        set_labels(self.cluster, self.dbname, self.workload, "green")
        self.ask("SELECT pg_create_logical_replication_slot(%s, 'wal2lake')", self.SOURCE_SLOT)
        # Without a checkpoint in between every first touch of a page would put the page into the WAL, or not.
        self.cluster.query("CHECKPOINT")
        start = self.ask("SELECT pg_current_wal_insert_lsn()")[0]
        self.workload.write(self.cluster, self.dbname)
        end, self.wal_bytes = self.ask("SELECT pg_current_wal_insert_lsn()::text, "
                                       "(pg_current_wal_insert_lsn() - %s::pg_lsn)::bigint", start)
        self.end = end
        self.ask("SELECT pg_switch_wal()::text")

    @contextlib.contextmanager
    def slot(self, plugin, name="bench_run"):
        """A copy of the source slot for another plugin, gone afterwards."""
        self.ask("SELECT pg_copy_logical_replication_slot(%s, %s, false, %s)", self.SOURCE_SLOT, name, plugin)
        try:
            yield name
        finally:
            self.drop_slot(name)

    def drop_slot(self, name):
        """Once its reader is gone."""
        wait_until(lambda: not self.ask("SELECT active FROM pg_replication_slots WHERE slot_name = %s", name)[0],
                   60, f"slot {name} to be free")
        self.ask("SELECT pg_drop_replication_slot(%s)", name)

    def sender(self, slot):
        """(pid, whether all of the workload was sent) of the walsender of a slot, or None."""
        return self.ask("SELECT pid, sent_lsn >= %s::pg_lsn FROM pg_stat_replication "
                        "WHERE pid = (SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s)",
                        self.end, slot)

    def label(self, variant):
        if variant.labels:
            set_labels(self.cluster, self.dbname, self.workload, variant.labels)

    def inspect(self, variant):
        """Read the WAL once, untimed, and prove what the bytes hold. Returns the bytes and what zstd makes of them."""
        self.label(variant)
        output = self.folder / "received"
        with self.slot(variant.plugin) as slot:
            content = None if variant.labels else read_foreign(self.cluster, self.dbname, variant, slot, self.end)
            self._stream(variant, slot, output, content)
        if variant.labels:
            content = read_ours(output.read_bytes())
        check(self.workload, variant, content, self.columns)
        with open(output, "rb") as plain, open(os.devnull, "wb") as nothing:
            compressed = zstandard.ZstdCompressor(level=3).copy_stream(plain, nothing)[1]
        self.contents[variant.name] = content
        return content, compressed

    def run(self, variant):
        """One timed reading."""
        self.label(variant)
        output = self.folder / "received"
        with self.slot(variant.plugin) as slot:
            return self._stream(variant, slot, output, self.contents[variant.name])

    def run_and_pack(self, variant):
        """The same, and the CPU of compressing what arrived as little as a lake allows."""
        taken = self.run(variant)
        compressor = zstandard.ZstdCompressor(level=FASTEST_LEVEL)
        began = time.process_time()
        with open(self.folder / "received", "rb") as plain, open(os.devnull, "wb") as nothing:
            compressor.copy_stream(plain, nothing)
        return replace(taken, pack_cpu=time.process_time() - began)

    def _stream(self, variant, slot, output, content: Content | None):
        output.unlink(missing_ok=True)  # pg_recvlogical appends
        options = [f"--option={name}={value}" for name, value in variant.options]
        began = time.monotonic()
        with subprocess.Popen(
                [self.cluster.bindir / "pg_recvlogical", "-h", self.cluster.sockets, "-p", str(self.cluster.port),
                 "-U", "postgres", "-d", self.dbname, "-S", slot, "--start", "--no-loop", "-F", "0", "-f", output,
                 *options], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/") as receiver:
            try:
                return self._watch(receiver, variant.plugin, slot, output, content, began)
            finally:
                receiver.send_signal(signal.SIGINT)
                receiver.wait(60)

    def _watch(self, receiver, plugin, slot, output, content, began):
        """Wait until everything was sent and has arrived, then read the walsender's counters."""
        pid = None
        anonymous = 0
        expected = None if content is None else content.bytes + content.messages
        while True:
            now = time.monotonic()
            if receiver.poll() is not None:
                raise BenchError(f"pg_recvlogical ended: {receiver.stderr.read().decode().strip()}")
            if now - began > DEADLINE:
                raise BenchError(f"nothing at the end of {self.workload.name} after {DEADLINE} s")
            sender = self.sender(slot)
            received = output.stat().st_size if output.exists() else 0
            if sender is not None:
                pid = sender[0]
                anonymous = max(anonymous, usage(pid).anonymous)
                if sender[1] and (expected is None or received >= expected - LESS):
                    break
            time.sleep(POLL)
        used = usage(pid)
        receiver_cpu = usage(receiver.pid).cpu
        wall = time.monotonic() - began
        self._check_library(pid, plugin)
        if expected is None:
            wait_until_still(output)
        elif received > expected + MORE:
            raise BenchError(f"{received:,} bytes arrived, {expected:,} were seen before")
        return Run(used.cpu, used.user, used.system, wall, used.peak_rss, max(anonymous, used.anonymous), received,
                   receiver_cpu)

    def _check_library(self, pid, plugin):
        """The walsender has loaded the library that is meant: ours from the bench's own folder."""
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
        own = self.cluster.base / "lib" / f"{plugin}.so"
        if f"{own if own.exists() else '/' + own.name}\n" not in maps:
            raise BenchError(f"the walsender has not loaded {own.name} of this bench")


def bare_hmac():
    """Seconds of an HMAC-SHA-256 over 16 bytes under a key that is set already, as OpenSSL's own tool measures it."""
    said = subprocess.run(["openssl", "speed", "-seconds", "3", "-bytes", "16", "-hmac", "sha256"], check=True,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    # Thousands of bytes in a second.
    return 16 / (float(re.search(r"^hmac\(sha256\)\s+([\d.]+)k", said, re.M)[1]) * 1000)


def wait_until_still(path, seconds=0.5):
    """What is on its way into a file arrives."""
    size, since = -1, time.monotonic()
    while time.monotonic() - since < seconds:
        now = path.stat().st_size if path.exists() else 0
        if now != size:
            size, since = now, time.monotonic()
        time.sleep(POLL)
