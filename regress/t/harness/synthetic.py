"""Segments made by hand, for tests of the readers: what a correct writer would have written."""

import hashlib

import xxhash
import zstandard

from . import wire
from .stream import schema_id

W, S = wire.wal2lake, wire.segment
START = 0x16B3748


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def message(batch):
    body = batch.SerializeToString()
    frame = W.Frame(checksum=xxhash.xxh3_64_intdigest(body), batch=body).SerializeToString()
    return varint(len(frame)) + frame


def users_relation():
    """public.users (id clear, email hashed, bio dropped)."""
    relation = W.Relation(id=7, oid=16384, namespace="public", name="users", key_id="k2026",
                          replica_identity=W.REPLICA_IDENTITY_DEFAULT)
    relation.columns.add(attnum=1, name="id", type_oid=20, type_name="pg_catalog.int8", typmod=-1, base_type_oid=20,
                         is_key=True, **{"class": W.CLASS_GREEN}, action=W.ACTION_CLEAR, encoding=W.ENCODING_INT)
    relation.columns.add(attnum=2, name="email", type_oid=25, type_name="pg_catalog.text", typmod=-1,
                         base_type_oid=25, **{"class": W.CLASS_RED}, action=W.ACTION_HASH, domain="email",
                         encoding=W.ENCODING_TEXT)
    relation.columns.add(attnum=3, name="bio", type_oid=25, type_name="pg_catalog.text", typmod=-1, base_type_oid=25,
                         **{"class": W.CLASS_RED}, action=W.ACTION_DROP, encoding=W.ENCODING_TEXT)
    relation.schema_id = schema_id(relation)
    return relation


def relations_batch():
    batch = W.Batch()
    batch.records.add(relation=users_relation())
    return batch


def insert_batch(xid, commit_lsn, end_lsn, first_id=1, rows=1, last=True):
    batch = W.Batch(last=last)
    batch.committed.xid, batch.committed.commit_lsn, batch.committed.end_lsn = xid, commit_lsn, end_lsn
    batch.committed.commit_time_us = 1_700_000_000_000_000 + xid
    for number in range(rows):
        record = batch.records.add(ordinal=number + 1)
        record.change.relation_id, record.change.operation = 7, W.OPERATION_INSERT
        values = record.change.new.values
        values.add(int=first_id + number)
        values.add(token=bytes(15) + bytes([number % 256]))
        values.add(marker=W.MARKER_WITHHELD)
    return batch


def segment_bytes(header, batches, end_lsn, transactions=0, inserts=0, commit_times=(0, 0), frames=2):
    """A whole object: header frame, messages spread over some zstd frames, footer frame."""
    messages = b"".join(message(batch) for batch in batches)
    payload = b"W2LH" + header.SerializeToString()
    data = (0x184D2A57).to_bytes(4, "little") + len(payload).to_bytes(4, "little") + payload
    cut = len(messages) // frames
    for piece in ([messages[:cut], messages[cut:]] if cut else [messages] if messages else []):
        data += zstandard.ZstdCompressor().compress(piece)
    footer = S.SegmentFooter(end_lsn=end_lsn, transactions=transactions, message_bytes=len(messages),
                             xxh3_128=xxhash.xxh3_128_digest(data), first_commit_time_us=commit_times[0],
                             last_commit_time_us=commit_times[1])
    if inserts:
        footer.counts.add(oid=16384, namespace="public", name="users", inserts=inserts)
    footer.footer_xxh3_64 = xxhash.xxh3_64_intdigest(footer.SerializeToString())
    body = footer.SerializeToString()
    body += len(body).to_bytes(4, "little") + b"W2LF"
    return data + (0x184D2A58).to_bytes(4, "little") + len(body).to_bytes(4, "little") + body


def header_of(start_lsn, seq, previous_sha256=b"", source="cell1.main"):
    return S.SegmentHeader(format_version=1, source=source, database="app", database_oid=16400, system_id=42,
                           timeline=1, slot="wal2lake", start_lsn=start_lsn, seq=seq, previous_sha256=previous_sha256,
                           writer="by hand")


def write_lake(root, segments=3, source="cell1.main"):
    """A lake with a genesis and some segments of two transactions each. Returns the paths, oldest first."""
    folder = root / source / "log" / "00000001"
    folder.mkdir(parents=True)
    header = header_of(START, 0, source=source)
    header.genesis.epoch = 1
    paths = [folder / ("0" * 16 + ".w2l")]
    data = segment_bytes(header, [], START)
    paths[0].write_bytes(data)
    position, xid = START, 700
    for seq in range(1, segments + 1):
        first, second = position + 0x100, position + 0x200
        batches = [relations_batch(), insert_batch(xid, first, first + 0x30, rows=2, last=False),
                   insert_batch(xid, first, first + 0x30, rows=0),
                   insert_batch(xid + 1, second, second + 0x30)]
        header = header_of(position, seq, hashlib.sha256(data).digest(), source)
        time = 1_700_000_000_000_000
        data = segment_bytes(header, batches, second + 0x30, 2, 3, (time + xid, time + xid + 1))
        path = folder / f"{position:016x}.w2l"
        path.write_bytes(data)
        paths.append(path)
        position, xid = second + 0x30, xid + 2
    return paths
