"""The forwarder's credential in the wrong hands: set up as docs/security.md says, then attacked with all that it allows.

What stays possible is tried too, since it must be said on the first page: a REPLICATION role can copy the cluster.
"""

import contextlib
import os
import pwd
import random
import re
import subprocess
from pathlib import Path

import pytest

from harness import tokens
from harness.canary import Canaries
from harness.cluster import Cluster, read_log
from harness.database import Database

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8")
# What the role, or anybody, may call of ours: nothing of it looks at a row or a key.
HARMLESS = {"is_admin", "default_domain", "label_action", "policy_state"}


def block_of_page(begins):
    """The fenced block of the page whose first line begins so, without its indent."""
    found = [block for block in re.findall(r"^ *```[a-z]*\n(.*?)^ *```$", PAGE, re.DOTALL | re.MULTILINE)
             if block.strip().startswith(begins)]
    assert len(found) == 1, f"docs/security.md has {len(found)} blocks that begin with {begins!r}"
    return re.sub(r"^ +", "", found[0], flags=re.MULTILINE)


class Host:
    """A database host: the server, an OS user of the forwarder's own, and what an attacker got to see."""

    def __init__(self, cluster, database):
        self.cluster, self.database = cluster, database
        self.user = pwd.getpwnam("nobody")
        self.seen = b""

    def run(self, program, *arguments, dbname=None, options="", name="wal2lake"):
        """One of PostgreSQL's programs as the forwarder's OS user."""
        entered = ["chroot", self.cluster.root] if self.cluster.root else []
        command = [*map(str, entered), "setpriv", "--reuid", str(self.user.pw_uid), "--regid", str(self.user.pw_gid), "--clear-groups",
                   str(self.cluster.bindir / program), *map(str, arguments)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, cwd="/", env={
            "PATH": os.environ["PATH"], "PGHOST": str(self.cluster.sockets), "PGPORT": str(self.cluster.port), "PGUSER": name,
            "PGDATABASE": dbname or self.database.name, "PGOPTIONS": options, "LC_ALL": "C.UTF-8"})
        self.seen += done.stdout + done.stderr
        return done

    def sql(self, statement, **more):
        return self.run("psql", "-XAt", "-v", "ON_ERROR_STOP=1", "-c", statement, **more)

    def replication(self, command, **more):
        """A command of the replication protocol."""
        return self.run("psql", "-XAt", "-v", "ON_ERROR_STOP=1", "-d", f"dbname={self.database.name} replication=database",
                        "-c", command, **more)

    def refused(self, done, *words):
        said = done.stderr.decode()
        assert done.returncode != 0, done.stdout
        assert any(word in said for word in words), said


@pytest.fixture(scope="module")
def host():
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(Cluster(name="attack", settings={"wal2lake.admin_role": "labels"}))
        for path in (cluster.base, cluster.sockets):
            path.chmod(0o755)
        database = stack.enter_context(Database(cluster, "shop"))
        yield secured(cluster, database)


def secured(cluster, database):
    """As the page says, and with what must not leave in a table, a slot of another plugin, a message, a query."""
    made = Host(cluster, database)
    made.canaries = canaries = Canaries(random.Random(os.urandom(8)))
    cluster.query("CREATE ROLE wal2lake LOGIN REPLICATION")
    cluster.query("CREATE ROLE labels")
    cluster.query("CREATE ROLE plain LOGIN")
    database.execute("CREATE TABLE users (id int PRIMARY KEY, name text, email text, bio text, note text)")
    database.label("users", id="green", name="green", email="red hash domain=email", bio="red drop")
    made.slot = database.plugin_slot("ours")
    database.oracle()
    for number in range(20):
        red = [canaries.red_marker(column) for column in ("email", "bio", "note")]
        database.cluster.query("INSERT INTO users VALUES (%s, %s, %s, %s, %s)",
                               (number, canaries.green_marker("name"), *red), database.name)
    for transactional in "true", "false":
        database.execute(f"SELECT pg_logical_emit_message({transactional}, 'app', '{canaries.red_marker('message')}')")
    database.execute("ANALYZE users")
    canaries.value("key", tokens.keys_of(cluster.key_file.read_text())["k2026"].hex())
    # The page's own lines, above what is there; its role may be used by the forwarder's user alone.
    rules = block_of_page("local   shop").replace("shop", database.name).replace("peer", "peer map=forwarder")
    with open(cluster.data / "pg_ident.conf", "a", encoding="ascii") as file:
        file.write(f"forwarder {made.user.pw_name} wal2lake\n")
    hba = cluster.data / "pg_hba.conf"
    hba.write_text(rules + hba.read_text())
    if cluster.knows("output_plugin_libraries"):
        cluster.query(block_of_page("ALTER ROLE wal2lake SET"))
    cluster.reload()
    return made


@pytest.fixture(autouse=True)
def nothing_red_was_seen(host):
    """After each attack: no value, no key, whatever came back and whatever the server wrote about it."""
    offset = host.cluster.log_size()
    yield
    assert host.canaries.find_red(host.seen) == []
    key = tokens.keys_of(host.cluster.key_file.read_text())["k2026"]
    assert host.canaries.find_red(read_log(host.cluster.log, offset).encode()) == [] and key not in host.seen


def test_the_credential_works_for_what_it_is_for(host):
    assert host.sql("SELECT 1").stdout == b"1\n"
    end = host.database.commit_end()
    done = host.run("pg_recvlogical", "-d", host.database.name, "-S", "ours", "--start", "-f", "-", "--no-loop", f"--endpos={end}")
    assert done.returncode == 0 and host.canaries.find_green(done.stdout)


@pytest.mark.parametrize("dbname, name, words", [
    ("postgres", "wal2lake", "pg_hba.conf rejects connection"), ("template1", "wal2lake", "pg_hba.conf rejects connection")])
def test_no_other_database(host, dbname, name, words):
    host.refused(host.sql("SELECT 1", dbname=dbname, name=name), words)


def test_nobody_else_may_use_the_role(host):
    as_root = host.cluster.program("psql", "-XAtc", "SELECT 1", dbname=host.database.name, user="wal2lake")
    assert as_root.returncode != 0 and b"Peer authentication failed" in as_root.stderr


def test_the_keyword_replication_is_rejected(host):
    done = host.run("psql", "-XAt", "-d", f"dbname={host.database.name} replication=true", "-c", "IDENTIFY_SYSTEM")
    host.refused(done, "pg_hba.conf rejects replication connection")


@pytest.mark.parametrize("plugin", ["test_decoding", "pgoutput", "$libdir/test_decoding", "../lib/test_decoding",
                                    "/usr/lib/postgresql/15/lib/test_decoding", "wal2lake_policy", "Wal2Lake"])
def test_no_other_plugin(host, plugin):
    if not host.cluster.knows("output_plugin_libraries"):
        pytest.skip("this minor version has no allow-list, which doctor and check() say")
    words = ("output plugin", "access to library", "not allowed", "output_plugin_libraries")
    host.refused(host.sql(f"SELECT pg_create_logical_replication_slot('evil', '{plugin}')"), *words)
    host.refused(host.replication(f'CREATE_REPLICATION_SLOT evil TEMPORARY LOGICAL "{plugin}"'), *words)
    assert host.cluster.query("SELECT slot_name FROM pg_replication_slots WHERE slot_name = 'evil'") == []


@pytest.mark.parametrize("how", [
    "SELECT pg_logical_slot_peek_changes('{slot}', NULL, NULL)", "SELECT pg_logical_slot_get_binary_changes('{slot}', NULL, NULL)",
    "SELECT pg_copy_logical_replication_slot('{slot}', 'evil')", "SELECT pg_copy_logical_replication_slot('ours', 'evil', true, 'test_decoding')"])
def test_no_slot_of_another_plugin(host, how):
    slot = host.cluster.value("SELECT slot_name FROM pg_replication_slots WHERE plugin = 'test_decoding'")
    host.refused(host.sql(how.format(slot=slot)), "output plugin", "not allowed", "output_plugin_libraries")
    host.refused(host.replication(f"START_REPLICATION SLOT {slot} LOGICAL 0/0"), "output plugin", "not allowed",
                 "output_plugin_libraries", "unexpected")


OPTIONS = ["max_batch_bytes", "origin", "streaming", "two_phase", "messages", "format_version", "tables", "exclude_tables",
           "publication_names", "include-xids", "unclassified", "key_file"]
VALUES = ["", "1", "on", "any", "app", "*", "99999999999"]


def test_no_option_of_the_plugin_shows_more(host):
    """Every option that there is or might be with every value: refused, or the same masked rows."""
    known = host.slot.peek()
    answers = set()
    for name in OPTIONS:
        for value in VALUES:
            with contextlib.suppress(Exception):
                answers.add(host.slot.peek(name, value) == known or name)
            done = host.sql(f"SELECT data FROM pg_logical_slot_peek_binary_changes('ours', NULL, NULL, '{name}', '{value}')")
            assert done.returncode == 0 or b"ERROR" in done.stderr
            done = host.replication(f"START_REPLICATION SLOT ours LOGICAL 0/0 (\"{name}\" '{value}')")
    assert True in answers


def test_no_setting_of_a_session_shows_more(host):
    settings = [name for name, in host.cluster.query("SELECT name FROM pg_settings WHERE name LIKE 'wal2lake.%'")]
    assert len(settings) == 3
    for name in (*settings, "output_plugin_libraries", "session_preload_libraries", "dynamic_library_path"):
        if not host.cluster.knows(name):
            continue
        for value in ("app", "wal2lake", "postgres", "test_decoding"):
            host.refused(host.sql("SELECT 1", options=f"-c {name}={value}"), "FATAL")
            for statement in f"SET {name} = '{value}'", f"ALTER ROLE wal2lake SET {name} = '{value}'", \
                             f"ALTER DATABASE {host.database.name} SET {name} = '{value}'", f"ALTER SYSTEM SET {name} = '{value}'":
                host.refused(host.sql(statement), "ERROR")
    host.refused(host.sql("SHOW wal2lake.key_file"), "must be superuser", "permission denied")


def test_no_function_of_ours_helps(host):
    """Each function in the schema, called by the role and by a plain one."""
    functions = host.cluster.query("""
        SELECT p.proname, p.oid::regprocedure::text, has_function_privilege('wal2lake', p.oid, 'EXECUTE'),
               has_function_privilege('plain', p.oid, 'EXECUTE'), p.prosecdef
          FROM pg_proc p WHERE p.pronamespace = 'wal2lake'::regnamespace""", dbname=host.database.name)
    assert len(functions) > 10
    open_to_all = {name for name, _, ours, plain, _ in functions if ours or plain}
    assert open_to_all <= HARMLESS, open_to_all - HARMLESS
    assert not any(definer for name, _, _, _, definer in functions if name in HARMLESS)
    for name, signature, *_ in functions:
        # Not NULL: of a strict function that is known beforehand, and nobody is asked.
        known = {"bytea": "'\\x'::bytea", "boolean": "true", "anyelement": "'x'::text", "text": "'x'", "name": "'x'::name", "oid": "1::oid",
                 "smallint": "1::int2", "timestamp with time zone": "now()"}
        arguments = ", ".join(known.get(kind, f"NULL::{kind}") for kind in signature[signature.index("(") + 1:-1].split(",") if kind)
        for role in "wal2lake", "plain":
            host.sql(f"SET ROLE {role}; SELECT wal2lake.{name}({arguments})")
        if name not in HARMLESS:
            host.refused(host.sql(f"SELECT wal2lake.{name}({arguments})"), "permission denied", "can only be called", "does not exist")


def test_no_message_of_any_prefix_leaves(host):
    """The role may write messages, as anybody; they leave only where the server names their prefix."""
    for prefix in ("app", "", "wal2lake", "red", "*", "%", "green"):
        assert host.sql(f"SELECT pg_logical_emit_message(true, '{prefix}', '{host.canaries.red_marker('message')}')").returncode == 0
    end = host.database.commit_end()
    host.sql("SELECT data FROM pg_logical_slot_peek_binary_changes('ours', NULL, NULL, 'messages', 'on')")
    assert host.database.commit_end() >= end


@pytest.mark.parametrize("statement", [
    "SELECT * FROM users", "TABLE users", "COPY users TO STDOUT", "SELECT email FROM users LIMIT 1", "SELECT * FROM pg_statistic",
    "SELECT pg_read_file('{key}')", "SELECT pg_read_binary_file('{key}')", "COPY (SELECT 1) TO PROGRAM 'cat {key}'",
    "CREATE TABLE public.x (t text); COPY public.x FROM '{key}'", "SELECT lo_import('{key}')", "SELECT pg_ls_dir('.')",
    "SECURITY LABEL FOR wal2lake ON COLUMN users.bio IS 'green'", "UPDATE pg_seclabel SET label = 'green'",
    "SELECT wal2lake.classify('users', 'green')", "INSERT INTO wal2lake.ddl DEFAULT VALUES", "DELETE FROM wal2lake.label_history",
    "DELETE FROM wal2lake.declared", "INSERT INTO wal2lake.declared VALUES ('public', 'users', 'bio', 'green', now(), 'labels')",
    "ALTER ROLE wal2lake SUPERUSER", "SET ROLE postgres", "SET ROLE labels", "SET SESSION AUTHORIZATION postgres",
    "CREATE EXTENSION wal2lake", "DROP EXTENSION wal2lake", "ALTER EXTENSION wal2lake DROP TABLE wal2lake.ddl",
    "CREATE FUNCTION f() RETURNS void LANGUAGE c AS 'wal2lake', 'wal2lake_key_digits'", "LOAD 'test_decoding'",
    "ALTER TABLE users REPLICA IDENTITY FULL", "SELECT pg_reload_conf()", "CHECKPOINT"])
def test_no_statement_shows_or_changes_more(host, statement):
    host.refused(host.sql(statement.format(key=host.cluster.key_file)), "ERROR")


def test_what_anybody_may_look_at_holds_nothing(host):
    """Statistics, activity, settings, labels: names and numbers."""
    for view in ("pg_stats", "pg_stats_ext", "pg_stat_activity", "pg_replication_slots", "pg_stat_replication", "pg_stat_replication_slots",
                 "pg_settings", "pg_seclabels", "pg_db_role_setting", "pg_stat_statements_info", "pg_prepared_xacts", "pg_locks", "pg_attrdef",
                 "pg_stat_all_tables", "pg_logical_slot_peek_binary_changes('ours', NULL, NULL)"):
        host.sql(f"SELECT * FROM {view}")


@pytest.mark.parametrize("command", [
    "IDENTIFY_SYSTEM", "SHOW wal2lake.key_file", "SHOW output_plugin_libraries", "TIMELINE_HISTORY 1", "READ_REPLICATION_SLOT ours",
    "CREATE_REPLICATION_SLOT seen TEMPORARY LOGICAL wal2lake (SNAPSHOT 'export')", "CREATE_REPLICATION_SLOT seen TEMPORARY LOGICAL wal2lake (TWO_PHASE)",
    "CREATE_REPLICATION_SLOT \"x'; TABLE users; --\" TEMPORARY LOGICAL wal2lake", "ALTER_REPLICATION_SLOT ours (FAILOVER)",
    "DROP_REPLICATION_SLOT nothing", "SELECT * FROM users", "UPLOAD_MANIFEST"])
def test_no_replication_command_shows_more(host, command):
    host.replication(command)


def test_an_exported_snapshot_reads_no_table(host):
    done = host.run("psql", "-XAt", "-d", f"dbname={host.database.name} replication=database",
                    "-c", "CREATE_REPLICATION_SLOT seen TEMPORARY LOGICAL wal2lake (SNAPSHOT 'export')", "-c", "SELECT email FROM users")
    host.refused(done, "permission denied for table users", 'relation "users" does not exist')


def test_what_remains_is_said_on_the_first_page(host):
    """A base backup over the one line that lets the role in: PostgreSQL's, and nothing of ours can stop it."""
    host.replication("BASE_BACKUP (CHECKPOINT 'fast', WAIT false)")
    copied, host.seen = host.seen, b""
    assert {where for marker, where in host.canaries.red.items() if marker.encode() in copied} >= {"email", "bio", "note"}
    assert "A role that may replicate can copy the whole cluster" in (REPOSITORY / "README.md").read_text(encoding="utf-8")[:1500]
