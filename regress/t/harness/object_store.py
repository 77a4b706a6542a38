"""A real S3 server to test against: versitygw, whose signatures, conditions and checksums are not ours. What it is relied
on for is asserted by test_object_store_servers.py."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from .s3_client import S3Client
from .server_cache import go_program
from .sigv4 import Credentials, Scope

VERSION = "v1.8.0"
ROOT = Credentials("AKIAWAL2LAKETEST", "Rpk/3+secret+of+a+test+only/aGVsbG8=")
REGION = "eu-central-1"
BUCKET = "lake"


def versitygw():
    """The server's program. Built at the first use on a machine, which takes minutes."""
    return go_program("github.com/versity/versitygw", "cmd/versitygw", VERSION)


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def self_signed(folder):
    """A certificate of the loopback's, and its key: who is to trust it must be told so."""
    certificate, key = folder / "server.pem", folder / "server.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=wal2lake test", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:*.localhost",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


class Process:
    """A server as a process on a port of the loopback: on the same port and data however often it is started."""

    name = "server"

    def __init__(self):
        self.base = Path(tempfile.mkdtemp(prefix=f"wal2lake-{self.name}-", dir="/tmp"))
        self.data, self.log = self.base / "data", self.base / "server.log"
        self.data.mkdir()
        self.port, self.process = None, None

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {}

    def ready(self):
        """True once it answers; ConnectionError and the like are a no."""
        raise NotImplementedError

    def start(self, timeout=30):
        """At the first start another port where somebody else was quicker."""
        if self.running():
            raise RuntimeError(f"{self.name} is running")
        if self.port is not None:
            return self._launch(timeout)
        for attempt in range(5):
            self.port = free_port()
            try:
                return self._launch(timeout)
            except RuntimeError as error:
                if attempt == 4 or "address already in use" not in str(error).lower():
                    raise
        raise AssertionError("not reached")

    def _launch(self, timeout):
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "VGW_", "ROOT_"))}
        offset = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            # A crash of the test takes it along.
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, self.command())],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.base,
                                            env={**inherited, **self.environment()})
        deadline = time.monotonic() + timeout
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ready() and self.running():
                    return self
            if not self.running() or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.name} did not start:\n{self.log_text(offset)[-3000:]}")
            time.sleep(0.02)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def log_text(self, offset=0):
        return self.log.read_bytes()[offset:].decode("utf-8", "replace") if self.log.exists() else ""

    def pause(self):
        """Connections stay and are taken, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        """Gone at once; what it acknowledged is on its disk. Connections to its port are refused from now on."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    stop = kill

    def __enter__(self):
        return self.start() if self.process is None else self

    def __exit__(self, *_):
        self.kill()
        if os.environ.get("WAL2LAKE_KEEP"):
            print(f"kept {self.base}")
        else:
            shutil.rmtree(self.base, ignore_errors=True)


class RealS3(Process):
    """versitygw over a folder; with a `network` (harness/network.py), in it. With a `domain` a bucket is also a host name below it; libcurl finds any below "localhost" on the
    loopback. `client` is the root user's, for what a test wants to see or do by itself."""

    name = "versitygw"

    def __init__(self, *, buckets=(BUCKET,), tls=False, domain="", network=None):
        self.network, self.host = network, network.address if network else "127.0.0.1"
        self.program = versitygw()
        super().__init__()
        self.buckets, self.domain = buckets, domain
        self.ca_file, self.key = self_signed(self.base) if tls else (None, None)
        (self.base / "iam").mkdir()
        (self.base / "metadata").mkdir()

    def command(self):
        secure = ["--cert", self.ca_file, "--key", self.key] if self.ca_file else []
        hosts = ["--virtual-domain", f"{self.domain}:{self.port}"] if self.domain else []
        return [*(self.network.command if self.network else []), self.program, "--port", f"{self.host}:{self.port}", "--region", REGION, "--iam-dir", self.base / "iam",
                "--iam-cache-disable", "--keep-alive", "--quiet", "--health", "/health", *secure, *hosts,
                "posix", *self._metadata(), self.data]

    def _metadata(self):
        """Beside the objects where the file system has no attributes for them (tmpfs of older kernels)."""
        try:
            os.setxattr(self.data, "user.wal2lake", b"1")
        except OSError:
            return ["--sidecar", self.base / "metadata"]
        return []

    def environment(self):
        return {"ROOT_ACCESS_KEY": ROOT.access, "ROOT_SECRET_KEY": ROOT.secret}

    def ready(self):
        if self._client("").request("GET", "/health", signed=False).status != 200:
            return False
        for bucket in self.buckets:
            self._client(bucket).create_bucket()
        return True

    @property
    def url(self):
        return f"{'https' if self.ca_file else 'http'}://{self.host}:{self.port}"

    def _client(self, bucket, credentials=ROOT):
        return S3Client(self.url, bucket, credentials, scope=Scope(REGION), ca_file=self.ca_file)

    @property
    def client(self):
        return self.client_of()

    def client_of(self, credentials=ROOT, bucket=None):
        return self._client(bucket or self.buckets[0], credentials)

    def command_environment(self, credentials=ROOT):
        """What the command finds its credentials and this server by."""
        return {"AWS_ACCESS_KEY_ID": credentials.access, "AWS_SECRET_ACCESS_KEY": credentials.secret,
                "AWS_REGION": REGION, "AWS_ENDPOINT_URL": self.url}

    def add_user(self, credentials):
        """Who may do nothing until a bucket's policy says so."""
        account = (f"<Account><Access>{credentials.access}</Access><Secret>{credentials.secret}</Secret>"
                   "<Role>user</Role></Account>").encode()
        client = self._client("")
        client.expect("adding a user", client.request("PATCH", "/create-user", body=account), 200, 201)

    def remove_user(self, credentials):
        client = self._client("")
        client.expect("removing a user", client.request("PATCH", "/delete-user", [("access", credentials.access)]), 200, 204)

    def set_policy(self, policy, bucket=None):
        """A bucket policy, as JSON text."""
        client = self.client_of(bucket=bucket)
        client.expect("setting a policy", client.request("PUT", "", [("policy", "")], body=policy.encode()), 200, 204)
