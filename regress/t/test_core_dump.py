"""A forwarder that crashes leaves no core: its memory holds values in clear and credentials.

The limit and the attribute of the process are looked at one by one: a limit of 0 does not stop a core_pattern that is
a program.
"""

import os
import pwd
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import forwarder
from harness.cluster import wait_until


def raise_limit():
    """As on a host where somebody hunts another crash."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if os.geteuid() == 0:
        hard = resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def start(arguments, folder):
    return subprocess.Popen(arguments, cwd=folder, preexec_fn=raise_limit, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            env=forwarder.clean_environment())


def crash(process):
    """Whether the kernel says that it has dumped core."""
    process.send_signal(signal.SIGSEGV)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -signal.SIGSEGV
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSEGV, status
    return os.WCOREDUMP(status)


@pytest.fixture
def run(tmp_path):
    """A run whose server is down, which it waits for."""
    config = forwarder.write_config(tmp_path / "w.toml", tmp_path / "lake", f"host={tmp_path} dbname=none user=none")
    process = start([forwarder.binary(), "run", "-c", config], tmp_path)
    wait_until(lambda: core_limit(process) == ["0", "0"], 10, "a limit of 0 for cores")
    time.sleep(0.5)
    assert process.poll() is None, "it ended by itself"
    yield process
    if process.returncode is None:
        process.kill()
        process.wait()


def core_limit(process):
    """Soft and hard."""
    lines = Path(f"/proc/{process.pid}/limits").read_text(encoding="ascii").splitlines()
    return next(line for line in lines if line.startswith("Max core file size")).split()[4:6]


def cores(folder):
    return [path.name for path in folder.iterdir() if "core" in path.name]


@pytest.fixture
def hunted(tmp_path):
    """Only where others leave a core is it worth something that we do not."""
    other = tmp_path / "other"
    other.mkdir()
    process = start([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], other)
    time.sleep(0.5)
    if not crash(process):
        pytest.skip("nothing dumps core on this host")


def test_a_crash_leaves_no_core(hunted, run, tmp_path):
    assert not crash(run)
    assert cores(tmp_path) == []


def owner_of_memory(arguments, **more):
    """Root where the process is not dumpable, and its own user otherwise."""
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               cwd="/", env=forwarder.clean_environment(), **more)
    time.sleep(0.5)
    owner = os.stat(f"/proc/{process.pid}/mem").st_uid
    assert process.poll() is None, "it ended by itself"
    process.communicate()
    return owner


def test_memory_and_environment_are_root_s():
    user = os.geteuid() or pwd.getpwnam("nobody").pw_uid
    # By its descriptor, since another user may not reach where it lies.
    descriptor = os.open(forwarder.binary(), os.O_RDONLY)
    more = {"user": user, "pass_fds": [descriptor]}
    assert owner_of_memory(["/bin/cat"], **more) == user
    assert owner_of_memory([f"/proc/self/fd/{descriptor}", "cat", "-"], **more) == 0
    os.close(descriptor)
