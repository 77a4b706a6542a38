"""Signature Version 4, both ways: a client's signing, and a server's checking. Written from AWS's description alone, so that
it shares nothing with the command. GCS has the same under other names."""

import datetime
import hashlib
import hmac
import re
import urllib.parse
from typing import NamedTuple


class Dialect(NamedTuple):
    """What the scheme is called by whom."""
    algorithm: str
    key_prefix: str
    terminator: str
    header_prefix: str


AWS = Dialect("AWS4-HMAC-SHA256", "AWS4", "aws4_request", "x-amz-")
GOOG = Dialect("GOOG4-HMAC-SHA256", "GOOG4", "goog4_request", "x-goog-")


class Credentials(NamedTuple):
    access: str
    secret: str
    token: str = ""


class Scope(NamedTuple):
    region: str = "us-east-1"
    service: str = "s3"


class Refused(Exception):
    """A server does not take the signature; `code` is S3's name for why."""

    def __init__(self, code, status, text):
        super().__init__(f"{code}: {text}")
        self.code, self.status, self.text = code, status, text


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def encode(text, keep="-._~"):
    """Percent-encoding as the scheme wants it: all but letters, digits and - . _ ~."""
    return urllib.parse.quote(text, safe=keep)


def encode_path(path):
    return encode(path, "-._~/")


def encode_query(pairs):
    return "&".join(f"{name}={value}" for name, value in sorted((encode(name), encode(value)) for name, value in pairs))


def timestamp(now=None):
    return (now or datetime.datetime.now(datetime.timezone.utc)).strftime("%Y%m%dT%H%M%SZ")


def signature(dialect, secret, scope, stamp, canonical):
    """Of a canonical request: the hexadecimal signature."""
    key = (dialect.key_prefix + secret).encode()
    for part in (stamp[:8], scope.region, scope.service, dialect.terminator):
        key = hmac.digest(key, part.encode(), "sha256")
    where = f"{stamp[:8]}/{scope.region}/{scope.service}/{dialect.terminator}"
    text = "\n".join((dialect.algorithm, stamp, where, sha256(canonical.encode())))
    return hmac.digest(key, text.encode(), "sha256").hex()


def canonical_request(method, path, query, headers, names, body_hash):
    """`path` and `query` are encoded already; `headers` have names in lower case."""
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
    return "\n".join((method, path, query, lines, ";".join(names), body_hash))


def sign(method, path, query, headers, body, credentials, scope=Scope(), *, dialect=AWS, now=None, body_hash=None):
    """The headers to send: those given and what makes them believed. `path` is encoded, `query` a list of pairs,
    `headers` has a host."""
    stamp, prefix = timestamp(now), dialect.header_prefix
    headers = {name.lower(): value for name, value in headers.items()}
    headers[f"{prefix}date"] = stamp
    headers[f"{prefix}content-sha256"] = body_hash = body_hash or sha256(body)
    if credentials.token:
        headers[f"{prefix}security-token"] = credentials.token
    names = sorted(headers)
    canonical = canonical_request(method, path, encode_query(query), headers, names, body_hash)
    where = f"{stamp[:8]}/{scope.region}/{scope.service}/{dialect.terminator}"
    headers["authorization"] = (f"{dialect.algorithm} Credential={credentials.access}/{where}, "
                                f"SignedHeaders={';'.join(names)}, "
                                f"Signature={signature(dialect, credentials.secret, scope, stamp, canonical)}")
    return headers


AUTHORIZATION = re.compile(r"(\S+) +Credential=([^, ]+), *SignedHeaders=([^, ]+), *Signature=([0-9a-f]+)")


def check(method, path, query, headers, body, accounts, scope, *, dialects=(AWS,), now=None):
    """Believe a request or raise Refused. `path` and `query` as they came on the wire; `headers` have names in lower case;
    `accounts` gives the Credentials of a key id. The credentials that it was signed with."""
    match = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if not match:
        raise Refused("AccessDenied", 403, "the request is not signed")
    dialect = next((each for each in dialects if each.algorithm == match[1]), None)
    access, _, where = match[2].partition("/")
    if dialect is None or where.count("/") != 3:
        raise Refused("InvalidRequest", 400, "this signing is not known here")
    stamp = headers.get(f"{dialect.header_prefix}date", "")
    if where != f"{stamp[:8]}/{scope.region}/{scope.service}/{dialect.terminator}":
        raise Refused("AuthorizationHeaderMalformed", 400, f"the region or date is wrong; expecting '{scope.region}'")
    credentials = accounts.get(access)
    if credentials is None:
        raise Refused("InvalidAccessKeyId", 403, "the key id is not known")
    check_signature(dialect, method, path, query, headers, match, credentials, scope)
    if headers.get(f"{dialect.header_prefix}security-token", "") != credentials.token:
        raise Refused("InvalidToken", 403, "the security token is not that of the key")
    check_clock(stamp, now or datetime.datetime.now(datetime.timezone.utc))
    said = headers.get(f"{dialect.header_prefix}content-sha256", "")
    if said not in ("UNSIGNED-PAYLOAD", sha256(body)):
        raise Refused("XAmzContentSHA256Mismatch", 400, "the body is not the one that was signed")
    return credentials


def check_signature(dialect, method, path, query, headers, match, credentials, scope):
    """The signature itself, and that it covers what it must."""
    names, prefix = match[3].split(";"), dialect.header_prefix
    needed = {"host"} | {name for name in headers if name.startswith(prefix)}
    if names != sorted(names) or not needed <= set(names) <= set(headers) or f"{prefix}content-sha256" not in names:
        raise Refused("AccessDenied", 403, f"the signed headers must be there, sorted, and cover {sorted(needed)}")
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    canonical = canonical_request(method, encode_path(urllib.parse.unquote(path)), encode_query(pairs), headers, names,
                                  headers[f"{prefix}content-sha256"])
    expected = signature(dialect, credentials.secret, scope, headers[f"{prefix}date"], canonical)
    if not hmac.compare_digest(expected, match[4]):
        raise Refused("SignatureDoesNotMatch", 403, "the signature is not that of this request")


def check_clock(stamp, now):
    """A quarter of an hour either way, as S3 does."""
    try:
        then = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        raise Refused("AccessDenied", 403, "the date is none") from None
    if abs((now - then).total_seconds()) > 900:
        raise Refused("RequestTimeTooSkewed", 403, "the request's date and the server's differ by too much")
