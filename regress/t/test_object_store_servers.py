"""The stores that other tests rely on are what they are taken for: one that stops checking signatures, or lets two
conditional puts succeed, would make every test against it worth less without a sound."""

import concurrent.futures
import datetime
import time

import pytest

from harness import object_store, server_cache, sigv4
from harness.object_store import REGION, ROOT, RealS3
from harness.s3_client import content_md5
from harness.scripted_s3 import ScriptedS3
from harness.store_checks import ODD_KEYS, race


@pytest.fixture(scope="module")
def real():
    with RealS3() as started:
        yield started


@pytest.fixture(scope="module")
def scripted():
    with ScriptedS3() as started:
        yield started


@pytest.fixture(params=["real", "scripted"])
def client(request):
    """Of each server: both must do the same."""
    return request.getfixturevalue(request.param).client


def answer(got):
    return got.status, got.code


# ---- who may ----

def test_only_the_right_secret_is_believed(client):
    wrong = client.but(credentials=client.credentials._replace(secret=client.credentials.secret[:-1] + "/"))
    unknown = client.but(credentials=client.credentials._replace(access="AKIAUNKNOWN"))
    for method in ("GET", "PUT", "DELETE"):
        assert answer(wrong.request(method, "k", body=b"x" if method == "PUT" else b"")) == (403, "SignatureDoesNotMatch")
        assert answer(unknown.request(method, "k")) == (403, "InvalidAccessKeyId")
        assert answer(client.request(method, "k", signed=False)) == (403, "AccessDenied")
    listing = [("list-type", "2")]
    assert answer(wrong.request("GET", "", listing)) == (403, "SignatureDoesNotMatch")
    assert answer(client.request("GET", "", listing, signed=False)) == (403, "AccessDenied")
    assert client.head("k") is None


def test_what_was_signed_may_not_change_on_the_way(client):
    path = f"/{client.bucket}/signed"
    headers = sigv4.sign("PUT", path, [], {"host": client.url.netloc, "x-amz-meta-a": "1"}, b"body",
                         client.credentials, client.scope)

    def send(method="PUT", key="signed", query=(), body=b"body", **changed):
        changed = {name.replace("_", "-"): value for name, value in changed.items()}
        return answer(client.request(method, key, query, {**headers, **changed}, body, signed=False))

    mismatch = (403, "SignatureDoesNotMatch")
    assert send(x_amz_meta_a="2") == mismatch
    assert send(key="other") == mismatch
    assert send(query=[("acl", "")]) == mismatch
    assert send("DELETE") == mismatch
    assert send(body=b"bodY") == (400, "XAmzContentSHA256Mismatch")
    assert client.head("signed") is None
    assert send() == (200, "")


def test_region_and_date_are_checked(client):
    assert answer(client.but(scope=sigv4.Scope("us-west-2")).request("GET", "k")) == (400, "AuthorizationHeaderMalformed")
    for minutes in (-20, 20):
        then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
        refused = client.request("PUT", "k", body=b"x", now=then)
        assert answer(refused) == (403, "RequestTimeTooSkewed")
        assert "date" in refused.headers
    assert client.head("k") is None


def test_a_user_may_what_the_policy_says(real):
    store, client, user = real, real.client, sigv4.Credentials("AKIAUSER", "a user's secret")
    store.add_user(user)
    theirs = store.client_of(user)
    assert answer(theirs.request("PUT", "user", body=b"x")) == (403, "AccessDenied")
    store.set_policy('{"Statement":[{"Effect":"Allow","Principal":"AKIAUSER","Action":["s3:PutObject"],'
                     f'"Resource":"arn:aws:s3:::{client.bucket}/*"}}]}}')
    assert answer(theirs.request("PUT", "user", body=b"x")) == (200, "")
    assert answer(theirs.request("DELETE", "user")) == (403, "AccessDenied")
    assert answer(theirs.request("GET", "", [("list-type", "2")])) == (403, "AccessDenied")
    store.remove_user(user)
    assert answer(theirs.request("PUT", "user", body=b"x")) == (403, "InvalidAccessKeyId")


def test_it_is_found_by_tls_only_where_its_certificate_is_trusted():
    with RealS3(tls=True) as secure:
        assert secure.url.startswith("https://")
        assert secure.client.put_if_absent("k", b"x")
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            secure.client.but(ca_file=None).get("k")


@pytest.mark.parametrize("make", [RealS3, ScriptedS3])
def test_a_bucket_may_be_in_the_host_name(make):
    with make(domain="localhost") as store:
        client = store.client
        for bucket, status in ((client.bucket, 200), ("no-such-bucket", 404)):
            host = f"{bucket}.localhost:{store.port}"
            headers = sigv4.sign("PUT", "/a%20key", [], {"host": host}, b"x", client.credentials, client.scope)
            connection = client.connection()
            connection.request("PUT", "/a%20key", b"x", headers)
            assert connection.getresponse().status == status
            connection.close()
        assert client.get("a key") == b"x"


# ---- what is stored ----

def test_an_altered_body_is_refused(client):
    assert answer(client.request("PUT", "k", body=b"x", body_hash=sigv4.sha256(b"y"))) == (400, "XAmzContentSHA256Mismatch")
    assert answer(client.request("PUT", "k", (), {"content-md5": content_md5(b"y")}, b"x")) == (400, "BadDigest")
    assert client.head("k") is None
    assert answer(client.request("PUT", "md5", (), {"content-md5": content_md5(b"x")}, b"x")) == (200, "")


def test_the_real_one_knows_no_session(real):
    session = real.client.but(credentials=ROOT._replace(token="any"))
    assert answer(session.request("GET", "k")) == (400, "InvalidToken")


def test_the_real_one_checks_a_crc(real):
    assert answer(real.client.request("PUT", "k", (), {"x-amz-checksum-crc32c": "AAAAAA=="}, b"x")) == (400, "BadDigest")
    assert real.client.head("k") is None


def test_a_key_is_put_once(client):
    assert client.put_if_absent("once", b"first")
    assert not client.put_if_absent("once", b"second")
    assert client.get("once") == b"first"
    client.delete("once")
    assert client.put_if_absent("once", b"third")


def test_one_of_many_conditional_puts_wins(client):
    race(client, 20, 16)
    race(client, 5, 64)


@pytest.mark.parametrize("conditional", ["racy", "ignored"])
def test_a_store_that_lets_two_win_is_noticed(conditional):
    with ScriptedS3(conditional=conditional) as lax, pytest.raises(AssertionError, match=r"of 16 conditional puts"):
        race(lax.client, 20, 16)


def test_a_store_that_believes_everything_is_noticed(monkeypatch):
    monkeypatch.setattr(ScriptedS3, "refusal", lambda *_: None)
    with ScriptedS3() as lax:
        for check in (test_only_the_right_secret_is_believed, test_what_was_signed_may_not_change_on_the_way,
                      test_region_and_date_are_checked, test_an_altered_body_is_refused):
            with pytest.raises(AssertionError):
                check(lax.client)


def test_whole_and_part_of_an_object(client):
    body = bytes(range(256)) * 5000
    client.put("bytes", body)
    assert client.get("bytes") == body
    assert client.head("bytes")["content-length"] == str(len(body))
    ranged = client.request("GET", "bytes", (), {"range": "bytes=3-9"})
    assert (ranged.status, ranged.body) == (206, body[3:10])
    assert ranged.headers["content-range"] == f"bytes 3-9/{len(body)}"
    assert client.get("bytes", {"range": "bytes=1279990-"}) == body[-10:]
    assert answer(client.request("GET", "bytes", (), {"range": f"bytes={len(body)}-"})) == (416, "InvalidRange")
    client.put("empty", b"")
    assert client.get("empty") == b""


def test_what_is_not_there(client):
    assert answer(client.request("GET", "missing")) == (404, "NoSuchKey")
    assert client.head("missing") is None
    client.delete("missing")
    for method in ("GET", "PUT"):
        assert answer(client.but(bucket="no-such-bucket").request(method, "k")) == (404, "NoSuchBucket")


def test_the_real_ones_keys_are_files(real):
    """Who writes a driver must not wonder: a store would take both."""
    real.client.put("file", b"x")
    assert answer(real.client.request("PUT", "file/below", body=b"x")) == (409, "ObjectParentIsFile")


# ---- listing ----

def test_a_listing_is_in_the_order_of_bytes(client):
    keys = sorted((f"order/{key}" for key in ODD_KEYS), key=str.encode)
    for key in keys:
        client.put(key, key.encode())
    assert client.keys("order/") == keys
    assert client.keys("order/", max_keys=2) == keys
    assert all(client.get(key) == key.encode() for key in keys)


def test_the_answer_says_whether_a_listing_is_encoded(real, scripted):
    for store, expected in ((real, b"<Key>encoded/a b</Key>"), (scripted, b"<Key>encoded/a%20b</Key>")):
        store.client.put("encoded/a b", b"x")
        asked = [("list-type", "2"), ("prefix", "encoded/"), ("encoding-type", "url")]
        got = store.client.request("GET", "", asked).body
        assert expected in got
        assert (b"<EncodingType>url</EncodingType>" in got) == (store is scripted)


def test_a_listing_begins_after_a_key(client):
    keys = [f"after/{number:03}" for number in range(0, 50, 2)]
    for key in keys:
        client.put(key, b"12345")
    assert client.keys("after/", start_after="after/010") == keys[6:]
    assert client.keys("after/", start_after="after/011") == keys[6:]
    assert client.keys("after/", start_after="after/0", max_keys=7) == keys
    assert client.keys("after/", start_after="after/048") == []
    found, token = client.page(prefix="after/", start_after="after/010", max_keys=3)
    assert [(each.key, each.size) for each in found] == [(key, 5) for key in keys[6:9]]
    assert token


# ---- life ----

def test_it_keeps_its_objects_and_port_over_a_stop(real):
    store, client = real, real.client
    client.put("kept", b"x")
    url = store.url
    store.stop()
    with pytest.raises(ConnectionRefusedError):
        client.get("kept")
    store.start()
    assert store.url == url
    assert client.get("kept") == b"x"


def test_a_pause_is_silence(real):
    store, client = real, real.client
    store.pause()
    with pytest.raises(TimeoutError):
        client.but(timeout=0.3).put("paused", b"x")
    store.resume()
    assert client.put_if_absent("resumed", b"x")


def test_its_data_goes_with_it():
    with RealS3() as short:
        short.client.put("k", b"x")
        folder = short.base
        assert folder.is_dir()
    assert not folder.exists()
    assert not short.running()


# ---- the cache of servers ----

def test_a_server_is_built_once(tmp_path):
    built = []

    def build(folder):
        built.append(folder)
        time.sleep(0.2)
        (folder / "program").write_text("x", encoding="ascii")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: server_cache.cached("thing", "v1", build, folder=tmp_path), range(4)))
    assert folders == {tmp_path / "servers/thing-v1"}
    assert len(built) == 1
    assert (folders.pop() / "program").read_text(encoding="ascii") == "x"


def test_a_build_that_fails_leaves_nothing_and_says_why(tmp_path):
    def build(folder):
        (folder / "half").write_text("x", encoding="ascii")
        server_cache.run(["sh", "-c", "echo no route to the proxy; exit 1"], "thing", "it needs a proxy")
    with pytest.raises(server_cache.CannotBuild, match="needs a proxy(?s:.)*no route"):
        server_cache.cached("thing", "v1", build, folder=tmp_path)
    assert [each.name for each in (tmp_path / "servers").iterdir()] == [".thing-v1.lock"]
    with pytest.raises(server_cache.CannotBuild, match="without no-such-tool"):
        server_cache.run(["no-such-tool"], "thing", "it needs one")


def test_the_command_is_told_where_the_server_is(real):
    store = real
    told = store.command_environment()
    assert told == {"AWS_ACCESS_KEY_ID": ROOT.access, "AWS_SECRET_ACCESS_KEY": ROOT.secret, "AWS_REGION": REGION,
                    "AWS_ENDPOINT_URL": store.url}
    assert object_store.versitygw().is_file()
