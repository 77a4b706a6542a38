"""A load of random changes on tables of many shapes, by two sessions whose transactions interleave. The same seed gives the
same statements in the same order."""

import random
from dataclasses import dataclass, field

import psycopg2

from .random_values import Values, quoted
from .type_samples import CREATE_TYPES, SAMPLES

EXTENSIONS = ("citext", "hstore", "ltree")
# What pgoutput cannot send or receive in binary, what needs an extension more, what we send otherwise (test_types.py has all).
LEFT_OUT = {"aclitem", "int2vector", "oidvector", "pg_node_tree", "pg_ndistinct", "pg_dependencies", "pg_mcv_list", "celsius", "tsquery",
            "earth", "cube", "seg", "query_int", "lo", "ean13", "isbn13", "isbn", "ismn13", "ismn", "issn13", "issn", "upc"}
MANY = [name for name in SAMPLES if name not in LEFT_OUT and not name.startswith("reg")]
IDS = 60
WIDE = 300


@dataclass
class Shape:
    """A table: its name as SQL has it, its columns besides `id` that statements write, and what it is made of."""

    name: str
    columns: dict
    constraint: str = "PRIMARY KEY (id)"
    after: str = ""
    has_identity: bool = True
    red: tuple = ()
    weight: int = 10
    # The part of its statements that change more than one row.
    by_range: float = 0.2
    added: list = field(default_factory=list)

    def create(self):
        columns = ", ".join(["id int NOT NULL", *(f"{name} {declared(of)}" for name, of in self.columns.items())])
        constraint = f", {self.constraint}" if self.constraint else ""
        partitioned = " PARTITION BY RANGE (id)" if "PARTITION OF" in self.after else ""
        yield f"CREATE TABLE {self.name} ({columns}{constraint}){partitioned}"
        yield from (statement for statement in self.after.split(";") if statement.strip())
        for column in self.red:
            yield f"SECURITY LABEL FOR wal2lake ON COLUMN {self.name}.{column} IS 'red hash domain=d'"
        yield f"SELECT wal2lake.classify({quoted(self.name)}, 'green')"


def declared(of):
    return {"character": "character(6)", "bit": "bit(3)"}.get(of, of)


def shapes():
    return [
        Shape("many", {f"c{number}": of for number, of in enumerate(MANY)}, weight=25),
        Shape("lists", {f"c{number}": f"{of}[]" for number, of in enumerate(
            ["integer", "text", "numeric", "date", "mood", "pair", "timestamp with time zone", "real", "bytea", "boolean", "even"])}),
        Shape("no_key", {"a": "integer", "b": "text", "c": "numeric"}, "", has_identity=False, red=("b",)),
        Shape("nothing", {"a": "integer", "b": "text"}, after="ALTER TABLE nothing REPLICA IDENTITY NOTHING", has_identity=False),
        Shape("whole", {"a": "bigint", "b": "text", "c": "jsonb", "d": "bytea", "e": "integer[]"},
              after="ALTER TABLE whole REPLICA IDENTITY FULL; ALTER TABLE whole ALTER b SET STORAGE EXTERNAL", red=("b",)),
        Shape("whole_no_key", {"a": "integer", "b": "citext", "c": "interval"}, "",
              after="ALTER TABLE whole_no_key REPLICA IDENTITY FULL"),
        Shape("by_index", {"code": "integer", "note": "text", "at": "timestamp with time zone"}, "",
              after="UPDATE by_index SET code = 0; ALTER TABLE by_index ALTER code SET NOT NULL, ALTER code SET DEFAULT 7; "
                    "CREATE UNIQUE INDEX by_index_i ON by_index (code, id); ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_i"),
        Shape("two_keys", {"name": "text", "b": "text", "c": "double precision", "d": "uuid"}, "PRIMARY KEY (name, id)",
              after="ALTER TABLE two_keys ALTER name SET DEFAULT ''; ALTER TABLE two_keys DROP c; ALTER TABLE two_keys ADD c double precision; "
                    "ALTER TABLE two_keys ADD twice int GENERATED ALWAYS AS (id * 2) STORED", red=("name", "d")),
        Shape("parted", {"kind": "text", "v": "text", "n": "numeric"}, "",
              after="ALTER TABLE parted ALTER kind SET DEFAULT 'a'; "
                    f"CREATE TABLE parted_low PARTITION OF parted (PRIMARY KEY (id)) FOR VALUES FROM (MINVALUE) TO ({IDS // 2}); "
                    f"CREATE TABLE parted_middle PARTITION OF parted FOR VALUES FROM ({IDS // 2}) TO ({IDS}) PARTITION BY LIST (kind); "
                    "CREATE TABLE parted_a PARTITION OF parted_middle (PRIMARY KEY (id)) FOR VALUES IN ('a', ''); "
                    "CREATE TABLE parted_rest PARTITION OF parted_middle (PRIMARY KEY (id)) DEFAULT; "
                    "CREATE TABLE parted_high PARTITION OF parted (PRIMARY KEY (id)) DEFAULT; "
                    "ALTER TABLE parted_high REPLICA IDENTITY FULL", red=("v",)),
        Shape("wide", {f"c{number}": ("integer", "integer", "text", "text", "date")[number % 5] for number in range(WIDE)}, weight=4),
        Shape("toasted", {"a": "integer", "big": "text", "packed": "text", "raw": "bytea", "doc": "jsonb"},
              after="ALTER TABLE toasted ALTER big SET STORAGE EXTERNAL, ALTER raw SET STORAGE EXTERNAL", weight=12, red=("packed",)),
        Shape('"We ird, x"', {'"sel ""ect"': "text", '"a[text]:\'b\'"': "integer", '"new-tuple:"': "boolean"}),
        Shape("changing", {"a": "integer", "b": "text"}, weight=8),
    ]


class Session:
    """A connection with at most one transaction; counts the rows that were changed and stay so."""

    def __init__(self, cluster, dbname, number):
        self.connection, self.number = cluster.connect(dbname), number
        self.cursor = self.connection.cursor()
        # Neither waits for the other; if one did, this process would wait for itself.
        self.cursor.execute("SET lock_timeout = '20s'")
        self.left, self.counts = 0, []

    @property
    def is_open(self):
        return bool(self.counts)

    def run(self, sql):
        """Run a statement. One that breaks a constraint takes its subtransaction with it, or all of its transaction."""
        try:
            self.cursor.execute(sql)
        except psycopg2.IntegrityError:
            if len(self.counts) > 1:
                self.leave(keep=False)
                self.savepoint()
            else:
                self.cursor.execute("ROLLBACK; BEGIN")
                self.counts = [0]
            return
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            self.counts[-1] += self.cursor.rowcount

    def begin(self, statements):
        self.run("BEGIN")
        self.counts, self.left = [0], statements

    def end(self, commit):
        """Rows of the transaction, if it is committed."""
        rows = sum(self.counts)
        self.run("COMMIT" if commit else "ROLLBACK")
        self.counts = []
        return rows if commit else 0

    def savepoint(self):
        self.run(f"SAVEPOINT s{len(self.counts)}")
        self.counts.append(0)

    def leave(self, keep):
        rows, name = self.counts.pop(), f"s{len(self.counts)}"
        self.run(f"RELEASE {name}" if keep else f"ROLLBACK TO {name}; RELEASE {name}")
        self.counts[-1] += rows if keep else 0


class RandomLoad:
    """Make it, `create` the tables, then `run` changes."""

    def __init__(self, database, seed):
        self.database, self.rng = database, random.Random(seed)
        self.values, self.shapes = Values(self.rng), shapes()
        self.sessions = []

    def create(self):
        self.database.execute(*(f"CREATE EXTENSION {name}" for name in EXTENSIONS), CREATE_TYPES)
        self.database.execute(*(statement for shape in self.shapes for statement in shape.create()))
        self.sessions = [Session(self.database.cluster, self.database.name, number) for number in (0, 1)]
        return self

    def tables(self, has_identity):
        return [shape.name for shape in self.shapes if shape.has_identity == has_identity]

    def close(self):
        for session in self.sessions:
            session.connection.close()

    def run(self, changes):
        """Transactions until so many rows were changed; none is left open."""
        done = 0
        while done < changes or any(session.is_open for session in self.sessions):
            done += self._step(self.rng.choice(self.sessions), may_begin=done < changes)
        return done

    def _step(self, session, may_begin):
        other = self.sessions[1 - session.number]
        if not session.is_open:
            if not may_begin:
                return 0
            session.begin(self.rng.choice([1, 1, 2, 3, 5, 9, 30]))
            if not other.is_open and self.rng.random() < 0.25:
                return self._alone(session)
        elif session.left > 0:
            session.left -= 1
            self._act(session)
        else:
            return self._finish(session)
        return 0

    def _finish(self, session):
        while len(session.counts) > 1:
            session.leave(keep=self.rng.random() < 0.7)
        return session.end(commit=self.rng.random() < 0.85)

    def _alone(self, session):
        """What locks whole tables, while the other session has no transaction: TRUNCATE, other columns, many rows."""
        for _ in range(self.rng.randint(0, 3)):
            self._act(session)
        what = self.rng.random()
        if what < 0.4:
            shapes = self.rng.sample(self.shapes, self.rng.randint(1, 3))
            session.run(f"TRUNCATE {', '.join(shape.name for shape in shapes)}{self.rng.choice(['', ' CASCADE', ' RESTART IDENTITY'])}")
        elif what < 0.75:
            self._other_columns(session)
        else:
            for _ in range(40):
                self._act(session)
        for _ in range(self.rng.randint(0, 5)):
            self._act(session)
        return self._finish(session)

    def _other_columns(self, session):
        """A column more, less or of another name, with rows before and after; it may be rolled back."""
        shape = next(shape for shape in self.shapes if shape.name == "changing")
        self._insert(session, shape)
        before = dict(shape.columns)
        session.savepoint()
        number = self.rng.randrange(10**9)
        if len(shape.columns) > 6 or (len(shape.columns) > 1 and self.rng.random() < 0.2):
            gone = self.rng.choice(list(shape.columns))
            session.run(f"ALTER TABLE changing DROP {gone}")
            del shape.columns[gone]
        elif self.rng.random() < 0.3:
            old = self.rng.choice(list(shape.columns))
            session.run(f"ALTER TABLE changing RENAME {old} TO n{number}")
            shape.columns[f"n{number}"] = shape.columns.pop(old)
        else:
            of = self.rng.choice(["integer", "text", "numeric", "date"])
            session.run(f"ALTER TABLE changing ADD n{number} {of} DEFAULT {self.values.of(of)}")
            session.run(f"SECURITY LABEL FOR wal2lake ON COLUMN changing.n{number} IS 'green'")
            shape.columns[f"n{number}"] = of
        session.run(self.rng.choice(["ALTER TABLE changing REPLICA IDENTITY FULL", "ALTER TABLE changing REPLICA IDENTITY DEFAULT",
                                     "SELECT 1"]))
        for _ in range(3):
            self._change(session, shape)
        keep = self.rng.random() < 0.8
        session.leave(keep)
        if not keep:
            shape.columns = before
        # What follows must find the columns, so what surrounds this is not rolled back.
        while len(session.counts) > 1:
            session.leave(keep=True)
        session.run("COMMIT; BEGIN")

    def _act(self, session):
        what = self.rng.random()
        if what < 0.06 and len(session.counts) < 6:
            session.savepoint()
        elif what < 0.12 and len(session.counts) > 1:
            session.leave(keep=self.rng.random() < 0.6)
        elif what < 0.13:
            session.run("SELECT pg_logical_emit_message(true, 'load', 'x')")
        else:
            self._change(session, self.rng.choices(self.shapes, [shape.weight for shape in self.shapes])[0])

    def _change(self, session, shape):
        what = self.rng.random()
        if what < 0.45:
            self._insert(session, shape)
        elif what < 0.80 and shape.columns:
            columns = self.rng.sample(list(shape.columns), min(len(shape.columns), self.rng.choice([1, 1, 2, 3])))
            values = ", ".join(f"{column} = {self._value(shape, column)}" for column in columns)
            session.run(f"UPDATE {shape.name} SET {values} WHERE {self._where(session, shape)}")
        elif what < 0.88:
            old, new = self._id(session), self._id(session)
            session.run(f"UPDATE {shape.name} SET id = {new} WHERE id = {old} AND NOT EXISTS "
                        f"(SELECT FROM {shape.name} WHERE id = {new})")
        else:
            session.run(f"DELETE FROM {shape.name} WHERE {self._where(session, shape)}")

    def _insert(self, session, shape):
        """A row or some, with values for some of the columns. What is there already is not inserted, or is updated."""
        columns = [column for column in shape.columns if self.rng.random() < (0.25 if len(shape.columns) > 20 else 0.8)]
        ids = sorted({self._id(session) for _ in range(self.rng.choice([1, 1, 1, 2, 4]))})
        rows = ", ".join("(" + ", ".join([str(row), *(self._value(shape, column) for column in columns)]) + ")" for row in ids)
        conflict = " ON CONFLICT DO NOTHING"
        if shape.constraint == "PRIMARY KEY (id)" and columns and self.rng.random() < 0.3:
            conflict = f" ON CONFLICT (id) DO UPDATE SET {columns[0]} = EXCLUDED.{columns[0]}"
        session.run(f"INSERT INTO {shape.name} ({', '.join(['id', *columns])}) VALUES {rows}{conflict}")

    def _value(self, shape, column):
        if shape.name == "toasted" and column != "a" and self.rng.random() < 0.6:
            text = f"(SELECT string_agg(md5(i::text), '') FROM generate_series({self.rng.randrange(999)}, {1000 + self.rng.randrange(300)}) i)"
            return {"raw": f"convert_to({text}, 'UTF8')", "doc": f"to_jsonb({text})"}.get(column, text)
        if column in ("code", "kind", "name"):
            return {"code": str(self.rng.randrange(3)), "kind": self.rng.choice(["'a'", "''", "'b'", "'c'"]),
                    "name": quoted(self.values.text(5))}[column]
        return self.values.of(shape.columns[column])

    def _where(self, session, shape):
        first = self._id(session)
        if self.rng.random() < shape.by_range:
            return f"id BETWEEN {first} AND {first + 12} AND id % 2 = {session.number}"
        return f"id = {first}"

    def _id(self, session):
        """The sessions have ids of their own, so that neither waits for the other."""
        return 2 * self.rng.randrange(IDS) + session.number
