"""The plugin and test_decoding say the same of the same WAL: transactions, order, ordinals, values, tokens."""

import pytest

from harness import gitlab, tokens
from harness.compare import differences, relevant
from harness.workload import Workload

HOSTILE_SETTINGS = ("-c datestyle=German -c timezone=Asia/Kathmandu -c intervalstyle=sql_standard "
                    "-c bytea_output=escape -c extra_float_digits=-15 -c lc_numeric=C -c xmloption=document "
                    "-c search_path=pg_temp -c quote_all_identifiers=on -c client_encoding=SQL_ASCII")


@pytest.fixture
def traffic(database, seed):
    """The whole workload, and both slots on it."""
    workload = Workload(database.cluster, database.name, seed).create()
    oracle, slot = database.oracle(), database.plugin_slot()
    workload.populate(30)
    workload.traffic(80)
    workload.savepoint()
    workload.change_keys()
    assert workload.background_migration(), "the migration touched updated_at"
    workload.large_transaction(3000)
    workload.truncate()
    workload.close()
    workload.keys = tokens.keys_of(database.cluster.key_file.read_text())
    return workload, oracle.transactions(), slot


def test_every_change_and_value(traffic):
    workload, expected, slot = traffic
    ours = slot.transactions()
    assert len(ours) > 100
    assert differences(ours, expected, gitlab.is_shipped, workload.keys) == []


@pytest.mark.parametrize("batch_bytes", ["1024", "1048576"])
def test_batch_size_changes_nothing_but_batches(traffic, batch_bytes):
    workload, expected, slot = traffic
    ours = slot.transactions("max_batch_bytes", batch_bytes)
    assert differences(ours, expected, gitlab.is_shipped, workload.keys) == []


def test_session_settings_change_nothing(traffic):
    """Equal WAL, key and labels give equal bytes, whatever the client sets for its session."""
    _, _, slot = traffic
    assert slot.peek(session=HOSTILE_SETTINGS) == slot.peek()


def records(transactions):
    """What replays are compared by: position and content, never bytes."""
    return [(transaction.commit_lsn, change.ordinal, change.operation, change.table, change.new, change.old)
            for transaction in transactions for change in transaction.changes]


def test_replay_gives_the_same_records(traffic):
    """A crash of the server makes it decode again; (commit LSN, ordinal) and content stay."""
    workload, expected, slot = traffic
    first = slot.transactions()
    workload.cluster.restart("immediate")
    again = slot.transactions()
    assert records(first) == records(again)
    assert len(relevant(expected, gitlab.is_shipped)) == len(again)
