"""Bytes that no plugin sent, given to wal2lake.decode_frame(): a row or one clean error, the same each time, and nothing of the
server's memory. WAL2LAKE_LONG=1 makes forty times as many."""

import contextlib
import os
import random
import re

import psycopg2
import pytest
import xxhash

from harness import synthetic
from harness.forwarder import REPOSITORY

LONG = bool(os.environ.get("WAL2LAKE_LONG"))
FRAMES, ROUND = (160_000, 10_000) if LONG else (4_000, 2_000)
# What lies behind a frame in the memory of the backend: a value that is no longer used, of one kind and of another.
REMNANTS = "remnant-of-another-query", "zyx"
# Each frame gets the place of such a value, rounded up as the server rounds. The loop keeps one call of the function for all frames of a round, which so meets what it remembers of earlier ones.
RUN = """
    CREATE FUNCTION decode_all(frames bytea[], remnant text) RETURNS TABLE (state text, said text) LANGUAGE plpgsql AS $$
    DECLARE frame bytea; placed bytea; stale text; BEGIN
        FOREACH frame IN ARRAY frames LOOP
            stale := rpad('', (2 ^ ceil(log(2, length(frame) + 5)))::int - 4, remnant);
            stale := NULL;
            placed := frame || ''::bytea;
            BEGIN
                said := wal2lake.decode_frame(placed, length(frame) % 2 = 0);
                state := '00000';
            EXCEPTION WHEN OTHERS THEN
                state := SQLSTATE;
                said := SQLERRM;
            END;
            RETURN NEXT;
        END LOOP;
    END $$"""


def framed(batch):
    """A batch as a message whose length and checksum are right, whatever is in it."""
    body = b"\x09" + xxhash.xxh3_64_intdigest(batch).to_bytes(8, "little") + b"\x12" + synthetic.varint(len(batch)) + batch
    return synthetic.varint(len(body)) + body


def batch_of(message):
    """What is within a message that the plugin, or protoc, wrote."""
    assert message[:1] != b"\n"
    at = next(i for i, byte in enumerate(message) if byte < 0x80) + 1
    assert message[at] == 0x09 and message[at + 9] == 0x12
    at = next(i for i in range(at + 10, len(message)) if message[i] < 0x80) + 1
    return message[at:]


def messages_of(stream):
    """The messages of a stream, one by one."""
    while stream:
        length = shift = at = 0
        while True:
            byte = stream[at]
            length |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                break
        yield stream[:at + length]
        stream = stream[at + length:]


def mutated(draw, seeds):
    """A batch with some bytes changed, moved, gone or put in; sometimes no batch at all."""
    if draw.random() < 0.03:
        return draw.randbytes(draw.randrange(200))
    batch = bytearray(draw.choice(seeds))
    for _ in range(draw.choice((0, 1, 1, 2, 3, 8))):
        at = draw.randrange(len(batch) + 1)
        deed = draw.randrange(6)
        if deed == 0 and at < len(batch):
            batch[at] ^= 1 << draw.randrange(8)
        elif deed == 1 and at < len(batch):
            batch[at] = draw.choice((0, 0x7F, 0x80, 0xFF, draw.randrange(256)))
        elif deed == 2:
            batch[at:at + draw.randrange(1, 9)] = b""
        elif deed == 3:
            batch[at:at] = draw.choice((b"\xff" * 9 + b"\x01", b"\xfa\xff\xff\xff\x0f", draw.randbytes(4)))
        elif deed == 4:
            other = draw.choice(seeds)
            start = draw.randrange(len(other))
            batch[at:at] = other[start:start + draw.randrange(1, 60)]
        else:
            batch = batch[:at]
    return bytes(batch)


def hostile(draw, seeds):
    """A frame: mostly with a checksum that is right, so that what is behind it is reached."""
    frame = framed(mutated(draw, seeds))
    chance = draw.random()
    if chance < 0.08:
        return frame[:draw.randrange(len(frame))]
    if chance < 0.14:
        return frame + framed(mutated(draw, seeds))
    if chance < 0.18:
        return frame + draw.randbytes(draw.randrange(1, 12))
    if chance < 0.22:
        at = draw.randrange(len(frame))
        return frame[:at] + bytes([frame[at] ^ 1 << draw.randrange(8)]) + frame[at + 1:]
    return frame if chance < 0.97 else draw.randbytes(draw.randrange(300))


@pytest.fixture
def seeds(database):
    """Batches of the golden files, and what the plugin itself sends for rows, chunks, labels and DDL."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, clear text, red text, gone text, list int[])")
    database.label("t", id="green", clear="green", red="red hash", gone="red drop", list="yellow")
    slot = database.plugin_slot()
    database.execute("INSERT INTO t SELECT i, 'text ' || i, 'red', 'gone', ARRAY[i, NULL] FROM generate_series(1, 5) AS i",
                     "INSERT INTO t (id, clear) VALUES (9, repeat('long', 400000))",
                     "UPDATE t SET red = NULL", "ALTER TABLE t ADD more int DEFAULT 4", "TRUNCATE t", "ALTER TABLE t RENAME id TO number")
    streams = [slot.peek(), *((case / "message.bin").read_bytes() for case in sorted((REPOSITORY / "regress/golden").iterdir()))]
    found = [batch_of(message) for stream in streams for message in messages_of(stream)]
    return [batch for batch in found if 0 < len(batch) < 20_000] + [synthetic.relations_batch().SerializeToString()]


def decoded(database, frames, remnant):
    """What a backend of its own makes of them, with other values behind them. Rows of state and text."""
    with contextlib.closing(database.cluster.connect(database.name)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM decode_all(%s::bytea[], %s)", ([psycopg2.Binary(frame) for frame in frames], remnant))
        return cursor.fetchall()


def test_a_row_or_a_clean_error(database, seeds, seed):
    database.execute(RUN)
    draw = random.Random(seed)
    offset, postmaster = database.cluster.log_size(), database.value("SELECT pg_postmaster_start_time()")
    shown = refused = 0
    for start in range(0, FRAMES, ROUND):
        frames = [hostile(draw, seeds) for _ in range(ROUND)]
        answers = decoded(database, frames, REMNANTS[0])
        assert len(answers) == len(frames)
        for number, (state, said) in enumerate(answers):
            where = f"frame {start + number} of seed {seed}: {frames[number].hex()}: {said!r}"
            assert state in ("00000", "XX001"), where
            assert "remnant" not in said and not re.search(r"[\x00-\x09\x0b-\x1f]", said), where
            shown, refused = shown + (state == "00000"), refused + (state != "00000")
            assert state == "00000" or re.fullmatch(r"not a frame of wal2lake: [\w ,'.-]{5,80}", said), where
        assert decoded(database, frames, REMNANTS[1]) == answers, f"with other values behind them it says something else, seed {seed}"
    assert shown > FRAMES / 20 and refused > FRAMES / 5, f"{shown} were shown, {refused} refused"
    assert database.value("SELECT pg_postmaster_start_time()") == postmaster
    assert "terminated by signal" not in database.cluster.log_text(offset)


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP", "SQL_ASCII"])
def test_text_is_of_the_databases_encoding(server, encoding):
    """A frame is UTF-8. What a database cannot hold is refused there, and not made a text that is none."""
    name = f"frames_{encoding.lower()}"
    server.query(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    server.query("CREATE EXTENSION wal2lake", dbname=name)
    try:
        batch = synthetic.relations_batch()
        for word, fits in (("größe", {"LATIN1", "EUC_JP"}), ("日本", {"EUC_JP"}), ("\U0001F600", set())):
            batch.records[0].relation.name = word
            with contextlib.closing(server.connect(name, options="-c client_encoding=UTF8")) as connection, \
                    connection.cursor() as cursor:
                query = "SELECT wal2lake.decode_frame(%s)", (psycopg2.Binary(framed(batch.SerializeToString())),)
                if encoding in fits | {"SQL_ASCII"}:
                    cursor.execute(*query)
                    assert f"relation public.{word} " in cursor.fetchone()[0]
                else:
                    with pytest.raises(psycopg2.errors.UntranslatableCharacter):
                        cursor.execute(*query)
    finally:
        server.query(f"DROP DATABASE {name}")
