"""A walsender that goes on beside the test."""

import signal
import subprocess

from .cluster import wait_until
from .plugin import assemble


class Receiver:
    """A pg_recvlogical that runs beside the test and writes what one walsender sends."""

    def __init__(self, slot, path):
        self.slot, self.path = slot, path
        cluster = slot.cluster
        self.process = subprocess.Popen(
            cluster.command("pg_recvlogical", "-S", slot.slot, "-d", cluster.conninfo(slot.dbname), "--start",
                            "-f", path, "--no-loop", "--status-interval=1", "--fsync-interval=0"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def rows(self, table, count):
        """The new rows of the first `count` changes of a table, waiting for them."""
        def enough():
            assert self.process.poll() is None, self.process.stderr.read().decode()
            found = [change.new for change in self.changes() if change.table == f"public.{table}"]
            return found if len(found) >= count else None
        return wait_until(enough, 20, f"{count} changes of {table}")

    def changes(self):
        data = self.path.read_bytes() if self.path.exists() else b""
        try:
            return [change for transaction in assemble(data) for change in transaction.changes]
        except Exception:  # the file ends in the middle of a message that is being written
            return []

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
