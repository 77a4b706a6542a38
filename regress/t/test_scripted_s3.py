"""The scripted S3 server does what its script says, and counts it: what a test concludes from a fault depends on it."""

import datetime
import http.client
import time

import pytest

from harness import s3_faults as faults
from harness import sigv4
from harness.object_store import self_signed
from harness.s3_client import S3Error, content_md5
from harness.scripted_s3 import ACCOUNT, ScriptedS3
from harness.store_checks import race

CUT = (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected)


@pytest.fixture
def server():
    with ScriptedS3() as started:
        yield started


@pytest.fixture
def client(server):
    return server.client.but(timeout=5)


def answer(got):
    return got.status, got.code


# ---- connections ----

def test_half_a_body(server, client):
    client.put("k", b"0123456789")
    rule = server.on("get", faults.half_body)
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.get("k")
    assert caught.value.partial == b"01234"
    assert rule.over
    assert client.get("k") == b"0123456789"
    server.on("put", faults.half_body)
    # Python takes half a head for a whole one.
    assert "etag" not in client.put("half", b"x").headers
    assert "etag" in client.put("half", b"x").headers


@pytest.mark.parametrize(("fault", "kept"), [(faults.reset_before, False), (faults.reset_after, True),
                                             (faults.lost_reply, True), (faults.reset_in_upload, False)])
def test_a_lost_connection_before_and_after_the_commit(server, client, fault, kept):
    server.on("put_if_absent", fault)
    with pytest.raises(CUT):
        client.put_if_absent("k", b"x" * 5_000_000)
    assert (client.head("k") is not None) == kept
    assert client.put_if_absent("k", b"y") != kept
    assert [each.committed for each in server.seen("put_if_absent")] == [kept, True]
    assert server.seen("put_if_absent")[0].status == 0


def test_a_reset_is_a_reset_and_a_close_is_none(server, client):
    server.on("head", faults.reset_before)
    with pytest.raises(ConnectionResetError) as caught:
        client.head("k")
    assert not isinstance(caught.value, http.client.RemoteDisconnected)
    server.on("head", faults.lost_reply)
    with pytest.raises(http.client.RemoteDisconnected):
        client.head("k")


def test_slow_answers_and_uploads(server, client):
    client.put("k", b"x" * 600)
    server.on("get", faults.slow(2000))
    began = time.monotonic()
    assert client.get("k") == b"x" * 600
    assert time.monotonic() - began > 0.3
    server.on("put", faults.slow_upload(2000))
    began = time.monotonic()
    client.put("slow", b"x" * 1000)
    assert time.monotonic() - began > 0.4
    assert client.get("slow") == b"x" * 1000


@pytest.mark.parametrize("committed", [False, True])
def test_a_hang(server, client, committed):
    server.on("put", faults.hang(committed))
    with pytest.raises(TimeoutError):
        client.but(timeout=0.2).put("k", b"x")
    assert (client.head("k") is not None) == committed


def test_a_store_that_is_down(server, client):
    client.put("k", b"x")
    url = server.url
    server.down()
    with pytest.raises(ConnectionRefusedError):
        client.get("k")
    server.up()
    assert server.url == url
    assert client.get("k") == b"x"


def test_a_kept_connection_serves_many_and_can_be_cut(server, client):
    connection = client.connection()
    headers = sigv4.sign("GET", "/lake/k", [], {"host": client.url.netloc}, b"", client.credentials, client.scope)
    client.put("k", b"x")
    for _ in range(3):
        connection.request("GET", "/lake/k", headers=headers)
        assert connection.getresponse().read() == b"x"
    socket = connection.sock
    server.cut()
    assert socket.recv(1) == b""
    connection.close()


# ---- answers ----

@pytest.mark.parametrize(("fault", "status", "code"), [
    (faults.CONFLICT, 409, "ConditionalRequestConflict"), (faults.PRECONDITION_FAILED, 412, "PreconditionFailed"),
    (faults.SLOW_DOWN, 503, "SlowDown"), (faults.SERVICE_UNAVAILABLE, 503, "ServiceUnavailable"),
    (faults.INTERNAL_ERROR, 500, "InternalError"), (faults.TOO_MANY, 429, "TooManyRequests"),
    (faults.REQUEST_TIMEOUT, 400, "RequestTimeout"), (faults.ACCESS_DENIED, 403, "AccessDenied"),
    (faults.NO_SUCH_BUCKET, 404, "NoSuchBucket"), (faults.wrong_region("us-west-2"), 301, "PermanentRedirect"),
    (faults.answer(403, "ExpiredToken"), 403, "ExpiredToken")])
def test_an_error_is_answered_and_nothing_done(server, client, fault, status, code):
    server.on("put_if_absent", fault, times=2)
    for _ in range(2):
        assert answer(client.request("PUT", "k", (), {"if-none-match": "*"}, b"x")) == (status, code)
    assert client.head("k") is None
    assert client.put_if_absent("k", b"x")
    assert [(each.status, each.code, each.committed) for each in server.seen("put_if_absent")] == \
        [(status, code, False)] * 2 + [(200, "", True)]


def test_an_error_although_it_was_done(server, client):
    server.on("put_if_absent", faults.answer(500, "InternalError", committed=True))
    with pytest.raises(S3Error):
        client.put_if_absent("k", b"x")
    assert not client.put_if_absent("k", b"y")
    assert client.get("k") == b"x"


@pytest.mark.parametrize("committed", [False, True])
def test_an_error_in_a_good_status(server, client, committed):
    server.on("put", faults.error_in_200("InternalError", committed=committed))
    got = client.request("PUT", "k", body=b"x")
    assert got.status == 200
    assert b"<Error><Code>InternalError</Code>" in got.body
    assert (client.head("k") is not None) == committed
    assert server.seen("put")[0].code == "InternalError"


def test_wrong_bytes_and_broken_documents(server, client):
    client.put("k", b"0123456789")
    server.on("get", faults.wrong_bytes)
    assert client.get("k") == b"0123446789"
    assert client.get("k") == b"0123456789"
    server.on("list", faults.broken_xml)
    with pytest.raises(SyntaxError):
        client.keys()
    assert client.keys() == ["k"]
    server.on("get", faults.html_502)
    assert client.request("GET", "k").status == 502
    server.on("get", faults.not_http)
    with pytest.raises(http.client.BadStatusLine):
        client.get("k")


# ---- credentials and clock ----

def test_expired_credentials_until_they_change(server, client):
    new = sigv4.Credentials("AKIANEW", "another", "a token")
    server.accounts[new.access] = new
    server.expire(ACCOUNT)
    for _ in range(2):
        assert answer(client.request("PUT", "k", body=b"x")) == (400, "ExpiredToken")
    assert client.but(credentials=new).put_if_absent("k", b"x")
    assert answer(client.but(credentials=new._replace(token="")).request("GET", "k")) == (403, "InvalidToken")
    assert answer(client.but(credentials=new._replace(token="other")).request("GET", "k")) == (403, "InvalidToken")


def test_a_clock_that_is_off(server, client):
    server.clock_offset = 20 * 60
    refused = client.request("PUT", "k", body=b"x")
    assert answer(refused) == (403, "RequestTimeTooSkewed")
    then = datetime.datetime.strptime(refused.headers["date"], "%a, %d %b %Y %H:%M:%S GMT")
    then = then.replace(tzinfo=datetime.timezone.utc)
    assert abs((then - datetime.datetime.now(datetime.timezone.utc)).total_seconds() - 1200) < 5
    assert client.request("PUT", "k", body=b"x", now=then).status == 200


def test_the_right_region_is_named(server, client):
    refused = client.but(scope=sigv4.Scope("us-west-2")).request("GET", "k")
    assert answer(refused) == (400, "AuthorizationHeaderMalformed")
    assert b"<Region>eu-central-1</Region>" in refused.body


def test_a_fault_does_not_hide_a_bad_signature(server, client):
    server.on("put", faults.SLOW_DOWN, times=None)
    wrong = client.but(credentials=ACCOUNT._replace(secret="x"))
    assert answer(wrong.request("PUT", "k", body=b"x")) == (403, "SignatureDoesNotMatch")
    assert answer(client.request("PUT", "k", body=b"x")) == (503, "SlowDown")


# ---- rules and log ----

def test_rules_choose_and_count(server, client):
    rule = server.on("PUT", faults.SLOW_DOWN, key="log/", skip=1, times=2)
    statuses = [client.request("PUT", key, body=b"x").status for key in
                ("log/1", "other", "log/2", "log/3", "log/4")]
    assert statuses == [200, 200, 503, 503, 200]
    assert (rule.hits, rule.over) == (2, True)
    assert server.count("put") == 5
    assert server.count("PUT", rule=rule) == 2
    assert server.count("put", status=503, code="SlowDown") == 2
    client.keys()
    assert server.counts() == {"list": 1, "put": 5}
    server.on("any", faults.SLOW_DOWN, times=None)
    assert client.request("GET", "other").status == 503
    server.heal()
    assert client.request("GET", "other").status == 200
    server.forget_log()
    assert server.counts() == {}


def test_chance_is_repeatable():
    def run(seed):
        with ScriptedS3() as server:
            server.on("get", faults.SLOW_DOWN, times=None, chance=0.5, seed=seed)
            return [server.client.request("GET", "k").status for _ in range(40)]
    first = run(1)
    assert {503, 404} == set(first)
    assert first == run(1) != run(2)


# ---- what it demands of a client ----

def test_what_no_store_of_ours_sends_is_refused(client):
    for query in ([("uploads", "")], [("partNumber", "1"), ("uploadId", "x")]):
        assert client.request("PUT", "k", query, body=b"x").status == 501
    assert client.request("PUT", "k", (), {"content-encoding": "aws-chunked"}, b"x").status == 501
    assert client.request("PUT", "k", (), {"if-none-match": '"etag"'}, b"x").status == 501
    assert client.request("GET", "", [("list-type", "2"), ("delimiter", "/")]).status == 501
    assert client.request("POST", "k", body=b"x").status == 501
    assert answer(client.request("GET", "", [("list-type", "2"), ("max-keys", "many")])) == (400, "InvalidArgument")
    assert client.head("k") is None


def test_a_lifecycle_configuration(server, client):
    asked = [("lifecycle", "")]
    assert answer(client.request("GET", "", asked)) == (404, "NoSuchLifecycleConfiguration")
    server.objects.lifecycle = "<Rule><ID>tidy</ID></Rule>"
    got = client.request("GET", "", asked)
    assert got.status == 200 and b"<Rule><ID>tidy</ID></Rule></LifecycleConfiguration>" in got.body
    assert client.request("PUT", "", asked, body=b"x").status == 501
    assert server.count("lifecycle") == 2
    with ScriptedS3(flavour="gcs") as google:
        got = google.client.request("GET", "", asked)
        assert got.status == 200 and b"<LifecycleConfiguration></LifecycleConfiguration>" in got.body


def test_object_lock_needs_a_checksum(server, client):
    server.objects.needs_md5 = True
    assert answer(client.request("PUT", "k", body=b"x")) == (400, "InvalidRequest")
    assert client.request("PUT", "k", (), {"content-md5": content_md5(b"x")}, b"x").status == 200


def test_encryption_is_kept(client):
    asked = {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "key/1"}
    client.put("k", b"x", asked)
    assert {name: client.head("k")[name] for name in asked} == asked


def test_a_store_without_conditions():
    with ScriptedS3(conditional="refused") as server:
        assert answer(server.client.request("PUT", "k", (), {"if-none-match": "*"}, b"x")) == (501, "NotImplemented")
        assert server.client.head("k") is None


def test_tls(tmp_path):
    with ScriptedS3(certificate=self_signed(tmp_path)) as server:
        assert server.client.put_if_absent("k", b"x")
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            server.client.but(ca_file=None).get("k")


# ---- as GCS ----

def test_gcs_has_its_own_condition_and_signing():
    with ScriptedS3(flavour="gcs") as server:
        client = server.client
        assert client.put_if_absent("k", b"first")
        assert not client.put_if_absent("k", b"second")
        assert client.get("k") == b"first"
        assert client.head("k")["x-goog-generation"] == "1"
        assert client.keys(max_keys=1) == ["k"]
        wrong = client.but(credentials=ACCOUNT._replace(secret="x"))
        assert answer(wrong.request("GET", "k")) == (403, "SignatureDoesNotMatch")
        # S3's condition protects nothing there.
        assert client.request("PUT", "k", (), {"if-none-match": "*"}, b"third").status == 200
        assert client.get("k") == b"third"
        amazon = client.but(dialect=sigv4.AWS, scope=sigv4.Scope("auto"))
        assert amazon.get("k") == b"third"
        mixed = amazon.request("PUT", "k", (), {"x-goog-if-generation-match": "0"}, b"x")
        assert answer(mixed) == (400, "ExcessHeaderValues")


def test_s3_does_not_take_what_gcs_takes(server, client):
    assert client.but(dialect=sigv4.GOOG, scope=sigv4.Scope("auto", "storage")).request("GET", "k").status == 400
    assert client.request("PUT", "k", (), {"x-goog-if-generation-match": "0"}, b"x").status == 501


def test_one_of_many_conditional_puts_wins_by_generation():
    with ScriptedS3(flavour="gcs") as server:
        race(server.client, 20, 16)


def test_gcs_looks_at_region_date_and_body():
    with ScriptedS3(flavour="gcs") as server:
        client = server.client
        then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=20)
        assert answer(client.request("GET", "k", now=then)) == (403, "RequestTimeTooSkewed")
        assert client.but(scope=sigv4.Scope("elsewhere", "storage")).request("GET", "k").status == 400
        assert client.request("PUT", "k", body=b"x", body_hash=sigv4.sha256(b"y")).status == 400
        assert answer(client.request("PUT", "k", (), {"content-md5": content_md5(b"y")}, b"x")) == (400, "BadDigest")
        assert answer(client.request("GET", "k", signed=False)) == (403, "AccessDenied")
        assert client.head("k") is None
