"""Who may come to a tunnel: by an API key, an access token or a ticket, with the flag, the factor and the scopes."""

from datetime import datetime
from typing import Final

from attrs import frozen

from services.tunnels.credentials import OPENS_NOTHING, Credentials
from services.tunnels.finding import NO_TUNNEL
from services.tunnels.records.offers import TunnelName, TunnelProtocol
from services.tunnels.records.tunnels import Tunnel
from services.tunnels.records.visits import Admitted, Visitor
from services.tunnels.registry import Devices
from services.tunnels.rules.tickets import PREFIX, is_well_formed, ticket_digest
from services.tunnels.store import tickets as ticket_store
from services.tunnels.store import tunnels as store
from shared.database import Connection, Database
from shared.errors import NotFoundError, SignInRefusedError
from shared.identities import Person
from shared.scopes import scopes_of

NOT_OF_TICKET: Final = "this ticket is for another tunnel"


@frozen
class Wanted:
    """What somebody wants to come to: a device by key or name, and a port of an app there."""

    device: int | str
    app: str
    port: int
    protocol: TunnelProtocol = TunnelProtocol.TCP


class Admissions:
    """Lets people in."""

    def __init__(self, database: Database, devices: Devices, credentials: Credentials) -> None:
        """Ask these."""
        self._database = database
        self._devices = devices
        self._credentials = credentials

    async def admit(self, shown: str, address: str, wanted: Wanted) -> Admitted:
        """Who shows that, at which tunnel.

        Raises:
            SignInRefusedError: It opens nothing.
            NotFoundError: There is no such tunnel, or they may not see it.
            NotAuthorizedError: They lack the flag, the factor or the scope.
            UnavailableError: Nobody can say now.
        """
        text = shown.strip()
        if text.startswith(PREFIX):
            return await self._by_ticket(text, address, wanted)
        opened = await self._credentials.opened(text, address)
        scopes = scopes_of(opened.scopes).usable(changes=True)
        person = Person(opened.account_key, 0, opened.credential, scopes)
        tunnel = await self.reached(person, wanted)
        return Admitted(tunnel, Visitor(person, address, opened.ends_at))

    async def _by_ticket(self, text: str, address: str, wanted: Wanted) -> Admitted:
        digest = ticket_digest(text)
        found = None
        if is_well_formed(text):
            found = await self._database.run(lambda connection: ticket_store.ticket_find(connection, digest))
        if found is None:
            raise SignInRefusedError(OPENS_NOTHING)
        whose = found.account_key, found.credential
        if whose not in await self._credentials.standing([whose]):
            raise SignInRefusedError(OPENS_NOTHING)
        person = Person(found.account_key, 0, found.credential, scopes_of(found.scopes))
        tunnel = await self.reached(person, wanted)
        if tunnel.tunnel_key != found.tunnel_key:
            raise SignInRefusedError(NOT_OF_TICKET)
        return Admitted(tunnel, Visitor(person, address, _seconds(found.visit_ends_at), digest))

    async def reached(self, person: Person, wanted: Wanted) -> Tunnel:
        """The tunnel, where the person may come to it; errors as `admit`."""
        device = await self._devices.reach(person, "REMOTE_ACCESS", wanted.device)
        tunnel = await self._database.run(lambda connection: _found(connection, device.device_key, wanted))
        if tunnel is None or tunnel.project_key != device.project_key:
            raise NotFoundError(NO_TUNNEL)
        return tunnel


async def _found(connection: Connection, device_key: int, wanted: Wanted) -> Tunnel | None:
    name = TunnelName(device_key, wanted.app, wanted.port, wanted.protocol)
    return await store.tunnel_find_by_name(connection, name)


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
