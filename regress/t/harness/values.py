"""A Value of the wire as Python has it: the text PostgreSQL would show, None, a Token or a marker.

Clear values become PostgreSQL's own text under ISO date style and UTC, so that they can be compared
with what another decoder printed.
"""

import math
import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from . import wire

W = wire.wal2lake
TEXTS = (W.ENCODING_TEXT, W.ENCODING_JSON, W.ENCODING_ENUM, W.ENCODING_OUTPUT_TEXT)


@dataclass(frozen=True)
class Token:
    """What a hashed value became."""

    bytes: bytes

    def __str__(self):
        return "token:" + self.bytes.hex()


@dataclass(frozen=True)
class Uncarried:
    reason: int
    bytes: int


@dataclass(frozen=True)
class NotText:
    """What a column of text holds that is not valid text, or that UTF-8 has nothing for."""

    bytes: bytes


class Marker:
    """UNCHANGED and WITHHELD: neither is a value, and neither is NULL."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


UNCHANGED = Marker("UNCHANGED")
WITHHELD = Marker("WITHHELD")


class ValueMismatch(Exception):
    """A value contradicts its column: clear where the policy says hash, or in a field of another type."""


def read(column, value):
    """The Python form of one value, checked against the action of its column."""
    kind = value.WhichOneof("value")
    if kind == "marker" and value.marker == W.MARKER_WITHHELD:
        return _allowed(column, WITHHELD, column.action == W.ACTION_DROP)
    if column.action == W.ACTION_DROP or column.action == W.ACTION_UNSPECIFIED:
        raise ValueMismatch(f"column {column.name} is dropped and shows {kind}")
    if kind is None:
        return None
    if kind == "marker":
        return _allowed(column, UNCHANGED, value.marker == W.MARKER_UNCHANGED)
    if kind == "uncarried":
        return Uncarried(value.uncarried.reason, value.uncarried.bytes)
    if kind == "token":
        return _allowed(column, Token(value.token), column.action == W.ACTION_HASH and len(value.token) == 16)
    return clear(column, kind, getattr(value, kind))


def clear(column, kind, content):
    """The same of a clear value, whose content of that kind came in the row or in chunks."""
    if column.action != W.ACTION_CLEAR:
        raise ValueMismatch(f"column {column.name} with action {column.action} shows {kind}")
    return _text(column, kind, content)


def _allowed(column, result, condition):
    if not condition:
        raise ValueMismatch(f"column {column.name} with action {column.action} shows {result}")
    return result


def _text(column, kind, content):
    if kind == "text":
        return content
    if kind == "bytes" and column.encoding in TEXTS:
        return NotText(content)
    renderer = _RENDERERS.get((kind, column.encoding))
    if renderer is None:
        raise ValueMismatch(f"column {column.name}: encoding {column.encoding} does not travel as {kind}")
    return renderer(content)


def _date(days):
    return _with_era(days, lambda moment: moment.strftime("%m-%d"), timedelta(days=1))


def _clock(microseconds):
    seconds, fraction = divmod(microseconds, 1_000_000)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return text + (f".{fraction:06d}".rstrip("0") if fraction else "")


def _timestamp(microseconds):
    days, rest = divmod(microseconds, 86_400_000_000)
    text = _date(days)
    clock = _clock(rest)
    return f"{text[:-3]} {clock} BC" if text.endswith(" BC") else f"{text} {clock}"


def _timestamptz(microseconds):
    text = _timestamp(microseconds)
    return f"{text[:-3]}+00 BC" if text.endswith(" BC") else f"{text}+00"


def _with_era(days, month_and_day, day):
    """Python's years end at 1 and 9999; the Gregorian calendar repeats every 400 years of 146097 days."""
    cycles = 0
    epoch = date(1970, 1, 1)
    while not -719162 <= days <= 2932896:
        step = 1 if days < 0 else -1
        days += step * 146097
        cycles -= step
    moment = datetime(epoch.year, 1, 1) + day * days
    year = moment.year + 400 * cycles
    era = "" if year > 0 else " BC"
    return f"{year if year > 0 else 1 - year:04d}-{month_and_day(moment)}{era}"


def _float(number):
    """Python's shortest text that reads back as the same number; PostgreSQL may write another such text."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return repr(number)


_RENDERERS = {
    ("bool", W.ENCODING_BOOL): lambda content: "true" if content else "false",
    ("int", W.ENCODING_INT): str,
    ("float32", W.ENCODING_FLOAT32): _float,
    ("float64", W.ENCODING_FLOAT64): _float,
    ("bytes", W.ENCODING_BYTES): lambda content: "\\x" + content.hex(),
    ("numeric", W.ENCODING_NUMERIC): str,
    ("bytes", W.ENCODING_UUID): lambda content: str(uuid.UUID(bytes=content)),
    ("int", W.ENCODING_DATE): _date,
    ("int", W.ENCODING_TIME): _clock,
    ("int", W.ENCODING_TIMESTAMP): _timestamp,
    ("int", W.ENCODING_TIMESTAMPTZ): _timestamptz,
}
