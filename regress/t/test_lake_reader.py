"""The independent reader of the lake: it reads what is right and refuses what is not, object by object.

Every other end-to-end test leans on this reader, so it is tried on lakes that were made by hand.
"""

import random

import pytest

from harness import synthetic
from harness.lake import Lake, LakeError, count_changes, read_segment
from harness.stream import StreamError, parse_messages
from harness.values import WITHHELD, Token


def read(root):
    return Lake(root, "cell1.main").transactions()


def test_reads_what_was_written(tmp_path):
    synthetic.write_lake(tmp_path)
    transactions = read(tmp_path)
    assert [transaction.xid for transaction in transactions] == [700, 701, 702, 703, 704, 705]
    assert count_changes(transactions) == {("public.users", "insert"): 9}
    row = transactions[0].changes[1].new
    assert row == {"id": "2", "email": Token(bytes(15) + b"\x01"), "bio": WITHHELD}


def test_an_empty_folder_is_no_lake(tmp_path):
    with pytest.raises(LakeError, match="no genesis"):
        read(tmp_path)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_segment_is_named(tmp_path, missing):
    paths = synthetic.write_lake(tmp_path)
    paths[missing].unlink()
    with pytest.raises(LakeError, match="no genesis" if missing == 0 else f"{paths[missing].name}: missing"):
        read(tmp_path)


def test_a_missing_tail_shortens_the_lake(tmp_path):
    paths = synthetic.write_lake(tmp_path)
    paths[-1].unlink()
    assert len(read(tmp_path)) == 4


def test_every_flipped_byte_is_seen(tmp_path, seed):
    """Any single changed byte, in any part of the file, makes the lake unreadable."""
    rng = random.Random(seed)
    path = synthetic.write_lake(tmp_path)[2]
    good = path.read_bytes()
    for position in sorted({0, 4, 8, 20, len(good) - 1, len(good) - 5, *rng.sample(range(len(good)), 150)}):
        damaged = bytearray(good)
        damaged[position] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(LakeError):
            read(tmp_path)
            pytest.fail(f"byte {position} of {len(good)} changed unseen")


def test_every_truncation_is_seen(tmp_path):
    path = synthetic.write_lake(tmp_path)[1]
    good = path.read_bytes()
    for length in range(len(good)):
        path.write_bytes(good[:length])
        with pytest.raises(LakeError):
            read_segment(path)
            pytest.fail(f"cut at {length} of {len(good)} unseen")


def test_a_segment_that_was_replaced_breaks_the_chain(tmp_path):
    """Another segment of the same start and end, correct in itself, has another hash."""
    paths = synthetic.write_lake(tmp_path)
    segment = read_segment(paths[1])
    segment.header.writer = "somebody else"
    footer = segment.footer
    paths[1].write_bytes(synthetic.segment_bytes(
        segment.header, list(parse_messages(segment.messages)), footer.end_lsn, 2, 3,
        (footer.first_commit_time_us, footer.last_commit_time_us)))
    assert read_segment(paths[1]).footer.end_lsn == footer.end_lsn
    with pytest.raises(LakeError, match="SHA-256 differs"):
        read(tmp_path)


def test_wrong_counts_are_seen(tmp_path):
    paths = synthetic.write_lake(tmp_path, segments=1)
    segment = read_segment(paths[1])
    footer = segment.footer
    paths[1].write_bytes(synthetic.segment_bytes(
        segment.header, list(parse_messages(segment.messages)), footer.end_lsn, 2, 4,
        (footer.first_commit_time_us, footer.last_commit_time_us)))
    with pytest.raises(LakeError, match="the footer says"):
        read(tmp_path)


def test_another_source_is_refused(tmp_path):
    synthetic.write_lake(tmp_path, source="cell2.main")
    (tmp_path / "cell2.main").rename(tmp_path / "cell1.main")
    with pytest.raises(LakeError, match='belongs to source "cell2.main"'):
        read(tmp_path)


def test_newlines_between_messages_are_skipped():
    batches = [synthetic.relations_batch(), synthetic.insert_batch(700, 100, 150)]
    data = b"\n".join(synthetic.message(batch) for batch in batches) + b"\n"
    assert list(parse_messages(data)) == batches


@pytest.mark.parametrize("data, complaint", [
    (b"\xff", "cut off in a length"),
    (b"\xff" * 11, "more than 10 bytes"),
    (b"\x0b\x09", "cut off"),
    (synthetic.message(synthetic.relations_batch())[:-1] + b"\x00", "checksum|no frame"),
])
def test_what_is_no_stream_is_refused(data, complaint):
    with pytest.raises(StreamError, match=complaint):
        list(parse_messages(data))
