"""`wal2lake doctor` on rules by which a bucket itself removes what lies in it: those that reach a log are named, those that do not
are not, and what may not be asked is said."""

import json

import pytest

from harness import forwarder, s3_faults as faults
from harness.app import App
from harness.lake_place import Bucket
from harness.object_store import RealS3
from harness.scripted_s3 import ScriptedS3

# What the cases below provoke (test_doctor_codes.py).
CODES = {"lifecycle-rule", "lifecycle-rule-for-some", "lifecycle-hidden"}

ENABLED, DISABLED = "<Status>Enabled</Status>", "<Status>Disabled</Status>"
OLD = "<Expiration><Days>30</Days></Expiration>"
LOG = "<Filter><Prefix>lake/cell1.main/log/</Prefix></Filter>"
TAG = "<Filter><Tag><Key>keep</Key><Value>no</Value></Tag></Filter>"
FROZEN = "<Transition><Days>30</Days><StorageClass>DEEP_ARCHIVE</StorageClass></Transition>"
COOL = "<Transition><Days>30</Days><StorageClass>GLACIER_IR</StorageClass></Transition>"
UPLOADS = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
VERSIONS = "<NoncurrentVersionExpiration><NoncurrentDays>9</NoncurrentDays></NoncurrentVersionExpiration>"

HARMLESS = [DISABLED + OLD, ENABLED + UPLOADS, ENABLED + VERSIONS, ENABLED + COOL,
            ENABLED + OLD + "<Filter><Prefix>lake/cell2.main/</Prefix></Filter>",
            ENABLED + OLD + "<Filter><Prefix>elsewhere/</Prefix></Filter>",
            ENABLED + OLD + "<Prefix>lake/_wal2lake/</Prefix>"]
HARMFUL = {
    "all": (ENABLED + OLD, "lifecycle-rule", "removes objects below cell1.main/log/, cell1.main/parts/, cell1.main/events/"),
    "log": (ENABLED + OLD + LOG, "lifecycle-rule", "removes objects below cell1.main/log/:"),
    "bucket's beginning": (ENABLED + OLD + "<Prefix>la</Prefix>", "lifecycle-rule", "removes objects below cell1.main/log/, "),
    "archive": (ENABLED + FROZEN + LOG, "lifecycle-rule", "archives objects below cell1.main/log/:"),
    "tagged": (ENABLED + OLD + TAG, "lifecycle-rule-for-some", "removes some objects below cell1.main/log/, "),
}


class Diagnosed:
    """A source with its slot and log in a bucket, and what doctor says of its rules."""

    def __init__(self, database, folder, server):
        self.app, self.place = App(database, folder), Bucket(server, folder)
        self.url = self.place.url
        if getattr(server, "flavour", "s3") == "gcs":
            self.url = self.url.replace("s3://", "gs://")
        text = self.app.config.read_text(encoding="utf-8")
        self.app.config.write_text(text.replace(f"file://{self.app.lake}", self.url), encoding="utf-8")
        done = self.command("slot", "create")
        assert done.returncode == 0, done.stderr

    def command(self, *arguments):
        return forwarder.command(*arguments, "-c", self.app.config, env=self.place.environment)

    def findings(self):
        done = self.command("doctor", "--json")
        assert done.stderr == b"", done.stderr
        found = json.loads(done.stdout)["findings"]
        severities = {each["severity"] for each in found}
        assert done.returncode == (2 if "error" in severities else 1 if "warning" in severities else 0)
        return [each for each in found if each["code"].startswith(("lifecycle", "lake", "log"))]


def rule(content, name="tidy"):
    return f"<Rule><ID>{name}</ID>{content}</Rule>"


def test_rules_that_reach_a_log_are_named_until_they_go(database, tmp_path):
    with ScriptedS3() as server:
        source = Diagnosed(database, tmp_path, server)
        assert source.findings() == []
        harmless = "".join(rule(content, f"harmless{number}") for number, content in enumerate(HARMLESS))
        server.objects.lifecycle = harmless
        assert source.findings() == []
        for what, (content, code, says) in HARMFUL.items():
            server.objects.lifecycle = harmless + rule(content)
            [finding] = source.findings()
            assert (finding["code"], finding["object"]) == (code, f"lake {source.url}"), what
            assert f'rule "tidy" {says}' in finding["finding"], what
            assert "disable the rule" in finding["fix"][0]["text"]
            # As it says.
            server.objects.lifecycle = harmless + rule(content.replace(ENABLED, DISABLED))
            assert source.findings() == []
        assert server.count("lifecycle") == 2 + 2 * len(HARMFUL)


@pytest.mark.parametrize(("fault", "says", "fix"), [
    (faults.ACCESS_DENIED, "403 AccessDenied", "allow s3:GetLifecycleConfiguration there"),
    (faults.answer(501, "NotImplemented"), "501 NotImplemented", "look for them with the store's own tools"),
    (faults.html_502, "502", "look for them with the store's own tools"),
], ids=["denied", "not implemented", "no answer of S3"])
def test_what_cannot_be_asked_is_said_and_no_more(database, tmp_path, fault, says, fix):
    with ScriptedS3() as server:
        source = Diagnosed(database, tmp_path, server)
        server.objects.lifecycle = rule(ENABLED + OLD)
        server.on("lifecycle", fault, times=None)
        [finding] = source.findings()
        assert (finding["code"], finding["severity"]) == ("lifecycle-hidden", "info")
        assert says in finding["finding"] and finding["fix"][0]["text"].startswith(fix)


def test_in_google_cloud_storage(database, tmp_path):
    with ScriptedS3(flavour="gcs") as server:
        source = Diagnosed(database, tmp_path, server)
        assert source.findings() == []
        server.objects.lifecycle = ("<Rule><Action><SetStorageClass>ARCHIVE</SetStorageClass></Action>"
                                    "<Condition><Age>30</Age></Condition></Rule>")
        assert source.findings() == []
        server.objects.lifecycle += ("<Rule><Action><Delete/></Action><Condition><Age>30</Age>"
                                     "<MatchesPrefix>lake/cell1.main/parts</MatchesPrefix></Condition></Rule>")
        [finding] = source.findings()
        assert finding["code"] == "lifecycle-rule"
        assert "rule number 2 removes objects below cell1.main/parts/:" in finding["finding"]


def test_a_real_server_raises_no_false_alarm(database, tmp_path):
    """versitygw knows no lifecycle rules, and says so."""
    with RealS3() as server:
        got = server.client.request("GET", "", [("lifecycle", "")])
        assert (got.status, got.code) == (501, "NotImplemented")
        [finding] = Diagnosed(database, tmp_path, server).findings()
        assert finding["code"] == "lifecycle-hidden" and "501 NotImplemented" in finding["finding"]
