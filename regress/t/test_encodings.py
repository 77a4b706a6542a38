"""Databases that are not UTF-8: text arrives as UTF-8 where it has one, and otherwise says that it could not.

Tokens are of the UTF-8 form too, so they join across databases of different encodings.
"""

import pytest

from harness.plugin import PluginSlot
from harness.values import NotText, Token

LABELS = {"id": "green", "clear": "green", "red": "red hash domain=d", "list": "green"}


@pytest.fixture
def encoded(server, request):
    """A database in another encoding, with a slot; a client that speaks UTF-8 where the server can convert."""
    encoding, client = request.param
    name = f"encoded_{encoding.lower()}"
    server.query(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")

    def run(sql):
        return server.query(sql, dbname=name, options=client)

    run("CREATE EXTENSION wal2lake")
    run("CREATE TABLE t (id int PRIMARY KEY, clear text, red text, list text[])")
    for column, label in LABELS.items():
        run(f"SECURITY LABEL FOR wal2lake ON COLUMN t.{column} IS '{label}'")
    run.slot = PluginSlot(server, name).create()
    run.told = lambda: [ddl.told for transaction in run.slot.transactions() for ddl in transaction.ddl]
    run.rows = lambda: [change.new for transaction in run.slot.transactions() for change in transaction.changes]
    yield run
    run.slot.drop()
    server.query(f"DROP DATABASE {name}")


def token_in_utf8(database):
    """Of Zürich in the domain, by a database that is UTF-8."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, red text)")
    database.label("t", id="green", red="red hash domain=d")
    slot = database.plugin_slot()
    database.execute("INSERT INTO t VALUES (1, 'Zürich')")
    return slot.transactions()[0].changes[0].new["red"]


@pytest.mark.parametrize("encoded", [("LATIN1", "-c client_encoding=UTF8")], indirect=True)
def test_latin1_is_converted_values_and_names(encoded, database):
    encoded("INSERT INTO t VALUES (1, 'Zürich', 'Zürich', '{é}')")
    encoded('ALTER TABLE t RENAME clear TO "größe"')
    encoded("INSERT INTO t (id) VALUES (2)")
    first, second = encoded.rows()
    assert first["clear"] == "Zürich" and first["list"] == "{é}"
    assert isinstance(first["red"], Token) and first["red"] == token_in_utf8(database)
    assert "größe" in second
    assert [(told.column, told.old_name) for told in encoded.told()] == [("größe", "clear")]


@pytest.mark.parametrize("encoded", [("SQL_ASCII", "")], indirect=True)
def test_sql_ascii_is_text_where_it_is_utf8_and_bytes_elsewhere(encoded, database):
    encoded("INSERT INTO t VALUES (1, E'\\xff\\xfe', E'\\xff', NULL), (2, E'Z\\xc3\\xbcrich', E'Z\\xc3\\xbcrich', NULL)")
    # A name that is no text does not stop what is told of it.
    encoded("DO $$ BEGIN EXECUTE 'ALTER TABLE t RENAME clear TO \"a' || convert_from('\\xff', 'SQL_ASCII') || '\"'; END $$")
    encoded("DO $$ BEGIN EXECUTE 'ALTER TABLE t RENAME \"a' || convert_from('\\xff', 'SQL_ASCII') || '\" TO clear'; END $$")
    assert [(told.column, told.old_name) for told in encoded.told()] == [("a?", "clear"), ("clear", "a?")]
    odd, good = encoded.rows()
    assert odd["clear"] == NotText(b"\xff\xfe")
    # Not even the size of a value that was to be hashed.
    assert str(odd["red"]) == "Uncarried(reason=3, bytes=0)"
    assert good["clear"] == "Zürich" and good["red"] == token_in_utf8(database)


@pytest.mark.parametrize("encoded", [("SQL_ASCII", "")], indirect=True)
def test_a_byte_that_is_no_utf8_is_found_wherever_it_is(encoded):
    encoded("INSERT INTO t SELECT length * 100 + position, repeat('a', position) || E'\\xff' || "
            "repeat('a', length - position - 1) FROM generate_series(1, 20) length, "
            "generate_series(0, length - 1) position")
    encoded("INSERT INTO t SELECT -length, repeat('a', length) FROM generate_series(0, 20) length")
    found = {int(row["id"]): row["clear"] for row in encoded.rows()}
    assert len(found) == 210 + 21
    for row, value in found.items():
        length, position = divmod(row, 100)
        assert value == (NotText(b"a" * position + b"\xff" + b"a" * (length - position - 1)) if row > 0 else "a" * -row)


TEXTS = """CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE TYPE mood AS ENUM ('{0}'); CREATE TYPE pair AS (x int, y text);
    CREATE DOMAIN word AS varchar(9);
    CREATE TABLE texts (id int PRIMARY KEY, a_varchar varchar(9), a_char char(5), a_name name, a_mood mood, a_pair pair, a_word word,
                        a_list word[], a_json json, a_jsonb jsonb, a_citext citext, an_hstore hstore, a_range textrange,
                        a_char1 "char")"""
VALUES = """INSERT INTO texts VALUES (1, '{0}', '{0}', '{0}', '{0}', ROW(1, '{0}'), '{0}', ARRAY['{0}'], '["{0}"]', '["{0}"]', '{0}',
                                      hstore('{0}', '{0}'), textrange('{0}', NULL), '{0}')"""


def every_text(encoded, letter):
    """A letter of the client in each type whose values are text, or have some within."""
    encoded("CREATE TYPE textrange AS RANGE (SUBTYPE = text, COLLATION = \"C\")")
    encoded(TEXTS.format(letter))
    encoded("SELECT wal2lake.classify('texts', 'green')")
    encoded(VALUES.format(letter))
    row, = encoded.rows()
    assert row.pop("id") == "1" and len(row) == 13
    return row


@pytest.mark.parametrize("encoded", [("LATIN1", "-c client_encoding=UTF8")], indirect=True)
def test_each_type_with_text_in_it_is_converted(encoded):
    row = every_text(encoded, "é")
    assert row.pop("a_char") == "é    "
    assert row == {"a_varchar": "é", "a_name": "é", "a_mood": "é", "a_pair": "(1,é)", "a_word": "é", "a_list": "{é}",
                   "a_json": '["é"]', "a_jsonb": '["é"]', "a_citext": "é", "an_hstore": '"é"=>"é"', "a_range": "[é,)",
                   "a_char1": row["a_char1"]}
    # PostgreSQL 16 shows it in octal.
    assert row["a_char1"] in ("é", "\\351")


@pytest.mark.parametrize("encoded", [("SQL_ASCII", "-c client_encoding=SQL_ASCII -c escape_string_warning=off "
                                      "-c standard_conforming_strings=off")], indirect=True)
def test_each_type_with_text_in_it_says_that_it_is_none(encoded):
    row = every_text(encoded, "\\351")
    octal = row.pop("a_char1")
    assert octal in (NotText(b"\xe9"), "\\351")
    assert all(isinstance(value, NotText) and b"\xe9" in value.bytes for value in row.values()), row
    assert row["a_char"] == NotText(b"\xe9    ") and row["a_pair"] == NotText(b"(1,\xe9)")
