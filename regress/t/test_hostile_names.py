"""Names that hold quotes, line breaks and orders to a terminal: the SQL that check() and doctor print for them is run as it is
printed, acts on just that object, and its finding goes. WAL2LAKE_LONG=1 takes all names, else the worst of them."""

import contextlib
import json
import os
import re
import shutil
import tempfile
import tomllib
import unicodedata
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from harness.cluster import SUPERUSER, Cluster
from harness.forwarder import command

LONG = bool(os.environ.get("WAL2LAKE_LONG"))
WORST = ["it's", 'a "quoted" one', "'; DROP TABLE bystander; --", '"; DROP TABLE bystander; --', "two\nlines\n0 errors, 0 warnings",
         "\x1b[2J\x1b[31mred", "back\\slash\\", "%s%I%%1$s", "\u202egnp.exe\u2066", "$$;$1", "é" * 31 + "'", "\u009b31m\x7f"]
OTHERS = ["tab\tand\rreturn\x07", "a.b", "select", "Mixed", "E'x", 'U&"\\0041', "-- a comment", "/* a comment", ":variable", "\\gexec", " blank ",
          "{a,b}", "a=b", "x" * 63, "\ufeff\u200b", "日本語", "\U000e0041", "*", "?", "\x01'\x02\"\\"]
NAMES = WORST + OTHERS if LONG else [WORST[2], *WORST[4:9]]
# Where each takes a database or some runs of doctor.
FEW = NAMES if LONG else [WORST[4], WORST[7]]
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def identifier(*names):
    return '.'.join('"' + name.replace('"', '""') + '"' for name in names)


def literal(text):
    return "'" + text.replace("'", "''") + "'"


class Hostile:
    """A server, and sessions in its databases whatever they are called."""

    def __init__(self, cluster, folder):
        self.cluster, self.folder = cluster, folder

    def session(self, dbname="app", user=SUPERUSER):
        session = psycopg2.connect(host=str(self.cluster.sockets), port=self.cluster.port, dbname=dbname, user=user,
                                   client_encoding="UTF8")
        session.autocommit = True
        return contextlib.closing(session)

    def rows(self, statement, dbname="app", user=SUPERUSER):
        with self.session(dbname, user) as session, session.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def run(self, *statements, dbname="app"):
        with self.session(dbname) as session, session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def psql(self, text, dbname="app"):
        """As it is printed, in psql."""
        script = self.folder / "fix.sql"
        script.write_text(text + "\n", encoding="utf-8")
        done = self.cluster.program("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", script, dbname=dbname)
        assert done.returncode == 0, (text, done.stderr)

    def check(self, dbname="app"):
        return self.rows("SELECT * FROM wal2lake.check()", dbname)

    def state(self, dbname="app"):
        """Everything that a printed statement may touch, as lines."""
        return set(self.rows("""
            SELECT 'label', concat_ws(' ', classoid, objoid, objsubid, label) FROM pg_seclabel
            UNION ALL SELECT 'database', objoid || ' ' || label FROM pg_shseclabel
            UNION ALL SELECT 'member', member || ' ' || roleid FROM pg_auth_members
            UNION ALL SELECT 'setting', concat_ws(' ', setrole, setdatabase, setconfig) FROM pg_db_role_setting
            UNION ALL SELECT 'role', concat_ws(' ', oid, rolsuper, rolreplication, rolcreaterole) FROM pg_roles
            UNION ALL SELECT 'publication', pubname FROM pg_publication
            UNION ALL SELECT 'slot', slot_name FROM pg_replication_slots
            UNION ALL SELECT 'table', concat_ws(' ', oid, relreplident, relacl) FROM pg_class WHERE oid >= 16384
            UNION ALL SELECT 'function', p.oid || ' ' || x.grantee FROM pg_proc p, aclexplode(p.proacl) x""", dbname))


@pytest.fixture(scope="module")
def hostile():
    folder = Path(tempfile.mkdtemp(prefix="wal2lake-names-", dir="/tmp"))
    folder.chmod(0o755)
    with Cluster(name="names", settings={"max_replication_slots": 60}) as cluster:
        cluster.create_database("app")
        made = Hostile(cluster, folder)
        made.run("CREATE EXTENSION wal2lake", "CREATE TABLE bystander (id int PRIMARY KEY)",
                 "SECURITY LABEL FOR wal2lake ON COLUMN bystander.id IS 'green'", "CREATE ROLE chief SUPERUSER")
        yield made
    shutil.rmtree(folder, ignore_errors=True)


def label(name, text, on="COLUMN"):
    return f"SECURITY LABEL FOR wal2lake ON {on} {name} IS {literal(text)}"


def statements_for(name, number):
    """What brings a finding of each code whose fix is SQL, with the name wherever there can be one."""
    role = schema = identifier(name)
    attached = identifier("parts", name)
    yield f"CREATE ROLE {role} REPLICATION CREATEROLE IN ROLE pg_read_server_files, pg_read_all_data, chief"
    yield f"GRANT EXECUTE ON FUNCTION pg_read_file(text), lo_import(text) TO {role}"
    yield f"CREATE SCHEMA {schema}"
    yield f"CREATE TABLE {identifier(name, name)} ({role} text)"
    yield f"CREATE TABLE {identifier(name, 'clear')} ({role} text)"
    yield f"CREATE TABLE {identifier(name, 'made')} (red varchar, {role} varchar GENERATED ALWAYS AS (red) STORED)"
    yield label(identifier(name, name, name), f"red hash domain=d{number}")
    yield label(identifier(name, "clear", name), "green")
    yield label(identifier(name, "made", "red"), "red drop")
    yield label(identifier(name, "made", name), "green")
    yield f"CREATE TABLE {attached} (id int, {role} int)"
    yield f"ALTER TABLE parts.days ADD {role} int"
    yield label(identifier("parts", "days", name), "green")
    yield f"CREATE PUBLICATION {role}"
    yield f"SELECT pg_create_logical_replication_slot('other_{number}', 'test_decoding')"


SQL_CODES = {"creates-roles", "reads-key-file", "reads-data-directory", "reads-all-tables", "may-become", "other-plugins-allowed", "generated-copy",
             "copy-by-name", "attached-partition", "publication", "other-slot"}


def test_what_check_prints_for_them_is_right(hostile):
    hostile.run("CREATE SCHEMA parts", "CREATE TABLE parts.days (id int) PARTITION BY LIST (id)",
                label("parts.days.id", "green"))
    for number, name in enumerate(NAMES):
        hostile.run(*statements_for(name, number))
    # Attached once the partitioned table has all of its columns.
    for number, name in enumerate(NAMES):
        columns = ", ".join(f"ADD COLUMN {identifier(other)} int" for other in NAMES if other != name)
        hostile.run(f"ALTER TABLE {identifier('parts', name)} {columns}",
                    f"ALTER TABLE parts.days ATTACH PARTITION {identifier('parts', name)} FOR VALUES IN ({number})")
    before = hostile.check()
    todo = [row for row in before if row[4].endswith(";") and row[1] in SQL_CODES]
    expected = set(SQL_CODES)
    if not hostile.cluster.knows("output_plugin_libraries"):
        expected.remove("other-plugins-allowed")
    if int(hostile.cluster.value("SHOW server_version_num")) >= 160000:
        expected.remove("creates-roles")
    assert {row[1] for row in todo} == expected
    assert len(todo) >= len(NAMES) * len(expected)
    state = hostile.state()
    for row in todo:
        hostile.psql(row[4])
        after, now = hostile.check(), hostile.state()
        assert set(before) - set(after) == {row} and len(before) == len(after) + 1, row
        assert 1 <= len(state ^ now) <= 2, (row, state ^ now)
        before, state = after, now
    assert {row[1] for row in before if row[4].endswith(";")} <= {"key-not-named"}
    # What is no statement is a sentence.
    assert all(row[4] == "" or row[4].endswith((";", ".")) for row in before)
    assert hostile.rows("SELECT count(*) FROM bystander") == [(0,)]


@pytest.mark.parametrize("name", FEW)
def test_what_it_prints_of_a_database(hostile, name):
    """Its label, from the database that is called so; doctor finds its way there, and its plain text can be pasted too."""
    hostile.run(f"CREATE DATABASE {identifier(name)}")
    try:
        hostile.run("CREATE EXTENSION wal2lake", dbname=name)
        state = hostile.state(name)
        found = [row for row in hostile.check(name) if row[1] == "key-not-named"]
        assert len(found) == 1 and found[0][2] == "database " + hostile.rows("SELECT quote_ident(current_database())", name)[0][0]
        hostile.psql(found[0][4], name)
        assert [row for row in hostile.check(name) if row[1].startswith("key-")] == []
        assert len(state ^ hostile.state(name)) == 1
        assert hostile.rows("SELECT datname FROM pg_shseclabel JOIN pg_database d ON d.oid = objoid", name) == [(name,)]
        hostile.run(f"SECURITY LABEL FOR wal2lake ON DATABASE {identifier(name)} IS NULL", dbname=name)
        plain = Doctor(hostile, name).plain()
        hostile.psql(next(fix for fix in sql_fixes(plain) if "ON DATABASE" in fix), name)
        assert hostile.rows("SELECT datname FROM pg_shseclabel JOIN pg_database d ON d.oid = objoid", name) == [(name,)]
        the_slot_leads_there(hostile, name)
    finally:
        hostile.run(f"DROP DATABASE {identifier(name)}", dbname="postgres")


def the_slot_leads_there(hostile, name):
    """A slot of that database, and a source that looks in another one: the line for the configuration names the right one."""
    hostile.rows("SELECT pg_create_logical_replication_slot('elsewhere', 'wal2lake')", name)
    try:
        doctor = Doctor(hostile, "postgres", slot="elsewhere")
        fix = doctor.findings("slot-other-database")[0]["fix"][0]
        assert fix["kind"] == "config"
        with contextlib.closing(psycopg2.connect(tomllib.loads(fix["text"])["conninfo"])) as session:
            assert session.info.dbname == name
    finally:
        hostile.rows("SELECT pg_drop_replication_slot('elsewhere')", name)


class Doctor:
    """`wal2lake doctor` of one database, as some role."""

    def __init__(self, hostile, dbname="app", user=SUPERUSER, slot="none"):
        quoted = " ".join(key + "='" + re.sub(r"(['\\])", r"\\\1", value) + "'" for key, value in (("dbname", dbname), ("user", user)))
        lake = hostile.folder / "lake"
        lake.mkdir(exist_ok=True)
        self.config = hostile.folder / "wal2lake.toml"
        conninfo = f"host={hostile.cluster.sockets} port={hostile.cluster.port} {quoted}"
        escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in conninfo)
        self.config.write_text(f'[lake]\nurl = "file://{lake}"\n[[source]]\nid = "cell1.main"\nconninfo = "{escaped}"\nslot = "{slot}"\n',
                               encoding="utf-8")

    def findings(self, code, *arguments):
        done = command("doctor", "-c", self.config, "--json", *arguments)
        return [found for found in json.loads(done.stdout)["findings"] if found["code"] == code]

    def plain(self, *arguments):
        """What a terminal gets: nothing that it would obey."""
        text = command("doctor", "-c", self.config, *arguments).stdout.decode("utf-8")
        odd = {c for c in text if c != "\n" and (unicodedata.category(c) in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(c) in BIDI)}
        assert odd == set(), [line for line in text.splitlines() if odd & set(line)]
        assert text.splitlines()[-1].endswith((" note", " notes")) and "\n0 errors" not in "\n".join(text.split("\n")[:-2])
        return text

    def fixes(self, way, code):
        """The SQL of a code, as a machine reads it or as it is pasted from the terminal."""
        if way == "json":
            return ["\n".join(fix["text"] for fix in found["fix"] if fix["kind"] == "sql") for found in self.findings(code)]
        pieces = re.split(r"^(?:error|warning|info) +([a-z-]+) +.*\n", self.plain(), flags=re.M)
        return ["\n".join(sql_fixes(body)) for found, body in zip(pieces[1::2], pieces[2::2]) if found == code]


def sql_fixes(text):
    """The blocks of SQL in doctor's plain text."""
    return [re.sub(r"^ {12}", "", block, flags=re.M) for block in re.findall(r"^ {8}fix \(sql\):\n((?: {12}.*\n)+)", text, re.M)]


TABLES = {
    "tables-unlabelled": ("CREATE TABLE {0} ({1} int)", "SELECT count(*) FROM pg_seclabel WHERE label = 'exclude'"),
    "columns-unlabelled": ("CREATE TABLE {0} (id int PRIMARY KEY, {1} text); SECURITY LABEL FOR wal2lake ON COLUMN {0}.id IS 'green'",
                           "SELECT count(*) FROM pg_seclabel WHERE label = 'red drop'"),
    "identity-missing": ("CREATE TABLE {0} ({1} int); SECURITY LABEL FOR wal2lake ON COLUMN {0}.{1} IS 'green'",
                         "SELECT count(*) FROM pg_class WHERE relreplident = 'f' AND relnamespace >= 16384 AND relkind = 'r'"
                         " AND relnamespace <> 'wal2lake'::regnamespace"),
}


@pytest.mark.parametrize("way", ["json", "plain"])
@pytest.mark.parametrize("code", TABLES)
def test_what_doctor_prints_of_tables(hostile, code, way):
    create, changed = TABLES[code]
    hostile.run("CREATE DATABASE tables", dbname="postgres")
    try:
        hostile.run("CREATE EXTENSION wal2lake", "CREATE TABLE bystander (id int PRIMARY KEY)", label("bystander.id", "green"),
                    *(statement for name in NAMES for statement in (
                        f"CREATE SCHEMA {identifier(name)}",
                        create.replace("{0}", identifier(name, name)).replace("{1}", identifier(name)))), dbname="tables")
        state, before = hostile.state("tables"), hostile.rows(changed, "tables")[0][0]
        fixes = Doctor(hostile, "tables").fixes(way, code)
        assert len(fixes) == 1 and len(fixes[0].split("\n")) >= len(NAMES)
        hostile.psql(fixes[0], "tables")
        assert hostile.rows(changed, "tables")[0][0] == before + len(NAMES)
        assert len(hostile.state("tables") - state) == len(NAMES)
        assert Doctor(hostile, "tables").findings(code) == []
    finally:
        hostile.run("DROP DATABASE tables", dbname="postgres")


@pytest.mark.parametrize("name", FEW)
def test_what_doctor_prints_of_a_role(hostile, name):
    """The forwarder's own role is called so, lacks what it needs and has what it does not."""
    name = name.encode()[:62].decode(errors="ignore") + "r"
    role = identifier(name)
    hostile.run(f"CREATE ROLE {role} LOGIN", f"GRANT SELECT ON bystander TO {role}", f"GRANT pg_read_all_data TO {role}")
    try:
        doctor = Doctor(hostile, user=name)
        state, listed = hostile.state(), hostile.cluster.knows("output_plugin_libraries")
        for way, code in (("plain", "role-not-replication"), ("json", "role-reads-tables"), ("plain", "settings-hidden"),
                          ("json", "allow-list-wide")):
            if code == "allow-list-wide" and not listed:
                continue
            fixes = doctor.fixes(way, code)
            assert len(fixes) == 1, (code, doctor.plain())
            hostile.psql(fixes[0])
            assert doctor.findings(code) == []
        # The role and the table twice, as they were and as they are; its two memberships, its list.
        assert len(state ^ hostile.state()) == 6 + listed
        relayed = doctor.findings("policy-warning", "--admin-conninfo", "user=postgres")
        quoted = hostile.rows(sql.SQL("SELECT quote_ident({})").format(sql.Literal(name)))[0][0]
        assert f"reads-everything role {quoted}" in [found["object"] for found in relayed]
        doctor.plain("--admin-conninfo", "user=postgres")
    finally:
        hostile.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.parametrize("name", WORST[:3])
def test_pairs_of_tokens(hostile, name):
    """What token_pairs() puts together reads the column that is meant, each pair once."""
    table = identifier("pairs UNION " + name[:20])
    hostile.run(f"CREATE TABLE {table} ({identifier(name)} text)",
                label(f"{table}.{identifier(name)}", "red hash domain=pairs"),
                f"INSERT INTO {table} VALUES ('a'), ('a'), ('b')")
    try:
        pairs = hostile.rows("SELECT * FROM wal2lake.token_pairs('pairs', 'k2026', 'k2026')")
        assert len(pairs) == 2 and all(bytes(old) == bytes(new) for old, new in pairs)
    finally:
        hostile.run(f"DROP TABLE {table}")
