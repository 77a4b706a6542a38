"""Bad input on the server's side: one sentence that names the thing and the fix, nothing sent, nothing lost.

The forwarder's side is in test_bad_input_forwarder.py.
"""

import base64
import hashlib
import hmac
import os
import re

import pytest

from harness.cluster import Cluster, random_key
from harness.database import Database
from harness.values import WITHHELD

GOOD_KEYS = f"k2026 {random_key()}\n"


@pytest.fixture(scope="module")
def keyed():
    """A server whose key file the tests break and repair."""
    with Cluster(keys=GOOD_KEYS, name="keys") as cluster:
        yield cluster


@pytest.fixture
def app(keyed):
    """A hashed row that waits in a slot."""
    keyed.write_keys(GOOD_KEYS)
    with Database(keyed, "app") as database:
        database.execute("CREATE TABLE t (id bigint PRIMARY KEY, email text)")
        database.label("t", id="green", email="red hash domain=email")
        database.slot = database.plugin_slot()
        database.execute("INSERT INTO t VALUES (1, 'a@example.com')")
        database.expected = database.slot.peek()
        yield database
        keyed.configure({"wal2lake.key_file": keyed.key_file})
        keyed.reload()
        keyed.write_keys(GOOD_KEYS)
        assert database.slot.peek() == database.expected, "the row should still be there, unchanged"


def refusal(slot):
    """The sentence with which decoding refuses: error and hint, no data."""
    with pytest.raises(Exception) as refused:
        slot.peek()
    diagnostics = refused.value.diag
    assert refused.value.pgcode == "F0000", refused.value
    assert "wal2lake" in diagnostics.context, "the context names slot and plugin"
    return diagnostics.message_primary + " | " + (diagnostics.message_hint or "")


SECRET = random_key()
BAD_CONTENT = {
    "empty": ("", "holds no key"),
    "comments only": ("# nothing\n\n", "holds no key"),
    "no base64": (f"k2026 {'!' * 44}\n", "line 1"),
    "too short": (f"k2026 {base64.b64encode(bytes(range(16))).decode()}\n", "line 1"),
    "too long": (f"k2026 {base64.b64encode(bytes(range(48))).decode()}\n", "line 1"),
    "id only": ("k2026\n", "line 1"),
    "bad id": (f"K/2026 {SECRET}\n", "line 1"),
    "zero": (f"k2026 {base64.b64encode(bytes(32)).decode()}\n", "all zero"),
    "twice": (f"k2026 {SECRET}\nk2026 {random_key()}\n", "line 2"),
    "no id": (f"{SECRET}\n", "line 1"),
    "second line": (f"k2026 {SECRET}\nnonsense\n", "line 2"),
    "two keys, no label": (f"k2025 {SECRET}\nk2026 {random_key()}\n", "does not say which"),
    "large": ("#" * 20000 + f"\nk2026 {SECRET}\n", "larger than"),
}


@pytest.mark.parametrize("case", BAD_CONTENT)
def test_a_malformed_key_file_is_refused_by_line(app, case):
    content, words = BAD_CONTENT[case]
    offset = app.cluster.log_size()
    app.cluster.write_keys(content)
    sentence = refusal(app.slot)
    assert words in sentence, sentence
    log = app.cluster.log_text(offset)
    assert SECRET not in sentence + log and SECRET[:20] not in sentence + log


def test_a_missing_key_file_is_named(app):
    app.cluster.key_file.unlink()
    assert str(app.cluster.key_file) in refusal(app.slot)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o666])
def test_an_open_key_file_is_refused_with_the_command(app, mode):
    app.cluster.write_keys(GOOD_KEYS, mode)
    sentence = refusal(app.slot)
    assert str(app.cluster.key_file) in sentence and "chmod 0600" in sentence and f"{mode:04o}" in sentence


def point_to(cluster, path):
    cluster.configure({"wal2lake.key_file": path})
    cluster.reload()


def test_a_symbolic_link_is_refused(app):
    link = app.cluster.base / "link"
    link.symlink_to(app.cluster.key_file)
    point_to(app.cluster, link)
    assert "symbolic link" in refusal(app.slot)
    link.unlink()


def test_a_key_file_in_the_data_directory_is_refused(app):
    inside = app.cluster.data / "keys"
    inside.write_text(GOOD_KEYS)
    os.chmod(inside, 0o600)
    if os.geteuid() == 0:
        os.chown(inside, app.cluster.user.pw_uid, app.cluster.user.pw_gid)
    point_to(app.cluster, inside)
    assert "data directory" in refusal(app.slot)
    inside.unlink()


@pytest.mark.parametrize("path, words", [("relative/keys", "absolute"), ("/tmp", "not a regular file"),
                                         ("/dev/null", "not a regular file"), ("", "wal2lake.key_file")])
def test_a_path_that_is_no_key_file_is_refused(app, path, words):
    point_to(app.cluster, path)
    assert words in refusal(app.slot)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_key_file_of_somebody_else_is_refused(app):
    os.chown(app.cluster.key_file, 12345, 12345)
    sentence = refusal(app.slot)
    assert str(app.cluster.key_file) in sentence and ("owned" in sentence or "Permission denied" in sentence)


def check_digits(keys):
    """Of the first key of a key file's text."""
    secret = base64.b64decode(keys.split()[1])
    return hmac.new(secret, b"wal2lake/v1/check", hashlib.sha256).hexdigest()[:8]


def test_other_bytes_under_the_same_id_are_refused(app):
    """A standby with another file must not go on with other tokens under the same name."""
    app.execute(f"SECURITY LABEL FOR wal2lake ON DATABASE {app.name} IS 'key=k2026 check={check_digits(GOOD_KEYS)}'")
    assert app.slot.peek() == app.expected
    app.cluster.write_keys(f"k2026 {random_key()}\n")
    assert "is not the key that the database label means" in refusal(app.slot)
    app.execute(f"SECURITY LABEL FOR wal2lake ON DATABASE {app.name} IS NULL")


def test_wrong_check_digits_are_refused_by_the_label(app):
    with pytest.raises(Exception, match=f"are {check_digits(GOOD_KEYS)}, not 00000000"):
        app.execute(f"SECURITY LABEL FOR wal2lake ON DATABASE {app.name} IS 'key=k2026 check=00000000'")


def test_a_source_that_hashes_nothing_needs_no_key(app):
    """An unlabelled primary key is hashed where there is a key; where there is none it is withheld, and nothing stops."""
    app.cluster.configure({"wal2lake.key_file": ""})
    app.cluster.reload()
    with Database(app.cluster, "keyless") as keyless:
        keyless.execute("CREATE TABLE t (id bigint PRIMARY KEY, a text)", "CREATE TABLE late (id bigint PRIMARY KEY)")
        keyless.label("t", a="green")
        slot = keyless.plugin_slot()
        keyless.execute("INSERT INTO t VALUES (1, 'clear')", "INSERT INTO late VALUES (1)")
        keyless.label("late", id="green")
        keyless.execute("INSERT INTO late VALUES (2)")
        changes = [change for transaction in slot.transactions() for change in transaction.changes]
        assert [(change.table, change.new) for change in changes] == [
            ("public.t", {"id": WITHHELD, "a": "clear"}), ("public.late", {"id": "2"})]
        with pytest.raises(Exception, match="there is no key"):
            keyless.label("t", a="red hash")
            slot.peek()


def test_a_slot_without_a_key_is_refused_at_creation_too(app):
    app.cluster.key_file.unlink()
    with pytest.raises(Exception, match="key file"):
        app.plugin_slot("another")


BAD_LABELS = {
    "purple": "class \"purple\" is unknown", "": "label", "red clear": "clear is legal", "green hash domain=": "domain",
    "red shred": "neither an action", "red hash domain=a b": "unexpected", "RED": "unknown",
    "red drop domain=x": "domain is legal with hash only", "red hash domain=" + "x" * 300: "longer than 256",
    "red hash domain=check": "check"}


@pytest.mark.parametrize("label", BAD_LABELS)
def test_a_bad_label_is_refused_and_nothing_changes(app, label):
    with pytest.raises(Exception) as refused:
        app.label("t", email=label)
    assert refused.value.pgcode == "22023", refused.value
    assert re.match("invalid wal2lake label: .", refused.value.diag.message_primary)
    assert BAD_LABELS[label] in refused.value.diag.message_primary
    assert app.value("SELECT label FROM wal2lake.policy WHERE column_name = 'email'") == "red hash domain=email"


def test_a_label_on_something_else_is_refused(app):
    for target in ("SCHEMA public", "ROLE postgres", "VIEW wal2lake.policy"):
        with pytest.raises(Exception, match="wal2lake"):
            app.execute(f"SECURITY LABEL FOR wal2lake ON {target} IS 'green'")


def test_a_hash_that_the_type_cannot_have_is_refused(app):
    app.execute("ALTER TABLE t ADD COLUMN document jsonb")
    with pytest.raises(Exception, match="jsonb") as refused:
        app.label("t", document="red hash")
    assert refused.value.pgcode == "0A000"
    app.label("t", document="red drop")
