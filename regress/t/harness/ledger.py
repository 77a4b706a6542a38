"""A load whose truth is known from the table itself: every client counts, and writes down its transaction.

Each row says who wrote it, the how-manieth it is and in which transaction, so the table alone tells
what the lake must hold: each (client, seq) inserted once, in its transaction, in order per client.
"""

import random
import threading
import time

import psycopg2

SCHEMA = """
CREATE TABLE ledger (
    client integer NOT NULL,
    seq bigint NOT NULL,
    txid bigint NOT NULL,
    amended integer NOT NULL DEFAULT 0,
    payee text NOT NULL,
    note text,
    PRIMARY KEY (client, seq)
)"""
LABELS = {"client": "green", "seq": "green", "txid": "green", "amended": "green", "payee": "red hash domain=payee",
          "note": "red drop"}


def is_ledger(table):
    return table == "public.ledger"


class Client(threading.Thread):
    """Writes until told to stop; survives a crash of the server and finds out what it had committed."""

    def __init__(self, cluster, dbname, number, seed, stop, pause=0.01):
        super().__init__(name=f"client {number}", daemon=True)
        self.cluster, self.dbname, self.number, self.stop, self.pause = cluster, dbname, number, stop, pause
        self.rng = random.Random(seed * 100 + number)
        self.commits = self.reconnects = 0
        self.failure = None

    def run(self):
        while not self.stop.is_set():
            try:
                self._session()
            except Exception as error:  # whatever it is, it must not end unseen in a thread
                if not connection_lost(error):
                    self.failure = error
                    return
                self.reconnects += 1
                time.sleep(0.1)

    def _session(self):
        connection = self.cluster.connect(self.dbname, autocommit=False)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT coalesce(max(seq), 0) FROM ledger WHERE client = %s", (self.number,))
                seq = cursor.fetchone()[0]
                connection.commit()
                while not self.stop.is_set():
                    seq = self._transaction(connection, cursor, seq)
        finally:
            connection.close()

    def _transaction(self, connection, cursor, seq):
        """A few inserts, perhaps an amendment, a savepoint that is undone, or a rollback of all."""
        written = seq
        for _ in range(self.rng.choice((1, 1, 2, 3, 8))):
            written += 1
            self._insert(cursor, written)
        if self.rng.random() < 0.3 and seq > 0:
            cursor.execute("UPDATE ledger SET amended = amended + 1 WHERE client = %s AND seq = %s",
                           (self.number, self.rng.randrange(1, seq + 1)))
        if self.rng.random() < 0.1:
            cursor.execute("SAVEPOINT s")
            self._insert(cursor, written + 1)
            cursor.execute("ROLLBACK TO SAVEPOINT s")
        if self.rng.random() < 0.05:
            connection.rollback()
            return seq
        connection.commit()
        self.commits += 1
        time.sleep(self.rng.random() * self.pause)
        return written

    def _insert(self, cursor, seq):
        cursor.execute("INSERT INTO ledger (client, seq, txid, payee, note) VALUES (%s, %s, txid_current(), %s, %s)",
                       (self.number, seq, f"payee {self.rng.randrange(100)}",
                        self.rng.choice((None, "n" * self.rng.randrange(2000)))))


class LargeClient(Client):
    """Writes one transaction now and then, of so many rows that no segment of the test is large enough for it. It takes its time,
    so that it is sent in pieces while it is in progress; the first of them is undone."""

    ROWS = 6000

    def __init__(self, *arguments, every):
        super().__init__(*arguments)
        self.every = every

    def _transaction(self, connection, cursor, seq):
        cursor.execute("SAVEPOINT undone")
        self._rows(cursor, seq, self.ROWS // 3)
        self.stop.wait(0.1)
        cursor.execute("ROLLBACK TO undone")
        self._rows(cursor, seq, self.ROWS // 2)
        self.stop.wait(0.1)
        cursor.execute("SAVEPOINT kept")
        self._rows(cursor, seq + self.ROWS // 2, self.ROWS - self.ROWS // 2)
        connection.commit()
        self.commits += 1
        self.stop.wait(self.every * self.rng.uniform(0.5, 1.5))
        return seq + self.ROWS

    def _rows(self, cursor, seq, rows):
        # Tokens of different values do not compress.
        cursor.execute("INSERT INTO ledger (client, seq, txid, payee) SELECT %s, %s + i, txid_current(), "
                       "'payee ' || %s + i FROM generate_series(1, %s) i", (self.number, seq, seq, rows))


def connection_lost(error):
    """The server is down or restarting: the one thing a client may shrug at. No SQLSTATE: libpq's own words."""
    return isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError)) or (
        isinstance(error, psycopg2.DatabaseError) and error.pgcode is None)


class Load:
    """Some clients at once, as a context manager; and one that writes a large transaction `large_every` so many seconds.

    They pause for at most `pause` seconds between transactions. All that they write is compared in memory in the end.
    """

    def __init__(self, cluster, dbname, seed, clients=4, large_every=None, pause=0.01):
        self.stop = threading.Event()
        self.clients = [Client(cluster, dbname, number, seed, self.stop, pause) for number in range(1, clients + 1)]
        if large_every is not None:
            self.clients.append(LargeClient(cluster, dbname, clients + 1, seed, self.stop, every=large_every))

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_):
        self.finish()

    def finish(self):
        """Stop, wait, and raise what a client died of."""
        self.stop.set()
        for client in self.clients:
            client.join(60)
        for client in self.clients:
            if client.failure is not None:
                raise client.failure

    def commits(self):
        return sum(client.commits for client in self.clients)


def ledger_differences(cluster, dbname, transactions):
    """How the lake differs from the ledger table, as sentences: lost, twice, in another transaction, out of order."""
    table = {(client, seq): (txid & 0xFFFFFFFF, amended) for client, seq, txid, amended in
             cluster.query("SELECT client, seq, txid, amended FROM ledger", dbname=dbname)}
    found, inserted, amended, latest = [], {}, {}, {}
    for transaction in transactions:
        for change in transaction.changes:
            key = int(change.new["client"]), int(change.new["seq"])
            if change.operation == "update":
                amended[key] = amended.get(key, 0) + 1
                continue
            if key in inserted:
                found.append(f"row {key} is in the lake twice")
            inserted[key] = transaction.xid
            if key[1] <= latest.get(key[0], 0):
                found.append(f"row {key} comes after {latest[key[0]]} of the same client")
            latest[key[0]] = key[1]
    found += [f"row {key} is lost" for key in table if key not in inserted]
    found += [f"row {key} was never committed" for key in inserted if key not in table]
    for key, (xid, times) in table.items():
        if key in inserted and inserted[key] != xid:
            found.append(f"row {key} is in transaction {inserted[key]}, not {xid}")
        if amended.get(key, 0) != times:
            found.append(f"row {key} was amended {times} times, {amended.get(key, 0)} in the lake")
    return found[:20]
