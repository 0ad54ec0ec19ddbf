"""Which tunnel somebody means, whether they may do with it what they want to, and how it stands."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Protocol

from attrs import frozen

from services.tunnels.open_ports import OpenPorts
from services.tunnels.records.offers import Offer, TunnelName
from services.tunnels.records.tunnels import PublicTunnel, Tunnel
from services.tunnels.registry import Devices
from services.tunnels.rules.tunnels import Circumstances, Places, shown
from services.tunnels.store import tunnels as store
from services.tunnels.store import visits
from shared.database import Database
from shared.errors import NotFoundError
from shared.identities import Person

NOT_OPEN: Final = "its public port cannot be opened: something else has it"
NO_TUNNEL: Final = "there is no such tunnel, or you may not see it"


class Offering(Protocol):
    """What devices offer now."""

    def find(self, name: TunnelName) -> Offer | None:
        """The offer of that name."""

    def ports(self, protocol: str) -> frozenset[int]:
        """The remote ports of all offers of that protocol."""


class Refusals(Protocol):
    """What devices tried to offer."""

    def problem(self, name: TunnelName) -> str | None:
        """Why it was refused last, where it was not offered since."""


class Coming(Protocol):
    """Who is there."""

    def count(self, tunnel_key: int) -> int:
        """How many visits of the tunnel there are now."""


@frozen
class Now:
    """What of tunnels is in no table."""

    offering: Offering
    refusals: Refusals
    coming: Coming
    ports: OpenPorts
    places: Places


@frozen
class Found:
    """A tunnel, and the name of its device."""

    tunnel: Tunnel
    device_name: str


class Tunnels:
    """Finds and shows them."""

    def __init__(self, database: Database, devices: Devices, now: Now) -> None:
        """Look in `database`; `devices` knows who reaches what."""
        self._database = database
        self._devices = devices
        self._now = now

    async def with_flag(self, person: Person, flag: str, tunnel_key: int) -> Found:
        """The tunnel of that key, on whose device the person has `flag`.

        Raises:
            NotFoundError: There is none, or they may not see it.
            NotAuthorizedError: They lack the flag, or the factor that the project requires.
        """
        tunnel = await self._database.run(lambda connection: store.tunnel_find(connection, tunnel_key))
        if tunnel is None:
            raise NotFoundError(NO_TUNNEL)
        try:
            device = await self._devices.reach(person, flag, tunnel.device_key)
        except NotFoundError as error:
            raise NotFoundError(NO_TUNNEL) from error
        if device.project_key != tunnel.project_key:
            raise NotFoundError(NO_TUNNEL)  # it went with what it was in another project
        return Found(tunnel, device.name)

    async def listed(
        self, person: Person, device: int | str | None, project: int | str | None, *, after: int, limit: int
    ) -> list[Found]:
        """At most `limit` tunnels that the person may see, of one device or project or of all, with keys above `after`.

        Raises:
            NotFoundError: There is no such device or project, or they may not see it.
        """
        names = await self.visible_names(person, device, project)
        tunnels = await self._database.run(
            lambda connection: store.tunnel_list(connection, sorted(names), after=after, limit=limit)
        )
        return [Found(tunnel, names[tunnel.device_key]) for tunnel in tunnels]

    async def visible_names(
        self, person: Person, device: int | str | None, project: int | str | None
    ) -> dict[int, str]:
        """The names by key of the devices that are meant, have tunnels, and that the person may see."""
        if device is not None:
            one = await self._devices.reach(person, "READ", device, project)
            return {one.device_key: one.name}
        projects = await self._devices.projects(person, project)
        known = await self._database.run(lambda connection: store.tunnel_list_devices(connection, projects))
        return {each.device_key: each.name for each in await self._devices.visible(person, known)}

    async def visited_keys(self, person: Person, device: int | str | None, project: int | str | None) -> list[int]:
        """The keys of the devices that are meant, that anybody has visited, and that the person may see."""
        if device is not None:
            return [(await self._devices.reach(person, "READ", device, project)).device_key]
        projects = await self._devices.projects(person, project)
        known = await self._database.run(lambda connection: visits.visit_list_devices(connection, projects))
        return [each.device_key for each in await self._devices.visible(person, known)]

    def shown(self, founds: Iterable[Found], now: datetime) -> list[PublicTunnel]:
        """The tunnels as they stand."""
        return [shown(found.tunnel, self._circumstances(found), self._now.places, now) for found in founds]

    def _circumstances(self, found: Found) -> Circumstances:
        name, key, now = found.tunnel.name, found.tunnel.tunnel_key, self._now
        offer = now.offering.find(name)
        taken = NOT_OPEN if now.ports.is_taken(key) else None
        problem = now.refusals.problem(name) if offer is None else taken
        return Circumstances(found.device_name, offer, problem, now.ports.is_open(key), now.coming.count(key))
