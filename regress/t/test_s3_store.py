"""A lake in a bucket, with a server that checks signatures and conditions and is not ours: the suite that every store
passes, and all commands by configuration, by environment and by URL."""

import json
import subprocess

import pytest

from harness import forwarder
from harness.app import App
from harness.cluster import wait_until
from harness.lake import Lake
from harness.object_store import BUCKET, REGION, ROOT, RealS3
from harness.scripted_s3 import ScriptedS3

# What is hard to sign, and must come back as it was.
PREFIX = "a=b+c d/ü%41"


@pytest.fixture(scope="module")
def real():
    with RealS3() as server:
        yield server


@pytest.fixture(scope="module")
def named():
    """One that also knows buckets by host name."""
    with RealS3(domain="localhost") as server:
        yield server


def conformance(server, *, environment=None, chosen="*"):
    """The suite over a server, by the environment alone."""
    done = subprocess.run([forwarder.built("store_conformance"), f"--gtest_filter={chosen}"], capture_output=True, text=True,
                          env={**server.command_environment(), "WAL2LAKE_TEST_STORE": f"s3://{BUCKET}/{PREFIX}",
                               **(environment or {})})
    return done.returncode, done.stdout + done.stderr


def test_the_suite_passes_on_a_real_server(real):
    code, said = conformance(real)
    assert code == 0, said[-3000:]
    assert "[  PASSED  ] 13 tests" in said
    assert real.client.keys() == []


def by_host_name(server):
    """The bucket is in the host's name, which libcurl finds on the loopback."""
    return {"AWS_ENDPOINT_URL": f"http://localhost:{server.port}", "WAL2LAKE_TEST_PATH_STYLE": "false"}


def test_the_suite_passes_with_the_bucket_in_the_host_name(named, real):
    code, said = conformance(named, environment=by_host_name(named))
    assert code == 0, said[-3000:]
    assert "[  PASSED  ] 13 tests" in said
    assert named.client.keys() == []
    # The same requests mean nothing to a server that knows no host names; or the bucket was in the path all the time.
    code, said = conformance(real, environment=by_host_name(real), chosen="*OverwriteReplaces*")
    assert code != 0 and "[  FAILED  ] StoreConformance.OverwriteReplaces" in said, said[-3000:]
    assert real.client.keys() == []


def test_the_suite_passes_over_tls_and_only_with_its_certificate():
    with RealS3(tls=True) as server:
        trusting = {"AWS_CA_BUNDLE": str(server.ca_file)}
        code, said = conformance(server, environment=trusting, chosen="*Creates*:*Large*:*InPages*")
        assert code == 0, said[-3000:]
        code, said = conformance(server, chosen="*OverwriteReplaces*")
        assert code != 0 and server.client.keys() == []


def test_the_suite_passes_on_the_scripted_server():
    """Otherwise what its faults show would say little."""
    with ScriptedS3() as server:
        code, said = conformance(server)
        assert code == 0, said[-3000:]


def test_the_suite_finds_a_server_that_heeds_no_condition():
    with ScriptedS3(conditional="ignored") as server:
        code, said = conformance(server, chosen="*Creates*")
        assert code != 0
        assert "[  FAILED  ] StoreConformance.CreatesOnceAndKeepsTheFirst" in said
        assert "[  FAILED  ] StoreConformance.OnlyOneOfManyCreates" in said


def bucket_app(database, folder, server, name, *, endpoint=None, lines=""):
    """An app whose lake is in the bucket. Endpoint and region stand in its file, keys in the environment of each call."""
    app = App(database, folder)
    url = f"s3://{BUCKET}/{name}"
    text = app.config.read_text(encoding="utf-8").replace(
        f'url = "file://{app.lake}"', f'url = "{url}"\nendpoint = "{endpoint or server.url}"\nregion = "{REGION}"\n{lines}')
    app.config.write_text(text, encoding="utf-8")
    if isinstance(server, RealS3):
        app.lake = server.data / BUCKET / name
    return app, url


def keys(credentials=ROOT):
    return {"AWS_ACCESS_KEY_ID": credentials.access, "AWS_SECRET_ACCESS_KEY": credentials.secret}


def command(*arguments, environment=None, code=0):
    done = forwarder.command(*arguments, env=environment or keys())
    assert done.returncode == code, (arguments, done.stdout, done.stderr)
    return done.stdout.decode()


def ship(app, folder):
    """From the slot's creation to the end of a forwarder, which is answered; its lake has all."""
    command("slot", "create", "-c", app.config)
    app.oracle = app.database.oracle()
    running = forwarder.Forwarder(app.config, folder / "forwarder.log")
    with running.start(environment=keys()):
        app.insert(3)
        wanted = app.oracle.transactions()[-1].end_lsn
        wait_until(lambda: forwarder.tail_end(app.lake) >= wanted, 30, "the bucket to have it")
        assert running.terminate() == 0, running.log_text()[-2000:]
    # The independent reader looks at the server's own files.
    app.complete()
    assert "sound" in command("verify", "-c", app.config)
    return running


def test_a_lake_in_a_bucket_that_is_a_host_name(database, tmp_path, named):
    app, _ = bucket_app(database, tmp_path, named, "by name", endpoint=f"http://localhost:{named.port}",
                        lines="path_style = false")
    ship(app, tmp_path)
    # Its file does decide: the bucket's name is no path's.
    app.config.write_text(app.config.read_text(encoding="utf-8").replace(f"localhost:{named.port}", f"127.0.0.1:{named.port}"),
                          encoding="utf-8")
    command("verify", "-c", app.config, code=5)


def test_a_lake_in_a_bucket(database, tmp_path, real):
    app, url = bucket_app(database, tmp_path, real, "lake of mine")
    running = ship(app, tmp_path)
    assert len(command("cat", "-c", app.config, url).splitlines()) == 3
    # A URL and the environment of AWS's tools are enough.
    assert "sound" in command("verify", "--lake", url, environment=real.command_environment())
    last = Lake(app.lake, forwarder.SOURCE).objects()[-1]
    assert command("cat", f"{url}/{last.relative_to(app.lake)}", environment=real.command_environment()) != ""
    state = json.loads(command("status", "-c", app.config, "--json"))
    assert state[0]["verdict"] == "ok", state
    findings = json.loads(forwarder.command("doctor", "-c", app.config, "--json", env=keys()).stdout)["findings"]
    assert [finding for finding in findings if "lake" in finding["code"]] == []
    assert [key for key in real.client.keys() if "/probe/" in key] == [], "the doctor cleans up"
    for said in (running.log_text(), str(findings)):
        assert ROOT.secret not in said and ROOT.access not in said


@pytest.mark.parametrize("manner", ["ignored", "racy"])
def test_a_store_that_lets_two_create_one_object_is_refused(database, tmp_path, manner):
    """Before a slot or a segment is made; and by a forwarder whose log was begun when the store was another."""
    with ScriptedS3(conditional=manner) as server:
        app, url = bucket_app(database, tmp_path, server, "promises")
        environment = {name: value for name, value in server.command_environment().items() if "KEY" in name}
        done = forwarder.command("slot", "create", "-c", app.config, env=environment)
        said = done.stderr.decode()
        assert done.returncode == 5, said
        assert f"{url} cannot keep a log exactly once" in said and "If-None-Match" in said and said.count("\n") == 1
        assert database.value("SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s", (app.slot,)) == 0
        running = forwarder.Forwarder(app.config, tmp_path / "forwarder.log").start(environment=environment)
        assert running.wait(30) == 5 and "cannot keep a log exactly once" in running.log_text()
        assert not [key for key in server.client.keys() if "/log/" in key]


def test_a_store_is_tried_once_a_day(database, tmp_path):
    with ScriptedS3() as server:
        app, _ = bucket_app(database, tmp_path, server, "tried")
        environment = {name: value for name, value in server.command_environment().items() if "KEY" in name}
        assert forwarder.command("slot", "create", "-c", app.config, env=environment).returncode == 0
        assert server.count("put_if_absent") >= 16 * 20
        before = server.count("put_if_absent")
        with forwarder.Forwarder(app.config, tmp_path / "forwarder.log").start(environment=environment) as running:
            forwarder.wait_until_streaming(running, database.cluster, app.slot)
            assert running.terminate() == 0
        assert server.count("put_if_absent") - before < 16


def test_a_wrong_secret_is_said_so(database, tmp_path, real):
    app, _ = bucket_app(database, tmp_path, real, "closed")
    wrong = keys(ROOT._replace(secret="notTheSecret"))
    done = forwarder.command("slot", "create", "-c", app.config, env=wrong)
    assert done.returncode == 5
    said = done.stderr.decode()
    assert "s3://lake/closed" in said and "403 SignatureDoesNotMatch" in said and "renew the credentials" in said
    assert "notTheSecret" not in said and said.count("\n") == 1
    assert real.client.keys("closed") == []
