"""No red, orange or unlabelled value gets out: not in frames, not in segments, not in any log line, metric, view or setting.

harness/leaky.py has a table for each way a value could slip past its label. Every value carries a marker; the search knows
clear, encoded and hashed forms (test_canary_search.py), finds the green marker in the same bytes, and
finds a leak that the last tests plant. test_unprotected.py takes away one protection after the other.
"""

import os
import random
import re

import pytest

from harness import forwarder
from harness.canary import Canaries
from harness.lake import Lake
from harness.leaky import OWNER, PERSON_LABELS, Leaky
from harness.monitoring import ANY_PORT, Monitoring
from harness.plugin import assemble
from harness.values import WITHHELD, Token

ROWS = 1_000_000 if os.environ.get("WAL2LAKE_LONG") else 20_000
SENT = {"person", "full_identity", "red_key", "unlabelled_key", "by_index", "parted_1", "attached", "kinds", "loose_child",
        "odd_label", "lowered_later", "raised_between", "broken_value", "defined", "bounded_1"}


@pytest.fixture
def leaky(database, seed):
    made = Leaky(database, seed).build()
    made.slot = database.plugin_slot()
    return made


def decoding_pids(cluster, slot, offset):
    """Who decoded this slot, by what they logged themselves."""
    starts = re.findall(rf"\[(\d+)\] .*logical decoding.* for slot \"{slot}\"", cluster.log_text(offset))
    return {int(pid) for pid in starts}


def assert_silent(canaries, name, data):
    assert data, f"there is nothing in {name} to search"
    hits = canaries.find_red(data)
    assert hits == [], f"{name}: {sorted({(hit.where, hit.form) for hit in hits})}"


def test_frames_hold_no_red_value(leaky):
    leaky.traffic()
    streams = {"peek": leaky.slot.peek(), "pg_recvlogical": leaky.slot.receive(leaky.database.commit_end())}
    for name, data in streams.items():
        assert_silent(leaky.canaries, name, data)
        found = {hit.where for hit in leaky.canaries.find_green(data)}
        assert found == {"person.green_text", "full_identity.green_text"}


def test_rows_are_there_all_the_same(leaky):
    """Silence would be easy by sending nothing: the rows are there, as tokens and withheld values."""
    leaky.traffic()
    transactions = leaky.slot.transactions()
    rows = [change for transaction in transactions for change in transaction.changes if change.table == "public.person"]
    inserted = rows[0].new
    for column, label in PERSON_LABELS.items():
        if column in ("id", "green_text"):
            assert isinstance(inserted[column], str)
        elif " drop" in label or label == "regulated_red":
            assert inserted[column] is WITHHELD, column
        else:
            assert isinstance(inserted[column], Token), column
    assert inserted["unlabelled"] is WITHHELD and inserted["generated"] is WITHHELD
    updates = [row for row in rows if row.operation == "update"]
    assert "column_to_drop" in updates[0].new and "column_to_drop" not in updates[-1].new
    assert updates[-1].new["added"] is WITHHELD
    told = {column.name: column.missing.WhichOneof("value") for column in updates[-1].relation.columns
            if column.HasField("missing")}
    assert told == {"added_hashed": "token"}
    old = [change.old for transaction in transactions for change in transaction.changes
           if change.table == "public.full_identity" and change.old]
    assert len(old) >= 5 and all(isinstance(row["red_text"], Token) and row["unlabelled"] is WITHHELD for row in old)
    by_table = {}
    for change in (change for transaction in transactions for change in transaction.changes):
        by_table.setdefault(change.table.removeprefix("public."), []).append(change)
    assert set(by_table) == SENT
    assert by_table["parted_1"][0].new["region"] == "eu"
    # A table that was attached later takes nothing in clear from its new parent.
    assert set(by_table["attached"][0].new.values()) == {WITHHELD}


def test_the_log_of_the_decoding_process_holds_no_red_value(leaky):
    """By process, at debug1: the session that peeks, and the walsender."""
    cluster = leaky.database.cluster
    leaky.traffic()
    offset = cluster.log_size()
    leaky.slot.peek()
    leaky.slot.receive(leaky.database.commit_end())
    pids = decoding_pids(cluster, leaky.slot.slot, offset)
    assert len(pids) >= 2, "the session and the walsender should have logged that they decode"
    assert_silent(leaky.canaries, "the server's log", "\n".join(cluster.log_of_pids(pids, offset)).encode())


def test_a_session_that_decodes_says_no_red_value(leaky):
    """A client may ask for every debug message of its session, and the log may be as talkative; so for transactions that are
    streamed, and for what was written before a label was raised."""
    leaky.traffic()
    leaky.backlog()
    leaky.attempts()
    for options in ((), ("streaming", "on")):
        seen = leaky.look(*options)
        assert seen.pop("error") == b""
        for name, data in seen.items():
            assert_silent(leaky.canaries, name, data)
        assert b"CommitTransaction" in seen["log"] and b"CommitTransaction" in seen["notices"], "or it was not asked to say much"


def test_a_failing_output_function_says_nothing(leaky):
    """The error of a type's output function quotes the value; it must become UNCARRIED, not a log line."""
    leaky.traffic()
    change, = (change for transaction in leaky.slot.transactions() for change in transaction.changes
               if change.table == "public.broken_value")
    assert change.new["value"].reason == 2


def test_many_rows_hold_no_red_value(leaky, note):
    """A million of them in the long form: inserted, updated, deleted under FULL, with a marker and a number in each."""
    canaries = leaky.canaries
    leaky.database.execute("CREATE TABLE many (id bigint PRIMARY KEY, secret text, number bigint, note text, green_text text)")
    leaky.database.label("many", id="green", secret="red hash", number="red drop", green_text="green")
    leaky.database.execute("ALTER TABLE many REPLICA IDENTITY FULL")
    markers = [canaries.red_marker(f"many.{column}") for column in ("secret", "note")]
    first = leaky.rng.randrange(2**55, 2**61)
    leaky.run("INSERT INTO many SELECT i, %s || i, %s + i, %s || i, %s FROM generate_series(1, %s) i",
              markers[0], first, markers[1], canaries.green_marker("many.green_text"), ROWS * 3 // 4)
    leaky.run("UPDATE many SET note = note || '.' WHERE id % 4 = 0")
    leaky.run("DELETE FROM many WHERE id % 4 < 2")
    for number in leaky.rng.sample(range(1, ROWS * 3 // 4), 200):
        for column, value in (("secret", f"{markers[0]}{number}"), ("number", first + number), ("note", f"{markers[1]}{number}")):
            canaries.value(f"many.{column}", value)
    data = leaky.slot.receive(leaky.database.commit_end())
    rows = sum(len(transaction.changes) for transaction in assemble(data))
    assert rows >= ROWS
    assert_silent(canaries, "frames", data)
    assert {hit.where for hit in canaries.find_green(data)} == {"many.green_text"}
    note(f"{rows} changes, {len(data)} bytes")


# Names leave where they are needed to read the rows, and where DDL changed what is sent. docs/security.md says the same.
NAMES_THAT_LEAVE = {"schema", "table", "partition", "partitioned table", "column", "unlabelled column", "enum type", "domain type",
                    "composite type", "domain of a label", "table without labels", "table that was dropped", "column that was dropped",
                    "earlier name"}
NAMES = """
    CREATE SCHEMA {schema};
    CREATE TYPE {enum type} AS ENUM ('{label of an enum}');
    CREATE DOMAIN {domain type} AS text CONSTRAINT {constraint of a domain} CHECK (VALUE <> '');
    CREATE TYPE {composite type} AS ({attribute of a composite} text);
    CREATE SEQUENCE {sequence};
    CREATE TABLE {schema}.{table} (id bigint CONSTRAINT {primary key} PRIMARY KEY, {column} text, {unlabelled column} text,
        e {enum type}, d {domain type}, c {composite type}, CONSTRAINT {check constraint} CHECK (id > 0));
    CREATE INDEX {index} ON {schema}.{table} (id);
    CREATE STATISTICS {statistics} ON id, d FROM {schema}.{table};
    CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER {trigger} BEFORE INSERT ON {schema}.{table} FOR EACH ROW EXECUTE FUNCTION {function}();
    CREATE POLICY {policy} ON {schema}.{table};
    CREATE RULE {rule} AS ON DELETE TO {schema}.{table} DO ALSO NOTHING;
    CREATE VIEW {view} AS SELECT id AS {column of a view} FROM {schema}.{table};
    CREATE MATERIALIZED VIEW {materialized view} AS SELECT 1;
    CREATE PUBLICATION {publication} FOR TABLE {schema}.{table};
    CREATE TABLE {partitioned table} (id bigint, b text) PARTITION BY LIST (id);
    CREATE TABLE {partition} PARTITION OF {partitioned table} FOR VALUES IN (1);
    CREATE TABLE {table without labels} (id bigint);
    CREATE TABLE {excluded table} ({column of an excluded table} bigint PRIMARY KEY);
    CREATE TABLE {table that was dropped} (id bigint);
    CREATE TABLE {earlier name} (id bigint, {column that was dropped} text);
    SECURITY LABEL FOR wal2lake ON COLUMN {schema}.{table}.id IS 'green';
    SECURITY LABEL FOR wal2lake ON COLUMN {schema}.{table}.{column} IS 'red hash domain={domain of a label}';
    SECURITY LABEL FOR wal2lake ON COLUMN {partitioned table}.id IS 'green';
    SECURITY LABEL FOR wal2lake ON COLUMN {excluded table}.{column of an excluded table} IS 'green';
    SECURITY LABEL FOR wal2lake ON TABLE {excluded table} IS 'exclude'"""
NAMES_IN_USE = """
    SET application_name = '{application}';
    BEGIN;
    SAVEPOINT {savepoint};
    DECLARE {cursor} CURSOR FOR SELECT 1;
    INSERT INTO {schema}.{table} VALUES (1, 'x', 'y', '{label of an enum}', 'd', ROW('c'));
    INSERT INTO {partitioned table} VALUES (1, 'b');
    INSERT INTO {table without labels} VALUES (1);
    INSERT INTO {excluded table} VALUES (1);
    CREATE TEMPORARY TABLE {temporary table} (id int);
    CREATE ROLE {role};
    COMMIT;
    DROP TABLE {table that was dropped};
    ALTER TABLE {earlier name} DROP COLUMN {column that was dropped};
    ALTER TABLE {earlier name} RENAME TO renamed;
    DROP ROLE {role};
    DROP MATERIALIZED VIEW {materialized view};
    DROP VIEW {view}"""


def test_the_names_that_leave_are_those_of_the_list(database, seed):
    """A marker in each kind of name: those of the list are in the frames, and no other."""
    names = Canaries(random.Random(seed))
    marker = {what: names.red_marker(what) for what in re.findall(r"\{([^}]+)\}", NAMES + NAMES_IN_USE)}
    slot = database.plugin_slot()
    for text in (NAMES, NAMES_IN_USE):
        database.execute(*re.sub(r"\{([^}]+)\}", lambda match: marker[match[1]], text).split(";\n"))
    gid, origin = names.red_marker("prepared transaction"), names.red_marker("origin")
    database.execute(f"SELECT pg_replication_origin_create('{origin}'), pg_replication_origin_session_setup('{origin}')", "BEGIN",
                     f"UPDATE {marker['schema']}.{marker['table']} SET id = 2", f"PREPARE TRANSACTION '{gid}'",
                     f"COMMIT PREPARED '{gid}'", f"SELECT pg_replication_origin_session_reset(), pg_replication_origin_drop('{origin}')")
    found = names.find_red(slot.peek())
    assert {hit.where for hit in found if hit.what in names.red} == NAMES_THAT_LEAVE
    assert {hit.form for hit in found} <= {"clear"}


def test_a_planted_leak_in_frames_is_found(leaky):
    """Were the label of one red column green, the search would say so, and name that column alone."""
    leaky.database.label("person", red_text="green")
    leaky.insert("person", leaky.person("person"))
    hits = leaky.canaries.find_red(leaky.slot.peek())
    assert {hit.where for hit in hits if hit.what in leaky.canaries.red} == {"person.red_text"}


def test_a_planted_leak_in_the_log_is_found(leaky):
    """A decoding session that says a marker aloud is caught by the same search by process."""
    cluster = leaky.database.cluster
    marker = leaky.canaries.red_marker("planted")
    offset = cluster.log_size()
    leaky.run(f"SELECT count(*) FROM pg_logical_slot_peek_binary_changes('{leaky.slot.slot}', NULL, NULL);"
              f"DO $$ BEGIN RAISE LOG '%', '{marker}'; END $$")
    pids = decoding_pids(cluster, leaky.slot.slot, offset)
    found = leaky.canaries.find_red("\n".join(cluster.log_of_pids(pids, offset)).encode())
    assert {hit.what for hit in found} == {marker}


def views_of_decoding(cluster):
    """What the server's views tell of those who decode, and every setting, to a superuser and to a role that may nothing."""
    tell = ("SELECT string_agg(v::text, e'\\n') FROM pg_stat_activity v WHERE backend_type = 'walsender'",
            *(f"SELECT string_agg(v::text, e'\\n') FROM {view} v"
              for view in ("pg_stat_replication", "pg_stat_replication_slots", "pg_replication_slots", "pg_stat_wal", "pg_settings",
                           "pg_file_settings", "pg_db_role_setting")))
    # What a role without rights is not shown is nothing to search.
    return "\n".join(str(cluster.value(sql, user=user)) for sql in tell for user in ("postgres", OWNER)
                     if user == "postgres" or "pg_file_settings" not in sql).encode()


@pytest.fixture
def shipped(leaky, tmp_path):
    """The same traffic through the forwarder, which logs all that it can, from a walsender that does, too. {name: bytes}"""
    database, cluster = leaky.database, leaky.database.cluster
    cluster.query("SELECT pg_drop_replication_slot(%s)", (leaky.slot.slot,), database.name)
    config = forwarder.write_config(
        tmp_path / "w.toml", tmp_path / "lake", slot=leaky.slot.slot, listen=ANY_PORT,
        conninfo=cluster.conninfo(database.name) + " options='-c log_min_messages=debug5 -c logical_decoding_work_mem=64kB'")
    offset = cluster.log_size()
    running = forwarder.Forwarder(config, tmp_path / "forwarder.log")
    seen = {}
    with running.start("--create-slot"):
        forwarder.wait_until_streaming(running, cluster, leaky.slot.slot)
        # Not of test_decoding, which a value stops whose output function fails.
        witness = database.plugin_slot("witness_of_no_leak")
        leaky.traffic()
        leaky.in_progress()
        leaky.insert("red_key", {"email": leaky.canaries.red_marker("red_key.email")})
        forwarder.wait_shipped(running, tmp_path / "lake", witness.transactions()[-1].end_lsn)
        monitoring = Monitoring(running)
        seen["endpoint"] = "\n".join(monitoring.get(path)[1] for path in ("/metrics", "/healthz", "/livez")).encode()
        seen["views"] = views_of_decoding(cluster)
        done = forwarder.command("status", "-c", config, "--json")
        seen["status"] = done.stdout + done.stderr
        assert running.terminate() == 0
    folder = tmp_path / "lake"
    done = forwarder.command("cat", folder / forwarder.SOURCE, timeout=120)
    assert done.returncode == 0
    files = [path for path in folder.rglob("*") if path.is_file()]
    log = cluster.log_of_pids(decoding_pids(cluster, leaky.slot.slot, offset), offset)
    seen |= {"segments": Lake(folder, forwarder.SOURCE).messages(), "wal2lake cat": done.stdout + done.stderr,
             "the forwarder's log": running.log_text().encode(), "names of objects": "\n".join(map(str, files)).encode(),
             "objects as stored": b"\n".join(path.read_bytes() for path in files), "the walsender's log": "\n".join(log).encode()}
    return leaky, seen


def test_nothing_red_is_shipped_or_told(shipped):
    leaky, seen = shipped
    for name, data in seen.items():
        assert_silent(leaky.canaries, name, data)
    for name in ("segments", "wal2lake cat"):
        assert {hit.where for hit in leaky.canaries.find_green(seen[name])} == {"person.green_text", "full_identity.green_text"}
    assert b"StartTransaction" in seen["the walsender's log"] and b'"level":"debug"' in seen["the forwarder's log"]
    assert b"walsender" in seen["views"] and b'"verdict":"ok"' in seen["status"]
