"""What devices tells of the ports of apps."""

from typing import Final

from services.tunnels.assembly import Parts
from services.tunnels.drafts import tunnel_draft
from services.tunnels.procedures.tunnels import MAX_OF_A_DEVICE
from services.tunnels.records.offers import TunnelName
from services.tunnels.records.tunnels import SettledPorts, SettlePorts, Tunnel
from services.tunnels.records.visits import Cause
from services.tunnels.rules.tunnels import app_of, names_of
from services.tunnels.store import tunnels as store
from shared import audit
from shared.database import Connection
from shared.errors import InvalidArgumentError, NotAuthorizedError
from shared.identities import Caller, Person, ServiceIdentity
from shared.procedures import for_services

DEVICES: Final = "devices"


class DeviceProcedures:
    """Tunnels' procedures for devices."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._visiting = parts.visiting
        self._open_ports = parts.open_ports

    @for_services("ironflock.tunnels.tunnel.settle", SettlePorts)
    async def tunnel_settle(self, service: ServiceIdentity, request: SettlePorts) -> SettledPorts:
        """Each port that somebody with `UPDATE` has set for an app is a tunnel, private; those of before are none.

        What was told before something newer changes nothing. What people declare stays, also once it is a port; a
        tunnel of a port that is none any more goes, also where somebody had published it, and who is there is cut.
        """
        if service.name != DEVICES:
            raise NotAuthorizedError("this procedure is for devices")
        ports = [port.port for port in request.ports]
        try:
            app = app_of(request.app)
        except InvalidArgumentError:
            return SettledPorts(ports)
        names, unfit = names_of(request.device_key, app, request.ports)
        by: Caller = service if request.account_key is None else Person(request.account_key, 0)
        async with self._database.transaction() as connection:
            known = await store.tunnel_list_of(connection, request.device_key)  # locked
            if not await store.told_put(connection, request.device_key, app, request.revision):
                return SettledPorts([])
            gone = await _withdraw(
                connection, by, await store.tunnel_list_of_ports(connection, request.device_key, app), names
            )
            room = MAX_OF_A_DEVICE - len(known) + len(gone)
            full = await _declare(connection, by, request, names, room)
        keys = {tunnel.tunnel_key for tunnel in gone}
        if keys:
            self._visiting.cut(lambda visit: visit.tunnel_key in keys, Cause.WITHDRAWN)
            self._open_ports.look()
        return SettledPorts(sorted({*unfit, *full}))


async def _withdraw(connection: Connection, by: Caller, known: list[Tunnel], names: list[TunnelName]) -> list[Tunnel]:
    gone = [tunnel for tunnel in known if tunnel.name not in names]
    for tunnel in gone:
        await store.tunnel_delete(connection, tunnel.tunnel_key)
        await audit.record(connection, tunnel_draft(by, audit.Action.TUNNEL_WITHDRAWN, tunnel))
    return gone


async def _declare(
    connection: Connection, by: Caller, request: SettlePorts, names: list[TunnelName], room: int
) -> list[int]:
    """Declare those that there are not, as far as there is room; the ports that get none."""
    left_out = []
    for name in names:
        if await store.tunnel_find_by_name(connection, name) is not None:
            continue
        if room <= 0 or request.account_key is None:
            left_out.append(name.port)
            continue
        made = await store.tunnel_insert(
            connection, name, request.project_key, declared_by=request.account_key, is_of_ports=True
        )
        if made is not None:
            room -= 1
            await audit.record(connection, tunnel_draft(by, audit.Action.TUNNEL_DECLARED, made))
    return left_out
