"""Names of owners, which agents show: an erased person's name goes from here too.

Auth tells of an erasure as it happens; whatever was missed is found by asking auth about the owners that still have a
name, after each join of the bus and once a minute.
"""

from typing import Any, Final

import structlog

from services.devices.store import projects as store
from shared.bus import Bus
from shared.database import Database
from shared.following import Following

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
        self.following = Following(bus, TOPIC, compare=self.compare, every_s=COMPARE_INTERVAL_S, hear=self._hear)

    async def compare(self) -> None:
        """Ask auth about every owner who has a name here, and forget the names of those who are erased."""
        keys = await self._owners(after=0)
        while keys:
            for account_key in await self._bus.call("ironflock.auth.account.find_erased", account_keys=keys):
                await self._forget(account_key)
            keys = await self._owners(after=keys[-1])

    async def _owners(self, *, after: int) -> list[int]:
        return await self._database.run(lambda connection: store.owner_list(connection, after=after, limit=BATCH))

    async def _hear(self, told: dict[str, Any]) -> None:
        if isinstance(told.get("account_key"), int):
            await self._forget(told["account_key"])

    async def _forget(self, account_key: int) -> None:
        projects = await self._database.run(lambda connection: store.owner_forget(connection, account_key))
        if projects:
            log.info("owner_forgotten", account_key=account_key, projects=projects)
