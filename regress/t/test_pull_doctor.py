"""`wal2lake doctor` of a source that is pulled: what it finds, does as it prints, and does not ask for."""

import shutil
import tempfile
from pathlib import Path

import pytest

from harness.cluster import Cluster
from harness.database import Database
from harness.patient import Patient

# Of the codes of doctor, those that are provoked here.
PULL_CODES = {"pull-functions-missing", "role-replicates"}


@pytest.fixture(scope="module")
def patient():
    folder = Path(tempfile.mkdtemp(prefix="wal2lake-pull-", dir="/tmp"))
    folder.chmod(0o755)
    with Cluster(name="pull-doctor") as cluster, Database(cluster, "pull") as database, Patient(database, folder) as made:
        cluster.query(f"ALTER ROLE {made.role} NOREPLICATION")
        made.change(mode="pull")
        yield made
    shutil.rmtree(folder)


def test_from_nothing_to_sound_by_what_is_printed(patient):
    """Slot, then functions; and REPLICATION is never asked for."""
    assert "slot create" not in str(patient.cure("slot-missing"))
    finding = patient.cure("pull-functions-missing")
    assert "do not exist" in finding["finding"]
    patient.slot_create()
    errors = [finding for finding in patient.doctor() if finding["severity"] == "error"]
    assert errors == []
    assert patient.find("role-not-replication") is None and patient.find("stage-not-writable") is None


def test_functions_of_another_role(patient):
    patient.sql(f"REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA wal2lake_pull_{patient.slot} FROM {patient.role}")
    assert "may not call" in patient.cure("pull-functions-missing")["finding"]


def test_replication_all_the_same(patient):
    patient.sql(f"ALTER ROLE {patient.role} REPLICATION")
    patient.cure("role-replicates")


def test_decoding_that_does_not_start_is_said(patient):
    """It is tried by the function, with what the role's own session may load."""
    if not patient.cluster.knows("output_plugin_libraries"):
        pytest.skip("this minor version has no allow-list")
    patient.sql(f"ALTER ROLE {patient.role} SET output_plugin_libraries = test_decoding")
    assert patient.cure("allow-list-missing")
