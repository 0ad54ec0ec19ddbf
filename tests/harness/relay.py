"""A network between a device and the platform that can be cut without a word: no FIN, no RST, octets just stay away."""

import selectors
import socket
from threading import Event, Thread
from types import TracebackType
from typing import Self

CHUNK = 65_536
LOOK_EVERY_S = 0.1


class Relay:
    """Passes TCP connections on to `127.0.0.1:<port>` while it is not cut. Used in a `with` block."""

    def __init__(self, port: int) -> None:
        """Pass on to `port`."""
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._is_cut = Event()
        self._is_over = Event()
        self._is_to_forget = Event()
        self._swallowed: list[socket.socket] = []
        self._thread = Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close everything."""
        self._is_over.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        for each in self._swallowed:
            each.close()
        self._selector.close()

    def lead_to(self, port: int) -> None:
        """Pass new connections on to another `port`, as another address in the DNS would."""
        self._target = ("127.0.0.1", port)

    def cut(self) -> None:
        """Stop passing anything on, in both directions; everything stays open."""
        self._is_cut.set()

    def mend(self) -> None:
        """Pass new connections on again; those that were cut stay so."""
        self._is_to_forget.set()

    def _forget(self) -> None:
        for key in list(self._selector.get_map().values()):
            if key.fileobj is not self._listener:
                assert isinstance(key.fileobj, socket.socket)
                self._selector.unregister(key.fileobj)
                self._swallowed.append(key.fileobj)
        self._is_to_forget.clear()
        self._is_cut.clear()

    def _work(self) -> None:
        while not self._is_over.wait(LOOK_EVERY_S if self._is_cut.is_set() else 0):
            if self._is_to_forget.is_set():
                self._forget()
            if self._is_cut.is_set():
                continue
            for key, _ in self._selector.select(LOOK_EVERY_S):
                if not self._is_cut.is_set():
                    self._pass_on(key)

    def _pass_on(self, key: selectors.SelectorKey) -> None:
        source = key.fileobj
        assert isinstance(source, socket.socket)
        if source is self._listener:
            self._take_in()
            return
        try:
            octets = source.recv(CHUNK)
            if octets:
                key.data.sendall(octets)
                return
        except OSError:
            pass
        self._end(source, key.data)

    def _take_in(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(self._target)
        self._selector.register(client, selectors.EVENT_READ, server)
        self._selector.register(server, selectors.EVENT_READ, client)

    def _end(self, *pair: socket.socket) -> None:
        for each in pair:
            if each in self._selector.get_map():
                self._selector.unregister(each)
            each.close()
