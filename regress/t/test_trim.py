"""`wal2lake trim`: beside a running forwarder, killed in the middle, in a folder and in a bucket; and whoever wakes up
behind its mark does not go on there."""

import json
import os
import pty
import random
import signal
import subprocess
import time

import pytest

from harness import forwarder, tokens
from harness.app import LAKE, OK, USAGE, App, is_t
from harness.cluster import wait_until
from harness.compare import differences
from harness.lake import Lake, LakeError
from harness.object_store import BUCKET, REGION, ROOT, RealS3
from harness.source import Source, Writer


def lsn_text(lsn):
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def start_of(path):
    return int(path.stem, 16)


def trim(config, *arguments, code=OK, env=None):
    """What it printed; on standard error where it refused."""
    done = forwarder.command("trim", "-c", config, *arguments, env=env)
    assert done.returncode == code, (arguments, done.stdout, done.stderr)
    return (done.stderr if code else done.stdout).decode()


def complete_from_mark(lake, database):
    """The log holds what the witness saw behind the newest mark; the mark."""
    keys = tokens.keys_of(database.cluster.key_file.read_text())
    mark = lake.mark()
    wanted = [each for each in lake.oracle.transactions() if each.end_lsn > mark.lsn]
    assert wanted and differences(lake.transactions(), wanted, is_t, keys) == []
    return mark


def witnessed(source):
    lake = Lake(source.lake, forwarder.SOURCE)
    lake.oracle = source.oracle
    return lake


def test_beside_a_running_forwarder(database, tmp_path, seed, note):
    """Trims, some of them killed, and verifies at any moment: nothing behind the mark is lost or twice."""
    rng = random.Random(seed)
    source = Source(database, tmp_path, max_age="100ms")
    lake, trims, killed = witnessed(source), 0, 0
    source.start()
    with Writer(database):
        wait_until(lambda: len(lake.objects()) > 8, 30, "some segments")
        deadline = time.monotonic() + 12
        while time.monotonic() < deadline:
            before = len(lake.objects())
            wait_until(lambda: len(lake.objects()) > before + 3 or not source.running.running(), 30, "more segments")
            cut = rng.choice(lake.objects()[-4:])
            command = [forwarder.binary(), "trim", "-c", source.config, "--before-lsn", lsn_text(start_of(cut)), "--yes"]
            running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if trims % 2:
                time.sleep(rng.uniform(0.002, 0.03))
                running.kill()
                running.communicate()
                killed += running.returncode == -signal.SIGKILL
            else:
                said, complained = running.communicate(timeout=30)
                assert running.returncode == OK, complained
                assert b"the log begins at" in said
            verified = forwarder.verify(source.lake)
            assert verified.returncode == OK, (verified.stdout, verified.stderr)
            trims += 1
        assert source.running.running(), source.running.log_text()[-2000:]
    assert source.running.terminate() == OK
    source.ship_all()
    trim(source.config, "--before-lsn", "0/1", "--yes")
    mark = complete_from_mark(lake, database)
    assert [start_of(path) for path in lake.objects()][:2] == [0, mark.lsn], "the last one finished what was begun"
    verified = forwarder.verify(source.lake)
    assert verified.returncode == OK and b"trimmed, sound" in verified.stdout, verified.stdout
    shown = forwarder.command("cat", source.lake).stdout.splitlines()
    assert len(shown) == sum(len(each.changes) for each in lake.transactions())
    note(f"{trims} trims, {killed} of them killed, seed {seed}")
    assert trims >= 8 and killed >= 2


@pytest.mark.parametrize("time_of_it", [1, 3])
def test_who_wakes_up_behind_the_mark_does_not_go_on(database, tmp_path, time_of_it):
    """It slept in the middle of a put, also of the first one: the name it takes is free again, and must count for nothing."""
    source = Source(database, tmp_path, max_age="100ms")
    lake = witnessed(source)
    first, second = source.another("first.log"), source.another("second.log")
    with Writer(database):
        with first.start(failpoint=f"put.temp_written=stop@{time_of_it}"):
            wait_until(first.stopped, 30, "the first to stand still")
            forwarder.take_slot_away(source.cluster, source.slot)
            had = len(lake.objects())
            with second.start(*forwarder.OTHER_BYTES):
                wait_until(lambda: len(lake.objects()) > had + 4, 30, "the second to ship")
                trim(source.config, "--before-lsn", lsn_text(start_of(lake.objects()[-1])), "--yes")
                kept = [start_of(path) for path in lake.objects()][:2]
                first.signal(signal.SIGCONT)
                assert first.wait(30) == LAKE, first.log_text()[-2000:]
                assert "trimmed the log while this process stood still" in first.said_last()
                assert [start_of(path) for path in lake.objects()][1] < kept[1], "it took the name that was free"
                assert forwarder.verify(source.lake).returncode == OK
                # Nobody else minds; and another start is all it takes.
                assert second.terminate() == OK
    source.ship_all()
    trim(source.config, "--before-lsn", "0/1", "--yes")
    assert [start_of(path) for path in lake.objects()][:2] == kept
    complete_from_mark(lake, database)


@pytest.fixture(name="trimmed")
def shipped_app(database, tmp_path):
    """A log of five segments or more, with its forwarder at rest."""
    app = App(database, tmp_path).create()
    for _ in range(5):
        app.ship(1)
    return app


def test_what_it_says_and_refuses(trimmed):
    app, lake = trimmed, Lake(trimmed.lake, forwarder.SOURCE)
    objects = lake.objects()
    middle = lsn_text(start_of(objects[3]))
    before = {path: path.read_bytes() for path in objects}
    assert "repeat with --yes" in trim(app.config, "--before-lsn", middle, code=USAGE)
    would = json.loads(trim(app.config, "--before-lsn", middle, "--dry-run", "--json"))
    assert would == {"source": forwarder.SOURCE, "dry_run": True, "segments": 2, "segments_below_earlier_mark": 0,
                     "parts": 0, "bytes": sum(len(before[path]) for path in objects[1:3]), "new_mark": True,
                     "first_kept": str(objects[3].relative_to(app.lake)), "start_lsn": middle}
    for arguments, code, said in (
            (["--before-lsn", lsn_text(start_of(objects[-1]) + (1 << 40))], USAGE, "beyond the end"),
            (["--older-than", "soon"], USAGE, "--older-than \"soon\""),
            (["--older-than", "-1d"], USAGE, "-1d"),
            (["--before-lsn", "soon"], USAGE, "no LSN"),
            (["--before-lsn", middle, "--older-than", "1d"], USAGE, "give one of"),
            ([], USAGE, "give one of"),
            (["--older-than", "1d", "--source", "other"], LAKE, "no log of source \"other\""),
            (["--older-than", "1d", "--source", "Other"], USAGE, "not valid")):
        assert said in trim(app.config, *arguments, "--yes", code=code)
    assert "nothing to delete, the log begins at its genesis" in trim(app.config, "--older-than", "1d", "--yes")
    assert {path: path.read_bytes() for path in lake.objects()} == before and lake.mark() is None

    assert "deleted 2 segments" in trim(app.config, "--before-lsn", middle, "--yes")
    assert lake.objects() == [objects[0], *objects[3:]] and lake.mark().lsn == start_of(objects[3])
    assert "nothing to delete" in trim(app.config, "--before-lsn", "0/1", "--yes")
    # A log without a beginning is a log: nobody begins another one.
    done = forwarder.command("slot", "create", "-c", app.config)
    assert done.returncode == LAKE and b"already has a log" in done.stderr
    state = json.loads(forwarder.command("status", "-c", app.config, "--json").stdout)
    assert state[0]["verdict"] == "ok", state
    assert json.loads(forwarder.command("verify", "-c", app.config, "--json").stdout)["trimmed"] is True
    app.ship(1)
    # Everything is older than a millisecond: the tail stays.
    trim(app.config, "--older-than", "1ms", "--yes")
    assert lake.objects() == [objects[0], lake.objects()[-1]]
    app.ship(1)
    assert len(lake.transactions()) == 2 and forwarder.verify(app.lake).returncode == OK


def test_a_damaged_mark_is_named(trimmed):
    app, lake = trimmed, Lake(trimmed.lake, forwarder.SOURCE)
    trim(app.config, "--before-lsn", lsn_text(start_of(lake.objects()[3])), "--yes")
    mark = lake.mark().path
    mark.write_text(mark.read_text().replace("seq", "sec"))
    with pytest.raises(LakeError, match=mark.name):
        lake.segments()
    assert mark.name in trim(app.config, "--older-than", "1d", "--yes", code=LAKE)
    verified = forwarder.verify(app.lake)
    assert verified.returncode == LAKE and mark.name.encode() in verified.stdout
    done = forwarder.command("cat", app.lake)
    assert done.returncode == LAKE and mark.name.encode() in done.stderr
    findings = json.loads(forwarder.command("doctor", "-c", app.config, "--json").stdout)["findings"]
    assert [each["code"] for each in findings if mark.name in json.dumps(each)] == ["log-damaged"]


def on_terminal(*arguments, answer):
    """Run the command on a terminal and answer its question. Its exit code and all that was seen."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(forwarder.binary(), [forwarder.binary(), *map(str, arguments)], forwarder.clean_environment())
    seen = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        seen += piece
        if piece and b"[y/N] " in piece:
            os.write(terminal, answer)
        if not piece:
            break
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()


def test_it_asks_on_a_terminal(trimmed):
    app, lake = trimmed, Lake(trimmed.lake, forwarder.SOURCE)
    objects = lake.objects()
    arguments = "trim", "-c", app.config, "--before-lsn", lsn_text(start_of(objects[2]))
    code, seen = on_terminal(*arguments, answer=b"\n")
    assert code == OK and "delete 1 segment and 0 parts" in seen and "nothing was deleted" in seen
    assert lake.objects() == objects and lake.mark() is None
    code, seen = on_terminal(*arguments, answer=b"y\n")
    assert code == OK and "deleted 1 segment and 0 parts" in seen
    assert lake.objects() == [objects[0], *objects[2:]]


def test_in_a_bucket(database, tmp_path):
    with RealS3() as server:
        app, name = App(database, tmp_path), "trimmed lake"
        url, keys = f"s3://{BUCKET}/{name}", {"AWS_ACCESS_KEY_ID": ROOT.access, "AWS_SECRET_ACCESS_KEY": ROOT.secret}
        app.config.write_text(app.config.read_text(encoding="utf-8").replace(
            f'url = "file://{app.lake}"', f'url = "{url}"\nendpoint = "{server.url}"\nregion = "{REGION}"'),
            encoding="utf-8")
        app.lake = server.data / BUCKET / name
        assert forwarder.command("slot", "create", "-c", app.config, env=keys).returncode == OK
        app.oracle = database.oracle()
        lake = witnessed(app)
        running = forwarder.Forwarder(app.config, tmp_path / "forwarder.log")
        with running.start(environment=keys):
            with Writer(database):
                for _ in range(3):
                    had = len(lake.objects())
                    wait_until(lambda: len(lake.objects()) > had + 5, 30, "some segments")
                    trim(app.config, "--before-lsn", lsn_text(start_of(lake.objects()[-2])), "--yes", env=keys)
                    done = forwarder.command("verify", "-c", app.config, env=keys)
                    assert done.returncode == OK and b"trimmed, sound" in done.stdout, (done.stdout, done.stderr)
            assert running.terminate() == OK, running.log_text()[-2000:]
        mark = complete_from_mark(lake, database)
        # Leftovers of a trim that was interrupted are not log.
        tail = lake.objects()[-1]
        behind = tail.with_name(f"{mark.lsn - 8:016x}.w2l")
        server.client_of().put(f"{name}/{behind.relative_to(app.lake)}", tail.read_bytes())
        assert forwarder.command("verify", "-c", app.config, env=keys).returncode == OK
        shown = forwarder.command("cat", "-c", app.config, url, env=keys)
        assert shown.returncode == OK and len(shown.stdout.splitlines()) == len(lake.transactions())
        assert "1 of them below an earlier mark" in trim(app.config, "--older-than", "1d", "--yes", env=keys)
        assert not behind.exists()
