#!/usr/bin/env python3
"""make bench: every plugin reads the same WAL; what it costs, side by side.

A server of its own is made, each workload written once, and each plugin reads it through a copy of one slot that
is older than the WAL. First once to prove what its bytes hold, then in rounds, each in another order.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "regress" / "t"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness.cluster import Cluster, ClusterError  # noqa: E402

import forwarding  # noqa: E402
import measure  # noqa: E402
import pairing  # noqa: E402
import report  # noqa: E402
import variants  # noqa: E402
import workloads  # noqa: E402
from measure import Bench  # noqa: E402
from variants import BenchError  # noqa: E402

LIBRARIES = (REPOSITORY / "wal2lake.so", REPOSITORY / "wal2lake_policy.so",
             REPOSITORY / "regress/bench/floor/wal2lake_floor.so")
MARKS = ("<!-- measured: written by make bench -->", "<!-- end of what was measured -->")


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="share of the workloads' sizes (default 1)")
    parser.add_argument("--rounds", type=int, default=3, help="timed readings of each variant (default 3)")
    parser.add_argument("--seed", type=int, help="of the order within rounds (default: random, printed)")
    parser.add_argument("--workload", action="append", choices=tuple(workloads.ALL), help="only this one; repeatable")
    parser.add_argument("--peers", choices=("all", "installed"), default="all",
                        help="fail without wal2json and decoderbufs, or go on with what is installed")
    parser.add_argument("--against", metavar="REVISION",
                        help="measure nothing but this plugin and that of a revision, in pairs")
    parser.add_argument("--pairs", type=int, default=10, help="of runs with --against (default 10)")
    parser.add_argument("--no-forwarder", action="store_true", help="leave the forwarder out")
    parser.add_argument("--seconds", type=int, default=20, help="length of the forwarder's steady load (default 20)")
    parser.add_argument("--no-bars", action="store_true", help="only measure: a missed bar is no failure")
    parser.add_argument("--publish", action="store_true", help="also put the results into docs/performance.*")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build/bench", help="folder of result.json")
    return parser.parse_args(arguments)


def installed(plugin):
    directory = subprocess.check_output([os.environ.get("PG_CONFIG", "pg_config"), "--pkglibdir"], text=True).strip()
    return (Path(directory) / f"{plugin}.so").exists()


def choose_variants(peers):
    chosen = [variant for variant in variants.ALL if variant not in variants.PEERS or installed(variant.plugin)]
    missing = sorted({variant.plugin for variant in variants.PEERS} - {variant.plugin for variant in chosen})
    if missing and peers == "all":
        raise BenchError(f"not installed: {', '.join(missing)}; run tools/dev/deps.sh bench")
    return chosen, missing


def make_cluster():
    """A server that loads this checkout's libraries, not the installed ones."""
    cluster = Cluster(name="bench")
    try:
        library = cluster.base / "lib"
        library.mkdir(mode=0o755)
        for path in LIBRARIES:
            if not path.exists():
                raise BenchError(f"{path.relative_to(REPOSITORY)} is not built; run make bench")
            shutil.copy(path, library)
        library.chmod(0o755)
        cluster.base.chmod(0o711)
        settings = {"dynamic_library_path": f"{library}:$libdir", "shared_buffers": "128MB", "max_wal_size": "32GB",
                    "checkpoint_timeout": "1h", "wal_sender_timeout": "5min", "wal_keep_size": "0"}
        if cluster.knows("output_plugin_libraries"):
            settings["output_plugin_libraries"] = ", ".join(dict.fromkeys(
                [*(variant.plugin for variant in variants.ALL), pairing.PLUGIN]))
        cluster.configure(settings)
        return cluster.start()
    except BaseException:
        cluster.remove()
        raise


def memory_folder(cluster):
    """Where pg_recvlogical writes: memory if this system has such a folder, so that no disk is measured."""
    shared = Path("/dev/shm")
    return tempfile.mkdtemp(prefix="wal2lake-bench-", dir=shared if os.access(shared, os.W_OK) else cluster.base)


def pair(arguments, say=print):
    """This checkout's plugin and that of a revision. Returns {workload: {variant: ratios}}."""
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**9)
    rng, found = random.Random(seed), {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wal2lake-before-")))
        commit = pairing.build(REPOSITORY, arguments.against, folder)
        cluster = stack.enter_context(make_cluster())
        shutil.copy(folder / f"{pairing.PLUGIN}.so", cluster.base / "lib")
        say(f"wal2lake bench against {commit}, scale {arguments.scale:g}, seed {seed}")
        for name in arguments.workload or workloads.ALL:
            with opened(cluster, name, arguments, say) as bench:
                found[name] = pairing.compare(bench, arguments.pairs, rng)
            cluster.query("SELECT pg_drop_replication_slot(%s)", (Bench.SOURCE_SLOT,))
            say("\n".join(pairing.lines(name, found[name], commit)))
    return found


@contextlib.contextmanager
def opened(cluster, name, arguments, say):
    """One workload, written, in a database of its own."""
    workload = workloads.ALL[name](arguments.scale)
    say(f"\n{name}: {workload.what}")
    cluster.create_database(name)
    cluster.query(f"CREATE PUBLICATION {variants.PUBLICATION} FOR ALL TABLES", dbname=name)
    folder = memory_folder(cluster)
    bench = Bench(cluster, name, workload, folder)
    try:
        bench.write()
        say(f"  wrote {bench.wal_bytes / 1e6:,.1f} MB of WAL")
        yield bench
    finally:
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)


def measure_workload(cluster, name, chosen, arguments, rng, say):
    """All rounds of one workload, in a database of its own."""
    with opened(cluster, name, arguments, say) as bench:
        workload = bench.workload
        if workload.streams:
            chosen = [*chosen, *variants.STREAMED]
        if workload.weighs_tokens:
            chosen = [*chosen, variants.DROPS]
        seen = {variant.name: bench.inspect(variant) for variant in chosen}
        say(f"  {len(chosen)} variants read it and hold what they should")
        runs = {variant.name: [] for variant in chosen}
        for number in range(arguments.rounds):
            for variant in rng.sample(chosen, len(chosen)):
                runs[variant.name].append(bench.run(variant))
            say(f"  round {number + 1} of {arguments.rounds}")
        forwarded = {} if arguments.no_forwarder else measure_forwarder(bench, chosen[0], arguments.rounds, rng)
    rows = {name: report.summarise(runs[name], *seen[name]) for name in runs}
    say("\n".join(["", *report.table(workload, rows)]))
    if forwarded:
        forwarded = report.summarise_forwarder(forwarded)
        say("\n".join(["", *report.forwarder_table(workload, forwarded, rows[chosen[0].name]["bytes"])]))
    return {
        "what": workload.what, "rows": workload.rows, "transactions": workload.transactions,
        "wal_bytes": bench.wal_bytes, "variants": rows, "forwarder": forwarded,
        "tokens_a_row": seen["wal2lake tokens"][0].tokens_a_row,
        "bare_hmac": measure.bare_hmac() if workload.weighs_tokens else None,
        "rounds": {name: [run.as_json() for run in taken] for name, taken in runs.items()}}


def measure_forwarder(bench, variant, rounds, rng):
    """The same WAL, by pg_recvlogical and by the forwarder to a folder and to nothing, in turns."""
    null = forwarding.null_binary()
    ways = {"pg_recvlogical": lambda: bench.run_and_pack(variant), "folder": lambda: forwarding.forward(bench, variant),
            "null": lambda: forwarding.forward(bench, variant, null)}
    taken = {way: [] for way in ways}
    for _ in range(rounds):
        for way in rng.sample(list(ways), len(ways)):
            taken[way].append(ways[way]())
    return taken


def measure_steady(cluster, arguments, say):
    """The forwarder under a load that does not fill it: how late it is, and how it makes up for a pause."""
    cluster.create_database("steady")
    bench = Bench(cluster, "steady", None, cluster.base)
    try:
        forwarding.prepare_steady(bench)
        found = {"latency": [forwarding.latency(bench, 500, arguments.seconds, age) for age in ("1s", "100ms")],
                 "catch_up": forwarding.catch_up(bench, 2000, arguments.seconds)}
    finally:
        bench.close()
    say("\n".join(["", *report.steady_table(found)]))
    return found


def machine():
    """What it ran on; no name of the host, no path."""
    def line(path, key):
        for text in Path(path).read_text(encoding="utf-8").splitlines():
            if text.startswith(key):
                return text.split(":" if ":" in text else "=", 1)[1].strip().strip('"')
        return "unknown"
    return {"cpu": line("/proc/cpuinfo", "model name"), "cores": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "kernel": os.uname().release, "system": line("/etc/os-release", "PRETTY_NAME"),
            "load_1_5_15": os.getloadavg()}


def versions(cluster):
    packages = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", "postgresql-15",
                               "postgresql-15-wal2json", "postgresql-15-decoderbufs"],
                              capture_output=True, text=True, check=False).stdout
    commit = subprocess.run(["git", "-C", REPOSITORY, "describe", "--always", "--dirty"], capture_output=True,
                            text=True, check=False).stdout.strip()
    return {"wal2lake": commit, "server": cluster.value("SHOW server_version"),
            **dict(line.split(" ", 1) for line in packages.splitlines())}


def run(arguments, say=print):
    """The whole bench. Returns the result as it is written to result.json."""
    chosen, missing = choose_variants(arguments.peers)
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**9)
    result = {"seed": seed, "scale": arguments.scale, "rounds": arguments.rounds, "missing": missing,
              "machine": machine(), "workloads": {}}
    say(f"wal2lake bench, scale {arguments.scale:g}, {arguments.rounds} rounds, seed {seed} (repeat with --seed {seed})")
    for plugin in missing:
        say(f"not measured, since it is not installed: {plugin}")
    found = []
    with make_cluster() as cluster:
        result["versions"] = versions(cluster)
        rng = random.Random(seed)
        for name in arguments.workload or workloads.ALL:
            entry = measure_workload(cluster, name, chosen, arguments, rng, say)
            result["workloads"][name] = entry
            found += report.bars(name, entry)
            cluster.query("SELECT pg_drop_replication_slot(%s)", (Bench.SOURCE_SLOT,))
        if not arguments.no_forwarder:
            result["steady"] = measure_steady(cluster, arguments, say)
    result["machine"]["load_1_5_15_after"] = os.getloadavg()
    result["bars"] = [bar.as_json() for bar in found]
    say("\n" + "\n".join(report.bar_lines(found)))
    return result


def write(result, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (folder / "performance.svg").write_text(report.picture(result["workloads"]), encoding="utf-8")


def publish(result):
    """The page keeps its words; between its two marks are the figures of this run."""
    page = REPOSITORY / "docs/performance.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    page.write_text(f"{before}{MARKS[0]}\n{report.markdown(result)}{MARKS[1]}{after}", encoding="utf-8")
    (REPOSITORY / "docs/performance.svg").write_text(report.picture(result["workloads"]), encoding="utf-8")


def main():
    arguments = parse_arguments()
    try:
        if arguments.against:
            found = pair(arguments, lambda text: print(text, flush=True))
            return int(any(pairing.missed(ratios) for ratios in found.values()) and not arguments.no_bars)
        result = run(arguments, lambda text: print(text, flush=True))
    except (BenchError, ClusterError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    write(result, arguments.output)
    print(f"\nwrote result.json and performance.svg to {arguments.output}")
    if arguments.publish:
        publish(result)
        print("wrote docs/performance.md and docs/performance.svg")
    missed = [bar for bar in result["bars"] if bar["missed"]]
    if missed and not arguments.no_bars:
        print(f"{len(missed)} of {len(result['bars'])} bars are missed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
