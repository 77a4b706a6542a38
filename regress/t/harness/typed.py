"""A database with a table for every type that a column may have, by PostgreSQL's own list, and rows of its samples.

In each table the type is there plain, beside a column of the same type that is NULL, in an array, under domains, in a composite
and, where its label is accepted, hashed.
"""

from dataclasses import dataclass

import psycopg2

from . import wire
from .type_samples import CREATE_STATISTICS, CREATE_TYPES, DECLARED, EXTENSIONS, SAMPLES

# What a column can be of: base types, enums, domains, composites, ranges, multiranges. An array is its element's affair, and the
# rows of tables and views are composites like others. Not the extension's own, which no column is meant to have.
LIST = """
SELECT t.oid, format_type(t.oid, NULL), t.typarray <> 0, t.typtype, t.oid < 16384 AND t.typtype <> 'd',
       t.typsend <> 0 AND t.typname <> ALL (ARRAY['pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list',
       'int2vector', 'oidvector', 'tsquery']) FROM pg_type t
LEFT JOIN pg_class c ON c.oid = t.typrelid
WHERE t.typisdefined AND t.typtype <> 'p' AND coalesce(c.relkind, 'c') = 'c'
  AND t.typnamespace <> 'wal2lake'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid) ORDER BY t.oid"""


@dataclass
class Type:
    """A type of the catalog, and the table that has it."""

    oid: int
    name: str
    has_array: bool
    kind: str
    built_in: bool
    is_binary: bool  # each of its values can be sent and received so
    can_be_hashed: bool = False

    @property
    def declared(self):
        return DECLARED.get(self.name, self.name)

    @property
    def table(self):
        return f"t{self.oid}"

    def columns(self):
        arrays = ["list", "domain_of_list", "list_of_domain"] if self.has_array else []
        return ["plain", "domain", "composite", *arrays, *(["red"] if self.can_be_hashed else [])]


class Typed:
    """The types of a database, in `types`. `create` makes the tables; `fill` puts the samples into them."""

    def __init__(self, database):
        self.database, self.types = database, []

    def create(self):
        self.database.execute(*(f"CREATE EXTENSION {name} CASCADE" for name in EXTENSIONS if name != "earthdistance"),
                              "CREATE EXTENSION earthdistance", CREATE_TYPES, CREATE_STATISTICS)
        self.types = [Type(*row) for row in self.database.cluster.query(LIST, dbname=self.database.name)]
        connection = self.database.cluster.connect(self.database.name)
        try:
            with connection.cursor() as cursor:
                for of in self.types:
                    self._create_table(cursor, of)
        finally:
            connection.close()
        return self

    def _create_table(self, cursor, of):
        n, declared = of.oid, of.declared
        statements = [f"CREATE DOMAIN domain_{n} AS {declared}",
                      f"CREATE TYPE composite_{n} AS (a int, gone text, v {declared}); ALTER TYPE composite_{n} DROP ATTRIBUTE gone",
                      f"CREATE TABLE {of.table} (id serial PRIMARY KEY, plain {declared}, other {declared}, domain domain_{n}, "
                      f"composite composite_{n}, red {declared}); ALTER TABLE {of.table} REPLICA IDENTITY FULL"]
        if of.has_array:
            statements += [f"CREATE DOMAIN domain_of_list_{n} AS {declared}[]",
                           f"ALTER TABLE {of.table} ADD list {declared}[], ADD domain_of_list domain_of_list_{n}, "
                           f"ADD list_of_domain domain_{n}[]"]
        cursor.execute("; ".join(statements))
        try:
            cursor.execute(f"SECURITY LABEL FOR wal2lake ON COLUMN {of.table}.red IS 'red hash domain=d'")
            of.can_be_hashed = True
        except psycopg2.errors.FeatureNotSupported:
            cursor.execute(f"ALTER TABLE {of.table} DROP red")
        cursor.execute(f"SELECT wal2lake.classify('{of.table}', 'green')")

    def fill(self):
        """Insert each sample, and delete all, so that each is in an old row, too."""
        self.database.execute(*(statement for of in self.types if of.name in SAMPLES for statement in self._rows(of)))

    def _rows(self, of):
        columns = of.columns()
        values = {"plain": "v", "red": "v", "domain": "v", "composite": f"ROW(1, v)::composite_{of.oid}",
                  "list": "ARRAY[v, NULL, v]", "domain_of_list": "array_fill(v, ARRAY[1, 2, 1, 1, 2, 1], ARRAY[-3, 0, 1, 2, 3, 4])",
                  "list_of_domain": f"ARRAY[[NULL, v]]::domain_{of.oid}[]"}
        yield f"INSERT INTO {of.table} DEFAULT VALUES"
        if of.has_array:
            yield f"INSERT INTO {of.table} (list, domain_of_list) VALUES ('{{}}', ARRAY[[NULL], [NULL]]::{of.declared}[])"
        for sample in SAMPLES[of.name]:
            yield (f"INSERT INTO {of.table} ({', '.join(columns)}) SELECT {', '.join(values[column] for column in columns)} "
                   f"FROM (SELECT ({sample})::{of.declared} AS v) sample")
        yield f"DELETE FROM {of.table}"

    def announced(self, transactions):
        """{(type's name, column): (encoding, type oid)} as Relation records say it, encodings by name."""
        tables = {f"public.{of.table}": of for of in self.types}
        prefix = len("ENCODING_")
        found = {}
        for relation in {id(change.relation): change.relation for t in transactions for change in t.changes}.values():
            for column in relation.columns:
                of = tables[f"{relation.namespace}.{relation.name}"]
                found[of.name, column.name] = wire.wal2lake.Encoding.Name(column.encoding)[prefix:]
        return found
