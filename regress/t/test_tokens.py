"""Published tokens are the contract with other languages: this one computes them, and a server gives them."""

import json
import os
import random
from pathlib import Path

import pytest

from harness import tokens
from harness.cluster import Cluster
from harness.database import Database
from harness.random_values import Values
from harness.type_samples import DECLARED as TYPES

PUBLISHED = json.loads((Path(__file__).resolve().parents[2] / "docs" / "token_vectors.json").read_text())
KEYS = {key["id"]: bytes.fromhex(key["hex"]) for key in PUBLISHED["keys"]}
VECTORS = PUBLISHED["vectors"]
# How the page wants a value's text.
READABLE = "-c timezone=UTC -c datestyle=ISO,YMD -c bytea_output=hex -c extra_float_digits=1"
ROWS = 20000 if os.environ.get("WAL2LAKE_LONG") else 1000


def test_there_are_vectors():
    assert len(VECTORS) > 20 and {vector["key"] for vector in VECTORS} <= set(KEYS)


@pytest.fixture(scope="module")
def server():
    """A server with the published test keys."""
    text = "".join(f"{key['id']} {key['base64']}\n" for key in PUBLISHED["keys"])
    assert tokens.keys_of(text) == KEYS
    with Cluster(keys=text, name="tokens") as cluster:
        yield cluster


@pytest.mark.parametrize("key", sorted(KEYS))
def test_the_plugin_gives_the_published_tokens(server, key):
    """Each vector inserted into a column of its type, labelled with its domain, under its key."""
    vectors = [vector for vector in VECTORS if vector["key"] == key]
    assert vectors
    with Database(server, f"tokens_{key}") as database:
        database.execute(f"SECURITY LABEL FOR wal2lake ON DATABASE {database.name} IS 'key={key}'")
        slot = database.plugin_slot()
        labels = {vector["value"]: None for vector in vectors if vector["type"] == "enum"}
        database.execute("CREATE TYPE enum AS ENUM (" + ", ".join(f"'{label}'" for label in labels) + ")")
        for number, vector in enumerate(vectors):
            database.execute(f"CREATE TABLE t{number} (id int PRIMARY KEY, value {vector['type']})")
            database.label(f"t{number}", id="green", value=f"red hash domain={vector['domain']}")
            database.cluster.query(f"INSERT INTO t{number} VALUES (1, %s)", (vector["value"],), database.name)
        changes = [change for transaction in slot.transactions() for change in transaction.changes]
        assert len(changes) == len(vectors)
        for change, vector in zip(changes, vectors):
            assert change.relation.key_id == key
            column = change.relation.columns[1]
            assert change.new["value"].bytes.hex() == vector["token"], vector
            assert tokens.token(KEYS[key], vector["domain"], column.base_type_oid, vector["value"]).hex() == \
                vector["token"], vector
            assert tokens.canonical(column.base_type_oid, vector["value"]).hex() == vector["canonical"], vector


def test_random_values_have_the_tokens_of_the_reference(server, seed, note):
    """Of every type that can be hashed, through the plugin and through the Python that was written from the page alone."""
    made = Values(random.Random(seed))
    with Database(server, "random") as database:
        kinds = {database.value("SELECT %s::oid::regtype::text", (oid,)): kind for oid, kind in tokens.KINDS.items()} | {"mood": "enum"}
        database.execute("CREATE TYPE mood AS ENUM ('', 'it''s', 'Ünsicher', 'a,b')",
                         "CREATE TABLE t (id int PRIMARY KEY, " +
                         ", ".join(f"{kind}_ {TYPES.get(name, name)}" for name, kind in kinds.items()) + ")",
                         f"SECURITY LABEL FOR wal2lake ON DATABASE {database.name} IS 'key=k2026'")
        database.label("t", id="green", **{f"{kind}_": f"red hash domain={kind}" for kind in kinds.values()})
        slot = database.plugin_slot()
        connection = database.cluster.connect(database.name, options=READABLE)
        with connection, connection.cursor() as cursor:
            for number in range(ROWS):
                cursor.execute(f"INSERT INTO t VALUES ({number}, {', '.join(made.of(name) for name in kinds)})")
            cursor.execute("SELECT " + ", ".join(f"{kind}_::text" for kind in kinds.values()) + " FROM t ORDER BY id")
            known = cursor.fetchall()
        connection.close()
        sent = [change.new for transaction in slot.transactions() for change in transaction.changes]
        assert len(sent) == len(known) == ROWS
        compared = 0
        for ours, texts in zip(sent, known):
            for kind, text in zip(kinds.values(), texts):
                wanted = tokens.token(KEYS["k2026"], kind, kind, text) if text is not None else None
                assert getattr(ours[f"{kind}_"], "bytes", None) == wanted, (kind, text)
                compared += text is not None
        note(f"{compared} tokens of {len(kinds)} types, seed {seed}")


# What docs/tokens.md says of joins, each line by itself: equal within a line of EQUAL, all different within one of DIFFERENT.
EQUAL = [
    ["7::int2", "7::int4", "7::int8", "7::oid", "7::numeric", "7.00::numeric", "007::numeric"],
    ["'ab'::text", "'ab'::varchar", "'ab'::name", "'ab '::char(5)", "'ab'::char(2)", "'ab'::label"],
    ["0::float8", "'-0'::float8", "0::float4", "'-0'::float4"],
    ["0.5::float4", "0.5::float8"],
    ["'2026-03-01 12:00+00'::timestamptz", "'2026-03-01 13:00+01'::timestamptz", "'2026-03-01 12:00 UTC'::timestamptz"],
    ["'10.0.0.1'::inet", "'10.0.0.1/32'::inet", "'10.0.0.1/32'::cidr"],
    ["'10.0.0.0/8'::inet", "'10.0.0.0/8'::cidr"],
    ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "'A0EEBC999C0B4EF8BB6D6BB9BD380A11'::uuid"],
    ["'08:00:2b:01:02:03'::macaddr", "'08002b-010203'::macaddr"],
    ["7::over_int", "7::over_over_int", "7::int8"],
]
DIFFERENT = [
    ["7::int4", "'7'::text", "7::float8", "'7'::bytea", "'1970-01-08'::date", "'1970-01-01 00:00:00.000007'::timestamp",
     "'1970-01-01 00:00:00.000007+00'::timestamptz"],
    ["'ab'::text", "'ab '::text", "'AB'::text", "'é'::text", "U&'e\\0301'::text", "''::text"],
    ["0.1::float4", "0.1::float8"],
    ["'2026-03-01 12:00'::timestamp", "'2026-03-01 12:00+00'::timestamptz", "'2026-03-01'::date", "'2026-03-01 00:00'::timestamp"],
    ["'10.0.0.1/24'::inet", "'10.0.0.1'::inet", "'::ffff:10.0.0.1'::inet", "'10.0.0.0/24'::inet"],
    ["'08:00:2b:01:02:03'::macaddr", "'08:00:2b:ff:fe:01:02:03'::macaddr8"],
    ["'infinity'::date", "'infinity'::timestamp", "'infinity'::timestamptz", "'Infinity'::float8", "'Infinity'::numeric",
     "'infinity'::text"],
]


def test_what_joins_is_what_the_page_says(server):
    with Database(server, "joins") as database:
        database.execute(f"SECURITY LABEL FOR wal2lake ON DATABASE {database.name} IS 'key=k2026'",
                         "CREATE TYPE label AS ENUM ('ab')", "CREATE DOMAIN over_int AS int", "CREATE DOMAIN over_over_int AS over_int")
        slot = database.plugin_slot()
        lines = EQUAL + DIFFERENT
        for number, values in enumerate(lines):
            columns = ", ".join(f"{value} AS c{place}" for place, value in enumerate(values))
            database.execute(f"CREATE TABLE t{number} AS SELECT {columns} LIMIT 0")
            database.label(f"t{number}", **{f"c{place}": "red hash domain=d" for place in range(len(values))})
            database.execute(f"INSERT INTO t{number} SELECT {', '.join(values)}")
        rows = [change.new for transaction in slot.transactions() for change in transaction.changes]
        assert len(rows) == len(lines)
        for values, row in zip(lines, rows):
            assert len({token.bytes for token in row.values()}) == (1 if values in EQUAL else len(values)), values


def test_one_value_has_one_token_in_a_domain_whatever_its_type(server):
    """A number joins a number, and a text a text, also across databases; another domain is another world."""
    seen = []
    for name in ("first", "second"):
        with Database(server, name) as database:
            database.execute(f"SECURITY LABEL FOR wal2lake ON DATABASE {database.name} IS 'key=k2026'",
                             "CREATE TABLE t (id int PRIMARY KEY, a int2, b bigint, c numeric, d text, e varchar, f char(9),"
                             " g text)")
            database.label("t", id="green", a="red hash domain=n", b="red hash domain=n", c="red hash domain=n",
                           d="red hash domain=s", e="red hash domain=s", f="red hash domain=s", g="red hash")
            slot = database.plugin_slot()
            database.execute("INSERT INTO t VALUES (1, 7, 7, 7.00, 'x', 'x', 'x', 'x')")
            row = slot.transactions()[0].changes[0].new
            assert row["a"] == row["b"] == row["c"] != row["d"] == row["e"] == row["f"] != row["g"]
            seen.append((row["a"], row["d"], row["g"]))
    assert seen[0] == seen[1]
