"""Names of owners, which agents show: an erased person's name goes from here too.

Auth tells of an erasure as it happens; whatever was missed is found by asking auth about the owners that still have a
name, after each join of the bus and once a minute.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

import structlog

from services.devices.store import projects as store
from shared.bus import Bus
from shared.database import Database
from shared.errors import PublicError
from shared.identities import SYSTEM_REALM
from shared.session import BusSession

TOPIC: Final = "ironflock.auth.account.erased"
COMPARE_INTERVAL_S: Final = 60.0
BATCH: Final = 1_000

log = structlog.get_logger()


class Owners:
    """Keeps no name of a person who is erased."""

    def __init__(self, bus: Bus, database: Database) -> None:
        """Listen on `bus`."""
        self._bus = bus
        self._database = database
        self._is_due = asyncio.Event()
        bus.on_join(SYSTEM_REALM, self._subscribe)

    async def keep_true(self) -> None:
        """Wait until a comparison is due, a minute at most, and compare.

        Raises:
            PublicError, ApplicationError, TransportLost: A part is away; it is due again.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(COMPARE_INTERVAL_S):
                await self._is_due.wait()
        self._is_due.clear()
        try:
            await self.compare()
        except Exception:
            self._is_due.set()
            raise

    async def compare(self) -> None:
        """Ask auth about every owner who has a name here, and forget the names of those who are erased."""
        keys = await self._owners(after=0)
        while keys:
            for account_key in await self._bus.call("ironflock.auth.account.find_erased", account_keys=keys):
                await self._forget(account_key)
            keys = await self._owners(after=keys[-1])

    async def _owners(self, *, after: int) -> list[int]:
        return await self._database.run(lambda connection: store.owner_list(connection, after=after, limit=BATCH))

    async def _subscribe(self, session: BusSession) -> None:
        def erased(*, account_key: Any, **_: Any) -> None:
            if isinstance(account_key, int):
                self._bus.spawn(self._hear(account_key))

        await session.subscribe(erased, TOPIC).asFuture(asyncio.get_running_loop())
        self._is_due.set()

    async def _hear(self, account_key: int) -> None:
        try:
            await self._forget(account_key)
        except PublicError:
            self._is_due.set()

    async def _forget(self, account_key: int) -> None:
        projects = await self._database.run(lambda connection: store.owner_forget(connection, account_key))
        if projects:
            log.info("owner_forgotten", account_key=account_key, projects=projects)
