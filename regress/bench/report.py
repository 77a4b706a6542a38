"""Medians, ratios and bars out of the rounds; a table, and a picture."""

from dataclasses import dataclass
from statistics import median


@dataclass
class Bar:
    """A promise: `value` of ours at most `limit`, a ratio unless it says otherwise.

    `floor` is what the plugin that does nothing would have here, and of a forwarder one that only receives and
    compresses as fast as zstd can. Where that is above the limit the bar is out of reach: it asks something of
    PostgreSQL, libpq and zstd, and nothing of us.
    """

    what: str
    value: float
    limit: float
    unit: str = "x"
    floor: float = 0.0

    @property
    def met(self):
        return self.value <= self.limit

    @property
    def missed(self):
        return not self.met and self.floor <= self.limit

    @property
    def verdict(self):
        return "met" if self.met else "MISSED" if self.missed else f"out of reach, floor {self.floor:.2f}"

    def as_json(self):
        return {"what": self.what, "value": self.value, "limit": self.limit, "unit": self.unit, "met": self.met,
                "floor": self.floor, "missed": self.missed, "verdict": self.verdict}


def summarise(runs, content, compressed):
    """One row of the table out of the rounds of one variant."""
    cpu = median(run.cpu for run in runs)
    return {
        "cpu": cpu, "spread": (max(run.cpu for run in runs) - min(run.cpu for run in runs)) / cpu if cpu else 0,
        "user": median(run.user for run in runs), "system": median(run.system for run in runs),
        "wall": median(run.wall for run in runs), "bytes": content.bytes, "messages": content.messages,
        "zstd": compressed, "peak_rss": max(run.peak_rss for run in runs),
        "peak_anonymous": max(run.peak_anonymous for run in runs)}


# What ours may cost, as a share of each other plugin's CPU.
LIMITS = {"narrow": {"pgoutput": 0.5, "wal2json v1": 0.33, "wal2json v2": 0.33, "decoderbufs": 0.33, "floor": 1.25},
          "wide": {"pgoutput": 0.5, "wal2json v1": 0.33, "wal2json v2": 0.33, "decoderbufs": 0.33},
          "small": {"pgoutput": 0.7, "wal2json v1": 0.5, "wal2json v2": 0.5, "decoderbufs": 0.5}}


# What the forwarder may take: of its walsender's CPU, of the time pg_recvlogical needs, and of memory.
FORWARDER_CPU, FORWARDER_TIME, FORWARDER_MIB = 0.5, 1.25, 256
# What the tokens of a row may take, of as many bare HMACs.
TOKENS = 1.5


def bars(workload, entry):
    """The bars of one workload, plain and with tokens, against the plugins that were measured."""
    rows = entry["variants"]
    found = []
    for ours in ("wal2lake", "wal2lake tokens"):
        for reference, limit in LIMITS.get(workload, {}).items():
            if reference in rows:
                cpu = rows[reference]["cpu"]
                found.append(Bar(f"{workload}: CPU of {ours} / {reference}", rows[ours]["cpu"] / cpu, limit,
                                 floor=rows["floor"]["cpu"] / cpu))
        found.append(Bar(f"{workload}: bytes of {ours} / pgoutput", rows[ours]["bytes"] / rows["pgoutput"]["bytes"],
                         1.0))
    if "wal2lake drops" in rows:
        more = rows["wal2lake tokens"]["cpu"] - rows["wal2lake drops"]["cpu"]
        found.append(Bar(f"{workload}: CPU of {entry['tokens_a_row']:.1f} tokens a row / as many bare HMACs",
                         more / (entry["rows"] * entry["tokens_a_row"] * entry["bare_hmac"]), TOKENS))
    if entry["forwarder"]:
        row = entry["forwarder"]["folder"]
        found += [Bar(f"{workload}: CPU of the forwarder / its walsender", row["share"], FORWARDER_CPU,
                      floor=entry["forwarder"]["pg_recvlogical"]["share_with_zstd"]),
                  Bar(f"{workload}: time to send, to the forwarder / pg_recvlogical", row["keeps_up"], FORWARDER_TIME),
                  Bar(f"{workload}: peak memory of the forwarder", row["peak_rss"] / 2**20, FORWARDER_MIB, "MiB")]
    return found


def summarise_forwarder(taken):
    """Medians of the forwarder's rounds beside those of pg_recvlogical in the same turns."""
    plain = taken["pg_recvlogical"]
    alone = median(run.wall for run in plain)
    found = {"pg_recvlogical": {
        "sender_cpu": median(run.cpu for run in plain), "cpu": median(run.receiver_cpu for run in plain),
        "share": median(run.receiver_cpu / run.cpu for run in plain),
        "share_with_zstd": median((run.receiver_cpu + run.pack_cpu) / run.cpu for run in plain),
        "sent_wall": alone, "wall": alone}}
    for way in ("folder", "null"):
        runs = taken[way]
        found[way] = {
            "sender_cpu": median(run.sender_cpu for run in runs), "cpu": median(run.cpu for run in runs),
            "share": median(run.cpu / run.sender_cpu for run in runs),
            "sent_wall": median(run.sent_wall for run in runs), "wall": median(run.wall for run in runs),
            "keeps_up": median(run.sent_wall for run in runs) / alone,
            "peak_rss": max(run.peak_rss for run in runs), "lake_bytes": runs[0].lake_bytes,
            "segments": runs[0].segments, "rounds": [run.as_json() for run in runs]}
    return found


# ---- table ----

def table(workload, rows):
    """Lines for a terminal."""
    lines = [f"{'':20}{'CPU s':>8}{'spread':>8}{'user':>7}{'sys':>7}{'/ ours':>8}{'wall s':>8}{'us/row':>8}"
             f"{'MB out':>9}{'B/row':>8}{'zstd MB':>9}{'messages':>11}{'peak MB':>9}{'own MB':>8}"]
    base = rows["wal2lake"]["cpu"]
    for name, row in rows.items():
        lines.append(f"{name:20}{row['cpu']:8.3f}{row['spread']:8.0%}{row['user']:7.2f}{row['system']:7.2f}"
                     f"{row['cpu'] / base:8.2f}{row['wall']:8.2f}{row['cpu'] / workload.rows * 1e6:8.2f}"
                     f"{row['bytes'] / 1e6:9.2f}{row['bytes'] / workload.rows:8.1f}{row['zstd'] / 1e6:9.2f}"
                     f"{row['messages']:11,}{row['peak_rss'] / 1e6:9.1f}{row['peak_anonymous'] / 1e6:8.1f}")
    return lines


def forwarder_table(workload, forwarded, size):
    lines = [f"{'forwarder to':20}{'CPU s':>8}{'sender':>8}{'share':>8}{'sent s':>8}{'all s':>8}{'rows/s':>10}"
             f"{'MB/s':>8}{'lake MB':>9}{'peak MiB':>9}"]
    for way, row in forwarded.items():
        wall = row["wall"]
        line = (f"{way:20}{row['cpu']:8.3f}{row['sender_cpu']:8.3f}{row['share']:8.0%}{row['sent_wall']:8.2f}"
                f"{wall:8.2f}{workload.rows / wall:10,.0f}{size / wall / 1e6:8.1f}")
        if "lake_bytes" in row:
            line += f"{row['lake_bytes'] / 1e6:9.2f}{row['peak_rss'] / 2**20:9.1f}"
        lines.append(line)
    return lines


def steady_table(steady):
    lines = [f"commit to durable, {row['rate']:.0f} transactions/s, max_age {row['max_age']}: p50 {row['p50']:.3f} s, "
             f"p99 {row['p99']:.3f} s, max {row['max']:.3f} s" for row in steady["latency"]]
    row = steady["catch_up"]
    return [*lines, f"after a pause of {row['pause']} s at {row['rate']:.0f} transactions/s: level after "
            f"{row['seconds']:.2f} s, {row['times_rate']:.1f} times the load's rate"]


def bar_lines(found):
    return [f"{bar.what:60} {bar.value:7.2f} {bar.unit}  (at most {bar.limit:g})  {bar.verdict}" for bar in found]


# ---- picture ----

COLOURS = {"wal2lake": "#1b6ca8", "floor": "#b8b8b8"}
WIDTH, LEFT, LINE = 760, 150, 17


def picture(workloads):
    """An SVG: for each workload a bar a variant, CPU seconds of the walsender."""
    parts, y = [], 24
    for name, entry in workloads.items():
        rows = entry["variants"]
        longest = max(row["cpu"] for row in rows.values())
        parts.append(_text(10, y, f"{name}: {entry['what']}", "bold"))
        y += 10
        for variant, row in rows.items():
            width = row["cpu"] / longest * (WIDTH - LEFT - 70)
            colour = COLOURS.get(variant.split(" ")[0], "#d98b3a")
            parts.append(_text(LEFT - 6, y + 12, variant, anchor="end"))
            parts.append(f'<rect x="{LEFT}" y="{y + 2}" width="{width:.1f}" height="{LINE - 5}" fill="{colour}"/>')
            parts.append(_text(LEFT + width + 5, y + 12, f"{row['cpu']:.2f} s"))
            y += LINE
        y += 24
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" '
            f'font-size="12"><title>CPU seconds of the walsender for the same WAL</title>'
            f'<rect width="{WIDTH}" height="{y}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")


def _text(x, y, content, weight="normal", anchor="start"):
    return f'<text x="{x:.1f}" y="{y}" font-weight="{weight}" text-anchor="{anchor}">{content}</text>'


# ---- documentation ----

def markdown(result):
    """What docs/performance.md shows of a run."""
    machine, versions = result["machine"], result["versions"]
    server = versions["server"].split(" ")[0]
    others = ", ".join(f"{name.removeprefix('postgresql-15-')} {version}" for name, version in versions.items()
                       if name.startswith("postgresql-15-"))
    load = ", ".join(f"{machine[key][0]:.1f}" for key in ("load_1_5_15", "load_1_5_15_after"))
    lines = [f"{machine['system']}, kernel {machine['kernel']}, {machine['cores']} cores ({machine['cpu']}), "
             f"{machine['memory_bytes'] / 2**30:.0f} GiB; PostgreSQL {server}, {others}. Scale {result['scale']:g}, "
             f"{result['rounds']} rounds, seed {result['seed']}, wal2lake {versions['wal2lake']}. "
             f"Load average before and after: {load}.", ""]
    if result["scale"] < 1:
        lines += ["**A trial at a reduced size:** starting up is part of each figure.", ""]
    for name, entry in result["workloads"].items():
        lines += _markdown_workload(name, entry)
    lines += ["**Sizing**", "",
              "| | rows per CPU second | WAL per CPU second | WAL per core and hour | sent per 1,000 rows | "
              "in the lake per 1,000 rows |", "|---|---|---|---|---|---|"]
    for name, entry in result["workloads"].items():
        for variant in ("wal2lake", "wal2lake tokens"):
            row = entry["variants"][variant]
            speed = entry["wal_bytes"] / row["cpu"]
            lines.append(f"| {name}, {variant} | {entry['rows'] / row['cpu']:,.0f} | {speed / 1e6:,.0f} MB | "
                         f"{speed * 3600 / 1e9:,.0f} GB | {row['bytes'] / entry['rows']:,.1f} kB | "
                         f"{row['zstd'] / entry['rows']:,.1f} kB |")
    lines += [""]
    if "steady" in result:
        lines += _markdown_forwarder(result)
    lines += ["**Bars**", "", "| | measured | at most | |", "|---|---|---|---|"]
    lines += [f"| {bar['what']} | {bar['value']:.2f} {bar['unit']} | {bar['limit']:g} | "
              f"{'**missed**' if bar['missed'] else bar['verdict']} |" for bar in result["bars"]]
    return "\n".join(lines) + "\n"


def _markdown_workload(name, entry):
    lines = [f"**{name}**: {entry['what']}; {entry['wal_bytes'] / 1e6:,.0f} MB of WAL", "",
             "| | CPU s | spread | / ours | us/row | wall s | MB out | bytes/row | zstd MB | messages | peak MB | own MB |",
             "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    base = entry["variants"]["wal2lake"]["cpu"]
    for variant, row in entry["variants"].items():
        lines.append(f"| {variant} | {row['cpu']:.2f} | {row['spread']:.0%} | {row['cpu'] / base:.2f} | "
                     f"{row['cpu'] / entry['rows'] * 1e6:.2f} | {row['wall']:.2f} | {row['bytes'] / 1e6:,.1f} | "
                     f"{row['bytes'] / entry['rows']:,.0f} | {row['zstd'] / 1e6:,.1f} | {row['messages']:,} | "
                     f"{row['peak_rss'] / 1e6:.0f} | {row['peak_anonymous'] / 1e6:.1f} |")
    return [*lines, ""]


def _markdown_forwarder(result):
    lines = ["**Forwarder**", "", "| | to | CPU s | of the walsender's | sent in s | in the lake in s | rows/s | MB/s | "
             "peak MiB |", "|---|---|---|---|---|---|---|---|---|"]
    for name, entry in result["workloads"].items():
        for way, row in entry["forwarder"].items():
            wall = row["wall"]
            peak = f"{row['peak_rss'] / 2**20:.0f}" if "peak_rss" in row else ""
            lines.append(f"| {name} | {way} | {row['cpu']:.2f} | {row['share']:.0%} | {row['sent_wall']:.2f} | "
                         f"{wall:.2f} | {entry['rows'] / wall:,.0f} | "
                         f"{entry['variants']['wal2lake']['bytes'] / wall / 1e6:,.1f} | {peak} |")
    return [*lines, "", *(f"- {line}" for line in steady_table(result["steady"])), ""]
