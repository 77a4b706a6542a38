"""The plugin's own output, without the command: over SQL, and through pg_recvlogical."""

import subprocess

from .stream import Assembler, parse_messages


class PluginSlot:
    """A wal2lake slot of one database."""

    def __init__(self, cluster, dbname, slot=None):
        self.cluster, self.dbname, self.slot = cluster, dbname, slot or f"wal2lake_{dbname}"

    def create(self):
        self.cluster.query("SELECT pg_create_logical_replication_slot(%s, 'wal2lake')", (self.slot,), self.dbname)
        return self

    def drop(self):
        self.cluster.query("SELECT pg_drop_replication_slot(%s)", (self.slot,), self.dbname)

    def peek(self, *options, session=""):
        """All messages since the slot was made, joined. `session` are settings of the client's own."""
        rows = self.cluster.query(
            "SELECT data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL"
            + ", %s" * len(options) + ")", (self.slot, *options), self.dbname, options=session)
        return b"".join(bytes(row[0]) for row in rows)

    def receive(self, end_lsn, *options, environment=None):
        """What pg_recvlogical writes up to an LSN, with options NAME=VALUE. It confirms what it wrote, so the slot moves on."""
        arguments = ["-S", self.slot, "-d", self.dbname, "--start", "-f", "-", "--no-loop", f"--endpos={end_lsn}",
                     "--status-interval=1", *(word for option in options for word in ("-o", option))]
        done = self.cluster.program("pg_recvlogical", *arguments, dbname=self.dbname, env=environment)
        if done.returncode != 0:
            raise subprocess.CalledProcessError(done.returncode, "pg_recvlogical", done.stdout, done.stderr)
        return done.stdout

    def transactions(self, *options, session=""):
        return assemble(self.peek(*options, session=session))


def assemble(data):
    """Transactions out of a stream of messages."""
    assembler = Assembler()
    found = [transaction for batch in parse_messages(data) for transaction in assembler.feed(batch)]
    assembler.finish()
    return found
