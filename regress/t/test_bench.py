"""make bench measures what it says: what is something else under its name is refused, and a run has sane results."""

import json
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"
sys.path.insert(0, str(BENCH))

import bench  # noqa: E402
import forwarding  # noqa: E402
import measure  # noqa: E402
import pairing  # noqa: E402
import variants  # noqa: E402
import workloads  # noqa: E402
from variants import BenchError, Variant  # noqa: E402

TINY = 0.001


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """The narrow workload, of four transactions, in a server as the bench makes it."""
    subprocess.run(["make", "-s", "-C", BENCH / "floor"], check=True, capture_output=True)
    with bench.make_cluster() as cluster:
        cluster.create_database("narrow")
        cluster.query(f"CREATE PUBLICATION {variants.PUBLICATION} FOR ALL TABLES", dbname="narrow")
        cluster.query("CREATE PUBLICATION nothing", dbname="narrow")
        made = measure.Bench(cluster, "narrow", workloads.Narrow(0.01), tmp_path_factory.mktemp("received"))
        made.write()
        yield made
        made.close()


def test_every_variant_is_what_it_says(narrow, note):
    chosen, missing = bench.choose_variants("installed")
    if missing:
        note(f"not tried, since not installed (tools/dev/deps.sh bench): {', '.join(missing)}")
    contents = {variant.name: narrow.inspect(variant)[0] for variant in [*chosen, variants.DROPS]}
    rows = narrow.workload.rows
    assert rows == 20_000
    assert contents["wal2lake"].rows == contents["wal2lake tokens"].rows == contents["pgoutput"].rows == rows
    assert contents["wal2lake unlabelled"].messages == 0
    assert (contents["wal2lake tokens"].tokens_a_row, contents["wal2lake drops"].tokens_a_row) == (1, 0)
    assert contents["floor"].bytes == contents["floor"].messages == narrow.workload.transactions
    run = narrow.run(chosen[0])
    assert 0 < run.cpu < run.wall + 1 and run.received > 0 and run.peak_rss > run.peak_anonymous > 0


@pytest.mark.parametrize("planted", ["none", "green", "drops"])
def test_other_labels_under_the_name_of_tokens_are_refused(narrow, monkeypatch, planted):
    real = workloads.set_labels
    monkeypatch.setattr(measure, "set_labels",
                        lambda cluster, dbname, workload, mode: real(cluster, dbname, workload, planted))
    with pytest.raises(BenchError, match="wal2lake tokens on narrow"):
        narrow.inspect(variants.OURS[1])


def test_labels_of_now_do_not_undo_those_of_then(narrow):
    """Green again after tokens: what is measured next is plain again."""
    narrow.inspect(variants.OURS[1])
    assert narrow.inspect(variants.OURS[0])[0].rows == narrow.workload.rows


def test_a_plugin_that_sends_less_is_refused(narrow):
    pgoutput = next(variant for variant in variants.ALL if variant.name == "pgoutput")
    blind = Variant("pgoutput", "pgoutput", (("proto_version", "1"), ("publication_names", "nothing")), pgoutput.rows)
    with pytest.raises(BenchError, match="0 rows seen, 20,000 written"):
        narrow.inspect(blind)


def test_another_build_of_the_plugin_is_refused(narrow, monkeypatch):
    """A walsender that found the installed library instead would measure something else."""
    monkeypatch.setattr(narrow.cluster, "base", narrow.cluster.base / "elsewhere")
    narrow.cluster.base.joinpath("lib").mkdir(parents=True)
    narrow.cluster.base.joinpath("lib/wal2lake.so").touch()
    with pytest.raises(BenchError, match="has not loaded wal2lake.so"):
        narrow.inspect(variants.OURS[0])


def test_the_forwarder_ships_all_and_the_null_store_nothing(narrow):
    folder = forwarding.forward(narrow, variants.OURS[0])
    assert folder.segments == 1 and folder.lake_bytes > 0 and folder.cpu > 0 < folder.sender_cpu
    null = forwarding.forward(narrow, variants.OURS[0], forwarding.null_binary())
    assert null.segments == 1, "it says that it has shipped, and forward() has looked that nothing is there"
    assert forwarding.forward(narrow, variants.OURS[0], forwarding.null_binary(), "64KiB").segments > 1


def test_a_whole_run(tmp_path):
    done = subprocess.run([sys.executable, BENCH / "bench.py", f"--scale={TINY}", "--rounds=2", "--workload=small",
                           "--peers=installed", "--seconds=2", "--seed=7", "--no-bars", f"--output={tmp_path}"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["seed"] == 7 and result["scale"] == TINY and "--seed 7" in done.stdout
    small = result["workloads"]["small"]
    assert small["rows"] == 4 * small["transactions"] == 400 and small["wal_bytes"] > 0
    assert all(len(taken) == 2 for taken in small["rounds"].values())
    rows = small["variants"]
    assert {"wal2lake", "wal2lake tokens", "wal2lake unlabelled", "pgoutput", "floor"} <= set(rows)
    assert all(row["cpu"] > 0 and row["peak_rss"] > 1e6 for row in rows.values())
    assert rows["wal2lake"]["bytes"] < rows["pgoutput"]["bytes"] and rows["wal2lake unlabelled"]["bytes"] == 0
    assert small["forwarder"]["folder"]["peak_rss"] > 1e6
    for late in result["steady"]["latency"]:
        assert 0 < late["p50"] <= late["p99"] <= late["max"] < 30
    assert result["steady"]["catch_up"]["times_rate"] > 0
    assert [bar["what"] for bar in result["bars"]] and all(f"{bar['what']}" in done.stdout for bar in result["bars"])
    text = (tmp_path / "result.json").read_text() + (tmp_path / "performance.svg").read_text()
    assert str(BENCH.parents[1]) not in text and "/tmp/" not in text, "results are published: no path of this machine"
    xml.etree.ElementTree.parse(tmp_path / "performance.svg")


@pytest.mark.parametrize("arguments, code", [([], 1), (["--no-bars"], 0)])
def test_a_missed_bar_makes_it_fail(monkeypatch, tmp_path, arguments, code):
    missed = {"bars": [{"missed": False}, {"missed": True}], "workloads": {}}
    monkeypatch.setattr(bench, "run", lambda arguments, say: missed)
    monkeypatch.setattr(sys, "argv", ["bench.py", f"--output={tmp_path}", *arguments])
    assert bench.main() == code


def test_each_bar_is_judged_against_what_it_names():
    row = {"cpu": 1.0, "bytes": 10}
    rows = {"wal2lake": row, "wal2lake tokens": row, "floor": {"cpu": 0.5}, "pgoutput": {"cpu": 4.0, "bytes": 20},
            "wal2json v1": {"cpu": 9.0}, "wal2json v2": {"cpu": 2.0}}
    found = {bar.what: bar for bar in bench.report.bars("wide", {"variants": rows, "forwarder": {}})}
    assert found["wide: CPU of wal2lake / wal2json v2"].missed and found["wide: CPU of wal2lake / wal2json v1"].met
    assert found["wide: CPU of wal2lake / pgoutput"].met and found["wide: bytes of wal2lake / pgoutput"].met


def test_tokens_are_weighed_against_bare_ones():
    """Ten of them in each of 100 rows, at 2 ms more than without, where one alone takes a microsecond."""
    row = {"cpu": 1.0, "bytes": 10}
    rows = {"wal2lake": row, "wal2lake tokens": {"cpu": 1.003, "bytes": 10}, "wal2lake drops": {"cpu": 1.001}, "pgoutput": row,
            "floor": row}
    entry = {"variants": rows, "forwarder": {}, "rows": 100, "tokens_a_row": 10.0, "bare_hmac": 1e-6}
    bar, = (bar for bar in bench.report.bars("wide", entry) if "bare" in bar.what)
    assert bar.value == pytest.approx(2.0) and bar.missed and "10.0 tokens a row" in bar.what
    assert 1e-8 < measure.bare_hmac() < 1e-4


def test_a_bar_below_the_floor_asks_nothing_of_a_plugin():
    """PostgreSQL's own part alone is above it: then it is said so, and neither met nor missed."""
    row = {"cpu": 1.0, "bytes": 10}
    rows = {"wal2lake": row, "wal2lake tokens": row, "floor": {"cpu": 0.9}, "pgoutput": {"cpu": 4.0, "bytes": 20},
            "wal2json v1": {"cpu": 2.5}}
    found = {bar.what: bar for bar in bench.report.bars("narrow", {"variants": rows, "forwarder": {}})}
    beyond = found["narrow: CPU of wal2lake / wal2json v1"]
    assert not beyond.met and not beyond.missed and beyond.verdict == "out of reach, floor 0.36"
    rows["floor"]["cpu"] = 0.8
    found = {bar.what: bar for bar in bench.report.bars("narrow", {"variants": rows, "forwarder": {}})}
    assert found["narrow: CPU of wal2lake / wal2json v1"].missed


def test_a_forwarder_is_judged_by_what_receiving_and_compressing_leave():
    def judged(receiver, pack):
        plain = [SimpleNamespace(cpu=1.0, wall=1.0, receiver_cpu=receiver, pack_cpu=pack)]
        ours = [forwarding.Forwarding(sender_cpu=1.0, cpu=0.8, sent_wall=1.0, wall=1.0, peak_rss=1)]
        forwarder = bench.report.summarise_forwarder({"pg_recvlogical": plain, "folder": ours, "null": ours})
        row = {"cpu": 1.0, "bytes": 10}
        rows = {"wal2lake": row, "wal2lake tokens": row, "pgoutput": row, "floor": row}
        found = {bar.what: bar for bar in bench.report.bars("wide", {"variants": rows, "forwarder": forwarder})}
        return found["wide: CPU of the forwarder / its walsender"]

    assert judged(0.2, 0.2).missed
    assert judged(0.2, 0.4).verdict == "out of reach, floor 0.60"


def test_what_a_lake_must_compress_is_measured(narrow):
    taken = narrow.run_and_pack(variants.OURS[0])
    assert 0 < taken.pack_cpu < 10 and taken.cpu > 0


def test_the_workloads_of_shapes_are_what_they_say(note):
    """Each is read, by ours and by another, and by those who take it before it commits."""
    arguments = SimpleNamespace(scale=TINY)
    with bench.make_cluster() as cluster:
        for name in ("tables", "toast", "arrays", "huge"):
            with bench.opened(cluster, name, arguments, note) as opened:
                others = [variant for variant in variants.SERVERS_OWN if variant.name == "pgoutput"]
                for variant in (*variants.OURS[:2], *others, *(variants.STREAMED if opened.workload.streams else ())):
                    assert opened.inspect(variant)[0].rows == opened.workload.rows
                assert opened.workload.streams == (name == "huge")
            cluster.query("SELECT pg_drop_replication_slot(%s)", (measure.Bench.SOURCE_SLOT,))


def test_a_plugin_that_became_slower_is_named():
    ratios = {"wal2lake": [1.0, 1.01, 1.2], "wal2lake tokens": [0.9, 1.04, 1.05]}
    assert pairing.missed(ratios) == ["wal2lake tokens"]
    lines = pairing.lines("wide", ratios, "abc")
    assert "MISSED" in lines[1] and "MISSED" not in lines[0] and "median 1.010" in lines[0]


def test_a_revision_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BenchError, match="no-such-revision"):
        pairing.build(BENCH.parents[1], "no-such-revision", tmp_path)
