"""Published tokens are the contract with other languages: this one computes them, and a server gives them."""

import json
from pathlib import Path

import pytest

from harness import tokens
from harness.cluster import Cluster
from harness.database import Database

PUBLISHED = json.loads((Path(__file__).resolve().parents[2] / "docs" / "token_vectors.json").read_text())
KEYS = {key["id"]: bytes.fromhex(key["hex"]) for key in PUBLISHED["keys"]}
VECTORS = PUBLISHED["vectors"]


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
