"""A port on which each connection is a visitor of a stream, as the edge's own tests and measurements need it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from services.tunnels.errors import NoWorkConnError
from services.tunnels.forwarding import Forwarding
from services.tunnels.records.offers import Source
from services.tunnels.streams import MuxStream


class RawPort(Factory):
    """Makes them."""

    noisy = False

    def __init__(self, open_stream: Callable[[Source], Awaitable[MuxStream]], clock: IReactorTime) -> None:
        self.open_stream = open_stream
        self.clock = clock

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return _RawVisitor(self, addr)


class _RawVisitor(Protocol):
    """One connection; nothing is read of it before there is a stream for it."""

    def __init__(self, port: RawPort, address: IAddress | None) -> None:
        self._port = port
        self._address: Any = address
        self._task: asyncio.Task[None] | None = None
        self._forwarding: Forwarding | None = None

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(True)
        transport.pauseProducing()
        self._task = asyncio.get_running_loop().create_task(self._join())

    def dataReceived(self, data: bytes) -> None:
        if self._forwarding is not None:
            self._forwarding.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
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
