"""The forwarder against an S3 store that fails: nothing lost, nothing twice by ledger and test_decoding, it never gives up, and
goes on within half a minute after the fault ends. Those that mostly wait run at the same time."""

import concurrent.futures
import contextlib
import os
import random
import re
import time
from pathlib import Path

import pytest

from harness import forwarder, s3_faults as faults, secrecy
from harness.cluster import Cluster
from harness.database import Database
from harness.exactly_once import Forwarded
from harness.lake_place import Bucket, environment_without_keys, write_credentials
from harness.ledger import Load
from harness.network import Network
from harness.object_store import BUCKET, RealS3
from harness.relay import TcpRelay
from harness.scripted_s3 import ScriptedS3
from harness.sigv4 import Credentials

LONG = bool(os.environ.get("WAL2LAKE_LONG"))
LOST_REPLIES = 1000 if LONG else 100
DOWN = 600 if LONG else 20
RECOVERY = 30
# A store that refuses is asked again after a pause that is fixed, and somebody has to act first.
REFUSED = 60
# So little that reading has to wait for the store soon.
SMALL = {"max_size": "256KiB", "extra": '[memory]\nbudget = "1MiB"\n'}
MANY_MB = 64


@pytest.fixture(scope="module")
def cluster():
    with Cluster({"checkpoint_timeout": "1h"}, name="s3-faults") as running:
        yield running


@pytest.fixture
def forwarded(cluster, tmp_path, note):
    """Ledgers by name, each forwarded into a bucket of its own server; `load` belongs to the caller."""
    made = []

    def make(name, server, *, lake=None, **more):
        database = Database(cluster, name)
        folder = tmp_path / name
        folder.mkdir()
        place = Bucket(server, folder / "copies", **(lake or {}))
        run = Forwarded(cluster, database.__enter__(), folder, place, lambda text: note(f"{name}: {text}"), **more)
        made.append(run)
        run.prepare()
        return run
    yield make
    for run in made:
        run.main.stop()
        run.database.__exit__()


def load_of(run, seed=1, **more):
    return Load(run.cluster, run.database.name, seed, **more)


def events(run, name, since=0):
    return [line for line in run.main.log_lines()[since:] if line["event"] == name]


def shipped_since(run, now=None, timeout=60):
    """Seconds until the lake has what is committed now."""
    wanted, began = now or run.cluster.flush_lsn(), time.monotonic()
    run.wait_for(lambda: run.place.tail_end() >= wanted, "the lake to go on", timeout)
    run.require_running(run.main)
    return time.monotonic() - began


def recovers(run, what, most=RECOVERY, reached=None):
    """The first segment after now, by the lake or by another measure of how far it is."""
    reached = reached or run.place.tail_end
    before, began = reached(), time.monotonic()
    run.wait_for(lambda: reached() > before, f"a segment after {what}", 90)
    run.require_running(run.main)
    took = time.monotonic() - began
    run.note(f"{what}: a segment after {took:.1f} s")
    assert took <= most
    return took


def memory_kib(run, which="VmRSS"):
    return int(re.search(rf"{which}:\s+(\d+) kB", Path(f"/proc/{run.main.process.pid}/status").read_text()).group(1))


# ---- answers that are lost or wrong ----

def test_lost_replies(forwarded, seed, note):
    """A put that was carried out and not answered is not put twice; one that was not carried out is put."""
    with ScriptedS3() as server:
        run = forwarded("lost", server, max_age="100ms")
        run.begin()
        # Several in a row make the pauses longer. The second rule is asked for what the first one lets pass.
        lost = server.on("put_if_absent", faults.lost_reply, times=LOST_REPLIES // 2, chance=0.35, seed=seed)
        before = server.on("put_if_absent", faults.reset_before, times=LOST_REPLIES - LOST_REPLIES // 2, chance=0.45,
                           seed=seed + 1)
        with load_of(run, seed) as load:
            run.start()
            run.wait_for(lambda: lost.over and before.over, "all replies to be lost", LOST_REPLIES)
            run.require_running(run.main)
            load.finish()
        note(f"{lost.hits} replies lost, {before.hits} requests; {server.counts()}; "
             f"{server.count('put_if_absent', status=412)} met what was there")
        assert lost.hits + before.hits == LOST_REPLIES
        assert server.count("put_if_absent", status=412) >= lost.hits // 4, "what was put was met again"
        assert run.judge(load) == []


def test_bytes_that_arrive_wrong(forwarded):
    """Once is none: what a put meets whose reply was lost, and the tail at a start, are read once more. Always is damage."""
    with ScriptedS3() as server:
        run = forwarded("wrong", server, max_age="100ms")
        run.begin()
        wrong = {}

        def lost(exchange):
            key = exchange.request.key
            if key in wrong or len(wrong) == 5:
                exchange.proceed()
                return
            wrong[key] = server.on("get", faults.wrong_bytes, key=key)
            faults.lost_reply(exchange)
        with load_of(run) as load:
            run.start()
            recovers(run, "nothing")
            server.on("put_if_absent", lost, key="/log/", times=None)
            run.wait_for(lambda: len(wrong) == 5 and all(each.over for each in wrong.values()), "wrong bytes of what exists", 60)
            recovers(run, "wrong bytes of what exists")
            run.main.kill9()
            tail, said = server.on("get", faults.wrong_bytes, key="/log/"), len(run.main.log_lines())
            run.start()
            recovers(run, "wrong bytes of the tail")
            assert tail.over
            [failed] = events(run, "store_failed", said)
            assert "arrived damaged: " in failed["message"] and failed["message"].endswith("; trying again")
            run.main.kill9()
            always = server.on("get", faults.wrong_bytes, key="/log/", times=None)
            run.start()
            assert run.main.wait(20) == 3
            assert always.hits == 2
            assert "is damaged: " in events(run, "finished")[-1]["message"]
            server.heal()
            run.start()
            recovers(run, "a lake that is sound")
            load.finish()
        assert run.judge(load) == []


# What passes by itself; wrong bytes of a segment have a test of their own, since twice in a row they are damage. Of each request some
# meet one of them.
PASSING = [faults.half_body, faults.reset_before, faults.reset_after, faults.lost_reply, faults.reset_in_upload,
           faults.early_refusal, faults.error_in_200(), faults.error_in_200(committed=True), faults.error_in_200("SlowDown"),
           faults.html_502, faults.not_http, faults.broken_xml, faults.CONFLICT, faults.PRECONDITION_FAILED, faults.SLOW_DOWN,
           faults.SERVICE_UNAVAILABLE, faults.INTERNAL_ERROR, faults.TOO_MANY, faults.REQUEST_TIMEOUT, faults.delay(0.3),
           faults.answer(500, "InternalError", committed=True), faults.answer(503, "SlowDown", committed=True)]


def any_fault(seed):
    chosen, rng = [], random.Random(seed)

    def fault(exchange):
        # A 412 is an answer to a condition; without one it would be a store that is broken.
        allowed = [each for each in PASSING
                   if exchange.request.kind == "put_if_absent" or each is not faults.PRECONDITION_FAILED]
        each = rng.choice(allowed)
        chosen.append(each)
        each(exchange)
    return fault, chosen


def test_a_mix_of_everything_that_passes(forwarded, seed, note):
    """With kills in between, so that tails are found through it, too."""
    with ScriptedS3() as server:
        run = forwarded("mix", server, max_age="100ms")
        run.begin()
        fault, chosen = any_fault(seed)
        rule = server.on("any", fault, times=None, chance=0.25, seed=seed)
        rng = random.Random(seed)
        with load_of(run, seed, large_every=2) as load:
            for _ in range(60 if LONG else 6):
                run.start()
                time.sleep(rng.uniform(1, 3))
                run.require_running(run.main)
                run.main.kill9()
            run.start()
            time.sleep(3)
            note(f"{rule.hits} faults of {len(set(chosen))} kinds in {server.count()} requests")
            assert rule.hits >= 30
            # While they go on, three requests in a row may take any time to succeed.
            server.heal()
            server.on("put_if_absent", faults.SLOW_DOWN, times=3)
            recovers(run, "a mix of faults, and a store that is busy once more")
            load.finish()
        assert run.judge(load, 60) == []


# ---- what lasts ----

def outage(forwarded, server):
    """The store is away while more is written than may be buffered: memory stays flat, and then it catches up."""
    run = forwarded("outage", server, max_age="300ms", **SMALL)
    run.begin()
    with load_of(run, large_every=DOWN / 20, pause=DOWN / 2000) as load:
        run.start()
        time.sleep(2)
        run.require_running(run.main)
        server.down()
        began, commits, start_lsn = time.monotonic(), load.commits(), run.cluster.flush_lsn()
        highest = 0
        while time.monotonic() - began < DOWN:
            time.sleep(0.5)
            run.require_running(run.main)
            highest = max(highest, memory_kib(run))
        missing, lasted, wanted = load.commits() - commits, time.monotonic() - began, run.cluster.flush_lsn()
        server.up()
        first = recovers(run, f"an outage of {lasted:.0f} s")
        caught_up = max(shipped_since(run, wanted, DOWN), 0.05)
        load.finish()
    assert events(run, "paused"), "more was written than is buffered"
    ingest, catch_up = missing / lasted, missing / caught_up
    run.note(f"{missing} commits and {(wanted - start_lsn) >> 20} MiB of WAL in {lasted:.0f} s, at most {highest >> 10} MiB of "
             f"memory; first segment after {first:.1f} s, then level after {caught_up:.1f} s: {catch_up / ingest:.0f} times the ingest")
    assert highest >> 10 < MANY_MB
    assert catch_up >= 3 * ingest
    assert run.judge(load) == []


def expired(forwarded, server):
    """Credentials in a file expire: it waits, and goes on with new ones by itself. Changed in time there is no wait at all."""
    tokens = [Credentials(f"ASIAEXPIRES{number}", f"secret/{number}+of+a+test", f"token{number}==") for number in range(3)]
    server.accounts = {each.access: each for each in tokens}
    run = forwarded("expired", server, max_age="300ms")
    use_file(run, tokens[0])
    run.begin()
    with load_of(run) as load:
        run.start()
        time.sleep(1)
        # In time: the file changes, then the old ones expire.
        write_credentials(run.folder / "credentials", tokens[1])
        server.expire(tokens[0])
        recovers(run, "credentials changed in time", 5)
        assert not events(run, "store_refused")
        server.expire(tokens[1])
        run.wait_for(lambda: events(run, "store_refused"), "the refusal")
        refused = events(run, "store_refused")[-1]["message"]
        assert "ExpiredToken" in refused and "renew the credentials" in refused
        time.sleep(3)
        run.require_running(run.main)
        write_credentials(run.folder / "credentials", tokens[2])
        recovers(run, "new credentials", REFUSED)
        load.finish()
    assert run.judge(load) == []
    nothing_secret(run, tokens)


def use_file(run, credentials):
    """Its credentials come from a file; none are in its environment."""
    path = write_credentials(run.folder / "credentials", credentials)
    run.place.environment = {**environment_without_keys(run.place), "AWS_SHARED_CREDENTIALS_FILE": str(path)}
    run.main.environment = run.place.environment


POLICY = """{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*",
  "Resource": ["arn:aws:s3:::%s", "arn:aws:s3:::%s/*"]}]}""" % (BUCKET, BUCKET)


def rotated(forwarded, server):
    """The account is removed from a real server while it works, and another one is given."""
    users = [Credentials(f"AKIAROTATED{number}", f"rotated/{number}+of+a+test", "") for number in range(2)]
    server.add_user(users[0])
    server.set_policy(POLICY)
    run = forwarded("rotated", server, max_age="300ms")
    use_file(run, users[0])
    run.begin()
    with load_of(run) as load:
        run.start()
        time.sleep(1)
        run.require_running(run.main)
        server.remove_user(users[0])
        run.wait_for(lambda: events(run, "store_refused"), "the refusal")
        server.add_user(users[1])
        write_credentials(run.folder / "credentials", users[1])
        recovers(run, "another account", REFUSED)
        load.finish()
    assert run.judge(load) == []
    nothing_secret(run, users)


def half_open(forwarded, server):
    """Nothing passes, and nobody is told: not the connection that is there, nor those that come."""
    with TcpRelay(server.port) as relay:
        run = forwarded("half-open", server, lake={"url": f"http://127.0.0.1:{relay.port}"}, max_age="300ms")
        run.begin()
        with load_of(run) as load:
            run.start()
            recovers(run, "nothing")
            relay.silence()
            # Long enough for one exchange to be given up and the next to begin.
            time.sleep(120 if LONG else 17)
            run.require_running(run.main)
            relay.end_silence()
            recovers(run, "silence")
            assert "Operation too slow" in run.main.log_text()
            load.finish()
        assert run.judge(load) == []


def another_network(forwarded, server):
    """The store is behind a link that flaps, falls silent and is pulled, and comes back each time. Our own requests go the same
    way, so its log is asked what it shipped."""
    run, network = forwarded("network", server, max_age="100ms"), server.network

    def shipped():
        return len(events(run, "segment_written"))

    run.begin()
    with load_of(run) as load:
        run.start()
        recovers(run, "nothing", reached=shipped)
        for _ in range(100 if LONG else 8):
            network.down()
            time.sleep(0.3)
            network.up()
            time.sleep(0.3)
        recovers(run, "a link that flapped", reached=shipped)
        for fault, end in (network.silence, network.end_silence), (network.down, network.up):
            fault()
            time.sleep(1)
            before = shipped()
            time.sleep(120 if LONG else 10)
            run.require_running(run.main)
            assert shipped() == before
            end()
            recovers(run, f"a link with {fault.__name__}", reached=shipped)
        load.finish()
    assert run.judge(load) == []


def test_what_lasts(forwarded, note):
    """All at once, since each of them mostly waits."""
    with contextlib.ExitStack() as stack:
        away, expiring, silent = (stack.enter_context(ScriptedS3()) for _ in range(3))
        checks = [(outage, away), (expired, expiring), (half_open, silent), (rotated, stack.enter_context(RealS3()))]
        if os.geteuid() == 0:
            network = stack.enter_context(Network())
            checks.append((another_network, stack.enter_context(RealS3(network=network))))
        else:
            note("not tried behind a network: only root can make one")
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor())
        running = {pool.submit(check, forwarded, server): check.__name__ for check, server in checks}
        wrong = {name: done.exception() for done, name in
                 ((each, running[each]) for each in concurrent.futures.as_completed(running)) if done.exception()}
    for name, error in wrong.items():
        note(f"{name} failed: {error!r}")
    if wrong:
        raise next(iter(wrong.values()))


def test_a_network_that_is_cut_and_flaps(forwarded, seed):
    with RealS3() as server, TcpRelay(server.port) as relay:
        run = forwarded("cut", server, lake={"url": f"http://127.0.0.1:{relay.port}"}, max_age="100ms")
        run.begin()
        with load_of(run, seed) as load:
            run.start()
            for _ in range(200 if LONG else 20):
                time.sleep(0.15)
                relay.cut()
            with relay.flapping(up=0.3, down=0.4):
                time.sleep(30 if LONG else 5)
            recovers(run, "flapping")
            relay.refuse()
            time.sleep(2)
            relay.open()
            recovers(run, "a refusing host")
            load.finish()
        assert run.judge(load) == []
        assert server.client.keys()


def test_a_server_whose_clock_is_off(forwarded):
    """Twenty minutes from the start, and jumping to the other side while it works."""
    with ScriptedS3() as server:
        server.clock_offset = 20 * 60
        run = forwarded("clock", server, max_age="100ms")
        run.begin()
        with load_of(run) as load:
            run.start()
            recovers(run, "a clock that is ahead")
            server.clock_offset = -20 * 60
            recovers(run, "a clock that jumps back", 5)
            time.sleep(0.5)
            recovers(run, "that", 5)
            load.finish()
        warnings = [line["message"] for line in events(run, "store_warning") if "clock" in line["message"]]
        assert len(warnings) == 2 and "behind" in warnings[0] and "ahead of" in warnings[1], warnings
        assert not events(run, "store_refused") and not events(run, "store_failed")
        assert run.judge(load) == []


# More than the budget of wal2lake.example.toml, compressed too; at half of it reading waits.
VOLUME_MB, TRANSACTION_MB, BUDGET_MB = 448, 16, 256
# The program itself, a request on its way, and what the heap keeps.
BESIDE_MB = 64


def test_memory_with_the_default_budget(forwarded, note):
    """The store is away while more is written than may be held, in rows that do not compress."""
    with ScriptedS3() as server:
        run = forwarded("budget", server, max_age="300ms", max_size="64MiB")
        run.begin()
        run.database.execute("SECURITY LABEL FOR wal2lake ON COLUMN ledger.note IS 'green'",
                             "ALTER TABLE ledger ALTER note SET STORAGE EXTERNAL")
        run.start()
        forwarder.wait_until_streaming(run.main, run.cluster, run.slot)
        server.down()
        began = run.cluster.flush_lsn()
        # Written again it compresses no better: the compressor does not look back that far. Base64 has 6 bits in 8.
        rows = TRANSACTION_MB << 4
        run.database.execute(
            "CREATE TABLE pool AS SELECT i, n FROM generate_series(1, %d) i, LATERAL (SELECT "
            "string_agg(encode(sha512((random()::text || i || j)::bytea), 'base64'), '') n FROM generate_series(1, 735) j) s" % rows)
        for number in range(VOLUME_MB // TRANSACTION_MB):
            run.database.execute("INSERT INTO ledger (client, seq, txid, payee, note) "
                                 f"SELECT 1, {number * rows} + i, txid_current(), 'payee', n FROM pool")
        wanted = run.cluster.flush_lsn()
        written = wanted - began
        run.wait_for(lambda: events(run, "paused"), "reading to wait", 60)
        time.sleep(1)
        held = max(int(line["buffered_bytes"]) for line in events(run, "paused")) >> 20
        server.up()
        # What the server writes of itself is in no segment: one more row, so that there is one behind it.
        run.database.execute("INSERT INTO ledger (client, seq, txid, payee) VALUES (2, 1, txid_current(), 'payee')")
        took = shipped_since(run, wanted, timeout=60)
        peak = memory_kib(run, "VmHWM") >> 10
        note(f"{written >> 20} MiB of WAL, {held} MiB buffered when reading stopped, at most {peak} MiB of memory, level after {took:.1f} s")
        assert held >= BUDGET_MB // 2 - 1 and written >> 20 > BUDGET_MB
        assert peak < BUDGET_MB + BESIDE_MB
        assert run.main.terminate() == 0
        assert forwarder.command("verify", "-c", run.config, env=run.place.environment).returncode == 0


# ---- secrets ----

def nothing_secret(run, credentials):
    """No secret, no session token and no signature is where people look."""
    process = secrecy.of_process(run.main.process.pid) if run.main.running() else {}
    assert secrecy.found(credentials, {"log": run.main.log_text(), **process}) == []
