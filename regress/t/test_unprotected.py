"""The search for leaks proves itself: each protection of the plugin is taken away, one at a time, and the search finds what it
held back, in the bytes of the very traffic in which it finds nothing otherwise.

The switches are in a copy of the sources (harness/unprotected.py). The traffic is written once, and decoded without each.
"""

import tempfile
from pathlib import Path

import pytest

from harness.cluster import Cluster, server_root
from harness.database import Database
from harness.leaky import Leaky
from harness.unprotected import NO_KEY, PROTECTIONS, WITHOUT_KEY, Unprotected


@pytest.fixture(scope="module")
def naked():
    """A server with the libraries that have switches, and a backlog of things that must not leave."""
    if server_root():
        pytest.skip("the libraries are built for this machine's own server")
    # The server's user can read neither the checkout nor pytest's folders.
    with tempfile.TemporaryDirectory(prefix="wal2lake-unprotected-", dir="/tmp") as folder:
        libraries = Unprotected(Path(folder))
        settings = {"dynamic_library_path": f"{folder}:$libdir", "max_prepared_transactions": 5}
        with Cluster(settings, name="naked") as cluster, Database(cluster, "leaky") as database:
            made = Leaky(database, 20261126).build()
            made.libraries, made.slot = libraries, database.plugin_slot()
            made.traffic()
            made.backlog()
            yield made


def found(leaky, protection=""):
    """Where what is found was planted, when the protection is away."""
    leaky.libraries.switch_off(protection)
    try:
        leaky.attempts()
        seen = leaky.look()
    finally:
        leaky.libraries.switch_off("")
        leaky.undo_attempts()
    return {hit.where for hit in leaky.canaries.find_red(b"\n".join(seen.values()))}


def test_the_libraries_with_switches_are_in_use(naked):
    """And hold everything back while all switches are on: else the others would find what they look for whatever is away."""
    assert found(naked) == set()
    assert found(naked, PROTECTIONS[0].name) != set()


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda each: each.name.replace(" ", "_"))
def test_what_a_protection_holds_back_is_found_without_it(naked, protection):
    leaks = found(naked, protection.name)
    assert protection.leaks <= leaks, f"not found: {sorted(protection.leaks - leaks)}"


def test_what_is_to_be_hashed_stops_without_a_key(naked):
    """It is an error that says so; and without that protection, a leak."""
    cluster = naked.database.cluster
    cluster.query("ALTER SYSTEM SET wal2lake.key_file = ''")
    cluster.reload()
    try:
        assert b"there is no key" in naked.look()["error"] and found(naked) == set()
        assert WITHOUT_KEY[0].leaks <= found(naked, NO_KEY)
    finally:
        cluster.query("ALTER SYSTEM RESET wal2lake.key_file")
        cluster.reload()


def test_nothing_is_found_afterwards(naked):
    """With all of them on again, in what was written without them too: so each was found for want of its protection."""
    assert found(naked) == set()
