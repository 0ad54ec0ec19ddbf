"""Services behind a device: they echo, or send without end, or never read."""

import socket
from collections.abc import Callable
from threading import Thread
from types import TracebackType
from typing import Self

CHUNK = 65_536


class LocalService:
    """Calls `serve` with each connection, in a thread of its own. Used in a `with` block."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._connections: list[socket.socket] = []

    def __enter__(self) -> Self:
        """Begin."""
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close everything."""
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            Thread(target=self._run, args=[connection], daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        try:
            self._serve(connection)
        except OSError:
            return


def echo(connection: socket.socket) -> None:
    """Send back what comes, then close."""
    with connection:
        while octets := connection.recv(CHUNK):
            connection.sendall(octets)


def send_without_end(connection: socket.socket) -> None:
    """Send until nobody is there."""
    octets = bytes(CHUNK)
    while True:
        connection.sendall(octets)


def never_read(connection: socket.socket) -> None:
    """Keep the connection."""


class UdpEcho:
    """Answers each datagram with `echo:` before it. Used in a `with` block."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        """Begin."""
        Thread(target=self._work, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop: a datagram wakes the thread, which finds the socket closed."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waking:
            waking.sendto(b"", ("127.0.0.1", self.port))

    def _work(self) -> None:
        with self._socket:
            while True:
                datagram, address = self._socket.recvfrom(CHUNK)
                if not datagram:
                    return
                self._socket.sendto(b"echo:" + datagram, address)
