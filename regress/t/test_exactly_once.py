"""Nothing lost, nothing twice, order kept: whatever is killed, restarted or run twice.

One scenario under load: the forwarder is killed at random moments and at every failpoint, the server
crashes, and of two forwarders one was asleep while the other went on, also with a put on its way. Judged against the ledger table
and against test_decoding. Two mutants of the command, each without one safeguard, go through a short
form of it and must fail; otherwise it would prove nothing. Their server does not crash: it would forget
what was acknowledged last, and with that forgive them.
"""

import pytest

from harness import forwarder
from harness.cluster import Cluster
from harness.exactly_once import KILLS_OF_AN_OPEN_SEGMENT, LONG, scenarios
from harness.lake_place import Folder

KILLS, RESTARTS, VISITS = (200, 50, 4) if LONG else (20, 5, 1)


@pytest.fixture(scope="module")
def cluster():
    """A server of its own: the scenario crashes it. What is larger than a segment of the test is sent in progress."""
    with Cluster({"checkpoint_timeout": "1h", "logical_decoding_work_mem": "64kB"}, name="exactly-once") as running:
        yield running


@pytest.fixture
def scenario(cluster, tmp_path, seed, note):
    with scenarios(cluster, tmp_path, seed, note, lambda name, folder: Folder(folder / "lake")) as make:
        yield make


def test_nothing_is_lost_twice_or_out_of_order(scenario):
    """Killed at random moments and at every failpoint there is, while the server crashes too."""
    places = forwarder.places()
    assert len(places) > 20
    run = scenario("real")
    assert run.run(KILLS, RESTARTS, places * VISITS) == []
    assert run.visited == set(places), "failpoints that exist and were not reached"
    assert run.killed["at a random moment"] == KILLS and run.killed["servers"] == RESTARTS
    assert run.killed["with an open segment"] >= KILLS_OF_AN_OPEN_SEGMENT
    # How many is chance: the places of a put, each visited, are not told from the log where a segment is idle.
    assert run.killed["with a segment on its way"] > 0


def test_the_mutant_that_acknowledges_before_put_fails(scenario, note):
    """Killed between the two, it has told the server to forget what the lake does not have."""
    found = scenario("ack", forwarder.mutant("ack_before_put"), max_age="400ms", large_every=None).run(5, 0)
    note(f"it failed with: {found[0]}")
    assert any("gap:" in sentence or "is lost" in sentence for sentence in found), found


def test_the_mutant_that_renames_instead_of_linking_fails(scenario, note):
    """The one that slept overwrites what the other had put, and the chain breaks."""
    found = scenario("rename", forwarder.mutant("rename_for_link"), max_age="400ms", large_every=None).run(2, 0)
    assert found, "nothing was wrong"
    note(f"it failed with: {found[0]}")
    assert any(word in sentence for sentence in found
               for word in ("gap:", "missing", "SHA-256", "does not continue", "is lost", "twice")), found
