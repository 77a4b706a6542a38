"""The codes of `wal2lake doctor`: none that no test provokes, and those of the documentation."""

import re
import subprocess

from harness.forwarder import REPOSITORY, binary, command
from test_doctor import BARE, CASES
from test_doctor_policy import CODES as POLICY_CODES
from test_doctor_store import CODES
from test_pull_doctor import PULL_CODES

# What this machine cannot show; regress/unit/doctor_test.cpp judges the facts of it.
UNIT_ONLY = {
    "server-too-old", "server-defects", "server-without-allow-list", "idle-slot-timeout", "plugin-not-installed",
    "slot-two-phase",
}


def test_every_code_is_provoked():
    """A code that the command knows and no case provokes fails here."""
    lines = command("doctor", "--list").stdout.decode().splitlines()
    known = {line.split()[1] for line in lines}
    assert len(known) == len(lines) > 50
    provoked = {code for code, _ in CASES.values()} | set(BARE) | CODES | POLICY_CODES | PULL_CODES
    assert provoked & UNIT_ONLY == set()
    assert known == provoked | UNIT_ONLY
    unit = (REPOSITORY / "regress/unit/doctor_test.cpp").read_text(encoding="utf-8")
    for code in UNIT_ONLY:
        assert f'"{code}"' in unit, f"{code} has no unit test"


def test_the_documentation_lists_the_same_codes():
    listed = [line.split(None, 2)[:2] for line in command("doctor", "--list").stdout.decode().splitlines()]
    text = (REPOSITORY / "docs/doctor.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `([a-z-]+)` \| (error|warning|info) \|", text, re.M)
    assert sorted(documented) == sorted((code, severity) for severity, code in listed)
    untested = re.search(r"cannot be provoked.*?:\s*(.*?)\.\n", text, re.S).group(1)
    assert set(re.findall(r"`([a-z-]+)`", untested)) == UNIT_ONLY


def test_a_report_that_is_lost_is_no_good_report():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([binary(), "doctor", "--list"], stdin=subprocess.DEVNULL, stdout=full,
                              stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 5 and b"cannot write to standard output" in done.stderr
