#!/usr/bin/python3
"""Builds and tests the plugin on several versions of PostgreSQL, and ends with one table.

    tools/dev/matrix.py [--short] [--only SUITE] [VERSION ...]     default: all of them

15 is this machine's own server, newer ones come from chroot.py. For each version: the plugin is built with warnings as
errors and installed, then pg_regress and tests from end to end run against it; those use the command of build/release,
which does not depend on the server. `--short` runs few of these, `--only` one suite. Logs are in build/matrix/<version>/.

Each step runs in namespaces of its own, which end with it and with us.
"""

import argparse
import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import chroot  # noqa: E402
from chroot import REPOSITORY, CannotBuild, CannotFetch, server_cache  # noqa: E402

HOST = 15
# The exit status where a newer server can not be had, and nothing was found wrong: test.sh counts that as skipped.
NOT_FETCHED = 77
OUTPUT = REPOSITORY / "build" / "matrix"
BINDIR = "/usr/lib/postgresql/{}/bin"
# What of a checkout the server's side is built from and tested with.
SOURCES = ("Makefile", "plugin", "sql", "regress/schedule", "regress/sql", "regress/isolation_schedule", "regress/specs",
           "regress/expected", "tools/dev")
# The tests of regress/t that need only a server, and could find another answer on another version. First what is decoded,
# then how the command gets along with the server.
SHORT = ("test_same_as_test_decoding.py", "test_tokens.py", "test_no_leak.py", "test_generated_columns.py")
DECODING = SHORT + ("test_differential.py", "test_bad_input.py", "test_encodings.py", "test_filtered_work.py", "test_keys.py",
                    "test_labels_while_streaming.py", "test_labels_travel.py", "test_attack.py", "test_oracle.py",
                    "test_pg_recvlogical.py", "test_server_safety.py", "test_types.py")
FORWARDING = ("test_exactly_once.py::test_nothing_is_lost_twice_or_out_of_order", "test_doctor.py", "test_keeps_up.py",
              "test_in_progress.py", "test_lost_position.py", "test_messages.py")
SUITES = ("regress", "isolation", "decoding", "forwarding")


@dataclass
class Row:
    version: str
    suite: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0

    def verdict(self):
        if self.failed:
            return "FAILED"
        return "ok" if self.passed else "nothing to run"

    def cells(self):
        return (self.version, self.suite, self.passed, self.failed, self.skipped, f"{self.seconds:.0f}")


class Version:
    """One version: the root that its server has, a copy of the sources where both see it, and what was found."""

    def __init__(self, number, work, root):
        self.number, self.work, self.root = number, work, root
        self.bindir = BINDIR.format(number)
        self.logs = OUTPUT / str(number)
        shutil.rmtree(self.logs, ignore_errors=True)
        self.logs.mkdir(parents=True)
        self.sources = work / "sources"
        self.name = str(number)

    def inside(self, script):
        """The command line of a script that sees this version as its machine's own."""
        enter = ["chroot", self.root] if self.root else []
        script = f"cd {self.sources} && export LC_ALL=C.UTF-8 PG_CONFIG={self.bindir}/pg_config && {script}"
        return [*enter, "/bin/bash", "-c", script]

    def run(self, suite, command, environment=None):
        """Run a command line to its end: its exit status, what it printed and how long it took."""
        log, began = self.logs / f"{suite}.log", time.monotonic()
        with open(log, "wb") as output:
            done = subprocess.run(chroot.beside(self.root, command), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                  cwd=REPOSITORY, env={**os.environ, "TMPDIR": "/tmp", **(environment or {})})
        return done.returncode, log.read_text(encoding="utf-8", errors="replace"), time.monotonic() - began

    def row(self, suite, status, counts, seconds):
        passed, failed, skipped = counts
        # What ended badly without naming a test, or ran none, has failed.
        if not failed and (status != 0 or not passed):
            failed = 1
        return Row(self.name, suite, passed, failed, skipped, seconds)

    def build(self):
        copy_sources(self.sources)
        jobs = os.cpu_count()
        status, _, seconds = self.run("build", self.inside(f"make -j{jobs} all WERROR=1 && make install WERROR=1"))
        _, said, _ = self.run("version", self.inside(f"{self.bindir}/postgres --version"))
        self.name = (re.search(r"\d+(\.\d+|beta\d+|rc\d+|devel)", said) or [self.name])[0]
        return self.row("build", status, (int(status == 0), int(status != 0), 0), seconds)

    def regress(self):
        return self.compared("regress", "--sql")

    def isolation(self):
        return self.compared("isolation", "--isolation")

    def compared(self, suite, option):
        """A suite whose output is compared with what is expected."""
        status, said, seconds = self.run(suite, self.inside(f"tools/dev/regress.sh {option}"))
        with contextlib.suppress(FileNotFoundError):
            shutil.copytree(self.sources / "build" / "regress", self.logs / f"{suite}.results")
        return self.row(suite, status, (*tests_of(said), 0), seconds)

    def end_to_end(self, suite, files):
        environment = {"WAL2LAKE_SERVER_ROOT": str(self.root)} if self.root else {"PG_CONFIG": f"{self.bindir}/pg_config"}
        status, said, seconds = self.run(
            suite, [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--durations=10",
                           *(f"regress/t/{file}" for file in files)], environment)
        last = said.strip().rpartition("\n")[2]
        passed, failed, errors, skipped = (int((re.search(rf"(\d+) {word}", last) or (0, 0))[1])
                                           for word in ("passed", "failed", "errors?", "skipped"))
        return self.row(suite, status, (passed, failed + errors, skipped), seconds)


def tests_of(said):
    """How many passed and failed, by what pg_regress said; TAP from 16 on."""
    return (len(re.findall(r"^(?:test .* ok |ok \d+ )", said, re.M)),
            len(re.findall(r"^(?:test .* FAILED |not ok \d+ )", said, re.M)))


def copy_sources(folder):
    """What git knows of them, and what is new."""
    listed = subprocess.run(["git", "-c", f"safe.directory={REPOSITORY}", "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard", *SOURCES], cwd=REPOSITORY, check=True, capture_output=True).stdout
    for name in filter(None, os.fsdecode(listed).split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)


@contextlib.contextmanager
def work_folder(number):
    """A folder that this run alone uses. It is locked while in use, so that a later run knows what a killed one left."""
    for left in Path("/tmp").glob("wal2lake-matrix-*"):
        with contextlib.suppress(OSError), open(left / "lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(left)
    folder = Path(tempfile.mkdtemp(prefix=f"wal2lake-matrix-{number}-", dir="/tmp"))
    folder.chmod(0o755)
    with open(folder / "new", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / "new").rename(folder / "lock")
        try:
            yield folder
        finally:
            remove(folder)


def remove(folder):
    """Never into what is mounted, though nothing is: the mounts were another namespace's."""
    subprocess.run(["rm", "-rf", "--one-file-system", folder], check=True)


def test(number, suites, short):
    """The rows of one version."""
    with work_folder(number) as work:
        root = None
        began = time.monotonic()
        if number != HOST:
            root = work / "root"
            chroot.unpack(number, root)
        version = Version(number, work, root)
        unpacked = time.monotonic() - began
        rows = [version.build()]
        rows[0].seconds += unpacked
        yield rows[0]
        if rows[0].failed:
            return
        if "regress" in suites:
            yield version.regress()
        if "isolation" in suites:
            yield version.isolation()
        if "decoding" in suites:
            yield version.end_to_end("decoding", SHORT if short else DECODING)
        if "forwarding" in suites:
            yield version.end_to_end("forwarding", FORWARDING)


def table(rows):
    lines = [("version", "suite", "passed", "failed", "skipped", "seconds"), *(row.cells() for row in rows)]
    widths = [max(len(str(line[i])) for line in lines) for i in range(6)]
    return "\n".join(" | ".join(str(cell).ljust(width) if i < 2 else str(cell).rjust(width)
                                for i, (cell, width) in enumerate(zip(line, widths))) for line in lines)


def as_root():
    """Start again as root where we are not: only root can mount and change the root. What is built goes back to the caller."""
    if shutil.which("sudo") is None:
        sys.exit("matrix.py: only root can mount and change the root of a process; run it as root, or install sudo")
    cache = server_cache.cache_folder()
    (cache / "servers").mkdir(parents=True, exist_ok=True)
    os.execvp("sudo", ["sudo", "env", f"WAL2LAKE_CACHE={cache}", sys.executable, *sys.argv])


def give_back():
    if os.environ.get("SUDO_UID"):
        owner = f"{os.environ['SUDO_UID']}:{os.environ['SUDO_GID']}"
        subprocess.run(["chown", "-R", owner, REPOSITORY / "build", server_cache.cache_folder() / "servers"], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", action="append", choices=SUITES)
    parser.add_argument("versions", type=int, nargs="*", metavar="VERSION", default=[HOST, *chroot.SUITES])
    arguments = parser.parse_args()
    for number in arguments.versions:
        if number != HOST and number not in chroot.SUITES:
            parser.error(f"{number} is none of {HOST}, {', '.join(map(str, chroot.SUITES))}")
    suites = arguments.only or (("regress", "isolation", "decoding") if arguments.short else SUITES)
    if os.geteuid() != 0:
        as_root()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows = []
    try:
        for number in arguments.versions:
            for row in test(number, suites, arguments.short):
                rows.append(row)
                print(f"{row.version} {row.suite}: {row.verdict()}", flush=True)
    except CannotBuild as error:
        print(f"matrix.py: {error}", file=sys.stderr)
        if isinstance(error, CannotFetch):
            print("SKIPPED: the newer server cannot be fetched: the mirror of apt does not give it")
        return NOT_FETCHED if isinstance(error, CannotFetch) else 1
    finally:
        give_back()
    print(f"\n{table(rows)}")
    if any(row.failed for row in rows):
        print(f"the logs are in {OUTPUT.relative_to(REPOSITORY)}")
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
