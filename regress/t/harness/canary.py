"""Canaries: strings planted in values that must not leave the server, and the search for them.

Every marker begins with a stem that is random per seed, so one search for the stem, in every form a
leak could take, covers all markers at once. Hashes cover whole values, so they are looked for value by
value, together with values that cannot hold a stem (numbers, addresses, uuids). All of it is looked for in
one pass over the bytes, by an automaton: tens of thousands of forms in megabytes of logs.
"""

import base64
import hashlib
import random
import re
import string
import uuid
from dataclasses import dataclass, field

import ahocorasick
import xxhash

ALPHABET = string.ascii_lowercase + string.digits
TAIL = 14

DIGESTS = {
    "md5": lambda data: hashlib.md5(data).digest(),
    "sha1": lambda data: hashlib.sha1(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha512": lambda data: hashlib.sha512(data).digest(),
    "xxh3-64": lambda data: xxhash.xxh3_64_digest(data),
    "xxh3-128": lambda data: xxhash.xxh3_128_digest(data),
    "xxh64": lambda data: xxhash.xxh64_digest(data),
}


@dataclass(frozen=True)
class Hit:
    """One thing found: which marker or value, planted where, in which form."""

    what: str
    where: str
    form: str


@dataclass
class Canaries:
    """Makes markers and remembers them. `red` may never be found outside the server, `green` must be."""

    rng: random.Random
    red: dict = field(default_factory=dict)
    green: dict = field(default_factory=dict)
    values: dict = field(default_factory=dict)
    _searched_for: dict = field(default_factory=dict, repr=False)

    def __post_init__(self):
        self.red_stem = "q" + "".join(self.rng.choices(string.ascii_lowercase, k=9))
        self.green_stem = "g" + "".join(self.rng.choices(string.ascii_lowercase, k=9))

    def red_marker(self, where):
        marker = self.red_stem + "".join(self.rng.choices(ALPHABET, k=TAIL))
        self.red[marker] = where
        return marker

    def green_marker(self, where):
        marker = self.green_stem + "".join(self.rng.choices(ALPHABET, k=TAIL))
        self.green[marker] = where
        return marker

    def value(self, where, value):
        """Remember a whole value as the column stores it: what an unkeyed hash would be taken of."""
        self.values[value] = where
        return value

    def find_red(self, haystack):
        """Every trace of a red marker or value in the bytes."""
        hits = self._markers(haystack, self.red_stem, self.red)
        if self.red or self.values:
            hits += {hit for _, hit in self._searcher().iter(haystack.decode("latin-1"))}
        return hits

    def _searcher(self):
        """Of all that is remembered; made again when there is more."""
        remembered = {**self.red, **self.values}
        if remembered != self._searched_for:
            self._searched_for, self._automaton = remembered, ahocorasick.Automaton()
            for value, where in remembered.items():
                for form, needle in value_forms(value):
                    self._automaton.add_word(needle.decode("latin-1"), Hit(str(value), where, form))
            self._automaton.make_automaton()
        return self._automaton

    def find_green(self, haystack):
        """The same search, for what may leave."""
        return self._markers(haystack, self.green_stem, self.green)

    @staticmethod
    def _markers(haystack, stem, known):
        hits = []
        for found in set(re.findall(stem.encode() + b"[a-z0-9]{%d}" % TAIL, haystack)):
            marker = found.decode()
            if marker in known:
                hits.append(Hit(marker, known[marker], "clear"))
        for form, needle in stem_forms(stem):
            if needle in haystack and not (form == "clear" and hits):
                hits.append(Hit(stem + "...", "any column", form))
        return hits


def stem_forms(stem):
    """The stem as it would show in clear, and inside of encoded or mangled text."""
    plain = stem.encode()
    yield "clear", plain
    yield "upper case", stem.upper().encode()
    yield "hex", plain.hex().encode()
    yield "HEX", plain.hex().upper().encode()
    yield "reversed", plain[::-1]
    yield "utf-16", stem.encode("utf-16-le")
    yield "rot13", stem.translate(str.maketrans(string.ascii_lowercase,
                                                string.ascii_lowercase[13:] + string.ascii_lowercase[:13])).encode()
    for offset in range(3):
        yield f"base64+{offset}", base64_inside(plain, offset)


def base64_inside(plain, offset):
    """The characters of base64 that depend on `plain` alone where it begins at `offset` modulo 3."""
    encoded = base64.b64encode(b"\0" * offset + plain)
    first = (offset * 8 + 5) // 6
    last = (offset + len(plain)) * 8 // 6
    return encoded[first:last]


def value_forms(value):
    """A whole value in clear and under unkeyed hashes, each raw, in hex and in base64. Bytes are what they are; numbers
    that are stored in 8 bytes are also looked for as such."""
    plain = value if isinstance(value, bytes) else str(value).encode()
    if isinstance(value, int):
        yield "decimal", plain
        yield "varint", varint(value << 1 ^ value >> 63)
        yield "int8 big endian", value.to_bytes(8, "big", signed=True)
        yield "int8 little endian", value.to_bytes(8, "little", signed=True)
    elif isinstance(value, bytes):
        yield "bytes", plain
        yield "bytes reversed", plain[::-1]
        yield "hex", plain.hex().encode()
        for offset in range(3):
            yield f"base64+{offset}", base64_inside(plain, offset)
    elif isinstance(value, uuid.UUID):
        yield "text", plain
        yield "bytes", value.bytes
    else:
        yield "clear", plain
        yield "hex", plain.hex().encode()
        for offset in range(3):
            yield f"base64+{offset}", base64_inside(plain, offset)
    for name, digest in DIGESTS.items():
        for text, hashed in (("", plain), ("newline ", plain + b"\n")):
            raw = digest(hashed)
            yield f"{text}{name} bytes", raw
            # As many bytes as a token has, in case a digest was cut to a token's length.
            yield f"{text}{name} hex", raw[:16].hex().encode()
            yield f"{text}{name} HEX", raw[:16].hex().upper().encode()
            yield f"{text}{name} base64", base64_inside(raw, 0)[:20]
            if len(raw) > 16:
                yield f"{text}{name} 16 bytes", raw[:16]


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
