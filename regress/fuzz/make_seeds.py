#!/usr/bin/python3
"""Writes the seeds that come from the golden messages: regress/fuzz/make_seeds.py [folder].

Those of text formats and those that crashed something once are kept by hand beside them.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "t"))
from harness import synthetic, wire  # noqa: E402

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden"


def varint(data, at):
    """The number at a place, and the place behind it."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def batches(stream):
    """The batches of whole messages, as the golden files have them: checksum first, then batch."""
    at = 0
    while at < len(stream):
        length, at = varint(stream, at)
        assert stream[at] == 0x09 and stream[at + 9] == 0x12
        size, start = varint(stream, at + 10)
        assert start + size == at + length
        yield stream[start:start + size]
        at += length


def segment_file():
    """A small whole segment, as a correct writer would write it."""
    start = synthetic.START
    batches = [synthetic.relations_batch(), synthetic.insert_batch(7, start, start + 0x30)]
    return synthetic.segment_bytes(synthetic.header_of(start, 1), batches, start + 0x30, 1, 1,
                                   (1_700_000_000_000_007,) * 2, frames=1)


def synthetic_batches():
    """The relations with a first transaction of two batches, and a second transaction."""
    start = synthetic.START
    opening = synthetic.insert_batch(7, start, start + 0x30, last=False)
    opening.records.insert(0, synthetic.relations_batch().records[0])
    closing = synthetic.insert_batch(7, start, start + 0x30, rows=0)
    second = synthetic.insert_batch(8, start + 0x40, start + 0x70)
    return [batch.SerializeToString() for batch in (opening, closing, second)]


def streamed_batches():
    """A transaction in progress whose subtransaction aborts, another that aborts as a whole, a commit; and ordinary batches."""
    batch = wire.wal2lake.Batch
    first, second, abort, commit = (batch() for _ in range(4))
    first.in_progress.xid = second.in_progress.xid = 7
    first.records.extend(synthetic.relations_batch().records)
    for ordinal, subxid in ((1, 0), (2, 8), (3, 9)):
        record = first.records.add(ordinal=ordinal, subxid=subxid)
        record.CopyFrom(synthetic.insert_batch(7, 1, 2).records[0])
        record.ordinal, record.subxid = ordinal, subxid
    second.records.add(subxid=9).skipped.changes = 5
    second.records.add(subxid=8).stream_abort.SetInParent()
    abort.in_progress.xid = 11
    abort.records.add().stream_abort.SetInParent()
    commit.committed.CopyFrom(synthetic.insert_batch(7, synthetic.START, synthetic.START + 0x30).committed)
    commit.committed.streamed = commit.last = True
    ordinary = synthetic.insert_batch(8, synthetic.START + 0x40, synthetic.START + 0x70)
    return [each.SerializeToString() for each in (first, abort, second, ordinary, commit)]


def piece(batch):
    return len(batch).to_bytes(2, "little") + batch


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "seeds"
    for case in sorted(GOLDEN.iterdir()):
        stream = (case / "message.bin").read_bytes()
        found = list(batches(stream))
        write(root / "frame", case.name, b"\n" + stream)
        write(root / "replication_message", case.name, b"w" + bytes(24) + stream)
        for number, batch in enumerate(found):
            write(root / "batch", f"{case.name}_{number}", batch)
            write(root / "record_json", f"{case.name}_{number}", batch)
        pieces = b"".join(piece(batch) for batch in found)
        write(root / "segment", f"{case.name}_written", b"\x01" + pieces)
        write(root / "segment", f"{case.name}_forged", b"\x03" + pieces)
        write(root / "stage", case.name, pieces)
        write(root / "segment", f"{case.name}_flipped", b"\x02\x00\x12\x34" + pieces)
    write(root / "segment", "file", b"\x00" + segment_file())
    write(root / "stage", "streamed", b"".join(map(piece, streamed_batches())))
    found = synthetic_batches()
    for mode, name in ((1, "written"), (2, "flipped"), (3, "forged")):
        head = bytes([mode]) + (b"\x00\x0a\xbc" if mode == 2 else b"")
        write(root / "segment", f"transactions_{name}", head + b"".join(map(piece, found)))
        write(root / "segment", f"open_{name}", head + piece(found[0]))
        write(root / "segment", f"disorder_{name}", head + b"".join(map(piece, [found[0], found[2], found[1]])))


def write(folder, name, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
