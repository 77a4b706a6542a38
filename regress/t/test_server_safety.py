"""What a client can do to the server by way of the plugin: nothing. No setting of its session, option or
slot changes what leaves, and none takes the server down."""

import re
import struct

import pytest

from harness.cluster import Cluster
from harness.database import Database
from harness.plugin import PluginSlot

HOSTILE_VALUES = ("", "/etc/passwd", "/dev/zero", "relative", "1", "-1", "on", "x" * 4000, "%s%n%p", "'; SELECT 1; --",
                  "k2026 AAAA\n", "\t")


def crashes(cluster):
    """Log lines that only a crash or a panic writes."""
    return re.findall(r".*(?:was terminated by signal|PANIC|terminating any other active).*", cluster.log_text())


@pytest.fixture
def labelled(database):
    """One row in a table with a hashed and a withheld column."""
    database.execute("CREATE TABLE t (id bigint PRIMARY KEY, red text, unlabelled text)")
    database.label("t", id="green", red="red hash domain=d")
    database.slot = database.plugin_slot()
    database.execute("INSERT INTO t VALUES (1, 'secret', 'other')")
    database.expected = database.slot.peek()
    assert database.slot.transactions()[0].changes[0].new["red"].bytes
    return database


def settings_of(cluster):
    """Every setting of ours, with its value."""
    return dict(cluster.query("SELECT name, setting FROM pg_settings WHERE name LIKE 'wal2lake.%'"))


def quoted(value):
    """As libpq's options string wants it: backslash before blanks and backslashes."""
    return re.sub(r"([\\\s])", r"\\\1", value)


def test_hostile_pgoptions(labelled):
    """For every setting there is: a session that tries to set it is refused, or does not get its way."""
    cluster = labelled.cluster
    before = settings_of(cluster)
    assert {"wal2lake.key_file", "wal2lake.admin_role", "wal2lake.message_prefixes"} <= set(before)
    peek = f"SELECT encode(data, 'hex') FROM pg_logical_slot_peek_binary_changes('{labelled.slot.slot}', NULL, NULL)"
    for name in (*before, "wal2lake.unheard_of"):
        for value in HOSTILE_VALUES:
            environment = {"PGOPTIONS": f"-c {name}={quoted(value)}"}
            over_sql = cluster.program("psql", "-XAtc", peek, dbname=labelled.name, env=environment)
            if over_sql.returncode == 0:
                assert bytes.fromhex(over_sql.stdout.decode().replace("\n", "")) == labelled.expected, (name, value)
            else:
                assert b"FATAL" in over_sql.stderr, (name, value, over_sql.stderr)
    assert settings_of(cluster) == before
    assert crashes(cluster) == []


def test_hostile_pgoptions_of_a_walsender(labelled):
    """The same over the replication protocol, where a forwarder with other intentions would try it."""
    cluster = labelled.cluster
    end = labelled.commit_end()
    for name in (*settings_of(cluster), "wal2lake.unheard_of"):
        for value in ("", "/etc/passwd", "1"):
            done = cluster.program("pg_recvlogical", "-S", labelled.slot.slot, "-d", labelled.name, "--start",
                                   "-f", "-", "--no-loop", f"--endpos={end}",
                                   env={"PGOPTIONS": f"-c {name}={quoted(value)}"})
            assert done.returncode != 0 and done.stdout == b"" and b"FATAL" in done.stderr, (name, value, done.stderr)
    assert crashes(cluster) == []


def test_no_session_may_set_ours(labelled):
    """Neither for itself nor, by way of a role or database, for sessions to come."""
    cluster = labelled.cluster
    before = settings_of(cluster)
    cluster.query("CREATE ROLE plain LOGIN")
    for name in before:
        for statement in (f"SET {name} = 'x'", f"SELECT set_config('{name}', 'x', false)",
                          f"ALTER ROLE postgres SET {name} = 'x'", f"ALTER DATABASE {labelled.name} SET {name} = 'x'"):
            for user in ("postgres", "plain"):
                done = cluster.program("psql", "-XAtc", statement, dbname=labelled.name, user=user)
                assert done.returncode != 0, (statement, user)
    assert cluster.query("SELECT setconfig FROM pg_db_role_setting") == []
    assert settings_of(cluster) == before
    shown = cluster.program("psql", "-XAtc", "SHOW wal2lake.key_file", dbname=labelled.name, user="plain")
    assert shown.returncode != 0, "the path of the key file is for superusers"
    cluster.query("DROP ROLE plain")


@pytest.mark.parametrize("options", [
    ("unheard_of", "1"), ("max_batch_bytes", "0"), ("max_batch_bytes", "-1"), ("max_batch_bytes", "x"),
    ("max_batch_bytes", "99999999999999999999"), ("streaming", "parallel"), ("two_phase", "on"), ("messages", "app"),
    ("origin", "somebody"), ("tables", "public.t"), ("", ""), ("x" * 5000, "y" * 5000),
    ("max_batch_bytes", "1024", "max_batch_bytes", "x")])
def test_an_option_that_is_not_served_is_refused(labelled, options):
    """By name, in one sentence with a hint, before a byte is sent; the slot goes on unharmed."""
    with pytest.raises(Exception) as refused:
        labelled.slot.peek(*options)
    assert refused.value.pgcode in ("22023", "0A000"), refused.value
    assert refused.value.diag.message_hint
    assert options[-2][:60] in str(refused.value)
    assert labelled.slot.peek() == labelled.expected


@pytest.mark.parametrize("options", [("streaming", "off"), ("streaming", "on"), ("two_phase", "off"), ("messages", "off"), ("messages", "on"),
                                     ("origin", "any"), ("origin", "none"), ("max_batch_bytes", "2048")])
def test_an_option_that_is_served_shows_no_more(labelled, options):
    assert labelled.slot.peek(*options) == labelled.expected


@pytest.mark.parametrize("options, words", [
    (("origin", "any", "origin", "none"), 'option "origin" is given more than once'),
    (("streaming", "off", "max_batch_bytes", "2048", "streaming", "off"), 'option "streaming" is given more than once'),
    (("ORIGIN", "none"), 'unknown option "ORIGIN"'), (("Max_Batch_Bytes", "2048"), 'unknown option "Max_Batch_Bytes"'),
    (("format_version", "2"), 'format version "2" was asked for, and this version of wal2lake sends 1'),
    (("format_version", "1", "format_version", "1"), "more than once")])
def test_options_that_contradict_are_refused(labelled, options, words):
    """Each other, the names as they are written, and what the plugin can send."""
    with pytest.raises(Exception) as refused:
        labelled.slot.peek(*options)
    assert words in refused.value.diag.message_primary and refused.value.diag.message_hint
    assert labelled.slot.peek("format_version", "1") == labelled.expected


@pytest.mark.parametrize("name, value", [
    ("x", "y"), ("max_batch_bytes", "9"), ("origin", "n"), ("streaming", "\u00fc"), ("format_version", "1"), ("\u00fc", "y")])
def test_an_option_of_a_megabyte_is_refused_in_a_sentence(labelled, name, value):
    """What is too long is cut, in what the client hears and in the log: whole characters, and never all of it."""
    known = name in ("max_batch_bytes", "origin", "streaming", "format_version")
    options = (name, value * 2**20) if known else (name * 2**20, value)
    offset = labelled.cluster.log_size()
    with pytest.raises(Exception) as refused:
        labelled.slot.peek(*options)
    sentence = refused.value.diag.message_primary
    assert len(sentence) < 200 and (value if known else name) * 30 in sentence and '..."' in sentence, sentence
    said = [line for line in labelled.cluster.log_text(offset).splitlines() if " ERROR: " in line]
    assert said and max(map(len, said)) < 300
    many = [word for number in range(40) for word in (f"option{number}", "1")]
    with pytest.raises(Exception, match='unknown option "option0"'):
        labelled.slot.peek(*many)
    assert labelled.slot.peek() == labelled.expected


def test_errors_in_one_session_leave_the_next_decode_clean(labelled):
    """A hundred refused decodes in one backend, then a good one in the same backend."""
    connection = labelled.cluster.connect(labelled.name)
    sql = "SELECT data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL, 'max_batch_bytes', %s)"
    with connection.cursor() as cursor:
        for _ in range(100):
            with pytest.raises(Exception, match="max_batch_bytes"):
                cursor.execute(sql, (labelled.slot.slot, "none"))
        cursor.execute(sql, (labelled.slot.slot, "65536"))
        assert b"".join(bytes(row[0]) for row in cursor.fetchall()) == labelled.expected
    connection.close()


def test_two_phase_is_refused_at_creation(labelled):
    cluster = labelled.cluster
    with pytest.raises(Exception, match="two-phase") as refused:
        labelled.execute("SELECT pg_create_logical_replication_slot('two', 'wal2lake', false, true)")
    assert "TWO_PHASE" in refused.value.diag.message_hint
    done = cluster.program("pg_recvlogical", "-S", "two", "-d", labelled.name, "--create-slot", "-P", "wal2lake",
                           "--two-phase")
    assert done.returncode != 0 and b"two-phase" in done.stderr
    assert cluster.query("SELECT 1 FROM pg_replication_slots WHERE slot_name = 'two'") == []


CRC32C = []
for number in range(256):
    for _ in range(8):
        number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
    CRC32C.append(number)


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ CRC32C[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def test_two_phase_is_refused_at_start():
    """Creation refuses it, so the only such slot is one from elsewhere: here, one whose file was edited."""
    with Cluster(name="two-phase") as cluster, Database(cluster, "app") as app:
        app.execute("SELECT pg_create_logical_replication_slot('two', 'test_decoding', false, true)")
        cluster.stop()
        state = cluster.data / "pg_replslot" / "two" / "state"
        data = bytearray(state.read_bytes())
        assert struct.unpack_from("<I", data, 4)[0] == crc32c(data[8:])
        data[:] = data.replace(b"test_decoding\0", b"wal2lake\0\0\0\0\0\0")
        struct.pack_into("<I", data, 4, crc32c(data[8:]))
        state.write_bytes(data)
        cluster.start()
        assert cluster.query("SELECT plugin, two_phase FROM pg_replication_slots") == [("wal2lake", True)]
        with pytest.raises(Exception, match="two-phase") as refused:
            PluginSlot(cluster, app.name, "two").peek()
        assert refused.value.pgcode == "0A000"
        done = cluster.program("pg_recvlogical", "-S", "two", "-d", app.name, "--start", "-f", "-", "--no-loop")
        assert done.returncode != 0 and done.stdout == b"" and b"two-phase" in done.stderr


@pytest.fixture(scope="module")
def bare():
    """A server on which the policy library is not preloaded."""
    with Cluster(preload=False, name="bare") as cluster:
        yield cluster


@pytest.mark.parametrize("session", [
    "", "-c wal2lake.key_file=/etc/passwd", "-c wal2lake.admin_role=postgres", "-c wal2lake.key_file=1",
    "-c wal2lake.message_prefixes=a,b", "-c session_preload_libraries=wal2lake_policy",
    "-c local_preload_libraries=wal2lake_policy"])
def test_without_the_preloaded_library_nothing_is_decoded(bare, session):
    """Also where a client loads it into its own session, with settings of its own."""
    for load in ("SELECT 1", "LOAD 'wal2lake_policy'", "LOAD 'wal2lake'"):
        done = bare.program("psql", "-XAt", "-c", load, "-c",
                            "SELECT pg_create_logical_replication_slot('s', 'wal2lake')", env={"PGOPTIONS": session})
        assert done.returncode != 0, (session, load)
    done = bare.program("pg_recvlogical", "-S", "s", "-d", "postgres", "--create-slot", "-P", "wal2lake",
                        env={"PGOPTIONS": session})
    assert done.returncode != 0
    assert bare.query("SELECT 1 FROM pg_replication_slots") == []
    assert crashes(bare) == []


def test_the_refusal_names_the_fix(bare):
    with pytest.raises(Exception, match="wal2lake_policy in shared_preload_libraries") as refused:
        bare.query("SELECT pg_create_logical_replication_slot('s', 'wal2lake')")
    assert refused.value.diag.message_hint


def test_labels_need_the_preloaded_library(bare):
    bare.query("CREATE TABLE t (id int)")
    with pytest.raises(Exception, match="wal2lake"):
        bare.query("SECURITY LABEL FOR wal2lake ON COLUMN t.id IS 'green'")


def test_a_setting_that_does_not_exist_is_named():
    """A typing error in postgresql.conf must not look like a setting in force."""
    with Cluster({"wal2lake.key_fiel": "/x"}, name="unheard") as cluster:
        assert 'invalid configuration parameter name "wal2lake.key_fiel"' in cluster.log_text()
        assert "wal2lake.key_fiel" not in settings_of(cluster)


def test_the_allow_list_is_respected():
    """Where the server has output_plugin_libraries, a list without us refuses us, in the server's own words."""
    cluster = Cluster(name="allow")
    try:
        if not cluster.knows("output_plugin_libraries"):
            pytest.skip("this server has no output_plugin_libraries")
        cluster.configure({"output_plugin_libraries": "test_decoding"})
        cluster.start()
        with pytest.raises(Exception) as refused:
            cluster.query("SELECT pg_create_logical_replication_slot('s', 'wal2lake')")
        assert refused.value.pgcode == "42501"
    finally:
        cluster.remove()
