"""A backend that fails on demand (odd_server.c): at the nth call of the plugin into the server, into C++'s memory, into
libcrypto, or of the server into malloc."""

import os
import platform
import subprocess
from pathlib import Path

import psycopg2
import pytest

from .cluster import server_root

SOURCE = Path(__file__).with_name("odd_server.c")
FUNCTIONS = {"arm": "text, bigint, text) RETURNS void LANGUAGE c STRICT", "disarm": ") RETURNS text LANGUAGE c",
             "calls": "text) RETURNS bigint LANGUAGE c", "malloced": ") RETURNS bigint LANGUAGE c"}


def build(cluster):
    """The library, where the server's user reads it."""
    if platform.machine() != "x86_64":
        pytest.skip("odd_server.c knows x86-64 alone")
    assert server_root() is None, "the library is built for this machine's own server"
    include = subprocess.check_output([os.environ.get("PG_CONFIG", "pg_config"), "--includedir-server"], text=True).strip()
    library = cluster.base / "odd_server.so"
    subprocess.run(["cc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", f"-I{include}", "-o", library, SOURCE], check=True)
    library.chmod(0o644)
    return library


class OddServer:
    """One backend, with the functions of the library in a schema of its database."""

    def __init__(self, database):
        library = build(database.cluster)
        database.execute("CREATE SCHEMA IF NOT EXISTS odd", *(
            f"CREATE OR REPLACE FUNCTION odd.{name}({rest} AS '{library}', 'odd_server_{name}'" for name, rest in FUNCTIONS.items()))
        self.database = database

    def __enter__(self):
        self.connection = self.connect()
        self.cursor = self.connection.cursor()
        self.cursor.execute("LOAD 'wal2lake'")
        return self

    def __exit__(self, *_):
        self.connection.close()

    def connect(self):
        return self.database.cluster.connect(self.database.name)

    @property
    def pid(self):
        return self.connection.get_backend_pid()

    def value(self, sql, parameters=None):
        self.cursor.execute(sql, parameters)
        return self.cursor.fetchone()[0]

    def count(self, kind, sql):
        """How many calls of a kind a query makes."""
        self.value("SELECT odd.arm(%s, 0, 'XX000')", (kind,))
        self.value(sql)
        return self.value("SELECT odd.calls(NULL) FROM odd.disarm()")

    def fail(self, kind, call, sqlstate, sql):
        """Run a query of which that call fails. (where it failed, the error or None, the answer or None)"""
        self.value("SELECT odd.arm(%s, %s, %s)", (kind, call, sqlstate))
        error = answer = None
        try:
            answer = self.value(sql)
        except psycopg2.Error as raised:
            error = raised
        try:
            return self.value("SELECT odd.disarm()"), error, answer
        except psycopg2.errors.OutOfMemory:
            # malloc alone also counts what is beside the query.
            return None, error, answer

    def contexts(self):
        """Bytes of the memory contexts of this backend."""
        return self.value("SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts")

    def caches(self):
        """What of them is for what the server remembers of its catalogs."""
        return self.value("SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts "
                          "WHERE 'CacheMemoryContext' IN (name, parent)")

    def malloced(self):
        """Bytes that malloc has given out in this backend."""
        return self.value("SELECT odd.malloced()")

    def locked(self):
        """Bytes of this backend that may not be swapped out: those of keys."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(status.partition("VmLck:")[2].split()[0]) * 1024
