"""The policy of docs/stores.md is enough for a forwarder and all that reads, and no more: it cannot remove or replace
what the log is made of."""

import json
import re
from pathlib import Path

import pytest

from harness import forwarder
from harness.app import App
from harness.cluster import wait_until
from harness.object_store import BUCKET, REGION, RealS3
from harness.sigv4 import Credentials

DOCS = Path(__file__).resolve().parents[2] / "docs/stores.md"
FORWARDER = Credentials("AKIAFORWARDER", "secret+of+the+forwarder")


def policy(prefix, without=None):
    """As printed, with names put in. `without` leaves one action out."""
    text = re.search(r"<!-- policy: .*?-->\n```json\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)[1]
    made = json.loads(text.replace("FORWARDER", FORWARDER.access).replace("BUCKET", BUCKET).replace("PREFIX", prefix))
    for statement in made["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        statement["Action"] = [action for action in actions if action != without]
    made["Statement"] = [statement for statement in made["Statement"] if statement["Action"]]
    return json.dumps(made)


@pytest.fixture(scope="module")
def store():
    with RealS3() as server:
        server.add_user(FORWARDER)
        yield server


@pytest.fixture
def app(database, tmp_path, store):
    made = App(database, tmp_path)
    made.prefix = f"production/{database.name}"
    text = made.config.read_text(encoding="utf-8").replace(
        f'url = "file://{made.lake}"',
        f'url = "s3://{BUCKET}/{made.prefix}"\nendpoint = "{store.url}"\nregion = "{REGION}"')
    made.config.write_text(text.replace('max_size = "64MiB"', 'max_size = "64KiB"'), encoding="utf-8")
    made.lake = store.data / BUCKET / made.prefix
    return made


def keys():
    return {"AWS_ACCESS_KEY_ID": FORWARDER.access, "AWS_SECRET_ACCESS_KEY": FORWARDER.secret}


def test_the_policy_is_enough(app, tmp_path, store):
    """For all that a forwarder and its readers do."""
    store.set_policy(policy(app.prefix))

    def command(*arguments):
        done = forwarder.command(*arguments, "-c", app.config, env=keys())
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout.decode()

    command("slot", "create")
    running = forwarder.Forwarder(app.config, tmp_path / "forwarder.log")
    app.oracle = app.database.oracle()
    with running.start(environment=keys()):
        app.insert(3)
        wanted = app.oracle.transactions()[-1].end_lsn
        wait_until(lambda: forwarder.tail_end(app.lake) >= wanted, 30, "the bucket to have it")
        assert running.terminate() == 0, running.log_text()[-2000:]
    app.complete()
    assert "sound" in command("verify")
    command("status")
    findings = json.loads(forwarder.command("doctor", "-c", app.config, "--json", env=keys()).stdout)["findings"]
    assert [finding for finding in findings if "lake" in finding["code"]] == []
    assert "store_refused" not in running.log_text()


@pytest.mark.parametrize("action", ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"])
def test_each_right_is_needed(app, store, action):
    """Without it a start says so, and what to do."""
    store.set_policy(policy(app.prefix, without=action))
    done = forwarder.command("slot", "create", "-c", app.config, env=keys())
    assert done.returncode == 5, done
    said = done.stderr.decode()
    assert "403" in said and FORWARDER.secret not in said and said.count("\n") == 1, said


def test_it_allows_nothing_else(store):
    store.set_policy(policy("production"))
    mine = store.client_of(FORWARDER)
    segment = "production/cell1/log/00000001/0000000000000000.w2l"
    for key in segment, "elsewhere/secret", "production/cell1/parts/left":
        store.client.put(key, b"bytes")
    assert mine.request("DELETE", segment).status == 403
    for method in "GET", "PUT", "DELETE":
        assert mine.request(method, "elsewhere/secret").status == 403, method
    assert mine.request("GET", segment).status == 200, "or the rest would say nothing"
    assert mine.request("DELETE", "production/cell1/parts/left").status == 204
