"""Devices that are no more what they were: flashed anew, moved, locked, deleted. What they have open ends at once.

Devices tells that something of a device changed; how it stands is asked then, after each join of the bus, and each few
seconds. What was declared for a device, and the ports that it was allotted, go with it, and stay behind where it moves.
"""

import asyncio
from typing import Any, Final, Protocol

import structlog

from services.tunnels.drafts import tunnel_draft
from services.tunnels.finding import Offering
from services.tunnels.records.offers import TunnelDevice
from services.tunnels.records.tunnels import DeviceStanding, Tunnel
from services.tunnels.records.visits import Cause
from services.tunnels.registry import Devices
from services.tunnels.rules.departing import Leaving, leaving
from services.tunnels.store import ports, tunnels
from services.tunnels.visiting import Visiting
from shared import audit
from shared.bus import Bus
from shared.database import Database
from shared.identities import SYSTEM_REALM, ServiceIdentity
from shared.session import BusSession

CHANGED: Final = "ironflock.devices.device.changed"
COMPARE_S: Final = 30.0
OWN: Final = ServiceIdentity("tunnels", 0)

log = structlog.get_logger()


class Connected(Protocol):
    """The devices that are at the edge."""

    def connected(self) -> dict[int, TunnelDevice]:
        """Each by its key, as it was when it logged in."""

    def cut_off(self, device_key: int, reason: str) -> object:
        """Cut it off."""


class Departures:
    """Sees devices off."""

    def __init__(self, bus: Bus, database: Database, devices: Devices, edge: Connected, visiting: Visiting) -> None:
        """Hear over `bus`; `edge` has who is connected."""
        self._database = database
        self._devices = devices
        self._edge = edge
        self._visiting = visiting
        self._changed: set[int] = set()
        self._all_are_due = True
        self._is_due = asyncio.Event()
        bus.on_join(SYSTEM_REALM, self._follow)

    async def keep_true(self) -> None:
        """Wait until something may be otherwise, some seconds at most, and see off who has to go.

        Raises:
            PublicError: A part is away; it is due again.
        """
        try:
            async with asyncio.timeout(COMPARE_S):
                await self._is_due.wait()
        except TimeoutError:
            self._all_are_due = True
        self._is_due.clear()
        changed, self._changed = self._changed, set()
        is_all, self._all_are_due = self._all_are_due, False
        try:
            await self.look_at(None if is_all else changed)
        except BaseException:
            self._changed |= changed
            self._all_are_due |= is_all
            self._is_due.set()
            raise

    async def look_at(self, device_keys: set[int] | None) -> None:
        """See off those of these devices, or of all, that have to go. Errors as `keep_true`."""
        here = self._edge.connected()
        known = await self._database.run(tunnels.tunnel_list_homes)
        homes = {**known, **{key: device.project_key for key, device in here.items()}}
        meant = set(homes) if device_keys is None else device_keys & set(homes)
        standing = await self._devices.standing(sorted(meant))
        for key in sorted(meant):
            device = here.get(key)
            is_known = known.get(key, homes[key])
            found = leaving(standing.get(key), is_known, None if device is None else device.flash_id)
            if found is not None:
                await self._see_off(key, found, standing.get(key))

    async def _see_off(self, device_key: int, why: Leaving, standing: DeviceStanding | None) -> None:
        self._edge.cut_off(device_key, why.value)
        self._visiting.cut(lambda visit: visit.device_key == device_key, Cause.DEVICE_ENDED)
        if why in (Leaving.GONE, Leaving.MOVED):
            await self._forget(device_key, standing.project_key if standing and why is Leaving.MOVED else None)
        log.info("tunnel_device_seen_off", device_key=device_key, reason=why.value)

    async def _forget(self, device_key: int, project_key: int | None) -> None:
        async with self._database.transaction() as connection:
            for tunnel in await tunnels.tunnel_list_of(connection, device_key):
                if tunnel.project_key != project_key:
                    await tunnels.tunnel_delete(connection, tunnel.tunnel_key)
                    await audit.record(connection, _withdrawn(tunnel))
            await ports.port_delete_of(connection, device_key)
            await tunnels.told_delete_of(connection, device_key)

    async def _follow(self, session: BusSession) -> None:
        def told(device_key: Any, *_: Any) -> None:
            if isinstance(device_key, int):
                self._changed.add(device_key)
                self._is_due.set()

        await session.subscribe(told, CHANGED).asFuture(asyncio.get_running_loop())
        self._all_are_due = True
        self._is_due.set()


class PortKeeping:
    """Keeps the ports of those who offer them."""

    def __init__(self, database: Database, offering: Offering) -> None:
        """`offering` knows which are in use."""
        self._database = database
        self._offering = offering

    async def keep(self) -> None:
        """What is in use now is not given back.

        Raises:
            PublicError: The database is away.
        """
        for protocol in ("tcp", "udp"):
            await self._touch(protocol, sorted(self._offering.ports(protocol)))

    async def _touch(self, protocol: str, used: list[int]) -> None:
        if used:
            await self._database.run(lambda connection: ports.port_touch(connection, protocol, used))


def _withdrawn(tunnel: Tunnel) -> audit.Draft:
    return tunnel_draft(OWN, audit.Action.TUNNEL_WITHDRAWN, tunnel)
