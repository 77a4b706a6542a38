"""A bucket that cannot be had ends a start within seconds, with the exit code of the store and one sentence that says what to do;
and `doctor` says the same."""

import json
import time

import pytest

from harness import forwarder
from harness.app import App
from harness.object_store import BUCKET, REGION, ROOT, RealS3

QUICK = 15


@pytest.fixture(scope="module")
def store():
    with RealS3() as server:
        yield server


@pytest.fixture(scope="module")
def secure():
    with RealS3(tls=True) as server:
        yield server


def app_of(database, folder, server, *, bucket=BUCKET, endpoint=None, region=REGION):
    app = App(database, folder)
    text = app.config.read_text(encoding="utf-8").replace(
        f'url = "file://{app.lake}"',
        f'url = "s3://{bucket}/settings"\nendpoint = "{endpoint or server.url}"\nregion = "{region}"')
    app.config.write_text(text, encoding="utf-8")
    return app


def keys(credentials=ROOT):
    return {"AWS_ACCESS_KEY_ID": credentials.access, "AWS_SECRET_ACCESS_KEY": credentials.secret}


CASES = {
    "no such bucket": ({"bucket": "nobodys-bucket"}, keys(), ("nobodys-bucket", "NoSuchBucket")),
    "another region": ({"region": "us-west-2"}, keys(), ("lake.region",)),
    "a wrong secret": ({}, keys(ROOT._replace(secret="notTheSecret")), ("SignatureDoesNotMatch", "credentials")),
    "an unknown key": ({}, keys(ROOT._replace(access="AKIANOBODY")), ("403", "credentials")),
    "no credentials": ({}, {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}, ("no credentials found",)),
}


@pytest.mark.parametrize("what", CASES)
def test_a_start_that_cannot_work_says_so_and_ends(database, tmp_path, store, what):
    settings, environment, words = CASES[what]
    app = app_of(database, tmp_path, store, **settings)
    ends_with_a_sentence(app, tmp_path, environment, words)


def test_a_certificate_that_nobody_vouches_for(database, tmp_path, secure):
    ends_with_a_sentence(app_of(database, tmp_path, secure), tmp_path, keys(), ("certificate", "lake.ca_file"))


def ends_with_a_sentence(app, tmp_path, environment, words):
    began = time.monotonic()
    running = forwarder.Forwarder(app.config, tmp_path / "forwarder.log").start(environment=environment)
    try:
        assert running.wait(QUICK) == 5, running.log_text()
    finally:
        running.stop()
    assert time.monotonic() - began < QUICK
    last = running.log_lines()[-1]
    assert last["event"] == "finished" and last["exit_code"] == 5
    for word in words:
        assert word in last["message"], last["message"]
    assert "\n" not in last["message"] and "notTheSecret" not in running.log_text()
    done = forwarder.command("doctor", "-c", app.config, "--json", env=environment)
    assert done.returncode == 2, done
    said = " ".join(json.dumps(finding) for finding in json.loads(done.stdout)["findings"] if finding["code"].startswith("lake"))
    assert words[0] in said, done.stdout
    assert "notTheSecret" not in said


def test_an_endpoint_without_a_scheme_is_refused_before_anything(database, tmp_path, store):
    app = app_of(database, tmp_path, store, endpoint="127.0.0.1:9000")
    done = forwarder.command("run", "-c", app.config, env=keys())
    assert done.returncode == 2 and b"https://" in done.stderr, done
