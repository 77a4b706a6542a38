"""Servers that no Debian package has, built once for all checkouts and kept in the user's cache (WAL2LAKE_CACHE, or
XDG_CACHE_HOME/wal2lake). Two tests that want the same one at the same time build it once."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path


class CannotBuild(Exception):
    """The tool is missing or failed; the text has the end of what it said."""


def cache_folder():
    given = os.environ.get("WAL2LAKE_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wal2lake"


def cached(name, version, build, *, folder=None):
    """The folder of a server, built by build(empty folder) where it is not there. It appears whole or not at all."""
    servers = (folder or cache_folder()) / "servers"
    made = servers / f"{name}-{version}"
    if made.is_dir():
        return made
    servers.mkdir(parents=True, exist_ok=True)
    with open(servers / f".{name}-{version}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.is_dir():
            with temporary(servers, made.name) as work:
                build(work)
                work.rename(made)
    return made


@contextlib.contextmanager
def temporary(parent, name):
    work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
    work.chmod(0o755)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def run(command, what, needs, *, env=None, cwd=None, timeout=1500):
    """One step of a build; `needs` says what must be installed or reachable for it."""
    if shutil.which(command[0]) is None:
        raise CannotBuild(f"{what} cannot be built without {command[0]}: {needs}")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=timeout, cwd=cwd, env={**os.environ, **(env or {})})
    if done.returncode != 0:
        raise CannotBuild(f"{what} cannot be built ({needs}):\n{done.stdout[-3000:]}")


def go_program(module, command, version):
    """The program that `go install` makes of a command of a module, at that version."""
    def build(folder):
        run(["go", "install", f"{module}/{command}@{version}"], command.rpartition("/")[2],
            "it needs Go 1.26 or newer, and a module proxy that can be reached",
            env={"GOBIN": str(folder), "CGO_ENABLED": "0", "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -p=2".strip()})
    name = command.rpartition("/")[2]
    return cached(name, version, build) / name


def node_package(package, version):
    """The folder in which `npm install` put a package, and what it depends on, at that version."""
    def build(folder):
        run(["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error",
             f"{package}@{version}"], package,
            "it needs Node and npm, and a package registry that can be reached", cwd=folder)
    return cached(package, version, build)
