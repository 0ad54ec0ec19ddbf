"""Connections that are told apart by their first octets."""

from abc import ABCMeta, abstractmethod
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from services.tunnels.deadlines import Deadline

FIRST_S: Final = 10.0
"""For a ClientHello, and again for TLS and the first head."""


class Undecided(Protocol, metaclass=ABCMeta):
    """A connection of which nobody knows yet what it is; whoever takes too long to say so is cut."""

    def __init__(self, clock: IReactorTime) -> None:
        """Nothing came yet."""
        self._octets = bytearray()
        self._inner: Any = None
        self._deadline = Deadline(clock, self._cut)

    @abstractmethod
    def look(self) -> None:
        """More came, and is in `_octets`: call `hand_over`, or wait for more."""

    def hand_over(self, inner: Any) -> None:
        """From now on it is `inner`, which is given what came."""
        octets = self.take_octets(inner)
        inner.makeConnection(self.transport)
        inner.dataReceived(octets)

    def take_octets(self, inner: Any) -> bytes:
        """What came; what comes from now on is given to `inner`."""
        self._deadline.rest()
        octets, self._octets = bytes(self._octets), bytearray()
        self._inner = inner
        return octets

    @override
    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        self._deadline.expect(FIRST_S)

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.dataReceived(data)
            return
        self._octets += data
        self.look()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._deadline.rest()
        if self._inner is not None:
            self._inner.connectionLost(reason)

    def _cut(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()
