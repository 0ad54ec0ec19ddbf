"""Sessions on the bus end with what opened them: the router is told of each key and session that has ended.

Found in the rows, not remembered: it holds over every replica of auth, and over a crash between the change and the
telling. An ended credential is told for half a minute, so that a join that was under way when it ended is cut too.
"""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Final

from autobahn.wamp.exception import ApplicationError, TransportLost

from services.auth.store.api_keys import credential_list_ended
from shared.bus import Bus, call
from shared.database import Database
from shared.errors import PublicError
from shared.identities import SYSTEM_REALM

PROCEDURE: Final = "ironflock.router.credential.end"
TOLD_FOR_S: Final = 30.0
HURRY_S: Final = 4.0


class Endings:
    """Tells the routers."""

    def __init__(self, bus: Bus, database: Database) -> None:
        """Nothing is told before `keep_up`; then whatever ended within the last hour."""
        self._bus = bus
        self._database = database
        self._since: datetime | None = None

    async def keep_up(self) -> None:
        """Tell every cell what has ended since it was last told.

        Raises:
            PublicError, ApplicationError, TransportLost: A part is away; nothing is forgotten.
        """
        now, ended = await self._database.run(
            lambda connection: credential_list_ended(connection, self._since, TOLD_FOR_S)
        )
        if ended:
            await self._tell(ended)
        self._since = now

    async def hurry(self, ended: list[str]) -> None:
        """Tell every cell of these at once; what is not taken now, `keep_up` tells."""
        with suppress(PublicError, ApplicationError, TransportLost, TimeoutError):
            async with asyncio.timeout(HURRY_S):
                await self._tell(ended)

    async def _tell(self, ended: list[str]) -> None:
        for session in self._bus.every_session(SYSTEM_REALM):
            await call(session, PROCEDURE, args=(ended,))
