"""`wal2lake policy export`, `plan`, `apply` and `diff` against a server: what they leave alone, refuse, and who may do what."""

import json
import re
import shutil
import tempfile
import threading
import time
from pathlib import Path

import pytest
import yaml

from harness.cluster import Cluster, random_key, wait_until
from harness.database import Database
from harness.forwarder import command

NOTHING, FAILED, SOMETHING = 0, 1, 2
GRANTS = ("GRANT EXECUTE ON FUNCTION wal2lake.set_labels(regclass, text, text, name[], text[]), "
          "wal2lake.declare(name, name, name[], text[]) TO labels",
          "GRANT SELECT ON wal2lake.label_history TO labels")
HOSTILE = ('Users', 'users', 'select', 'a.b', 'with "quotes"', "it's", 'new\nline', 'no', '~', '1e3', '- dash', 'ta\tb', 'ende\u00e9',
           '\u202eright', 'x' * 63, 'é' * 31, '#hash', 'a: b', '%41', '../up', ' blank ', '{a}', '*star', '&anchor', '!tag', 'TODO', '\\x')


class Desk:
    """A folder with a policy, and a database that it is for."""

    def __init__(self, database, folder):
        self.database, self.cluster, self.folder = database, database.cluster, folder
        self.policy = folder / "policy"
        self.plan_file = folder / "plan.json"

    def run(self, *arguments, user="postgres", code=NOTHING, dbname=None, timeout=60):
        done = command("policy", *arguments, "--conninfo", self.cluster.conninfo(dbname or self.database.name, user), timeout=timeout)
        said = done.stdout.decode() + done.stderr.decode()
        assert done.returncode == code, said
        return said

    def export(self, *arguments, folder=None, **more):
        return self.run("export", folder or self.policy, *arguments, **more)

    def plan(self, code=SOMETHING, **more):
        """The plan as JSON, kept for apply."""
        text = self.run("plan", self.policy, "--json", code=code, **more)
        self.plan_file.write_text(text, encoding="utf-8")
        return json.loads(text)

    def apply(self, *arguments, **more):
        return self.run("apply", "--plan", self.plan_file, *arguments, **more)

    def write(self, table, text, schema="public"):
        """The columns of a document, as lines."""
        path = self.policy / schema / f"{table}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"schema: {schema}\ntable: {table}\ncolumns:\n" + "".join(f"  {line}\n" for line in text.splitlines()),
                        encoding="utf-8")
        return path

    def labels(self):
        return {f"{schema}.{table}.{column}": label for schema, table, column, label in self.cluster.query(
            "SELECT schema_name, table_name, column_name, label FROM wal2lake.policy", dbname=self.database.name)}

    def texts(self, folder=None):
        folder = folder or self.policy
        return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.yml"))}


@pytest.fixture(scope="module")
def server():
    with Cluster(name="policy-code", keys=f"k2026 {random_key()}\n", settings={"wal2lake.admin_role": "labels"}) as cluster:
        for role in ("CREATE ROLE labels", "CREATE ROLE dba LOGIN IN ROLE labels", "CREATE ROLE owner LOGIN"):
            cluster.query(role)
        yield cluster


@pytest.fixture
def desk(server, request):
    folder = Path(tempfile.mkdtemp(prefix="wal2lake-desk-", dir="/tmp"))
    with Database(server, request.node.name) as database:
        database.execute(*GRANTS, "GRANT CREATE ON SCHEMA public TO owner")
        yield Desk(database, folder)
    shutil.rmtree(folder)


def columns_of(plan):
    return {f"{table['table']}.{column['column']}": column for table in plan["tables"] for column in table["columns"]}


def test_what_people_wrote_stays(desk):
    desk.database.execute("CREATE TABLE t (id bigint PRIMARY KEY, email text, created_at timestamptz)",
                          "CREATE TABLE root (id int, day date) PARTITION BY RANGE (day)",
                          "CREATE TABLE leaf PARTITION OF root FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
                          "CREATE VIEW v AS SELECT id FROM t",
                          "SECURITY LABEL FOR wal2lake ON COLUMN t.id IS 'green'")
    said = desk.export()
    assert "v" in said and "1 partition" in said
    assert set(desk.texts()) == {"public/t.yml", "public/root.yml"}
    document = desk.policy / "public/t.yml"
    assert yaml.safe_load(document.read_text())["columns"] == {"id": "green", "email": "TODO", "created_at": "TODO"}
    # Somebody's own hand: comments, an order, blank lines, a decision.
    document.write_text("# Ours.\ntable: t   # no schema\n\ncolumns:\n  # who\n  email:   red hash domain=email # asked legal\n"
                        "  id: 'green'\n\n  created_at: TODO # ?\n# the end\n", encoding="utf-8")
    before = document.read_text()
    desk.export()
    assert document.read_text() == before
    desk.database.execute("ALTER TABLE t ADD COLUMN bio text")
    (desk.policy / "rules.yml").write_text("rules:\n  '*_at': green\n", encoding="utf-8")
    desk.export()
    after = document.read_text()
    assert [line for line in after.splitlines() if "bio" not in line] == before.replace(
        "created_at: TODO", "created_at: green").splitlines()
    assert yaml.safe_load(after)["columns"] == {"email": "red hash domain=email", "id": "green", "created_at": "green", "bio": "TODO"}
    again = desk.texts()
    desk.export()
    assert desk.texts() == again
    # Where the database says otherwise the document stays, until it is told not to.
    desk.database.label("t", id="yellow")
    assert "public.t.id" in desk.export() and desk.texts() == again
    desk.export("--overwrite")
    assert yaml.safe_load(document.read_text())["columns"]["id"] == "yellow"


def test_nothing_that_is_in_the_way_is_lost(desk):
    """A document that export did not read is a person's all the same."""
    desk.database.execute("CREATE TABLE t (id bigint PRIMARY KEY, ssn text)", "CREATE TABLE u (id bigint PRIMARY KEY)")
    theirs = "table: t\ncolumns:\n  id: green\n  ssn: red drop # legal, ticket 42\n"
    shared = desk.folder / "shared"
    shared.mkdir()
    (shared / "t.yml").write_text(theirs)
    desk.policy.mkdir()
    link = desk.policy / "public"
    link.symlink_to(shared)
    for command_line in (("export", desk.policy), ("plan", desk.policy), ("check", desk.policy)):
        done = command("policy", *command_line, *(["--conninfo", desk.cluster.conninfo(desk.database.name)] if command_line[0] != "check" else []))
        assert done.returncode == FAILED and b"is a link to a folder" in done.stderr, done.stderr
    assert (shared / "t.yml").read_text() == theirs and list(shared.iterdir()) == [shared / "t.yml"]
    link.unlink()
    link.mkdir()
    # An ending in capitals is read; a folder with the name of a document is in the way of that one alone.
    (link / "T.YML").write_text(theirs)
    (link / "u.yml").mkdir()
    said = desk.export(code=FAILED)
    assert "path-taken" in said and "public/u.yml" in said
    assert {path.name for path in link.iterdir()} == {"T.YML", "u.yml"} and (link / "T.YML").read_text() == theirs
    (link / "u.yml").rmdir()
    # As a shell completes it, and with something to change.
    desk.database.execute("ALTER TABLE t ADD COLUMN bio text")
    desk.export(folder=f"{desk.policy}/")
    assert (link / "T.YML").read_text().startswith(theirs + "  bio: TODO") and (link / "u.yml").is_file()
    assert {path.name for path in link.iterdir()} == {"T.YML", "u.yml"}


def test_what_was_reviewed_is_not_relabelled(desk):
    """`reviewed` would go on to silence what is said of a label that nobody has seen."""
    desk.database.execute("CREATE TABLE t (id bigint PRIMARY KEY, password text, pin text)")
    desk.database.label("t", pin="yellow")
    document = desk.write("t", "id: green\npassword: {label: TODO, reviewed: asked Ann}\npin: {label: red drop, reviewed: a secret}")
    (desk.policy / "rules.yml").write_text("rules:\n  't.*': green\n", encoding="utf-8")
    before = document.read_text()
    assert "1 say TODO" in desk.export()
    said = desk.export("--overwrite", code=FAILED)
    assert "not-editable" in said and "public.t.pin" in said and '"yellow"' in said
    assert document.read_text() == before


def test_a_table_that_is_excluded_here_and_not_there(desk):
    """--overwrite says so: it is no label of a column, and opens the whole table."""
    desk.database.execute("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u (id int PRIMARY KEY)",
                          "SECURITY LABEL FOR wal2lake ON TABLE t IS 'exclude'")
    desk.database.label("u", id="green")
    t, u = desk.write("t", "id: green"), desk.write("u", "")
    u.write_text("table: u\nlabel: exclude\n")
    assert "otherwise in the database; the documents stay: public.t, public.u\n" in desk.export()
    before = t.read_text(), u.read_text()
    said = desk.export("--overwrite", code=FAILED)
    assert said.count("not-editable") == 2 and "now as in the database" not in said
    assert (t.read_text(), u.read_text()) == before


def test_plan_tells_what_newly_flows_first_and_apply_does_it(desk):
    desk.database.execute("CREATE TABLE t (id bigint PRIMARY KEY, email text, bio text, theme text, old text)")
    desk.database.label("t", theme="red hash domain=theme", old="green", bio="red hash domain=a")
    desk.write("t", "id: green\nemail: red hash domain=email\nbio: red hash domain=b\ntheme: green\nold: red drop\n")
    said = desk.run("plan", desk.policy, code=SOMETHING)
    order = [said.index(f"public.t.{column}") for column in ("theme", "email", "bio", "old")]
    assert order == sorted(order) and said.startswith("newly flows, in clear (2 columns)"), said
    assert "public/t.yml:7" in said
    plan = desk.plan()
    assert {name: (column["old_action"], column["new_action"], column["effect"]) for name, column in columns_of(plan).items()} == {
        "t.id": ("hash", "clear", "newly-clear"), "t.theme": ("hash", "clear", "newly-clear"),
        "t.email": ("drop", "hash", "newly-hashed"), "t.bio": ("hash", "hash", "other-tokens"), "t.old": ("clear", "drop", "closes")}
    assert "1 table labelled" in desk.apply()
    assert desk.labels() == {"public.t.id": "green", "public.t.email": "red hash domain=email", "public.t.bio": "red hash domain=b",
                             "public.t.theme": "green", "public.t.old": "red drop"}
    assert "nothing to do" in desk.run("plan", desk.policy)
    assert "1 before" in desk.apply(), "the same plan again is no harm"


def test_a_table_that_is_excluded_and_one_that_is_no_more(desk):
    desk.database.execute("CREATE TABLE kept (id int PRIMARY KEY, a text)", "CREATE TABLE sent (id int PRIMARY KEY, a text)",
                          "SECURITY LABEL FOR wal2lake ON TABLE sent IS 'exclude'")
    desk.database.label("kept", id="green", a="green")
    desk.database.label("sent", id="green", a="green")
    desk.write("kept", "id: green").write_text("table: kept\nlabel: exclude\n")
    desk.write("sent", "id: green\na: green")
    assert {name: column["effect"] for name, column in columns_of(desk.plan()).items()} == {
        "kept.id": "closes", "kept.a": "closes", "sent.id": "newly-clear", "sent.a": "newly-clear"}
    desk.apply()
    assert desk.cluster.query("SELECT objoid::regclass::text, label FROM pg_seclabel WHERE objsubid = 0",
                              dbname=desk.database.name) == [("kept", "exclude")]


def test_columns_and_tables_that_changed_names(desk):
    desk.database.execute("CREATE TABLE t (id bigint PRIMARY KEY, a text, b text)", "CREATE TABLE other (id bigint PRIMARY KEY)")
    desk.database.label("t", id="green", a="green", b="red drop")
    desk.database.label("other", id="green")
    desk.write("t", "id: green\na: green\nb: red drop")
    desk.write("other", "id: green")
    desk.run("plan", desk.policy)
    desk.database.execute("ALTER TABLE t RENAME a TO c", "ALTER TABLE t RENAME b TO a", "ALTER TABLE t RENAME c TO b")
    found = columns_of(desk.plan())
    assert {name: (column["labelled_as"], column["effect"]) for name, column in found.items()} == {
        "t.a": ("b", "newly-clear"), "t.b": ("a", "closes")}
    said = desk.run("plan", desk.policy, code=SOMETHING)
    assert "called b when it was labelled" in said and "called a when it was labelled" in said
    desk.database.execute("ALTER TABLE other RENAME TO former", "ALTER TABLE t RENAME TO other")
    (desk.policy / "public/t.yml").unlink()
    desk.write("other", "id: yellow")
    assert "labelled as a column of public.t" in desk.run("plan", desk.policy, code=SOMETHING)
    # Who may not read the history is told so.
    desk.database.execute("REVOKE SELECT ON wal2lake.label_history FROM labels")
    said = desk.run("plan", desk.policy, code=SOMETHING, user="dba")
    assert "may not read wal2lake.label_history" in said and "labelled as" not in said


def test_a_plan_of_another_day_does_nothing(desk):
    desk.database.execute("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")
    desk.write("a", "id: green")
    desk.write("b", "id: green")
    for change, undo in (("ALTER TABLE b ADD COLUMN x int", "ALTER TABLE b DROP COLUMN x"),
                         ("ALTER TABLE b RENAME TO c", "ALTER TABLE c RENAME TO b"),
                         ("ALTER TABLE b RENAME id TO key", "ALTER TABLE b RENAME key TO id"),
                         ("ALTER TABLE b ALTER id TYPE bigint", "ALTER TABLE b ALTER id TYPE int"),
                         ("SECURITY LABEL FOR wal2lake ON COLUMN b.id IS 'red'", "SECURITY LABEL FOR wal2lake ON COLUMN b.id IS NULL")):
        desk.plan()
        desk.database.execute(change)
        said = desk.apply(code=FAILED)
        assert "public.b changed since the plan was made" in said, said
        assert "public.a.id" not in desk.labels()
        desk.database.execute(undo)
    desk.plan()
    with Database(desk.cluster, "elsewhere") as other:
        assert "another database" in desk.apply(code=FAILED, dbname=other.name)
    desk.apply()
    assert desk.labels() == {"public.a.id": "green", "public.b.id": "green"}


def test_a_locked_table_does_not_keep_the_others_waiting(desk):
    names = [f"t{number}" for number in range(6)]
    for name in names:
        desk.database.execute(f"CREATE TABLE {name} (id int PRIMARY KEY)")
        desk.write(name, "id: green")
    desk.plan()
    holder = desk.cluster.connect(desk.database.name, autocommit=False)
    # What holds it: CREATE INDEX CONCURRENTLY, VACUUM and a label take this lock.
    holder.cursor().execute("LOCK TABLE t0 IN SHARE UPDATE EXCLUSIVE MODE")
    said = desk.apply("--lock-timeout", "100ms", "--retries", "1", code=FAILED)
    assert "public.t0 stayed locked" in said and "5 tables labelled" in said
    assert "others hold a lock on public.t0; once more in 1 s (1 of 1)\n" in said
    # Readers and writers of a table that waits for its label are not kept waiting either.
    waiting = threading.Thread(target=lambda: desk.apply("--lock-timeout", "20s"))
    waiting.start()
    try:
        deadline = time.monotonic() + 20
        while not desk.cluster.query("SELECT 1 FROM pg_locks WHERE relation = 't0'::regclass AND NOT granted",
                                     dbname=desk.database.name):
            assert time.monotonic() < deadline
        desk.database.execute("SET lock_timeout = '1s'", "INSERT INTO t0 VALUES (1)")
    finally:
        holder.rollback()
        waiting.join()
    assert desk.labels() == {f"public.{name}.id": "green" for name in names}


def test_an_old_plan_brings_no_declaration_back(desk):
    """A job in CI that is run again has the plan of then."""
    desk.database.execute("CREATE TABLE t (id int PRIMARY KEY)")
    desk.database.label("t", id="green")
    desk.write("t", "id: green\nlater: green\nsoon: green")
    desk.plan()
    desk.apply()
    old = desk.plan_file.read_bytes()
    assert "0 tables labelled" in desk.apply(), "again is no harm"
    # One of them has come, the other not yet: the same plan is still done.
    desk.database.execute("ALTER TABLE t ADD COLUMN soon text")
    desk.apply()
    assert desk.labels() == {"public.t.id": "green", "public.t.soon": "green"}
    desk.write("t", "id: green\nlater: red drop\nsoon: green")
    desk.plan()
    desk.apply()
    desk.plan_file.write_bytes(old)
    assert "what is declared for public.t changed since the plan was made" in desk.apply(code=FAILED)
    desk.database.execute("ALTER TABLE t ADD COLUMN later text")
    assert desk.labels()["public.t.later"] == "red drop"


def test_an_old_plan_is_none_for_what_was_taken_back(desk):
    """Opened by one plan, closed again by the next: all is as it was when the first was made, and that must not count."""
    desk.database.execute("CREATE TABLE t (id int PRIMARY KEY, email text)")
    desk.database.label("t", id="green", email="red drop")
    desk.write("t", "id: green\nemail: green\nlater: green")
    desk.plan()
    desk.apply()
    old = desk.plan_file.read_bytes()
    desk.write("t", "id: green\nemail: red drop")
    desk.plan()
    desk.apply()
    desk.plan_file.write_bytes(old)
    said = desk.apply(code=FAILED)
    assert "public.t, what is declared for public.t changed since the plan was made" in said
    desk.database.execute("ALTER TABLE t ADD COLUMN later text")
    assert desk.labels() == {"public.t.id": "green", "public.t.email": "red drop"}


def test_what_is_declared_while_apply_waits_stays(desk):
    desk.database.execute("CREATE TABLE t0 (id int PRIMARY KEY)", "CREATE TABLE t (id int PRIMARY KEY)")
    desk.database.label("t", id="green")
    desk.write("t0", "id: green")
    desk.write("t", "id: green\nlater: green")
    desk.plan()
    holder = desk.cluster.connect(desk.database.name, autocommit=False)
    holder.cursor().execute("LOCK TABLE t0 IN SHARE UPDATE EXCLUSIVE MODE")
    said = []
    waiting = threading.Thread(target=lambda: said.append(desk.apply("--lock-timeout", "20s", code=FAILED)))
    waiting.start()
    try:
        wait_until(lambda: desk.cluster.query("SELECT 1 FROM pg_locks WHERE relation = 't0'::regclass AND NOT granted",
                                              dbname=desk.database.name), 20, "apply to wait for the table")
        desk.database.execute("SELECT wal2lake.declare('public', 't', '{later}', '{red drop}')")
    finally:
        holder.rollback()
        waiting.join()
    assert "what is declared for public.t changed since the plan was made" in said[0]
    desk.database.execute("ALTER TABLE t ADD COLUMN later text")
    assert desk.labels() == {"public.t0.id": "green", "public.t.id": "green", "public.t.later": "red drop"}


def test_what_an_index_carries_is_no_key(desk):
    """A column that a primary key only INCLUDEs is withheld without a label, and not hashed as a key is: labelled, it newly flows."""
    desk.database.execute("CREATE TABLE t (id int, email text, PRIMARY KEY (id) INCLUDE (email))")
    desk.database.label("t", id="green")
    desk.write("t", "id: green\nemail: red hash domain=email")
    columns = columns_of(desk.plan())
    assert (columns["t.email"]["old_action"], columns["t.email"]["effect"]) == ("drop", "newly-hashed")


def test_it_goes_on_where_it_was_interrupted(desk):
    desk.database.execute("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")
    desk.write("a", "id: green\nlater: red drop")
    desk.write("b", "id: green")
    desk.plan()
    desk.database.label("a", id="green")
    said = desk.apply()
    assert "1 table labelled, 1 before" in said and "declarations of 1 table" in said
    assert desk.cluster.query("SELECT table_name, column_name, label FROM wal2lake.declared", dbname=desk.database.name) == [
        ("a", "later", "red drop")]


def test_partitions_and_children_are_not_touched(desk):
    desk.database.execute(
        "CREATE TABLE root (id int, day date) PARTITION BY RANGE (day)",
        "CREATE TABLE leaf PARTITION OF root FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
        "CREATE TABLE parent (id int PRIMARY KEY, a text)", "CREATE TABLE child (b text) INHERITS (parent)")
    desk.write("root", "id: green\nday: green")
    desk.write("parent", "id: green\na: green")
    desk.plan()
    desk.apply()
    assert set(desk.labels()) == {"public.root.id", "public.root.day", "public.parent.id", "public.parent.a"}
    said = desk.write("leaf", "id: green") and desk.run("plan", desk.policy, code=FAILED)
    assert re.search(r"public/leaf\.yml:\d+: error not-a-root", said), said


def test_what_the_owner_may_and_what_is_left_for_the_admin(desk):
    desk.database.execute("CREATE TABLE o (id int PRIMARY KEY, bio text, email text, gone text)", "ALTER TABLE o OWNER TO owner",
                          "CREATE TABLE strange (id int PRIMARY KEY)")
    desk.database.label("o", gone="green")
    desk.write("o", "id: green\nbio: red drop\nemail: red hash domain=email\ngone: red drop\nahead: red drop")
    desk.write("strange", "id: green")
    desk.plan(user="owner")
    said = desk.apply(user="owner", code=FAILED)
    assert desk.labels() == {"public.o.bio": "red drop", "public.o.gone": "red drop"}
    assert "the role may not do all of it" in said
    rest = [line for line in said.splitlines() if line.startswith(("SECURITY LABEL", "SELECT wal2lake.declare"))]
    assert len(rest) == 4, said
    desk.database.execute(*rest)
    assert "nothing to do" in desk.run("plan", desk.policy)


def test_the_admin_needs_to_own_nothing(desk):
    desk.database.execute("CREATE TABLE t (id int PRIMARY KEY, a text)")
    desk.write("t", "id: green\na: red hash domain=a\nlater: yellow")
    desk.plan(user="dba")
    desk.apply(user="dba")
    assert desk.labels() == {"public.t.id": "green", "public.t.a": "red hash domain=a"}
    assert "nothing to do" in desk.run("plan", desk.policy, user="dba")
    desk.write("t", "id: green\na: red hash domain=a")
    assert desk.plan(user="dba")["declarations"] == [{"schema": "public", "table": "t", "added": 0, "removed": 1, "labels": [],
                                                       "standing": [{"column": "later", "label": "yellow"}], "version": 1}]
    desk.apply(user="dba")
    assert desk.cluster.query("SELECT count(*) FROM wal2lake.declared", dbname=desk.database.name) == [(0,)]


def test_hostile_names_survive_export_apply_export(desk):
    quoted = lambda name: '"' + name.replace('"', '""') + '"'  # noqa: E731
    for schema in ("public", 'odd "schema".x'):
        desk.database.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        for number, name in enumerate(HOSTILE):
            columns = ", ".join(f"{quoted(other)} text" for other in HOSTILE)
            desk.database.execute(f"CREATE TABLE {quoted(schema)}.{quoted(name)} ({columns})")
            desk.database.execute("; ".join(
                f"SECURITY LABEL FOR wal2lake ON COLUMN {quoted(schema)}.{quoted(name)}.{quoted(other)} IS "
                + ("'green'", "'red drop'", "'red hash domain=a:b'", "'orange hash'")[(at + number) % 4]
                for at, other in enumerate(HOSTILE)))
    desk.export()
    first, labels = desk.texts(), desk.labels()
    assert len(first) == 2 * len(HOSTILE) and len({path.lower() for path in first}) == len(first)
    for text in first.values():
        document = yaml.safe_load(text.decode())
        for name, label in document["columns"].items():
            assert labels[f"{document['schema']}.{document['table']}.{name}"] == label
    desk.run("plan", desk.policy)
    desk.database.execute("DO $$ DECLARE p record; BEGIN FOR p IN SELECT * FROM wal2lake.policy LOOP EXECUTE format("
                          "'SECURITY LABEL FOR wal2lake ON COLUMN %I.%I.%I IS NULL', p.schema_name, p.table_name, p.column_name); "
                          "END LOOP; END $$")
    assert desk.labels() == {}
    desk.plan()
    desk.apply()
    assert desk.labels() == labels
    desk.export()
    assert desk.texts() == first
    elsewhere = desk.folder / "elsewhere"
    desk.export(folder=elsewhere)
    assert desk.texts(elsewhere) == first


REFUSED = (
    ("twice", "table: t\ncolumns:\n  id: green\n  id: red drop\n", 4, "duplicate"),
    ("unknown class", "table: t\ncolumns:\n  id: blue\n", 3, "odd-label"),
    ("unknown action", "table: t\ncolumns:\n  id: red burn\n", 3, "odd-label"),
    ("clear red", "table: t\ncolumns:\n  id: red clear\n", 3, "odd-label"),
    ("impossible", "table: t\ncolumns:\n  id: green\n  data: red hash domain=x\n", 4, "impossible-action"),
    ("unknown key", "table: t\ncolums:\n  id: green\n", 2, "unknown-key"),
    ("anchor", "table: t\ncolumns:\n  id: &a green\n", 3, "unreadable"),
    ("no yaml", "table: t\ncolumns:\n  id: [green\n", None, "unreadable"),
)


@pytest.mark.parametrize("text, line, code", [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_document_that_is_wrong_is_refused_with_file_line_and_fix(desk, text, line, code):
    desk.database.execute("CREATE TABLE t (id int PRIMARY KEY, data jsonb)")
    path = desk.write("t", "id: green")
    path.write_text(text, encoding="utf-8")
    said = desk.run("plan", desk.policy, code=FAILED)
    assert re.search(rf"policy/public/t\.yml:{line or '[0-9]+'}: error {code}: .*; .", said), said
    before = desk.texts()
    desk.export(code=FAILED if code != "odd-label" and code != "impossible-action" else NOTHING)
    assert desk.texts()["public/t.yml"].startswith(before["public/t.yml"])
    assert desk.labels() == {}


def test_drift_is_found(desk):
    desk.database.execute("CREATE TABLE t (id int PRIMARY KEY, a text, b text, c text, d text)", "CREATE TABLE alone (id int)")
    desk.database.label("t", id="green", b="green", c="green")
    desk.write("t", "id: green\na: red drop\nb: yellow\nd: TODO\ne: red drop")
    said = desk.run("diff", desk.policy, "--live", code=SOMETHING)
    found = {line.split(": ")[1] + " " + line.split(": ")[2] for line in said.splitlines() if ": warning " in line or ": info " in line}
    assert found == {"warning not-applied public.t.a", "warning label-differs public.t.b", "warning not-in-policy public.t.c",
                     "warning unclassified public.t.d", "warning not-declared public.t.e",
                     "warning table-without-document public.alone"}, said
    desk.write("t", "id: green\na: red drop\nb: yellow\nc: green\nd: red drop\ne: red drop")
    desk.write("alone", "id: green")
    desk.plan()
    desk.apply()
    said = desk.run("diff", desk.policy, "--live")
    assert "info waiting: public.t.e" in said
    desk.database.execute("ALTER TABLE t ADD COLUMN e text", "ALTER TABLE t RENAME a TO f")
    said = desk.run("diff", desk.policy, "--live", code=SOMETHING)
    assert "waiting" not in said and "info renamed: public.t.f" in said and "warning not-declared: public.t.a" in said


def test_the_page_lists_all_codes():
    listed = dict(line.split()[1::-1] for line in command("policy", "check", "--list").stdout.decode().splitlines())
    page = (Path(__file__).resolve().parents[2] / "docs/policy.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `([a-z-]+)` \| (error|warning|info) \|", page, re.MULTILINE))
    told.update(re.findall(r"`([a-z-]+)` \((error)", page))
    assert told == listed and len(listed) > 20


def test_usage(desk, tmp_path):
    said = desk.run("apply", "--plan", tmp_path / "none", code=FAILED)
    assert "cannot be read" in said
    (tmp_path / "x").write_text("{}")
    assert "is no plan" in desk.run("apply", "--plan", tmp_path / "x", code=FAILED)
    assert "cannot" in desk.run("plan", tmp_path / "missing", code=FAILED)
    done = command("policy", "plan", tmp_path, "--conninfo", "dbname=x password=secret")
    assert done.returncode == FAILED and b"password" in done.stderr and b"secret" not in done.stderr
    assert command("policy", "nonsense").returncode == FAILED
    assert command("policy").returncode == FAILED
    assert command("policy", "diff", tmp_path).returncode == FAILED, "what to compare with is said"
    desk.database.execute("DROP EXTENSION wal2lake")
    (tmp_path / "x").unlink()
    assert "CREATE EXTENSION wal2lake" in desk.run("plan", tmp_path, code=FAILED)
