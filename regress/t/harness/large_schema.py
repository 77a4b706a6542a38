"""A schema as large as a large site's, out of a seed: 1,000 tables, 15,000 columns, names like GitLab's.

TRUTH is what somebody who knows the data would decide of each column, and what the tests fill in where `export` writes TODO.
"""

import random

AREAS = ("abuse", "alert", "approval", "audit", "board", "bulk_import", "ci", "cluster", "compliance", "container", "crm", "dast",
         "deployment", "design", "environment", "epic", "error_tracking", "feature", "geo", "group", "import", "incident",
         "integration", "issue", "label", "merge_request", "milestone", "ml", "namespace", "note", "operations", "package",
         "pages", "personal", "project", "release", "sbom", "security", "snippet", "vulnerability")
THINGS = ("approvals", "artifacts", "assignees", "attachments", "comments", "configurations", "events", "exports", "findings",
          "imports", "jobs", "links", "mentions", "metrics", "policies", "registries", "reviewers", "rules", "settings",
          "states", "statistics", "subscriptions", "templates", "uploads", "versions")
# Name, type, label. What people write, what names people, secrets, and the rest.
COLUMNS = (
    ("title", "text", "red drop"), ("title_html", "text", "red drop"), ("description", "text", "red drop"),
    ("body", "text", "red drop"), ("note", "text", "red drop"), ("message", "character varying(255)", "red drop"),
    ("reason", "text", "red drop"), ("payload", "jsonb", "red drop"), ("options", "json", "orange drop"),
    ("details", "xml", "red drop"), ("raw_content", "bytea", "red drop"),
    ("email", "character varying", "red hash domain=email"), ("contact_email", "text", "red hash domain=email"),
    ("username", "character varying(255)", "red hash domain=username"), ("first_name", "text", "red drop"),
    ("last_name", "text", "red drop"), ("ip_address", "inet", "red hash domain=ip"),
    ("phone_number", "character varying(12)", "red hash domain=phone"), ("date_of_birth", "date", "red drop"),
    ("encrypted_token", "bytea", "regulated_red drop"), ("token_digest", "text", "regulated_red drop"),
    ("encrypted_password", "character varying", "regulated_red drop"), ("secret_key", "text", "regulated_red drop"),
    ("status", "smallint", "green"), ("state", "integer", "green"), ("kind", "smallint", "green"),
    ("position", "integer", "green"), ("size", "bigint", "green"), ("retries_count", "integer", "green"),
    ("enabled", "boolean", "green"), ("archived", "boolean", "green"), ("active", "boolean", "green"),
    ("weight", "numeric(10,2)", "green"), ("ratio", "double precision", "yellow"), ("external_id", "uuid", "orange hash"),
    ("ref", "text", "orange drop"), ("slug", "text", "yellow"), ("url", "text", "orange drop"), ("sha", "bytea", "green"),
    ("finished_at", "timestamp with time zone", "green"), ("expires_at", "timestamp without time zone", "green"),
    ("due_on", "date", "green"), ("color", "character varying(7)", "green"), ("level", "integer", "green"),
    ("traversal_ids", "bigint[]", "green"), ("flags", "bit(8)", "green"))
# What every table can point at.
PARENTS = ("projects", "namespaces", "users")
CORE = {
    "users": [("id", "bigint", "green"), ("username", "text", "red hash domain=username"), ("email", "text", "red hash domain=email"),
              ("email_local_part", "text GENERATED ALWAYS AS (split_part(email, '@', 1)) STORED", "red drop"),
              ("bio", "text", "red drop"), ("created_at", "timestamp with time zone", "green")],
    "namespaces": [("id", "bigint", "green"), ("owner_id", "bigint REFERENCES users", "green"), ("path", "text", "yellow"),
                   ("created_at", "timestamp with time zone", "green")],
    "projects": [("id", "bigint", "green"), ("namespace_id", "bigint REFERENCES namespaces", "green"), ("path", "text", "yellow"),
                 ("created_at", "timestamp with time zone", "green")],
}
PARTITIONED = "web_hook_logs"
EXCLUDED = "batched_job_logs"
VIEW = "project_overview"


class LargeSchema:
    """`statements` make it; `tables` has (column, type, label) of each table, `truth` the labels alone."""

    def __init__(self, tables=1000, columns=15000, seed=7):
        rng = random.Random(seed)
        names = [f"{area}_{thing}" for area in AREAS for thing in THINGS][:tables - len(CORE) - 2]
        self.tables = {name: list(definition) for name, definition in CORE.items()}
        self.tables[PARTITIONED] = [("id", "bigint", "green"), ("day", "date", "green"), ("request_data", "text", "red drop"),
                                    ("created_at", "timestamp with time zone", "green")]
        self.tables[EXCLUDED] = [("id", "bigint", "green"), ("line", "text", "red drop")]
        left = columns - sum(len(definition) for definition in self.tables.values())
        for number, name in enumerate(names):
            share = left // (len(names) - number)
            self.tables[name] = self._columns(rng, share)
            left -= share
        self.truth = {table: {column: label for column, _, label in definition} for table, definition in self.tables.items()}

    @staticmethod
    def _columns(rng, number):
        parents = rng.sample(PARENTS, rng.randrange(3))
        definition = [("id", "bigint", "green"),
                      *((f"{parent[:-1]}_id", f"bigint REFERENCES {parent}", "green") for parent in parents),
                      ("created_at", "timestamp with time zone", "green"), ("updated_at", "timestamp with time zone", "green")]
        return definition + rng.sample(COLUMNS, number - len(definition))

    def statements(self):
        for table, definition in self.tables.items():
            key = "PRIMARY KEY (id, day)" if table == PARTITIONED else "PRIMARY KEY (id)"
            columns = ", ".join(f"{column} {type_}" for column, type_, _ in definition)
            yield f"CREATE TABLE {table} ({columns}, {key})" + (" PARTITION BY RANGE (day)" if table == PARTITIONED else "")
        for month in range(1, 4):
            yield (f"CREATE TABLE {PARTITIONED}_2026{month:02} PARTITION OF {PARTITIONED} "
                   f"FOR VALUES FROM ('2026-{month:02}-01') TO ('2026-{month + 1:02}-01')")
        yield f"CREATE VIEW {VIEW} AS SELECT id, path FROM projects"

    def insert(self, table, number):
        """One row of a table with something in every column, as a statement and its parameters."""
        definition = [(column, type_) for column, type_, _ in self.tables[table] if "GENERATED" not in type_]
        names = ", ".join(column for column, _ in definition)
        places = ", ".join(f"%s::{type_.split(' REFERENCES')[0]}" for _, type_ in definition)
        return f"INSERT INTO {table} ({names}) VALUES ({places})", [value(type_, number) for _, type_ in definition]


def value(type_, number):
    """A text that the type takes, other ones for other numbers."""
    if "REFERENCES" in type_:
        return "1"
    samples = {
        "boolean": "true", "date": f"2026-01-{number % 28 + 1:02}", "inet": f"10.0.{number % 256}.1",
        "uuid": f"00000000-0000-4000-8000-{number:012}", "jsonb": '{"a": %d}' % number, "json": '{"a": %d}' % number,
        "xml": f"<a>{number}</a>", "bytea": f"\\x{number:08x}", "bigint[]": "{1,2,%d}" % number, "bit(8)": f"{number % 256:08b}",
        "numeric(10,2)": f"{number}.25", "double precision": f"{number}.5", "smallint": str(number % 30000)}
    if type_ in samples:
        return samples[type_]
    if type_.startswith("timestamp"):
        return f"2026-01-02 03:04:05.{number % 1000000:06}"
    if type_ in ("bigint", "integer"):
        return str(number)
    return f"v{number}"[:7]
