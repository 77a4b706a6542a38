"""docs/record_format.md is true: the frame it takes apart is rebuilt from the page, byte by byte.

Independent of the plugin: protoc's classes, python3-xxhash and the standard library's HMAC.
"""

import base64
import hashlib
import hmac
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import xxhash

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "record_format.md"
VECTORS = REPOSITORY / "docs" / "token_vectors.json"
ROW = re.compile(r"^\| (\d+) \| `([0-9a-f ]+)` \| (.*) \|$")
EMAIL = "alice@example.com"


@pytest.fixture(scope="module")
def wire(tmp_path_factory):
    """protoc's classes, generated for this test under names of its own."""
    target = tmp_path_factory.mktemp("proto")
    source = target / "record_format_page.proto"
    text = (REPOSITORY / "proto" / "wal2lake" / "v1" / "wal2lake.proto").read_text(encoding="utf-8")
    # Another package, so that the descriptors of a test in the same process do not collide.
    source.write_text(text.replace("package wal2lake.v1;", "package record_format_page;"), encoding="utf-8")
    subprocess.run(["protoc", f"--proto_path={target}", f"--python_out={target}", source.name], check=True, cwd=target)
    sys.path.insert(0, str(target))
    try:
        return importlib.import_module("record_format_page_pb2")
    finally:
        sys.path.remove(str(target))


@pytest.fixture(scope="module")
def rows():
    """(offset, bytes, meaning) of the table on the page, in its order."""
    found = [match.groups() for match in map(ROW.match, PAGE.read_text(encoding="utf-8").splitlines()) if match]
    assert len(found) > 50, "the table of the frame was not found"
    return [(int(offset), bytes.fromhex(octets), meaning) for offset, octets, meaning in found]


@pytest.fixture(scope="module")
def message(rows):
    return b"".join(octets for _, octets, _ in rows)


@pytest.fixture(scope="module")
def batch(wire, message):
    frame = wire.Frame.FromString(message[varint(message, 0)[1]:])
    return wire.Batch.FromString(frame.batch)


def varint(data, at):
    """A varint and the offset behind it."""
    value = shift = 0
    while True:
        octet = data[at]
        value |= (octet & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if octet < 0x80:
            return value, at


def shown(field, value):
    """A scalar as the page writes it."""
    if field.enum_type:
        return field.enum_type.values_by_number[value].name
    if field.type == field.TYPE_FIXED64:
        return f"{value:016x}"
    if field.type == field.TYPE_BYTES:
        return value.hex()
    if field.type == field.TYPE_STRING:
        return f'"{value}"'
    return str(value).lower() if field.type == field.TYPE_BOOL else str(value)


def tell(message_, at_batch=None):
    """The meanings that the page should give, walking the decoded message in wire order."""
    for field, value in sorted(message_.ListFields(), key=lambda pair: pair[0].number):
        name = f"{message_.DESCRIPTOR.name}.{field.name}"
        for item in value if field.label == field.LABEL_REPEATED else [value]:
            if name == "Frame.batch":
                yield f"{name}: {len(item)} bytes of `Batch`"
                yield from tell(at_batch)
            elif field.message_type:
                yield f"{name}: {item.ByteSize()} bytes"
                yield from tell(item)
            else:
                yield f"{name} = {shown(field, item)}"


def test_offsets_have_no_gap(rows):
    at = 0
    for offset, octets, meaning in rows:
        assert offset == at, meaning
        at += len(octets)


def test_length_and_checksum(wire, message):
    length, start = varint(message, 0)
    assert length == len(message) - start != 10
    frame = wire.Frame.FromString(message[start:])
    assert frame.checksum == xxhash.xxh3_64_intdigest(frame.batch)


def test_each_row_means_what_it_says(wire, rows, message, batch):
    length, start = varint(message, 0)
    wanted = [f"message: {length} bytes of `Frame` follow", *tell(wire.Frame.FromString(message[start:]), batch)]
    assert [meaning for _, _, meaning in rows] == wanted


def test_the_same_bytes_again(wire, message, batch):
    """protoc's encoder, given what was decoded, writes the bytes of the page."""
    body = batch.SerializeToString(deterministic=True)
    frame = wire.Frame(checksum=xxhash.xxh3_64_intdigest(body), batch=body).SerializeToString(deterministic=True)
    assert bytes([len(frame) & 0x7F | 0x80, len(frame) >> 7]) + frame == message


def test_schema_id(wire, batch):
    relation = wire.Relation()
    relation.CopyFrom(batch.records[0].relation)
    relation.ClearField("id")
    relation.ClearField("schema_id")
    assert xxhash.xxh3_64_intdigest(relation.SerializeToString(deterministic=True)) == batch.records[0].relation.schema_id


def test_the_row_is_the_one_of_the_insert(batch):
    """INSERT INTO users VALUES (7, 'alice@example.com', 'call her'), with the token of the published key."""
    page = PAGE.read_text(encoding="utf-8")
    assert f"INSERT INTO users VALUES (7, '{EMAIL}', 'call her');" in page
    relation, change = batch.records[0].relation, batch.records[1].change
    assert change.relation_id == relation.id
    number, email, note = change.new.values
    assert number.int == 7
    assert note.WhichOneof("value") == "marker"
    published = json.loads(VECTORS.read_text(encoding="utf-8"))
    master = next(base64.b64decode(key["base64"]) for key in published["keys"] if key["id"] == relation.key_id)
    domain = hmac.digest(master, f"wal2lake/v1/{relation.columns[1].domain}".encode(), hashlib.sha256)
    assert email.token == hmac.digest(domain, b"s" + EMAIL.encode(), hashlib.sha256)[:16]
    assert any((vector["key"], vector["domain"], vector["value"], vector["token"]) ==
               (relation.key_id, "email", EMAIL, email.token.hex()) for vector in published["vectors"])


def test_the_page_names_what_exists():
    """Files and pages that docs/record_format.md refers to are there."""
    text = PAGE.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (PAGE.parent / link).exists(), link
    for path in re.findall(r"`((?:plugin|proto)/[\w/.]+)`", text):
        assert (REPOSITORY / path).exists(), path
