"""A web server on a device: it keeps every head as it came, and answers by path. Runs over any transport."""

from typing import Any

import h11
from attrs import define, field
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory

from services.tunnels.records.messages import StartWorkConn
from services.tunnels.streams import MuxStream
from shared.tls import ServerOptions
from tests.integration.flockctl import reactor_thread

BIG, HUGE = 3_000_000, 60_000_000
LENGTHS = {b"/big": BIG, b"/huge": HUGE}
PIECE = 30_000
SMALL = b"from the device"


@define
class WebDevice:
    """What it was asked."""

    tls: ServerOptions | None = None
    heads: list[h11.Request] = field(factory=list)
    bodies: list[bytes] = field(factory=list)
    raw: list[bytes] = field(factory=list)
    unsent: int | None = None
    """Of a long answer, while nobody takes more of it."""

    def work(self, stream: MuxStream, start: StartWorkConn, first: bytes) -> None:
        """As `FrpClient` wants it."""
        protocol: Any = _Server(self)
        if self.tls is not None:
            made = TLSMemoryBIOFactory(self.tls, False, Factory.forProtocol(lambda: protocol)).buildProtocol(None)
            stream.attach(made, first)
        else:
            stream.attach(protocol, first)

    def header(self, name: str) -> list[str]:
        """Of the last request."""
        return [value.decode() for key, value in self.heads[-1].headers if key == name.encode()]


class _Server(Protocol):
    def __init__(self, device: WebDevice) -> None:
        self._device = device
        self._http = h11.Connection(h11.SERVER)
        self._body = b""
        self._is_raw = False

    def dataReceived(self, data: bytes) -> None:
        self._device.raw.append(data)
        if self._is_raw:
            self._write(data)
            return
        self._http.receive_data(data)
        while (event := self._http.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Request):
                self._device.heads.append(event)
                if self._http.they_are_waiting_for_100_continue:
                    self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
            elif isinstance(event, h11.Data):
                self._body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self._device.bodies.append(self._body)
                self._answer(self._device.heads[-1])
            else:
                return

    def _answer(self, request: h11.Request) -> None:
        transport: Any = self.transport
        path = request.target.partition(b"?")[0]
        if path == b"/ws":
            headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", "x")]
            self._write(self._http.send(h11.InformationalResponse(status_code=101, headers=headers)))
            self._is_raw = True
        elif path == b"/broken":
            transport.write(b"NONSENSE\r\n\r\n")
        elif path == b"/close":
            transport.loseConnection()
        elif path == b"/until-close":
            transport.write(b"HTTP/1.1 200 OK\r\nX-Old: yes\r\n\r\nall of it")
            transport.loseConnection()
        elif path != b"/never":
            length = LENGTHS.get(path, len(SMALL))
            cookies = [
                ("Set-Cookie", "theirs=1; Domain=tunnels.example; Path=/"),
                ("Set-Cookie", "__Host-ironflock-visit=forged; Path=/; Secure"),
                ("Alt-Svc", 'h3=":443"'),
            ]
            headers = [("Content-Length", str(length)), *cookies]
            transport.write(self._http.send(h11.Response(status_code=200, headers=headers)))
            if request.method == b"HEAD":
                return
            if path in LENGTHS:
                transport.registerProducer(_Pieces(self._device, transport, length), True)
            else:
                transport.write(SMALL)

    def _write(self, octets: bytes | None) -> None:
        transport: Any = self.transport
        transport.write(octets or b"")


class _Pieces:
    """So many octets, as fast as they are taken."""

    def __init__(self, device: WebDevice, transport: Any, length: int) -> None:
        self._device = device
        self._transport = transport
        self._left = length
        self._is_paused = False
        reactor_thread.reactor.callLater(0, self.resumeProducing)

    def resumeProducing(self) -> None:
        self._is_paused, self._device.unsent = False, None
        while self._left and not self._is_paused:
            self._left -= PIECE
            self._transport.write(b"x" * PIECE)

    def pauseProducing(self) -> None:
        self._is_paused, self._device.unsent = True, self._left

    def stopProducing(self) -> None:
        self._left = 0
