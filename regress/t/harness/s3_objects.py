"""What the scripted S3 server does when nothing goes wrong: buckets and objects in memory, and the answers about them. It takes
no request that a store of ours need not make, so that one which does is noticed."""

import base64
import bisect
import datetime
import email.utils
import hashlib
import re
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from . import sigv4

KEPT_HEADERS = ("content-type", "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id")
KNOWN_QUERY = {"list-type", "prefix", "start-after", "max-keys", "encoding-type", "continuation-token", "lifecycle"}
# Of S3's flavour, and what GCS calls it.
CONDITION = {"s3": "if-none-match", "gcs": "x-goog-if-generation-match"}


@dataclass
class Answer:
    status: int
    headers: dict = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Stored:
    body: bytes
    headers: dict
    generation: int
    etag: str


@dataclass
class Request:
    """As it came. `path` and `query` are encoded; `bucket` and `key` are not."""
    method: str
    path: str
    query: str
    headers: dict
    body: bytes = b""
    bucket: str = ""
    key: str = ""

    @property
    def pairs(self):
        return urllib.parse.parse_qsl(self.query, keep_blank_values=True)

    @property
    def kind(self):
        """put_if_absent, put, get, head, delete, list, lifecycle, create_bucket or other."""
        if self.key:
            absent = self.method == "PUT" and any(name in self.headers for name in CONDITION.values())
            return "put_if_absent" if absent else {"PUT": "put", "GET": "get", "HEAD": "head", "DELETE": "delete"}.get(
                self.method, "other")
        if self.method == "GET" and dict(self.pairs).get("list-type") == "2":
            return "list"
        if self.method == "GET" and [name for name, _ in self.pairs] == ["lifecycle"]:
            return "lifecycle"
        return "create_bucket" if self.method == "PUT" and not self.query else "other"


def error(status, code, message="", headers=None, **elements):
    """S3's way to say no."""
    more = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in elements.items())
    body = (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{escape(message or code)}</Message>'
            f"{more}<RequestId>0</RequestId></Error>").encode()
    return Answer(status, {"content-type": "application/xml", **(headers or {})}, body)


class Objects:
    """`conditional` says what becomes of a put that must not replace: "honoured"; "ignored", as by a store that does not know
    it; "refused" with 501; "racy": decided and then carried out, so that several may win."""

    def __init__(self, flavour, buckets, conditional):
        self.flavour, self.conditional = flavour, conditional
        self.buckets = {name: {} for name in buckets}
        self.order = {name: [] for name in buckets}
        self.lock = threading.Lock()
        self.generation = 0
        # With object lock a bucket takes no put without a checksum.
        self.needs_md5 = False
        self.page_limit = 1000
        # What stands in the bucket's lifecycle configuration, as XML; empty: it has none.
        self.lifecycle = ""

    def answer(self, request):
        """Carry it out; what a client that is believed gets."""
        refusal = self.not_taken(request)
        if refusal:
            return refusal
        kind = request.kind
        if kind == "create_bucket":
            return self.create(request.bucket)
        with self.lock:
            known = request.bucket in self.buckets
        if not known:
            return error(404, "NoSuchBucket", BucketName=request.bucket)
        handler = {"put": self.put, "put_if_absent": self.put, "get": self.get, "head": self.get, "delete": self.delete,
                   "list": self.list, "lifecycle": self.describe_lifecycle}.get(kind)
        return handler(request) if handler else error(501, "NotImplemented", f"{request.method} {request.path}?{request.query}")

    def not_taken(self, request):
        """What S3 may take, but nobody here has reason to send."""
        headers = request.headers
        strange = {name for name, _ in request.pairs} - KNOWN_QUERY
        if strange or "transfer-encoding" in headers or "aws-chunked" in headers.get("content-encoding", ""):
            return error(501, "NotImplemented", f"not known here: {sorted(strange) or 'chunked bodies'}")
        amazon = any(name.startswith("x-amz-") for name in headers)
        google = any(name.startswith("x-goog-") for name in headers)
        if self.flavour == "gcs" and amazon and google:
            return error(400, "ExcessHeaderValues", "x-amz- and x-goog- headers in one request")
        if self.flavour == "s3" and google:
            return error(501, "NotImplemented", "x-goog- headers")
        return None

    def create(self, bucket):
        with self.lock:
            if bucket in self.buckets:
                return error(409, "BucketAlreadyOwnedByYou")
            self.buckets[bucket], self.order[bucket] = {}, []
        return Answer(200)

    # ---- objects ----

    def put(self, request):
        wrong = self.wrong_body(request)
        if wrong:
            return wrong
        said = request.headers.get(CONDITION[self.flavour])
        if said is not None and self.conditional == "refused":
            return error(501, "NotImplemented", "a header you provided implies functionality that is not implemented")
        absent = said is not None and self.conditional != "ignored"
        if absent and said != {"s3": "*", "gcs": "0"}[self.flavour]:
            return error(501, "NotImplemented", f"{CONDITION[self.flavour]}: {said}")
        if absent and self.conditional == "racy":
            if request.key in self.buckets[request.bucket]:
                return self.exists()
            time.sleep(0.02)
            absent = False
        with self.lock:
            if absent and request.key in self.buckets[request.bucket]:
                return self.exists()
            return self.keep(request)

    def exists(self):
        return error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold",
                     Condition={"s3": "If-None-Match", "gcs": "x-goog-if-generation-match"}[self.flavour])

    def keep(self, request):
        objects, keys = self.buckets[request.bucket], self.order[request.bucket]
        self.generation += 1
        if request.key not in objects:
            bisect.insort(keys, request.key.encode())
        stored = Stored(request.body, {name: request.headers[name] for name in KEPT_HEADERS if name in request.headers},
                        self.generation, f'"{hashlib.md5(request.body).hexdigest()}"')
        objects[request.key] = stored
        return Answer(200, self.describe(stored))

    def wrong_body(self, request):
        claimed = request.headers.get("content-md5")
        if claimed is None and self.needs_md5:
            return error(400, "InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object "
                                                "requests with Object Lock parameters")
        if claimed is not None and claimed != base64.b64encode(hashlib.md5(request.body).digest()).decode():
            return error(400, "BadDigest", "The Content-MD5 you specified did not match what we received")
        return None

    def describe(self, stored):
        encryption = {name: value for name, value in stored.headers.items() if name != "content-type"}
        generation = {"x-goog-generation": str(stored.generation)} if self.flavour == "gcs" else {}
        return {"etag": stored.etag, **encryption, **generation}

    def get(self, request):
        with self.lock:
            stored = self.buckets[request.bucket].get(request.key)
        if stored is None:
            return error(404, "NoSuchKey", "The specified key does not exist", Key=request.key)
        headers = {**self.describe(stored), "content-type": stored.headers.get("content-type", "binary/octet-stream"),
                   "accept-ranges": "bytes", "last-modified": email.utils.formatdate(usegmt=True)}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if not wanted:
            return Answer(200, headers, stored.body)
        size, first = len(stored.body), int(wanted[1])
        last = min(int(wanted[2] or size), size - 1)
        if first >= size:
            return error(416, "InvalidRange", "The requested range is not satisfiable")
        return Answer(206, {**headers, "content-range": f"bytes {first}-{last}/{size}"}, stored.body[first:last + 1])

    def delete(self, request):
        with self.lock:
            objects, keys = self.buckets[request.bucket], self.order[request.bucket]
            if objects.pop(request.key, None) is not None:
                keys.pop(bisect.bisect_left(keys, request.key.encode()))
        return Answer(204)

    def describe_lifecycle(self, request):
        """Nothing is done by its rules."""
        if not self.lifecycle and self.flavour == "s3":
            return error(404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist",
                         BucketName=request.bucket)
        space = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"' if self.flavour == "s3" else ""
        body = (f'<?xml version="1.0" encoding="UTF-8"?>\n<LifecycleConfiguration{space}>{self.lifecycle}'
                "</LifecycleConfiguration>")
        return Answer(200, {"content-type": "application/xml"}, body.encode())

    # ---- listing ----

    def list(self, request):
        asked = dict(request.pairs)
        prefix, after = asked.get("prefix", "").encode(), asked.get("start-after", "").encode()
        if "continuation-token" in asked:
            after = base64.urlsafe_b64decode(asked["continuation-token"])
        if not asked.get("max-keys", "1000").isdigit():
            return error(400, "InvalidArgument", "max-keys is not a number")
        limit = min(int(asked.get("max-keys", "1000")), self.page_limit)
        with self.lock:
            keys, objects = self.order[request.bucket], self.buckets[request.bucket]
            begin = max(bisect.bisect_right(keys, after) if after else 0, bisect.bisect_left(keys, prefix))
            found = []
            for key in keys[begin:begin + limit + 1]:
                if not key.startswith(prefix):
                    break
                found.append((key, objects[key.decode()]))
        page = found[:limit]
        token = base64.urlsafe_b64encode(page[-1][0]).decode() if len(found) > limit and page else ""
        return self.listing(request.bucket, asked, page, token)

    def listing(self, bucket, asked, page, token):
        def name(key):
            return sigv4.encode_path(key.decode()) if asked.get("encoding-type") == "url" else escape(key.decode())
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        entries = "".join(f"<Contents><Key>{name(key)}</Key><LastModified>{now}</LastModified>"
                          f"<ETag>{escape(stored.etag, {chr(34): '&quot;'})}</ETag><Size>{len(stored.body)}</Size>"
                          "<StorageClass>STANDARD</StorageClass></Contents>" for key, stored in page)
        more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
        encoding = "<EncodingType>url</EncodingType>" if asked.get("encoding-type") == "url" else ""
        space = "http://s3.amazonaws.com/doc/2006-03-01/" if self.flavour == "s3" else "http://doc.s3.amazonaws.com/2006-03-01"
        body = (f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="{space}"><Name>{bucket}</Name>'
                f"<Prefix>{name(asked.get('prefix', '').encode())}</Prefix><KeyCount>{len(page)}</KeyCount>{encoding}"
                f"<IsTruncated>{'true' if token else 'false'}</IsTruncated>{more}{entries}</ListBucketResult>")
        return Answer(200, {"content-type": "application/xml"}, body.encode())
