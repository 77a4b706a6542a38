"""The search for leaks finds a marker in every form it claims to know, and nothing where there is nothing."""

import base64
import hashlib
import random
import uuid

import pytest
import xxhash

from harness.canary import Canaries, varint


@pytest.fixture
def canaries(seed):
    made = Canaries(random.Random(seed))
    made.whole = made.value("users.email", made.red_marker("users.email") + "@example.com")
    made.marker = next(iter(made.red))
    return made


NOISE = random.Random(1).randbytes(50_000)


def around(needle):
    return NOISE + needle + NOISE


@pytest.mark.parametrize("form", [
    str.encode,
    lambda text: text.upper().encode(),
    lambda text: text.encode().hex().encode(),
    lambda text: text.encode().hex().upper().encode(),
    lambda text: base64.b64encode(text.encode()),
    lambda text: base64.b64encode(b"x" + text.encode()),
    lambda text: base64.b64encode(b"xy" + text.encode()),
    lambda text: base64.b64encode(b"xyz" + text.encode()),
    lambda text: text.encode()[::-1],
    lambda text: text.encode("utf-16"),
])
def test_a_marker_is_found_in_each_encoding(canaries, form):
    hits = canaries.find_red(around(form(canaries.whole)))
    assert hits
    assert canaries.find_green(around(form(canaries.whole))) == []


@pytest.mark.parametrize("digest", [
    lambda data: hashlib.md5(data).digest(), lambda data: hashlib.sha1(data).digest(),
    lambda data: hashlib.sha256(data).digest(), lambda data: hashlib.sha512(data).digest(),
    lambda data: hashlib.sha256(data).digest()[:16], lambda data: xxhash.xxh3_64_digest(data),
    lambda data: xxhash.xxh3_128_digest(data)])
@pytest.mark.parametrize("show", [bytes, lambda raw: raw.hex().encode(), base64.b64encode])
def test_an_unkeyed_hash_of_a_value_is_found(canaries, digest, show):
    assert canaries.find_red(around(show(digest(canaries.whole.encode()))))


def test_values_that_hold_no_marker_are_found(canaries):
    number, identifier = 734_123_456_789_012, uuid.UUID(int=2**100 + 17)
    canaries.value("users.phone_number", number)
    canaries.value("users.external_uid", identifier)
    for needle in (str(number).encode(), varint(number * 2), number.to_bytes(8, "big"), identifier.bytes,
                   str(identifier).encode()):
        assert canaries.find_red(around(needle)), needle


def test_bytes_are_found(canaries):
    raw = canaries.value("t.float8", bytes.fromhex("40091eb851eb851f"))
    for needle in (raw, raw[::-1], raw.hex().encode(), base64.b64encode(raw)):
        assert {hit.where for hit in canaries.find_red(around(needle))} == {"t.float8"}, needle


def test_each_of_many_values_is_found(canaries):
    """None is left out for being one of many: the search is for all."""
    many = [canaries.value(f"t.{number}", f"value {number} of the table") for number in range(500)]
    hidden = around(b"".join(hashlib.md5(value.encode()).digest() for value in many))
    assert {hit.where for hit in canaries.find_red(hidden)} == {f"t.{number}" for number in range(500)}


def test_nothing_is_found_in_noise(canaries):
    assert canaries.find_red(around(b"")) == []


def test_green_is_found_and_is_not_red(canaries):
    marker = canaries.green_marker("users.theme")
    assert [hit.what for hit in canaries.find_green(around(marker.encode()))] == [marker]
    assert canaries.find_red(around(marker.encode())) == []
