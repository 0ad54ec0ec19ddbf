"""Two devices with one identity: the router says so, the log remembers it, the project is alerted (decision 9)."""

import asyncio
from typing import Any, Final

import structlog

from services.devices.alerts.alerting import Alerting
from services.devices.records.alerts import Trouble
from services.devices.store.devices import device_find
from shared import audit
from shared.bus import Bus
from shared.database import Database
from shared.errors import PublicError
from shared.identities import SYSTEM_REALM
from shared.quiet import Quiet
from shared.session import BusSession

TOPIC: Final = "ironflock.router.device.duplicated"

log = structlog.get_logger()


class Duplicates:
    """Records each pair of copies once a minute, however often the second one tries."""

    def __init__(self, bus: Bus, database: Database, alerting: Alerting) -> None:
        """Listen on `bus`."""
        self._alerting = alerting
        self._bus = bus
        self._database = database
        self._quiet = Quiet()
        bus.on_join(SYSTEM_REALM, self._subscribe)

    async def _subscribe(self, session: BusSession) -> None:
        def duplicated(*, device_key: Any, project_key: Any, **_: Any) -> None:
            self._bus.spawn(self._record(device_key, project_key))

        await session.subscribe(duplicated, TOPIC).asFuture(asyncio.get_running_loop())

    async def _record(self, device_key: int, project_key: int) -> None:
        if self._quiet.take(device_key, asyncio.get_running_loop().time()) is None:
            return
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
                device = await device_find(connection, device_key)
                if device is not None:
                    about = {"device_key": device_key, "device_name": device.name}
                    trouble = Trouble(
                        "device_duplicated", device.project_key, f"device/{device_key}", about, (device_key,)
                    )
                    await self._alerting.raise_(connection, trouble)
        except PublicError:
            self._quiet.take_back(device_key)
            return
        self._alerting.wake()
