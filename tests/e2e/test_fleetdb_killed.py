"""Fleetdb, router and PostgreSQL are killed amid writes: an answered row is there once, and followers have seen it."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from attrs import Factory, define, frozen

from tests.harness.clients import Account
from tests.harness.placed_apps import PlacedApp, place_apps
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until
from tests.integration.router_node.wire import AbortedError, ClosedError, Peer, WampError

# Soak: of six small runs on a busy machine one found not everything ready within 60 s of the first kill.
pytestmark = [pytest.mark.real, pytest.mark.soak]

TABLE: Final = {
    "tablename": "strokes",
    "columns": [{"id": "tsp", "dataType": "timestamp"}, {"id": "number", "dataType": "bigint"}],
}
BACK_S: Final = 60.0
SETTLES_S: Final = 60.0
LOST: Final = (WampError, ClosedError, AbortedError, OSError, TimeoutError)
now: Final = time.time  # noqa: TID251 - rows are dated as devices date them


@frozen
class Size:
    """How many apps write, for how many seconds; who is killed meanwhile, in this order."""

    apps: int
    seconds: float
    kills: tuple[str, ...]


@define
class Writer:
    """One app, which appends numbered rows and follows them; a number is never written twice."""

    app: PlacedApp
    answered: set[int] = Factory(set)
    unanswered: set[int] = Factory(set)
    followed: set[int] = Factory(set)
    _numbers: Any = Factory(itertools.count)

    async def write(self, until: float) -> None:
        """Append one row after the other, on a new session whenever one is lost."""
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            try:
                async with self._session() as peer:
                    while loop.time() < until:
                        await self._append(peer)
            except LOST:
                await asyncio.sleep(0.2)

    async def _append(self, peer: Peer) -> None:
        number = next(self._numbers)
        self.unanswered.add(number)
        row = {"tsp": round(now() * 1_000), "number": number}
        answer = await peer.call(self.app.uri("append", "strokes"), row, DEVICE_NAME="press")
        assert answer == {"success": True}
        self.unanswered.discard(number)
        self.answered.add(number)

    async def follow(self, done: asyncio.Event) -> None:
        """Hear of rows, and catch up after each join, as the published SDK does."""
        while not done.is_set():
            try:
                async with self._session() as peer:
                    await peer.subscribe("transformed.strokes", self._hear)
                    self.followed |= set(await self.stored(peer))
                    over = [asyncio.create_task(done.wait()), asyncio.create_task(peer.closed.wait())]
                    await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
                    for each in over:
                        each.cancel()
            except LOST:
                await asyncio.sleep(0.2)

    def _hear(self, event: list[Any]) -> None:
        self.followed.add(event[4][0]["number"])

    async def stored(self, peer: Peer) -> Counter[int]:
        """How often each number is in the table."""
        rows = await peer.call("history.transformed.strokes", {"limit": 10_000})
        return Counter(row["number"] for row in rows)

    async def counted(self) -> Counter[int]:
        async with self._session() as peer:
            return await self.stored(peer)

    async def is_served(self) -> bool:
        try:
            await self.counted()
        except LOST:
            return False
        return True

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Peer]:
        async with asyncio.timeout(20):
            peer = await self.app.join()
        try:
            yield peer
        finally:
            await peer.drop()


async def kill(platform: RunningPlatform, size: Size) -> None:
    """Each of `size.kills`, spread over the time."""
    for name in size.kills:
        await asyncio.sleep(size.seconds / (len(size.kills) + 1))
        killed = platform.kill(name)
        await asyncio.to_thread(
            wait_until, lambda pid=killed, who=name: platform.is_back(who, pid), BACK_S, "it is back"
        )


async def storm(platform: RunningPlatform, owner: Account, size: Size) -> list[Writer]:
    """All of it; afterwards every realm is served again."""
    writers = [Writer(app) for app in await place_apps(platform, owner, size.apps, [TABLE])]
    await served(writers)
    done = asyncio.Event()
    following = [asyncio.create_task(writer.follow(done)) for writer in writers]
    until = asyncio.get_running_loop().time() + size.seconds
    await asyncio.gather(*(writer.write(until) for writer in writers), kill(platform, size))
    await served(writers)
    async with asyncio.timeout(SETTLES_S):
        while any(writer.answered - writer.followed for writer in writers):  # noqa: ASYNC110 - events are on their way
            await asyncio.sleep(0.1)
    done.set()
    await asyncio.gather(*following)
    return writers


async def served(writers: list[Writer]) -> None:
    async with asyncio.timeout(SETTLES_S):
        for writer in writers:
            while not await writer.is_served():  # noqa: ASYNC110 - it is tried again
                await asyncio.sleep(0.2)


SMALL: Final = Size(3, 12.0, ("fleetdb", "postgres", "router"))
FULL: Final = Size(20, 60.0, ("fleetdb", "router", "postgres", "fleetdb", "router", "postgres"))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("size", [SMALL, FULL], ids=["small", "full"])
def test_every_answered_row_is_there_once_and_was_followed_whatever_is_killed(
    ironflock: RunningPlatform, owner: Account, size: Size
) -> None:
    writers = asyncio.run(storm(ironflock, owner, size))

    for writer in writers:
        stored = asyncio.run(writer.counted())
        assert writer.answered
        assert set(stored.values()) == {1}
        assert writer.answered <= set(stored) <= writer.answered | writer.unanswered
        assert writer.answered <= writer.followed <= set(stored)
    rows, lost = (
        sum(len(each) for each in found) for found in zip(*((w.answered, w.unanswered) for w in writers), strict=True)
    )
    print(f"\n{rows} rows answered, {lost} without an answer")  # noqa: T201 - what it was about
