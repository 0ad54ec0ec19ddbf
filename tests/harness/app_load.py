"""Apps that write rows without a pause on sessions that they keep, and know which rows were answered."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from threading import Event
from typing import Any, Final

from attrs import Factory, define

from tests.harness.clients import Account
from tests.harness.placed_apps import PlacedApp, place_apps
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until
from tests.integration.router_node.wire import AbortedError, ClosedError, Peer, WampError

TABLE: Final = {
    "tablename": "strokes",
    "columns": [{"id": "tsp", "dataType": "timestamp"}, {"id": "number", "dataType": "bigint"}],
}
AGAIN_S: Final = 0.1
SERVED_S: Final = 90.0
PAGE: Final = 10_000
GONE: Final = (ClosedError, AbortedError, OSError, TimeoutError)
now: Final = time.time  # noqa: TID251 - rows are dated as devices date them


@define(eq=False)
class WritingApp:
    """One app; a number is written once, and is in doubt where no answer came."""

    app: PlacedApp
    answered: set[int] = Factory(set)
    doubtful: set[int] = Factory(set)
    refusals: Counter[str] = Factory(Counter)
    lost: list[str] = Factory(list)
    _numbers: Any = Factory(itertools.count)

    async def write(self, ended: Event) -> None:
        """Until it is told to end, on another session where one is lost."""
        while not ended.is_set():
            try:
                async with await self.app.join() as peer:
                    while not ended.is_set():
                        await self._append(peer)
            except GONE as error:
                self.lost.append(type(error).__name__)
                await asyncio.sleep(AGAIN_S)

    async def _append(self, peer: Peer) -> None:
        number = next(self._numbers)
        self.doubtful.add(number)
        try:
            row = {"tsp": round(now() * 1_000), "number": number}
            await peer.call(self.app.uri("append", "strokes"), row, DEVICE_NAME="press")
        except WampError as error:
            self.refusals[error.uri] += 1
            await asyncio.sleep(AGAIN_S)
        else:
            self.doubtful.discard(number)
            self.answered.add(number)

    async def stored(self) -> Counter[int]:
        """How often each number is in the table; asked again while nobody answers."""
        async with asyncio.timeout(SERVED_S):
            while True:
                try:
                    async with await self.app.join() as peer:
                        return Counter([row["number"] async for row in _rows(peer)])
                except (*GONE, WampError):
                    await asyncio.sleep(AGAIN_S)


async def _rows(peer: Peer) -> AsyncIterator[dict[str, Any]]:
    offset = 0
    while page := await peer.call("history.transformed.strokes", {"limit": PAGE, "offset": offset}):
        for row in page:
            yield row
        offset += PAGE


@asynccontextmanager
async def apps_that_write(platform: RunningPlatform, owner: Account, count: int) -> AsyncIterator[list[WritingApp]]:
    """`count` apps that write while the block runs; all of them are served when it begins."""
    apps = [WritingApp(app) for app in await place_apps(platform, owner, count, [TABLE])]
    for app in apps:
        await app.stored()
    ended = Event()
    writing = [asyncio.create_task(app.write(ended)) for app in apps]
    try:
        yield apps
    finally:
        ended.set()
        await asyncio.gather(*writing)


@contextmanager
def apps_aside(platform: RunningPlatform, owner: Account, count: int, each: int = 1) -> Iterator[list[WritingApp]]:
    """As `apps_that_write`, beside a test that is a plain function; the block begins when each has so many answers."""
    apps: list[WritingApp] = []
    ended = Event()

    async def load() -> None:
        async with apps_that_write(platform, owner, count) as writing:
            apps.extend(writing)
            await asyncio.to_thread(ended.wait)

    with ThreadPoolExecutor(1) as aside:  # the launcher ends with the thread that started it: never this one
        loading = aside.submit(asyncio.run, load())
        try:
            wait_until(
                lambda: loading.done() or (len(apps) == count and all(len(app.answered) >= each for app in apps)),
                SERVED_S,
                "rows come",
            )
            if loading.done():
                loading.result()  # it failed: that is raised
            yield apps
        finally:
            ended.set()
        loading.result()


async def assert_every_answered_row_is_there_once(apps: list[WritingApp]) -> int:
    """Returns how many rows were answered."""
    for app in apps:
        stored = await app.stored()
        assert app.answered
        assert set(stored.values()) == {1}
        assert app.answered <= set(stored) <= app.answered | app.doubtful
    return sum(len(app.answered) for app in apps)
