"""This checkout's plugin beside that of a revision, on the same WAL, in pairs: is it slower than it was?

The other one is built out of the repository and loaded under a name of its own. It needs no policy library: that of
this checkout serves both, or the other one refuses to start.
"""

import shutil
import subprocess
from dataclasses import replace
from statistics import median

from variants import OURS, BenchError

PLUGIN = "wal2lake_before"
LIMIT = 1.03


def build(repository, revision, folder):
    """The plugin of a revision as folder/wal2lake_before.so. Returns the commit's short name."""
    def run(command, **more):
        done = subprocess.run(command, capture_output=True, check=False, **more)
        if done.returncode != 0:
            raise BenchError(f"{command[0]} failed for {revision}: {done.stderr.decode()[-2000:].strip()}")
        return done.stdout
    commit = run(["git", "-C", repository, "rev-parse", "--short", f"{revision}^{{commit}}"]).decode().strip()
    source = folder / "source"
    source.mkdir()
    run(["tar", "-x", "-C", source], input=run(["git", "-C", repository, "archive", commit]))
    run(["make", "-s", "-j2", "-C", source, "wal2lake.so"])
    shutil.copy(source / "wal2lake.so", folder / f"{PLUGIN}.so")
    return commit


def before(variant):
    return replace(variant, name=f"{variant.name} before", plugin=PLUGIN)


def compare(bench, pairs, rng):
    """{variant: ratios of CPU, this checkout's / the revision's}, for plain and for tokens."""
    found = {}
    for variant in OURS[:2]:
        both = (variant, before(variant))
        for one in both:
            bench.inspect(one)
        ratios = []
        for _ in range(pairs):
            taken = {one.name: bench.run(one).cpu for one in rng.sample(both, 2)}
            ratios.append(taken[both[0].name] / taken[both[1].name])
        found[variant.name] = ratios
    return found


def lines(name, ratios, commit):
    """For a terminal."""
    return [f"{name}, {variant} / {commit}: median {median(each):.3f} of {len(each)} pairs, "
            f"{min(each):.3f} to {max(each):.3f}" + ("" if median(each) <= LIMIT else f", MISSED (at most {LIMIT})")
            for variant, each in ratios.items()]


def missed(ratios):
    return [variant for variant, each in ratios.items() if median(each) > LIMIT]
