"""The plugin and test_decoding say the same of the same WAL: transactions, order, ordinals, values, tokens."""

import pytest

from harness import gitlab, tokens
from harness.compare import differences, relevant
from harness.workload import Workload

HOSTILE_SETTINGS = ("-c datestyle=German -c timezone=Asia/Kathmandu -c intervalstyle=sql_standard "
                    "-c bytea_output=escape -c extra_float_digits=-15 -c lc_numeric=C -c xmloption=document "
                    "-c search_path=pg_temp -c quote_all_identifiers=on -c client_encoding=SQL_ASCII")


@pytest.fixture
def traffic(database, seed):
    """The whole workload, and both slots on it."""
    workload = Workload(database.cluster, database.name, seed).create()
    oracle, slot = database.oracle(), database.plugin_slot()
    workload.populate(30)
    workload.traffic(80)
    workload.savepoint()
    workload.change_keys()
    assert workload.background_migration(), "the migration touched updated_at"
    workload.large_transaction(3000)
    workload.truncate()
    workload.close()
    workload.keys = tokens.keys_of(database.cluster.key_file.read_text())
    return workload, oracle.transactions(), slot


def test_every_change_and_value(traffic):
    workload, expected, slot = traffic
    ours = slot.transactions()
    assert len(ours) > 100
    assert differences(ours, expected, gitlab.is_shipped, workload.keys) == []


@pytest.mark.parametrize("batch_bytes", ["1024", "1048576"])
def test_batch_size_changes_nothing_but_batches(traffic, batch_bytes):
    workload, expected, slot = traffic
    ours = slot.transactions("max_batch_bytes", batch_bytes)
    assert differences(ours, expected, gitlab.is_shipped, workload.keys) == []


def test_session_settings_change_nothing(traffic):
    """Equal WAL, key and labels give equal bytes, whatever the client sets for its session."""
    _, _, slot = traffic
    assert slot.peek(session=HOSTILE_SETTINGS) == slot.peek()


def records(transactions):
    """What replays are compared by: position and content, never bytes."""
    return [(transaction.commit_lsn, change.ordinal, change.operation, change.table, change.new, change.old)
            for transaction in transactions for change in transaction.changes]


def test_replay_gives_the_same_records(traffic):
    """A crash of the server makes it decode again; (commit LSN, ordinal) and content stay."""
    workload, expected, slot = traffic
    first = slot.transactions()
    workload.cluster.restart("immediate")
    again = slot.transactions()
    assert records(first) == records(again)
    assert len(relevant(expected, gitlab.is_shipped)) == len(again)


EDGES = """
CREATE TYPE mood AS ENUM ('', 'it''s', 'Ünsicher');
CREATE DOMAIN even AS integer CHECK (VALUE % 2 = 0);
CREATE TABLE edges (
    id serial PRIMARY KEY,
    a_bool bool, a_int2 int2, a_int4 int4, a_int8 int8, an_oid oid, a_float4 float4, a_float8 float8,
    a_numeric numeric, a_text text, a_varchar varchar(10), a_char char(6), a_name name, a_bytea bytea, a_uuid uuid,
    a_date date, a_time time, a_timetz timetz, a_timestamp timestamp, a_timestamptz timestamptz, an_interval interval,
    a_json json, a_jsonb jsonb, a_mood mood, an_even even, an_array text[], a_matrix int[], a_range int4range,
    an_inet inet, a_bits varbit, a_point point, a_money money, an_xml xml
)"""
# One column at a time; a value is what SQL reads.
EDGE_VALUES = {
    "a_bool": ["true", "false"], "a_int2": ["-32768", "32767"], "a_int4": ["-2147483648", "2147483647", "0"],
    "a_int8": ["-9223372036854775808", "9223372036854775807"], "an_oid": ["4294967295", "0"],
    "a_float4": ["'NaN'", "'-Infinity'", "1e-45", "3.4028235e38", "-0", "0.1"],
    "a_float8": ["'NaN'", "'Infinity'", "5e-324", "1.7976931348623157e308", "-0", "0.1", "1e15"],
    "a_numeric": ["'NaN'", "'Infinity'", "'-Infinity'", "0", "-0.00", "1.50", "1e-30", "1e40", "123456789012345678.9"],
    "a_text": ["''", "'null'", "'unchanged-toast-datum'",
               "E'a\\nb\\tc\\\\d''e'", "'Zürich 🦭'", "repeat('x', 500000)"],
    "a_varchar": ["''", "'ten chars.'"], "a_char": ["'ab'", "''", "'sechs!'"], "a_name": ["'x'"],
    "a_bytea": ["''", "'\\x00ff0a0d'", "decode(repeat('00', 3000), 'hex')"],
    "a_uuid": ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-4fff-bfff-0123456789ab'"],
    "a_date": ["'infinity'", "'-infinity'", "'4713-01-01 BC'", "'0001-12-31 BC'", "'0001-01-01'", "'1969-12-31'",
               "'1970-01-01'", "'2000-02-29'", "'9999-12-31'", "'10000-01-01'", "'5874897-12-31'"],
    "a_time": ["'00:00'", "'24:00'", "'23:59:59.999999'", "'12:00:00.1'"],
    "a_timetz": ["'24:00+14'", "'00:00:00.5-12'"],
    "a_timestamp": ["'infinity'", "'-infinity'", "'4713-01-01 BC'", "'0001-12-31 23:59:59.999999 BC'",
                    "'1969-12-31 23:59:59.999999'", "'2026-03-29 02:30'", "'294246-01-01'",
                    "'294276-12-31 23:59:59.999999'"],
    "a_timestamptz": ["'infinity'", "'4713-01-02 BC'", "'1970-01-01 00:00:00+14'", "'2026-10-25 02:30+02'",
                      "'294276-12-31 23:59:59.999999+00'"],
    "an_interval": ["'-1 year 2 mons -3 days 04:05:06.789'", "'0'", "'178000000 years'"],
    "a_json": ["'{\"b\": 1.0, \"a\": [], \"b\": null}'", "'null'"],
    "a_jsonb": ["'{\"b\": 1.0, \"a\": [], \"b\": null}'", "'\"\"'"],
    "a_mood": ["''", "'it''s'", "'Ünsicher'"], "an_even": ["-2"],
    "an_array": ["'{}'", "'{NULL,\"NULL\",\"a,b\",\"\"}'", "'[2:3]={a,b}'"], "a_matrix": ["'{{1,2},{3,NULL}}'"],
    "a_range": ["'empty'", "'(,)'", "'[1,5)'"], "an_inet": ["'10.0.0.1'", "'::ffff:1.2.3.4/96'"],
    "a_bits": ["B''", "B'101'"], "a_point": ["'(1e300,-0)'"], "a_money": ["-92233720368547758.08"],
    "an_xml": ["'<a b=\"c\">d</a>'"]}


@pytest.fixture
def edges(database):
    """Every value of EDGE_VALUES in a row of its own; its other columns are NULL."""
    database.execute(EDGES)
    columns = [name for name, in database.cluster.query(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'edges'::regclass AND attnum > 0", dbname=database.name)]
    assert set(EDGE_VALUES) | {"id"} == set(columns)
    database.label("edges", **{column: "green" for column in columns})
    database.slot, database.witness = database.plugin_slot(), database.oracle()
    for column, values in EDGE_VALUES.items():
        database.execute(*(f"INSERT INTO edges ({column}) VALUES ({value})" for value in values))
    return database


@pytest.mark.parametrize("session", ["", HOSTILE_SETTINGS], ids=["plain session", "hostile session"])
def test_the_edges_of_every_type(edges, session):
    """Infinity, BC, 24:00, NaN, empty, the first and the last: as test_decoding has them, whatever the session."""
    ours = edges.slot.transactions(session=session)
    assert len(ours) == sum(map(len, EDGE_VALUES.values()))
    assert differences(ours, edges.witness.transactions(), lambda table: table == "public.edges") == []


def test_large_values_are_whole(edges):
    """Around the size of a chunk, in several, next to each other, and cut inside a character; and the rows beside them."""
    sizes = [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 2 << 20, 3_000_000]
    random = "(SELECT left(string_agg(md5((i + {0})::text), ''), {0}) FROM generate_series(0, {0} / 32) i)"
    edges.execute(*(f"INSERT INTO edges (a_text, a_int4) VALUES ({random.format(size)}, 7)" for size in sizes),
                  "INSERT INTO edges (a_text, a_bytea, an_xml) VALUES ('x' || repeat('é', 1500000), "
                  f"convert_to({random.format(1_500_000)}, 'UTF8'), xml('<a>' || {random.format(1_100_000)} || '</a>'))",
                  "INSERT INTO edges DEFAULT VALUES")
    ours, theirs = (slot.transactions() for slot in (edges.slot, edges.witness))
    assert [len(transaction.changes[0].new["a_text"]) for transaction in ours[-7:-1]] == [*sizes, 1_500_001]
    assert differences(ours, theirs, lambda table: table == "public.edges") == []
