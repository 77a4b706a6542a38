"""An S3 server of our own that fails on demand. It checks signatures, lets one conditional put win, and does what its script
says:

    server.on("put_if_absent", faults.lost_reply, times=3, skip=1)

Without a rule it does what S3 does. flavour="gcs" speaks as the XML API of GCS does."""

import contextlib
import datetime
import email.utils
import http.client
import random
import socket
import ssl
import struct
import threading
import time
import urllib.parse
from dataclasses import dataclass

from . import sigv4
from .s3_client import S3Client
from .s3_objects import Objects, Request, error

ACCOUNT = sigv4.Credentials("AKIASCRIPTED", "a/secret+of=tests", "")
BUCKET = "lake"
REGION = {"s3": "eu-central-1", "gcs": "auto"}


@dataclass
class Seen:
    """A line of the server's log."""
    kind: str
    request: Request
    # The fault's rule, or None.
    rule: object
    # 0 where no answer was sent.
    status: int = 0
    code: str = ""
    committed: bool = False
    size: int = 0
    at: float = 0.0


class Rule:
    """Which requests meet a fault: of this kind (or a method, or "any"), whose key has this in it; after `skip` of them, so many
    `times` (None: always), each by `chance`."""

    def __init__(self, kind, fault, *, key="", times=1, skip=0, chance=1.0, seed=0):
        self.kind, self.fault, self.key, self.times, self.skip, self.chance = kind, fault, key, times, skip, chance
        self.random = random.Random(seed)
        self.hits = 0

    def takes(self, request):
        """Counts, so ask once for each request, under the server's lock."""
        if self.kind not in ("any", request.kind, request.method) or self.key not in request.key:
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.random.random() >= self.chance:
            return False
        self.hits += 1
        return True

    @property
    def over(self):
        return self.times is not None and self.hits >= self.times


class Gone(Exception):
    """The connection has ended."""


class Exchange:
    """One request and what becomes of it. Faults act on it."""

    def __init__(self, server, connection, request, length):
        self.server, self.connection, self.request, self.length = server, connection, request, length
        self.seen = Seen(request.kind, request, None, at=time.monotonic())

    def read_body(self, bytes_per_second=None):
        """The rest of the request; at a rate, in tenths of a second."""
        if self.length and self.request.headers.get("expect", "").lower() == "100-continue":
            self.send_bytes(b"HTTP/1.1 100 Continue\r\n\r\n")
        parts, missing = [], self.length
        while missing:
            if bytes_per_second:
                time.sleep(0.1)
            part = self.connection.read(min(missing, max(1, bytes_per_second // 10) if bytes_per_second else missing))
            parts.append(part)
            missing -= len(part)
        self.length = 0
        self.request.body = b"".join(parts)
        self.seen.size = len(self.request.body)

    def proceed(self):
        """As if there were no fault."""
        self.send(self.server.refusal(self) or self.commit())

    def commit(self):
        self.seen.committed = True
        return self.server.objects.answer(self.request)

    def written(self, said):
        """The bytes of an answer: head and body."""
        self.seen.status = said.status
        if said.status >= 300 or said.body[:60].find(b"<Error>") > 0:
            self.seen.code = said.body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()
        headers = {"date": email.utils.formatdate(self.server.now().timestamp(), usegmt=True), "server": "scripted",
                   "x-amz-request-id": str(len(self.server.log)), **said.headers}
        if said.status != 204:
            headers["content-length"] = str(len(said.body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        reason = http.client.responses.get(said.status, "")
        head = f"HTTP/1.1 {said.status} {reason}\r\n{lines}\r\n".encode()
        return head, b"" if self.request.method == "HEAD" else said.body

    def send(self, said):
        self.send_bytes(b"".join(self.written(said)))

    def send_bytes(self, data):
        self.connection.socket.sendall(data)

    def trickle(self, data, bytes_per_second):
        step = max(1, bytes_per_second // 10)
        for begin in range(0, len(data), step):
            self.send_bytes(data[begin:begin + step])
            time.sleep(0.1)

    def close(self):
        self.connection.end()
        raise Gone

    def reset(self):
        self.connection.reset()
        raise Gone

    def wait_for_end(self):
        """Until the client gives up or the server ends it."""
        with contextlib.suppress(OSError):
            while self.connection.socket.recv(65536):
                pass
        raise Gone


class Connection:
    """One client; its requests one after the other."""

    def __init__(self, server, accepted):
        self.server, self.socket, self.buffer = server, accepted, b""

    def serve(self):
        with contextlib.suppress(OSError, Gone, ValueError, ssl.SSLError):
            if self.server.tls:
                self.socket = self.server.tls.wrap_socket(self.socket, server_side=True)
            while True:
                exchange = self.next()
                try:
                    self.server.handle(exchange)
                finally:
                    # The log would hold what was never stored.
                    exchange.request.body = b""
                if exchange.length or exchange.request.headers.get("connection", "").lower() == "close":
                    break
        self.end()
        self.server.connections.discard(self)

    def next(self):
        while b"\r\n\r\n" not in self.buffer:
            self.receive()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        pairs = [line.partition(":")[::2] for line in lines]
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        path, _, query = target.partition("?")
        request = Request(method, path, query, headers)
        request.bucket, request.key = self.server.address(path, headers.get("host", ""))
        return Exchange(self.server, self, request, int(headers.get("content-length", "0")))

    def receive(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise Gone
        self.buffer += data

    def read(self, most):
        if not self.buffer:
            self.receive()
        part, self.buffer = self.buffer[:most], self.buffer[most:]
        return part

    def reset(self):
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Another thread may sleep in recv, which would keep a closed socket alive.
        with contextlib.suppress(OSError):
            self.socket.close()

    def end(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self.socket.close()


class ScriptedS3:
    """`accounts` maps key ids to Credentials; `clock_offset` in seconds sets its clock wrong; `latency` delays every answer."""

    def __init__(self, *, flavour="s3", buckets=(BUCKET,), accounts=(ACCOUNT,), conditional="honoured", region=None,
                 domain="", certificate=None):
        self.flavour, self.region, self.domain = flavour, region or REGION[flavour], domain
        self.accounts = {each.access: each for each in accounts}
        self.objects = Objects(flavour, buckets, conditional)
        self.expired, self.rules, self.log, self.connections = set(), [], [], set()
        self.lock = threading.Lock()
        self.clock_offset, self.latency = 0.0, 0.0
        self.tls, self.ca_file = None, None
        if certificate:
            self.ca_file, key = certificate
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(self.ca_file, key)
        self.listener, self.port = None, 0
        self.up()

    # ---- life ----

    def up(self):
        """Listen, on the same port as ever."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(256)
        self.listener, self.port = listener, listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def down(self):
        """The port is closed and every connection gone; objects stay."""
        if self.listener is not None:
            with contextlib.suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        self.cut()

    def cut(self):
        """End every connection that is open; new ones are taken."""
        for each in list(self.connections):
            each.end()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                accepted = listener.accept()[0]
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = Connection(self, accepted)
                self.connections.add(connection)
                threading.Thread(target=connection.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()

    # ---- what tests use ----

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def account(self):
        return next(iter(self.accounts.values()))

    @property
    def client(self):
        google = self.flavour == "gcs"
        return S3Client(self.url, next(iter(self.objects.buckets)), self.account,
                        scope=sigv4.Scope(self.region, "storage" if google else "s3"),
                        dialect=sigv4.GOOG if google else sigv4.AWS, ca_file=self.ca_file)

    def command_environment(self, credentials=None):
        """What the command finds its credentials and this server by."""
        used = credentials or self.account
        token = {"AWS_SESSION_TOKEN": used.token} if used.token else {}
        keys = {"AWS_ACCESS_KEY_ID": used.access, "AWS_SECRET_ACCESS_KEY": used.secret, **token}
        if self.flavour == "gcs":
            return {**keys, "STORAGE_EMULATOR_HOST": self.url}
        return {**keys, "AWS_REGION": self.region, "AWS_ENDPOINT_URL": self.url}

    def on(self, kind, fault, **how):
        """A rule (see Rule); the oldest that takes a request decides."""
        rule = Rule(kind, fault, **how)
        with self.lock:
            self.rules.append(rule)
        return rule

    def heal(self):
        """No rule from now on."""
        with self.lock:
            self.rules.clear()

    def expire(self, credentials):
        """These are refused with ExpiredToken from now on."""
        self.expired.add(credentials.access)

    def seen(self, kind="any", **attributes):
        """Lines of the log, oldest first: of a kind or method, and with these attributes."""
        with self.lock:
            lines = list(self.log)
        return [each for each in lines if kind in ("any", each.kind, each.request.method)
                and all(getattr(each, name) == value for name, value in attributes.items())]

    def count(self, kind="any", **attributes):
        return len(self.seen(kind, **attributes))

    def counts(self):
        """Requests by kind."""
        kinds = [each.kind for each in self.seen()]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}

    def forget_log(self):
        with self.lock:
            self.log.clear()

    # ---- requests ----

    def now(self):
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.clock_offset)

    def address(self, path, host):
        """Bucket and key, of a path or of a host below the server's domain."""
        name = host.partition(":")[0]
        path = urllib.parse.unquote(path.removeprefix("/"))
        if self.domain and name.endswith("." + self.domain):
            return name.removesuffix("." + self.domain), path
        bucket, _, key = path.partition("/")
        return bucket, key

    def handle(self, exchange):
        with self.lock:
            rule = next((each for each in self.rules if each.takes(exchange.request)), None)
            exchange.seen.rule = rule
            self.log.append(exchange.seen)
        if self.latency:
            time.sleep(self.latency)
        if rule and getattr(rule.fault, "before_body", False):
            rule.fault(exchange)
            return
        exchange.read_body()
        refused = self.refusal(exchange)
        if refused:
            exchange.send(refused)
        elif rule:
            rule.fault(exchange)
        else:
            exchange.send(exchange.commit())

    def refusal(self, exchange):
        """None for a request that is believed."""
        request = exchange.request
        google = request.headers.get("authorization", "").startswith(sigv4.GOOG.algorithm)
        scope = sigv4.Scope(self.region, "storage" if google else "s3")
        try:
            used = sigv4.check(request.method, request.path, request.query, request.headers, request.body, self.accounts, scope,
                               dialects=(sigv4.AWS, sigv4.GOOG) if self.flavour == "gcs" else (sigv4.AWS,), now=self.now())
        except sigv4.Refused as refused:
            region = {"Region": self.region} if refused.code == "AuthorizationHeaderMalformed" else {}
            return error(refused.status, refused.code, refused.text, **region)
        if used.access in self.expired:
            return error(400, "ExpiredToken", "The provided token has expired.")
        return None
