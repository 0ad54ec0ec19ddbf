"""Keeping to what another service says: heard as it is told, and asked about so that nothing is missed.

An event can be lost, or come in another order than what it tells of. So whatever depends on another service's state is
compared with it: after each join of the bus, after every failure, whenever an event could not be acted upon, and each
so often without any cause.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from shared.bus import Bus
from shared.errors import PublicError
from shared.identities import SYSTEM_REALM
from shared.session import BusSession

Hear = Callable[[dict[str, Any]], Awaitable[None]]


class Following:
    """Follows one topic of the system realm, and has everything compared when that is due."""

    def __init__(
        self, bus: Bus, topic: str, *, compare: Callable[[], Awaitable[None]], every_s: float, hear: Hear | None = None
    ) -> None:
        """Follow `topic` over `bus`.

        Args:
            compare: Makes everything as it shall be, whatever was missed.
            every_s: The most seconds between two comparisons.
            hear: Acts upon the arguments of one event; without it an event makes the comparison due.
        """
        self._bus = bus
        self._topic = topic
        self._compare = compare
        self._every_s = every_s
        self._hear = hear
        self._is_due = asyncio.Event()
        bus.on_join(SYSTEM_REALM, self._subscribe)

    async def keep_true(self) -> None:
        """Wait until a comparison is due and compare.

        Raises:
            PublicError, ApplicationError, TransportLost: A part is away; it is due again.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._every_s):
                await self._is_due.wait()
        self._is_due.clear()
        try:
            await self._compare()
        except BaseException:
            self._is_due.set()
            raise

    async def _subscribe(self, session: BusSession) -> None:
        def told(*_: Any, **arguments: Any) -> None:
            if self._hear is None:
                self._is_due.set()
            else:
                self._bus.spawn(self._act(self._hear, arguments))

        await session.subscribe(told, self._topic).asFuture(asyncio.get_running_loop())
        self._is_due.set()

    async def _act(self, hear: Hear, arguments: dict[str, Any]) -> None:
        try:
            await hear(arguments)
        except PublicError:
            self._is_due.set()
