"""Tables of 1,600 columns, as many as PostgreSQL has: every value arrives, in both rows, however it is stored."""

from harness.values import UNCHANGED, Token

COLUMNS = 1600
# As many as have room for their pointers in a page, beside a character for each of the others.
TOASTED = 280
LARGE = 3000


def create(database, kind, key="int"):
    columns = ", ".join(f"c{i} {kind}" for i in range(2, COLUMNS + 1))
    database.execute(f"CREATE TABLE wide (c1 {key} PRIMARY KEY, {columns})", "ALTER TABLE wide REPLICA IDENTITY FULL",
                     "SELECT count(*) FROM wal2lake.classify('wide', 'green')")


def changes(slot):
    return [change for transaction in slot.transactions() for change in transaction.changes]


def test_all_are_numbers(database):
    create(database, "int")
    slot = database.plugin_slot()
    database.execute("INSERT INTO wide VALUES (" + ", ".join(str(i) for i in range(1, COLUMNS + 1)) + ")",
                     f"UPDATE wide SET c2 = -c2, c800 = NULL, c{COLUMNS} = -c{COLUMNS}", "DELETE FROM wide")
    first = {f"c{i}": str(i) for i in range(1, COLUMNS + 1)}
    second = {**first, "c2": "-2", "c800": None, f"c{COLUMNS}": f"-{COLUMNS}"}
    seen = changes(slot)
    assert [change.operation for change in seen] == ["insert", "update", "delete"]
    assert seen[0].new == first and seen[0].old is None
    assert seen[1].new == second and seen[1].old == first
    assert seen[2].new is None and seen[2].old == second


def test_all_are_text_and_some_are_toasted(database):
    """Every third one is hashed. An UPDATE logs what is toasted in the old row only, as the new one did not change it."""
    create(database, "text")
    database.execute("ALTER TABLE wide " + ", ".join(f"ALTER c{i} SET STORAGE EXTERNAL" for i in range(2, TOASTED + 2)))
    hashed = [f"c{i}" for i in range(3, COLUMNS + 1, 3)]
    database.label("wide", **dict.fromkeys(hashed, "red hash domain=wide"))
    slot = database.plugin_slot()
    written = {"c1": "1", **{f"c{i}": str(i % 10) * (LARGE if i < TOASTED + 2 else 1) for i in range(2, COLUMNS + 1)}}
    database.cluster.query("INSERT INTO wide VALUES (" + ", ".join(["%s"] * COLUMNS) + ")", list(written.values()), database.name)
    size = database.value("SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE relname = 'wide'")
    assert size > TOASTED * LARGE, "not as much is toasted as was meant"
    database.execute(f"UPDATE wide SET c{COLUMNS} = 'x'", "DELETE FROM wide")
    insert, update, delete = changes(slot)

    tokens = {written[name]: insert.new[name] for name in hashed}
    assert all(isinstance(token, Token) for token in tokens.values()) and len(set(tokens.values())) == len(tokens)
    shown = {name: tokens[value] if name in hashed else value for name, value in written.items()}
    assert insert.new == shown
    last = {**shown, f"c{COLUMNS}": "x"}
    assert update.new == {name: UNCHANGED if 2 <= int(name[1:]) < TOASTED + 2 else value for name, value in last.items()}
    assert update.old == shown
    assert delete.old == last
