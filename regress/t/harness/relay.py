"""Between the forwarder and a server, on a Unix socket of its own: passes on what both say, until it is told not to."""

import contextlib
import socket
import tempfile
import threading


class Relay:
    """Where a client says `silent_from`, that connection falls silent for good: nothing passes any more in either
    direction, and nobody is told. So does a firewall that forgets a connection, and a server that is frozen."""

    def __init__(self, cluster, silent_from=None):
        self.cluster, self.silent_from = cluster, silent_from
        self.silent = threading.Event()
        self.folder = tempfile.TemporaryDirectory(prefix="wal2lake-relay-")
        self.sockets = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)]
        self.sockets[0].bind(f"{self.folder.name}/.s.PGSQL.{cluster.port}")
        self.sockets[0].listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def conninfo(self, dbname):
        return self.cluster.conninfo(dbname).replace(str(self.cluster.sockets), self.folder.name)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.sockets[0].accept()[0]
                server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self.sockets += [client, server]
                server.connect(f"{self.cluster.sockets}/.s.PGSQL.{self.cluster.port}")
                silent = threading.Event()
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(source, target, source is client, silent),
                                     daemon=True).start()

    def _pass_on(self, source, target, from_client, silent):
        with contextlib.suppress(OSError):
            while (data := source.recv(65536)) and not silent.is_set():
                if from_client and self.silent_from and self.silent_from in data:
                    silent.set()
                    self.silent.set()
                else:
                    target.sendall(data)
            if not silent.is_set():
                target.shutdown(socket.SHUT_WR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self.folder.cleanup()
