"""A network of its own for a server: a namespace behind a pair of virtual cards, whose link a test takes away. Nothing leaves
the machine. Needs root."""

import os
import subprocess


class Network:
    """What is started with `command` in front has `address`, and is reached there from outside."""

    def __init__(self):
        pid = os.getpid()
        self.name, self.ours, self.theirs = f"w2l{pid}", f"w2l{pid}a", f"w2l{pid}b"
        # Of the range that is kept for tests of networks (RFC 2544), four addresses to each process.
        third, fourth = divmod(pid % 16384 * 4, 256)
        self.gateway, self.address = (f"198.18.{third}.{fourth + host}" for host in (1, 2))
        self.command = ["ip", "netns", "exec", self.name]

    def _ip(self, *words, inside=False):
        done = subprocess.run(["ip", *(["-netns", self.name] if inside else []), *words], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")

    def __enter__(self):
        self._ip("netns", "add", self.name)
        try:
            self._ip("link", "add", self.ours, "type", "veth", "peer", "name", self.theirs, "netns", self.name)
            self._ip("address", "add", f"{self.gateway}/30", "dev", self.ours)
            self._ip("link", "set", self.ours, "up")
            self._ip("link", "set", "lo", "up", inside=True)
            self._ip("address", "add", f"{self.address}/30", "dev", self.theirs, inside=True)
            self.up()
        except RuntimeError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # The cards go with it.
        self._ip("netns", "delete", self.name)

    def down(self):
        """The cable is pulled: what is sent is lost, and nobody is told."""
        self._ip("link", "set", self.theirs, "down", inside=True)

    def up(self):
        self._ip("link", "set", self.theirs, "up", inside=True)

    def silence(self):
        """What is sent arrives; no answer comes back."""
        self._ip("route", "add", "blackhole", f"{self.gateway}/32", inside=True)

    def end_silence(self):
        self._ip("route", "delete", "blackhole", f"{self.gateway}/32", inside=True)
