"""`wal2lake doctor`: every finding is provoked, its printed fix is carried out, and it goes."""

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness.cluster import Cluster, ordinary_user, wait_until
from harness.database import Database
from harness.forwarder import Forwarder, binary, clean_environment, command, wait_shipped, write_config
from harness.patient import Patient, Pooler, occupied_sender, odd_host

# Codes whose cases are cured before everything else, with one restart.
BARE = ["settings-hidden", "policy-not-preloaded", "wal-level", "slots-exhausted", "senders-exhausted"]
CASES = {}


def case(code, name=None):
    """Registers a function that provokes a finding and cures it."""
    def register(function):
        assert (name or code) not in CASES
        CASES[name or code] = (code, function)
        return function
    return register


@pytest.fixture(scope="module")
def short_folder():
    """Where other users can look too, and short enough for a socket."""
    path = Path(tempfile.mkdtemp(prefix="wal2lake-doctor-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def cured(short_folder):
    """A server that starts as Debian leaves it and is made fit by what doctor prints. With the codes that were cured."""
    settings = {"wal_level": "replica", "max_replication_slots": 1, "max_wal_senders": 1,
                "shared_preload_libraries": "pg_stat_statements"}
    with Cluster(settings, preload=False, name="doctor") as cluster:
        cluster.query("SELECT pg_create_physical_replication_slot('taken')")
        database = Database(cluster, "doctor")
        cluster.create_database(database.name)
        patient = Patient(database, short_folder)
        cluster.query(f"CREATE ROLE {patient.role} LOGIN REPLICATION")
        patient.lake.mkdir()
        patient.write()
        with occupied_sender(cluster):
            found = {finding["code"]: finding for finding in patient.doctor()}
            # Once without sight of the settings, once with it.
            assert "\\gexec" in found["policy-not-preloaded"]["fix"][0]["text"]
            patient.apply(found["policy-not-preloaded"]["fix"][0], None, None)
            libraries = (cluster.data / "postgresql.auto.conf").read_text(encoding="utf-8")
            assert "pg_stat_statements" in libraries and "wal2lake_policy" in libraries
            cluster.query("ALTER SYSTEM RESET shared_preload_libraries")
            patient.apply(found["settings-hidden"]["fix"][0], None, None)
            found.update({finding["code"]: finding for finding in patient.doctor()})
            assert "\\gexec" not in found["policy-not-preloaded"]["fix"][0]["text"]
            for code in BARE:
                for fix in found[code]["fix"]:
                    if fix["kind"] != "restart":
                        patient.apply(fix, found[code], None)
        for code in BARE[1:]:
            assert found[code]["fix"][-1]["kind"] == "restart"
        cluster.configure({"wal2lake.key_file": cluster.key_file})
        cluster.restart()
        assert cluster.value("SHOW shared_preload_libraries") == "pg_stat_statements, wal2lake_policy"
        left = {finding["code"] for finding in patient.doctor()}
        yield database, set(found) - left


@pytest.fixture
def patient(cured, short_folder):
    with Patient(cured[0], short_folder) as made:
        yield made


@pytest.fixture(scope="module")
def odd(short_folder):
    return odd_host(short_folder)


# ---- configuration ----

@case("config-invalid")
def twice(patient, **_):
    patient.sources.append(dict(patient.sources[0]))
    patient.write()
    def other_id():
        patient.sources[1]["id"] = "cell2.main"
        patient.write()
    finding = patient.cure("config-invalid", by_hand=other_id)
    assert finding["object"] == str(patient.config) and "cell1.main" in finding["finding"]


@case("config-invalid", "config-invalid: url")
def other_lake(patient, **_):
    text = patient.config.read_text(encoding="utf-8")
    patient.config.write_text(text.replace("file://", "ftp://"), encoding="utf-8")
    patient.cure("config-invalid", by_hand=patient.write)


@case("same-slot-twice")
def same_slot(patient, **_):
    patient.sources.append({**patient.sources[0], "id": "cell2.main"})
    patient.write()
    assert patient.cure("same-slot-twice")["source"] == "cell2.main"


# ---- connection ----

@case("cannot-connect")
def wrong_port(patient, **_):
    right = patient.sources[0]["conninfo"]
    patient.change(conninfo=right + " port=1")
    finding = patient.cure("cannot-connect", by_hand=lambda: patient.change(conninfo=right))
    assert "No such file" in finding["finding"]


@case("access-refused")
def rejected(patient, **_):
    hba = patient.cluster.data / "pg_hba.conf"
    before = hba.read_text(encoding="utf-8")
    hba.write_text(f"local all {patient.role} reject\n" + before, encoding="utf-8")
    patient.cluster.query("SELECT pg_reload_conf()")
    wait_until(lambda: patient.find("access-refused"), 20, "the new pg_hba.conf")
    finding = patient.cure("access-refused")
    assert patient.role in finding["object"]
    hba.write_text(before, encoding="utf-8")


@case("role-missing")
def no_role(patient, **_):
    patient.change(conninfo=patient.cluster.conninfo(patient.name, "new_" + patient.role))
    patient.cure("role-missing")
    assert not patient.find("role-not-replication")


@case("database-missing")
def no_database(patient, **_):
    right = patient.sources[0]["conninfo"]
    patient.change(conninfo=right + " dbname=nowhere")
    patient.cure("database-missing", by_hand=lambda: patient.change(conninfo=right))


@case("replication-refused")
def pooler(patient, **_):
    right = patient.sources[0]["conninfo"]
    with Pooler(patient.cluster, patient.folder):
        patient.change(conninfo=f"{right} host={patient.folder}")
        patient.cure("replication-refused", by_hand=lambda: patient.change(conninfo=right))


# ---- role and settings ----

@case("wal-keep-unlimited")
def no_limit(patient, **_):
    patient.cure("wal-keep-unlimited")


@case("wal-keep-small")
def small_limit(patient, **_):
    patient.system("max_slot_wal_keep_size", "100MB")
    patient.cure("wal-keep-small")


@case("sender-timeout-short")
def short_timeout(patient, **_):
    patient.system("wal_sender_timeout", "5s")
    patient.cure("sender-timeout-short")


@case("decoding-memory-small")
def small_memory(patient, **_):
    patient.system("logical_decoding_work_mem", "64kB")
    patient.cure("decoding-memory-small")


@case("role-not-replication")
def no_replication(patient, **_):
    patient.sql(f"ALTER ROLE {patient.role} NOREPLICATION")
    patient.cure("role-not-replication")


@case("role-superuser")
def superuser(patient, **_):
    patient.sql(f"ALTER ROLE {patient.role} SUPERUSER NOREPLICATION")
    patient.cure("role-superuser")
    assert not patient.find("role-not-replication")


@case("role-superuser", "role-superuser: the first")
def bootstrap_superuser(patient, **_):
    patient.change(conninfo=patient.cluster.conninfo(patient.name))
    patient.cure("role-superuser")
    patient.cure("role-missing")


@case("role-reads-tables")
def reader(patient, **_):
    patient.sql("CREATE TABLE \"Odd one\" (a int)", f"GRANT SELECT ON people, \"Odd one\" TO {patient.role}",
                f"CREATE ROLE {patient.role}_group", f"GRANT SELECT ON people TO {patient.role}_group",
                f"GRANT {patient.role}_group, pg_read_all_data TO {patient.role}")
    finding = patient.cure("role-reads-tables")
    assert len(finding["fix"][0]["text"].splitlines()) == 4
    assert not patient.database.value("SELECT has_table_privilege(%s, 'people', 'SELECT')", (patient.role,))


@case("settings-hidden", "settings-hidden: not silent")
def hidden(patient, **_):
    patient.sql(f"REVOKE pg_read_all_settings FROM {patient.role}")
    finding = patient.cure("settings-hidden")
    assert "output_plugin_libraries" in finding["finding"] or not patient.cluster.knows("output_plugin_libraries")


@case("not-checked")
def no_catalog(patient, **_):
    patient.sql("REVOKE SELECT ON pg_catalog.pg_seclabel FROM PUBLIC")
    codes = [finding["code"] for finding in patient.doctor()]
    assert codes.count("not-checked") == 2, codes
    assert patient.doctor()[codes.index("not-checked")]["finding"].count("permission denied") == 1
    assert "not-checked" not in {finding["code"] for finding in
                                 patient.doctor("--conninfo", patient.cluster.conninfo(patient.name))}


# ---- allow-list ----

@case("allow-list-missing")
def not_listed(patient, **_):
    patient.sql(f"ALTER ROLE {patient.role} SET output_plugin_libraries = test_decoding")
    patient.cure("allow-list-missing")
    patient.cure("slot-missing")


@case("allow-list-missing", "allow-list-missing: one quoted name")
def listed_wrongly(patient, **_):
    patient.sql(f"ALTER ROLE {patient.role} SET output_plugin_libraries = 'wal2lake, test_decoding'")
    patient.cure("allow-list-missing")


@case("allow-list-missing", "allow-list-missing: hidden")
def not_listed_hidden(patient, **_):
    patient.slot_create()
    patient.sql(f"REVOKE pg_read_all_settings FROM {patient.role}",
                f"ALTER ROLE {patient.role} SET output_plugin_libraries = test_decoding")
    patient.cure("allow-list-missing")


@case("allow-list-wide")
def listed_with_others(patient, **_):
    patient.cure("allow-list-wide")


# ---- slot ----

@case("slot-missing")
def no_slot(patient, **_):
    patient.cure("slot-missing")


@case("slot-missing", "slot-missing: by options alone")
def no_slot_options(patient, **_):
    arguments = ["--lake", f"file://{patient.lake}", "--source", "a", "--conninfo", patient.sources[0]["conninfo"],
                 "--slot", patient.slot]
    patient.config.unlink()
    patient.doctor = lambda: json.loads(command("doctor", "--json", *arguments).stdout)["findings"]
    patient.cure("slot-missing")


@case("slot-gone")
def slot_gone(patient, **_):
    patient.slot_create()
    patient.sql(f"SELECT pg_drop_replication_slot('{patient.slot}')")
    patient.cure("slot-gone")
    patient.cure("slot-missing")


@case("slot-other-plugin")
def other_plugin(patient, **_):
    patient.sql(f"SELECT pg_create_logical_replication_slot('{patient.slot}', 'test_decoding')")
    patient.cure("slot-other-plugin")


@case("slot-other-database")
def other_database(patient, **_):
    patient.slot_create()
    patient.change(conninfo=patient.cluster.conninfo("postgres", patient.role))
    patient.cure("slot-other-database")
    assert not patient.find("log-of-another-database")


@case("slot-lost")
def lost(patient, **_):
    patient.slot_create()
    patient.system("max_slot_wal_keep_size", "16MB")
    patient.switch_wal(5)
    patient.sql("CHECKPOINT")
    patient.cure("slot-lost")
    patient.cure("slot-missing")


@case("slot-unreserved")
def unreserved(patient, **_):
    patient.slot_create()
    patient.system("max_slot_wal_keep_size", "16MB")
    patient.switch_wal(4)
    patient.cure("slot-unreserved")


@case("slot-behind")
def behind(patient, **_):
    patient.lines = {"segment": 'idle_age = "1s"\nmax_age = "1s"'}
    patient.write()
    patient.slot_create()
    patient.system("max_slot_wal_keep_size", "96MB")
    patient.switch_wal(4)
    found = patient.find("slot-behind")
    assert found and "more than half" in found["finding"]
    # The server moves a slot on when it logs a snapshot, which a checkpoint makes it do.
    doctor = patient.doctor
    def after_checkpoint(*arguments, **more):
        patient.sql("CHECKPOINT", "INSERT INTO people VALUES ((SELECT count(*) FROM people))")
        return doctor(*arguments, **more)
    patient.doctor = after_checkpoint
    patient.cure("slot-behind")


@case("slot-active")
def active(patient, **_):
    patient.slot_create()
    with Forwarder(patient.config, patient.folder / "run.log") as running:
        wait_until(lambda: patient.find("slot-active"), 20, "the forwarder to read")
        finding = patient.cure("slot-active", by_hand=lambda: running.terminate() and None)
    assert "process" in finding["finding"]


@case("slot-used-without-log")
def used_slot(patient, **_):
    patient.sql(f"SELECT pg_create_logical_replication_slot('{patient.slot}', 'wal2lake')",
                "INSERT INTO people VALUES (1)",
                f"SELECT count(*) FROM pg_logical_slot_get_binary_changes('{patient.slot}', NULL, NULL)")
    wait_until(lambda: patient.find("slot-used-without-log"), 20, "the statistics of the slot")
    patient.cure("slot-used-without-log")


@case("decoding-refused")
def odd_option(patient, **_):
    patient.slot_create()
    patient.change(options='{ unheard_of = "1" }')
    assert "unheard_of" in patient.cure("decoding-refused")["finding"]


@case("decoding-refused", "decoding-refused: key file")
def open_key_file(patient, **_):
    patient.slot_create()
    keys = patient.cluster.key_file
    keys.chmod(0o644)
    finding = patient.cure("decoding-refused", by_hand=lambda: keys.chmod(0o600))
    assert "chmod 0600" in finding["finding"] + finding["fix"][0]["text"]


# ---- labels, keys, tables ----

@case("key-missing")
def no_key(patient, **_):
    keys = patient.cluster.key_file
    aside = keys.rename(keys.with_name("aside"))
    patient.system("wal2lake.key_file", "")
    patient.slot_create()
    patient.database.label("people", email="red hash")
    patient.cure("key-missing")
    assert not patient.find("decoding-refused")
    aside.rename(keys)


@case("extension-missing")
def no_extension(patient, **_):
    patient.sql("DROP EXTENSION wal2lake")
    patient.cure("extension-missing")


@case("extension-version")
def other_version(patient, **_):
    # No older version is installed that the printed ALTER EXTENSION could start from.
    patient.sql("UPDATE pg_extension SET extversion = '0.0.9' WHERE extname = 'wal2lake'")
    finding = patient.find("extension-version")
    version = patient.database.value("SELECT default_version FROM pg_available_extensions WHERE name = 'wal2lake'")
    assert finding["fix"] == [{"kind": "sql", "text": f"ALTER EXTENSION wal2lake UPDATE TO '{version}';"}]
    patient.sql(f"UPDATE pg_extension SET extversion = '{version}' WHERE extname = 'wal2lake'")
    assert not patient.find("extension-version")


@case("tables-unlabelled")
def no_labels(patient, **_):
    patient.sql("CREATE TABLE \"Odd 'one'\" (a int)", "CREATE SCHEMA s", "CREATE TABLE s.plain (a int)",
                "CREATE TEMP TABLE passing (a int)", "CREATE TABLE people_part (LIKE people) PARTITION BY LIST (id)",
                "CREATE TABLE people_1 PARTITION OF people_part FOR VALUES IN (1)")
    patient.database.label("people_part", id="green", email="green")
    finding = patient.cure("tables-unlabelled")
    assert finding["object"] == "2 tables", finding


@case("columns-unlabelled")
def no_label(patient, **_):
    patient.sql("ALTER TABLE people ADD COLUMN \"Odd 'one'\" text",
                "CREATE TABLE keyed (id int PRIMARY KEY, a text)")
    patient.database.label("keyed", a="green")
    finding = patient.cure("columns-unlabelled")
    assert finding["object"] == "2 columns"
    assert patient.database.value("SELECT action FROM wal2lake.policy WHERE table_name = 'keyed' AND column_name = 'id'") \
        == "hash"


@case("identity-nothing")
def identity_nothing(patient, **_):
    patient.sql("ALTER TABLE people REPLICA IDENTITY NOTHING", "CREATE TABLE loose (a int)",
                "ALTER TABLE loose REPLICA IDENTITY NOTHING")
    patient.database.label("loose", a="green")
    patient.cure("identity-nothing")
    assert patient.database.value("SELECT relreplident FROM pg_class WHERE relname = 'people'") == "d"


@case("identity-missing")
def identity_missing(patient, **_):
    patient.sql("CREATE TABLE loose (a int)")
    patient.database.label("loose", a="green")
    assert "public.loose" in patient.cure("identity-missing")["finding"]


@case("identity-deferrable")
def identity_deferrable(patient, **_):
    patient.sql("CREATE TABLE late (a int PRIMARY KEY DEFERRABLE)")
    patient.database.label("late", a="green")
    patient.cure("identity-deferrable")


@case("identity-index-gone")
def identity_index_gone(patient, **_):
    patient.sql("CREATE UNIQUE INDEX other ON people (id)", "ALTER TABLE people REPLICA IDENTITY USING INDEX other")
    assert not patient.find("identity-index-gone")
    patient.sql("DROP INDEX other")
    patient.cure("identity-index-gone")


# ---- lake ----

@case("lake-missing")
def no_lake(patient, **_):
    patient.lake.rmdir()
    patient.cure("lake-missing")


@case("lake-not-writable")
def closed_lake(patient, **_):
    user = ordinary_user()
    command_copy = patient.folder / "wal2lake"
    shutil.copy(binary(), command_copy)
    patient.lake.chmod(0o500)
    as_user = []
    if os.geteuid() == 0:
        as_user = ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
    script = patient.folder / "as_user"
    script.write_text("#!/bin/sh\nexec " + " ".join([*as_user, str(command_copy)]) + ' "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    patient.cure("lake-not-writable", executable=script)
    assert not list(patient.lake.iterdir())


@case("lake-not-exclusive")
def replacing_lake(patient, odd, **_):
    environment = {"LD_PRELOAD": str(odd), "ODD_LINK": "1"}
    patient.cure("lake-not-exclusive", env=environment, by_hand=lambda: {"env": {"LD_PRELOAD": str(odd)}})


@case("disk-space-low")
def full_disk(patient, odd, **_):
    environment = {"LD_PRELOAD": str(odd), "ODD_FREE": str(100 << 20)}
    finding = patient.cure("disk-space-low", env=environment,
                           by_hand=lambda: {"env": {**environment, "ODD_FREE": str(10 << 30)}})
    assert "100.0 MiB left, room for 1 segments" in finding["finding"]


@case("stage-not-writable")
def no_stage(patient, **_):
    patient.lines = {"stage": f'directory = "{patient.folder}/stage"'}
    patient.write()
    finding = patient.cure("stage-not-writable")
    assert "No such file or directory" in finding["finding"] and list(patient.folder.glob("stage/*")) == []


@case("stage-space-low")
def small_stage(patient, odd, **_):
    environment = {"LD_PRELOAD": str(odd), "ODD_FREE": str(1 << 30)}
    finding = patient.cure("stage-space-low", env=environment,
                           by_hand=lambda: {"env": {**environment, "ODD_FREE": str(20 << 30)}})
    assert "1.0 GiB left and stage.max_size is 16.0 GiB" in finding["finding"]
    # Nothing is to be kept there.
    patient.lines = {"stage": 'max_size = "0B"'}
    patient.write()
    assert "stage-space-low" not in {each["code"] for each in patient.doctor(env=environment)}


@case("ddl-trigger-off")
def trigger_off(patient, **_):
    patient.sql("ALTER EVENT TRIGGER wal2lake_sql_drop DISABLE")
    finding = patient.cure("ddl-trigger-off")
    assert "wal2lake_sql_drop" in finding["finding"] and "rewrite" in finding["finding"]


@case("messages-open")
def messages_open(patient, **_):
    patient.system("wal2lake.message_prefixes", "audit")
    finding = patient.cure("messages-open")
    assert finding["finding"].endswith(": audit")


@case("log-damaged")
def damaged_log(patient, **_):
    patient.slot_create()
    genesis = patient.genesis()
    good = genesis.read_bytes()
    genesis.write_bytes(good[:-20])
    finding = patient.cure("log-damaged", by_hand=lambda: genesis.write_bytes(good) and None)
    assert genesis.name in finding["object"]


@case("log-of-another-source")
def others_log(patient, **_):
    patient.slot_create()
    (patient.lake / "cell1.main").rename(patient.lake / "cell9.main")
    patient.change(id="cell9.main")
    patient.cure("log-of-another-source")


@case("log-of-another-source", "log-of-another-source: slot")
def others_slot(patient, **_):
    patient.slot_create()
    patient.sql(f"SELECT pg_create_logical_replication_slot('{patient.slot}_2', 'wal2lake')")
    patient.change(slot=f"{patient.slot}_2")
    patient.cure("log-of-another-source")


@case("log-of-another-server")
def others_server(patient, request, **_):
    database = request.getfixturevalue("database")
    elsewhere = write_config(patient.folder / "elsewhere.toml", patient.lake,
                             database.cluster.conninfo(database.name), slot=patient.slot)
    assert command("slot", "create", "-c", elsewhere).returncode == 0
    patient.sql(f"SELECT pg_create_logical_replication_slot('{patient.slot}', 'wal2lake')")
    patient.cure("log-of-another-server")


@case("log-of-another-database")
def others_database(patient, **_):
    patient.slot_create()
    patient.sql(f"SELECT pg_drop_replication_slot('{patient.slot}')")
    patient.cluster.query("SELECT pg_create_logical_replication_slot(%s, 'wal2lake')", (patient.slot,))
    patient.change(conninfo=patient.cluster.conninfo("postgres", patient.role))
    try:
        patient.cure("log-of-another-database")
    finally:
        patient.cluster.query("SELECT pg_drop_replication_slot(%s)", (patient.slot,))


@case("log-gap")
def gap(patient, **_):
    patient.slot_create()
    patient.sql("INSERT INTO people VALUES (1)",
                f"SELECT pg_replication_slot_advance('{patient.slot}', pg_current_wal_lsn())")
    patient.cure("log-gap")


@case("clock-skew")
def other_clock(patient, odd, **_):
    environment = {"LD_PRELOAD": str(odd), "ODD_CLOCK": "60"}
    finding = patient.cure("clock-skew", env=environment, by_hand=lambda: {"env": {**environment, "ODD_CLOCK": "1"}})
    assert re.search(r"is (59|6\d)\.\d s behind", finding["finding"]), finding


# ---- the server's past: last, because the server is another one afterwards ----

@case("log-divergence")
def set_back(patient, **_):
    patient.lines = {"segment": 'max_age = "100ms"'}
    patient.write()
    patient.slot_create()
    cluster, copy = patient.cluster, patient.folder / "older"
    cluster.stop()
    shutil.copytree(cluster.data, copy)
    cluster.start()
    before = cluster.flush_lsn()
    patient.sql("INSERT INTO people SELECT generate_series(1, 1000)")
    with Forwarder(patient.config, patient.folder / "run.log") as running:
        wait_shipped(running, patient.lake, before + 1)
        assert running.terminate() == 0
    cluster.stop("immediate")
    shutil.rmtree(cluster.data)
    shutil.copytree(copy, cluster.data)
    for path in (cluster.data, *cluster.data.rglob("*")):
        shutil.chown(path, cluster.user.pw_uid, cluster.user.pw_gid)
    cluster.start()
    patient.cure("log-divergence")


@case("server-is-standby")
def standby(patient, **_):
    patient.cluster.stop()
    (patient.cluster.data / "standby.signal").touch()
    patient.cluster.start()
    patient.cure("server-is-standby", by_hand=lambda: patient.cluster.query("SELECT pg_promote()") and None)


@case("log-timeline")
def timeline(patient, **_):
    patient.slot_create()
    cluster = patient.cluster
    cluster.stop()
    (cluster.data / "standby.signal").touch()
    cluster.start()
    cluster.query("SELECT pg_promote()")
    wait_until(lambda: not cluster.value("SELECT pg_is_in_recovery()"), 30, "promotion")
    patient.cure("log-timeline")


# ---- tests ----

@pytest.mark.parametrize("name", CASES)
def test_finding(name, patient, odd, request):
    code, function = CASES[name]
    if code.startswith("allow-list") and not patient.cluster.knows("output_plugin_libraries"):
        pytest.skip("the server has no allow-list")
    function(patient=patient, odd=odd, request=request)


def test_a_server_as_debian_leaves_it(cured):
    assert set(BARE) <= cured[1]


def test_a_healthy_source_is_healthy(patient):
    patient.slot_create()
    patient.system("max_slot_wal_keep_size", "50GB")
    assert {finding["code"] for finding in patient.doctor()} <= {"allow-list-wide", "stage-space-low", "policy-not-reviewed"}
    done = command("doctor", "-c", patient.config)
    assert done.returncode == 0 and b"0 errors, 0 warnings" in done.stdout


def test_a_running_source_is_healthy(patient):
    """What grows while it is looked at is not taken for damage."""
    patient.lines = {"segment": 'max_age = "100ms"'}
    patient.write()
    patient.slot_create()
    with Forwarder(patient.config, patient.folder / "run.log"), patient.traffic():
        for _ in range(20):
            assert {finding["code"] for finding in patient.doctor()} <= {
                "allow-list-wide", "slot-active", "wal-keep-unlimited", "settings-hidden", "stage-space-low", "policy-not-reviewed"}


def test_looking_changes_nothing(patient):
    patient.slot_create()
    patient.sql("INSERT INTO people VALUES (1)")
    def state():
        files = sorted((str(path), path.stat().st_mtime_ns) for path in patient.lake.rglob("*") if path.is_file())
        folders = sorted(str(path) for path in patient.lake.rglob("*") if path.is_dir())
        slot = patient.cluster.query("SELECT restart_lsn, confirmed_flush_lsn, active FROM pg_replication_slots"
                                     " WHERE slot_name = %s", (patient.slot,))
        return files, folders, slot, patient.database.value("SELECT count(*) FROM pg_replication_slots")
    before = state()
    assert not [finding for finding in patient.doctor() if finding["severity"] == "error"]
    assert state() == before
    assert command("verify", "--lake", f"file://{patient.lake}").returncode == 0


def test_people_read_it_in_colour(patient):
    def on_a_terminal(**more):
        ours, theirs = pty.openpty()
        done = subprocess.run([binary(), "doctor", "-c", patient.config], stdin=subprocess.DEVNULL, stdout=theirs,
                              env={**clean_environment(), **more})
        os.close(theirs)
        text = b""
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 65536):
                text += piece
        os.close(ours)
        return done.returncode, text.decode()
    patient.sql("CREATE TABLE plain (a int)")
    code, text = on_a_terminal()
    assert code == 2 and "\033[31merror" in text
    assert text.index("slot-missing") < text.index("tables-unlabelled") < text.index("wal-keep-unlimited")
    code, text = on_a_terminal(NO_COLOR="1")
    assert code == 2 and "\033" not in text
    plain = command("doctor", "-c", patient.config).stdout.decode()
    assert plain == text.replace("\r\n", "\n")
    assert re.fullmatch(r"1 error, [12] warnings?, \d notes?", plain.splitlines()[-1])
    assert f"            wal2lake slot create -c {patient.config} --source cell1.main\n" in plain


def test_a_password_is_not_shown(patient):
    patient.change(conninfo=patient.sources[0]["conninfo"].replace("dbname=" + patient.name, "dbname=postgres")
                   + " password=opensesame")
    patient.sql(f"SELECT pg_create_logical_replication_slot('{patient.slot}', 'wal2lake')")
    done = command("doctor", "-c", patient.config)
    assert b"slot-other-database" in done.stdout and b"opensesame" not in done.stdout + done.stderr
