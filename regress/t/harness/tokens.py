"""Tokens computed a second time: written from docs/tokens.md alone, by somebody who had seen nothing else."""

import base64
import functools
import hmac
import ipaddress
import math
import re
import struct
from fractions import Fraction

_PREFIX = b"wal2lake/v1/"
_NUMBER = re.compile(r"(-?)0*([0-9]+)(?:\.([0-9]*))?")
_FLOAT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?")
_DATE = r"([0-9]{4,})-([0-9]{2})-([0-9]{2})"
_TIME = r" ([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?"
_ZONE = r"([+-])([0-9]{2})(?::([0-9]{2}))?(?::([0-9]{2}))?"
_DATE_RE = re.compile(_DATE + r"( BC)?")
_STAMP_RE = re.compile(_DATE + _TIME + r"( BC)?")
_STAMPTZ_RE = re.compile(_DATE + _TIME + _ZONE + r"( BC)?")
_MAC = {"macaddr": re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}"), "macaddr8": re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){7}")}
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_BYTEA = re.compile(r"\\x((?:[0-9a-f]{2})*)")
_ENDLESS = ("infinity", "-infinity")


def keys_of(text):
    """The keys of a key file's text: {id: 32 bytes}."""
    keys = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2:
            raise ValueError(f"line {number}: not an id and a key")  # says nothing of the line: it may hold a key
        try:
            key = base64.b64decode(words[1], validate=True)
        except ValueError:
            raise ValueError(f"line {number}: not base64") from None
        if len(key) != 32:
            raise ValueError(f"line {number}: the key has {len(key)} bytes, not 32")
        if words[0] in keys:
            raise ValueError(f"line {number}: the id is there twice")
        keys[words[0]] = key
    return keys


def check(master):
    """The check of a master key: 8 hex digits."""
    return hmac.digest(master, _PREFIX + b"check", "sha256")[:4].hex()


def _match(pattern, kind, text):
    """The match of the whole text, or ValueError."""
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(f"not the text of a value of {kind}")
    return found


def _number(kind, text):
    """An integer or numeric in decimal. No int(): a numeric may have more digits than Python converts."""
    if kind == "numeric" and text in ("NaN", "Infinity", "-Infinity"):
        return b"n" + text.encode("ascii")
    sign, whole, fraction = _match(_NUMBER, kind, text).groups()
    if fraction is not None and kind != "numeric":
        raise ValueError(f"not the text of a value of {kind}")
    fraction = (fraction or "").rstrip("0")
    number = whole + ("." + fraction if fraction else "")
    return b"n" + (number if number == "0" else sign + number).encode("ascii")


def _text(kind, text):
    """Text in UTF-8."""
    return b"s" + text.encode("utf-8")


def _bpchar(kind, text):
    """Text in UTF-8 without the spaces at its end."""
    return b"s" + text.rstrip(" ").encode("utf-8")


def _uuid(kind, text):
    """The 16 bytes of a uuid."""
    return b"u" + bytes.fromhex(_match(_UUID, kind, text)[0].replace("-", ""))


def _bytea(kind, text):
    """The bytes of a bytea in hex."""
    return b"x" + bytes.fromhex(_match(_BYTEA, kind, text)[1])


def _single(text):
    """The float4 nearest to the text. The way there is a double rounded to odd: rounding to nearest twice may be wrong."""
    number = float(text)
    exact = Fraction(text)
    rounded = Fraction(number)
    if rounded != exact and struct.pack(">d", number)[7] % 2 == 0:
        number = math.nextafter(number, math.inf if exact > rounded else -math.inf)
    try:
        return struct.unpack(">f", struct.pack(">f", number))[0]
    except OverflowError:
        raise ValueError("out of the range of float4") from None


def _float(kind, text):
    """A float4 or float8 as a big-endian double."""
    if text == "NaN":
        return b"f" + bytes.fromhex("7ff8000000000000")
    if text in ("Infinity", "-Infinity"):
        return b"f" + struct.pack(">d", float(text))
    _match(_FLOAT, kind, text)
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"out of the range of {kind}")
    if kind == "float4":
        number = _single(text)
    return b"f" + (struct.pack(">d", number) if number else bytes(8))


def _days(year, month, day, before):
    """Days since 1970-01-01 of a Gregorian date given as texts; before: the year is BC."""
    year, month, day = int(year), int(month), int(day)
    if year == 0:
        raise ValueError("there is no year 0")
    if before:
        year = 1 - year
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= month <= 12 or not 1 <= day <= (31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]:
        raise ValueError("no such day")
    if month <= 2:  # years from March on, so that a leap day is the last of its year
        year -= 1
        month += 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 1 - 719468


def _date(kind, text):
    """Days since 1970-01-01."""
    if text in _ENDLESS:
        return b"d" + text.encode("ascii")
    return b"d%d" % _days(*_match(_DATE_RE, kind, text).groups())


def _micros(hour, minute, second, fraction):
    """Microseconds of a clock's or an offset's texts."""
    return ((int(hour) * 60 + int(minute or 0)) * 60 + int(second or 0)) * 1000000 + int((fraction or "").ljust(6, "0"))


def _timestamp(kind, text):
    """Microseconds since 1970-01-01 00:00:00."""
    if text in _ENDLESS:
        return b"t" + text.encode("ascii")
    part = _match(_STAMP_RE, kind, text).groups()
    return b"t%d" % (_days(*part[:3], part[7]) * 86400000000 + _micros(*part[3:7]))


def _timestamptz(kind, text):
    """Microseconds since 1970-01-01 00:00:00 UTC."""
    if text in _ENDLESS:
        return b"z" + text.encode("ascii")
    part = _match(_STAMPTZ_RE, kind, text).groups()
    offset = _micros(*part[8:11], None)
    local = _days(*part[:3], part[11]) * 86400000000 + _micros(*part[3:7])
    return b"z%d" % (local + offset if part[7] == "-" else local - offset)


def _address(kind, text):
    """Version, length of the prefix, address; all binary."""
    host, slash, prefix = text.partition("/")
    address = ipaddress.ip_address(host)
    length = address.max_prefixlen
    if slash:
        if not re.fullmatch(r"[0-9]{1,3}", prefix) or int(prefix) > length:
            raise ValueError(f"not the text of a value of {kind}")
        length = int(prefix)
    return b"a" + bytes([address.version, length]) + address.packed


def _mac(kind, text):
    """The 6 or 8 bytes of a MAC address."""
    return b"m" + bytes.fromhex(_match(_MAC[kind], kind, text)[0].replace(":", ""))


_FORMS = {
    **dict.fromkeys(("int2", "int4", "int8", "oid", "numeric"), _number),
    **dict.fromkeys(("text", "varchar", "name", "enum"), _text),
    "bpchar": _bpchar, "uuid": _uuid, "bytea": _bytea, "float4": _float, "float8": _float,
    "date": _date, "timestamp": _timestamp, "timestamptz": _timestamptz,
    "inet": _address, "cidr": _address, "macaddr": _mac, "macaddr8": _mac,
}


# What PostgreSQL's catalog calls them; an oid that is not here is that of an enum.
KINDS = {17: "bytea", 19: "name", 20: "int8", 21: "int2", 23: "int4", 25: "text", 26: "oid", 650: "cidr", 700: "float4",
         701: "float8", 774: "macaddr8", 829: "macaddr", 869: "inet", 1042: "bpchar", 1043: "varchar", 1082: "date",
         1114: "timestamp", 1184: "timestamptz", 1700: "numeric", 2950: "uuid"}


def canonical(kind, text):
    """The canonical form of a value that PostgreSQL prints as text, as bytes. `kind`: the name or the oid of the base type."""
    if isinstance(kind, int):
        kind = KINDS.get(kind, "enum")
    form = _FORMS.get(kind)
    if form is None:
        raise ValueError(f"no tokens for type {kind!r}")
    return form(kind, text)


@functools.lru_cache(maxsize=1024)
def derived(master, domain):
    """The key of a domain."""
    return hmac.digest(master, _PREFIX + domain.encode("ascii"), "sha256")


def token(master, domain, kind, text):
    """The token of a value: 16 bytes."""
    return hmac.digest(derived(master, domain), canonical(kind, text), "sha256")[:16]


def token_of_pieces(master, domain, pieces):
    """The token of a canonical form, its letter included, that comes in pieces: 16 bytes."""
    mac = hmac.new(derived(master, domain), digestmod="sha256")
    for piece in pieces:
        mac.update(piece)
    return mac.digest()[:16]
