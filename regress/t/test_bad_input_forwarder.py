"""Bad input to the command: one sentence that names the thing and the fix, the right exit code, nothing lost.

Each test that stops the forwarder goes on after the fix and finds every row in the lake.
"""

import re
import shutil

import pytest

from harness import forwarder
from harness.app import LAKE, OK, SOURCE, STORE, USAGE, App, last_sentence
from harness.cluster import Cluster, lsn_text, wait_until
from harness.database import Database
from harness.lake import Lake


@pytest.fixture
def app(database, tmp_path):
    made = App(database, tmp_path)
    yield made
    if made.running is not None:
        made.running.stop()


# ---- usage and configuration ----

@pytest.mark.parametrize("arguments, word", [
    (["frobnicate"], "frobnicate"), (["run", "--frobnicate"], "--frobnicate"), ([], "subcommand"),
    (["slot"], "subcommand"), (["slot", "frobnicate"], "frobnicate"), (["cat", "--frobnicate"], "--frobnicate"),
    (["verify", "--frobnicate"], "--frobnicate")])
def test_wrong_usage(arguments, word):
    done = forwarder.command(*arguments)
    assert done.returncode == USAGE and done.stdout == b""
    assert word in done.stderr.decode()


@pytest.mark.parametrize("text, words", [
    ("[lake]\nurll = 'file:///x'\n", ["w.toml:2", "lake.urll", "lake.url"]),
    ("[lake]\nurl = 'file:///x'\n[segmnet]\n", ["w.toml:3", "segmnet", "segment"]),
    ("[segment]\nmax_size = '64'\n", ["w.toml:2", "segment.max_size", "64MiB"]),
    ("[segment]\nmax_age = 60\n", ["w.toml:2", "segment.max_age"]),
    ("[[source]]\nid = 'CELL/1'\n", ["CELL/1"]),
    ("[[source]]\nid = 'a'\nslot = 'Not-A-Slot'\n", ["Not-A-Slot"]),
    ("[[source]]\nslot = 'wal2lake'\n", ["w.toml", "id"]),
    ("[lake]\nurl = 'ftp://x/y'\n[[source]]\nid = 'a'\n", ["ftp://x/y"]),
    ("[lake\n", ["w.toml:1"]),
    ("", ["source"]),
])
def test_a_wrong_configuration(tmp_path, text, words):
    config = tmp_path / "w.toml"
    config.write_text(text)
    done = forwarder.command("run", "-c", config, timeout=20)
    sentence = last_sentence(done.stderr.decode())
    assert done.returncode == USAGE, done
    assert [word for word in words if word not in sentence] == [], sentence


def test_a_missing_configuration(tmp_path):
    done = forwarder.command("run", "-c", tmp_path / "none.toml", timeout=20)
    assert done.returncode == USAGE and str(tmp_path / "none.toml") in last_sentence(done.stderr.decode())


def test_a_password_in_the_configuration_is_never_shown(app):
    """Whatever is done about it, no line repeats it."""
    config = app.configure("secret.toml", conninfo=app.cluster.conninfo("nowhere") + " password=hunter2secret")
    done = forwarder.command("slot", "list", "-c", config, timeout=20)
    assert done.returncode != OK and b"hunter2secret" not in done.stdout + done.stderr


# ---- the source ----

def test_a_slot_that_does_not_exist(app):
    sentence = app.refused(code=SOURCE)
    assert app.slot in sentence and "slot create" in sentence
    app.create().ship()
    app.complete()


def test_a_slot_of_another_plugin(app):
    app.database.execute(f"SELECT pg_create_logical_replication_slot('{app.slot}', 'test_decoding')")
    sentence = app.refused(code=SOURCE)
    assert app.slot in sentence and "test_decoding" in sentence
    assert not Lake(app.lake, forwarder.SOURCE).objects()


def test_a_slot_of_another_database(app):
    with Database(app.cluster, "elsewhere") as other:
        other.execute(f"SELECT pg_create_logical_replication_slot('{app.slot}', 'wal2lake')")
        sentence = app.refused(code=SOURCE)
        assert app.slot in sentence and other.name in sentence


def test_a_database_that_does_not_exist(app):
    sentence = app.refused(code=SOURCE, config=app.configure(conninfo=app.cluster.conninfo("nowhere")))
    assert "nowhere" in sentence and "dbname" in sentence


def test_a_role_without_replication(app):
    app.cluster.query("CREATE ROLE weak LOGIN")
    try:
        app.create()
        config = app.configure(conninfo=app.cluster.conninfo(app.database.name, "weak"))
        assert "REPLICATION" in app.refused(code=SOURCE, config=config)
    finally:
        app.cluster.query("DROP ROLE weak")


def test_a_slot_in_use_is_waited_for(app):
    """Most often the reader is our own former connection, so this is no reason to end."""
    app.create().insert(2)
    second = forwarder.Forwarder(app.config, app.folder / "second.log")
    with app.run() as first:
        forwarder.wait_until_streaming(first, app.cluster, app.slot)
        with second.start():
            wait_until(lambda: "in use" in second.log_text(), 20, "a line about the slot in use")
            assert second.running() and app.slot in second.log_text()
            first.kill9()
            app.insert(2)
            forwarder.wait_shipped(second, app.lake, app.oracle.transactions()[-1].end_lsn)
            assert second.terminate() == OK
    app.complete()


def test_a_key_file_that_breaks_stops_the_source_and_nothing_is_lost(tmp_path):
    with Cluster(name="key") as cluster, Database(cluster, "app") as database:
        app = App(database, tmp_path).create()
        app.insert(2)
        good = cluster.key_file.read_text()
        cluster.write_keys("nonsense\n")
        sentence = app.refused(code=SOURCE)
        assert str(cluster.key_file) in sentence and "line 1" in sentence
        cluster.write_keys(good, 0o644)
        assert "chmod 0600" in app.refused(code=SOURCE)
        cluster.write_keys(good)
        app.ship()
        app.complete()


def test_an_unknown_plugin_option(app):
    app.create()
    config = app.configure(extra='options = { unheard_of = "1" }\n')
    with app.run(config=config) as running:
        assert running.wait(20) in (LAKE, SOURCE)
    assert "option" in last_sentence(running.log_text())


def test_a_plugin_of_another_format_is_refused_by_both_numbers(app):
    """As an older forwarder meets a newer plugin, or the other way round; `doctor` says the same."""
    app.create()
    config = app.configure("other.toml", extra='options = { format_version = "2" }\n')
    sentence = app.refused(code=SOURCE, config=config)
    assert 'format version "2" was asked for, and this version of wal2lake sends 1' in sentence
    done = forwarder.command("doctor", "-c", config)
    assert b'format version "2" was asked for, and this version of wal2lake sends 1' in done.stdout
    app.ship()
    app.complete()


def test_the_format_is_asked_for(app):
    """Whether or not anybody configured it: the command on the wire names it."""
    offset = app.cluster.log_size()
    app.cluster.query("ALTER SYSTEM SET log_replication_commands = on")
    app.cluster.query("SELECT pg_reload_conf()")
    try:
        app.create().ship()
        assert re.search(r"START_REPLICATION SLOT .*\"format_version\" '1'", app.cluster.log_text(offset))
    finally:
        app.cluster.query("ALTER SYSTEM RESET log_replication_commands")
        app.cluster.query("SELECT pg_reload_conf()")


# ---- the lake ----

def test_a_used_slot_without_its_log(app):
    app.create().ship()
    shutil.rmtree(app.lake)
    sentence = app.refused(code=LAKE)
    assert app.slot in sentence and str(app.lake) in sentence


def test_a_lake_of_another_source(app):
    app.create().ship()
    (app.lake / forwarder.SOURCE).rename(app.lake / "cell2.main")
    sentence = app.refused(code=LAKE, config=app.configure("other.toml", source="cell2.main"))
    assert forwarder.SOURCE in sentence and "cell2.main" in sentence
    (app.lake / "cell2.main").rename(app.lake / forwarder.SOURCE)
    app.ship()
    app.complete()


def test_a_lake_of_another_slot(app):
    app.create().ship()
    app.database.plugin_slot("another_slot")
    sentence = app.refused(code=LAKE, config=app.configure("other.toml", slot="another_slot"))
    assert "another_slot" in sentence and app.slot in sentence


def segments_of(app, count=3):
    """A log of some segments."""
    app.create()
    for _ in range(count):
        app.ship()
    objects = Lake(app.lake, forwarder.SOURCE).objects()
    assert len(objects) > count
    return objects


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)


def verify_refuses(app, path):
    """`verify` by folder and by configuration, each naming the object."""
    for done in (forwarder.verify(app.lake), forwarder.command("verify", "-c", app.config)):
        assert done.returncode == LAKE, done
        assert path.name in done.stderr.decode() + done.stdout.decode()


def test_a_sound_lake_verifies(app):
    segments_of(app)
    for done in (forwarder.verify(app.lake), forwarder.command("verify", "-c", app.config)):
        assert done.returncode == OK, done


@pytest.mark.parametrize("position", [0, 1, -1])
def test_a_damaged_segment(app, position):
    path = segments_of(app)[position]
    good = path.read_bytes()
    damage(path)
    verify_refuses(app, path)
    if position != 0:
        done = forwarder.command("cat", path)
        assert done.returncode == LAKE and path.name in done.stderr.decode()
    if position == -1:
        sentence = app.refused(code=LAKE)
        assert path.name in sentence and "verify" in sentence
        path.write_bytes(good)
        app.ship()
        app.complete()


def test_a_missing_segment_in_the_middle(app):
    path = segments_of(app)[1]
    start = lsn_text(int(path.stem, 16))
    path.unlink()
    for done in (forwarder.verify(app.lake), forwarder.command("verify", "-c", app.config)):
        assert done.returncode == LAKE, done
        assert f"gap: the segment before ends at {start}" in done.stdout.decode() + done.stderr.decode()


def test_cat_of_what_is_not_there(tmp_path):
    done = forwarder.command("cat", tmp_path / "none.w2l")
    assert done.returncode in (USAGE, STORE) and b"none.w2l" in done.stderr


# ---- the store ----

def test_a_lake_that_cannot_be_a_folder(app):
    app.create()
    blocked = app.folder / "file"
    blocked.write_text("not a folder")
    for arguments in (["run", "-c"], ["slot", "create", "-c"]):
        config = app.configure("blocked.toml", lake=blocked / "lake", slot=app.slot if arguments[0] == "run" else "new")
        done = forwarder.command(*arguments, config, timeout=20)
        assert done.returncode == STORE, done
        assert str(blocked) in last_sentence(done.stderr.decode())


def test_a_full_disk_is_waited_out(app, small_disk):
    """It says so, goes on by itself when there is room, and nothing is lost, also over a kill -9 in between."""
    app.lake = small_disk.folder / "lake"
    app.config = app.configure(lake=app.lake)
    app.create().ship()
    ballast = small_disk.fill()
    app.insert(5)
    with app.run() as running:
        wait_until(lambda: "store_failed" in running.log_text() or not running.running(), 20, "a line about the store")
        assert running.running(), running.log_text()
        line = next(line for line in running.log_lines() if line.get("event") == "store_failed")
        assert "No space left on device" in line["message"] and str(app.lake) in line["message"]
        running.kill9()
        app.insert(5)
        running.start()
        wait_until(lambda: running.log_text().count("store_failed") > 1 or not running.running(), 20,
                   "it to fail again")
        ballast.unlink()
        forwarder.wait_shipped(running, app.lake, app.oracle.transactions()[-1].end_lsn)
        assert running.terminate() == OK
    assert "store_recovered" in running.log_text()
    app.complete()
