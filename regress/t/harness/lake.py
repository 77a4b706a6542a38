"""An independent reader of a lake in a folder: protoc's classes, zstandard, hashlib and xxhash.

It shares no line with the command that wrote the lake. Whatever it does not expect is a LakeError that
names the file: a gap, a fork, a flipped byte, a count that is off, a record that refers to nothing.
"""

import hashlib
import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import xxhash
import zstandard

from . import wire
from .stream import Assembler, StreamError, parse_messages

HEADER_MAGIC = (0x184D2A57).to_bytes(4, "little")
FOOTER_MAGIC = (0x184D2A58).to_bytes(4, "little")
FOOTER_CHECKSUM_BYTES = 9  # its last field: a tag and a fixed64
GENESIS_NAME = "0" * 16 + ".w2l"
MARK_NAME = re.compile(r"trim-(\d{8})-([0-9a-f]{16})\.json")


class LakeError(Exception):
    """The lake is not what its format says; the text names the object and what is wrong with it."""


@dataclass
class Segment:
    """One object of the log, checked in itself; its place in the chain is Lake's business."""

    path: Path
    epoch: int
    header: object
    footer: object
    sha256: bytes
    messages: bytes
    transactions: list = field(default_factory=list)


def read_segment(path, epoch=1):
    """Read and check one segment file."""
    data = path.read_bytes()

    def require(condition, what):
        if not condition:
            raise LakeError(f"{path}: {what}")

    require(data[:4] == HEADER_MAGIC, "does not begin with a header frame")
    length = int.from_bytes(data[4:8], "little")
    payload = data[8:8 + length]
    require(len(payload) == length and payload[:4] == b"W2LH", "the header is cut off or carries no W2LH")
    require(data[-4:] == b"W2LF", "does not end with a footer")
    footer_length = int.from_bytes(data[-8:-4], "little")
    footer_start = len(data) - footer_length - 16
    require(footer_start >= 8 + length, "the footer reaches into the header")
    require(data[footer_start:footer_start + 4] == FOOTER_MAGIC, "the footer is not in its frame")
    require(int.from_bytes(data[footer_start + 4:footer_start + 8], "little") == footer_length + 8,
            "the footer's frame has another length than the footer")
    try:
        header = wire.parse(wire.segment.SegmentHeader, payload[4:])
        footer = wire.parse(wire.segment.SegmentFooter, data[footer_start + 8:-8])
    except ValueError as error:
        raise LakeError(f"{path}: {error}") from error
    require(xxhash.xxh3_64_intdigest(data[footer_start + 8:-8 - FOOTER_CHECKSUM_BYTES]) == footer.footer_xxh3_64,
            "the footer's own checksum differs")
    require(header.format_version == 1, f"format version {header.format_version}")
    require(xxhash.xxh3_128_digest(data[:footer_start]) == footer.xxh3_128, "checksum differs from the footer's")
    messages = decompress(path, data[8 + length:footer_start]) + b"".join(
        read_part(path, part, require) for part in footer.parts)
    require(not footer.parts or footer.transactions == 1, "lists parts, and not one transaction")
    require(len(messages) == footer.message_bytes,
            f"{len(messages)} message bytes, the footer says {footer.message_bytes}")
    segment = Segment(path, epoch, header, footer, hashlib.sha256(data).digest(), messages)
    try:
        assembler = Assembler(epoch)
        for batch in parse_messages(messages):
            segment.transactions.extend(assembler.feed(batch))
        assembler.finish()
    except StreamError as error:
        raise LakeError(f"{path}: {error}") from error
    check_content(segment, require)
    return segment


def read_part(path, part, require):
    """The plain bytes of an object that the segment at `path` lists."""
    require(part.name.startswith("parts/") and ".." not in part.name, f"lists {part.name!r}")
    place = path.parents[2] / part.name
    require(place.is_file(), f"lists {part.name}, which is not there")
    data = place.read_bytes()
    require(len(data) == part.bytes and hashlib.sha256(data).digest() == part.sha256,
            f"{part.name} has another size or hash than is listed")
    return decompress(place, data)


def decompress(path, data):
    """The plain bytes of any number of zstd frames."""
    try:
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
            return reader.read()
    except zstandard.ZstdError as error:
        raise LakeError(f"{path}: {error}") from error


@dataclass
class Mark:
    """Where a log was trimmed: what lies before `lsn` is not log any more, but the genesis."""

    path: Path
    epoch: int
    lsn: int
    seq: int
    previous_sha256: bytes

    @classmethod
    def read(cls, path):
        epoch, lsn = MARK_NAME.fullmatch(path.name).groups()
        source = path.parents[1].name
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            high, low = said["start_lsn"].split("/")
            mark = cls(path, int(epoch), int(lsn, 16), said["seq"], bytes.fromhex(said["previous_sha256"]))
            agrees = (said["event"], said["source"], said["epoch"], said["first_kept"]) == (
                "trim", source, mark.epoch, f"{source}/log/{epoch}/{lsn}.w2l")
            agrees = agrees and int(high, 16) << 32 | int(low, 16) == mark.lsn and len(mark.previous_sha256) == 32
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise LakeError(f"{path}: {error!r}") from error
        if not agrees:
            raise LakeError(f"{path}: does not say what its name says")
        return mark


def check_content(segment, require):
    """What header and footer claim against what is inside."""
    header, footer = segment.header, segment.footer
    require(footer.end_lsn >= header.start_lsn, "ends before it starts")
    require(footer.transactions == len(segment.transactions),
            f"{len(segment.transactions)} transactions, the footer says {footer.transactions}")
    position = header.start_lsn
    for transaction in segment.transactions:
        require(transaction.commit_lsn >= position, f"transaction {transaction.xid} commits before {position:X}")
        position = transaction.end_lsn
    require(position <= footer.end_lsn, "a transaction ends after the segment")
    if segment.transactions:
        # A message that belongs to no transaction says no time.
        times = [each.commit_time_us for each in segment.transactions if each.commit_time_us] or [0]
        require((times[0], times[-1]) == (footer.first_commit_time_us, footer.last_commit_time_us), "commit times differ")
    counted = count_changes(segment.transactions)
    claimed = {}
    for table in footer.counts:
        for operation in ("insert", "update", "delete", "truncate"):
            number = getattr(table, operation + "s")
            if number:
                claimed[f"{table.namespace}.{table.name}", operation] = number
    require(counted == claimed, f"changes {counted}, the footer says {claimed}")


def count_changes(transactions):
    """{(table, operation): number} over transactions of the lake or of the oracle."""
    counts = {}
    for transaction in transactions:
        for change in transaction.changes:
            key = change.table, change.operation
            counts[key] = counts.get(key, 0) + 1
    return counts


class Lake:
    """The log of one source under a lake folder."""

    def __init__(self, root, source):
        self.log = Path(root) / source / "log"
        self.source = source

    def objects(self):
        """Paths of all objects of the log, oldest first, temporary files left out."""
        return sorted(self.log.glob("*/*.w2l"))

    def parts(self):
        """Paths of all parts that lie beside the log, listed or not."""
        return sorted(path for path in (self.log.parent / "parts").rglob("*")
                      if path.is_file() and not path.name.startswith("."))

    def mark(self):
        """The newest trim mark, or None."""
        found = [path for path in self.log.parent.glob("events/*") if MARK_NAME.fullmatch(path.name)]
        return Mark.read(max(found)) if found else None

    def segments(self):
        """Walk the chain from genesis to tail and check each link; what lies below a trim mark is left out. Raises
        LakeError at the first bad one."""
        chain = []
        for directory in sorted(path for path in self.log.glob("*") if path.is_dir()):
            chain += self._epoch(directory, chain[-1] if chain else None)
        if not chain:
            raise LakeError(f"{self.log}: no genesis")
        return chain

    def _epoch(self, directory, previous):
        number = int(directory.name)
        remaining = {path.name: path for path in directory.glob("*.w2l")}
        name, links = GENESIS_NAME, []
        mark = self.mark()
        if mark is not None and mark.epoch == number:
            below = [path for path in remaining if GENESIS_NAME < path < f"{mark.lsn:016x}.w2l"]
            for path in below:
                del remaining[path]
        while name in remaining:
            segment = read_segment(remaining.pop(name), number)
            if mark is not None and name == f"{mark.lsn:016x}.w2l":
                self._check_mark(segment, previous, mark)
            else:
                self._check_link(segment, previous, genesis=not links)
            links.append(segment)
            previous = segment
            name = f"{segment.footer.end_lsn:016x}.w2l"
            if mark is not None and mark.epoch == number and len(links) == 1:
                name = f"{mark.lsn:016x}.w2l"
            if segment.footer.end_lsn == segment.header.start_lsn and len(links) > 1:
                raise LakeError(f"{segment.path}: covers nothing")
        if not links:
            raise LakeError(f"{directory}: no genesis")
        if remaining:
            raise LakeError(f"{directory / name}: missing; {sorted(remaining)[0]} and "
                            f"{len(remaining) - 1} more are not reached from the genesis")
        return links

    def _check_mark(self, segment, genesis, mark):
        header = segment.header
        said = header.start_lsn, header.seq, header.previous_sha256
        if said != (mark.lsn, mark.seq, mark.previous_sha256) or header.source != self.source:
            raise LakeError(f"{segment.path}: does not continue what {mark.path.name} says")
        if (header.system_id, header.database_oid) != (genesis.header.system_id, genesis.header.database_oid):
            raise LakeError(f"{segment.path}: another database or cluster than its genesis")

    def _check_link(self, segment, previous, genesis):
        header = segment.header

        def require(condition, what):
            if not condition:
                raise LakeError(f"{segment.path}: {what}")

        require(header.source == self.source, f"belongs to source \"{header.source}\"")
        require(header.HasField("genesis") == genesis, "a genesis that is not first, or a first that is none")
        if genesis:
            require(header.genesis.epoch == segment.epoch, f"says it is epoch {header.genesis.epoch}")
            require(not segment.transactions, "a genesis with transactions")
        else:
            require(segment.path.name == f"{header.start_lsn:016x}.w2l", f"starts at {header.start_lsn:X}")
            require(header.start_lsn == previous.footer.end_lsn, "does not start where its predecessor ends")
            same = ("database", "database_oid", "system_id", "slot")
            require(all(getattr(header, key) == getattr(previous.header, key) for key in same),
                    "another database, cluster or slot than its predecessor")
        if previous is None:
            require(header.seq == 0 and header.previous_sha256 == b"", "a first genesis with a predecessor")
        else:
            require(header.seq == previous.header.seq + 1, f"seq {header.seq} after {previous.header.seq}")
            require(header.previous_sha256 == previous.sha256, "its predecessor's SHA-256 differs")

    def transactions(self):
        """Every committed transaction, in the order of the log."""
        return [transaction for segment in self.segments() for transaction in segment.transactions]

    def end_lsn(self):
        """How far the log reaches."""
        return self.segments()[-1].footer.end_lsn

    def messages(self):
        """All decompressed bytes, header and footer payloads too: what a search for leaks has to see."""
        found = []
        for segment in self.segments():
            found += [segment.header.SerializeToString(), segment.messages, segment.footer.SerializeToString()]
        return b"\n".join(found)
