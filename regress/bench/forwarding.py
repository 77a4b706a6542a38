"""What the forwarder costs beside the walsender that feeds it, how late it is, and how fast it catches up."""

import contextlib
import resource
import shutil
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import quantiles

from harness import forwarder
from harness.lake import Lake

from measure import DEADLINE, POLL, usage
from variants import BenchError

SLOT = "bench_forward"
NULL = "wal2lake_null"
# The forwarder then says every 50 ms how much it has received that is not in a segment yet.
DEBUG = ("--log-level", "debug")


def null_binary():
    """A build of the command whose store throws away. Built here, beside the real one: nobody else needs it."""
    build = forwarder.binary().resolve().parents[2]
    done = subprocess.run(["cmake", "--build", build, "--target", NULL], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise BenchError(f"{NULL} cannot be built:\n{done.stdout[-3000:]}")
    return forwarder.binary().with_name(NULL)


def log_time(line):
    return datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()


def written(lines):
    return [line for line in lines if line["event"] == "segment_written" and line["transactions"]]


@dataclass
class Forwarding:
    """One reading of a workload's WAL by the forwarder, or for comparison by pg_recvlogical."""

    sender_cpu: float
    cpu: float
    sent_wall: float  # until the walsender had sent all
    wall: float  # until the lake held all
    peak_rss: int
    lake_bytes: int = 0
    segments: int = 0

    def as_json(self):
        return asdict(self)


@contextlib.contextmanager
def begun(bench, max_age, executable=None, max_size="64MiB"):
    """A lake, begun with the slot SLOT (made here if there is none), and a forwarder that is not started."""
    folder = bench.cluster.base / "forward"
    folder.mkdir()
    lake = folder / "lake"
    config = forwarder.write_config(folder / "wal2lake.toml", lake, bench.cluster.conninfo(bench.dbname), slot=SLOT,
                                    max_age=max_age, max_size=max_size)
    runner = forwarder.Forwarder(config, folder / "forwarder.log", executable=executable, arguments=DEBUG)
    try:
        done = forwarder.command("slot", "create", "-c", config)
        if done.returncode != 0:
            raise BenchError(f"wal2lake slot create: {done.stderr.decode().strip()}")
        yield runner, lake
    finally:
        runner.stop()
        shutil.rmtree(folder, ignore_errors=True)


def forward(bench, variant, executable=None, max_size="64MiB"):
    """The workload's WAL through `wal2lake run` with its default configuration, until everything is durable."""
    bench.label(variant)
    with bench.slot("wal2lake", SLOT), begun(bench, "60s", executable, max_size) as (runner, lake):
        began = time.time()
        runner.start()
        sent = None
        while True:
            if not runner.running() or time.time() - began > DEADLINE:
                raise BenchError(f"the forwarder does not get on:\n{runner.log_text()[-2000:]}")
            sender = bench.sender(SLOT)
            if sender and sender[1]:
                sent = sent or time.time()
                if received(runner.log_lines()) >= bench.workload.sent_transactions:
                    break
            time.sleep(POLL)
        sender_cpu = usage(sender[0]).cpu
        cpu, peak_rss = finish(runner)
        shipped = written(runner.log_lines())
        if sum(line["transactions"] for line in shipped) != bench.workload.sent_transactions:
            raise BenchError(f"not all was shipped:\n{runner.log_text()[-2000:]}")
        check_lake(bench, lake, executable)
        return Forwarding(sender_cpu, cpu, sent - began, log_time(shipped[-1]) - began, peak_rss,
                          sum(line["bytes"] for line in shipped), len(shipped))


def received(lines):
    """Transactions that are in closed segments or in the open one."""
    closed = opened = 0
    for line in lines:
        if line["event"] == "sealed":
            closed, opened = closed + line["transactions"], 0
        elif line["event"] == "open_segment":
            opened = line["transactions"]
    return closed + opened


def finish(runner):
    """SIGTERM: it ships what it has. CPU of its whole life, as the kernel tells when it is gone, and its peak memory."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    runner.signal(signal.SIGTERM)
    peak = 0
    began = time.monotonic()
    with contextlib.suppress(KeyError, FileNotFoundError, ProcessLookupError):  # a zombie has no memory
        while time.monotonic() - began < DEADLINE:
            peak = max(peak, usage(runner.process.pid).peak_rss)
            time.sleep(POLL / 4)
    code = runner.wait(DEADLINE)
    if code != 0:
        raise BenchError(f"the forwarder ended with {code}:\n{runner.log_text()[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak


def check_lake(bench, lake, executable):
    """Every row is in the lake; or, with the store that throws away, nothing but the log's first object."""
    objects = Lake(lake, forwarder.SOURCE).objects()
    if executable is not None:
        if len(objects) != 1:
            raise BenchError(f"{executable.name} has written {len(objects) - 1} segments")
        return
    rows = sum(table.inserts + table.updates for path in objects for table in forwarder.footer(path).counts)
    if rows != bench.workload.rows:
        raise BenchError(f"the lake holds {rows:,} rows, {bench.workload.rows:,} were written")


# ---- steady load ----

SCRIPT = "INSERT INTO steady (email) VALUES ('user' || random() || '@example.com');\n"


@contextlib.contextmanager
def steady_load(bench, rate, seconds):
    """pgbench at so many transactions a second, each of one row."""
    script = bench.cluster.base / "steady.sql"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [bench.cluster.bindir / "pgbench", "-h", bench.cluster.sockets, "-p", str(bench.cluster.port), "-U",
               "postgres", "-n", "-M", "prepared", "-c", "2", "-R", str(rate), "-T", str(seconds), "-f", script,
               bench.dbname]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          cwd="/") as load:
        try:
            yield load
        finally:
            load.terminate()


def prepare_steady(bench):
    bench.cluster.query("CREATE TABLE steady (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text, "
                        "created_at timestamptz DEFAULT clock_timestamp())", dbname=bench.dbname)
    for column in ("id", "email", "created_at"):
        bench.cluster.query(f"SECURITY LABEL FOR wal2lake ON COLUMN steady.{column} IS 'green'", dbname=bench.dbname)


def segments_with_times(lake, runner):
    """(segment, time at which the forwarder had it durable), oldest first; the chain is checked on the way."""
    times = {line["name"].rsplit("/", 1)[-1]: log_time(line) for line in written(runner.log_lines())}
    return [(segment, times[segment.path.name]) for segment in Lake(lake, forwarder.SOURCE).segments()
            if segment.transactions]


def latency(bench, rate, seconds, max_age):
    """Commit to durable under a steady load, in seconds."""
    with begun(bench, max_age) as (runner, lake):
        runner.start()
        forwarder.wait_until_streaming(runner, bench.cluster, SLOT)
        with steady_load(bench, rate, seconds) as load:
            load.wait(seconds + 60)
        finish(runner)
        late = [when - transaction.commit_time_us / 1e6 for segment, when in segments_with_times(lake, runner)
                for transaction in segment.transactions]
    bench.drop_slot(SLOT)
    if len(late) < rate * seconds / 4:
        raise BenchError(f"{len(late)} transactions in {seconds} s are no load of {rate} a second")
    percent = quantiles(late, n=100)
    return {"max_age": max_age, "rate": len(late) / seconds, "transactions": len(late), "p50": percent[49],
            "p99": percent[98], "max": max(late)}


def catch_up(bench, rate, pause, max_age="200ms"):
    """How fast the forwarder makes up for a pause, while the load goes on: a multiple of the load's rate."""
    with begun(bench, max_age) as (runner, lake):
        with steady_load(bench, rate, pause * 4):
            time.sleep(pause)
            began = time.time()
            runner.start()
            # Level again: the last transaction of a segment was committed just before the segment was durable.
            wait = time.monotonic()
            while not any(line for line in last_commits(lake, runner) if line < 1.0):
                if time.monotonic() - wait > pause * 3:
                    raise BenchError(f"not level again {pause * 3} s after a pause of {pause} s")
                time.sleep(0.1)
        finish(runner)
        shipped, level, first = 0, None, None
        for segment, when in segments_with_times(lake, runner):
            shipped += len(segment.transactions)
            first = first or segment.transactions[0].commit_time_us / 1e6
            if when - segment.transactions[-1].commit_time_us / 1e6 < 1.0:
                level = when
                break
    bench.drop_slot(SLOT)
    load = shipped / (level - first)
    return {"pause": pause, "rate": load, "transactions": shipped, "seconds": level - began,
            "times_rate": shipped / (level - began) / load}


def last_commits(lake, runner):
    """For each segment, the age of its last transaction when it was durable."""
    times = {line["name"].rsplit("/", 1)[-1]: log_time(line) for line in written(runner.log_lines())}
    for path in Lake(lake, forwarder.SOURCE).objects():
        if path.name in times:
            yield times[path.name] - forwarder.footer(path).last_commit_time_us / 1e6
