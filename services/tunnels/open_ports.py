"""Which public ports are open: what people are shown of them, and when somebody has to look again.

`raw_ports.py` opens and closes them, and says here how they stand.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

SETTLED_S: Final = 2.0
"""For a port to be opened, so that whoever opened it to anybody is told how that went."""


class OpenPorts:
    """Those of all tunnels, by their keys."""

    def __init__(self) -> None:
        """None is open."""
        self.is_due = asyncio.Event()
        self._stood = asyncio.Event()
        self._open: frozenset[int] = frozenset()
        self._taken: frozenset[int] = frozenset()

    def look(self) -> None:
        """Something may be otherwise."""
        self.is_due.set()

    def stand(self, opened: Iterable[int], taken: Iterable[int]) -> None:
        """These are open now; `taken` are to be and cannot, since something else has the port."""
        self._open, self._taken = frozenset(opened), frozenset(taken)
        stood, self._stood = self._stood, asyncio.Event()
        stood.set()

    def is_open(self, tunnel_key: int) -> bool:
        """Whether anybody reaches it."""
        return tunnel_key in self._open

    def is_taken(self, tunnel_key: int) -> bool:
        """Whether something else has its port."""
        return tunnel_key in self._taken

    async def settled(self, tunnel_key: int) -> None:
        """Wait until its port is open, or known not to be opened; for a short while at the most."""
        self.look()
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLED_S):
                while not (self.is_open(tunnel_key) or self.is_taken(tunnel_key)):
                    await self._stood.wait()
