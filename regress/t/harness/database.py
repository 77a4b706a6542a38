"""One database on a throwaway server, with the extension, and the slots a test makes in it."""

import itertools
import re

from .oracle import Oracle
from .plugin import PluginSlot

_numbers = itertools.count(1)


class Database:
    """Create it as a context manager: slots block DROP DATABASE and hold WAL, so they are dropped at the end."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = f"d{next(_numbers)}_" + re.sub("[^a-z0-9]+", "_", name.lower())[:40]

    def __enter__(self):
        self.cluster.create_database(self.name)
        self.execute("CREATE EXTENSION wal2lake")
        return self

    def __exit__(self, *_):
        self.drop_slots()

    def drop_slots(self):
        """Its slots go, whoever reads them."""
        self.cluster.query("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots "
                           "WHERE database = %s AND active_pid IS NOT NULL", (self.name,))
        for slot, in self.cluster.query("SELECT slot_name FROM pg_replication_slots WHERE database = %s",
                                        (self.name,)):
            self.cluster.query("""
                DO $$ BEGIN
                    FOR attempt IN 1..100 LOOP
                        EXIT WHEN NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '%s' AND active);
                        PERFORM pg_sleep(0.05);
                    END LOOP;
                END $$; SELECT pg_drop_replication_slot('%s')""" % (slot, slot))

    def execute(self, *statements, user="postgres"):
        """Statements, each its own transaction, in one session."""
        connection = self.cluster.connect(self.name, user)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()

    def label(self, table, **columns):
        """Column labels by keyword."""
        self.execute(*(f"SECURITY LABEL FOR wal2lake ON COLUMN {table}.{column} IS '{label}'"
                       for column, label in columns.items()))

    def plugin_slot(self, name=None):
        return PluginSlot(self.cluster, self.name, name or f"{self.name}_w2l"[-60:]).create()

    def oracle(self):
        return Oracle(self.cluster, self.name, f"{self.name}_oracle"[-60:]).create()

    def value(self, sql, parameters=None):
        return self.cluster.value(sql, parameters, self.name)

    def commit_end(self):
        """An LSN behind everything committed so far."""
        return self.value("SELECT pg_current_wal_lsn()::text")
