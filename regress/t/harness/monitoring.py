"""What a running forwarder says of itself over HTTP: metrics and health."""

import json
import re
import urllib.error
import urllib.request

from .cluster import wait_until

ANY_PORT = "127.0.0.1:0"


class Monitoring:
    """The endpoint of a forwarder that was configured with ANY_PORT; its log tells where it is."""

    def __init__(self, running, timeout=30):
        self.running = running
        self.address = wait_until(self._address, timeout, "the endpoint")

    def _address(self):
        found = [line["listen"] for line in self.running.log_lines() if line["event"] == "metrics"]
        return found[-1] if found else None

    def get(self, path):
        """Status and text of an answer, whatever the status."""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def health(self, path="/healthz"):
        """Status and {source: its entry}."""
        status, text = self.get(path)
        return status, {entry["source"]: entry for entry in json.loads(text)}

    def moving(self, source):
        return self.health(f"/healthz/{source}")[0] == 200

    def metrics(self):
        return parse(self.get("/metrics")[1])


def parse(text):
    """{name: {((label, value), ...): number}}; a line that is not of the format, or twice there, is an error."""
    series = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = re.fullmatch(r'([a-z_0-9]+)(?:\{(.*)\})? (\S+)', line)
        assert match, line
        name, labels, value = match.groups()
        key = tuple(sorted(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels or "")))
        assert key not in series.setdefault(name, {}), line
        series[name][key] = float(value)
    return series


def value(metrics, name, **labels):
    return metrics[name][tuple(sorted(labels.items()))]
