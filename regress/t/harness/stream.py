"""Reads the plugin's messages: framing, checksums, and transactions put together from batches."""

from dataclasses import dataclass, field

import xxhash

from . import values, wire

OPERATIONS = {wire.wal2lake.OPERATION_INSERT: "insert", wire.wal2lake.OPERATION_UPDATE: "update",
              wire.wal2lake.OPERATION_DELETE: "delete"}
LARGEST_FRAME = 1 << 30
LARGEST_CHUNK = 1 << 20
CHUNK = wire.wal2lake.ValueChunk
CHUNK_FIELDS = {CHUNK.KIND_TEXT: "text", CHUNK.KIND_BYTES: "bytes", CHUNK.KIND_NUMERIC: "numeric"}


class StreamError(Exception):
    """The bytes are not a stream of messages, or the messages contradict each other."""


@dataclass
class Change:
    """One change of one table. Rows are {column: value}, values as in `values`."""

    ordinal: int
    operation: str
    table: str
    new: dict
    old: dict
    old_kind: int
    relation: object


@dataclass
class Ddl:
    """What a statement did that no row tells; `told` is the message."""

    ordinal: int
    kind: str
    name: str
    told: object


@dataclass
class Message:
    """What somebody said with pg_logical_emit_message(); content is bytes."""

    ordinal: int
    prefix: str
    content: bytes


@dataclass
class Transaction:
    """What belongs together; a message that belongs to no transaction is one without xid and time."""

    xid: int
    commit_lsn: int
    end_lsn: int
    commit_time_us: int
    changes: list = field(default_factory=list)
    epoch: int = 1
    ddl: list = field(default_factory=list)
    messages: list = field(default_factory=list)


def parse_messages(data):
    """Batches of a stream. Newlines where a message may begin are skipped, as pg_recvlogical adds them."""
    position = 0
    while position < len(data):
        if data[position] == 0x0A:
            position += 1
            continue
        length, shift, start = 0, 0, position
        while True:
            if position >= len(data):
                raise StreamError(f"byte {start}: cut off in a length")
            byte = data[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
            if shift > 63:
                raise StreamError(f"byte {start}: a length of more than 10 bytes")
        if length == 10 or length > LARGEST_FRAME:
            raise StreamError(f"byte {start}: no frame has a length of {length}")
        if position + length > len(data):
            raise StreamError(f"byte {start}: a frame of {length} bytes is cut off")
        yield parse_frame(data[position:position + length], start)
        position += length


def parse_frame(data, start=0):
    try:
        frame = wire.parse(wire.wal2lake.Frame, data)
        if xxhash.xxh3_64_intdigest(frame.batch) != frame.checksum:
            raise StreamError(f"byte {start}: checksum of a frame differs")
        return wire.parse(wire.wal2lake.Batch, frame.batch)
    except ValueError as error:
        raise StreamError(f"byte {start}: {error}") from error


class Lone:
    """The facts of a message that belongs to no transaction, as those of a transaction."""

    xid = commit_time_us = 0

    def __init__(self, batch):
        self.commit_lsn, self.end_lsn = batch.message.lsn, batch.message.end_lsn
        if any((record.WhichOneof("record"), record.ordinal) != ("message", 1) for record in batch.records):
            raise StreamError("a batch of a message that belongs to no transaction holds something else")


class Assembler:
    """Feed it batches in order; it gives back whole transactions."""

    def __init__(self, epoch=1):
        self.epoch = epoch
        self.relations = {}
        self.open = None
        self.chunked = {}
        self.message = None

    def feed(self, batch):
        kind = batch.WhichOneof("kind")
        if kind is None:
            if self.open is not None:
                raise StreamError("a batch of no transaction inside of one")
            for record in batch.records:
                if record.WhichOneof("record") != "relation":
                    raise StreamError("a batch of no transaction holds more than relations")
                self._relation(record.relation)
            return []
        if kind not in ("committed", "message"):
            raise StreamError(f"a batch of kind {kind}, which is not sent yet")
        facts = batch.committed if kind == "committed" else Lone(batch)
        if self.open is None:
            self.open = Transaction(facts.xid, facts.commit_lsn, facts.end_lsn, facts.commit_time_us,
                                    epoch=self.epoch)
        opened = self.open
        if (facts.xid, facts.commit_lsn, facts.end_lsn, facts.commit_time_us) != \
                (opened.xid, opened.commit_lsn, opened.end_lsn, opened.commit_time_us):
            raise StreamError(f"transaction {facts.xid} begins inside of transaction {opened.xid}")
        if not facts.commit_lsn < facts.end_lsn:
            raise StreamError(f"transaction {facts.xid} ends where it commits")
        for record in batch.records:
            self._record(record)
        if not batch.last:
            return []
        if self.chunked:
            raise StreamError("chunks of a value without its change")
        if self.message is not None:
            raise StreamError("a message whose last piece did not come")
        self.open = None
        return [opened]

    def finish(self):
        if self.chunked:
            raise StreamError("chunks of a value without its change")
        if self.open is not None:
            raise StreamError(f"transaction {self.open.xid} has no last batch")

    def _relation(self, relation):
        if relation.id in self.relations and self.relations[relation.id] != relation:
            raise StreamError(f"relation id {relation.id} is used twice")
        if schema_id(relation) != relation.schema_id:
            raise StreamError(f"schema id of {relation.namespace}.{relation.name} differs from its content")
        for column in relation.columns:
            if column.HasField("missing"):
                self._missing(column)
        self.relations[relation.id] = relation

    @staticmethod
    def _missing(column):
        """The value of rows from before the column: as any value of it, but that a NULL and a withheld one are not there."""
        if values.read(column, column.missing) in (None, values.WITHHELD, values.UNCHANGED):
            raise StreamError(f"column {column.name} tells a missing value that is none")

    def _find(self, relation_id):
        try:
            return self.relations[relation_id]
        except KeyError:
            raise StreamError(f"relation id {relation_id} was not announced") from None

    def _record(self, record):
        kind = record.WhichOneof("record")
        if kind in ("relation", "stats"):
            if record.ordinal != 0:
                raise StreamError(f"a {kind} with an ordinal")
            if kind == "relation":
                self._relation(record.relation)
            return
        changes = self.open.changes
        # Ordinals rise; the tables of one TRUNCATE share one, and gaps are changes that are not emitted.
        latest = max((some[-1].ordinal for some in (changes, self.open.ddl, self.open.messages) if some), default=0)
        if record.ordinal <= latest:
            raise StreamError(f"ordinal {record.ordinal} out of order in transaction {self.open.xid}")
        if kind == "value_chunk":
            self._chunk(record.ordinal, record.value_chunk)
        elif kind == "change":
            changes.append(self._change(record.ordinal, record.change))
        elif kind == "ddl":
            told = record.ddl
            if not told.oid:
                raise StreamError("a ddl of no object")
            self.open.ddl.append(Ddl(record.ordinal, told.Kind.Name(told.kind).removeprefix("KIND_").lower(),
                                     table_name(told) if told.namespace else told.name, told))
        elif kind == "message":
            self._message(record.ordinal, record.message)
        elif kind == "truncate":
            if not record.truncate.relation_ids:
                raise StreamError("a TRUNCATE of no table")
            for relation_id in record.truncate.relation_ids:
                relation = self._find(relation_id)
                changes.append(Change(record.ordinal, "truncate", table_name(relation), None, None, 0, relation))
        else:
            raise StreamError(f"a record of kind {kind}, which is not sent yet")

    def _chunk(self, ordinal, chunk):
        """The pieces of a value, in order; CHUNK_FIELDS names the field of Value that they are for."""
        relation = self._find(chunk.relation_id)
        if chunk.kind not in CHUNK_FIELDS or not chunk.data or len(chunk.data) > LARGEST_CHUNK:
            raise StreamError(f"a piece of {len(chunk.data)} bytes of kind {chunk.kind}")
        if chunk.attnum not in [column.attnum for column in relation.columns]:
            raise StreamError(f"a piece of column {chunk.attnum}, which {table_name(relation)} does not have")
        key = chunk.side, chunk.attnum
        if chunk.offset == 0:
            if key in self.chunked:
                raise StreamError("a value in chunks begins twice")
            self.chunked[key] = ordinal, chunk.relation_id, chunk.kind, chunk.total, bytearray()
        if key not in self.chunked or key != next(reversed(self.chunked)):
            raise StreamError("a piece of a value that did not begin, or that another one followed")
        value = self.chunked[key]
        if (ordinal, chunk.relation_id, chunk.kind, chunk.total) != value[:4] or chunk.offset != len(value[4]):
            raise StreamError("a piece of a value does not follow the one before it")
        value[4].extend(chunk.data)
        if chunk.last != (len(value[4]) == chunk.total) or len(value[4]) > chunk.total:
            raise StreamError(f"{len(value[4])} bytes of a value of {chunk.total}, and last is {chunk.last}")

    def _message(self, ordinal, message):
        """Its pieces come in order and next to each other."""
        if self.message is None:
            self.message = Message(ordinal, message.prefix, b"")
        whole = self.message
        if (ordinal, message.prefix, message.offset) != (whole.ordinal, whole.prefix, len(whole.content)) or \
                len(message.content) > LARGEST_CHUNK:
            raise StreamError("a piece of a message does not follow the one before it")
        whole.content += message.content
        if len(whole.content) == message.total:
            self.open.messages.append(whole)
            self.message = None

    def _value(self, ordinal, change, side, column, value):
        if value.WhichOneof("value") != "marker" or value.marker != wire.wal2lake.MARKER_CHUNKED:
            return values.read(column, value)
        found = self.chunked.pop((side, column.attnum), None)
        if found is None or found[:2] != (ordinal, change.relation_id) or len(found[4]) != found[3]:
            raise StreamError(f"the chunks of column {column.name} did not come, or not all")
        kind = CHUNK_FIELDS[found[2]]
        return values.clear(column, kind, bytes(found[4]) if kind == "bytes" else found[4].decode())

    def _change(self, ordinal, change):
        relation = self._find(change.relation_id)
        operation = OPERATIONS.get(change.operation)
        if operation is None:
            raise StreamError(f"operation {change.operation}")
        if change.HasField("new") != (operation != "delete"):
            raise StreamError(f"{operation} with or without a new row")
        if change.HasField("old") != (change.old_kind != wire.wal2lake.OLD_KIND_NONE):
            raise StreamError(f"{operation} whose old row and old_kind disagree")
        def row(columns, row, side):
            if len(row) != len(columns):
                raise StreamError(f"{table_name(relation)}: {len(row)} values for {len(columns)} columns")
            return {column.name: self._value(ordinal, change, side, column, value)
                    for column, value in zip(columns, row)}

        new = row(relation.columns, change.new.values, CHUNK.SIDE_NEW) if change.HasField("new") else None
        old = None
        if change.HasField("old"):
            columns = relation.columns
            if change.old_kind == wire.wal2lake.OLD_KIND_KEY:
                columns = [column for column in columns if column.is_key]
            old = row(columns, change.old.values, CHUNK.SIDE_OLD)
        if self.chunked:
            raise StreamError(f"chunks of {sorted(self.chunked)}, which change {ordinal} does not have")
        return Change(ordinal, operation, table_name(relation), new, old, change.old_kind, relation)


def table_name(relation):
    return f"{relation.namespace}.{relation.name}"


def schema_id(relation):
    """XXH3-64 of the message without its two ids, as the contract defines it."""
    bare = wire.wal2lake.Relation()
    bare.CopyFrom(relation)
    bare.ClearField("id")
    bare.ClearField("schema_id")
    return xxhash.xxh3_64_intdigest(bare.SerializeToString())
