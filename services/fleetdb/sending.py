"""Answering with rows, however many: as one list, or in chunks to a caller that takes them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from services.fleetdb.rules.chunks import BUDGET, CHUNK, MOST, Rows, octets_of, summary, too_large

OCTETS_PER_S: Final = 24 * 2**20
"""What a client on a good link takes; the router cuts one that lags too far behind."""


class _Sender:
    """Rows that come newest first."""

    def __init__(self, table: str, progress: Callable[..., None] | None) -> None:
        self._table = table
        self._progress = progress
        self._waiting: Rows = []
        self._octets_waiting = 0
        self._chunks = 0
        self._octets = 0
        self.count = 0

    async def take(self, row: dict[str, Any]) -> None:
        size = octets_of(row)
        self._octets += size
        self.count += 1
        if size > BUDGET or self._octets > MOST:
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


async def answered(table: str, batches: AsyncIterator[Rows], progress: Callable[..., None] | None) -> tuple[Any, int]:
    """What a caller is answered of rows that come newest first, and how many they are.

    Few of them are in memory at a time, whatever they come to.

    Raises:
        Refusal: `result_too_large`.
    """
    sender = _Sender(table, progress)
    async for batch in batches:
        for row in batch:
            await sender.take(row)
    return await sender.end(), sender.count
