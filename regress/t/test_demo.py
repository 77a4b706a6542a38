"""The demo says true things, and says so when they are not."""

import shutil
import subprocess
from pathlib import Path

import pytest

from harness import forwarder

DEMO = Path(__file__).resolve().parents[2] / "tools" / "dev" / "demo.py"


def demo(*arguments):
    forwarder.binary()
    return subprocess.run(["/usr/bin/python3", DEMO, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=120, cwd="/")


def leftovers():
    """Servers' directories of the demo; the lake's are meant to stay."""
    return {path for path in Path("/tmp").glob("wal2lake-demo-*") if not path.name.startswith("wal2lake-demo-lake-")}


def test_everything_it_shows_is_true(tmp_path):
    before = leftovers()
    done = demo("--lake", tmp_path / "lake", "--seed", "7")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FALSE" not in done.stdout and done.stdout.count("true ") >= 8
    assert "0 of" in done.stdout and "seed 7" in done.stdout
    assert leftovers() <= before, "the server's directory should be gone"
    # The command it says to try works, though the server is gone.
    command = next(line.split("|")[0] for line in done.stdout.splitlines() if " cat /" in line and "| head" in line)
    cat = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert cat.returncode == 0 and cat.stdout.count("\n") > 1


def test_everything_is_true_of_a_bucket_too(tmp_path):
    done = demo("--lake", tmp_path / "lake", "--store", "s3", "--seed", "8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FALSE" not in done.stdout and done.stdout.count("true ") >= 8 and "s3://" in done.stdout
    assert list((tmp_path / "lake").rglob("*.w2l")), "the copy stays"


@pytest.mark.parametrize("sabotage", ["delete-segment"])
def test_a_missing_segment_makes_it_fail(tmp_path, sabotage):
    done = demo("--lake", tmp_path / "lake", "--break", sabotage)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "missing" in done.stderr and "Everything above is true" not in done.stdout


def test_it_leaves_a_folder_with_something_in_it_alone(tmp_path):
    (tmp_path / "precious").write_text("x")
    done = demo("--lake", tmp_path)
    assert done.returncode == 1 and "not empty" in done.stderr
    assert (tmp_path / "precious").read_text() == "x"
    shutil.rmtree(tmp_path)
