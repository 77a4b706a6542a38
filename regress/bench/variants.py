"""What is measured: plugins with their options, and for ours the labels; and the proof that each did its work.

A bench of the wrong thing is worse than none. So before anything is timed, the bytes of each variant are
read once: every row must be there, and ours must hold tokens exactly where its variant says so.
"""

from dataclasses import dataclass

from harness import values, wire
from harness.stream import parse_messages

W = wire.wal2lake
# Values are looked at in every so many-th change; rows are counted all.
STRIDE = 50


class BenchError(Exception):
    """Something is not what the bench says it is: no figure of it may be used."""


@dataclass(frozen=True)
class Variant:
    """`rows`: SQL over one message `data` for the number of rows in it. Ours has `labels` instead."""

    name: str
    plugin: str
    options: tuple = ()
    rows: str = ""
    labels: str = ""
    per_commit: bool = False

    def sql_options(self):
        return [text for pair in self.options for text in pair]


PUBLICATION = "bench"
TEXT = "convert_from(data, 'SQL_ASCII')"
OURS = (Variant("wal2lake", "wal2lake", labels="green"),
        Variant("wal2lake tokens", "wal2lake", labels="tokens"),
        Variant("wal2lake unlabelled", "wal2lake", labels="none"))
_PGOUTPUT = (("proto_version", "1"), ("publication_names", PUBLICATION))
_PGOUTPUT_ROWS = "(get_byte(data, 0) IN (ascii('I'), ascii('U'), ascii('D')))::int"
SERVERS_OWN = (Variant("pgoutput", "pgoutput", _PGOUTPUT, _PGOUTPUT_ROWS),
               Variant("pgoutput binary", "pgoutput", (*_PGOUTPUT, ("binary", "true")), _PGOUTPUT_ROWS),
               Variant("test_decoding", "test_decoding", (), f"({TEXT} LIKE 'table %%')::int"))
PEERS = (Variant("wal2json v1", "wal2json", (("format-version", "1"),),
                 f"(length({TEXT}) - length(replace({TEXT}, '\"kind\":\"', ''))) / 8"),
         Variant("wal2json v2", "wal2json", (("format-version", "2"),),
                 f"({TEXT} ~ '^.\"action\":\"[IUD]\"')::int"),
         Variant("decoderbufs", "decoderbufs", (), "(position('public.'::bytea IN data) > 0)::int"))
FLOOR = Variant("floor", "wal2lake_floor", rows="1", per_commit=True)
ALL = (*OURS, *SERVERS_OWN, *PEERS, FLOOR)
# Those that take a transaction before it commits, so that the server does not write it to disk first.
STREAMED = (Variant("wal2lake streaming", "wal2lake", (("streaming", "on"),), labels="green"),
            Variant("pgoutput streaming", "pgoutput", (("proto_version", "2"), _PGOUTPUT[1], ("streaming", "on")),
                    _PGOUTPUT_ROWS))


# With tokens but for the tokens.
DROPS = Variant("wal2lake drops", "wal2lake", labels="drops")


@dataclass
class Content:
    """What the bytes of a variant hold."""

    rows: int
    messages: int
    bytes: int  # of the messages, without pg_recvlogical's newlines
    relations: dict = None  # ours: {table: {column: action}}
    tokens_a_row: float = 0.0  # ours: of the rows that were looked at


def read_foreign(cluster, dbname, variant, slot, end):
    """Counts of another plugin's messages, by the server itself; up to an LSN; takes nothing from the slot."""
    messages, size, rows = cluster.query(
        f"SELECT count(*), coalesce(sum(length(data)), 0)::bigint, coalesce(sum({variant.rows}), 0)::bigint "
        "FROM pg_logical_slot_peek_binary_changes(%s, %s::pg_lsn, NULL" + ", %s" * len(variant.sql_options()) + ")",
        (slot, end, *variant.sql_options()), dbname)[0]
    return Content(rows, messages, size)


def read_ours(data):
    """Counts of our frames, by protoc's classes, with the values of some changes held against their columns."""
    found = Content(0, 0, 0, {})
    relations, looked_at, tokens = {}, 0, 0
    for batch in parse_messages(data):
        found.messages += 1
        for record in batch.records:
            kind = record.WhichOneof("record")
            if kind == "relation":
                relations[record.relation.id] = record.relation
                found.relations[record.relation.name] = {column.name: column.action
                                                         for column in record.relation.columns}
            elif kind == "change":
                found.rows += 1
                if found.rows % STRIDE == 1:
                    looked_at += 1
                    tokens += _check_row(relations[record.change.relation_id], record.change.new)
    found.bytes = len(data) - found.messages
    found.tokens_a_row = tokens / max(looked_at, 1)
    return found


def _check_row(relation, row):
    """How many tokens it has."""
    tokens = 0
    if len(row.values) != len(relation.columns):
        raise BenchError(f"a row of {relation.name} has {len(row.values)} values")
    for column, value in zip(relation.columns, row.values):
        text = values.read(column, value)  # raises where a value contradicts its column's action
        if column.action == W.ACTION_HASH and text is not None and not isinstance(text, values.Token):
            raise BenchError(f"{relation.name}.{column.name} is no token")
        tokens += isinstance(text, values.Token)
    return tokens


def check(workload, variant, content, columns):
    """Raises BenchError unless the variant sent what its name says. `columns` are those of the tables."""
    expected = 0 if variant.labels == "none" else workload.transactions if variant.per_commit else workload.rows
    if content.rows != expected:
        raise BenchError(f"{variant.name} on {workload.name}: {content.rows:,} rows seen, {expected:,} written")
    if not variant.labels:
        return
    if variant.labels == "none":
        if content.bytes:
            raise BenchError(f"{variant.name} on {workload.name}: {content.bytes} bytes sent, nothing was due")
        return
    red = {"tokens": W.ACTION_HASH, "drops": W.ACTION_DROP}.get(variant.labels, W.ACTION_CLEAR)
    due = {table: {column: red if column in workload.tokens.get(table, ()) else W.ACTION_CLEAR for column in names}
           for table, names in columns.items()}
    if content.relations != due:
        raise BenchError(f"{variant.name} on {workload.name}: columns are sent as {content.relations}, not as {due}")
