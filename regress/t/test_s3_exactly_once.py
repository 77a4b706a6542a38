"""Nothing lost, nothing twice, order kept, with the lake in a bucket of a real S3 server: the kill loop of test_exactly_once.py.

The failpoints are those that a store without files passes. Two mutants of the command fail in the same loop.
"""

import pytest

from harness import forwarder
from harness.cluster import Cluster
from harness.exactly_once import KILLS_OF_AN_OPEN_SEGMENT, LONG, scenarios
from harness.lake_place import Bucket
from harness.object_store import RealS3

KILLS, RESTARTS, VISITS = (100, 20, 4) if LONG else (10, 2, 1)
# Between the steps by which the file store makes an object.
OF_FILES = {"temp.opened", "put.temp_written", "put.linked", "put.temp_removed", "put.synced", "head.temp_written"}


@pytest.fixture(scope="module")
def real():
    with RealS3() as server:
        yield server


@pytest.fixture(scope="module")
def cluster():
    """A server of its own: the scenario crashes it. What is larger than a segment of the test is sent in progress."""
    with Cluster({"checkpoint_timeout": "1h", "logical_decoding_work_mem": "64kB"}, name="s3-exactly-once") as running:
        yield running


@pytest.fixture
def scenario(cluster, real, tmp_path, seed, note):
    with scenarios(cluster, tmp_path, seed, note, lambda name, folder: Bucket(real, folder / "copies", name)) as make:
        yield make


def test_nothing_is_lost_twice_or_out_of_order_in_a_bucket(scenario):
    places = [place for place in forwarder.places() if place not in OF_FILES]
    assert OF_FILES < set(forwarder.places()) and len(places) > 15
    run = scenario("real")
    assert run.run(KILLS, RESTARTS, places * VISITS) == []
    assert run.visited == set(places), "failpoints that exist and were not reached"
    assert run.killed["at a random moment"] == KILLS and run.killed["servers"] == RESTARTS
    assert run.killed["with an open segment"] >= KILLS_OF_AN_OPEN_SEGMENT
    # How many is chance: the places of a put, each visited, are not told from the log where a segment is idle.
    assert run.killed["with a segment on its way"] > 0


@pytest.mark.parametrize("bug", ["ack_before_put", "exists_is_success"])
def test_a_mutant_fails(scenario, note, bug):
    """One has told the server to forget what the bucket does not have; the other takes the twin's object for its own."""
    found = scenario(bug, forwarder.mutant(bug), max_age="400ms", large_every=None).run(2, 0)
    note(f"it failed with: {found[0] if found else 'nothing'}")
    assert any(word in sentence for sentence in found
               for word in ("gap:", "missing", "does not continue", "is lost", "twice", "SHA-256", "which is not there")), found
