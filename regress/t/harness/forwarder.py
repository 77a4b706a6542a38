"""The command under test as a process: its configuration, its life, its log."""

import fcntl
import functools
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from .cluster import read_log, wait_until
from .lake import Lake

FAILPOINT_EXIT = 86
REPOSITORY = Path(__file__).resolve().parents[3]
SOURCE = "cell1.main"
SLOT = "wal2lake"
# With it, what a forwarder ships is never equal to what one without it ships: each segment names the options.
OTHER_BYTES = ("--option", "max_batch_bytes=65535")


def binary():
    """The command: WAL2LAKE_BIN, or where `make` puts it."""
    path = Path(os.environ.get("WAL2LAKE_BIN") or REPOSITORY / "build/release/tools/wal2lake/wal2lake")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not built; run `make`, or set WAL2LAKE_BIN")
    return path


def mutant(name):
    """The command with one safeguard taken out (tools/wal2lake/mutant.h); it obeys the failpoints outside of the store."""
    executable = built("wal2lake_mutant")
    # No variable of ours reaches what is tested, so the choice is part of the program.
    chosen = executable.with_name(f"wal2lake_mutant_{name}.sh")
    chosen.write_text(f'#!/bin/sh\nWAL2LAKE_MUTANT={name} exec "{executable}" "$@"\n')
    chosen.chmod(0o755)
    return chosen


def with_failpoints():
    """The build of the command that obeys WAL2LAKE_FAILPOINT."""
    return built("wal2lake_failpoints")


def places():
    """The names of all failpoints."""
    return command(executable=with_failpoints(), env={"WAL2LAKE_FAILPOINT": "list"}).stdout.decode().split()


@functools.cache
def built(target):
    """An executable that only tests need, brought up to date beside the real one."""
    build = binary().resolve().parents[2]
    # Two runs of the tests do not build in one folder at once.
    with open(build / "tests.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(["cmake", "--build", build, "--target", target], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{target} cannot be built in {build}:\n{done.stdout[-3000:]}")
    return binary().with_name(target)


def command(*arguments, executable=None, stdin=b"", timeout=60, env=None):
    """Run the command to its end. Bytes in, bytes out."""
    return subprocess.run([executable or binary(), *map(str, arguments)], input=stdin, capture_output=True,
                          timeout=timeout, cwd="/", env={**clean_environment(), **(env or {})})


def verify(lake, source=SOURCE):
    """`wal2lake verify` of a lake in a folder."""
    return command("verify", "--lake", f"file://{lake}", "--source", source)


def clean_environment():
    """No libpq setting and no configuration of the caller reaches what is tested."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "WAL2LAKE", "AWS_"))}


def write_config(path, lake, conninfo, *, slot=SLOT, source=SOURCE, max_size="64MiB", max_age="1s", idle_age="10m",
                 listen="", extra="", lake_lines="", segment_lines=""):
    """A configuration file of one source; without an endpoint, so that tests do not meet at its port. `lake`: folder or URL."""
    url = lake if "://" in str(lake) else f"file://{lake}"
    path.write_text(f"""\
[lake]
url = "{url}"
{lake_lines}
[segment]
max_size = "{max_size}"
max_age = "{max_age}"
idle_age = "{idle_age}"
{segment_lines}
[metrics]
listen = "{listen}"
[[source]]
id = "{source}"
conninfo = "{conninfo}"
slot = "{slot}"
{extra}""", encoding="utf-8")
    return path


class Forwarder:
    """`wal2lake run`, as many times as it is started; one log over all of them."""

    def __init__(self, config, log, *, executable=None, arguments=("--log-level", "debug"), environment=None):
        self.config, self.log = Path(config), Path(log)
        self.executable, self.arguments, self.environment = executable, arguments, environment or {}
        self.process = None

    def start(self, *arguments, environment=None, failpoint=None):
        """With `failpoint` (PLACE=DEED, ...) it is a build that obeys it, once."""
        if self.process is not None and self.process.poll() is None:
            raise RuntimeError("it is running")
        executable, environment = self.executable or binary(), {**clean_environment(), **self.environment, **(environment or {})}
        if failpoint:
            executable, environment = self.executable or with_failpoints(), {**environment, "WAL2LAKE_FAILPOINT": failpoint}
        with open(self.log, "ab") as log:
            # A crash of the test takes the forwarder with it.
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", executable, "run", "-c", self.config, *self.arguments, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=environment)
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stopped(self):
        """True while it sleeps after SIGSTOP, its own included."""
        state = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        return state.rpartition(")")[2].split()[0] == "T"

    def said_last(self):
        """The sentence of its last line, without the frame around it."""
        lines = self.log_lines()
        return lines[-1]["message"] if lines else self.log_text().strip().rpartition("\n")[2]

    def kill9(self):
        self.process.kill()
        self.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    def terminate(self, timeout=30):
        """SIGTERM: it seals, ships, acknowledges and exits. Its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def wait(self, timeout=30):
        return self.process.wait(timeout)

    def stop(self):
        """Whatever its state: gone afterwards."""
        if self.running():
            self.process.send_signal(signal.SIGCONT)
            self.kill9()

    def __enter__(self):
        return self.start() if self.process is None else self

    def __exit__(self, *_):
        self.stop()

    def log_text(self, offset=0):
        return read_log(self.log, offset)

    def log_lines(self):
        """Its log as dictionaries; a last line that a kill cut off is left out."""
        lines = []
        for line in self.log_text().splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
        return lines


def tail_end(lake, source=SOURCE):
    """How far the lake (a folder, or a place of lake_place.py) reaches, by its tail alone; 0 while it is empty. Cheap enough to
    poll."""
    if hasattr(lake, "tail_end"):
        return lake.tail_end()
    objects = Lake(lake, source).objects()
    return footer(objects[-1]).end_lsn if objects else 0


def footer(path):
    """What a segment says of itself at its end."""
    return footer_of(path.read_bytes())


def footer_of(data):
    from . import wire
    length = int.from_bytes(data[-8:-4], "little")
    return wire.parse(wire.segment.SegmentFooter, data[-8 - length:-8])


def wait_shipped(forwarder, lake, lsn, timeout=60):
    """Wait until the lake covers the LSN; fail at once where the forwarder has given up, or when nothing has come for so long."""
    reached, deadline = 0, time.monotonic() + timeout
    while (reaches := tail_end(lake)) < lsn:
        if reaches > reached:
            reached, deadline = reaches, time.monotonic() + timeout
        if forwarder is not None and not forwarder.running():
            raise RuntimeError(f"the forwarder ended with {forwarder.process.returncode}:\n"
                               f"{forwarder.log_text()[-2000:]}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"the lake reaches {reached:X}, and no further in {timeout} s, not {lsn:X}:\n"
                               f"{forwarder.log_text()[-2000:] if forwarder else ''}")
        time.sleep(0.05)


def take_slot_away(cluster, slot, timeout=20):
    """End whoever reads the slot, again if need be: the first time the server may block in telling a sleeper so."""
    wait_until(lambda: not cluster.query("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots "
                                         "WHERE slot_name = %s AND active_pid IS NOT NULL", (slot,)),
               timeout, f"the reader of {slot} to end")


def wait_until_streaming(forwarder, cluster, slot, timeout=30):
    """Wait until the slot has a reader; fail at once where the forwarder has given up."""
    deadline = time.monotonic() + timeout
    while not cluster.query("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND active", (slot,)):
        if not forwarder.running() or time.monotonic() > deadline:
            raise RuntimeError(f"the forwarder does not stream from {slot}:\n{forwarder.log_text()[-2000:]}")
        time.sleep(0.05)
