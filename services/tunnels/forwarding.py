"""A visitor's connection and a work stream, joined: each side is read as fast as the other takes it, not faster."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from services.tunnels.errors import NoWorkConnError
from services.tunnels.records.offers import Source
from services.tunnels.rules.frames import HEADER_OCTETS
from services.tunnels.rules.yamux import SEND_OCTETS
from services.tunnels.streams import DeviceStream, MuxStream

READ_OCTETS: Final = SEND_OCTETS - HEADER_OCTETS
"""One read is one frame is whole records of TLS."""
CLOSE_S: Final = 60.0
"""For a visitor to read what came last, once the device's side ended."""
MAX_VISITORS: Final = 256


Moved = Callable[[int, int], None]
"""Told the octets that went to the device, and that came from it."""


class Forwarding(Protocol):
    """The visitor's side: give it the visitor's connection. `ended` is called once, with why."""

    def __init__(self, stream: DeviceStream, clock: IReactorTime, moved: Moved, ended: Callable[[str], None]) -> None:
        """Join it with `stream`, to which nothing is attached yet."""
        self.moved = moved
        self._stream = stream
        self._clock = clock
        self._ended = ended
        self._is_over = False
        self._closing: IDelayedCall | None = None

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
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
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
            self._closing = self._clock.callLater(CLOSE_S, transport.abortConnection)

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


class RawPort(Factory):
    """A port on which each connection is a visit, whoever makes it: what its owner opened knowingly."""

    noisy = False

    def __init__(self, open_stream: Callable[[Source], Awaitable[MuxStream]], clock: IReactorTime) -> None:
        """`open_stream` gives the stream of one visitor."""
        self.open_stream = open_stream
        self.clock = clock
        self.visitors = 0

    @override
    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        if self.visitors >= MAX_VISITORS:
            return None
        return _RawVisitor(self, addr)


class _RawVisitor(Protocol):
    """One connection; nothing is read of it before there is a stream for it."""

    def __init__(self, port: RawPort, address: IAddress | None) -> None:
        self._port = port
        self._address: Any = address
        self._task: asyncio.Task[None] | None = None
        self._forwarding: Forwarding | None = None

    @override
    def connectionMade(self) -> None:
        self._port.visitors += 1
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(True)
        transport.pauseProducing()
        self._task = asyncio.get_running_loop().create_task(self._join())

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._forwarding is not None:
            self._forwarding.dataReceived(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._port.visitors -= 1
        if self._forwarding is not None:
            self._forwarding.connectionLost(reason)
        elif self._task is not None:
            self._task.cancel()

    async def _join(self) -> None:
        transport: Any = self.transport
        try:
            stream = await self._port.open_stream(Source(self._address.host, self._address.port))
        except NoWorkConnError:
            transport.abortConnection()
            return
        forwarding: Any = Forwarding(stream, self._port.clock, lambda *_: None, lambda _: None)
        self._forwarding = forwarding
        forwarding.makeConnection(transport)
        transport.resumeProducing()
