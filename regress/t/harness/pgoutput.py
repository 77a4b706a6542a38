"""Another independent witness: PostgreSQL's own pgoutput, as a subscription asks for it, in text or in binary.

Binary values are read by the server's own receive functions, through COPY, and shown by its output functions.
"""

import io
import re
import struct
from dataclasses import dataclass

from .oracle import READER_SETTINGS, UNCHANGED, Change, Transaction

TRANSACTION_OPERATIONS = {"I": "insert", "U": "update", "D": "delete"}


class PgOutputError(Exception):
    """A message that pgoutput should not have sent."""


@dataclass
class Column:
    name: str
    is_key: bool
    type_oid: int


@dataclass
class Relation:
    name: str
    columns: list


@dataclass(frozen=True)
class Binary:
    """A value as its type's send function wrote it."""

    type_oid: int
    content: bytes


class Message:
    """Reads the fields of one message in order."""

    def __init__(self, data):
        self.data, self.position = data, 0

    def number(self, code):
        layout = struct.Struct(">" + code)
        value, = layout.unpack_from(self.data, self.position)
        self.position += layout.size
        return value

    def byte(self):
        return chr(self.number("B"))

    def bytes(self, length):
        self.position += length
        if self.position > len(self.data):
            raise PgOutputError("a message is cut off")
        return self.data[self.position - length:self.position]

    def text(self):
        end = self.data.index(b"\0", self.position)
        found = self.data[self.position:end].decode()
        self.position = end + 1
        return found

    def end(self):
        if self.position != len(self.data):
            raise PgOutputError(f"{len(self.data) - self.position} bytes after the end of a message")


class PgOutput:
    """A pgoutput slot of one database. Create it after the publications and before any change."""

    def __init__(self, cluster, dbname, publications, binary, slot=None):
        self.cluster, self.dbname, self.publications, self.binary = cluster, dbname, publications, binary
        self.slot = slot or f"pgoutput_{'binary' if binary else 'text'}_{dbname}"[:63]

    def create(self):
        self.cluster.query("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (self.slot,), self.dbname)
        return self

    def transactions(self):
        """Every transaction since the slot was made, numbered by what was published. Peeks."""
        rows = self.cluster.query(
            "SELECT data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL, 'proto_version', '1', "
            "'publication_names', %s, 'binary', %s)",
            (self.slot, ", ".join(self.publications), "true" if self.binary else "false"), self.dbname,
            options=READER_SETTINGS)
        found = list(parse(bytes(row[0]) for row in rows))
        if self.binary:
            shown = Shown(self.cluster, self.dbname, found)
            for change in (change for transaction in found for change in transaction.changes):
                change.new, change.old = shown.row(change.new), shown.row(change.old)
        return found


def parse(messages):
    """Transactions out of messages."""
    relations, current, number = {}, None, 0
    for message in map(Message, messages):
        kind = message.byte()
        if kind == "B":
            message.bytes(16)
            current, number = Transaction(message.number("I"), 0), 0
        elif kind == "C":
            message.bytes(9)
            current.end_lsn = message.number("Q")
            message.bytes(8)
            if current.changes:
                yield current
            current = None
        elif kind == "R":
            oid = message.number("I")
            relations[oid] = _relation(message)
        elif kind == "Y":
            message.bytes(4), message.text(), message.text()
        elif kind == "T":
            number += 1
            count, _ = message.number("I"), message.byte()
            current.changes += [Change(number, "truncate", relations[message.number("I")].name, None, None)
                                for _ in range(count)]
        elif kind in TRANSACTION_OPERATIONS:
            number += 1
            current.changes.append(_change(message, kind, relations[message.number("I")], number))
        else:
            raise PgOutputError(f"a message of kind {kind!r}")
        message.end()


def _relation(message):
    name = f"{message.text()}.{message.text()}"
    message.byte()
    columns = []
    for _ in range(message.number("H")):
        flags, column = message.number("B"), message.text()
        columns.append(Column(column, bool(flags & 1), message.number("I")))
        message.bytes(4)
    return Relation(name, columns)


def _change(message, kind, relation, number):
    new = old = None
    part = message.byte()
    if part in "KO":
        old = _row(message, relation)
        if part == "K":
            old = {column.name: old[column.name] for column in relation.columns if column.is_key}
        part = message.byte() if kind == "U" else ""
    if part == "N":
        new = _row(message, relation)
    elif part:
        raise PgOutputError(f"a row of kind {part!r}")
    return Change(number, TRANSACTION_OPERATIONS[kind], relation.name, new, old)


def _row(message, relation):
    count = message.number("H")
    if count != len(relation.columns):
        raise PgOutputError(f"{count} values for {len(relation.columns)} columns of {relation.name}")
    return {column.name: _value(message, column) for column in relation.columns}


def _value(message, column):
    kind = message.byte()
    if kind == "n":
        return None
    if kind == "u":
        return UNCHANGED
    content = message.bytes(message.number("I"))
    if kind == "t":
        return content.decode()
    if kind == "b":
        return Binary(column.type_oid, content)
    raise PgOutputError(f"a value of kind {kind!r}")


class Shown:
    """The texts of all binary values of some transactions, asked for one type at a time."""

    def __init__(self, cluster, dbname, transactions):
        wanted = {}
        for change in (change for transaction in transactions for change in transaction.changes):
            for row in (change.new, change.old):
                for value in (row or {}).values():
                    if isinstance(value, Binary):
                        wanted.setdefault(value.type_oid, {})[value.content] = None
        self.texts = wanted
        connection = cluster.connect(dbname, options=READER_SETTINGS)
        try:
            with connection.cursor() as cursor:
                for type_oid, contents in wanted.items():
                    _ask(cursor, type_oid, contents)
        finally:
            connection.close()

    def row(self, row):
        return row and {name: self.texts[value.type_oid][value.content] if isinstance(value, Binary) else value
                        for name, value in row.items()}


def _ask(cursor, type_oid, contents):
    """Fill in the texts of {binary form: text} of one type."""
    cursor.execute("SELECT format_type(%s, NULL)", (type_oid,))
    name, = cursor.fetchone()
    # Without a length: what the standard calls so has the length 1.
    name = re.sub(r"^bit(?!\s)", '"bit"', re.sub("^character(?! varying)", "bpchar", name))
    cursor.execute(f"CREATE TEMP TABLE received (n int, v {name})")
    order = list(contents)
    stream = io.BytesIO()
    stream.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
    for number, content in enumerate(order):
        stream.write(struct.pack(">hiii", 2, 4, number, len(content)) + content)
    stream.write(struct.pack(">h", -1))
    stream.seek(0)
    cursor.copy_expert("COPY received FROM STDIN (FORMAT binary)", stream)
    # A cast to text is not always what the output function says: of char(n) it takes the padding.
    cursor.execute("SELECT n, format('%s', v) FROM received")
    contents.update((order[number], text) for number, text in cursor.fetchall())
    cursor.execute("DROP TABLE received")
