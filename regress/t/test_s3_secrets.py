"""Secret, session token and signatures are nowhere to be seen, whatever the store answers: it may quote what it was sent, as S3
does where a signature is wrong, and as proxies do."""

import pytest

from harness import forwarder, secrecy
from harness.app import App
from harness.cluster import wait_until
from harness.lake_place import Bucket, environment_without_keys, write_credentials
from harness.monitoring import ANY_PORT, Monitoring
from harness.s3_objects import Answer, error
from harness.scripted_s3 import ScriptedS3
from harness.sigv4 import Credentials

MARKED = Credentials("AKIAMARKED", "mArKeD/secret+4f9a1c07", "mArKeD/token+b81e66d2/of+a+session/" + 20 * "as+long+as+they/are" + "==")
PREFIX = "marked"


def quoted(exchange):
    """What a client told, the worst first, since only the beginning of a text is shown."""
    headers = exchange.request.headers
    return f"token {headers['x-amz-security-token']} signed {headers['authorization'].split()[-1]} in {dict(headers)}"


def refusal_that_quotes(exchange):
    """S3's own, with the signature and what it was made of."""
    headers = exchange.request.headers
    exchange.send(error(403, "SignatureDoesNotMatch", quoted(exchange), StringToSign=f"AWS4-HMAC-SHA256\n{quoted(exchange)}",
                        SignatureProvided=headers["authorization"].rpartition("=")[2], CanonicalRequest=quoted(exchange)))


def error_that_quotes(exchange):
    exchange.send(error(503, "SlowDown", quoted(exchange), HostId=quoted(exchange)))


def proxy_that_quotes(exchange):
    exchange.send(Answer(502, {"content-type": "text/html"}, f"<html><pre>{quoted(exchange)}</pre></html>".encode()))


def code_that_quotes(exchange):
    """The name of the error is no name."""
    exchange.send(error(400, exchange.request.headers["authorization"], quoted(exchange)))


FAULTS = {"refuses": refusal_that_quotes, "is busy": error_that_quotes, "is a proxy": proxy_that_quotes,
          "answers nonsense": code_that_quotes}


@pytest.fixture
def store():
    with ScriptedS3(accounts=(MARKED,)) as made:
        yield made


@pytest.fixture
def place(store, tmp_path):
    return Bucket(store, tmp_path / "copies", PREFIX)


@pytest.fixture
def app(database, tmp_path, place):
    made = App(database, tmp_path)
    made.config = made.configure(lake=place.url, listen=ANY_PORT, lake_lines=place.lines)
    return made


def said_by_commands(app, environment):
    """What everything else says meanwhile, whether it can or not."""
    commands = {"status": ("status",), "status --json": ("status", "--json"), "doctor": ("doctor",),
                "doctor --json": ("doctor", "--json"), "verify": ("verify",), "verify --json": ("verify", "--json"),
                "slot list": ("slot", "list"), "trim": ("trim", "--older-than", "1d", "--dry-run")}
    texts = {}
    for name, arguments in commands.items():
        done = forwarder.command(*arguments, "-c", app.config, env=environment)
        texts[name] = (done.stdout + done.stderr).decode()
        assert texts[name], name
    return texts


def said_by(running, monitoring):
    return {"log": running.log_text(), **secrecy.of_process(running.process.pid),
            **{path: monitoring.get(path)[1] for path in ("/metrics", "/healthz", f"/healthz/{forwarder.SOURCE}", "/livez")}}


def test_nothing_secret_is_shown_while_it_runs_and_while_it_is_refused(app, store, place, tmp_path, note):
    assert forwarder.command("slot", "create", "-c", app.config, env=place.environment).returncode == 0
    looked = 0

    def look(what):
        nonlocal looked
        texts = {**said_by(running, monitoring), **said_by_commands(app, place.environment)}
        sent = secrecy.signatures(store)
        assert len(sent) > 10 and secrecy.found([MARKED], {"requests": " ".join(sent)}, sent), "the search finds what there is"
        assert secrecy.found([MARKED], {f"{where}, the store {what}": text for where, text in texts.items()}, sent) == []
        looked += sum(map(len, texts.values()))

    running = forwarder.Forwarder(app.config, tmp_path / "forwarder.log", environment=place.environment)
    with running.start():
        monitoring = Monitoring(running)
        app.insert()
        wait_until(place.tail_end, 30, "a segment")
        look("works")
        for what, fault in FAULTS.items():
            rule, began = store.on("any", fault, times=None), running.log.stat().st_size
            app.insert()
            wait_until(lambda rule=rule, began=began: rule.hits and "store_" in running.log_text(began), 30, "the fault")
            look(what)
            store.heal()
            before = place.tail_end()
            wait_until(lambda before=before: place.tail_end() > before, 60, "the store to be asked again")
        assert running.terminate() == 0
    note(f"{looked} bytes of output, {len(secrecy.signatures(store))} signatures, {len(FAULTS)} ways to fail")


@pytest.mark.parametrize("what", FAULTS)
def test_nothing_secret_is_shown_by_a_start_that_is_refused(app, store, place, tmp_path, what):
    """With keys in a file."""
    path = write_credentials(tmp_path / "credentials", MARKED)
    environment = {**environment_without_keys(place), "AWS_SHARED_CREDENTIALS_FILE": str(path)}
    store.on("any", FAULTS[what], times=None)
    running = forwarder.Forwarder(app.config, tmp_path / "forwarder.log", environment=environment)
    with running.start("--create-slot"):
        wait_until(lambda: not running.running() or "store_failed" in running.log_text(), 30, "the fault")
        texts = {"log": running.log_text(), **(secrecy.of_process(running.process.pid) if running.running() else {})}
    assert secrecy.found([MARKED], texts, secrecy.signatures(store)) == []
    # The line of a file that cannot be read is no text for a log either.
    path.write_text(path.read_text().replace("secret_access_key =", "secret_access_key"), encoding="utf-8")
    done = forwarder.command("slot", "create", "-c", app.config, env=environment)
    assert done.returncode != 0
    assert secrecy.found([MARKED], {"slot create": (done.stdout + done.stderr).decode()}) == []
