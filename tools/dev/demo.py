#!/usr/bin/env python3
"""make demo: a PostgreSQL of its own, a GitLab-like database, a lake in a folder or a bucket, and the evidence.

Everything it claims is checked, by readers that share no code with what is shown; it exits with 1 if
anything is untrue. Server, sockets and data are gone afterwards; the lake stays for you to look at.
"""

import argparse
import contextlib
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "regress" / "t"))

from harness import forwarder, gitlab, tokens, values  # noqa: E402
from harness.cluster import Cluster, ClusterError, lsn_text  # noqa: E402
from harness.compare import differences, relevant  # noqa: E402
from harness.lake import Lake, LakeError, count_changes  # noqa: E402
from harness.object_store import BUCKET, REGION, RealS3  # noqa: E402
from harness.oracle import Oracle  # noqa: E402
from harness.server_cache import CannotBuild  # noqa: E402
from harness.workload import Workload  # noqa: E402

DATABASE = "gitlab"
LAKE_PREFIX = "wal2lake-demo-lake-"


class Untrue(Exception):
    """Something the demo claims is not so."""


class Place:
    """Where the lake is. `folder` is where its objects can be read without the command, also those of a bucket."""

    def __init__(self, folder):
        self.folder, self.name, self.environment = folder, f"{folder}", {}

    def configure(self, config):
        """The folder stands in the configuration already."""

    def keep(self, folder):
        """What stays for you to look at."""


class Bucket(Place):
    """Of a server that checks signatures and is not ours. It keeps objects as files, so an independent reader sees them."""

    def __init__(self, server):
        super().__init__(server.data / BUCKET / "demo")
        self.server, self.name = server, f"s3://{BUCKET}/demo"
        self.environment = {name: value for name, value in server.command_environment().items() if "KEY" in name}

    def configure(self, config):
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace(f'url = "file://{self.folder}"', f'url = "{self.name}"\nendpoint = "{self.server.url}"\n'
                                       f'region = "{REGION}"'), encoding="utf-8")

    def keep(self, folder):
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)


class Screen:
    """Numbered steps with the time they took; colour on a terminal that wants it."""

    def __init__(self):
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.started = time.monotonic()
        self.failed = False

    def paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def step(self, text):
        print(f"{self.paint(2, f'{time.monotonic() - self.started:5.1f} s')}  {text}", flush=True)

    def title(self, text):
        print(f"\n{self.paint(1, text)}", flush=True)

    def line(self, text=""):
        print(f"  {text}", flush=True)

    def check(self, good, text):
        """One claim. A false one is shown and makes the demo fail, after the others were checked too."""
        self.failed |= not good
        mark = self.paint(32, "true ") if good else self.paint(31, "FALSE")
        print(f"  {mark}  {text}", flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, help="seed of rows and traffic (default: random, printed)")
    parser.add_argument("--lake", type=Path, help="folder for the lake, empty or new (default: one under /tmp)")
    parser.add_argument("--store", choices=("folder", "s3"), default="folder",
                        help="s3: ship into a bucket of a real S3 server on the loopback, built at the first use; the folder "
                             "gets a copy in the end")
    parser.add_argument("--discard", action="store_true", help="remove the lake too when done")
    parser.add_argument("--break", dest="sabotage", choices=("delete-segment",),
                        help="self-test: do this to the lake before the comparison, which must then fail")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**9)
    lake = arguments.lake or Path(tempfile.mkdtemp(prefix=LAKE_PREFIX, dir="/tmp"))
    lake.mkdir(parents=True, exist_ok=True)
    screen = Screen()
    print(f"wal2lake demo, seed {seed} (repeat with: tools/dev/demo.py --seed {seed})", flush=True)
    status = 1
    try:
        if any(lake.iterdir()):
            raise Untrue(f"the folder {lake} is not empty; name a new one with --lake")
        with contextlib.ExitStack() as stack:
            place = Place(lake.resolve())
            if arguments.store == "s3":
                screen.step("starting a real S3 server; the first time it is built, which takes two minutes")
                place = Bucket(stack.enter_context(RealS3()))
            cluster = stack.enter_context(Cluster(name="demo"))
            demonstrate(screen, cluster, place, lake.resolve(), seed, arguments.sabotage)
        status = 1 if screen.failed else 0
    except (Untrue, CannotBuild, LakeError, ClusterError, OSError, RuntimeError, TimeoutError) as error:
        print(f"demo: {error}", file=sys.stderr)
    finally:
        if arguments.discard:
            shutil.rmtree(lake, ignore_errors=True)
    screen.title("Everything above is true." if status == 0 else "Something above is not true.")
    screen.step("server, sockets and data directory are removed" +
                (", and so is the lake" if arguments.discard else f"; the lake stays: rm -r {lake}"))
    return status


def demonstrate(screen, cluster, place, kept, seed, sabotage):
    lake = place.folder
    screen.step(f"started a throwaway {server_version(cluster)} as user {cluster.user.pw_name}, "
                f"socket {cluster.sockets}")
    cluster.create_database(DATABASE)
    cluster.query("CREATE EXTENSION wal2lake", dbname=DATABASE)
    workload = Workload(cluster, DATABASE, seed).create()
    labels = cluster.value("SELECT count(*) FROM pg_seclabels WHERE provider = 'wal2lake'", dbname=DATABASE)
    screen.step(f"created {len(gitlab.TABLES)} tables and {labels} security labels")
    config = forwarder.write_config(cluster.base / "wal2lake.toml", lake, cluster.conninfo(DATABASE), max_age="300ms")
    place.configure(config)
    oracle = Oracle(cluster, DATABASE).create()
    expect_success(forwarder.command("slot", "create", "-c", config, env=place.environment), "slot create")
    with forwarder.Forwarder(config, cluster.base / "forwarder.log",
                             arguments=()).start(environment=place.environment) as running:
        screen.step(f"started wal2lake run into {place.name}, beside a test_decoding slot as a witness")
        shipped_source = run_workload(screen, workload, running, cluster, place)
        transactions = relevant(oracle.transactions(), gitlab.is_shipped)
        forwarder.wait_shipped(running, lake, transactions[-1].end_lsn)
        code = running.terminate()
        screen.step("stopped wal2lake run with SIGTERM")
        screen.check(code == 0, f"it sealed, shipped, acknowledged and exited with {code}")
    if sabotage == "delete-segment":
        objects = Lake(lake, forwarder.SOURCE).objects()
        victim = objects[len(objects) // 2]
        victim.unlink()
        screen.step(f"self-test: deleted {victim.name}")
    place.keep(kept)
    show(screen, cluster, place, config, kept, workload, transactions, shipped_source)


def server_version(cluster):
    return "PostgreSQL " + cluster.value("SHOW server_version").split(" ")[0]


def expect_success(done, what):
    if done.returncode != 0:
        raise Untrue(f"wal2lake {what} exited with {done.returncode}: {done.stderr.decode().strip()}")


def run_workload(screen, workload, running, cluster, place):
    """Traffic, with the forwarder killed in the middle of it. Returns the row to show: a user, as the source has it."""
    lake = place.folder
    workload.populate(40)
    workload.savepoint()
    screen.step(f"inserted {len(workload.ids['users'])} users and what they wrote; rolled back a savepoint")
    while len(Lake(lake, forwarder.SOURCE).objects()) < 3:
        workload.traffic(5)
    workload.populate(10)
    running.kill9()
    reached = forwarder.tail_end(lake)
    screen.step(f"killed wal2lake run with -9 while it was {cluster.flush_lsn() - reached:,} bytes of WAL behind")
    workload.traffic(60)
    workload.change_keys()
    running.start(environment=place.environment)
    forwarder.wait_shipped(running, lake, reached + 1)
    screen.step("more traffic while it was down; started it again, and it goes on where the lake ends")
    untouched = workload.background_migration()
    screen.step("ran a background migration over all issues")
    screen.check(untouched, "it rewrote every issue and left every updated_at as it was")
    workload.large_transaction(10000)
    workload.traffic(60)
    workload.truncate()
    row = source_row(cluster, workload)
    workload.close()
    screen.step("one transaction of 11,000 changes, more traffic, and a TRUNCATE")
    return row


SHOWN = ("id", "username", "email", "bio", "date_of_birth", "state", "theme", "sign_in_count", "internal_note")


def source_row(cluster, workload):
    """A user with as many values as possible, as text."""
    columns = ", ".join(f"{column}::text" for column in SHOWN)
    row = cluster.query(f"SELECT {columns} FROM users WHERE bio IS NOT NULL AND date_of_birth IS NOT NULL "
                        "ORDER BY sign_in_count DESC, id LIMIT 1", dbname=DATABASE)[0]
    return dict(zip(SHOWN, row))


def show(screen, cluster, place, config, kept, workload, transactions, row):
    screen.step("reading the lake and the witness, and comparing them")
    reader = Lake(place.folder, forwarder.SOURCE)
    segments = reader.segments()
    shipped = [transaction for segment in segments for transaction in segment.transactions]
    show_row(screen, row, shipped)
    show_counts(screen, transactions, shipped)
    keys = tokens.keys_of(cluster.key_file.read_text())
    found = differences(shipped, transactions, gitlab.is_shipped, keys)
    for sentence in found:
        screen.line(sentence)
    screen.check(not found, f"the same {len(transactions)} transactions in the same order, value by value, "
                            "each token computed again from its key")
    show_canaries(screen, reader, workload)
    show_lake(screen, place, config, kept, segments)


def show_row(screen, row, shipped):
    """The source row beside what the lake last said of it."""
    last = {}
    for transaction in shipped:
        for change in transaction.changes:
            if change.table == "public.users" and change.new and change.new["id"] == row["id"]:
                last = {"change": change, "transaction": transaction}
    if not last:
        raise Untrue(f"user {row['id']} is not in the lake")
    change = last["change"]
    screen.title(f"One user in PostgreSQL, and beside it the last record of it in the lake "
                 f"(commit {lsn_text(last['transaction'].commit_lsn)}, ordinal {change.ordinal})")
    kinds = set()
    for column in SHOWN:
        value = change.new[column]
        if isinstance(value, values.Token):
            kind = "token"
        elif value is values.WITHHELD:
            kind = "withheld"
        else:
            kind = "clear"
        kinds.add(kind)
        in_lake = {"token": str(value)[6:], "withheld": "-", "clear": value}[kind]
        label = gitlab.LABELS["users"].get(column, "(no label)")
        screen.line(f"{column:14} {shorten(row[column], 34):34}  {label:25} {kind:9} {shorten(in_lake, 34)}")
        if kind == "clear" and value != row[column]:
            screen.check(False, f"{column} is in the lake as it is in the table")
    screen.check(kinds == {"clear", "token", "withheld"}, "clear, token and withheld, each as its label says")


def shorten(text, width):
    text = "NULL" if text is None else text
    return text if len(text) <= width else text[:width - 3] + "..."


def show_counts(screen, transactions, shipped):
    wanted, counted = count_changes(transactions), count_changes(shipped)
    operations = ("insert", "update", "delete", "truncate")
    screen.title("Changes by table and operation: test_decoding | lake")
    screen.line(f"{'':24}" + "".join(f"{operation:>17}" for operation in operations))
    for table in sorted({table for table, _ in (*wanted, *counted)}):
        cells = "".join(f"{wanted.get((table, operation), 0):>8} |{counted.get((table, operation), 0):>7}"
                        for operation in operations)
        screen.line(f"{table.removeprefix('public.'):24}{cells}")
    screen.check(wanted == counted, "every count is the same on both sides")


def show_canaries(screen, reader, workload):
    plain = reader.messages()
    canaries = workload.canaries
    red, green = canaries.find_red(plain), canaries.find_green(plain)
    screen.title(f"Searching {len(plain):,} decompressed bytes of the lake")
    for hit in red[:10]:
        screen.line(f"found {hit.where} as {hit.form}")
    screen.check(not red, f"{len(red)} of {len(canaries.red)} strings planted in red, orange and unlabelled columns "
                          "are in it (searched in clear, hex, base64, and a sample of them as hashes without key)")
    screen.check(len(green) > 0, f"{len(green)} of {len(canaries.green)} strings planted in a green column are, "
                                 "by the same search")


def show_lake(screen, place, config, kept, segments):
    size = sum(segment.path.stat().st_size for segment in segments)
    screen.title(f"The lake: {len(segments)} objects, {size:,} bytes, in {place.name}")
    done = forwarder.command("verify", "-c", config, "--source", forwarder.SOURCE, env=place.environment)
    screen.check(done.returncode == 0, f"wal2lake verify: {(done.stdout or done.stderr).decode().strip()}")
    path = kept / max(segments, key=lambda segment: len(segment.transactions)).path.relative_to(place.folder)
    done = forwarder.command("cat", path)
    screen.check(done.returncode == 0 and done.stdout.count(b"\n") > 0,
                 f"wal2lake cat prints {done.stdout.count(b'%c' % 10)} lines of one object; try it:")
    screen.line(f"{forwarder.binary()} cat {path} | head -n 5")


if __name__ == "__main__":
    sys.exit(main())
