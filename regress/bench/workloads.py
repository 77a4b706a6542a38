"""The workloads: tables, rows, and which columns are hashed where tokens are measured.

Rows come from SQL on the server, so that writing them costs the bench little; each workload says how many
rows and transactions a reader must see.
"""

from dataclasses import dataclass, field

NARROW_TRANSACTION = 5000
WIDE_TRANSACTION = 100
# Rows in a transaction, and transactions between DDL.
TABLES_TRANSACTION, TABLES_DDL = 20, 50
PGBENCH_CLIENTS = 4
PGBENCH_ROWS = 4  # three updates and an insert


@dataclass
class Workload:
    name: str
    what: str
    rows: int
    transactions: int
    tokens: dict = field(default_factory=dict)  # {table: {column: domain}}, hashed in the variant with tokens
    streams: bool = False  # also read by the variants that take transactions in progress
    weighs_tokens: bool = False  # also read with the columns that are hashed dropped: the difference is what tokens cost

    @property
    def sent_transactions(self):
        """Those that change rows; the others are committed and send nothing."""
        return self.transactions

    def columns(self, cluster, dbname):
        """{table: [column, ...]} of the tables that this workload changes."""
        found = {table: [] for table in self.tables}
        for table, column in cluster.query(
                "SELECT attrelid::regclass::text, attname FROM pg_attribute WHERE attrelid = ANY(%s::regclass[]) "
                "AND attnum > 0 AND NOT attisdropped ORDER BY attnum", (list(self.tables),), dbname):
            found[table].append(column)
        return found


def scaled(number, scale, step):
    """A share of a number, in whole transactions."""
    return max(round(number * scale / step), 1) * step


class Narrow(Workload):
    tables = ("narrow",)

    def __init__(self, scale):
        rows = scaled(2_000_000, scale, NARROW_TRANSACTION)
        super().__init__("narrow", f"{rows:,} inserts of 4 columns, {NARROW_TRANSACTION:,} a transaction",
                         rows, rows // NARROW_TRANSACTION, {"narrow": {"email": "email"}})

    def create(self, cluster, dbname):
        cluster.query("CREATE TABLE narrow (id bigint PRIMARY KEY, user_id integer NOT NULL, email text NOT NULL, "
                      "created_at timestamptz NOT NULL)", dbname=dbname)

    @staticmethod
    def select(first, last):
        """Rows by their numbers."""
        return f"""
            SELECT i, (i * 7919 % 1000003)::integer, 'user' || i * 31 % 999983 || '@example.com',
                   timestamptz '2026-03-29 00:59:58+00' + i * interval '1.000037 s'
              FROM generate_series({first}::bigint, {last}) i"""

    def write(self, cluster, dbname):
        cluster.query(f"""
            DO $$ BEGIN
                FOR start IN 1..{self.rows} BY {NARROW_TRANSACTION} LOOP
                    INSERT INTO narrow {self.select("start", f"start + {NARROW_TRANSACTION - 1}")};
                    COMMIT;
                END LOOP;
            END $$""", dbname=dbname)


# 46 columns: (name, type, expression of i). What a row of an issue tracker's larger tables looks like.
WIDE = [
    ("id", "bigint PRIMARY KEY", "i"),
    ("project_id", "bigint", "i * 7919 % 100003"),
    ("author_id", "bigint", "i * 104729 % 50021"),
    ("title", "text", "'Pipeline ' || i || ' fails on the merge of the release branch'"),
    ("description", "text", "repeat('Steps to reproduce, and what was expected. ', (i % 4)::int) || i"),
    ("email", "text", "'user' || i * 31 % 999983 || '@example.com'"),
    ("username", "text", "'user_' || i * 31 % 999983"),
    ("full_name", "text", "'Given Family the ' || i % 977 || 'th'"),
    ("phone", "varchar(32)", "'+49 30 ' || 1000000 + i * 13 % 9000000"),
    ("street", "text", "i % 211 || ' Long Street, Building ' || i % 17"),
    ("city", "text", "'City ' || i % 499"),
    ("external_uid", "uuid", "md5(i::text)::uuid"),
    ("tax_number", "bigint", "10000000000 + i * 37"),
    ("balance", "numeric(12,2)", "(i % 1000000)::numeric / 100"),
    ("state", "smallint", "1 + i % 4"),
    ("priority", "integer", "i % 5"),
    ("weight", "integer", "CASE WHEN i % 3 = 0 THEN NULL ELSE i % 13 END"),
    ("iid", "integer", "i % 20011"),
    ("upvotes", "integer", "i % 97"),
    ("downvotes", "integer", "i % 11"),
    ("comments", "integer", "i % 71"),
    ("milestone_id", "bigint", "CASE WHEN i % 2 = 0 THEN NULL ELSE i % 3001 END"),
    ("epic_id", "bigint", "CASE WHEN i % 5 = 0 THEN i % 701 END"),
    ("duplicate_of", "bigint", "NULL"),
    ("moved_to", "bigint", "NULL"),
    ("closed_by", "bigint", "CASE WHEN i % 4 = 0 THEN i % 50021 END"),
    ("confidential", "boolean", "i % 10 = 0"),
    ("locked", "boolean", "i % 100 = 0"),
    ("draft", "boolean", "i % 7 = 0"),
    ("archived", "boolean", "false"),
    ("has_tasks", "boolean", "i % 3 = 0"),
    ("source_branch", "text", "'fix/' || i || '-crash-on-empty-input'"),
    ("target_branch", "text", "'main'"),
    ("sha", "text", "md5(i::text) || left(md5((i + 1)::text), 8)"),
    ("locale", "varchar(8)", "CASE i % 3 WHEN 0 THEN 'en' WHEN 1 THEN 'de' ELSE 'pt_BR' END"),
    ("theme", "text", "CASE WHEN i % 2 = 0 THEN 'dark' END"),
    ("time_spent", "double precision", "i % 1000 / 7.0"),
    ("time_estimate", "real", "i % 100"),
    ("due_date", "date", "date '2026-03-29' + (i % 400)::int"),
    ("preferences", "jsonb", "jsonb_build_object('tab', i % 8, 'wrap', i % 2 = 0)"),
    ("created_at", "timestamptz", "timestamptz '2026-03-29 00:59:58+00' + i * interval '1.000037 s'"),
    ("updated_at", "timestamptz", "timestamptz '2026-03-29 01:59:58+00' + i * interval '1.000037 s'"),
    ("closed_at", "timestamptz", "CASE WHEN i % 4 = 0 THEN timestamptz '2026-04-29 00:00:01+00' END"),
    ("edited_at", "timestamptz", "NULL"),
    ("note", "text", "CASE WHEN i % 6 = 0 THEN 'See the linked discussion.' END"),
    ("lock_version", "integer", "0"),
]


class Wide(Workload):
    tables = ("wide",)

    def __init__(self, scale):
        self.inserts = scaled(200_000, scale, WIDE_TRANSACTION)
        self.updates = scaled(100_000, scale, WIDE_TRANSACTION)
        rows = self.inserts + self.updates
        hashed = ("email", "username", "full_name", "phone", "street", "external_uid", "tax_number", "balance",
                  "source_branch", "author_id")
        super().__init__("wide", f"{self.inserts:,} inserts and {self.updates:,} updates of {len(WIDE)} columns, "
                         f"{WIDE_TRANSACTION} a transaction", rows, rows // WIDE_TRANSACTION,
                         {"wide": {column: f"wide.{column}" for column in hashed}}, weighs_tokens=True)

    def create(self, cluster, dbname):
        cluster.query("CREATE TABLE wide (" + ", ".join(f"{name} {kind}" for name, kind, _ in WIDE) + ")",
                      dbname=dbname)

    def write(self, cluster, dbname):
        values = ", ".join(expression for _, _, expression in WIDE)
        cluster.query(f"""
            DO $$ BEGIN
                FOR start IN 1..{self.inserts} BY {WIDE_TRANSACTION} LOOP
                    INSERT INTO wide SELECT {values}
                      FROM generate_series(start::bigint, start + {WIDE_TRANSACTION - 1}) i;
                    COMMIT;
                END LOOP;
                FOR start IN 1..{self.updates} BY {WIDE_TRANSACTION} LOOP
                    UPDATE wide SET title = title || '!', state = 3 - state, upvotes = upvotes + 1,
                           updated_at = updated_at + interval '1 day', lock_version = lock_version + 1
                     WHERE id BETWEEN start AND start + {WIDE_TRANSACTION - 1};
                    COMMIT;
                END LOOP;
            END $$""", dbname=dbname)


class Small(Workload):
    tables = ("pgbench_accounts", "pgbench_tellers", "pgbench_branches", "pgbench_history")

    def __init__(self, scale):
        self.each = scaled(100_000, scale, PGBENCH_CLIENTS) // PGBENCH_CLIENTS
        self.size = 10 if scale > 0.1 else 1
        transactions = self.each * PGBENCH_CLIENTS
        super().__init__("small", f"{transactions:,} transactions of pgbench (TPC-B: 3 updates, 1 insert)",
                         transactions * PGBENCH_ROWS, transactions,
                         {"pgbench_accounts": {"aid": "account"}, "pgbench_history": {"aid": "account"}})

    def create(self, cluster, dbname):
        self._pgbench(cluster, dbname, "-i", "-q", "-s", self.size)

    def write(self, cluster, dbname):
        self._pgbench(cluster, dbname, "-n", "-M", "prepared", "-c", PGBENCH_CLIENTS, "-t", self.each,
                      "--random-seed=1")

    @staticmethod
    def _pgbench(cluster, dbname, *arguments):
        done = cluster.program("pgbench", *arguments, dbname=dbname, timeout=1200)
        if done.returncode != 0:
            raise RuntimeError(f"pgbench: {done.stderr.decode()}")


class Tables(Workload):
    """Each row into another of many tables, and DDL, which makes decoding forget what it knows, between them."""

    def __init__(self, scale):
        self.count = scaled(1000, min(scale * 10, 1), 10)
        rows = scaled(200_000, scale, TABLES_TRANSACTION)
        self.tables = tuple(f"t{number}" for number in range(self.count))
        super().__init__("tables", f"{rows:,} inserts into {self.count:,} tables in turn, {TABLES_TRANSACTION} a "
                         f"transaction, DDL of one after each {TABLES_DDL}", rows,
                         rows // TABLES_TRANSACTION + rows // (TABLES_TRANSACTION * TABLES_DDL),
                         {table: {"email": "email"} for table in self.tables})

    @property
    def sent_transactions(self):
        return self.rows // TABLES_TRANSACTION

    def create(self, cluster, dbname):
        cluster.query(f"""
            DO $$ BEGIN
                FOR i IN 0..{self.count - 1} LOOP
                    EXECUTE format('CREATE TABLE t%s (id bigint PRIMARY KEY, email text, amount numeric, at date)', i);
                END LOOP;
            END $$""", dbname=dbname)

    def write(self, cluster, dbname):
        cluster.query(f"""
            DO $$ BEGIN
                FOR i IN 1..{self.rows} LOOP
                    EXECUTE format('INSERT INTO t%s VALUES ($1, $2, $1 / 100.0, $3)', i % {self.count})
                      USING i, 'user' || i || '@example.com', date '2026-03-29' + i % 400;
                    IF i % {TABLES_TRANSACTION} = 0 THEN
                        COMMIT;
                    END IF;
                    IF i % {TABLES_TRANSACTION * TABLES_DDL} = 0 THEN
                        EXECUTE format('ALTER TABLE t%s ALTER amount SET DEFAULT %s', i / 7 % {self.count}, i);
                        COMMIT;
                    END IF;
                END LOOP;
            END $$""", dbname=dbname)


class Toast(Workload):
    """Values that are stored out of line, and updates that leave them as they are."""

    tables = ("toast",)

    def __init__(self, scale):
        self.inserts = scaled(10_000, scale, TABLES_TRANSACTION)
        rows = self.inserts * 2
        super().__init__("toast", f"{self.inserts:,} inserts with two values of 10 kB, and as many updates of other "
                         f"columns, {TABLES_TRANSACTION} a transaction", rows, rows // TABLES_TRANSACTION,
                         {"toast": {"email": "email"}})

    def create(self, cluster, dbname):
        cluster.query("CREATE TABLE toast (id bigint PRIMARY KEY, email text, body text, raw bytea, version integer)",
                      dbname=dbname)

    def write(self, cluster, dbname):
        def digits(salt, count):
            return f"(SELECT string_agg(md5(concat('{salt}', i, ' ', j)), '') FROM generate_series(1, {count}) j)"
        cluster.query(f"""
            DO $$ BEGIN
                FOR start IN 1..{self.inserts} BY {TABLES_TRANSACTION} LOOP
                    INSERT INTO toast SELECT i, 'user' || i || '@example.com', {digits("a", 312)},
                           decode({digits("b", 625)}, 'hex'), 0
                      FROM generate_series(start::bigint, start + {TABLES_TRANSACTION - 1}) i;
                    COMMIT;
                END LOOP;
                FOR start IN 1..{self.inserts} BY {TABLES_TRANSACTION} LOOP
                    UPDATE toast SET version = version + 1 WHERE id BETWEEN start AND start + {TABLES_TRANSACTION - 1};
                    COMMIT;
                END LOOP;
            END $$""", dbname=dbname)


class Arrays(Workload):
    tables = ("arrays",)

    def __init__(self, scale):
        rows = scaled(200_000, scale, WIDE_TRANSACTION)
        super().__init__("arrays", f"{rows:,} inserts of arrays and numerics, {WIDE_TRANSACTION} a transaction", rows,
                         rows // WIDE_TRANSACTION, {"arrays": {"amount": "amount"}})

    def create(self, cluster, dbname):
        cluster.query("CREATE TABLE arrays (id bigint PRIMARY KEY, amount numeric(20,6), share numeric, ids integer[], "
                      "tags text[], prices numeric[], grid float8[])", dbname=dbname)

    def write(self, cluster, dbname):
        cluster.query(f"""
            DO $$ BEGIN
                FOR start IN 1..{self.rows} BY {WIDE_TRANSACTION} LOOP
                    INSERT INTO arrays SELECT i, i * 1.000037, i / 7.0, ARRAY[i, i + 1, NULL, i % 97]::integer[],
                           ARRAY['tag ' || i % 13, 'a "quoted" one', NULL], ARRAY[i / 3.0, 0, i * 1e10]::numeric[],
                           ARRAY[[i, i / 3.0], [0, 1e-10]]::float8[]
                      FROM generate_series(start::bigint, start + {WIDE_TRANSACTION - 1}) i;
                    COMMIT;
                END LOOP;
            END $$""", dbname=dbname)


class Huge(Narrow):
    """More than the server keeps in memory: it writes it to disk, or where that is asked for streams it."""

    def __init__(self, scale):
        super().__init__(scale * 1.5)
        self.name, self.transactions, self.streams = "huge", 1, True
        self.what = f"{self.rows:,} inserts of 4 columns in one transaction"

    def write(self, cluster, dbname):
        cluster.query(f"INSERT INTO narrow {self.select(1, self.rows)}", dbname=dbname)


ALL = {"narrow": Narrow, "wide": Wide, "small": Small, "tables": Tables, "toast": Toast, "arrays": Arrays, "huge": Huge}


def set_labels(cluster, dbname, workload, mode):
    """Labels as of now: "green" on every column, "tokens" with some of them hashed, "drops" with those dropped, "none" at all."""
    connection = cluster.connect(dbname, autocommit=False)
    try:
        with connection, connection.cursor() as cursor:
            for table, columns in workload.columns(cluster, dbname).items():
                red = {"tokens": "red hash domain={}", "drops": "red drop"}.get(mode)
                domains = workload.tokens.get(table, {}) if red else {}
                for column in columns:
                    label = f"'{red.format(domains[column])}'" if column in domains else "'green'"
                    cursor.execute(f"SECURITY LABEL FOR wal2lake ON COLUMN {table}.{column} IS "
                                   + ("NULL" if mode == "none" else label))
    finally:
        connection.close()
