"""Every type that a column may have, by PostgreSQL's own list, is carried: four decoders of the same WAL agree on each value,
and docs/types.md says how."""

import functools
import re
from pathlib import Path

import psycopg2
import pytest

from harness import tokens
from harness.cluster import Cluster
from harness.database import Database
from harness.plugin import assemble
from harness.type_samples import NO_VALUES, SAMPLES
from harness.typed import Typed
from harness.values import NotText
from harness.witnesses import Witnesses, allow, converted

PAGE = Path(__file__).resolve().parents[2] / "docs" / "types.md"
TOKENS_PAGE = PAGE.with_name("tokens.md")
# Values of text that get into a database of UTF-8 past its checks: cut off, a surrogate, too long, beyond Unicode, NUL.
NOT_UTF8 = ["61ff", "c3", "eda080", "c080", "f4908080", "610062"]
REG_TYPES = {"regproc", "regprocedure", "regoper", "regoperator", "regclass", "regcollation", "regtype", "regrole",
             "regnamespace", "regconfig", "regdictionary"}
# Output functions look some names up through the search path, where temporary tables of one's own come first.
SHADOWS = "CREATE TEMP TABLE pg_class (x int); CREATE TEMP TABLE date (x int); CREATE TEMP TABLE t16 (x int)"
HOSTILE = ("-c datestyle=SQL,DMY -c timezone=Asia/Kathmandu -c intervalstyle=iso_8601 -c bytea_output=escape "
           "-c extra_float_digits=-15 -c search_path=public,pg_temp -c quote_all_identifiers=on -c xmlbinary=hex")


@pytest.fixture(scope="module")
def server():
    with allow(Cluster({"log_min_messages": "debug1"}, name="types")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def typed(server):
    with Database(server, "typed") as database:
        made = Typed(database).create()
        made.witnesses = Witnesses(database, [of.table for of in made.types if of.is_binary],
                                   text_only=[of.table for of in made.types if not of.is_binary])
        made.fill()
        made.found, made.transactions = made.witnesses.compare(tokens.keys_of(server.key_file.read_text()),
                                                               lambda theirs: converted(theirs, number_of(made)))
        yield made


def number_of(typed):
    """What a witness says of a column of a reg... type is a name, as it was then; we send the number that is stored."""
    tables = {f"public.{of.table}": of.name for of in typed.types if of.name in REG_TYPES}
    known = {}

    def convert(table, column, text):
        kind = tables.get(table)
        if kind is None or column not in ("plain", "domain"):
            return text
        if (kind, text) not in known:
            known[kind, text] = typed.database.value(f"SELECT %s::{kind}::oid::text", (text,))
        return known[kind, text]

    return convert


def test_no_type_is_forgotten(typed):
    names = {of.name for of in typed.types}
    assert names - set(SAMPLES) - NO_VALUES == set(), "types without a sample in type_samples.py"
    assert set(SAMPLES) - names == set() and not set(SAMPLES) & NO_VALUES


@pytest.mark.parametrize("name", sorted(NO_VALUES))
def test_what_has_no_sample_can_have_no_value(typed, name):
    with pytest.raises((psycopg2.errors.FeatureNotSupported, psycopg2.errors.InternalError_),
                       match="cannot (accept|display) a value|[Nn]ot implemented"):
        typed.database.value(f"SELECT 'x'::{name}")


def test_each_value_is_what_the_others_say(typed, note):
    assert typed.found == []
    values = sum(value is not None for transaction in typed.transactions for change in transaction.changes
                 for value in [*(change.new or {}).values(), *(change.old or {}).values()])
    hashed = sum(of.can_be_hashed for of in typed.types)
    note(f"{len(typed.types)} types, {hashed} of which can be hashed; {sum(map(len, SAMPLES.values()))} samples, {values} values")
    assert values > 5000 and hashed >= 12


def test_no_session_changes_a_value(typed):
    """Neither by settings nor by temporary tables, which come before all others where a name is looked up."""
    slot, cluster = typed.witnesses.slot, typed.database.cluster
    connection = cluster.connect(typed.database.name, options=HOSTILE)
    try:
        with connection.cursor() as cursor:
            cursor.execute(SHADOWS)
            cursor.execute("SELECT data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL)", (slot.slot,))
            hostile = b"".join(bytes(row[0]) for row in cursor.fetchall())
    finally:
        connection.close()
    changes = [[(change.new, change.old) for change in transaction.changes] for transaction in assemble(hostile)]
    assert changes == [[(change.new, change.old) for change in transaction.changes] for transaction in typed.transactions]


def test_a_key_is_not_renamed(database):
    """A row of the same WAL bytes has the same key before and after what it names got another name."""
    database.execute("CREATE TABLE t (c regclass PRIMARY KEY, r regrole)", "CREATE TABLE target ()", "CREATE ROLE renamed_role")
    database.label("t", c="green", r="green")
    slot = database.plugin_slot()
    oids = [database.value("SELECT 'target'::regclass::oid::text"), database.value("SELECT 'renamed_role'::regrole::oid::text")]
    database.execute("INSERT INTO t VALUES ('target', 'renamed_role')", "ALTER TABLE target RENAME TO other",
                     "ALTER ROLE renamed_role RENAME TO other_role", "DELETE FROM t", "DROP ROLE other_role")
    inserted, deleted = (transaction.changes[0] for transaction in slot.transactions() if transaction.changes)
    assert inserted.new == {"c": oids[0], "r": oids[1]} and deleted.old == {"c": oids[0]}


def test_what_is_no_utf8_says_so(database):
    """In a database of UTF-8, too: a cast without a check, an old bug or a damaged page may have left it there."""
    database.execute("CREATE CAST (bytea AS text) WITHOUT FUNCTION", "CREATE TABLE t (id int PRIMARY KEY, v text, red text)")
    database.label("t", id="green", v="green", red="red hash domain=d")
    slot = database.plugin_slot()
    database.execute(*(f"INSERT INTO t SELECT 1{number}, v, v FROM (SELECT '\\x{value}'::bytea::text AS v) t"
                       for number, value in enumerate(NOT_UTF8)))
    rows = [transaction.changes[0].new for transaction in slot.transactions()]
    assert [row["v"] for row in rows] == [NotText(bytes.fromhex(value)) for value in NOT_UTF8]
    assert [str(row["red"]) for row in rows] == ["Uncarried(reason=3, bytes=0)"] * len(NOT_UTF8)


def test_half_a_character_is_a_byte(database):
    """"char" is one byte, of whatever it was cut from; PostgreSQL 16 shows it in octal."""
    database.execute('CREATE TABLE t (id int PRIMARY KEY, v "char")')
    database.label("t", id="green", v="green")
    slot = database.plugin_slot()
    database.execute("INSERT INTO t VALUES (1, 'ü')")
    row = slot.transactions()[0].changes[0].new
    assert row["v"] in (NotText(b"\xc3"), "\\303")


def page():
    """{type or words: (encoding, family, whether it has few values)} of docs/types.md."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 4 or not re.fullmatch("[A-Z0-9_]+", cells[1]):
            continue
        assert cells[3], f"no Parquet type: {line}"
        names = re.findall("`(.*?)`", cells[0]) if cells[0].startswith("`") else [cells[0].split(",")[0].split(" ")[0]]
        for name in names:
            assert name not in found, f"{name} is there twice"
            found[name] = cells[1], cells[2].rstrip("† "), cells[2].endswith("†")
    return found


@functools.cache
def families():
    """{type: letter} of docs/tokens.md."""
    found = {}
    for letter, types in re.findall(r"^\| `([a-z])` \| (.*?) \|", TOKENS_PAGE.read_text(encoding="utf-8"), re.M):
        found |= dict.fromkeys(re.findall("`([a-z0-9]+)`", types) + ["enum"] * ("enum" in types), letter)
    return found


def truth(typed, announced, of):
    """The same of a type, as the plugin announces it and as labels do to it."""
    written, by_default = typed.database.cluster.query(
        "SELECT wal2lake.label_action('red hash', %s::oid), wal2lake.label_action('red', %s::oid)", (of.oid, of.oid),
        typed.database.name)[0]
    family = families()[tokens.KINDS.get(of.oid, "enum")] if written == "hash" else ""
    assert (written == "hash") == of.can_be_hashed
    return announced[of.name, "plain"], family, written == "hash" and by_default == "drop"


def test_the_page_is_true(typed):
    """docs/types.md has every built-in type, and says of each what is; of the others it says so by kind."""
    rows, announced = page(), typed.announced(typed.transactions)
    built_in = {of.name: of for of in typed.types if of.built_in and of.name not in NO_VALUES}
    without_value = {of.name for of in typed.types if of.built_in} - set(built_in)
    assert set(rows) - set(built_in) == {"enums", "arrays", "composites", "base"} | without_value
    assert {name: rows.get(name) for name in built_in} == {name: truth(typed, announced, of) for name, of in built_in.items()}
    kinds = {"e": "enums", "c": "composites", "r": "composites", "m": "composites", "b": "base"}
    for of in typed.types:
        if not of.built_in and of.kind in kinds and of.name not in NO_VALUES:
            assert rows[kinds[of.kind]] == truth(typed, announced, of), of.name


def test_arrays_and_domains_are_as_the_page_says(typed):
    """An array is text, whatever it is of; a domain is as the type under it, also over an array and of one."""
    announced, rows = typed.announced(typed.transactions), page()
    for of in typed.types:
        if of.name in SAMPLES:
            assert announced[of.name, "domain"] == announced[of.name, "plain"], of.name
            for column in {"list", "domain_of_list", "list_of_domain", "composite"} & set(of.columns()):
                assert announced[of.name, column] == rows["arrays"][0] == "OUTPUT_TEXT", (of.name, column)
