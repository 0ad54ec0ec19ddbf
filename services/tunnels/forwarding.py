"""A visitor's connection and a work stream, joined: each side is read as fast as the other takes it, not faster."""

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from services.tunnels.deadlines import Deadline
from services.tunnels.rules.frames import HEADER_OCTETS
from services.tunnels.rules.yamux import SEND_OCTETS
from services.tunnels.streams import DeviceStream

READ_OCTETS: Final = SEND_OCTETS - HEADER_OCTETS
"""One read is one frame is whole records of TLS."""
CLOSE_S: Final = 60.0
"""For a visitor to read what came last, once the device's side ended."""


Moved = Callable[[int, int], None]
"""Told the octets that went to the device, and that came from it."""


class Forwarding(Protocol):
    """The visitor's side: give it the visitor's connection. `ended` is called once, with why."""

    def __init__(self, stream: DeviceStream, clock: IReactorTime, moved: Moved, ended: Callable[[str], None]) -> None:
        """Join it with `stream`, to which nothing is attached yet."""
        self.moved = moved
        self._stream = stream
        self._ended = ended
        self._is_over = False
        self._closing = Deadline(clock, self._abort)

    @override
    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.bufferSize = READ_OCTETS
        transport.registerProducer(self._stream, True)  # noqa: FBT003 - Twisted's order
        self._stream.registerProducer(transport, True)  # noqa: FBT003 - as above
        self._stream.attach(_FromDevice(self, transport))

    @override
    def dataReceived(self, data: bytes) -> None:
        self.moved(len(data), 0)
        self._stream.write(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._closing.rest()
        self._stream.unregisterProducer()
        self._stream.loseConnection()
        self._over("the visitor left")

    def cut(self, reason: str) -> None:
        """End the visit now."""
        transport: Any = self.transport
        self._over(reason)
        self._stream.abortConnection()
        transport.abortConnection()

    def device_ended(self) -> None:
        """Nothing more comes from the device: the visitor may read what is on its way."""
        transport: Any = self.transport
        self._over("the device ended it")
        transport.unregisterProducer()
        transport.loseConnection()
        if transport.connected:
            self._closing.expect(CLOSE_S)

    def _abort(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()

    def _over(self, reason: str) -> None:
        if not self._is_over:
            self._is_over = True
            self._ended(reason)


class _FromDevice(Protocol):
    def __init__(self, forwarding: Forwarding, visitor: Any) -> None:
        self._forwarding = forwarding
        self._visitor = visitor

    @override
    def dataReceived(self, data: bytes) -> None:
        self._forwarding.moved(0, len(data))
        self._visitor.write(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._forwarding.device_ended()
