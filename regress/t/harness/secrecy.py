"""The search for what signs requests to a store: secret, session token, signatures. It is the user's environment and file that
hold them, and what is on its way to the store; nobody else is shown them."""

import base64
import re
import subprocess
import urllib.parse
from pathlib import Path

WORDS = ("Signature=", "AWS4-HMAC", "uthorization")


def forms(value):
    """The beginning of a value, since texts are cut: as it is, and as it stands in a URL, in JSON, in base64."""
    value = value[:24]
    return {value, urllib.parse.quote(value, safe=""), value.replace("/", "\\/"), base64.b64encode(value.encode()).decode()}


def signatures(server):
    """What a scripted server was sent, by its log."""
    found = {re.search(r"Signature=([0-9a-f]{64})", seen.request.headers.get("authorization", "")) for seen in server.seen()}
    return {match[1] for match in found if match}


def of_process(pid):
    """What other users of the host see of it."""
    shown = subprocess.run(["ps", "-ww", "-p", str(pid), "-o", "args="], capture_output=True, text=True, check=True).stdout
    assert "wal2lake" in shown, "or it would say nothing"
    return {"cmdline": Path(f"/proc/{pid}/cmdline").read_bytes().decode(), "ps": shown}


def found(credentials, texts, sent=()):
    """Where a secret, a token, a signature or a header is. `texts` by their names; `sent`: signatures."""
    hits = []
    for where, text in texts.items():
        for each in credentials:
            hits += [f"{where} holds the secret of {each.access}" for form in forms(each.secret) if form in text]
            hits += [f"{where} holds the token of {each.access}" for form in forms(each.token) if each.token and form in text]
        hits += [f"{where} holds a signature" for signature in sent if signature in text]
        hits += [f"{where} has the word {word}" for word in WORDS if word in text]
    return sorted(set(hits))
