"""Work of which nothing is sent: the connection lives on, and nothing is said of it row by row."""

import subprocess
import time

import pytest

# Milliseconds; passing over the rows takes several times as long.
TIMEOUT, TRIES = 700, 6
ROWS = 1_500_000
# The server writes what waits for the commit to disk, and while it does it neither asks nor listens: so little at a time.
OPTIONS = f"-c wal_sender_timeout={TIMEOUT} -c logical_decoding_work_mem=1MB"


@pytest.fixture
def filtered(database):
    database.execute("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE hidden (id int, filler text)",
                     "CREATE TABLE no_key (id int)")
    database.label("t", id="green")
    database.label("no_key", id="green")
    database.slot = database.plugin_slot()
    return database


def test_a_long_transaction_of_which_nothing_is_sent_keeps_its_connection(filtered, note):
    """It takes several times wal_sender_timeout to pass over; the client answers when it is asked, so it must be asked.

    On a busy machine that time may pass before either is heard. If nobody asked, no try would live.
    """
    filtered.execute(f"INSERT INTO hidden SELECT generate_series(1, {ROWS})", "INSERT INTO t VALUES (1)")
    said = []
    for _ in range(TRIES):
        began = time.monotonic()
        try:
            data = filtered.slot.receive(filtered.commit_end(), environment={"PGOPTIONS": OPTIONS})
        except subprocess.CalledProcessError as error:
            said.append(error.stderr.decode())
            continue
        took = time.monotonic() - began
        note(f"{took:.1f} s with a timeout of {TIMEOUT} ms, at try {len(said) + 1}")
        assert took > 2 * TIMEOUT / 1000, "nothing was tested: it was passed over too fast"
        assert b"public" in data and b"hidden" in data, "the row, and the counter of what was not sent"
        return
    pytest.fail("\n".join(said))


def test_nothing_is_said_row_by_row(filtered):
    """Whoever decodes and whatever is missing, such as an identity: no line for each row, to the client or in the log."""
    filtered.execute("INSERT INTO no_key SELECT generate_series(1, 500)", "UPDATE no_key SET id = id + 1", "DELETE FROM no_key",
                     "INSERT INTO hidden SELECT generate_series(1, 500), 'x'", "INSERT INTO t SELECT generate_series(1, 500)")
    offset = filtered.cluster.log_size()
    connection = filtered.cluster.connect(filtered.name, options="-c client_min_messages=debug1")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL)", (filtered.slot.slot,))
        assert cursor.fetchone()[0] >= 4
    filtered.slot.receive(filtered.commit_end())
    assert len(connection.notices) < 20, connection.notices
    assert len(filtered.cluster.log_text(offset).splitlines()) < 60
    connection.close()
