"""What a device may offer: a port that people have declared for it, on a remote port that it was allotted."""

from typing import Final

from services.tunnels.records.messages import NewProxy
from services.tunnels.records.offers import Offer, Refusal, TunnelName
from services.tunnels.rules.names import HTTP, asked_of, subdomain
from services.tunnels.store import ports
from services.tunnels.store import tunnels as store
from shared.database import Database

NOT_DECLARED: Final = "this port is not declared: somebody with UPDATE on the device has to"
NO_PORT: Final = "this remote port is not the device's: it is allotted by re.tunnel.expose_port"
NOT_OWN: Final = "this remote port is another device's"
FOREIGN: Final = frozenset({NOT_OWN, "this name belongs to another device"})
"""Refusals of what is another device's: those are recorded. The second is the edge's own."""
MAX_PROBLEMS: Final = 64
"""Of a device, as it may have tunnels: it can ask for any number of names that nobody declared."""


class DeclaredPorts:
    """Answers the edge's second question, and remembers what it refused."""

    def __init__(self, database: Database, domain: str) -> None:
        """Look in `database`; hosts are of `domain`."""
        self._database = database
        self._domain = domain
        self._problems: dict[int, dict[TunnelName, str]] = {}

    async def allows(self, device_key: int, asked: NewProxy) -> Offer | Refusal:
        """What `asked`, which names this device, is registered as.

        Raises:
            PublicError: Nobody can say now.
        """
        name = asked_of(asked)
        if isinstance(name, Refusal):
            return name
        tunnel = await self._database.run(lambda connection: store.tunnel_find_by_name(connection, name))
        if tunnel is None:
            return Refusal(NOT_DECLARED)
        is_web = name.protocol in HTTP
        refusal = None if is_web else await self._port_problem(device_key, name, asked.remote_port)
        if refusal is not None:
            return Refusal(refusal)
        return Offer(
            device_key=device_key,
            project_key=tunnel.project_key,
            app=name.app,
            port=name.port,
            protocol=name.protocol,
            proxy_name=asked.proxy_name,
            remote_port=None if is_web else asked.remote_port,
            host=f"{subdomain(name)}.{self._domain}" if is_web else None,
        )

    def problem(self, name: TunnelName) -> str | None:
        """Why it was refused last, where it was not offered since."""
        return self._problems.get(name.device_key, {}).get(name)

    def refused(self, name: TunnelName, reason: str) -> None:
        """The device was refused what it asked for; of many that is known of the latest."""
        problems = self._problems.setdefault(name.device_key, {})
        problems.pop(name, None)
        problems[name] = reason
        while len(problems) > MAX_PROBLEMS:
            del problems[next(iter(problems))]

    def settled(self, name: TunnelName) -> None:
        """It is offered, or its device is gone."""
        self._problems.get(name.device_key, {}).pop(name, None)

    def forget(self, device_key: int) -> None:
        """The device is gone."""
        self._problems.pop(device_key, None)

    async def _port_problem(self, device_key: int, name: TunnelName, port: int) -> str | None:
        holder = await self._database.run(lambda connection: ports.port_holder(connection, name.protocol.value, port))
        if holder == device_key:
            return None
        return NO_PORT if holder is None else NOT_OWN
