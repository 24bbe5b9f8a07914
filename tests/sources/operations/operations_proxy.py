"""A network between the gateway and PostgreSQL that can be cut and mended.

It is a process of its own: libpq holds the interpreter's lock while it asks whether a server answers.
"""

import select
import socket
import subprocess
import sys
import threading

import sqlalchemy as sa

PIECE = 65_536


class Network:
    """A local port before a PostgreSQL server's Unix socket."""

    def __init__(self, postgresql_url: str) -> None:
        url = sa.make_url(postgresql_url)
        self._process = subprocess.Popen(
            [sys.executable, __file__, f"{url.query['host']}/.s.PGSQL.5432"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        port = self._say("mend")
        plain = url.set(host="127.0.0.1", port=port, query={}, username="postgres", password=None)
        self.url = plain.render_as_string(hide_password=False)

    def cut(self) -> None:
        """Drop every connection and refuse new ones."""
        self._say("cut")

    def mend(self) -> None:
        """Accept connections again."""
        self._say("mend")

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _say(self, command: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(command, file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


class _Forwarder:
    def __init__(self, server: str) -> None:
        self._server = server
        self._listener: socket.socket | None = None
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self.port = 0

    def mend(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        with self._lock:
            listener, self._listener = self._listener, None
            if listener is not None:
                listener.shutdown(socket.SHUT_RDWR)
                listener.close()
            for end in (end for pair in self._pairs for end in pair):
                # The forwarding thread owns the sockets and closes them.
                end.shutdown(socket.SHUT_RDWR)
            self._pairs.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            with self._lock:
                self._pairs.append((client, server))
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        try:
            while True:
                for end in select.select(list(other), [], [])[0]:
                    piece = end.recv(PIECE)
                    if not piece:
                        return
                    other[end].sendall(piece)
        except OSError:
            return
        finally:
            with self._lock:
                if (client, server) in self._pairs:
                    self._pairs.remove((client, server))
            client.close()
            server.close()


if __name__ == "__main__":
    forwarder = _Forwarder(sys.argv[1])
    for line in sys.stdin:
        getattr(forwarder, line.strip())()
        sys.stdout.write(f"{forwarder.port}\n")
        sys.stdout.flush()
