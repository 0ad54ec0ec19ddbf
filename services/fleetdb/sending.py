"""Answering with rows, however many: as one list, or in chunks to a caller that takes them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final

from services.fleetdb.rules.chunks import BUDGET, CHUNK, MOST, Rows, octets_of, summary, too_large

COUNTED: Final = 4 * BUDGET
"""Octets up to which it is told how large an answer would be that is not given: to read on takes everybody's time."""
OCTETS_PER_S: Final = 24 * 2**20
"""What a client on a good link takes; the router cuts one that lags too far behind."""

Begin = Callable[[], Awaitable[None]]
"""Done before anything leaves that is not the last of an answer."""


class _Sender:
    """Rows that come newest first."""

    def __init__(self, table: str, progress: Callable[..., None] | None, begin: Begin) -> None:
        self._table = table
        self._progress = progress
        self._begin = begin
        self._waiting: Rows = []
        self._octets_waiting = 0
        self._chunks = 0
        self._octets = 0
        self.count = 0

    async def take(self, row: dict[str, Any]) -> None:
        size = octets_of(row)
        self._octets += size
        self.count += 1
        most = COUNTED if self._progress is None else MOST
        if size > BUDGET or self._octets > most:
            raise too_large(self._table, [*self._waiting[:100], row], octets=self._octets, count=self.count)
        if self._octets > BUDGET and self._progress is None:
            return  # it is only counted any more
        self._waiting.append(row)
        self._octets_waiting += size
        if self._progress is not None and self._octets > BUDGET and self._octets_waiting >= CHUNK:
            await self._send(self._progress)

    async def end(self) -> Any:
        if self._octets <= BUDGET:
            self._waiting.reverse()
            return self._waiting
        if self._progress is None:
            raise too_large(self._table, self._waiting, octets=self._octets, count=self.count)
        await self._send(self._progress)
        return summary(self._chunks, self.count)

    async def _send(self, progress: Callable[..., None]) -> None:
        """Send what waits, at most a chunk at a time."""
        if not self._chunks:
            await self._begin()
        while self._waiting:
            chunk, octets = [], 0
            while self._waiting and octets < CHUNK:
                row = self._waiting.pop(0)
                octets += octets_of(row)
                chunk.append(row)
            progress(self._chunks, chunk)
            self._chunks += 1
            await asyncio.sleep(octets / OCTETS_PER_S)
        self._octets_waiting = 0


async def _nothing() -> None:
    """Begin without a word."""


async def answered(
    table: str, batches: AsyncGenerator[Rows], progress: Callable[..., None] | None, begin: Begin = _nothing
) -> tuple[Any, int]:
    """What a caller is answered of rows that come newest first, and how many they are.

    Few of them are in memory at a time, whatever they come to. `begin` is done before the first chunk leaves; `batches`
    is over at the end, however it comes.

    Raises:
        Refusal: `result_too_large`.
    """
    sender = _Sender(table, progress, begin)
    async with aclosing(batches):
        async for batch in batches:
            for row in batch:
                await sender.take(row)
    return await sender.end(), sender.count
