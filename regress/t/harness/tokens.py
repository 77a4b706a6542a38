"""Tokens computed a second time, from the definition alone: HMAC-SHA-256 over the canonical form."""

import base64
import functools
import hmac
import uuid
from decimal import Decimal

INTEGERS = {20, 21, 23, 26}
NUMERIC, BPCHAR, UUID = 1700, 1042, 2950


def keys_of(text):
    """{id: bytes} of a key file."""
    lines = (line.split() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return {identifier: base64.b64decode(secret) for identifier, secret in lines}


def token(master, domain, base_type_oid, text):
    """The 16 bytes that a value, given as PostgreSQL's text, becomes."""
    return hmac.digest(_derived(master, domain), canonical(base_type_oid, text), "sha256")[:16]


def token_of_pieces(master, domain, pieces):
    """The same of a canonical form in pieces, for one that is too large to be held whole."""
    running = hmac.new(_derived(master, domain), digestmod="sha256")
    for piece in pieces:
        running.update(piece)
    return running.digest()[:16]


@functools.lru_cache(maxsize=None)
def _derived(master, domain):
    return hmac.digest(master, b"wal2lake/v1/" + domain.encode(), "sha256")


def canonical(base_type_oid, text):
    if base_type_oid in INTEGERS:
        return b"n" + text.encode()
    if base_type_oid == NUMERIC:
        return b"n" + _numeric(text).encode()
    if base_type_oid == UUID:
        return b"u" + uuid.UUID(text).bytes
    return b"s" + (text.rstrip(" ") if base_type_oid == BPCHAR else text).encode()


def _numeric(text):
    if text in ("NaN", "Infinity", "-Infinity"):
        return text
    plain = format(Decimal(text), "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in ("-0", "") else plain
