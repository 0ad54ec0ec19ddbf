"""The work streams of one agent: some wait for visitors, and visitors wait for some.

Each visitor uses one up. The agent is asked for more so that as many wait as it offered at login; it opens what it is
asked for, and whatever it opens beside that is refused.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from services.tunnels.errors import NoWorkConnError
from services.tunnels.records.messages import StartWorkConn
from services.tunnels.rules.messages import encode
from services.tunnels.streams import MuxStream

MAX_POOL: Final = 10
"""Streams that wait, however many an agent offers; frps has 5 beside what was asked for."""
TAKE_S: Final = 10.0
"""As frps' userConnTimeout."""
MAX_TAKERS: Final = 128
"""Visitors of one device who wait for a stream."""


class WorkStreams:
    """Streams that wait, and who waits for one."""

    def __init__(self, ask: Callable[[], None], pool_count: int) -> None:
        """`ask` asks the agent for one more; `pool_count` is what it offered to keep ready."""
        self._ask = ask
        self._target = min(max(pool_count, 1), MAX_POOL)
        self._ready: deque[MuxStream] = deque()
        self._takers: deque[asyncio.Future[MuxStream]] = deque()
        self._asked = 0
        self._is_over = False

    def offer(self, stream: MuxStream) -> None:
        """The agent opened `stream` to work."""
        self._asked = max(0, self._asked - 1)
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(stream)
                return
        if len(self._ready) >= MAX_POOL or self._is_over:
            stream.write(encode(StartWorkConn(error="more work connections than were asked for")))
            stream.loseConnection()
            return
        self._ready.append(stream)
        stream.attach(_Ready(stream, self._gone))

    async def take(self) -> MuxStream:
        """A stream for one visitor, without a protocol; see `refill`.

        Raises:
            NoWorkConnError: The agent opened none in time, too many wait, or its session is over.
        """
        if self._is_over:
            raise NoWorkConnError("the device's session is over")
        if self._ready:
            stream = self._ready.popleft()
            stream.detach()
            return stream
        if len(self._takers) >= MAX_TAKERS:
            raise NoWorkConnError("too many wait for the device")
        return await self._wait()

    def refill(self) -> None:
        """Ask for as many as are missing."""
        wanted = self._target + len(self._takers) - len(self._ready) - self._asked
        for _ in range(wanted):
            self._asked += 1
            self._ask()

    def end(self) -> None:
        """The session is over."""
        self._is_over = True
        takers, self._takers = self._takers, deque()
        for taker in takers:
            if not taker.done():
                taker.set_exception(NoWorkConnError("the device's session ended"))
        self._ready.clear()

    async def _wait(self) -> MuxStream:
        taker: asyncio.Future[MuxStream] = asyncio.get_running_loop().create_future()
        self._takers.append(taker)
        self.refill()
        try:
            async with asyncio.timeout(TAKE_S):
                return await taker
        except TimeoutError as error:
            self._asked = max(0, self._asked - 1)  # the agent does not answer that one any more
            raise NoWorkConnError("the device opened no work connection in time") from error
        except asyncio.CancelledError:
            if taker.done() and not taker.cancelled() and taker.exception() is None:
                self.offer(taker.result())  # it came while the visitor left
            raise
        finally:
            if taker in self._takers:
                self._takers.remove(taker)

    def _gone(self, stream: MuxStream) -> None:
        if stream in self._ready:
            self._ready.remove(stream)
            if not self._is_over:
                self.refill()


class _Ready(Protocol):
    """A stream that waits: nothing is to come on it yet."""

    def __init__(self, stream: MuxStream, gone: Callable[[MuxStream], None]) -> None:
        self._stream = stream
        self._gone = gone

    @override
    def dataReceived(self, data: bytes) -> None:
        self._gone(self._stream)
        self._stream.abortConnection()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._gone(self._stream)
