"""The commands of the README work as printed.

A block of shell is run when the line above its fence is `<!-- tested -->`; one under
`<!-- tested background -->` is started and must still be running in the end. Blocks run in order, from the
top of the repository, against a throwaway server that has nothing of ours configured. `sudo`, `useradd` and
`systemctl` are stood in for, the command is installed into a temporary folder, and files under /etc and
/var/lib go there too: the commands are tested, the machine is left alone, but for the plugin that every test
installs.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from harness.cluster import Cluster

REPOSITORY = Path(__file__).resolve().parents[2]
README = REPOSITORY / "README.md"
BLOCK = re.compile(r"^<!-- tested( background)? -->\n```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LEAST = 4

SUDO = """#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in
    -u) shift 2 ;;
    -*) shift ;;
    *) break ;;
    esac
done
exec "$@"
"""
SYSTEMCTL = """#!/bin/sh
# Asks the test to restart or reload the throwaway server, and waits until it has.
echo "$*" > "$STAND_IN/request.tmp" && mv "$STAND_IN/request.tmp" "$STAND_IN/request"
while [ -e "$STAND_IN/request" ]; do sleep 0.1; done
"""

# The user of the README is us; what matters of it is its home, the lake.
USERADD = """#!/bin/sh
while [ $# -gt 1 ]; do
    [ "$1" != --home-dir ] || mkdir -p "$2"
    shift
done
"""


def blocks():
    """(in the background?, commands) in the order of the page."""
    return [(bool(background), commands) for background, commands in BLOCK.findall(README.read_text())]


class Machine:
    """The machine that the commands believe to be on."""

    def __init__(self, cluster, folder):
        self.cluster, self.folder = cluster, folder
        self.done = threading.Event()
        self.background = []
        tools = folder / "bin"
        for directory in (tools, folder / "etc", folder / "var" / "lib"):
            directory.mkdir(parents=True)
        for name, text in (("sudo", SUDO), ("systemctl", SYSTEMCTL), ("useradd", USERADD)):
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PG", "WAL2LAKE"))},
            "PATH": f"{tools}:{os.environ['PATH']}", "PREFIX": str(folder), "STAND_IN": str(folder), "PGHOST": str(cluster.sockets),
            "PGPORT": str(cluster.port), "PGUSER": "postgres", "PGDATABASE": "postgres"}
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        """Restarts the server when `systemctl` asks for it."""
        request = self.folder / "request"
        while not self.done.wait(0.1):
            if request.exists():
                if "restart" in request.read_text():
                    self.cluster.restart()
                else:
                    self.cluster.query("SELECT pg_reload_conf()")
                request.unlink()

    def run(self, commands, background):
        commands = commands.replace("-o postgres", f"-o {self.cluster.user.pw_name}")
        text = re.sub(r"(?<![\w/.])/(etc|var/lib)/(?=wal2lake|postgresql)", f"{self.folder}/\\1/", commands)
        shell = ["sh", "-eu", "-c", text]
        if background:
            self.background.append((commands, subprocess.Popen(
                shell, cwd=REPOSITORY, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)))
            return ""
        done = subprocess.run(shell, cwd=REPOSITORY, env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
        print(f"$ {commands}{done.stdout.decode()}")
        assert done.returncode == 0, f"exit code {done.returncode} of:\n{commands}\n{done.stdout.decode()[-3000:]}"
        return done.stdout.decode()

    def finish(self):
        """What runs in the background must not have ended by itself."""
        ended = [commands for commands, process in self.background if process.poll() is not None]
        for _, process in self.background:
            if process.poll() is None:
                os.killpg(process.pid, 15)
                process.wait(30)
        self.done.set()
        return ended


@pytest.fixture
def machine():
    if os.geteuid() != 0:
        pytest.skip("only root can install the plugin and give the key file to the server's user")
    # Not pytest's own folder: the server's user must be able to reach the key file.
    folder = Path(tempfile.mkdtemp(prefix="wal2lake-readme-"))
    folder.chmod(0o755)
    with Cluster(preload=False, name="readme") as cluster:
        made = Machine(cluster, folder)
        yield made
        made.finish()
    shutil.rmtree(folder)


def test_the_commands_of_the_readme(machine):
    found = blocks()
    assert len(found) >= LEAST, f"README.md has {len(found)} blocks of shell marked as tested, not {LEAST} or more"
    for background, commands in found:
        printed = machine.run(commands, background)
    assert machine.finish() == []
    # The last block shows the row that it inserted, as labelled.
    rows = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert [(row["op"], row["table"]) for row in rows] == [("INSERT", "public.users")]
    new = rows[0]["new"]
    assert new["id"] == 1 and len(new["email"]["token"]) == 32
    assert new["bio"] == new["note"] == {"withheld": True}
