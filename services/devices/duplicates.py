"""Two devices with one identity: the router says so, the audit log remembers it (decision 9)."""

import asyncio
from typing import Any, Final

import structlog

from shared import audit
from shared.bus import Bus
from shared.database import Database
from shared.errors import UnavailableError
from shared.identities import SYSTEM_REALM
from shared.session import BusSession

TOPIC: Final = "ironflock.router.device.duplicated"
QUIET_S: Final = 60.0
MAX_REMEMBERED: Final = 10_000

log = structlog.get_logger()


class Duplicates:
    """Records each pair of copies once a minute, however often the second one tries."""

    def __init__(self, bus: Bus, database: Database) -> None:
        """Listen on `bus`."""
        self._bus = bus
        self._database = database
        self._told: dict[int, float] = {}
        bus.on_join(SYSTEM_REALM, self._subscribe)

    async def _subscribe(self, session: BusSession) -> None:
        def duplicated(*, device_key: Any, project_key: Any, **_: Any) -> None:
            self._bus.spawn(self._record(device_key, project_key))

        await session.subscribe(duplicated, TOPIC).asFuture(asyncio.get_running_loop())

    async def _record(self, device_key: int, project_key: int) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._told.get(device_key, -QUIET_S) < QUIET_S:
            return
        if len(self._told) >= MAX_REMEMBERED:
            self._told.clear()
        self._told[device_key] = now
        log.warning("device_duplicated", device_key=device_key, project_key=project_key)
        draft = audit.Draft(
            action=audit.Action.DEVICE_DUPLICATED,
            aspect=audit.Aspect.IDENTITY,
            actor=audit.Actor(audit.ActorKind.SERVICE, "router"),
            asset=audit.Asset("device", device_key),
            project_key=project_key,
            reason="two devices with one identity are online",
            outcome=audit.Outcome.REFUSED,
        )
        try:
            async with self._database.transaction() as connection:
                await audit.record(connection, draft)
        except UnavailableError:
            del self._told[device_key]
