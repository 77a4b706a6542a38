"""Where a database goes, its labels go, or nothing leaves: dumps, templates, upgrades, a second database beside it."""

import shutil

import psycopg2
import pytest

from harness import tokens
from harness.cluster import Cluster, random_key
from harness.database import Database
from harness.plugin import PluginSlot
from harness.values import WITHHELD

KEYS = f"k1 {random_key()}\nk2 {random_key()}\n"
LABELS = "SELECT objoid::regclass::text, objsubid, label FROM pg_seclabel WHERE provider = 'wal2lake' ORDER BY 1, 2"


@pytest.fixture(scope="module")
def server():
    with Cluster(keys=KEYS, name="travel") as cluster:
        yield cluster


@pytest.fixture
def shop(server):
    """A table with every kind of column, a partitioned one, one that is excluded; and the key k1."""
    with Database(server, "shop") as database:
        database.execute("CREATE TABLE users (id int PRIMARY KEY, name text, email text, bio text)",
                         "CREATE TABLE events (id int, day int, note text, PRIMARY KEY (id, day)) PARTITION BY LIST (day)",
                         "CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1)",
                         "CREATE TABLE hidden (id int PRIMARY KEY)",
                         f"SECURITY LABEL FOR wal2lake ON DATABASE {database.name} IS 'key=k1'",
                         "SECURITY LABEL FOR wal2lake ON TABLE hidden IS 'exclude'")
        database.label("users", id="green", name="yellow", email="red hash domain=email")
        database.label("events", id="green", day="green", note="red drop")
        yield database


def write(cluster, name, number=1):
    cluster.query(f"INSERT INTO users VALUES ({number}, 'name', 'e@example.com', 'bio')", dbname=name)
    cluster.query(f"INSERT INTO events VALUES ({number}, 1, 'note')", dbname=name)
    cluster.query(f"INSERT INTO hidden VALUES ({number})", dbname=name)


def sent(slot):
    return {change.table: change.new for transaction in slot.transactions() for change in transaction.changes}


def email(key, text="e@example.com"):
    return tokens.token(tokens.keys_of(KEYS)[key], "email", "text", text)


def as_in_the_shop(rows, key):
    assert rows.keys() == {"public.users", "public.events_1"}
    assert (rows["public.users"]["name"], rows["public.users"]["bio"]) == ("name", WITHHELD)
    assert rows["public.users"]["email"].bytes == email(key)
    assert (rows["public.events_1"]["day"], rows["public.events_1"]["note"]) == ("1", WITHHELD)


def sends_as_the_shop_once_it_names_a_key(server, name, key):
    """The label of a database does not go with it. Drops the database in the end."""
    with pytest.raises(psycopg2.Error, match="does not say which to use"):
        PluginSlot(server, name, name).create()
    server.query(f"SECURITY LABEL FOR wal2lake ON DATABASE {name} IS 'key={key}'", dbname=name)
    slot = PluginSlot(server, name, name).create()
    write(server, name)
    as_in_the_shop(sent(slot), key)
    slot.drop()
    server.query(f"DROP DATABASE {name}")


def dump(shop, *arguments):
    done = shop.cluster.program("pg_dump", "-Fc", "-d", shop.name, *arguments)
    assert done.returncode == 0, done.stderr.decode()
    path = shop.cluster.base / "dump"
    path.write_bytes(done.stdout)
    return path


def restore(cluster, path, name="restored"):
    cluster.create_database(name)
    return cluster.program("pg_restore", "-d", name, path)


def test_a_restore_brings_the_labels(shop, server):
    """And the trail of them; but not the label of the database, without which two keys are one too many."""
    changes = shop.value("SELECT count(*) FROM wal2lake.label_history WHERE ran_as = 'postgres'")
    shop.execute("SELECT wal2lake.declare('public', 'users', '{id,later}', '{green,red drop}')")
    done = restore(server, dump(shop))
    assert done.returncode == 0, done.stderr.decode()
    assert server.query(LABELS, dbname="restored") == server.query(LABELS, dbname=shop.name)
    assert server.value("SELECT count(*) FROM wal2lake.label_history WHERE ran_as = 'postgres'", dbname="restored") > changes > 5
    # What was declared and has not come is in force there, too; what has come is not declared again.
    assert server.query("SELECT column_name FROM wal2lake.declared", dbname="restored") == [("later",)]
    server.query("ALTER TABLE users ADD COLUMN later text", dbname="restored")
    assert server.query("SELECT label FROM wal2lake.policy WHERE column_name = 'later'", dbname="restored") == [("red drop",)]
    server.query("ALTER TABLE users DROP COLUMN later", dbname="restored")
    sends_as_the_shop_once_it_names_a_key(server, "restored", "k2")


@pytest.mark.parametrize("without", ["the provider", "labels"])
def test_a_restore_without_labels_sends_nothing(shop, server, without):
    """The commonest way to end up unclassified: a server without the library, or pg_dump --no-security-labels."""
    shop.execute("SELECT wal2lake.declare('public', 'users', '{id,later}', '{green,green}')",
                 "SECURITY LABEL FOR wal2lake ON COLUMN users.id IS 'red drop'")
    path = dump(shop, *(["--no-security-labels"] if without == "labels" else []))
    with Cluster(preload=without == "labels", keys=f"k1 {random_key()}\n", name="bare") as bare:
        done = restore(bare, shutil.copy(path, bare.base))
        assert (done.returncode == 0) == (without == "labels")
        if without == "the provider":
            assert b'security label provider "wal2lake" is not loaded' in done.stderr
            # A migration goes on, and what was declared for it stays closed.
            bare.query("ALTER TABLE users ADD COLUMN later text", dbname="restored")
            bare.query("ALTER TABLE users DROP COLUMN later", dbname="restored")
            bare.configure({"shared_preload_libraries": "wal2lake_policy", "wal2lake.key_file": bare.key_file})
            bare.restart()
        assert bare.value("SELECT count(*) FROM users", dbname="restored") == 0
        # A restore alters tables, and somebody may: what had come before the dump does not come back as it was declared.
        bare.query("ALTER TABLE users ALTER COLUMN name SET NOT NULL", dbname="restored")
        labels = bare.query(LABELS, dbname="restored")
        # A partition may follow its ancestors, of which none says anything.
        assert {label for _, _, label in labels} <= {"inherit"}
        slot = PluginSlot(bare, "restored", "restored").create()
        write(bare, "restored")
        assert sent(slot) == {}


def test_a_template_brings_the_labels(shop, server):
    """Not that of the database itself, which is another one."""
    server.query(f"CREATE DATABASE copied TEMPLATE {shop.name}")
    assert server.query(LABELS, dbname="copied") == server.query(LABELS, dbname=shop.name)
    sends_as_the_shop_once_it_names_a_key(server, "copied", "k1")


def test_two_databases_have_nothing_to_do_with_each_other(shop, server):
    """Tables of the same names, other labels, another key; what is said in one does not count in the other."""
    with Database(server, "other") as other:
        other.execute("CREATE TABLE users (id int PRIMARY KEY, name text, email text, bio text)",
                      "CREATE TABLE events_1 (id int, day int, note text)", "CREATE TABLE events (id int, day int, note text)",
                      "CREATE TABLE hidden (id int PRIMARY KEY)",
                      f"SECURITY LABEL FOR wal2lake ON DATABASE {other.name} IS 'key=k2'")
        other.label("users", id="green", name="red drop", email="red hash domain=email", bio="green")
        other.label("hidden", id="green")
        ours, theirs = shop.plugin_slot(), other.plugin_slot()
        with pytest.raises(psycopg2.Error, match="connect to the database that is to be labelled"):
            other.execute(f"SECURITY LABEL FOR wal2lake ON DATABASE {shop.name} IS 'key=k2'")
        write(server, shop.name)
        write(server, other.name)
        as_in_the_shop(sent(ours), "k1")
        rows = sent(theirs)
        assert rows.keys() == {"public.users", "public.hidden"}
        assert (rows["public.users"]["name"], rows["public.users"]["bio"]) == (WITHHELD, "bio")
        assert rows["public.users"]["email"].bytes == email("k2")


def upgrade(old, new):
    """pg_upgrade from one data directory to another."""
    old.stop()
    return new._run([new.bindir / "pg_upgrade", "-b", old.bindir, "-B", new.bindir, "-d", old.data, "-D", new.data, "-U", "postgres",
                     "-p", old.port, "-P", new.port, "--socketdir", new.sockets, "--no-sync", "--link"], check=False)


@pytest.mark.parametrize("preload", [True, False], ids=["with the provider", "without it"])
def test_an_upgrade_brings_the_labels_or_does_not_take_place(preload):
    """pg_upgrade restores a dump of all schemas, and an error in it ends it."""
    settings = {} if preload else {"shared_preload_libraries": ""}
    with Cluster(keys="k1 " + random_key() + "\n", name="old") as old:
        old.query("CREATE EXTENSION wal2lake")
        old.query("CREATE TABLE users (id int PRIMARY KEY, name text, email text, bio text)")
        for column, label in ("id", "green"), ("name", "green"), ("email", "red hash domain=email"):
            old.query(f"SECURITY LABEL FOR wal2lake ON COLUMN users.{column} IS '{label}'")
        old.query("SECURITY LABEL FOR wal2lake ON DATABASE postgres IS 'key=k1'")
        labels, changes = old.query(LABELS), old.value("SELECT count(*) FROM wal2lake.label_history WHERE ran_as IS NOT NULL")
        new = Cluster(settings, preload=preload, keys=old.key_file.read_text(), name="new")
        try:
            done = upgrade(old, new)
            assert (done.returncode == 0) == preload, done.stdout
            if preload:
                new.start()
                assert new.query(LABELS) == labels and len(labels) == 3
                assert new.value("SELECT count(*) FROM wal2lake.label_history WHERE ran_as IS NOT NULL") >= changes == 4
                assert new.query("SELECT label FROM pg_shseclabel WHERE provider = 'wal2lake'") == [("key=k1",)]
                slot = PluginSlot(new, "postgres", "after").create()
                new.query("INSERT INTO users VALUES (1, 'name', 'e@example.com', 'bio')")
                row = sent(slot)["public.users"]
                key = tokens.keys_of(new.key_file.read_text())["k1"]
                assert (row["name"], row["bio"]) == ("name", WITHHELD)
                assert row["email"].bytes == tokens.token(key, "email", "text", "e@example.com")
        finally:
            new.remove()
