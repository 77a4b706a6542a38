"""The functions of pull mode: a role without REPLICATION reads one slot, masked, and is refused everything else.

docs/pull.md says how they are made; what they are is looked at here, too: whose, for whom, with what path, without a
handler that would swallow an error.
"""

import random
import re

import psycopg2
import pytest

from harness.canary import Canaries
from harness.cluster import Cluster, lsn_number
from harness.database import Database
from harness.plugin import assemble
from harness.pull import ROLE, create_pull_source, create_role

GAP, BEYOND, OTHER_PLUGIN = "W2L01", "W2L03", "W2L02"


class Pulled:
    """A database with a slot to pull from, and what the role that pulls is told."""

    def __init__(self, database, slot="pulled"):
        self.database, self.cluster = database, database.cluster
        self.slot, self.schema = slot, f"wal2lake_pull_{slot}"
        self.canaries = Canaries(random.Random(4))
        database.execute("CREATE TABLE users (id int PRIMARY KEY, name text, email text, bio text)")
        database.label("users", id="green", name="green", email="red hash domain=email", bio="red drop")
        create_pull_source(database, slot)

    def write(self):
        self.cluster.query("INSERT INTO users SELECT coalesce(max(id), 0) + 1, %s, %s, %s FROM users",
                           (self.canaries.green_marker("name"), self.canaries.red_marker("email"), self.canaries.red_marker("bio")),
                           self.database.name)

    def sql(self, statement, parameters=None, user=ROLE):
        return self.cluster.query(statement, parameters, self.database.name, user)

    def confirmed(self):
        return self.database.value("SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s", (self.slot,))

    def end(self):
        return self.database.value("SELECT pg_current_wal_flush_lsn()::text")

    def peek(self, expected=None, upto=None):
        rows = self.sql(f"SELECT data FROM {self.schema}.peek(%s, %s)", (expected or self.confirmed(), upto))
        return b"".join(bytes(row[0]) for row in rows)

    def advance(self, upto):
        return self.sql(f"SELECT {self.schema}.advance(%s)::text", (upto,))[0][0]

    def refused(self, statement, *states, parameters=None, user=ROLE):
        with pytest.raises(psycopg2.Error) as error:
            self.sql(statement, parameters, user)
        assert error.value.pgcode in states, (statement, error.value.pgcode, str(error.value))
        return str(error.value)


@pytest.fixture(scope="module")
def cluster():
    with Cluster(name="pull") as running:
        create_role(running)
        running.query("CREATE ROLE other LOGIN")
        yield running


@pytest.fixture
def pulled(cluster, request):
    with Database(cluster, request.node.name) as database:
        yield Pulled(database)


@pytest.fixture(scope="module")
def attacked(cluster):
    """One for all that changes nothing, with a slot of another role and one of another plugin beside it."""
    with Database(cluster, "attacked") as database:
        made = Pulled(database, "attacked")
        create_pull_source(database, "others", "other")
        for slot, plugin in ("other_plugin", "test_decoding"), ("bare", "wal2lake"):
            cluster.query("SELECT pg_create_logical_replication_slot(%s, %s)", (slot, plugin), database.name)
        yield made


def test_masked_frames_and_whole_transactions(pulled):
    for _ in range(3):
        pulled.write()
    data = pulled.peek()
    assert len(assemble(data)) == 3
    assert pulled.canaries.find_red(data) == [] and pulled.canaries.find_green(data)
    # The same that a role with REPLICATION reads.
    raw = b"".join(bytes(row[0]) for row in pulled.sql(
        "SELECT data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL)", (pulled.slot,), "postgres"))
    assert raw == data


def test_what_is_acknowledged_does_not_come_again(pulled):
    pulled.write()
    first = assemble(pulled.peek())[0]
    pulled.write()
    end = pulled.cluster.query("SELECT (%s + '0/0'::pg_lsn)::text", (first.end_lsn,))[0][0]
    assert pulled.advance(end) == end == pulled.confirmed()
    assert [each.end_lsn > first.end_lsn for each in assemble(pulled.peek())] == [True]
    # Never back.
    assert pulled.advance("0/1") == end == pulled.confirmed()


def test_up_to_a_position_each_transaction_that_begins_its_commit_before(pulled):
    """So the position itself may be recorded as reached. One more may come where a page begins in between."""
    for _ in range(3):
        pulled.write()
    transactions = assemble(pulled.peek())
    for transaction in transactions:
        for upto in transaction.commit_lsn, transaction.commit_lsn + 1, transaction.end_lsn:
            text = pulled.cluster.query("SELECT (%s + '0/0'::pg_lsn)::text", (upto,))[0][0]
            came = [each.commit_lsn for each in assemble(pulled.peek(upto=text))]
            due = [each.commit_lsn for each in transactions if each.commit_lsn < upto]
            assert came[:len(due)] == due and len(came) <= len(due) + 1
    assert len(came) == 3


def test_a_skip_is_a_gap(pulled):
    pulled.write()
    expected = pulled.confirmed()
    pulled.cluster.query("SELECT pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())", (pulled.slot,), pulled.database.name)
    pulled.write()
    said = pulled.refused(f"SELECT data FROM {pulled.schema}.peek(%s, NULL)", GAP, parameters=(expected,))
    assert expected in said and pulled.confirmed() in said
    # No answer to nothing, either.
    pulled.refused(f"SELECT data FROM {pulled.schema}.peek(NULL, NULL)", GAP)
    assert len(assemble(pulled.peek())) == 1


def test_nothing_reaches_the_client_before_a_gap_is_found(pulled):
    """Also where rows are asked for one by one."""
    for _ in range(20):
        pulled.write()
    connection = pulled.cluster.connect(pulled.database.name, ROLE, autocommit=False)
    with connection.cursor("one_by_one") as cursor:
        cursor.itersize = 1
        with pytest.raises(psycopg2.Error) as error:
            cursor.execute(f"SELECT data FROM {pulled.schema}.peek('0/1', NULL)")
            cursor.fetchone()
    assert error.value.pgcode == GAP
    connection.close()


def test_not_beyond_what_is_durable(pulled):
    before = pulled.confirmed()
    pulled.refused(f"SELECT {pulled.schema}.advance(pg_current_wal_flush_lsn() + 1000000)", BEYOND)
    pulled.refused(f"SELECT {pulled.schema}.advance('FFFFFFFF/FFFFFFFF')", BEYOND)
    assert pulled.confirmed() == before


@pytest.mark.parametrize("statement", [
    "SELECT * FROM pg_logical_slot_peek_binary_changes('{slot}', NULL, NULL)",
    "SELECT * FROM pg_logical_slot_get_binary_changes('{slot}', NULL, NULL)",
    "SELECT * FROM pg_logical_slot_peek_changes('{slot}', NULL, NULL)",
    "SELECT * FROM pg_logical_slot_peek_binary_changes('others', NULL, NULL)",
    "SELECT pg_replication_slot_advance('{slot}', pg_current_wal_flush_lsn())",
    "SELECT pg_create_logical_replication_slot('evil', 'wal2lake')", "SELECT pg_create_physical_replication_slot('evil')",
    "SELECT pg_copy_logical_replication_slot('{slot}', 'evil')", "SELECT pg_drop_replication_slot('{slot}')",
    "SELECT * FROM wal2lake_pull_others.peek('0/1', NULL)", "SELECT wal2lake_pull_others.advance('0/1')",
    "SELECT * FROM users", "SELECT email FROM users", "COPY users TO STDOUT", "SET ROLE wal2lake_pull",
    "SET SESSION AUTHORIZATION wal2lake_pull", "GRANT wal2lake_pull TO puller", "ALTER ROLE puller REPLICATION",
    "SELECT wal2lake.create_pull_source('bare', 'puller')", "SELECT wal2lake.drop_pull_source('{slot}')",
    "SELECT wal2lake.check_pull_source('{slot}', 'puller', '{{}}')", "SELECT wal2lake.close_pull_source('TABLE', 'users', 0, '{{}}')",
    "ALTER FUNCTION {schema}.peek(pg_lsn, pg_lsn) SECURITY INVOKER", "ALTER FUNCTION {schema}.peek(pg_lsn, pg_lsn) SET search_path = public",
    "CREATE FUNCTION {schema}.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE FUNCTION {schema}.advance(upto pg_lsn) RETURNS pg_lsn LANGUAGE sql AS 'SELECT $1'",
    "DROP FUNCTION {schema}.advance(pg_lsn)", "DROP SCHEMA {schema} CASCADE"])
def test_everything_else_is_refused(attacked, statement):
    attacked.refused(statement.format(slot=attacked.slot, schema=attacked.schema), "42501")


@pytest.mark.parametrize("options", ["('origin' 'none')", "VARIADIC '{messages,off}'"])
def test_no_options_can_be_chosen(attacked, options):
    attacked.refused(f"SELECT * FROM {attacked.schema}.peek('0/1', NULL, {options})", "42601", "42883")


@pytest.mark.parametrize("command", ["IDENTIFY_SYSTEM", "BASE_BACKUP (CHECKPOINT 'fast')", "START_REPLICATION SLOT attacked LOGICAL 0/0",
                                     "CREATE_REPLICATION_SLOT evil LOGICAL wal2lake"])
@pytest.mark.parametrize("how", ["database", "true"])
def test_no_replication_connection(attacked, command, how):
    done = attacked.cluster.program("psql", "-XAt", "-d", f"dbname={attacked.database.name} replication={how}", "-c", command,
                                  dbname=attacked.database.name, user=ROLE)
    assert done.returncode != 0 and re.search(b"replication (role|attribute)", done.stderr, re.IGNORECASE), done.stderr


def test_nobody_else_may_call_them(attacked):
    for call in f"SELECT * FROM {attacked.schema}.peek('0/1', NULL)", f"SELECT {attacked.schema}.advance('0/1')":
        attacked.refused(call, "42501", user="other")


def test_what_is_made(pulled):
    """Auditable: owner, path, callers, no handler, slot and options as literals."""
    functions = pulled.cluster.query("""
        SELECT p.proname, p.prosecdef, p.proconfig, o.rolname, p.prosrc,
               array(SELECT (CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
                       FROM aclexplode(p.proacl) a WHERE a.grantee <> p.proowner ORDER BY 1)
          FROM pg_proc p JOIN pg_roles o ON o.oid = p.proowner
         WHERE p.pronamespace = %s::regnamespace ORDER BY 1""", (pulled.schema,), pulled.database.name)
    assert [each[0] for each in functions] == ["advance", "peek"]
    for _, definer, config, owner, source, callers in functions:
        assert definer and config == ["search_path=pg_catalog, pg_temp"] and owner == "wal2lake_pull" and callers == [ROLE]
        assert "EXCEPTION WHEN" not in source.upper() and f"'{pulled.slot}'" in source
    role = pulled.cluster.query("SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication FROM pg_roles "
                                "WHERE rolname = 'wal2lake_pull'")
    assert role == [(False, False, False, False, False, True)]
    assert pulled.database.value("SELECT count(*) FROM wal2lake.check() WHERE object = 'role wal2lake_pull'") == 0


def test_default_privileges_open_nothing(pulled):
    pulled.database.execute("ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO other", "ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO other")
    create_pull_source(pulled.database, "another")
    for call in "SELECT * FROM wal2lake_pull_another.peek('0/1', NULL)", "SELECT wal2lake_pull_another.advance('0/1')":
        pulled.refused(call, "42501", user="other")
    assert pulled.database.value("SELECT has_schema_privilege('other', 'wal2lake_pull_another', 'USAGE, CREATE')") is False


def test_names_that_need_quotes(pulled):
    role = """we"ird', '; DROP TABLE users; --$$"""
    pulled.cluster.query('CREATE ROLE "{}" LOGIN'.format(role.replace('"', '""')))
    pulled.cluster.query("SELECT pg_create_logical_replication_slot('quoted', 'wal2lake')", None, pulled.database.name)
    pulled.cluster.query("SELECT wal2lake.create_pull_source('quoted', (SELECT oid::regrole FROM pg_roles WHERE rolname = %s), %s)",
                         (role, ["origin", "none", "max_batch_bytes", "4096"]), pulled.database.name)
    pulled.write()
    rows = pulled.cluster.query("SELECT data FROM wal2lake_pull_quoted.peek((SELECT confirmed_flush_lsn FROM pg_replication_slots "
                                "WHERE slot_name = 'quoted'), NULL)", dbname=pulled.database.name,
                                user="'{}'".format(role.replace("'", "\\'")))
    assert len(rows) == 1
    pulled.cluster.query("SELECT pg_create_logical_replication_slot('quoted2', 'wal2lake')", None, pulled.database.name)
    for text in ("'); DROP TABLE users; --", "$$; DROP TABLE users; --", "\\'; --", "%s%I%1$L"):
        with pytest.raises(psycopg2.Error):
            pulled.cluster.query("SELECT wal2lake.create_pull_source('quoted2', %s::text::regrole, %s)", (ROLE, [text, text]),
                                 pulled.database.name)
    assert pulled.database.value("SELECT count(*) FROM users") == 1


@pytest.mark.parametrize("slot, reader, options, state", [
    ("nosuch", ROLE, "{}", "42704"), ("other_plugin", ROLE, "{}", "42704"), ("attacked", ROLE, "{}", "42P06"), ("s" * 50, ROLE, "{}", "42622"),
    ("bare", ROLE, "{origin}", "22023"), ("bare", ROLE, "{origin,NULL}", "22023"), ("bare", ROLE, "{streaming,on}", "22023"),
    ("bare", ROLE, "{two_phase,on}", "22023"), ("bare", ROLE, "{format_version,1}", "22023"), ("bare", ROLE, "{nosuch,1}", "22023"),
    ("bare", "-", "{}", "42704")])
def test_what_cannot_be_made(attacked, slot, reader, options, state):
    attacked.refused("SELECT wal2lake.create_pull_source(%s, %s::text::regrole, %s)", state, parameters=(slot, reader, options), user="postgres")
    assert attacked.database.value("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'wal2lake_pull%'") == 2


@pytest.mark.parametrize("change, back", [
    ("ALTER ROLE wal2lake_pull LOGIN", "ALTER ROLE wal2lake_pull NOLOGIN"),
    ("ALTER ROLE wal2lake_pull CREATEROLE", "ALTER ROLE wal2lake_pull NOCREATEROLE"),
    ("GRANT wal2lake_pull TO other", "REVOKE wal2lake_pull FROM other"),
    ("GRANT pg_read_all_data TO wal2lake_pull", "REVOKE pg_read_all_data FROM wal2lake_pull")])
def test_the_owner_must_be_nobody(attacked, change, back):
    attacked.cluster.query(change)
    try:
        attacked.refused("SELECT wal2lake.create_pull_source('bare', 'puller')", "55000", user="postgres")
    finally:
        attacked.cluster.query(back)


def test_a_slot_made_anew_for_another_plugin_shows_nothing(pulled):
    """By the name alone it would: frames of any plugin are bytes."""
    pulled.cluster.query("SELECT pg_drop_replication_slot(%s)", (pulled.slot,))
    pulled.cluster.query("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", (pulled.slot,), pulled.database.name)
    pulled.write()
    pulled.refused(f"SELECT data FROM {pulled.schema}.peek(%s, NULL)", OTHER_PLUGIN, "22023", parameters=(pulled.confirmed(),))
    # Even where that plugin takes our options.
    pulled.cluster.query("UPDATE pg_proc SET prosrc = replace(prosrc, '{format_version,1}', '{include-xids,on}') "
                         "WHERE pronamespace = %s::regnamespace", (pulled.schema,), pulled.database.name)
    pulled.refused(f"SELECT data FROM {pulled.schema}.peek(%s, NULL)", OTHER_PLUGIN, parameters=(pulled.confirmed(),))


def test_they_go_and_come_again(pulled):
    pulled.database.execute(f"SELECT wal2lake.drop_pull_source('{pulled.slot}')")
    pulled.refused(f"SELECT {pulled.schema}.advance('0/1')", "3F000")
    pulled.cluster.query("SELECT wal2lake.create_pull_source(%s, %s::text::regrole)", (pulled.slot, ROLE), pulled.database.name)
    pulled.write()
    assert len(assemble(pulled.peek())) == 1
    assert lsn_number(pulled.end()) >= lsn_number(pulled.confirmed())


def test_no_transaction_stays_open(pulled):
    """A snapshot that is held would keep vacuum from its work."""
    pulled.write()
    connection = pulled.cluster.connect(pulled.database.name, ROLE)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT data FROM {pulled.schema}.peek(%s, NULL)", (pulled.confirmed(),))
        assert cursor.fetchall()
    assert pulled.database.value("SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND (backend_xmin IS NOT NULL OR state <> 'idle')",
                                 (ROLE,)) == 0
    assert not pulled.database.value("SELECT active FROM pg_replication_slots WHERE slot_name = %s", (pulled.slot,))
    connection.close()
