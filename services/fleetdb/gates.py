"""How much of one realm, and of all of them, may be in work at once: what is over it is refused, never kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from typing import Final

from attrs import frozen

from shared.errors import OverLimitError

FULL: Final = "too much is in work here; nothing was changed, try again in a moment"
MIB: Final = 2**20
SHARE: Final = MIB
"""Octets that each realm may hold, whatever all the others do: nobody is kept out by another one's load."""
WAIT_S: Final = 30.0


class Lane(Enum):
    """Where calls wait for each other."""

    READS = "reads"
    """Each has a connection of the backend for itself; one is left for those who write."""
    WRITES = "writes"
    """What is written at once is stored together."""


@frozen
class Bounds:
    """Of one realm: so many calls work at once by lane, so many more wait; their messages have so many octets."""

    reads: int = 3
    writes: int = 256
    waiting: int = 512
    octets: int = 64 * MIB


class Octets:
    """What all realms together hold of messages that are not answered yet."""

    def __init__(self, most: int = 256 * MIB) -> None:
        """Hold `most` octets, beside the share of each realm."""
        self.most = most
        self.held = 0


class Gate:
    """The entrance of one realm."""

    def __init__(self, everywhere: Octets, bounds: Bounds | None = None) -> None:
        """Let in what `bounds` allow, and all realms together."""
        self._everywhere = everywhere
        self._bounds = bounds or Bounds()
        self._places = {
            Lane.READS: asyncio.Semaphore(self._bounds.reads),
            Lane.WRITES: asyncio.Semaphore(self._bounds.writes),
        }
        self._calls = dict.fromkeys(Lane, 0)
        self._octets = 0

    @asynccontextmanager
    async def enter(self, lane: Lane, octets: int) -> AsyncIterator[None]:
        """Work on a message of `octets` octets, when there is a place.

        Raises:
            OverLimitError: There is no room to wait in, or no place in time.
        """
        self._check_room(lane, octets)
        self._calls[lane] += 1
        self._octets += octets
        self._everywhere.held += octets
        try:
            await self._take_place(lane)
            try:
                yield
            finally:
                self._places[lane].release()
        finally:
            self._calls[lane] -= 1
            self._octets -= octets
            self._everywhere.held -= octets

    def _check_room(self, lane: Lane, octets: int) -> None:
        bounds, everywhere = self._bounds, self._everywhere
        working = bounds.reads if lane is Lane.READS else bounds.writes
        held = self._octets + octets
        is_alone = not self._octets  # the longest message that there can be must get through
        is_full = self._calls[lane] >= working + bounds.waiting or held > bounds.octets
        if (is_full and not is_alone) or (everywhere.held + octets > everywhere.most and held > SHARE):
            raise OverLimitError(FULL)

    async def _take_place(self, lane: Lane) -> None:
        place = self._places[lane]
        if not place.locked():
            await place.acquire()  # at once: there is nothing to wait for, and no time to be limited
            return
        try:
            async with asyncio.timeout(WAIT_S):
                await place.acquire()
        except TimeoutError as error:
            raise OverLimitError(FULL) from error
