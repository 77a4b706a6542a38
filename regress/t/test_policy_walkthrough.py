"""The walkthrough of docs/policy.md, with its commands as printed, on a schema of 1,000 tables and 15,000 columns; and what streams
in the end is what the documents say, column by column.

Between the blocks the test does what the page asks a person to: it decides what export left open.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import yaml

from harness import tokens, wire
from harness.cluster import Cluster
from harness.compare import differences
from harness.database import Database
from harness.forwarder import binary, clean_environment
from harness.large_schema import EXCLUDED, PARTITIONED, VIEW, LargeSchema
from harness.values import WITHHELD, Token

PAGE = Path(__file__).resolve().parents[2] / "docs/policy.md"
BLOCK = re.compile(r"^<!-- tested -->\n```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
STRICTNESS = {"clear": 0, "hash": 1, "drop": 2}
ACTIONS = {wire.wal2lake.ACTION_CLEAR: "clear", wire.wal2lake.ACTION_HASH: "hash", wire.wal2lake.ACTION_DROP: "drop"}
CLASSES = {"green": wire.wal2lake.CLASS_GREEN, "yellow": wire.wal2lake.CLASS_YELLOW, "orange": wire.wal2lake.CLASS_ORANGE,
           "red": wire.wal2lake.CLASS_RED, "regulated_red": wire.wal2lake.CLASS_REGULATED_RED}


def action(label):
    """What a label of the grammar does to a type that can be hashed."""
    words = label.split()
    if len(words) > 1 and words[1] in STRICTNESS:
        return words[1]
    return {"green": "clear", "yellow": "clear", "orange": "hash", "red": "hash"}.get(words[0], "drop")


class Site:
    """A database of a large site, and a shell in an empty folder with the command in its path."""

    def __init__(self, database, folder, schema):
        self.database, self.folder, self.schema = database, folder, schema
        cluster = database.cluster
        tools = folder / "bin"
        tools.mkdir()
        (tools / "wal2lake").symlink_to(binary())
        self.environment = {
            **clean_environment(), "PATH": f"{tools}:{cluster.bindir}:{os.environ['PATH']}", "HOME": str(folder), "app": database.name,
            "PGHOST": str(cluster.sockets), "PGPORT": str(cluster.port), "PGUSER": "postgres", "GIT_AUTHOR_NAME": "dba",
            "GIT_AUTHOR_EMAIL": "dba@example.com", "GIT_COMMITTER_NAME": "dba", "GIT_COMMITTER_EMAIL": "dba@example.com"}
        self.policy = folder / "policy-of-app/policy"

    def run(self, commands):
        started = time.monotonic()
        done = subprocess.run(["sh", "-eu", "-c", commands], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
        text = done.stdout.decode()
        assert done.returncode == 0, f"exit code {done.returncode} of:\n{commands}\n{text[-4000:]}"
        return text, time.monotonic() - started

    def documents(self):
        """The documents by table, as another reader of YAML has them."""
        found = {}
        for path in sorted(self.policy.glob("*/*.yml")):
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
            assert (document["schema"], document["table"]) not in found
            found[document["schema"], document["table"]] = document
        return found

    def decide(self):
        """What a person does: every TODO becomes what is right of that column. How many there were."""
        number = 0
        for table, truth in self.schema.truth.items():
            path = self.policy / f"public/{table}.yml"
            text = path.read_text(encoding="utf-8")
            if table == EXCLUDED:
                path.write_text(f"schema: public\ntable: {table}\nlabel: exclude\n", encoding="utf-8")
                continue
            for column, label in truth.items():
                text, done = re.subn(rf"^(  {column}: )TODO\b", rf"\g<1>{label}", text, flags=re.MULTILINE)
                number += done
            path.write_text(text, encoding="utf-8")
        return number


@pytest.fixture(scope="module")
def site():
    folder = Path(tempfile.mkdtemp(prefix="wal2lake-walkthrough-", dir="/tmp"))
    with Cluster(name="walkthrough", settings={"max_locks_per_transaction": 64, "autovacuum": "off"}) as cluster:
        with Database(cluster, "app") as database:
            schema = LargeSchema()
            with cluster.connect(database.name) as connection:
                for statement in schema.statements():
                    connection.cursor().execute(statement)
            yield Site(database, folder, schema)
    shutil.rmtree(folder)


def label_of(document, column):
    entry = document["columns"].get(column)
    return entry["label"] if isinstance(entry, dict) else entry


def wrongly_opened(site, documents):
    """Columns for which export wrote a label that lets out more than who knows the data would."""
    return [(table, column, label_of(documents["public", table], column), label)
            for table, truth in site.schema.truth.items() if table != EXCLUDED
            for column, label in truth.items()
            if label_of(documents["public", table], column) != "TODO"
            and STRICTNESS[action(label_of(documents["public", table], column))] < STRICTNESS[action(label)]]


def streamed_otherwise(transactions, documents):
    """Columns of the stream that come out in another way than the documents say."""
    wrong = set()
    for transaction in transactions:
        for change in transaction.changes:
            relation = change.relation
            root = (relation.root_namespace, relation.root_name) if relation.root_oid else (relation.namespace, relation.name)
            document = documents[root]
            for column in relation.columns:
                label = label_of(document, column.name) if column.name in document["columns"] else None
                if label is None:
                    if column.action != wire.wal2lake.ACTION_DROP or getattr(column, "class") != wire.wal2lake.CLASS_UNSPECIFIED:
                        wrong.add((root[1], column.name, "is not in the policy"))
                    continue
                said = action(label), CLASSES[label.split()[0]], (re.search("domain=(.*)", label) or ["", ""])[1]
                does = ACTIONS[column.action], getattr(column, "class"), column.domain
                if does[:2] != said[:2] or said[2] and does[2] != said[2]:
                    wrong.add((root[1], column.name, said, does))
    return wrong


def test_the_walkthrough(site, note):
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 5
    export, check, apply, declare, migrate = blocks
    database, cluster = site.database, site.database.cluster
    assert (len(site.schema.tables), sum(map(len, site.schema.tables.values()))) == (1000, 15000)

    said, seconds = site.run(export)
    documents = site.documents()
    assert set(documents) == {("public", table) for table in site.schema.tables}, "roots only, no view"
    assert all(set(documents["public", table]["columns"]) == set(truth) for table, truth in site.schema.truth.items())
    assert VIEW in said and "3 partitions" in said
    assert wrongly_opened(site, documents) == []
    opened = site.decide()
    note(f"export {seconds:.1f} s; {15000 - opened} of 15,000 columns decided by rules and suggestions, {opened} by a person")
    assert opened < 7500

    said, seconds = site.run(check)
    note(f"check with structure.sql, pg_dump included {seconds:.1f} s")

    slot, oracle = database.plugin_slot(), database.oracle()
    said, seconds = site.run(apply)
    note(f"plan three times and apply {seconds:.1f} s")
    assert said.rstrip().endswith("nothing to do")
    live = dict(cluster.query("SELECT format('%s.%s', table_name, column_name), label FROM wal2lake.policy", dbname=database.name))
    documents = site.documents()
    assert live == {f"{table}.{column}": label_of(documents["public", table], column)
                    for table, truth in site.schema.truth.items() if table != EXCLUDED for column in truth}
    # A partition has what it was born with.
    assert cluster.query("SELECT count(*) FROM pg_seclabel l JOIN pg_class c ON c.oid = l.objoid WHERE c.relispartition "
                         "AND NOT (objsubid = 0 AND label = 'inherit')", dbname=database.name) == [(0,)]

    site.run(declare)
    assert cluster.query("SELECT table_name, column_name, label, matched_at FROM wal2lake.declared", dbname=database.name) == [
        ("users", "pronouns", "red drop", None)]
    said, _ = site.run(migrate)
    assert "public.users.shoe_size" in said and "pronouns" not in said.replace("pronouns: red drop", "")

    with cluster.connect(database.name) as connection:
        for number, table in enumerate(site.schema.tables, 1):
            connection.cursor().execute(*site.schema.insert(table, 1 if table in ("users", "namespaces", "projects") else number))
        connection.cursor().execute("UPDATE users SET pronouns = 'they', shoe_size = 43")
    transactions = slot.transactions()
    documents = site.documents()
    shipped = {f"public.{table}" for table in site.schema.tables if table != EXCLUDED} | {f"public.{PARTITIONED}_202601"}
    keys = tokens.keys_of(cluster.key_file.read_text())
    assert differences(transactions, oracle.transactions(), shipped.__contains__, keys) == []
    assert streamed_otherwise(transactions, documents) == set()
    changes = [change for transaction in transactions for change in transaction.changes]
    assert {change.relation.root_name or change.relation.name for change in changes} == set(site.schema.tables) - {EXCLUDED}
    first = changes[-1].new
    assert changes[-1].table == "public.users" and first["pronouns"] is WITHHELD and first["shoe_size"] is WITHHELD
    assert isinstance(first["email"], Token)
    note(f"streamed {len(changes)} changes, {sum(len(change.new) for change in changes)} values")
