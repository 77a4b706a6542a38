"""Azurite is what tests of the Azure driver take it for. It does not check dates, and its markers are names; Azure does, and has
opaque ones."""

import base64
import datetime
import time

import pytest

from harness.azure import ACCOUNT, Azurite, error_code, sas
from harness.s3_client import content_md5
from harness.store_checks import ODD_KEYS, race


@pytest.fixture(scope="module")
def store():
    with Azurite() as started:
        yield started


@pytest.fixture
def client(store):
    return store.client


def answer(got):
    return got.status, error_code(got)


def test_only_the_right_key_is_believed(client):
    refused = (403, "AuthorizationFailure")
    wrong = client.but(account=ACCOUNT._replace(key=base64.b64encode(b"another key of some length").decode()))
    other = client.but(account=ACCOUNT._replace(name="other"))
    for each in (wrong, other):
        assert answer(each.put_blob("k", b"x")) == refused
        assert answer(each.request("GET", "k")) == refused
        assert answer(each.request("GET", "", [("restype", "container"), ("comp", "list")])) == refused
    assert answer(client.request("GET", "k", signed=False)) == refused
    assert answer(client.request("PUT", "k", (), {"x-ms-blob-type": "BlockBlob"}, b"x", signed=False)) == refused
    assert client.head("k") is None


def test_an_altered_body_is_refused_where_its_md5_was_given(client):
    for header in ("content-md5", "x-ms-blob-content-md5"):
        assert answer(client.put_blob("k", b"x", {header: content_md5(b"y")})) == (400, "Md5Mismatch")
    assert answer(client.put_blob("k", b"x", {"x-ms-content-crc64": "AAAAAAAAAAA="})) == (400, "Crc64Mismatch")
    assert client.head("k") is None
    assert client.put_blob("md5", b"x", {"content-md5": content_md5(b"x")}).status == 201


def test_it_does_not_look_at_dates(client):
    """Where this changes, docs/testing.md does not hold any more."""
    assert client.request("GET", "k", now=time.time() - 1200).status == 404


def test_a_blob_is_put_once(client):
    assert client.put_if_absent("once", b"first")
    assert answer(client.put_blob("once", b"second", {"if-none-match": "*"})) == (409, "BlobAlreadyExists")
    assert not client.put_if_absent("once", b"second")
    assert client.get("once") == b"first"
    client.delete("once")
    assert client.put_if_absent("once", b"third")


def test_one_of_many_conditional_puts_wins(client):
    race(client, 20, 16)


def test_whole_and_part_of_a_blob(client):
    body = bytes(range(256)) * 500
    client.put("bytes", body)
    assert client.get("bytes") == body
    assert client.head("bytes")["content-length"] == str(len(body))
    for header in ("range", "x-ms-range"):
        assert client.get("bytes", {header: "bytes=3-9"}) == body[3:10]
    assert answer(client.request("GET", "bytes", (), {"range": f"bytes={len(body) + 1}-"})) == (416, "InvalidRange")
    assert answer(client.request("GET", "missing")) == (404, "BlobNotFound")
    assert answer(client.but(container="no-such-container").put_blob("k", b"x")) == (404, "ContainerNotFound")


def test_a_listing_is_in_the_order_of_bytes(client):
    keys = sorted((f"order/{key}" for key in ODD_KEYS), key=str.encode)
    for key in keys:
        client.put(key, b"x")
    assert client.keys("order/") == keys
    assert client.keys("order/", maxresults=2) == keys
    assert client.keys("order/", startFrom=keys[3]) == keys[3:]
    assert client.keys("order/", startFrom=keys[3] + "\x01") == keys[4:]


def test_a_shared_access_signature_allows_what_it_says(store, client):
    client.put("shared", b"x")
    denied = (403, "AuthorizationPermissionMismatch")

    def theirs(permissions, **when):
        return store.client_of(token=sas(ACCOUNT, client.container, permissions, **when))
    assert theirs("r").get("shared") == b"x"
    assert answer(theirs("r").put_blob("new", b"x")) == denied
    assert answer(theirs("c").put_blob("shared", b"y")) == denied
    assert theirs("c").put_if_absent("new", b"x")
    assert theirs("l").keys("shared") == ["shared"]
    assert answer(theirs("rcwl").request("DELETE", "shared")) == denied
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    assert answer(theirs("r", expires=yesterday).request("GET", "shared")) == (403, "AuthorizationFailure")
    more = [(name, "rw" if name == "sp" else value) for name, value in sas(ACCOUNT, client.container, "r")]
    assert answer(store.client_of(token=more).request("GET", "shared")) == (403, "AuthorizationFailure")
    assert client.get("shared") == b"x"


def test_it_keeps_its_blobs_over_a_stop_and_is_silent_in_a_pause(store, client):
    client.put("kept", b"x")
    store.pause()
    with pytest.raises(TimeoutError):
        client.but(timeout=0.3).get("kept")
    store.resume()
    store.stop()
    with pytest.raises(ConnectionRefusedError):
        client.get("kept")
    store.start()
    assert client.get("kept") == b"x"
