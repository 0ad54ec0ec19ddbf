"""Behind TLS, before WebSocket: reads the request line and leads the connection to its path, or out."""

from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IHandshakeListener, IProtocol, ITransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from ironflock_router.guard import GuardedConnection

MAX_REQUEST_LINE: Final = 4096
"""Octets; paths here have a dozen. Twisted's own HTTP server allows 16 KiB."""

_NOT_FOUND: Final = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@implementer(IHandshakeListener)
class Entrance(Protocol):
    """One connection, until its path is known; from then on everything is passed on."""

    def __init__(self, paths: Mapping[str, Factory], address: IAddress | None) -> None:
        """`paths` are the WebSocket factories by path."""
        self._paths = paths
        self._address = address
        self._octets = b""
        self._next: IProtocol | None = None

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's name
        """TLS stands."""
        over_tls: Any = self.transport
        connection: GuardedConnection = over_tls.transport
        connection.handshake_done()

    @override
    def dataReceived(self, data: bytes) -> None:
        """Octets of the request, and later of the WebSocket."""
        if self._next is not None:
            self._next.dataReceived(data)
            return
        self._octets += data
        line, found, _ = self._octets.partition(b"\r\n")
        if found:
            self._lead(line)
        elif len(self._octets) > MAX_REQUEST_LINE:
            self._turn_away(_BAD_REQUEST)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        if self._next is not None:
            self._next.connectionLost(reason)

    @property
    def _connected(self) -> ITransport:
        if self.transport is None:
            raise ConnectionError("not connected")
        return self.transport

    def _lead(self, line: bytes) -> None:
        words = line.split(b" ")
        if len(words) != 3 or words[0] != b"GET" or not words[2].startswith(b"HTTP/1."):  # noqa: PLR2004
            self._turn_away(_BAD_REQUEST)
            return
        path = words[1].split(b"?")[0].decode("ascii", errors="replace")
        factory = self._paths.get(path)
        protocol = factory.buildProtocol(self._address) if factory else None
        if protocol is None:
            self._turn_away(_NOT_FOUND)
            return
        octets, self._octets = self._octets, b""
        self._next = protocol
        protocol.makeConnection(self._connected)
        protocol.dataReceived(octets)

    def _turn_away(self, response: bytes) -> None:
        self._octets = b""
        self._paths = {}
        self._connected.write(response)
        self._connected.loseConnection()


class EntranceFactory(Factory):
    """Makes the entrances of one listener."""

    noisy = False

    def __init__(self, paths: Mapping[str, Factory]) -> None:
        """`paths` are the WebSocket factories by path."""
        self._paths = paths

    @override
    def buildProtocol(self, addr: IAddress | None) -> Entrance:
        """An entrance for one connection."""
        entrance = Entrance(self._paths, addr)
        entrance.factory = self
        return entrance
