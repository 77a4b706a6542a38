"""Fixtures of the end-to-end tests. Run them with /usr/bin/python3 -m pytest regress/t."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness.cluster import Cluster  # noqa: E402
from harness.database import Database  # noqa: E402


NOTES = []


@pytest.fixture
def note(request):
    """Say something that belongs into the report also where the test passes."""
    def add(text):
        print(text)
        NOTES.append(f"{request.node.name}: {text}")
    return add


def pytest_terminal_summary(terminalreporter):
    if NOTES:
        terminalreporter.section("notes")
        for text in NOTES:
            terminalreporter.write_line(text)


@pytest.fixture
def seed():
    """A random seed, printed so that a failure can be repeated with WAL2LAKE_SEED."""
    number = int(os.environ.get("WAL2LAKE_SEED") or random.SystemRandom().randrange(2**31))
    print(f"seed {number} (repeat with WAL2LAKE_SEED={number})")
    return number


@pytest.fixture(scope="session")
def server():
    """One server for the tests that change nothing about it. Its log is as talkative as a careful operator's."""
    settings = {"log_min_messages": "debug1", "max_replication_slots": 20, "max_prepared_transactions": 5}
    with Cluster(settings, name="shared") as cluster:
        yield cluster


@pytest.fixture
def database(server, request):
    """A database of the test's own with the extension; its slots are gone afterwards."""
    with Database(server, request.node.name) as made:
        yield made


class SmallDisk:
    """A file system of 1 MiB."""

    def __init__(self, folder):
        self.folder = folder

    def fill(self):
        """Leave no room on it. The file to remove to make some again."""
        ballast = self.folder / "ballast"
        descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT)
        try:
            with pytest.raises(OSError, match="No space left"):
                while os.write(descriptor, bytes(4096)):
                    pass
        finally:
            os.close(descriptor)
        return ballast


@pytest.fixture
def small_disk(tmp_path):
    """A small file system of the test's own."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=True)
    yield SmallDisk(folder)
    subprocess.run(["umount", "-l", folder], check=True)
