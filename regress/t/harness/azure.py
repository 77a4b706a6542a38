"""Azure's Blob storage to test against: Azurite, Microsoft's own emulator, and a client that signs by itself. What it is relied on
for is asserted by test_azurite.py."""

import base64
import contextlib
import datetime
import email.utils
import hmac
import http.client
import socket
import subprocess
import urllib.parse
import xml.etree.ElementTree as ElementTree
from typing import NamedTuple

from .object_store import Process
from .s3_client import Answer, field, local
from .server_cache import node_package

VERSION = "3.37.0"
SERVICE = "2021-12-02"
CONTAINER = "lake"


class Account(NamedTuple):
    name: str
    # In base64, as Azure hands it out.
    key: str


ACCOUNT = Account("wal2laketest", base64.b64encode(b"a shared key that only tests of wal2lake know").decode())
SIGNED_HEADERS = ("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
                  "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range")


class AzureError(Exception):
    """An answer that the test did not expect."""

    def __init__(self, what, answer):
        super().__init__(f"{what}: {answer.status} {answer.body[:500].decode('utf-8', 'replace')}")
        self.answer = answer


def mac(account, text):
    return base64.b64encode(hmac.digest(base64.b64decode(account.key), text.encode(), "sha256")).decode()


def shared_key(account, method, path, query, headers):
    """The Authorization header. `path` as it is sent, `query` a list of pairs, names of `headers` in lower case."""
    values = [headers.get(name, "") for name in SIGNED_HEADERS]
    values = ["" if name == "content-length" and value == "0" else value for name, value in zip(SIGNED_HEADERS, values)]
    ours = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers) if name.startswith("x-ms-"))
    resource = f"/{account.name}{path}" + "".join(f"\n{name.lower()}:{value}" for name, value in sorted(query))
    return f"SharedKey {account.name}:{mac(account, chr(10).join([method, *values, ours + resource]))}"


def sas(account, container, permissions, *, expires=None, begins=None):
    """Query parameters that let whoever has them do that much with a container, for an hour."""
    def iso(when):
        return when.strftime("%Y-%m-%dT%H:%M:%SZ") if when else ""
    until = iso(expires or datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1))
    values = [permissions, iso(begins), until, f"/blob/{account.name}/{container}", "", "", "", SERVICE, "c", "", "", "", "", "",
              "", ""]
    pairs = [("sp", permissions), ("se", until), ("sv", SERVICE), ("sr", "c"), ("sig", mac(account, "\n".join(values)))]
    return pairs + ([("st", iso(begins))] if begins else [])


class AzureClient:
    """Of one container. `request` gives any answer; what has a verb's name raises AzureError."""

    def __init__(self, url, account=ACCOUNT, container=CONTAINER, *, token=None, timeout=30):
        self.url, self.account, self.container, self.timeout = urllib.parse.urlsplit(url), account, container, timeout
        # Parameters of sas(): sent instead of a signature.
        self.token = token

    def but(self, **changes):
        made = AzureClient.__new__(AzureClient)
        made.__dict__.update(self.__dict__, **changes)
        return made

    def request(self, method, key="", query=(), headers=None, body=b"", *, signed=True, now=None):
        path = urllib.parse.quote(f"{self.url.path}/{self.container}" + (f"/{key}" if key else ""), safe="-._~/")
        query = [*query, *(self.token or ())]
        headers = {"x-ms-version": SERVICE, "x-ms-date": email.utils.formatdate(now, usegmt=True),
                   "content-length": str(len(body)), **(headers or {})}
        if signed and not self.token:
            headers["authorization"] = shared_key(self.account, method, path, query, headers)
        connection = http.client.HTTPConnection(self.url.netloc, timeout=self.timeout)
        try:
            encoded = urllib.parse.urlencode(query, quote_via=urllib.parse.quote)
            connection.request(method, path + ("?" + encoded if encoded else ""), body or None, headers)
            response = connection.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        finally:
            connection.close()

    def expect(self, what, answer, *statuses):
        if answer.status not in statuses:
            raise AzureError(what, answer)
        return answer

    def create_container(self):
        """True if it was not there."""
        return self.expect(f"creating {self.container}", self.request("PUT", "", [("restype", "container")]), 201,
                           409).status == 201

    def put(self, key, body, headers=None):
        """With a replacement of what is there, unless the headers forbid it."""
        return self.expect(f"putting {key}", self.put_blob(key, body, headers), 201)

    def put_blob(self, key, body, headers=None):
        return self.request("PUT", key, (), {"x-ms-blob-type": "BlockBlob", **(headers or {})}, body)

    def put_if_absent(self, key, body):
        """True if this put made it, False if it was there."""
        answer = self.expect(f"putting {key}", self.put_blob(key, body, {"if-none-match": "*"}), 201, 409, 412)
        if answer.status == 409 and error_code(answer) != "BlobAlreadyExists":
            raise AzureError(f"putting {key}", answer)
        return answer.status == 201

    def get(self, key, headers=None):
        return self.expect(f"getting {key}", self.request("GET", key, (), headers), 200, 206).body

    def head(self, key):
        """Its headers, or None."""
        answer = self.expect(f"looking at {key}", self.request("HEAD", key), 200, 404)
        return answer.headers if answer.status == 200 else None

    def delete(self, key):
        self.expect(f"deleting {key}", self.request("DELETE", key), 202, 404)

    def page(self, **query):
        """Names of one page, and the marker of the next or empty."""
        pairs = [("restype", "container"), ("comp", "list"), *((name, str(value)) for name, value in query.items())]
        answer = self.expect(f"listing {self.container}", self.request("GET", "", pairs), 200)
        names = [name for blob in ElementTree.fromstring(answer.body).iter("Blob")
                 for name in [next(each.text for each in blob if local(each) == "Name")]]
        return names, field(answer.body, "NextMarker")

    def keys(self, prefix="", **query):
        found, marker = self.page(**({"prefix": prefix} if prefix else {}), **query)
        while marker:
            more, marker = self.page(**({"prefix": prefix} if prefix else {}), **{**query, "marker": marker})
            found += more
        return found


def error_code(answer):
    """Azure's name of the error, empty where it is none."""
    return answer.headers.get("x-ms-error-code", "") if answer.status >= 300 else ""


def azurite():
    """Its main script. Installed at the first use on a machine, which takes a minute and 400 MB."""
    return node_package("azurite", VERSION) / "node_modules/azurite/dist/src/blob/main.js"


class Azurite(Process):
    """Blob storage with one account; `url` is the account's."""

    name = "azurite"

    def __init__(self, *, containers=(CONTAINER,)):
        self.program = azurite()
        super().__init__()
        self.containers = containers

    def command(self):
        return ["node", self.program, "--disableTelemetry", "--disableProductStyleUrl", "--silent", "-l", self.data,
                "--blobHost", "127.0.0.1", "--blobPort", self.port]

    def environment(self):
        return {"AZURITE_ACCOUNTS": f"{ACCOUNT.name}:{ACCOUNT.key}"}

    def stop(self):
        """By SIGTERM: killed, it forgets what it acknowledged in the last seconds."""
        if self.running():
            self.resume()
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def ready(self):
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.port), 5)):
            pass
        for container in self.containers:
            self.client_of(container=container).create_container()
        return True

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/{ACCOUNT.name}"

    @property
    def client(self):
        return self.client_of()

    def command_environment(self, key=ACCOUNT.key, *, permissions=None, port=None):
        """What the command finds its credentials and this server by: a key, or a signature that permits so much of the first
        container. Through another port, if one is named."""
        token = urllib.parse.urlencode(sas(ACCOUNT, self.containers[0], permissions)) if permissions else None
        secret = {"AZURE_STORAGE_SAS_TOKEN": token} if token else {"AZURE_STORAGE_KEY": key}
        return {"AZURE_STORAGE_SERVICE_ENDPOINT": self.url.replace(str(self.port), str(port or self.port)), **secret}

    def client_of(self, account=ACCOUNT, container=None, token=None):
        return AzureClient(self.url, account, container or self.containers[0], token=token)
