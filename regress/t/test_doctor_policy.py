"""`wal2lake doctor` relays what wal2lake.check() says, to who may ask it; and the findings of check() that need a server of their
own: keys that are missing or spoilt, lists of plugins."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness.cluster import Cluster, random_key
from harness.database import Database
from harness.forwarder import binary, clean_environment, command
from harness.patient import Patient

# What the cases below provoke (test_doctor_codes.py).
CODES = {"policy-error", "policy-warning", "policy-info", "policy-not-reviewed"}
ADMIN = ("--admin-conninfo", "user=postgres")
KEYS = f"k2026 {random_key()}\n"


@pytest.fixture(scope="module")
def reviewed():
    folder = Path(tempfile.mkdtemp(prefix="wal2lake-policy-", dir="/tmp"))
    folder.chmod(0o755)
    with Cluster(name="policy", keys=KEYS, settings={"wal2lake.admin_role": "labels"}) as cluster:
        cluster.query("CREATE ROLE labels")
        with Database(cluster, "policy") as database:
            yield database, folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def patient(reviewed):
    with Patient(*reviewed) as made:
        yield made
        made.cluster.write_keys(KEYS)


def relayed(findings):
    """What doctor passes on, as check() has it: severity, code, object, finding, fix."""
    rows = []
    for found in findings:
        if found["code"] in CODES - {"policy-not-reviewed"}:
            code, name = found["object"].split(" ", 1)
            rows.append((found["code"].removeprefix("policy-"), code, name, found["finding"],
                         "".join(fix["text"] for fix in found["fix"])))
            assert all((fix["kind"] == "sql") == fix["text"].endswith(";") for fix in found["fix"]), found
    return rows


def check(patient, user="postgres"):
    return patient.cluster.query("SELECT * FROM wal2lake.check()", dbname=patient.name, user=user)


def codes(rows):
    return {row[1] for row in rows}


def test_a_forwarder_is_told_how_to_have_it_reviewed(patient):
    finding = patient.find("policy-not-reviewed")
    assert finding["severity"] == "info" and patient.role in finding["finding"] and relayed(patient.doctor()) == []
    assert [fix["kind"] for fix in finding["fix"]] == ["shell"]
    environment = {**clean_environment(), "PATH": f"{binary().parent}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", finding["fix"][0]["text"]], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                          cwd="/", timeout=60)
    text = done.stdout.decode()
    assert "policy-not-reviewed" not in text and "key k2026" in text and "policy-info" in text, done
    assert done.returncode in (1, 2) and done.stderr == b""


def test_all_of_it_is_relayed_and_mended(patient):
    """Each row as check() has it, in the exit code too; and what is printed mends it."""
    patient.sql(f"CREATE ROLE reader_{patient.role} IN ROLE pg_read_server_files",
                "ALTER TABLE people ADD shout text GENERATED ALWAYS AS (upper(email)) STORED",
                "SECURITY LABEL FOR wal2lake ON COLUMN people.shout IS 'green'")
    found = patient.doctor(*ADMIN)
    assert sorted(relayed(found)) == sorted(check(patient))
    assert {each["code"] for each in found} >= CODES - {"policy-not-reviewed"}
    assert {"reads-key-file", "generated-copy", "reads-everything", "key"} <= codes(relayed(found))
    for each in found:
        if each["code"] == "policy-error":
            patient.apply(each["fix"][0], each, None)
    after = patient.doctor(*ADMIN)
    assert "policy-error" not in {each["code"] for each in after} and sorted(relayed(after)) == sorted(check(patient))
    plain = command("doctor", "-c", patient.config, *ADMIN).stdout.decode()
    assert f"policy-warning            cell1.main: reads-everything role {patient.role}\n" in plain


def test_who_may_ask_needs_no_other(patient):
    """Not that it is advised: a forwarder that is an admin could loosen labels."""
    patient.sql(f"GRANT labels TO {patient.role}")
    assert patient.find("policy-not-reviewed"), "it is not granted to the role of the admin by itself"
    patient.sql(f"GRANT EXECUTE ON FUNCTION wal2lake.check() TO {patient.role}")
    found = patient.doctor()
    assert sorted(relayed(found)) == sorted(check(patient)) != []
    assert "policy-not-reviewed" not in {each["code"] for each in found}


def test_an_admin_who_may_not_ask(patient):
    admin = f"admin_{patient.role}"
    patient.sql(f"CREATE ROLE {admin} LOGIN")
    as_admin = ("--admin-conninfo", f"user={admin}")
    def refusal():
        return next(each for each in patient.doctor(*as_admin) if each["code"] == "not-checked")
    assert admin in refusal()["finding"] and refusal()["fix"][0]["kind"] == "advice" and "admin_role" in refusal()["fix"][0]["text"]
    patient.sql(f"GRANT labels TO {admin}")
    finding = refusal()
    assert finding["object"] == "wal2lake.check()" and finding["fix"][0]["kind"] == "sql"
    patient.apply(finding["fix"][0], finding, None)
    found = patient.doctor(*as_admin)
    assert "not-checked" not in {each["code"] for each in found}
    assert sorted(relayed(found)) == sorted(check(patient, admin))


@pytest.mark.parametrize("conninfo, words", [
    ("user=postgres dbname=postgres", "leads to database \"postgres\""), ("user=nobody_here", "does not exist"),
    ("host=/nowhere user=postgres", "No such file"), ("no connection string", "cannot be read")])
def test_an_admin_who_is_not_there(patient, conninfo, words):
    """What was asked for and could not be done is a warning, never silence."""
    found = patient.doctor("--admin-conninfo", conninfo)
    refused = [each for each in found if each["code"] == "not-checked"]
    assert len(refused) == 1 and words in refused[0]["finding"], refused
    assert relayed(found) == []


def test_the_environment_names_the_admin_too(patient):
    assert relayed(patient.doctor(env={"WAL2LAKE_ADMIN_CONNINFO": "user=postgres"})) != []
    # The option comes first.
    found = patient.doctor("--admin-conninfo", "user=nobody_here", env={"WAL2LAKE_ADMIN_CONNINFO": "user=postgres"})
    assert relayed(found) == [] and "not-checked" in {each["code"] for each in found}


def test_a_password_is_not_for_the_command_line(patient):
    done = command("doctor", "-c", patient.config, "--admin-conninfo", "user=postgres password=opensesame")
    assert done.returncode == 2 and b"holds a password" in done.stdout and b"opensesame" not in done.stdout + done.stderr
    done = command("doctor", "-c", patient.config, env={"WAL2LAKE_ADMIN_CONNINFO": "user=postgres password=opensesame"})
    assert b"reads-everything" in done.stdout and b"opensesame" not in done.stdout + done.stderr


def test_each_source_is_asked_in_its_own_database(patient):
    with Database(patient.cluster, "second") as second:
        patient.sources.append({"id": "cell2.main", "slot": "second",
                                "conninfo": f"postgresql:///{second.name}?host={patient.cluster.sockets}&port={patient.cluster.port}"
                                            f"&user={patient.role}"})
        patient.write()
        named = {(each["source"], each["object"]) for each in patient.doctor(*ADMIN) if "key-not-named" in each["object"]}
    assert named == {("cell1.main", f"key-not-named database {patient.name}"), ("cell2.main", f"key-not-named database {second.name}")}


def test_without_the_extension_there_is_nothing_to_ask(patient):
    patient.sql("DROP EXTENSION wal2lake")
    found = {each["code"] for each in patient.doctor(*ADMIN)}
    assert "extension-missing" in found and not found & CODES and "not-checked" not in found


# ---- findings of check() for which a server must be spoilt ----

def test_no_key(patient):
    """Nothing to worry about where nothing is hashed."""
    patient.system("wal2lake.key_file", "")
    row, = [row for row in check(patient) if row[1] == "no-key"]
    assert row[0] == "info" and row[2] == "wal2lake.key_file" and row[4].endswith(".")
    patient.database.label("people", email="red hash")
    row, = [row for row in check(patient) if row[1] == "no-key"]
    assert row[0] == "error" and row in relayed(patient.doctor(*ADMIN))
    patient.cluster.query("ALTER SYSTEM RESET wal2lake.key_file")
    patient.cluster.reload()
    assert not codes(check(patient)) & {"no-key", "key-file-unfit"}


@pytest.mark.parametrize("spoil, words", [
    (lambda cluster: cluster.write_keys("nonsense\n"), "line 1"), (lambda cluster: cluster.write_keys(KEYS, 0o644), "0644"),
    (lambda cluster: cluster.key_file.unlink(), "No such file")], ids=["nonsense", "open", "gone"])
def test_a_key_file_that_is_unfit(patient, spoil, words):
    spoil(patient.cluster)
    row, = [row for row in check(patient) if row[1] == "key-file-unfit"]
    assert row[0] == "error" and words in row[3] and row[4].endswith("."), row
    assert row in relayed(patient.doctor(*ADMIN))
    assert not [other for other in check(patient) if other[1] in ("key", "no-key")]
    secret = KEYS.split()[1]
    assert secret not in row[3]
    patient.cluster.write_keys(KEYS)
    assert "key-file-unfit" not in codes(check(patient))


def test_two_keys_and_no_label(patient):
    """Which one made the tokens is not for us to guess."""
    patient.cluster.write_keys(KEYS + f"k2027 {random_key()}\n")
    row, = [row for row in check(patient) if row[1] == "key-not-named"]
    assert row[0] == "error" and row[4].endswith(".")


def test_who_may_make_roles(patient):
    """Before 16 that is a way to the server's files."""
    patient.sql(f"ALTER ROLE {patient.role} CREATEROLE")
    rows = [row for row in check(patient) if row[1] == "creates-roles"]
    if int(patient.cluster.value("SHOW server_version_num")) >= 160000:
        assert rows == []
        return
    # It is true.
    patient.database.execute(f"GRANT pg_execute_server_program TO {patient.role}", user=patient.role)
    assert f"role {patient.role}" in {row[2] for row in check(patient) if row[1] == "reads-key-file"}
    patient.sql(f"REVOKE pg_execute_server_program FROM {patient.role}", rows[0][4])
    assert len(rows) == 1 and "creates-roles" not in codes(check(patient))


def test_no_allow_list(patient):
    """Said of a server that has none, and of no other."""
    known = patient.cluster.knows("output_plugin_libraries")
    assert ("no-allow-list" in codes(check(patient))) == (not known)


def test_the_list_of_each_role(patient):
    """The one that counts is found: of the role here, of the role, of the database, of all; that of who asks is nobody else's."""
    if not patient.cluster.knows("output_plugin_libraries"):
        pytest.skip("the server has no allow-list")
    admin, role = f"asks_{patient.role}", patient.role
    def wide(user="postgres"):
        return [row for row in check(patient, user) if row[1] == "other-plugins-allowed" and row[2] == f"role {role}"]
    patient.sql(f"CREATE ROLE {admin} LOGIN IN ROLE labels", f"GRANT EXECUTE ON FUNCTION wal2lake.check() TO {admin}",
                f"ALTER ROLE {admin} SET output_plugin_libraries = wal2lake")
    assert wide() and wide() == wide(admin)
    patient.sql(f"ALTER DATABASE {patient.name} SET output_plugin_libraries = wal2lake")
    assert not wide()
    patient.sql(f"ALTER ROLE {role} SET output_plugin_libraries = test_decoding")
    assert "may load test_decoding" in wide()[0][3]
    patient.sql(wide()[0][4])
    assert not wide()
    patient.sql(f"ALTER ROLE {role} IN DATABASE postgres SET output_plugin_libraries = pgoutput")
    assert not wide()
    patient.sql(f"ALTER ROLE {role} IN DATABASE {patient.name} SET output_plugin_libraries = pgoutput")
    assert "may load pgoutput" in wide()[0][3]
    patient.sql(wide()[0][4])
    assert not wide()
    patient.sql(f"ALTER DATABASE {patient.name} RESET output_plugin_libraries")
