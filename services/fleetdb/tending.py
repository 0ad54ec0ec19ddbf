"""The upkeep of every realm's tables, each minute: what fails, or takes long, at one realm is no other's concern."""

import asyncio
import weakref
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from services.fleetdb.live import LiveRealm
from services.fleetdb.records.tables import Made
from services.fleetdb.resealing import Resealing
from services.fleetdb.retention import Retention
from services.fleetdb.rules.troubles import is_widespread
from shared.errors import UnavailableError

AT_ONCE: Final = 4
LONGEST_S: Final = 120.0
"""For one realm; what is left of it is done the next time."""

log = structlog.get_logger()


class Tending:
    """Has old rows dropped, new ones summed up, and secrets sealed under the newest key."""

    def __init__(
        self,
        realms: Callable[[], list[LiveRealm]],
        retention: Retention,
        resealing: Resealing,
        now: Callable[[], datetime],
    ) -> None:
        """Tend what `realms` gives; `now` is the time in UTC."""
        self._realms = realms
        self._retention = retention
        self._resealing = resealing
        self._now = now
        self._alone: weakref.WeakValueDictionary[int, asyncio.Lock] = weakref.WeakValueDictionary()

    def alone_with(self, backend_key: int) -> asyncio.Lock:
        """What keeps the backend's tables from being tended, for whoever holds it: rows only come then, none change."""
        return self._alone.setdefault(backend_key, asyncio.Lock())

    async def tend(self) -> None:
        """Do it for all of them.

        Raises:
            UnavailableError: It failed at so many that it is not theirs.
        """
        places = asyncio.Semaphore(AT_ONCE)
        turns = defaultdict[int, asyncio.Lock](asyncio.Lock)  # of one project one at a time
        outcomes = await asyncio.gather(
            *(self._is_tended(realm, turns[realm.backend.project_key], places) for realm in self._realms())
        )
        failed = outcomes.count(False)
        if is_widespread(failed, len(outcomes)):
            raise UnavailableError(f"the tables of {failed} data realms could not be tended")

    async def _is_tended(self, realm: LiveRealm, turn: asyncio.Lock, places: asyncio.Semaphore) -> bool:
        backend, tables = realm.backend, realm.offer.tables
        alone = self.alone_with(backend.backend_key)
        if alone.locked():
            return True
        try:
            async with turn, places, alone, asyncio.timeout(LONGEST_S):
                await self._retention.tend(backend, Made(tables, ()), self._now())
                await self._resealing.reseal(backend, tables.values())
        except Exception as error:  # noqa: BLE001 - one backend's fault is no other's
            log.warning("data_realm_not_tended", backend=backend.backend_key, error=type(error).__name__)
            return False
        return True
