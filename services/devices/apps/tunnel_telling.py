"""Telling tunnels which ports people have set for apps: each is a tunnel that the device may offer (decision 19).

A row is written with the change, by who has `UPDATE` on the device; what is told is how the ports stand then. What an
agent says of ports declares nothing: it cannot have the flag. Agents offer no ports at the stage DEV.
"""

from typing import Any, Final

import structlog
from autobahn.wamp.exception import ApplicationError

from services.devices.store import tunnel_orders as store
from services.devices.store.app_states import state_find
from services.devices.store.devices import device_find
from services.devices.store.tunnel_orders import TunnelOrder
from shared.bus import Bus
from shared.database import Database
from shared.errors import OutcomeUnknownError, PublicError, UnavailableError
from shared.identities import SYSTEM_REALM
from shared.nudge import Nudge
from shared.session import BusSession

PROCEDURE: Final = "ironflock.tunnels.tunnel.settle"
LOOK_EVERY_S: Final = 2.0
TAKEN_FOR_S: Final = 30.0
MOST_S: Final = 60.0
BATCH: Final = 50

log = structlog.get_logger()


class TunnelTelling:
    """Tells what is due."""

    def __init__(self, bus: Bus, database: Database) -> None:
        """Tell over `bus` what `database` has."""
        self._bus = bus
        self._database = database
        self._nudge = Nudge()
        bus.on_join(SYSTEM_REALM, self._joined)

    def wake(self) -> None:
        """Something was written: let it be told now."""
        self._nudge.give()

    async def keep_up(self) -> None:
        """Wait until something may be due, two seconds at most, and tell all that is.

        Raises:
            UnavailableError, OutcomeUnknownError: Tunnels is away; everything stays due.
        """
        await self._nudge.wait(LOOK_EVERY_S)
        while taken := await self._taken():
            for order in taken:
                await self._tell(order)

    async def _taken(self) -> list[TunnelOrder]:
        async with self._database.transaction() as connection:
            return await store.order_take(connection, for_s=TAKEN_FOR_S, limit=BATCH)

    async def _tell(self, order: TunnelOrder) -> None:
        try:
            left_out = await self._settle(order)
        except (PublicError, ApplicationError) as error:
            log.warning("tunnels_not_told", device_key=order.device_key, app_key=order.app_key, reason=str(error))
            await self._database.run(lambda connection: store.order_postpone(connection, order, most_s=MOST_S))
            if isinstance(error, UnavailableError | OutcomeUnknownError):
                raise
            return
        if left_out:
            log.warning("ports_without_tunnels", device_key=order.device_key, app_key=order.app_key, ports=left_out)
        await self._database.run(lambda connection: store.order_done(connection, order))

    async def _settle(self, order: TunnelOrder) -> list[int]:
        """The ports that can have no tunnel."""
        device = await self._database.run(lambda connection: device_find(connection, order.device_key))
        if device is None or device.state == "deleting":
            return []  # with which its tunnels go
        answer: dict[str, Any] = await self._bus.call(
            PROCEDURE,
            device_key=order.device_key,
            project_key=device.project_key,
            app=order.app_name,
            ports=await self._ports(order),
            revision=order.order_key,
            account_key=order.account_key,
        )
        return list(answer["left_out"])

    async def _ports(self, order: TunnelOrder) -> list[dict[str, Any]]:
        key, app_key = order.device_key, order.app_key
        app = await self._database.run(lambda connection: state_find(connection, key, app_key, "PROD"))
        rules = [] if app is None or app.target == "UNINSTALLED" else app.ports or []
        return [{"port": rule["port"], "protocol": rule["protocol"]} for rule in rules if rule["active"]]

    async def _joined(self, session: BusSession) -> None:  # noqa: ARG002 - a listener's shape
        self._nudge.give()
