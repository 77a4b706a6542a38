"""A walsender whose client is the test, which looks at the process meanwhile."""

import time
from pathlib import Path

import psycopg2
import psycopg2.extras

from .cluster import lsn_number

PATIENCE = 300


class Walsender:
    """The walsender of a slot, which reads as far as it is told."""

    def __init__(self, database, plugin, options):
        self.database, self.slot, self.options = database, f"{database.name[:40]}_{plugin}", options
        database.execute(f"SELECT pg_create_logical_replication_slot('{self.slot}', '{plugin}')")

    def __enter__(self):
        self.connection = psycopg2.connect(self.database.cluster.conninfo(self.database.name),
                                           connection_factory=psycopg2.extras.LogicalReplicationConnection)
        self.cursor = self.connection.cursor()
        self.cursor.start_replication(self.slot, options=self.options)
        self.pid = self.connection.get_backend_pid()
        self.asking = self.database.cluster.connect(self.database.name)
        return self

    def __exit__(self, *_):
        self.asking.close()
        self.connection.close()

    def _ask(self, sql):
        with self.asking.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0]

    def read_all(self, look=None):
        """Read what was written so far. The messages. `look` is shown time on a processor and position in between."""
        messages, deadline = [], time.monotonic() + PATIENCE
        end = lsn_number(self._ask("SELECT pg_current_wal_lsn()"))
        while True:
            for _ in range(20):
                message = self.cursor.read_message()
                if message is None:
                    break
                messages.append(bytes(message.payload))
            before = self.processor()
            sent = lsn_number(self._ask(f"SELECT sent_lsn FROM pg_stat_replication WHERE pid = {self.pid}"))
            if look is not None:
                look((before + self.processor()) // 2, sent)
            if message is None and sent >= end:
                while (message := self.cursor.read_message()) is not None:
                    messages.append(bytes(message.payload))
                return messages
            assert time.monotonic() < deadline, f"{self.slot} has not been read to its end"

    def processor(self):
        """Nanoseconds that it had of a processor."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0])

    def peak(self):
        return self._fact("status", "VmHWM")

    def anonymous(self):
        """Bytes that are its own: what it has of shared memory and of files is not among them."""
        return self._fact("smaps_rollup", "Anonymous")

    def _fact(self, file, name):
        facts = dict(line.split(":", 1) for line in Path(f"/proc/{self.pid}/{file}").read_text().splitlines() if ":" in line)
        return int(facts[name].split()[0]) * 1024
