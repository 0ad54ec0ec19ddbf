"""What the published agent calls, with its exact shape (wire-agent.md section 4, call 10)."""

import asyncio

from services.tunnels.assembly import Parts
from services.tunnels.drafts import port_draft
from services.tunnels.records.tunnels import ExposedPort, ExposePort
from services.tunnels.rules.ports import allot
from services.tunnels.store import ports as store
from shared import audit
from shared.errors import AlreadyExistsError
from shared.identities import DeviceIdentity
from shared.procedures import for_devices
from shared.quiet import Quiet


class AgentProcedures:
    """Tunnels' procedures for agents: they rest on the identity of the session alone."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._offering = parts.offering
        self._ports = parts.ports
        self._now = parts.times.now
        self._quiet = Quiet()

    @for_devices("re.tunnel.expose_port", ExposePort)
    async def expose_port(self, device: DeviceIdentity, request: ExposePort) -> ExposedPort:
        """A port for the device, the same one each time that it asks for the same.

        Raises:
            AlreadyExistsError: It is another device's, which is recorded.
            InvalidArgumentError, OverLimitError: There is no such port, or none left.
        """
        try:
            return ExposedPort(await self._allotted(device, request))
        except AlreadyExistsError:
            count = self._quiet.take(device.device_key, asyncio.get_running_loop().time())
            if count is not None:
                await self._keep_refusal(device, request, count)
            raise

    async def _allotted(self, device: DeviceIdentity, request: ExposePort) -> int:
        protocol, key = request.protocol, device.device_key
        offered = self._offering.ports(protocol)
        async with self._database.transaction() as connection:
            await store.port_lock_in_txn(connection)
            held = await store.port_list(connection, protocol, offered)
            port = allot(request.port, key, self._ports, held, now=self._now().timestamp())
            await store.port_upsert(connection, protocol, port, key)
            if (port, key) not in {(each.port, each.device_key) for each in held}:
                what = {"protocol": protocol, "remote_port": port}
                draft = port_draft(device, audit.Action.TUNNEL_PORT_ALLOTTED, audit.Outcome.DONE, **what)
                await audit.record(connection, draft)
        return port

    async def _keep_refusal(self, device: DeviceIdentity, request: ExposePort, count: int) -> None:
        what = {"protocol": request.protocol, "remote_port": request.port, "count": count}
        draft = port_draft(device, audit.Action.TUNNEL_IMPERSONATED, audit.Outcome.REFUSED, **what)
        async with self._database.transaction() as connection:
            await audit.record(connection, draft)
