"""What was taken away behind the forwarder's back: the plugin's permission, the slot, the end of the log, its place.

Each is noticed, named and safe: the exit code and the sentence say what is wrong and what to do, the lake still
verifies, and after that everything goes on with nothing lost and nothing twice, or, where the server has thrown away
what was not shipped, under a new source id beside the old log.
"""

import shutil
import signal

import pytest

from harness import forwarder
from harness.app import LAKE, OK, SOURCE, App, last_sentence
from harness.cluster import Cluster, lsn_number, lsn_text, wait_until
from harness.database import Database
from harness.lake import Lake


@pytest.fixture(scope="module")
def cluster():
    """A server of its own: its allow-list changes."""
    with Cluster(name="lost") as running:
        yield running


@pytest.fixture
def app(cluster, tmp_path, request):
    with Database(cluster, request.node.name) as database:
        made = App(database, tmp_path)
        yield made
        if made.running is not None:
            made.running.stop()


# ---- the state of a source ----

def streaming(app, **segment):
    """A log of some rows, and a forwarder that streams."""
    app.create().ship()
    running = app.run(config=app.configure(**segment) if segment else None)
    forwarder.wait_until_streaming(running, app.cluster, app.slot)
    return running


def wait_shipped(app):
    forwarder.wait_shipped(app.running, app.lake, app.oracle.transactions()[-1].end_lsn)


def ended(app, code):
    """The running forwarder ends by itself with this code; its last sentence."""
    assert app.running.wait(30) == code, app.running.log_text()
    return last_sentence(app.running.log_text())


def sound(app, source=forwarder.SOURCE):
    done = forwarder.verify(app.lake, source)
    assert done.returncode == OK, done


def objects(app):
    return [path.name for path in Lake(app.lake, forwarder.SOURCE).objects()]


def ids(app, source=forwarder.SOURCE):
    """The rows in a log, in its order."""
    return [int(change.new["id"]) for transaction in Lake(app.lake, source).transactions()
            for change in transaction.changes]


def events(app, name):
    return [line for line in app.running.log_lines() if line.get("event") == name]


def goes_on_under_a_new_id(app, slot):
    """What the sentences advise where the server has forgotten: a new log beside the old one, which stays as it is."""
    before = objects(app)
    config = app.configure("new.toml", source="cell1.new", slot=slot)
    done = forwarder.command("slot", "create", "-c", config)
    assert done.returncode == OK, done.stderr
    app.insert(2)
    last = app.database.value("SELECT max(id) FROM t")
    with app.run(config=config) as running:
        wait_until(lambda: last in ids(app, "cell1.new") or not running.running(), 30, "the new log")
        assert running.terminate() == OK
    assert ids(app, "cell1.new") == [last - 1, last]
    assert objects(app) == before
    sound(app)
    sound(app, "cell1.new")


# ---- output_plugin_libraries ----

def allow(cluster, libraries):
    cluster.configure({"output_plugin_libraries": libraries})
    cluster.query("SELECT pg_reload_conf()")
    wait_until(lambda: cluster.value("SHOW output_plugin_libraries") == libraries, 20, "the reload")


def end_walsender(app):
    app.cluster.query("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s",
                      (app.slot,))


def test_the_plugin_taken_off_the_list_is_waited_out(app):
    """As in a minor upgrade whose new configuration came without it: nobody has to restart anything."""
    if not app.cluster.knows("output_plugin_libraries"):
        pytest.skip("this server has no output_plugin_libraries")
    running = streaming(app)
    try:
        allow(app.cluster, "test_decoding")
        app.insert(2)
        wait_shipped(app)
        end_walsender(app)
        wait_until(lambda: len(events(app, "refused")) >= 3 or not running.running(), 60, "refusals")
        assert running.running(), running.log_text()
        line = events(app, "refused")[0]
        assert line["level"] == "error" and line["sqlstate"] == "42501"
        assert "add wal2lake to output_plugin_libraries in postgresql.conf and reload" in line["message"]
        app.insert(2)
        # Whoever starts it in this state has something to correct first.
        second = forwarder.Forwarder(app.config, app.folder / "second.log")
        with second.start():
            assert second.wait(20) == SOURCE
        assert "add wal2lake to output_plugin_libraries" in last_sentence(second.log_text())
    finally:
        allow(app.cluster, "wal2lake, test_decoding")
    wait_shipped(app)
    assert running.terminate() == OK
    app.complete()
    sound(app)


# ---- the slot ----

def drop_slot(app):
    """Also from under a reader."""
    def gone():
        end_walsender(app)
        return not app.cluster.query("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND active", (app.slot,))
    wait_until(gone, 30, "the reader to be gone")
    app.cluster.query("SELECT pg_drop_replication_slot(%s)", (app.slot,))


def held(app, rows):
    """A forwarder that has received these rows and has not shipped them."""
    running = streaming(app, max_age="1h")
    app.insert(rows)
    wait_until(lambda: f'"transactions":{rows},' in running.log_text(), 20, "the rows to be received")
    assert len(ids(app)) < app.database.value("SELECT count(*) FROM t")
    return running


def while_asleep(app, change):
    """What happens to the slot while the forwarder cannot see it."""
    app.running.signal(signal.SIGSTOP)
    try:
        change()
    finally:
        app.running.signal(signal.SIGCONT)


def test_a_slot_dropped_while_streaming(app):
    """What was received before is shipped first: it is nowhere else any more."""
    held(app, 4)
    while_asleep(app, lambda: drop_slot(app))
    sentence = ended(app, SOURCE)
    assert f'slot "{app.slot}" does not exist any more' in sentence and "new source id" in sentence
    assert lsn_text(forwarder.tail_end(app.lake)) in sentence
    app.complete()
    sound(app)
    goes_on_under_a_new_id(app, app.slot)


def test_a_slot_dropped_while_nothing_ran(app):
    app.create().ship()
    before = objects(app)
    drop_slot(app)
    for arguments in ([], ["--create-slot"]):
        sentence = app.refused(*arguments, code=SOURCE)
        assert f'slot "{app.slot}" does not exist any more' in sentence
    done = forwarder.command("slot", "create", "-c", app.config)
    assert done.returncode == LAKE and b"without a gap" in done.stderr
    assert objects(app) == before
    app.complete()
    sound(app)
    goes_on_under_a_new_id(app, app.slot)


def make_anew(app):
    """The slot again, under the same name; the row in between will never be sent."""
    drop_slot(app)
    app.insert(1)
    app.cluster.query("SELECT pg_create_logical_replication_slot(%s, 'wal2lake')", (app.slot,), app.database.name)
    app.insert(1)


@pytest.mark.parametrize("when", ["streaming", "down"])
def test_a_slot_made_anew_is_a_gap(app, when):
    """Its rows are there to be had, and taking them would hide that one is missing."""
    if when == "streaming":
        held(app, 4)
        before = app.database.value("SELECT max(id) FROM t")
        while_asleep(app, lambda: make_anew(app))
        sentence = ended(app, LAKE)
    else:
        app.create().ship()
        before = app.database.value("SELECT max(id) FROM t")
        make_anew(app)
        sentence = app.refused(code=LAKE)
    assert sentence.startswith("gap:") and app.slot in sentence and "new source id" in sentence
    stands_at = app.cluster.value("SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s",
                                  (app.slot,))
    assert f"{lsn_text(forwarder.tail_end(app.lake))}..{lsn_text(lsn_number(stands_at))}" in sentence
    assert app.refused(code=LAKE) == sentence
    assert ids(app) == list(range(1, before + 1))
    sound(app)
    drop_slot(app)
    goes_on_under_a_new_id(app, app.slot)


# ---- the lake ----

def set_back(app, older):
    """The lake as a copy of it was, or an empty folder; what it was, to be put back."""
    newer = app.folder / "newer"
    app.lake.rename(newer)
    if older is None:
        app.lake.mkdir()
    else:
        shutil.copytree(older, app.lake)
    return newer


def put_back(app, newer):
    shutil.rmtree(app.lake)
    newer.rename(app.lake)


def older_copy(app):
    """A copy of the log, hint and all, behind which the log goes on."""
    app.create().ship()
    return shutil.copytree(app.lake, app.folder / "older")


def test_a_lake_restored_from_an_older_copy(app):
    older = older_copy(app)
    app.ship()
    newer = set_back(app, older)
    before = objects(app)
    app.insert(2)
    sentence = app.refused(code=LAKE)
    assert sentence.startswith("gap:") and app.slot in sentence and "restore the missing objects" in sentence
    assert lsn_text(forwarder.tail_end(app.lake)) + ".." in sentence
    assert objects(app) == before
    sound(app)
    put_back(app, newer)
    app.ship()
    app.complete()
    sound(app)


@pytest.mark.parametrize("kind", ["older copy", "not mounted"])
def test_a_lake_set_back_under_a_running_forwarder(app, kind):
    """The next object would hang in the air; it is not put, and nothing is acknowledged."""
    older = older_copy(app)
    running = app.run()
    forwarder.wait_until_streaming(running, app.cluster, app.slot)
    app.insert(3)
    wait_shipped(app)
    wait_until(lambda: events(app, "acknowledged"), 20, "the acknowledgement")
    end = forwarder.tail_end(app.lake)
    newer = set_back(app, older if kind == "older copy" else None)
    before = objects(app)
    app.insert(2)
    sentence = ended(app, LAKE)
    assert "has vanished" in sentence and str(app.lake) in sentence and lsn_text(end) in sentence
    assert objects(app) == before
    # A service manager starts it again, to the same effect, until the lake is back.
    app.refused(code=LAKE)
    assert objects(app) == before
    if kind == "older copy":
        sound(app)
    put_back(app, newer)
    app.ship()
    app.complete()
    sound(app)


# ---- the source id ----

def unharmed(app, refused):
    """The first source ships on, before and after the second was refused."""
    app.insert(2)
    wait_shipped(app)
    refused()
    app.insert(2)
    wait_shipped(app)
    assert app.running.terminate() == OK
    app.complete()
    sound(app)


def other_app(database, app):
    """A second source that claims the id and the lake of the first."""
    folder = app.folder / "second"
    folder.mkdir()
    second = App(database, folder)
    second.config = second.configure(lake=app.lake, slot=app.slot)
    return second


def test_the_same_id_on_another_server(app):
    """Also where the slot and the database are called the same."""
    streaming(app)
    with Cluster(name="second") as cluster, Database(cluster, "second") as database:
        second = other_app(database, app)
        database.execute(f"SELECT pg_create_logical_replication_slot('{app.slot}', 'wal2lake')")
        second.insert(2)

        def refused():
            sentence = second.refused(code=LAKE)
            assert "another server" in sentence and forwarder.SOURCE in sentence and "own source id" in sentence
            done = forwarder.command("slot", "create", "-c", second.config)
            assert done.returncode == LAKE and b"already has a log" in done.stderr
        unharmed(app, refused)
        goes_on = second.configure("own.toml", lake=app.lake, slot=app.slot, source="cell2.main")
        assert forwarder.command("slot", "create", "-c", goes_on).returncode == OK
        with second.run(config=goes_on) as running:
            wait_until(lambda: ids(app, "cell2.main") == [1, 2] or not running.running(), 30, "the log of its own")
            assert running.terminate() == OK
        sound(app, "cell2.main")
        app.complete()


def test_the_same_id_in_another_database(app):
    """With a slot of its own, and by mistake with the slot of the first."""
    streaming(app)
    with Database(app.cluster, "second") as database:
        second = other_app(database, app)
        own = f"{database.name}_own"
        database.execute(f"SELECT pg_create_logical_replication_slot('{own}', 'wal2lake')")
        second.insert(2)

        def refused():
            sentence = second.refused(code=LAKE)
            assert f'was written from database "{app.database.name}"' in sentence and "own source id" in sentence
            config = second.configure("own.toml", lake=app.lake, slot=own)
            sentence = second.refused(code=LAKE, config=config)
            assert own in sentence and app.slot in sentence and "its own id" in sentence
        unharmed(app, refused)
