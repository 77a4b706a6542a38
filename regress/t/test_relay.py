"""The relay breaks a connection in the ways that a network does, and mends it."""

import http.client
import time

import pytest

from harness.relay import TcpRelay
from harness.scripted_s3 import ScriptedS3


@pytest.fixture
def server():
    with ScriptedS3() as started:
        started.client.put("k", b"x")
        yield started


@pytest.fixture
def relay(server):
    with TcpRelay(server.port) as started:
        yield started


def through(server, relay, timeout=5):
    """A client of the server by way of the relay; the server is signed for by the relay's name."""
    client = server.client.but(timeout=timeout)
    return client.but(url=client.url._replace(netloc=f"127.0.0.1:{relay.port}"))


def test_it_passes_on(server, relay):
    client = through(server, relay)
    body = bytes(range(256)) * 20_000
    client.put("large", body)
    assert client.get("large") == body
    assert client.keys() == ["k", "large"]


@pytest.mark.parametrize("reset", [True, False])
def test_a_cut_ends_open_connections_only(server, relay, reset):
    client = through(server, relay)
    connection = client.connection()
    connection.connect()
    connection.sock.sendall(b"GET ")
    time.sleep(0.1)
    relay.cut(reset)
    if reset:
        with pytest.raises(ConnectionResetError):
            connection.sock.recv(1)
    else:
        assert connection.sock.recv(1) == b""
    connection.close()
    assert client.get("k") == b"x"


def test_it_refuses_and_opens_again(server, relay):
    client, port = through(server, relay), relay.port
    relay.refuse()
    with pytest.raises(ConnectionRefusedError):
        client.get("k")
    relay.open()
    assert relay.port == port
    assert client.get("k") == b"x"


def test_silence_is_for_good_for_those_who_were_there(server, relay):
    client = through(server, relay, timeout=0.3)
    old = client.connection()
    old.connect()
    time.sleep(0.1)
    relay.silence()
    with pytest.raises(TimeoutError):
        client.get("k")
    relay.end_silence()
    assert client.get("k") == b"x"
    old.request("GET", "/lake/k")
    with pytest.raises(TimeoutError):
        old.getresponse()
    old.close()


def test_one_request_can_bring_the_silence(server):
    with TcpRelay(server.port, b"PUT /lake/fatal") as relay:
        client = through(server, relay, timeout=0.3)
        client.put("other", b"x")
        with pytest.raises(TimeoutError):
            client.put("fatal", b"x")
        assert relay.silent.is_set()
        assert client.head("fatal") is None


def test_a_hold_loses_nothing(server, relay):
    client = through(server, relay, timeout=0.3)
    relay.hold()
    with pytest.raises(TimeoutError):
        client.put("late", b"x")
    relay.release()
    deadline = time.monotonic() + 5
    while client.head("late") is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert client.get("late") == b"x"


def test_a_delay(server, relay):
    relay.delay = 0.1
    began = time.monotonic()
    assert through(server, relay).get("k") == b"x"
    assert time.monotonic() - began >= 0.2


def test_a_server_that_is_down_is_down_through_it(server, relay):
    server.down()
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        through(server, relay).get("k")
    server.up()
    assert through(server, relay).get("k") == b"x"


def test_flapping_ends_open(server, relay):
    client, good, bad = through(server, relay), 0, 0
    with relay.flapping(up=0.1, down=0.1):
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            try:
                good += client.get("k") == b"x"
            except (OSError, http.client.HTTPException):
                bad += 1
            time.sleep(0.01)
    assert good
    assert bad
    assert client.get("k") == b"x"
