"""A lake in Google Cloud Storage, against a script of ours, and in Azure's Blob storage, against Microsoft's emulator: the suite
that every store passes, a forwarder, and what is said where they refuse."""

import json
import subprocess
from typing import Callable, NamedTuple

import pytest

from harness import forwarder
from harness.app import App
from harness.azure import ACCOUNT, CONTAINER, Azurite
from harness.cluster import wait_until
from harness.lake import Lake
from harness.relay import TcpRelay
from harness.scripted_s3 import BUCKET, ScriptedS3

# What is hard to sign, and must come back as it was.
PREFIX = "a=b+c d/ü%41"
ALL = "rcwdl"


class Cloud(NamedTuple):
    name: str
    server: object
    url: str
    # For the file of the configuration.
    endpoint: str
    # What the environment must say beside it, with these secrets or the right ones.
    secrets: Callable
    # What its refusal of a wrong secret is called.
    refusal: str
    wrong: str
    # Must not be shown.
    right: str


def gcs_cloud(server):
    def secrets(secret=None):
        used = server.account._replace(secret=secret or server.account.secret)
        return {"AWS_ACCESS_KEY_ID": used.access, "AWS_SECRET_ACCESS_KEY": used.secret}
    return Cloud("gs", server, f"gs://{BUCKET}", server.url, secrets, "403 SignatureDoesNotMatch", "notTheSecret",
                 server.account.secret)


def azure_cloud(server):
    def secrets(secret=None):
        return {"AZURE_STORAGE_KEY": secret or ACCOUNT.key}
    return Cloud("az", server, f"az://{CONTAINER}", server.url, secrets, "403 AuthorizationFailure", "bm90IHRoZSBrZXk=",
                 ACCOUNT.key)


@pytest.fixture(scope="module")
def gcs():
    with ScriptedS3(flavour="gcs") as server:
        yield server


@pytest.fixture(scope="module")
def azurite():
    with Azurite() as server:
        yield server


@pytest.fixture(params=["gs", "az"])
def cloud(request):
    """Either, each started when it is first asked for."""
    if request.param == "gs":
        return gcs_cloud(request.getfixturevalue("gcs"))
    return azure_cloud(request.getfixturevalue("azurite"))


def conformance(url, environment, chosen="*"):
    """The suite over a store, by the environment alone."""
    done = subprocess.run([forwarder.built("store_conformance"), f"--gtest_filter={chosen}"], capture_output=True, text=True,
                          env={**environment, "WAL2LAKE_TEST_STORE": f"{url}/{PREFIX}"})
    return done.returncode, done.stdout + done.stderr


def test_the_suite_passes(cloud):
    code, said = conformance(cloud.url, cloud.server.command_environment())
    assert code == 0, said[-3000:]
    assert "[  PASSED  ] 13 tests" in said
    assert cloud.server.client.keys() == []


def test_the_suite_passes_with_a_shared_access_signature(azurite):
    code, said = conformance(f"az://{CONTAINER}", azurite.command_environment(permissions=ALL))
    assert code == 0, said[-3000:]
    assert "[  PASSED  ] 13 tests" in said


def test_a_signature_that_permits_too_little_is_not_shown(azurite):
    code, said = conformance(f"az://{CONTAINER}", azurite.command_environment(permissions="rl"), chosen="*EveryLegalName*")
    assert code != 0
    assert "AuthorizationPermissionMismatch" in said and "allow creating (c)" in said
    assert "sig=" not in said and "sp=rl" not in said


def failed_creates(said):
    return ("[  FAILED  ] StoreConformance.CreatesOnceAndKeepsTheFirst" in said
            and "[  FAILED  ] StoreConformance.OnlyOneOfManyCreates" in said)


def test_the_suite_finds_a_google_that_heeds_no_condition():
    with ScriptedS3(flavour="gcs", conditional="ignored") as server:
        code, said = conformance(f"gs://{BUCKET}", server.command_environment(), chosen="*Creates*")
        assert code != 0 and failed_creates(said)


def test_the_suite_finds_an_azure_that_never_sees_the_condition(azurite):
    """A signature covers no header, so that the condition can be taken away on the way."""
    with TcpRelay(azurite.port) as relay:
        environment = azurite.command_environment(permissions=ALL, port=relay.port)
        code, said = conformance(f"az://{CONTAINER}", environment, chosen="*Creates*")
        assert code == 0, said[-3000:]
        relay.rewrite = lambda data: data.replace(b"if-none-match: *", b"if-nothing-else:")
        code, said = conformance(f"az://{CONTAINER}", environment, chosen="*Creates*")
        assert code != 0 and failed_creates(said)
        # A key signs it.
        code, said = conformance(f"az://{CONTAINER}", azurite.command_environment(port=relay.port), chosen="*EveryLegalName*")
        assert code != 0 and "403 AuthorizationFailure" in said


def cloud_app(database, folder, cloud, name, more=""):
    """An app whose lake is in the cloud. Its endpoint stands in the file, secrets in the environment of each call."""
    app = App(database, folder)
    url = f"{cloud.url}/{name}"
    text = app.config.read_text(encoding="utf-8").replace(
        f'url = "file://{app.lake}"', f'url = "{url}"\nendpoint = "{cloud.endpoint}"\n{more}')
    app.config.write_text(text, encoding="utf-8")
    app.lake = folder / "mirror"
    return app, url


def mirror(cloud, name, folder):
    """The lake as the independent client lists and reads it, in a folder for the independent reader."""
    for key in cloud.server.client.keys(f"{name}/"):
        path = folder / key.removeprefix(f"{name}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cloud.server.client.get(key))
    return folder


def test_a_lake_in_a_cloud(database, tmp_path, cloud):
    name = "lake of mine"
    app, url = cloud_app(database, tmp_path, cloud, name)

    def command(*arguments, environment=None):
        done = forwarder.command(*arguments, env=environment or cloud.secrets())
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout.decode()

    command("slot", "create", "-c", app.config)
    app.oracle = database.oracle()
    running = forwarder.Forwarder(app.config, tmp_path / "forwarder.log")
    with running.start(environment=cloud.secrets()):
        app.insert(3)
        wanted = app.oracle.transactions()[-1].end_lsn
        wait_until(lambda: forwarder.tail_end(mirror(cloud, name, app.lake)) >= wanted, 30, "the cloud to have it")
        assert running.terminate() == 0, running.log_text()[-2000:]
    mirror(cloud, name, app.lake)
    app.complete()
    assert "sound" in command("verify", "-c", app.config)
    assert len(command("cat", "-c", app.config, url).splitlines()) == 3
    # A URL and the environment are enough.
    assert "sound" in command("verify", "--lake", url, environment=cloud.server.command_environment())
    last = Lake(app.lake, forwarder.SOURCE).objects()[-1]
    assert command("cat", f"{url}/{last.relative_to(app.lake)}", environment=cloud.server.command_environment()) != ""
    state = json.loads(command("status", "-c", app.config, "--json"))
    assert state[0]["verdict"] == "ok", state
    findings = json.loads(forwarder.command("doctor", "-c", app.config, "--json", env=cloud.secrets()).stdout)["findings"]
    assert [finding for finding in findings if "lake" in finding["code"]] == []
    assert [key for key in cloud.server.client.keys() if "/probe/" in key] == [], "the doctor cleans up"
    for said in (running.log_text(), str(findings)):
        assert cloud.right not in said


def test_a_file_of_credentials(database, tmp_path, cloud):
    file = tmp_path / "credentials"
    file.write_text({"gs": lambda: "[lake]\naws_access_key_id = {}\naws_secret_access_key = {}\n".format(*cloud.server.account),
                     "az": lambda: f"[lake]\nkey = {ACCOUNT.key}\n"}[cloud.name]())
    file.chmod(0o600)
    app, _ = cloud_app(database, tmp_path, cloud, "by a file", f'credentials_file = "{file}"\nprofile = "lake"')
    # What the environment says counts for nothing.
    done = forwarder.command("slot", "create", "-c", app.config, env=cloud.secrets(cloud.wrong))
    assert done.returncode == 0, done.stderr
    assert [key for key in cloud.server.client.keys("by a file/") if "/log/" in key]
    file.chmod(0o644)
    done = forwarder.command("verify", "-c", app.config)
    assert done.returncode == 5 and b"others can read" in done.stderr


def test_a_wrong_secret_is_said_so(database, tmp_path, cloud):
    app, url = cloud_app(database, tmp_path, cloud, "closed")
    done = forwarder.command("slot", "create", "-c", app.config, env=cloud.secrets(cloud.wrong))
    assert done.returncode == 5
    said = done.stderr.decode()
    assert url in said and cloud.refusal in said and "renew the " in said
    assert cloud.wrong not in said and said.count("\n") == 1
    assert cloud.server.client.keys("closed") == []
    done = forwarder.command("slot", "create", "-c", app.config)
    assert done.returncode == 5 and b"no credentials found" in done.stderr
