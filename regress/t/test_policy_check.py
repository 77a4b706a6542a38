"""`wal2lake policy check`, which needs no database: its reports, what is new since a revision, dictionaries; and a structure.sql says
the same as the database that it was dumped from."""

import json
import os
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree
from pathlib import Path

import pytest

from harness.database import Database
from harness.forwarder import binary, clean_environment
from harness.large_schema import LargeSchema

NOTHING, FAILED, SOMETHING = 0, 1, 2
STRUCTURE = """SET search_path = public;
CREATE TABLE users (
    id bigint NOT NULL,
    email text,
    bio text,
    seen_at timestamp with time zone
);
ALTER TABLE ONLY users ADD CONSTRAINT users_pkey PRIMARY KEY (id);
"""
USERS = """table: users
columns:
  id: green
  email: red hash domain=email
  bio: red drop
  seen_at: green
"""
SHAPES = r'''
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN short AS varchar(20);
CREATE DOMAIN shorter AS short;
CREATE SCHEMA "Odd ""one""";
CREATE TABLE "Odd ""one"""."Mixed.Case" ("select" int PRIMARY KEY, "a b" numeric(10,2)[], "new
line" shorter, m mood, c "char", bits bit varying(3), i interval(3), t time(2) with time zone);
CREATE TABLE made (id bigint GENERATED ALWAYS AS IDENTITY, email text NOT NULL, local_part text GENERATED ALWAYS AS (split_part(email, '@', 1)) STORED,
    other int REFERENCES "Odd ""one"""."Mixed.Case");
ALTER TABLE made ADD CONSTRAINT made_key UNIQUE (id, email);
ALTER TABLE made REPLICA IDENTITY USING INDEX made_key;
CREATE TABLE gone (a int, b text); ALTER TABLE gone DROP COLUMN a; ALTER TABLE gone ADD COLUMN c jsonb DEFAULT '{}';
CREATE TABLE parent (id int PRIMARY KEY, a text); CREATE TABLE child (b xml) INHERITS (parent);
CREATE TABLE root (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE leaf PARTITION OF root FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY HASH (id);
CREATE TABLE leaf_0 PARTITION OF leaf FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE attached (id int NOT NULL, day date NOT NULL); ALTER TABLE root ATTACH PARTITION attached FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
ALTER TABLE attached ADD FOREIGN KEY (id) REFERENCES parent;
CREATE TABLE pointing (x int, y date, FOREIGN KEY (x, y) REFERENCES leaf_0 (id, day));
CREATE UNLOGGED TABLE unlogged (id int);
CREATE MATERIALIZED VIEW seen AS SELECT id FROM made;
'''


class Checkout:
    """A folder under git with a structure and a policy."""

    def __init__(self, folder):
        self.folder = folder
        self.git("init", "-q")
        self.write("structure.sql", STRUCTURE)
        self.write("policy/public/users.yml", USERS)

    def git(self, *arguments):
        who = {f"GIT_{role}_{what}": "dba@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        subprocess.run(["git", *arguments], cwd=self.folder, check=True, env={**clean_environment(), **who, "HOME": str(self.folder)})

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-qm", "Say what is.")

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def check(self, *arguments, code=NOTHING):
        done = subprocess.run([binary(), "policy", "check", "policy", "--structure", "structure.sql", *arguments], cwd=self.folder,
                              env={**clean_environment(), "HOME": str(self.folder)}, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def checkout():
    folder = Path(tempfile.mkdtemp(prefix="wal2lake-checkout-", dir="/tmp"))
    yield Checkout(folder)
    shutil.rmtree(folder)


def test_findings_name_file_line_and_fix(checkout):
    assert "0 errors, 0 warnings" in checkout.check()
    checkout.write("structure.sql", STRUCTURE.replace("bio text", "bio jsonb,\n    nickname text"))
    checkout.write("policy/public/users.yml", USERS.replace("bio: red drop", "bio: red hash domain=bio").replace("seen_at", "sen_at"))
    said = checkout.check(code=SOMETHING)
    for begins in ("policy/public/users.yml:5: error impossible-action: public.users.bio: ",
                   "policy/public/users.yml:6: error misspelt: public.users.sen_at: "):
        assert any(line.startswith(begins) and "; " in line for line in said.splitlines()), said
    assert "unlabelled: public.users.nickname" in said


def test_reports_for_gitlab(checkout):
    checkout.write("policy/public/users.yml", USERS.replace("bio: red drop", "bio: TODO"))
    checkout.check("--junit", "out/junit.xml", "--code-quality", "quality.json", code=SOMETHING)
    suite = xml.etree.ElementTree.parse(checkout.folder / "out/junit.xml").getroot()
    failed = [case for case in suite.iter("testcase") if case.find("failure") is not None]
    assert len(failed) == 1 and "public.users.bio" in xml.etree.ElementTree.tostring(failed[0]).decode()
    report = json.loads((checkout.folder / "quality.json").read_text())
    assert [(each["check_name"], each["location"]["path"], each["location"]["lines"]["begin"]) for each in report] == [
        ("unlabelled", "policy/public/users.yml", 5)]
    checkout.write("policy/public/users.yml", "# moved\n" + USERS.replace("bio: red drop", "bio: TODO"))
    checkout.check("--code-quality", "quality.json", code=SOMETHING)
    moved = json.loads((checkout.folder / "quality.json").read_text())
    assert moved[0]["location"]["lines"]["begin"] == 6 and moved[0]["fingerprint"] == report[0]["fingerprint"]
    checkout.write("policy/public/users.yml", USERS)
    checkout.check("--junit", "out/junit.xml", "--code-quality", "quality.json")
    assert json.loads((checkout.folder / "quality.json").read_text()) == []


def test_only_what_is_new_since_a_revision(checkout):
    checkout.write("policy/public/users.yml", USERS.replace("bio: red drop", "bio: TODO"))
    checkout.commit()
    checkout.check(code=SOMETHING)
    assert "unlabelled" not in checkout.check("--since", "HEAD")
    # What is new: a column of a migration, and one that is let out.
    checkout.write("structure.sql", STRUCTURE.replace("bio text", "bio text,\n    pronouns text"))
    said = checkout.check("--since", "HEAD", code=SOMETHING)
    assert "public.users.pronouns" in said and "public.users.bio" not in said
    checkout.write("structure.sql", STRUCTURE)
    checkout.write("policy/public/users.yml", USERS.replace("red hash domain=email", "{label: yellow, reviewed: asked legal}"))
    said = checkout.check("--since", "HEAD")
    assert "info newly-flows: public.users.email" in said, said
    checkout.commit()
    assert "newly-flows" not in checkout.check("--since", "HEAD")
    assert "newly-flows" in checkout.check("--since", "HEAD~1")
    for revision in ("nonsense", "--output=/tmp/x"):
        assert checkout.check(f"--since={revision}", code=FAILED) == ""


def test_a_structure_with_nothing_in_it_is_never_known(checkout):
    """The gate would be green about nothing, with every merge request from then on."""
    checkout.write("structure.sql", "")
    checkout.commit()
    for arguments in ((), ("--since", "HEAD")):
        said = checkout.check(*arguments, code=SOMETHING)
        assert "no CREATE TABLE is in it" in said and "1 error," in said, said
    (checkout.folder / "structure.sql").write_bytes(STRUCTURE.encode("utf-16"))
    assert "UTF-8" in checkout.check("--since", "HEAD", code=SOMETHING)


@pytest.mark.parametrize("arguments", [("policy",), ("--list",)], ids=["findings", "more than a buffer, and nothing wrong"])
def test_a_report_that_is_lost_is_no_good_report(checkout, arguments):
    """2 would say that there is something to read."""
    checkout.write("policy/public/users.yml", USERS.replace("seen_at: green", "seen_at: TODO"))
    with open("/dev/full", "wb") as full:
        done = subprocess.run([binary(), "policy", "check", *arguments], cwd=checkout.folder, env=clean_environment(), stdin=subprocess.DEVNULL,
                              stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == FAILED and b"cannot write to standard output" in done.stderr


def test_a_report_to_standard_output_that_is_a_file(checkout):
    """The log of a job: what is in it stays, and what comes later is in it too."""
    log = checkout.folder / "job.log"
    done = subprocess.run(["sh", "-c", f"exec >>job.log; echo before; {binary()} policy check policy --code-quality /dev/stdout; echo after $?"],
                          cwd=checkout.folder, env=clean_environment(), timeout=60, check=True)
    lines = log.read_text().splitlines()
    assert done.returncode == 0 and lines[0] == "before" and "[]" in lines and lines[-1] == "after 0", lines


def test_a_clear_column_that_a_dictionary_ignores(checkout):
    checkout.write("db/siphon/tables/users.yml", "table: users\ndatabase: main\ndedup_by: [id]\nignored_columns:\n  - seen_at\n")
    checkout.check()
    said = checkout.check("--dictionary", "db/siphon/tables", code=SOMETHING)
    assert "warning ignored-column: public.users.seen_at" in said
    checkout.write("policy/public/users.yml", USERS.replace("seen_at: green", "seen_at: {label: green, reviewed: wanted since May}"))
    checkout.check("--dictionary", "db/siphon/tables")


def test_a_dump_says_the_same_as_its_database(server, checkout):
    """What export writes of one is, byte by byte, what it writes of the other: tables, columns, types, keys, references."""
    with Database(server, "structure") as database:
        for statement in LargeSchema(tables=60, columns=900).statements():
            database.execute(statement)
        database.execute(SHAPES)
        dump = server.program("pg_dump", "--schema-only", "--no-security-labels", dbname=database.name)
        assert dump.returncode == 0, dump.stderr
        checkout.write("structure.sql", dump.stdout.decode() if isinstance(dump.stdout, bytes) else dump.stdout)
        for folder, source in (("live", ("--conninfo", server.conninfo(database.name))), ("dump", ("--structure", "structure.sql"))):
            done = subprocess.run([binary(), "policy", "export", folder, "--suggest", *source], cwd=checkout.folder,
                                  env=clean_environment(), capture_output=True, text=True, timeout=60)
            assert done.returncode == NOTHING, done.stdout + done.stderr
    texts = {folder: {os.path.relpath(path, checkout.folder / folder): path.read_text() for path in (checkout.folder / folder).rglob("*.yml")}
             for folder in ("live", "dump")}
    assert set(texts["live"]) == set(texts["dump"]) and len(texts["live"]) > 60
    assert {name: text for name, text in texts["live"].items() if texts["dump"][name] != text} == {}
    assert "refers to public.root.id" in texts["live"]["public/pointing.yml"], "a partition follows its root"
    assert "refers to public.parent.id" in texts["live"]["public/root.yml"], "and says what its root's values are"
    assert "made.yml" in " ".join(texts["live"]) and "leaf" not in " ".join(texts["live"])
