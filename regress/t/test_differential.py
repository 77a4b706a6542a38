"""Random changes on tables of many shapes: wal2lake, test_decoding and pgoutput, in text and in binary, say the same of the
same WAL, change by change and value by value. WAL2LAKE_LONG=1 makes 100,000 changes of it.

What is compared: transactions and their order, table and operation of each change and its place in the transaction, whether
there is an old row and of which columns, and each value, as text where it is clear and as its token where it is hashed. pgoutput
is not asked for updates and deletes of tables without identity, nor for generated columns.
"""

import os
import time
from collections import Counter

import pytest

from harness import tokens
from harness.cluster import Cluster
from harness.database import Database
from harness.random_load import RandomLoad
from harness.values import UNCHANGED, Token
from harness.witnesses import Witnesses, allow, converted

LONG = bool(os.environ.get("WAL2LAKE_LONG"))
# Changes of a load, and after how many the witnesses are asked.
CHANGES, ROUND = (100_000, 10_000) if LONG else (3_000, 3_000)
# Seeds that once found something, planted or not, stay here and are run each time. 11: a swapped column, NULL for empty.
KEPT_SEEDS = [11]
KEPT_CHANGES = 1_000
DEMANDED = ("insert, no old row", "update, old row", "update, no old row", "delete, old row", "delete, no old row",
            "truncate, no old row", "NULL", "UNCHANGED", "token", "clear")
TABLES = {f"public.{name}" for name in (
    "many", "lists", "no_key", "nothing", "whole", "whole_no_key", "by_index", "two_keys", "parted_low", "parted_a", "parted_rest",
    "parted_high", "wide", "toasted", "We ird, x", "changing")}


@pytest.fixture(scope="module")
def server():
    with allow(Cluster(name="differential")) as cluster:
        yield cluster


def differences(server, name, seed, changes, demanded=()):
    """Sentences on where a load of that seed is decoded differently, and a count of what was compared.

    It goes on for up to four times as many changes until there was one of each kind that is demanded.
    """
    with Database(server, name) as database:
        load = RandomLoad(database, seed).create()
        witnesses = Witnesses(database, load.tables(True), without_identity=load.tables(False))
        keys = tokens.keys_of(server.key_file.read_text())
        compared = Counter()
        try:
            while compared["changes"] < changes or compared["changes"] < 4 * changes and not all(compared[kind] for kind in demanded):
                load.run(min(ROUND, max(changes - compared["changes"], 1_000)))
                found, transactions = witnesses.compare(keys)
                if found:
                    return found, compared
                for transaction in transactions:
                    compared.update(kinds(transaction))
                witnesses.go_on()
        finally:
            load.close()
        return [], compared


def kinds(transaction):
    """What there was to compare, by kind."""
    yield "transactions"
    for change in transaction.changes:
        yield "changes"
        yield f"{change.operation} of {change.table}"
        yield f"{change.operation}, {'no ' if change.old is None else ''}old row"
        for value in [*(change.new or {}).values(), *(change.old or {}).values()]:
            yield "values"
            yield "NULL" if value is None else "UNCHANGED" if value is UNCHANGED else "token" if isinstance(value, Token) else "clear"


def test_random_changes(server, seed, note):
    began = time.monotonic()
    found, compared = differences(server, "random", seed, CHANGES, DEMANDED)
    assert found == [], f"put {seed} into KEPT_SEEDS"
    note(f"{compared['changes']} changes, {compared['values']} values, 4 decoders, no difference, "
         f"{time.monotonic() - began:.0f} s, seed {seed}")
    assert compared["changes"] >= CHANGES
    print(compared)
    # It is a load of every kind; a generator that stopped to make one would be noticed here.
    assert {kind.split(" of ")[1] for kind in compared if kind.startswith("insert of ")} == TABLES
    for kind in DEMANDED:
        assert compared[kind], kind


@pytest.mark.parametrize("kept", KEPT_SEEDS)
def test_what_once_differed(server, kept):
    found, _ = differences(server, f"kept_{kept}", kept, KEPT_CHANGES)
    assert found == []


def test_each_witness_is_heard(server, seed):
    """What one of them says otherwise is a difference, of that one."""
    with Database(server, "heard") as database:
        load = RandomLoad(database, seed).create()
        witnesses = Witnesses(database, load.tables(True), without_identity=load.tables(False))
        load.run(200)
        load.close()
        keys = tokens.keys_of(server.key_file.read_text())
        assert witnesses.compare(keys)[0] == []
        found, _ = witnesses.compare(keys, lambda theirs: converted(
            theirs, lambda _, column, text: text + ("x" if column == "id" else "")))
        assert {name for name, _ in found} == {"test_decoding", "pgoutput, text", "pgoutput, binary"}
        found, _ = witnesses.compare(keys, lambda theirs: theirs[1:])
        assert {name for name, _ in found} == {"test_decoding", "pgoutput, text", "pgoutput, binary"}
