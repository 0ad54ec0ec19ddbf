"""Datagrams of visitors over one work stream of a device: what does not fit is dropped, as UDP does."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from twisted.internet.protocol import DatagramProtocol, Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from services.tunnels.errors import NoWorkConnError, RemoteProtocolError
from services.tunnels.records.offers import Source
from services.tunnels.rules.udp import MAX_DATAGRAM, PacketReader, packet
from services.tunnels.streams import HIGH_OCTETS, MuxStream

MAX_QUEUED: Final = 1_024
"""Datagrams that wait for the stream, as frps' queue."""
MAX_VISITORS: Final = 1_024
"""Who is remembered, so that a device answers them and nobody else."""


class Datagrams(Protocol):
    """A device's side: `send` takes datagrams of visitors, `deliver` is called with those for them."""

    def __init__(
        self, open_stream: Callable[[], Awaitable[MuxStream]], deliver: Callable[[bytes, Source], None]
    ) -> None:
        """Open a stream once there is something to send, and another when it is lost."""
        self._open_stream = open_stream
        self._deliver = deliver
        self._reader = PacketReader()
        self._queue: deque[bytes] = deque(maxlen=MAX_QUEUED)
        self._visitors: OrderedDict[Source, None] = OrderedDict()
        self._stream: MuxStream | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_over = False
        self.dropped = 0

    def send(self, datagram: bytes, visitor: Source) -> None:
        """Pass `datagram` on; it is dropped where it is too long, or too much waits."""
        if len(datagram) > MAX_DATAGRAM or self._is_over:
            self.dropped += 1
            return
        octets = packet(datagram, visitor)
        self._remember(visitor)
        if self._stream is None:
            self._queue.append(octets)
            self._begin()
        elif self._stream.waiting_octets > HIGH_OCTETS:
            self.dropped += 1
        else:
            self._stream.write(octets)

    def end(self) -> None:
        """No more datagrams."""
        self._is_over = True
        if self._task is not None:
            self._task.cancel()
        if self._stream is not None:
            self._stream.loseConnection()

    @override
    def dataReceived(self, data: bytes) -> None:
        try:
            found = self._reader.feed(data)
        except RemoteProtocolError:
            if self._stream is not None:
                self._stream.abortConnection()
            return
        for datagram, visitor in found:
            if visitor in self._visitors:
                self._deliver(datagram, visitor)
            else:
                self.dropped += 1

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stream = None

    def _remember(self, visitor: Source) -> None:
        self._visitors[visitor] = None
        self._visitors.move_to_end(visitor)
        while len(self._visitors) > MAX_VISITORS:
            self._visitors.popitem(last=False)

    def _begin(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        try:
            stream = await self._open_stream()
        except NoWorkConnError:
            self.dropped += len(self._queue)
            self._queue.clear()
            return
        finally:
            self._task = None
        self._reader = PacketReader()
        self._stream = stream
        stream.attach(self)
        while self._queue:
            stream.write(self._queue.popleft())


class RawUdpPort(DatagramProtocol):
    """A port whose datagrams are visits, whoever sends them: what its owner opened knowingly."""

    noisy = False

    def __init__(self, open_stream: Callable[[Source], Awaitable[MuxStream]]) -> None:
        """`open_stream` gives the one stream of all visitors."""
        self.datagrams = Datagrams(lambda: open_stream(Source("", 0)), self._deliver)

    @override
    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self.datagrams.send(datagram, Source(addr[0], addr[1]))

    def _deliver(self, datagram: bytes, visitor: Source) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.write(datagram, (visitor.address, visitor.port))
