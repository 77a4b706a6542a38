"""What a test asks an S3 store itself, without the command: each call is one signed request on a connection of its own."""

import base64
import hashlib
import http.client
import ssl
import urllib.parse
import xml.etree.ElementTree as ElementTree
from typing import NamedTuple

from . import sigv4


class Answer(NamedTuple):
    status: int
    headers: dict
    body: bytes

    @property
    def code(self):
        """S3's name of the error, empty where it is none."""
        return field(self.body, "Code") if self.status >= 300 and self.body.startswith(b"<") else ""


class Listed(NamedTuple):
    key: str
    size: int


class S3Error(Exception):
    """An answer that the test did not expect."""

    def __init__(self, what, answer):
        super().__init__(f"{what}: {answer.status} {answer.body[:500].decode('utf-8', 'replace')}")
        self.answer = answer


def local(element):
    return element.tag.rpartition("}")[2]


def field(document, name):
    """The text of the first element of that name, or empty."""
    return next((each.text or "" for each in ElementTree.fromstring(document).iter() if local(each) == name), "")


class S3Client:
    """Of one bucket, addressed by path. `request` gives any answer; what has a verb's name raises S3Error."""

    def __init__(self, url, bucket, credentials, *, scope=sigv4.Scope(), dialect=sigv4.AWS, ca_file=None, timeout=30):
        self.bucket, self.credentials, self.scope, self.dialect = bucket, credentials, scope, dialect
        self.url, self.ca_file, self.timeout = urllib.parse.urlsplit(url), ca_file, timeout

    def but(self, **changes):
        """The same with other attributes: credentials, scope, ..."""
        made = S3Client.__new__(S3Client)
        made.__dict__.update(self.__dict__, **changes)
        return made

    def connection(self):
        if self.url.scheme == "https":
            context = ssl.create_default_context(cafile=self.ca_file)
            return http.client.HTTPSConnection(self.url.netloc, timeout=self.timeout, context=context)
        return http.client.HTTPConnection(self.url.netloc, timeout=self.timeout)

    def request(self, method, key="", query=(), headers=None, body=b"", *, signed=True, now=None, body_hash=None):
        """`key` empty: the bucket; beginning with '/': a path of the server."""
        path = sigv4.encode_path(key if key.startswith("/") else f"/{self.bucket}/{key}" if key else f"/{self.bucket}")
        headers = {"host": self.url.netloc, **(headers or {})}
        if signed:
            headers = sigv4.sign(method, path, list(query), headers, body, self.credentials, self.scope,
                                 dialect=self.dialect, now=now, body_hash=body_hash)
        connection = self.connection()
        try:
            encoded = sigv4.encode_query(query)
            connection.request(method, path + ("?" + encoded if encoded else ""), body or None,
                               {**headers, "content-length": str(len(body))})
            response = connection.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        finally:
            connection.close()

    def expect(self, what, answer, *statuses):
        if answer.status not in statuses:
            raise S3Error(what, answer)
        return answer

    def create_bucket(self):
        """True if it was not there."""
        answer = self.request("PUT")
        if answer.status == 409 and answer.code.startswith("BucketAlready"):
            return False
        self.expect(f"creating {self.bucket}", answer, 200)
        return True

    def put(self, key, body, headers=None):
        return self.expect(f"putting {key}", self.request("PUT", key, (), headers, body), 200)

    def put_if_absent(self, key, body):
        """True if this put made it, False if it was there."""
        absent = {"if-none-match": "*"} if self.dialect == sigv4.AWS else {"x-goog-if-generation-match": "0"}
        answer = self.request("PUT", key, (), absent, body)
        return self.expect(f"putting {key}", answer, 200, 412).status == 200

    def get(self, key, headers=None):
        return self.expect(f"getting {key}", self.request("GET", key, (), headers), 200, 206).body

    def head(self, key):
        """Its headers, or None."""
        answer = self.expect(f"looking at {key}", self.request("HEAD", key), 200, 404)
        return answer.headers if answer.status == 200 else None

    def delete(self, key):
        self.expect(f"deleting {key}", self.request("DELETE", key), 204, 200)

    def page(self, **query):
        """One page of a listing: its objects, and the token of the next or empty. `start_after` and the like."""
        pairs = [("list-type", "2"), *((name.replace("_", "-"), str(value)) for name, value in query.items())]
        answer = self.expect(f"listing {self.bucket}", self.request("GET", "", pairs), 200)
        # Not every server encodes when it is asked to; the answer says whether it did.
        decode = urllib.parse.unquote if field(answer.body, "EncodingType") == "url" else str
        found = [Listed(decode(field(ElementTree.tostring(each), "Key")), int(field(ElementTree.tostring(each), "Size")))
                 for each in ElementTree.fromstring(answer.body) if local(each) == "Contents"]
        return found, field(answer.body, "NextContinuationToken") if field(answer.body, "IsTruncated") == "true" else ""

    def list(self, prefix="", **query):
        """All objects below a prefix, in the order of the store."""
        query = {"prefix": prefix, "encoding_type": "url", **query} if prefix else {"encoding_type": "url", **query}
        found, token = self.page(**query)
        while token:
            more, token = self.page(**query, continuation_token=token)
            found += more
        return found

    def keys(self, prefix="", **query):
        return [each.key for each in self.list(prefix, **query)]


def content_md5(body):
    return base64.b64encode(hashlib.md5(body).digest()).decode()
