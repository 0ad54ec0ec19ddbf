"""Sessions on the bus end with what opened them: the router is told of each key and session that has ended.

Found in the rows, not remembered: it holds over every replica of auth, and over a crash between the change and the
telling. An ended credential is told for half a minute, so that a join that was under way when it ended is cut too.

A router that took all of it is told so, again and again: one that auth has lost does not hear it, and ends by itself
whatever auth could have ended there.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final

from autobahn.wamp.exception import ApplicationError, SessionNotReady, TransportLost

from services.auth.store.api_keys import credential_list_ended
from shared.bus import Bus, call
from shared.database import Database
from shared.errors import PublicError
from shared.identities import CONTROL_REALM, SYSTEM_REALM
from shared.session import BusSession

PROCEDURE: Final = "ironflock.router.credential.end"
TOLD: Final = "ironflock.auth.credential.told"
TELLING_S: Final = 1.5
"""A router that does not answer for so long keeps the others waiting, which must hear of us within 5 s."""
TOLD_FOR_S: Final = 30.0
HURRY_S: Final = 4.0
BATCH: Final = 1_000


class Endings:
    """Tells the routers."""

    def __init__(self, bus: Bus, database: Database, clock: Callable[[], float]) -> None:
        """Nothing is told before `keep_up`; then all that ever ended: how long a cell was away before nobody knows.

        `clock` gives seconds that only go up.
        """
        self._bus = bus
        self._database = database
        self._clock = clock
        self._since: dict[str, datetime] = {}
        """By the names of cells: until when each was told."""

    async def keep_up(self) -> None:
        """Tell every cell that is there what has ended since it was last told.

        Raises:
            PublicError, ApplicationError, TransportLost: A part is away; nothing is forgotten.
        """
        there = self._bus.sessions_by_cell(SYSTEM_REALM)
        by_time: dict[datetime | None, list[str]] = {}
        for cell in there:
            by_time.setdefault(self._since.get(cell), []).append(cell)
        told = [self._tell_since(since, {cell: there[cell] for cell in cells}) for since, cells in by_time.items()]
        self._bus.done(await asyncio.gather(*told, return_exceptions=True))

    async def _tell_since(self, since: datetime | None, sessions: Mapping[str, BusSession]) -> None:
        began = self._clock()
        now, ended = await self._database.run(lambda connection: credential_list_ended(connection, since, TOLD_FOR_S))

        async def tell(cell: str, session: BusSession) -> None:
            for first in range(0, len(ended), BATCH):
                some = ended[first : first + BATCH]
                await self._bus.of_a_cell(call(session, PROCEDURE, args=(some,), timeout_s=TELLING_S))
            self._since[cell] = now
            self._say(cell, session, began)

        self._bus.done(await asyncio.gather(*(tell(*each) for each in sessions.items()), return_exceptions=True))

    def _say(self, cell: str, session: BusSession, as_of: float) -> None:
        """All that had ended by `as_of` is told there; of no cell in which people's sessions cannot be ended."""
        if cell in self._bus.sessions_by_cell(CONTROL_REALM):
            with suppress(SessionNotReady, TransportLost):  # that router hears it when it is back
                session.publish(TOLD, silent_s=self._clock() - as_of)

    async def hurry(self, ended: list[str]) -> None:
        """Tell every cell of these at once; what is not taken now, `keep_up` tells."""
        with suppress(PublicError, ApplicationError, TransportLost, TimeoutError):
            async with asyncio.timeout(HURRY_S):
                await self._bus.everywhere(SYSTEM_REALM, lambda session: call(session, PROCEDURE, args=(ended,)))
