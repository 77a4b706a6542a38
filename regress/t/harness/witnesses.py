"""Four slots on the same WAL: ours, test_decoding, and pgoutput in text and in binary. What they say is compared row by row."""

from .compare import MOST_SHOWN, differences
from .pgoutput import PgOutput
from .stream import Transaction
from .values import WITHHELD, Uncarried

# The plugins that the server must let in.
PLUGINS = "wal2lake, test_decoding, pgoutput"


def allow(cluster):
    """Before its start: a server that asks which plugins may be loaded lets all of ours in."""
    if cluster.knows("output_plugin_libraries"):
        cluster.configure({"output_plugin_libraries": PLUGINS})
    return cluster


class Witnesses:
    """Make it when the tables are there and labelled, before any change.

    `tables` are the names of those with a replica identity, as SQL has them; `text_only` are more of them, with types that
    have no binary form, on whose arrays and composites pgoutput fails for good where it is asked for binary.
    `without_identity`: PostgreSQL refuses updates and deletes of tables without identity where they are published, so pgoutput
    tells of inserts and truncates alone.
    """

    def __init__(self, database, tables, text_only=(), without_identity=()):
        self.database = database
        for name, names, operations in (("rows", tables, "insert, update, delete, truncate"),
                                        ("text_only", text_only, "insert, update, delete, truncate"),
                                        ("inserts", without_identity, "insert, truncate")):
            database.execute(f"CREATE PUBLICATION {name} WITH (publish = '{operations}')",
                             *([f"ALTER PUBLICATION {name} ADD TABLE {', '.join(names)}"] if names else []))
        self.slot, self.oracle = database.plugin_slot(), database.oracle()
        self.subscriptions = [PgOutput(database.cluster, database.name, publications, binary).create() for publications, binary
                              in ((("rows", "inserts", "text_only"), False), (("rows", "inserts"), True))]
        self.published = {}
        for table, publication in database.cluster.query(
                "SELECT schemaname || '.' || tablename, pubname FROM pg_publication_tables", dbname=database.name):
            self.published[table] = publication

    def compare(self, keys, adapt=lambda transactions: transactions):
        """Sentences on how we differ from each witness, and our transactions.

        `adapt` changes a witness's transactions where it and we write a value differently on purpose.
        """
        ours = self.slot.transactions()
        found = [("ours", sentence) for sentence in _not_carried(ours)]
        everything = lambda table: not table.startswith("wal2lake.")  # noqa: E731  (of the extension: never sent as rows)
        theirs = adapt(self.oracle.transactions())
        found += [("test_decoding", sentence) for sentence in differences(ours, theirs, everything, keys)]
        for subscription in self.subscriptions:
            name = "pgoutput, binary" if subscription.binary else "pgoutput, text"
            published = list(self._published(ours, subscription))
            theirs = adapt(subscription.transactions())
            found += [(name, sentence) for sentence in differences(published, theirs, everything, keys)]
            found += [(name, sentence) for sentence in _old_rows(published, theirs)]
        return found, ours

    def go_on(self):
        """What was compared is behind us: the slots move on, while nothing is open."""
        for reader in (self.slot, self.oracle, *self.subscriptions):
            self.database.value("SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())::text", (reader.slot,))

    def _published(self, transactions, subscription):
        """Our transactions without what is not published there: whole tables, columns that are generated, updates without identity."""
        generated = {}
        for table, column in self.database.cluster.query(
                "SELECT format('%s.%s', nspname, relname), attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid "
                "JOIN pg_namespace n ON n.oid = relnamespace WHERE attgenerated <> '' AND NOT attisdropped", dbname=self.database.name):
            generated.setdefault(table, set()).add(column)

        def rest(row, table):
            return row and {name: value for name, value in row.items() if name not in generated.get(table, ())}

        for transaction in transactions:
            changes, numbers = [], {}
            for change in transaction.changes:
                publication = self.published.get(change.table)
                if publication not in subscription.publications or \
                        (publication == "inserts" and change.operation in ("update", "delete")):
                    continue
                number = numbers.setdefault(change.ordinal, len(numbers) + 1)
                changes.append(type(change)(number, change.operation, change.table, rest(change.new, change.table),
                                            rest(change.old, change.table), change.old_kind, change.relation))
            if changes:
                yield Transaction(transaction.xid, transaction.commit_lsn, transaction.end_lsn, transaction.commit_time_us, changes)


def _not_carried(transactions):
    """A value that we withhold or could not carry is none that was compared."""
    found = []
    for transaction in transactions:
        for change in transaction.changes:
            for name, value in [*(change.new or {}).items(), *(change.old or {}).items()]:
                if value is WITHHELD or isinstance(value, Uncarried):
                    found.append(f"transaction {transaction.xid}, change {change.ordinal} of {change.table}, column {name}: {value}")
    return found[:MOST_SHOWN]


def _old_rows(ours, theirs):
    """Which columns an old row has; test_decoding does not say, for it leaves NULLs out."""
    for transaction, other in zip(ours, theirs):
        for change, witness in zip(transaction.changes, other.changes):
            if change.operation != "truncate" and set(change.old or ()) != set(witness.old or ()):
                yield f"transaction {transaction.xid}, change {change.ordinal} of {change.table}: the old row has other columns"


def converted(transactions, convert):
    """Transactions of a witness with convert(table, column, text) for each text."""
    for transaction in transactions:
        for change in transaction.changes:
            for row in (change.new, change.old):
                for name, text in (row or {}).items():
                    if isinstance(text, str):
                        row[name] = convert(change.table, name, text)
    return transactions
