"""Between a client and a server: passes on what both say, until it is told not to."""

import contextlib
import socket
import struct
import tempfile
import threading
import time


class Link:
    """One connection: both of its ends."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.silent = threading.Event()

    def close(self, reset=False):
        # The first end's waking thread would tell the other end in order, and its answer would come before the reset.
        self.silent.set()
        for each in (self.client, self.server):
            with contextlib.suppress(OSError):
                if reset:
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # Whoever sleeps in recv keeps a closed socket alive; for a reset nothing may be sent before the end.
                each.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
            each.close()


class Between:
    """Serves a listener whose clients it connects with connect(). `delay` in seconds holds back whatever passes; `rewrite`
    makes other bytes of what clients say."""

    def __init__(self, connect, silent_from=None):
        self.connect, self.silent_from = connect, silent_from
        self.silent = threading.Event()
        self.links = []
        self.passing = threading.Event()
        self.passing.set()
        self.quiet = False
        self.delay = 0.0
        self.rewrite = None
        self.listener = None

    def serve(self, listener):
        listener.listen(256)
        self.listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                client = listener.accept()[0]
                try:
                    server = self.connect()
                except OSError:
                    client.close()
                    continue
                link = Link(client, server)
                if self.quiet:
                    link.silent.set()
                self.links.append(link)
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(link, source, target), daemon=True).start()

    def _pass_on(self, link, source, target):
        with contextlib.suppress(OSError):
            while (data := source.recv(65536)) and not link.silent.is_set():
                if source is link.client and self.silent_from and self.silent_from in data:
                    link.silent.set()
                    self.silent.set()
                    continue
                if source is link.client and self.rewrite:
                    data = self.rewrite(data)
                if self.delay:
                    time.sleep(self.delay)
                self.passing.wait()
                if not link.silent.is_set():
                    target.sendall(data)
            if not link.silent.is_set():
                target.shutdown(socket.SHUT_WR)

    # ---- faults ----

    def silence(self):
        """Connections that are there or come now stay, and nothing passes for good: nobody is told."""
        self.quiet = True
        for each in list(self.links):
            each.silent.set()

    def end_silence(self):
        """New connections pass again; the silent ones do not."""
        self.quiet = False

    def hold(self):
        """Nothing passes until release(), and nothing is lost."""
        self.passing.clear()

    def release(self):
        self.passing.set()

    def cut(self, reset=True):
        """End every connection, by a reset or in order; new ones are taken."""
        links, self.links = self.links, []
        for each in links:
            each.close(reset)

    def stop_listening(self):
        if self.listener is not None:
            with contextlib.suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop_listening()
        self.release()
        self.cut(reset=False)


class Relay(Between):
    """To a PostgreSQL server, on a Unix socket of its own. Where a client says `silent_from`, that connection falls silent for
    good: nothing passes any more in either direction, and nobody is told. So does a firewall that forgets a connection, and a
    server that is frozen."""

    def __init__(self, cluster, silent_from=None):
        super().__init__(self._connect, silent_from)
        self.cluster = cluster
        self.folder = tempfile.TemporaryDirectory(prefix="wal2lake-relay-")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(f"{self.folder.name}/.s.PGSQL.{cluster.port}")
        self.serve(listener)

    def conninfo(self, dbname):
        return self.cluster.conninfo(dbname).replace(str(self.cluster.sockets), self.folder.name)

    def _connect(self):
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.connect(f"{self.cluster.sockets}/.s.PGSQL.{self.cluster.port}")
        return server

    def __exit__(self, *_):
        super().__exit__()
        self.folder.cleanup()


class TcpRelay(Between):
    """To a port of the loopback. `port` is its own; it stays the same while nobody is let in."""

    def __init__(self, target, silent_from=None):
        super().__init__(lambda: socket.create_connection(("127.0.0.1", target)), silent_from)
        self.port = 0
        self.open()

    def open(self):
        """Take connections, again after refuse()."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self.serve(listener)

    def refuse(self):
        """Connections are refused, and those that are there reset."""
        self.stop_listening()
        self.cut()

    @contextlib.contextmanager
    def flapping(self, up=0.5, down=0.5):
        """Open and refusing in turn until the block is left; open then."""
        over = threading.Event()

        def flap():
            while not over.is_set():
                self.refuse()
                over.wait(down)
                self.open()
                over.wait(up)
        thread = threading.Thread(target=flap, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
