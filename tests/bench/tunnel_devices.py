"""Devices behind a tunnel and behind a relay: lean, in threads, the same work for each visitor.

A visitor's first octet says what it wants: `e` its octets back, `s` that they are counted and swallowed, `d` octets
without end.
"""

import hashlib
import select
import socket
import ssl
from threading import Event, Thread
from typing import Final, Self

from services.tunnels.records.messages import (
    Login,
    LoginResp,
    Message,
    NewProxy,
    NewWorkConn,
    ReqWorkConn,
    StartWorkConn,
)
from services.tunnels.records.yamux import Data, Finished, Reset, Role
from services.tunnels.records.yamux import Event as MuxEvent
from services.tunnels.rules.cipher import Decrypting, Encrypting, control_key
from services.tunnels.rules.messages import MessageReader, encode
from services.tunnels.rules.yamux import Session

LOCAL: Final = "127.0.0.1"
PROOF: Final = "proof-of-the-bench"
PROXY: Final = "1-bench-1-tcp"
ECHO, SINK, SOURCE = b"e", b"s", b"d"
CHUNK: Final = bytes(65_536)
AHEAD: Final = 131_072
WINDOW: Final = 6_291_456
READY: Final = 32
"""Connections that a relay's device has dialled and keeps ready."""


LOGIN: Final = Login(
    privilege_key=hashlib.md5(b"0", usedforsecurity=False).hexdigest(), metas={"tunnel_proof": PROOF}, pool_count=10
)
"""The key is that of an empty token at timestamp 0, which a stock frps asks for."""
CONTEXT: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE


def secured(port: int) -> ssl.SSLSocket:
    """A connection that verifies nobody, as frpc's."""
    plain = socket.create_connection((LOCAL, port), timeout=30)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return CONTEXT.wrap_socket(plain)


class _Work:
    """One work stream."""

    def __init__(self) -> None:
        self.reader: MessageReader | None = MessageReader()
        self.kind = b""


class TunnelDevice:
    """Offers one port at an edge. Used in a `with` block."""

    def __init__(self, port: int, remote_port: int = 16_000, *, login: Login = LOGIN, proxy: str = PROXY) -> None:
        """Dial `port`, say who it is by `login`, and ask for `remote_port`."""
        self.swallowed = 0
        self._proxy = proxy
        self._remote_port = remote_port
        self._run_id = ""
        self._session = Session(Role.CLIENT)
        self._control = self._session.open(WINDOW)
        self._reader = MessageReader()
        self._decrypting: Decrypting | None = None
        self._encrypting = Encrypting(control_key(), bytes(16))
        self._work: dict[int, _Work] = {}
        self._sources: set[int] = set()
        self._left = memoryview(b"")
        self._is_over = Event()
        self.is_registered = Event()
        self._socket = secured(port)
        self._socket.setblocking(False)
        self._session.write(self._control, encode(login))
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Begin, and return when the port is registered."""
        self._thread.start()
        assert self.is_registered.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._is_over.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._is_over.is_set():
            self._fill()
            writing = [self._socket] if self._left else []
            select.select([self._socket], writing, [], 0.2)
            self._read()
            self._write()

    def _fill(self) -> None:
        for stream in self._sources:
            while self._session.waiting(stream) < AHEAD:
                self._session.write(stream, CHUNK)
        if not self._left:
            self._left = memoryview(self._session.octets_to_send())

    def _write(self) -> None:
        try:
            while self._left:
                self._left = self._left[self._socket.send(self._left) :]
                self._fill()
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return

    def _read(self) -> None:
        try:
            for _ in range(16):
                octets = self._socket.recv(65_536)
                if not octets:
                    self._is_over.set()
                    return
                for event in self._session.receive(octets):
                    self._take(event)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return

    def _take(self, event: MuxEvent) -> None:
        match event:
            case Data(stream, octets):
                self._session.consumed(stream, len(octets))
                if stream == self._control:
                    self._told(octets)
                else:
                    self._served(stream, octets)
            case Finished(stream):
                self._forget(stream)
                self._session.drop_waiting(stream)
                self._session.finish(stream)
            case Reset(stream):
                self._forget(stream)
            case _:
                pass

    def _forget(self, stream: int) -> None:
        self._work.pop(stream, None)
        self._sources.discard(stream)

    def _told(self, octets: bytes) -> None:
        if self._decrypting is None:
            answer = self._reader.feed_one(octets)
            assert isinstance(answer, LoginResp)
            self._run_id = answer.run_id
            octets, self._reader, self._decrypting = self._reader.rest, MessageReader(), Decrypting(control_key())
            self._send(NewProxy(self._proxy, "tcp", remote_port=self._remote_port))
        for message in self._reader.feed(self._decrypting.decrypt(octets)):
            if isinstance(message, ReqWorkConn):
                stream = self._session.open(WINDOW)
                self._work[stream] = _Work()
                self._session.write(stream, encode(NewWorkConn(self._run_id)))
            else:
                self.is_registered.set()

    def _send(self, message: Message) -> None:
        self._session.write(self._control, self._encrypting.encrypt(encode(message)))

    def _served(self, stream: int, octets: bytes) -> None:
        work = self._work.get(stream)
        if work is None:
            return
        if work.reader is not None:
            if not isinstance(work.reader.feed_one(octets), StartWorkConn):
                return
            octets, work.reader = work.reader.rest, None
        if not work.kind and octets:
            work.kind = octets[:1]
            if work.kind == SOURCE:
                self._sources.add(stream)
        if work.kind == ECHO:
            self._session.write(stream, octets)
        elif work.kind == SINK:
            self.swallowed += len(octets)


class RelayDevice:
    """Keeps connections ready at a relay. Used in a `with` block."""

    def __init__(self, port: int) -> None:
        """Dial `port`."""
        self.swallowed = 0
        self._port = port
        self._is_over = False
        self._sockets: set[ssl.SSLSocket] = set()

    def __enter__(self) -> Self:
        """Begin, and return when all are ready."""
        for _ in range(READY):
            self._dial()
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._is_over = True
        for each in list(self._sockets):
            each.close()

    def _dial(self) -> None:
        found = secured(self._port)
        found.settimeout(None)
        self._sockets.add(found)
        Thread(target=self._run, args=[found], daemon=True).start()

    def _run(self, found: ssl.SSLSocket) -> None:
        try:
            octets = found.recv(65_536)
            if not self._is_over:
                Thread(target=self._dial, daemon=True).start()
            self._serve(found, octets)
        except OSError:
            return
        finally:
            self._sockets.discard(found)
            found.close()

    def _serve(self, found: ssl.SSLSocket, octets: bytes) -> None:
        kind = octets[:1]
        while octets:
            if kind == SOURCE:
                found.sendall(CHUNK)
            else:
                if kind == ECHO:
                    found.sendall(octets)
                else:
                    self.swallowed += len(octets)
                octets = found.recv(65_536)
