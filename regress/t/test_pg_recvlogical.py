"""PostgreSQL's own client can read the plugin: what pg_recvlogical and the SQL functions give is the same stream."""

import json
import subprocess

import pytest

from harness import forwarder
from harness.cluster import lsn_text
from harness.plugin import assemble
from harness.workload import Workload


def prepare(database, seed):
    workload = Workload(database.cluster, database.name, seed).create()
    slot = database.plugin_slot()
    workload.populate(10)
    workload.traffic(20)
    workload.close()
    return slot


def test_recvlogical_and_peek_agree(database, seed):
    """pg_recvlogical adds a newline to each message; nothing else differs."""
    slot = prepare(database, seed)
    peeked = slot.peek()
    received = slot.receive(database.commit_end())
    assert received != peeked and received.count(b"\n") > 0
    assert assemble(received) == assemble(peeked) != []


def test_cat_reads_both(database, seed, tmp_path):
    """`pg_recvlogical -f - | wal2lake cat`: JSON lines, one a record, with or without the newlines."""
    slot = prepare(database, seed)
    peeked = slot.peek()
    from_peek = forwarder.command("cat", stdin=peeked)
    from_client = forwarder.command("cat", stdin=slot.receive(database.commit_end()))
    assert (from_peek.returncode, from_client.returncode) == (0, 0), from_client.stderr
    assert from_peek.stdout == from_client.stdout
    shown = [json.loads(line) for line in from_peek.stdout.splitlines()]
    assert {(line["commit_lsn"], line["ordinal"], line["op"]) for line in shown} == {
        (lsn_text(transaction.commit_lsn), change.ordinal, change.operation.upper())
        for transaction in assemble(peeked) for change in transaction.changes}


def test_cat_follows_a_live_stream(database, seed):
    """The pipe of the README: a row shows while pg_recvlogical goes on."""
    slot = prepare(database, seed)
    cluster = database.cluster
    receiver = subprocess.Popen(
        cluster.command("pg_recvlogical", "-h", cluster.sockets, "-p", cluster.port, "-U", "postgres",
                        "-d", database.name, "-S", slot.slot, "--start", "-f", "-"), stdout=subprocess.PIPE, cwd="/")
    cat = subprocess.Popen([forwarder.binary(), "cat"], stdin=receiver.stdout, stdout=subprocess.PIPE, cwd="/")
    receiver.stdout.close()
    try:
        assert json.loads(cat.stdout.readline())["table"] == "public.users"
        assert all(cat.stdout.readline() for _ in range(10))
        receiver.terminate()
        cat.stdout.read()
        assert cat.wait(20) == 0
    finally:
        for process in (receiver, cat):
            if process.poll() is None:
                process.kill()
            process.wait()


def test_cat_names_damage_and_says_no(database, seed):
    slot = prepare(database, seed)
    damaged = bytearray(slot.peek())
    damaged[len(damaged) // 2] ^= 0x10
    done = forwarder.command("cat", stdin=bytes(damaged))
    assert done.returncode == 3 and done.stderr, done


def test_the_text_function_refuses(database):
    """Binary output: the function that would give text cannot be used by accident."""
    slot = database.plugin_slot()
    database.execute("CREATE TABLE t (id bigint PRIMARY KEY)", "SECURITY LABEL FOR wal2lake ON COLUMN t.id IS 'green'",
                     "INSERT INTO t VALUES (1)")
    with pytest.raises(Exception, match="binary"):
        database.execute(f"SELECT * FROM pg_logical_slot_peek_changes('{slot.slot}', NULL, NULL)")
