#!/usr/bin/python3
"""Newer PostgreSQL for the tests: a root of the Debian release that has it, made once and kept.

    tools/dev/chroot.py 18                     makes the archive where it is not there, prints its path
    tools/dev/chroot.py 18 FOLDER [COMMAND]    unpacks it to a new FOLDER; with a command, runs that beside it

The archives are in the cache of server_cache.py, one for each version. The mirror and how it is asked are those of
this machine's own apt. Being root is needed to make, to unpack and to use one.

A command is run *beside* a root, not in it: it sees this machine, and in mount, process and IPC namespaces of its own
FOLDER has /proc, /dev and this machine's /tmp. So `chroot FOLDER postgres ...` is a server of that release with its
socket where everybody finds it, while tests and forwarder are those of this machine: they are what we ship, libpq
talks to any server, and the archive needs nothing of what they are built with. Nothing is mounted for anybody else,
and nothing outlives the command: the kernel ends its processes, and undoes the mounts, with the namespaces.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "regress" / "t"))

from harness import server_cache  # noqa: E402
from harness.server_cache import CannotBuild  # noqa: E402


class CannotFetch(CannotBuild):
    """The mirror does not answer, or does not have the release."""


# What apt says then, as opposed to what fails on this machine.
NOT_FETCHED = re.compile(r"Failed to fetch|Could not resolve|Unable to connect|does not have a Release file")
SUITES = {17: "trixie", 18: "forky"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Grows when what is in an archive changes. Each month has its own, for the minor releases.
RECIPE = 1
# What nobody reads there. Bitcode is not made, so neither clang nor what only it loads is used: two fifths of the size.
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/lib/llvm-*/*", "/usr/lib/*/libclang*")
ARCHIVE = "root.tar.zst"
NEEDS = "it needs mmdebstrap, zstd (make deps), root, and a mirror of Debian in the sources of apt"


def apt_answers(*arguments):
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout.splitlines()


def mirror():
    """Where this machine's own packages come from."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines() if "=" in line)
    codename = release.get("VERSION_CODENAME", "").strip('"')
    sites = apt_answers("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages", f"Codename: {codename}",
                        "Component: main")
    # Without lists apt does not know the codename; then the release is what the sources call it.
    sites += apt_answers("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages", f"Release: {codename}",
                         "Component: main")
    if not sites:
        raise CannotBuild(f"apt has no source of {codename} main: {NEEDS}")
    return sites[0]


def apt_options():
    """Proxies, and how strict this machine is with dates: what keeps its mirror reachable."""
    wanted = ("Acquire::Check-Valid-Until", "Acquire::Check-Date", "Acquire::Retries")
    return [line for line in apt_answers("apt-config", "dump")
            if line.startswith(wanted) or (line.startswith("Acquire::") and "::Proxy" in line.split()[0])]


def packages(version):
    return [f"postgresql-{version}", f"postgresql-server-dev-{version}", "g++", "make", "libprotozero-dev", "libssl-dev",
            "libxxhash-dev"]


def archive(version):
    """The archive of a root with that PostgreSQL, made where this month has none yet."""
    name, month = f"postgresql-{version}-{SUITES[version]}", time.strftime("%Y%m", time.gmtime())
    older = sorted((server_cache.cache_folder() / "servers").glob(f"{name}-*"))
    try:
        made = server_cache.cached(name, f"{RECIPE}-{month}", lambda folder: make(version, folder))
    except CannotBuild as error:
        usable = [folder for folder in older if folder.name.startswith(f"{name}-{RECIPE}-")]
        if not usable:
            raise
        print(f"chroot.py: taking {usable[-1].name}, since there can be no newer one: {error}", file=sys.stderr)
        return usable[-1] / ARCHIVE
    for folder in older:
        if folder != made:
            shutil.rmtree(folder, ignore_errors=True)
    return made / ARCHIVE


def make(version, folder):
    suite, what = SUITES[version], f"a root with PostgreSQL {version}"
    options = [f"--aptopt={line}" for line in ['Apt::Install-Recommends "false"', *apt_options()]]
    options += ["--dpkgopt=force-unsafe-io", *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT)]
    command = ["mmdebstrap", "--variant=minbase", "--mode=root", f"--include={','.join(packages(version))}", *options, suite,
                      str(folder / "root.tar"), f"deb [signed-by={KEYRING}] {mirror()} {suite} main"]
    try:
        server_cache.run(command, what, NEEDS, env={"LC_ALL": "C.UTF-8"})
    except CannotBuild as error:
        raise CannotFetch(str(error)) if NOT_FETCHED.search(str(error)) else error
    server_cache.run(["zstd", "-q", "--rm", "-3", "-T0", str(folder / "root.tar"), "-o", str(folder / ARCHIVE)], what, NEEDS)


def unpack(version, folder):
    """A root of one's own. The users are this machine's, so that a server owns the files that its caller gave it."""
    folder.mkdir(parents=True)
    server_cache.run(["tar", "-C", str(folder), "-I", "zstd", "-xpf", str(archive(version))], str(folder), NEEDS)
    for name in ("passwd", "group"):
        shutil.copy(Path("/etc") / name, folder / "etc" / name)


# The first process of its namespace: everything else dies with it, and it reaps what others leave.
BESIDE = """
root=$1
shift
mount -t tmpfs tmpfs /dev/shm || exit
if [ -n "$root" ]; then
    mount --bind /tmp "$root/tmp" && mount --rbind /proc "$root/proc" && mount --rbind /dev "$root/dev" || exit
fi
"$@"
exit $?
"""


def beside(folder, command):
    """
    The command line that runs a command beside a root, or beside none. It dies with whoever starts it, even by SIGKILL.
    """
    return ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child=KILL", "--mount-proc",
            "/bin/bash", "-c", BESIDE, "beside", str(folder or ""), *map(str, command)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version", type=int, choices=sorted(SUITES))
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    try:
        if os.geteuid() != 0:
            raise CannotBuild("only root can change the root of a process")
        if arguments.folder is None:
            print(archive(arguments.version))
            return 0
        unpack(arguments.version, arguments.folder.resolve())
    except CannotBuild as error:
        print(f"chroot.py: {error}", file=sys.stderr)
        return 1
    if not arguments.command:
        return 0
    return subprocess.run(beside(arguments.folder.resolve(), arguments.command)).returncode


if __name__ == "__main__":
    sys.exit(main())
