"""A source that is pulled: a role without REPLICATION, and the two functions that it may call."""

ROLE = "puller"


def create_role(cluster, role=ROLE):
    """A role that may log in, and nothing else."""
    cluster.query(f'CREATE ROLE "{role}" LOGIN')


def create_pull_source(database, slot, role=ROLE, options="{}"):
    """Slot and functions, as docs/pull.md says."""
    database.cluster.query("SELECT pg_create_logical_replication_slot(%s, 'wal2lake')", (slot,), database.name)
    database.cluster.query("SELECT wal2lake.create_pull_source(%s, %s::text::regrole, %s)", (slot, f'"{role}"', options),
                           database.name)
