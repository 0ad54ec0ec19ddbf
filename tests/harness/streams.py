"""Progressive calls on bare sockets: what each stream said, and when and how it ended."""

import asyncio
import time
from typing import Any, Final

from tests.harness.running import RunningPlatform
from tests.integration.router_node.wire import CALL, RESULT, ClosedError, Peer, WampError

now: Final = time.time  # noqa: TID251 - what is measured are moments of this machine, as services have them


class Stream:
    """One call that goes on; `said` is what it sent so far."""

    def __init__(self) -> None:
        """Nothing was said."""
        self.said: list[Any] = []
        self.changed = asyncio.Event()
        self.ended_at: float | None = None
        self.end: WampError | ClosedError | None = None

    def take(self, said: Any) -> None:
        """One answer more."""
        self.said.append(said)
        self.changed.set()

    def finish(self, future: "asyncio.Future[Any]") -> None:
        """It has ended, at a Unix time, by an error or by its last answer."""
        self.ended_at = now()
        failure = None if future.cancelled() else future.exception()
        self.end = failure if isinstance(failure, WampError | ClosedError) else None
        self.changed.set()

    async def until(self, number: int, timeout_s: float = 15.0) -> None:
        """Wait until it has said so much, or has ended."""
        async with asyncio.timeout(timeout_s):
            while len(self.said) < number and self.ended_at is None:
                self.changed.clear()
                await self.changed.wait()


class StreamingPeer(Peer):
    """A session that has streams, and knows when it was closed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As any."""
        super().__init__(reader, writer)
        self._streams: dict[int, Stream] = {}
        self._over_at: float | None = None
        self._is_over = asyncio.Event()

    def stream(self, uri: str, **arguments: Any) -> Stream:
        """Begin a progressive call."""
        request, stream = next(self._requests), Stream()
        future = self._pending[CALL, request] = asyncio.get_running_loop().create_future()
        future.add_done_callback(stream.finish)
        self._streams[request] = stream
        self.send(CALL, request, {"receive_progress": True}, uri, [], arguments)
        return stream

    async def over_at(self) -> float:
        """Wait until the session is over; the Unix time of it.

        That is when GOODBYE comes: the router has taken the session out by then, and closes the connection later.
        """
        if self._over_at is None:
            await self._is_over.wait()
        return now() if self._over_at is None else self._over_at

    def _say_goodbye(self, message: list[Any]) -> None:
        self._over_at = now()
        super()._say_goodbye(message)
        self._is_over.set()

    async def _serve(self) -> None:
        await super()._serve()
        self._is_over.set()  # also without a word

    async def _take(self, message: list[Any]) -> None:
        is_progress = message[0] == RESULT and message[2].get("progress")
        if is_progress and message[1] in self._streams:
            self._streams[message[1]].take(message[3][0])
        else:
            await super()._take(message)


async def join_streaming(platform: RunningPlatform, api_key: str) -> StreamingPeer:
    """A person's session that can have streams."""
    peer = await StreamingPeer.connect(platform.ports.router_public, "/ws-usr", platform.tls)
    try:
        return await peer.join_ticket(api_key)
    except BaseException:
        await peer.drop()
        raise


async def join_device_streaming(platform: RunningPlatform, authid: str, secret: str) -> StreamingPeer:
    """A device's session that knows when it was closed."""
    peer = await StreamingPeer.connect(platform.ports.router_public, "/ws-re-dev", platform.tls)
    try:
        return await peer.join_cra("realm1", authid, secret)
    except BaseException:
        await peer.drop()
        raise
