"""The independent witness: a second slot on the same WAL, decoded by PostgreSQL's test_decoding.

Its rows are one callback each, so the number of a line within its transaction is the ordinal that
wal2lake gives the same change, and the LSN of its COMMIT is the end of the commit record.
"""

from dataclasses import dataclass, field

UNCHANGED_TEXT = "unchanged-toast-datum"
# Empty transactions are skipped here rather than there: with skip-empty-xacts, test_decoding writes a
# message that comes before the first change ahead of its BEGIN.
OPTIONS = ("include-xids", "1", "skip-empty-xacts", "0")
# What wal2lake pins (docs/record_format.md), so that the texts of a witness compare with ours. And memory for whole
# transactions: in 18.6 the abort of a subtransaction that was evicted from it makes test_decoding read where nothing is.
READER_SETTINGS = ("-c logical_decoding_work_mem=1GB "
                   "-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=postgres -c extra_float_digits=1 -c bytea_output=hex "
                   "-c lc_monetary=C -c search_path=pg_catalog,pg_temp -c quote_all_identifiers=off -c xmlbinary=base64")


class OracleError(Exception):
    """A line that test_decoding should not have written."""


class Unchanged:
    """A TOAST value that was not logged."""

    def __repr__(self):
        return "unchanged"


UNCHANGED = Unchanged()


@dataclass
class Change:
    ordinal: int
    operation: str
    table: str
    new: dict
    old: dict


@dataclass
class Transaction:
    xid: int
    end_lsn: int
    changes: list = field(default_factory=list)


class Oracle:
    """A test_decoding slot of one database. Create it when the other slot is created, before any change."""

    def __init__(self, cluster, dbname, slot=None):
        self.cluster, self.dbname, self.slot = cluster, dbname, slot or f"oracle_{dbname}"

    def create(self):
        self.cluster.query("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", (self.slot,), self.dbname)
        return self

    def drop(self):
        self.cluster.query("SELECT pg_drop_replication_slot(%s)", (self.slot,), self.dbname)

    def transactions(self):
        """Every transaction since the slot was made. Peeks, so that it can be asked again."""
        rows = self.cluster.query(
            "SELECT lsn - '0/0'::pg_lsn, xid::text, data FROM pg_logical_slot_peek_changes(%s, NULL, NULL, "
            + ", ".join(["%s"] * len(OPTIONS)) + ")", (self.slot, *OPTIONS), self.dbname,
            options=READER_SETTINGS)
        return list(parse(rows))


def parse(rows):
    """Transactions out of (lsn, xid, line)."""
    current = None
    for lsn, xid, line in rows:
        if line.startswith("BEGIN"):
            current = Transaction(int(xid), 0)
            number = 0
        elif line.startswith("COMMIT"):
            current.end_lsn = int(lsn)
            if current.changes:
                yield current
            current = None
        elif line.startswith("message:"):
            # A transactional message has its number; one outside of a transaction has no place in any.
            if current is not None and line.startswith("message: transactional: 1"):
                number += 1
        elif current is None:
            raise OracleError(f"a line outside of a transaction: {line[:60]}")
        else:
            number += 1
            current.changes.extend(parse_line(line, number))


def parse_line(line, ordinal):
    """The changes of one line; a TRUNCATE gives one for each table."""
    if not line.startswith("table "):
        raise OracleError(f"not a change: {line[:60]}")
    tables, position = [], len("table ")
    while True:
        name, position = _qualified_name(line, position)
        tables.append(name)
        if not line.startswith(", ", position):
            break
        position += 2
    rest = line[position:]
    for operation in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
        prefix = f": {operation}:"
        if rest.startswith(prefix):
            break
    else:
        raise OracleError(f"unknown operation: {line[:60]}")
    if operation == "TRUNCATE":
        return [Change(ordinal, "truncate", table, None, None) for table in tables]
    body, old, new = rest[len(prefix):], None, None
    if body != " (no-tuple-data)":
        if operation == "DELETE":
            old, _ = _row(body, 0)
        elif body.startswith(" old-key:"):
            old, end = _row(body, len(" old-key:"))
            if not body.startswith(" new-tuple:", end):
                raise OracleError(f"an old key without a new row: {line[:60]}")
            new, _ = _row(body, end + len(" new-tuple:"))
        else:
            new, _ = _row(body, 0)
    return [Change(ordinal, operation.lower(), tables[0], new, old)]


def _row(text, position):
    """Columns ` name[type]:value …` from position up to the end or to ` new-tuple:`."""
    row = {}
    while position < len(text) and not text.startswith(" new-tuple:", position):
        if text[position] != " ":
            raise OracleError(f"no column at {text[position:position + 30]!r}")
        name, position = _identifier(text, position + 1)
        if text[position] != "[":
            raise OracleError(f"no type at {text[position:position + 30]!r}")
        end = text.index("]:", position)
        row[name], position = _value(text, end + 2)
    return row, position


def _value(text, position):
    if text[position] in "'B" and text.startswith(("'", "B'"), position):
        position = text.index("'", position) + 1
        content = []
        while True:
            end = text.index("'", position)
            content.append(text[position:end])
            if text.startswith("''", end):
                content.append("'")
                position = end + 2
                continue
            return "".join(content), end + 1
    end = text.find(" ", position)
    end = len(text) if end < 0 else end
    word = text[position:end]
    if word == "null":
        return None, end
    return (UNCHANGED if word == UNCHANGED_TEXT else word), end


def _identifier(text, position):
    if text[position] != '"':
        end = position
        while text[end].isalnum() or text[end] in "_$":
            end += 1
        return text[position:end], end
    content, position = [], position + 1
    while True:
        end = text.index('"', position)
        content.append(text[position:end])
        if text.startswith('""', end):
            content.append('"')
            position = end + 2
            continue
        return "".join(content), end + 1


def _qualified_name(text, position):
    namespace, position = _identifier(text, position)
    if text[position] != ".":
        raise OracleError(f"an unqualified table in {text[:60]!r}")
    name, position = _identifier(text, position + 1)
    return f"{namespace}.{name}", position
