"""The oracle reads test_decoding as it really writes, and the comparison notices each kind of difference."""

import copy
from types import SimpleNamespace

import pytest

from harness import synthetic, tokens
from harness.cluster import Cluster
from harness.compare import differences
from harness.oracle import UNCHANGED, Oracle, parse_line
from harness.oracle import Change as OracleChange
from harness.oracle import Transaction as OracleTransaction
from harness.stream import Assembler, parse_messages
from harness.values import Token


@pytest.fixture(scope="module")
def cluster():
    with Cluster(preload=False, name="oracle") as running:
        yield running


def test_reads_hostile_names_and_values(cluster):
    cluster.create_database("hostile")
    oracle = Oracle(cluster, "hostile").create()
    cluster.query("""
        CREATE TABLE "We ird, x" (id bigint PRIMARY KEY, "sel ""ect" text, a text[], big text, bits bit(3), gone int);
        ALTER TABLE "We ird, x" ALTER big SET STORAGE EXTERNAL, DROP COLUMN gone;
        CREATE TABLE plain (id int)""", dbname="hostile")
    text = "it's\n new-tuple: x[text]:'y'"
    cluster.query("""INSERT INTO "We ird, x" VALUES (1, %s, '{a,"b c",NULL}', repeat('x', 9000), B'101')""", (text,),
                  "hostile")
    cluster.query("""UPDATE "We ird, x" SET bits = NULL""", dbname="hostile")
    cluster.query("""UPDATE "We ird, x" SET id = 2""", dbname="hostile")
    cluster.query("""BEGIN; SELECT pg_logical_emit_message(true, 'p', 'table public.x: TRUNCATE: (no-flags)');
                     TRUNCATE "We ird, x", plain; COMMIT""", dbname="hostile")
    insert, update, key_update, truncate = oracle.transactions()
    row = insert.changes[0].new
    assert row["sel \"ect"] == text and row["a"] == '{a,"b c",NULL}' and row["bits"] == "101"
    assert update.changes[0].new["big"] is UNCHANGED and update.changes[0].new["bits"] is None
    assert key_update.changes[0].old == {"id": "1"} and key_update.changes[0].new["id"] == "2"
    # The message has ordinal 1, and both tables of the TRUNCATE ordinal 2.
    assert sorted((change.ordinal, change.table) for change in truncate.changes) == [
        (2, "public.We ird, x"), (2, "public.plain")]


def test_end_lsn_is_that_of_the_commit_record(cluster):
    cluster.create_database("ends")
    oracle = Oracle(cluster, "ends").create()
    cluster.query("CREATE TABLE t (id int)", dbname="ends")
    cluster.query("INSERT INTO t VALUES (1)", dbname="ends")
    after = cluster.value("SELECT pg_current_wal_insert_lsn() - '0/0'", dbname="ends")
    transactions = oracle.transactions()
    assert len(transactions) == 1 and transactions[0].end_lsn <= after


def test_a_delete_without_identity_has_no_row():
    change, = parse_line("table public.t: DELETE: (no-tuple-data)", 3)
    assert (change.operation, change.new, change.old, change.ordinal) == ("delete", None, None, 3)


MASTER = bytes(range(32))
DOMAIN_TOKEN = tokens.token(MASTER, "email", 25, "a@example.com")


def lake_side():
    """Two transactions as the lake's reader gives them."""
    data = b"".join(map(synthetic.message, [synthetic.relations_batch(), synthetic.insert_batch(700, 100, 150, rows=2),
                                            synthetic.insert_batch(701, 200, 250)]))
    assembler = Assembler()
    transactions = [found for batch in parse_messages(data) for found in assembler.feed(batch)]
    for transaction in transactions:
        for change in transaction.changes:
            change.new["email"] = Token(DOMAIN_TOKEN)
    return transactions


def oracle_side():
    row = lambda number: {"id": str(number), "email": "a@example.com", "bio": "anything"}  # noqa: E731
    return [
        OracleTransaction(699, 90, [OracleChange(1, "insert", "public.secret", {"x": "1"}, None)]),
        OracleTransaction(700, 150, [OracleChange(1, "insert", "public.users", row(1), None),
                                     OracleChange(2, "insert", "public.users", row(2), None)]),
        OracleTransaction(701, 250, [OracleChange(1, "insert", "public.users", row(1), None)])]


def compare(ours, theirs):
    return differences(ours, theirs, lambda table: table == "public.users", {"k2026": MASTER})


def test_equal_sides_have_no_differences():
    assert compare(lake_side(), oracle_side()) == []


def test_what_ddl_alone_did_is_no_difference():
    """test_decoding has no word for it."""
    assert compare(lake_side() + [SimpleNamespace(xid=9, end_lsn=999, changes=[], ddl=["dropped"])], oracle_side()) == []


def _swap(ours):
    ours[0], ours[1] = ours[1], ours[0]


def _alter(**what):
    def mutate(ours):
        ours[0].changes[0].new.update(what)
    return mutate


@pytest.mark.parametrize("mutate, complaint", [
    (lambda ours: ours.pop(), "701 ending at FA is lost"),
    (lambda ours: ours.insert(1, ours[0]), "in the lake twice"),
    (lambda ours: ours.append(SimpleNamespace(xid=9, end_lsn=999, changes=[], ddl=[], messages=[])), "in the lake alone"),
    (_swap, "out of order"),
    (lambda ours: ours[0].changes.pop(), "changes"),
    (lambda ours: setattr(ours[0].changes[1], "ordinal", 3), "changes"),
    (lambda ours: setattr(ours[0].changes[0], "operation", "update"), "changes"),
    (_alter(id="5"), "clear value differs"),
    (_alter(id=None), "NULL on one side only"),
    (_alter(email=Token(bytes(16))), "the token is not the one"),
    (_alter(email=None), "NULL on one side only"),
    (lambda ours: ours[0].changes[0].new.pop("bio"), "columns"),
])
def test_each_difference_is_noticed(mutate, complaint):
    ours = copy.deepcopy(lake_side())
    mutate(ours)
    found = compare(ours, oracle_side())
    assert any(complaint in sentence for sentence in found), found


def test_a_published_hmac_is_what_tokens_are_made_of():
    """RFC 4231, test case 2, through the same library call; and values that are equal hash alike."""
    assert tokens.hmac.new(b"Jefe", b"what do ya want for nothing?", "sha256").hexdigest() == \
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    same = {tokens.token(MASTER, "d", kind, text) for kind, text in
            [(1700, "1.0"), (1700, "1.00"), (20, "1"), (23, "1")]}
    assert len(same) == 1 and tokens.token(MASTER, "e", 20, "1") not in same
