"""The traffic on the GitLab-like schema: every kind of change, in steps, so that a test can act between them."""

import random

import psycopg2.extras

from . import gitlab
from .canary import Canaries

psycopg2.extras.register_uuid()


class Workload:
    """Rows, ids and the generator behind them. The same seed gives the same statements."""

    def __init__(self, cluster, dbname, seed):
        self.cluster, self.dbname, self.seed = cluster, dbname, seed
        self.rng = random.Random(seed)
        self.canaries = Canaries(self.rng)
        self.rows = gitlab.Rows(self.rng, self.canaries)
        self.connection = None
        self.ids = {table: [] for table in gitlab.TABLES}
        self.builds = 0

    def create(self, labels=True):
        """Schema and labels."""
        self.connection = self.cluster.connect(self.dbname, autocommit=False)
        self.run(gitlab.SCHEMA)
        if labels:
            self.run("; ".join(gitlab.labels_sql()))
        self.connection.commit()
        return self

    def close(self):
        if self.connection is not None:
            self.connection.close()

    # ---- building blocks ----

    def run(self, sql, parameters=None):
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def insert(self, table, row):
        columns = ", ".join(row)
        marks = ", ".join(["%s"] * len(row))
        new_id = self.run(f"INSERT INTO {table} ({columns}) VALUES ({marks}) RETURNING id", tuple(row.values()))[0][0]
        self.ids[table].append(new_id)
        return new_id

    def commit(self):
        self.connection.commit()

    def any(self, table):
        return self.rng.choice(self.ids[table])

    # ---- steps ----

    def populate(self, users=40):
        """Users with their namespaces, projects, issues, merge requests and notes, one user a transaction."""
        for _ in range(users):
            user = self.insert("users", self.rows.user())
            namespace = self.insert("namespaces", self.rows.namespace(user))
            project = self.insert("projects", self.rows.project(namespace))
            for iid in range(1, self.rng.randrange(2, 6)):
                issue = self.insert("issues", self.rows.issue(project, iid, user, large=iid == 1))
                self.insert("notes", self.rows.note("Issue", issue, user))
            request = self.insert("merge_requests", self.rows.merge_request(project, user))
            self.insert("notes", self.rows.note("MergeRequest", request, user))
            self.insert("todos", {"user_id": user, "target_id": request, "state": "pending"})
            self.insert("audit_events", {"author_id": user, "created_at": self.rows.now(),
                                         "details": self.canaries.red_marker("audit_events.details")})
            self.insert("web_hook_logs", {"request_data": self.canaries.red_marker("web_hook_logs.request_data")})
            self._build()
            self.commit()

    def _build(self):
        self.builds += 1
        self.insert("ci_builds", self.rows.build(self.builds))

    def traffic(self, transactions=100):
        """What an application does all day: one to four changes a transaction, some of them undone."""
        kinds = (self._new_note, self._edit_issue, self._touch_user, self._delete_note, self._merge, self._build,
                 self._finish_build, self._rename_user, self._star)
        for _ in range(transactions):
            for step in self.rng.choices(kinds, k=self.rng.randrange(1, 5)):
                step()
            if self.rng.random() < 0.1:
                self.connection.rollback()
            else:
                self.commit()
            self._forget_rolled_back()

    def _forget_rolled_back(self):
        """After a rollback some ids never were; ask the tables that traffic draws ids from."""
        for table in ("notes", "ci_builds"):
            self.ids[table] = [row[0] for row in self.run(f"SELECT id FROM {table} ORDER BY id")]
        self.connection.rollback()

    def _new_note(self):
        self.insert("notes", self.rows.note("Issue", self.any("issues"), self.any("users")))

    def _edit_issue(self):
        self.run("UPDATE issues SET title = %s, state_id = 3 - state_id, updated_at = %s WHERE id = %s",
                 (f"{self.rows.sentence(3)} {self.canaries.red_marker('issues.title')}", self.rows.now(),
                  self.any("issues")))

    def _touch_user(self):
        self.run("UPDATE users SET sign_in_count = sign_in_count + 1, bio = %s, updated_at = %s WHERE id = %s",
                 (self.rows.bio(), self.rows.now(), self.any("users")))

    def _rename_user(self):
        self.run("UPDATE users SET username = %s, email = %s WHERE id = %s",
                 (*self.rows.names(), self.any("users")))

    def _delete_note(self):
        if len(self.ids["notes"]) > 20:
            note = self.any("notes")
            self.ids["notes"].remove(note)
            self.run("DELETE FROM notes WHERE id = %s", (note,))

    def _merge(self):
        self.run("UPDATE merge_requests SET merge_status = 'merged', merged_at = %s, squash_commit_sha = %s "
                 "WHERE id = %s", (self.rows.now().replace(tzinfo=None), self.rows.digest(),
                                   self.any("merge_requests")))

    def _finish_build(self):
        if self.ids["ci_builds"]:
            self.run("UPDATE ci_builds SET status = 'success' WHERE id = %s", (self.any("ci_builds"),))

    def _star(self):
        self.run("UPDATE projects SET star_count = star_count + 1, build_timeout = build_timeout * 2 WHERE id = %s",
                 (self.any("projects"),))

    def savepoint(self):
        """A subtransaction that is rolled back inside of one that commits, with a red value in what was undone."""
        before = len(self.ids["notes"])
        self._new_note()
        self.run("SAVEPOINT attempt")
        self._new_note()
        self._rename_user()
        self.run("ROLLBACK TO SAVEPOINT attempt")
        self._edit_issue()
        self.commit()
        del self.ids["notes"][before + 1:]

    def change_keys(self):
        """Updates of primary keys, so that old keys travel; deletes with a cascade of their own."""
        self.run("UPDATE todos SET id = id + 1000000 WHERE id % 2 = 0")
        self.run("DELETE FROM todos WHERE id = (SELECT min(id) FROM todos)")
        self.run("UPDATE ci_builds SET partition_id = 201 - partition_id WHERE id % 5 = 0")
        self.commit()

    def truncate(self):
        self.run("TRUNCATE todos, web_hook_logs RESTART IDENTITY")
        self.ids["todos"].clear()
        self.ids["web_hook_logs"].clear()
        self.commit()

    def background_migration(self):
        """Rewrites rows in batches without touching updated_at. True if updated_at is indeed as it was."""
        before = self.run("SELECT md5(string_agg(updated_at::text, ',' ORDER BY id)) FROM issues")
        first, last = self.run("SELECT min(id), max(id) FROM issues")[0]
        for start in range(first, last + 1, 25):
            self.run("UPDATE issues SET correct_work_item_type_id = state_id + 100 WHERE id BETWEEN %s AND %s",
                     (start, start + 24))
            self.commit()
        after = self.run("SELECT md5(string_agg(updated_at::text, ',' ORDER BY id)) FROM issues")
        self.connection.rollback()
        return before == after

    def large_transaction(self, rows=5000):
        """One transaction of many batches."""
        self.run("INSERT INTO notes (noteable_type, noteable_id, author_id, note, created_at, updated_at) "
                 "SELECT 'Commit', number, number %% 7, %s || number, now(), now() "
                 "FROM generate_series(1, %s) number", (self.canaries.red_marker("notes.note"), rows))
        self.run("UPDATE notes SET system = NOT system WHERE noteable_type = 'Commit' AND noteable_id % 10 = 0")
        self.commit()
