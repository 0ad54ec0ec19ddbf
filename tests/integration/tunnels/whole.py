"""The rooms with edge and visitors' listener, on the reactor's thread; auth, devices and realms are stand-ins."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from attrs import define
from twisted.internet.interfaces import IListeningPort
from websockets.sync.client import ClientConnection, connect

from services.tunnels.assembly import Listening, Ways, ways_of
from services.tunnels.plugin_front import PluginResource, listen_plugin
from services.tunnels.records.messages import NewProxy
from services.tunnels.records.plugin import Fleet
from services.tunnels.records.tunnels import ExposePort, PortRange, PublicTunnel
from services.tunnels.web_sign_in import Provider
from services.tunnels.web_visitors import listen_visitors
from shared.database import Database
from shared.health import Health
from shared.service import forever
from shared.tls import server_options
from tests.harness.frp_client import FrpClient, Work, echo
from tests.harness.ports import free_port_base
from tests.harness.tunnel_edge import run
from tests.integration.database import Postgres
from tests.integration.flockctl import reactor_thread
from tests.integration.flockctl.certificates import Certificates
from tests.integration.tunnels.rooms import PRESS, Rooms, agent

Result = TypeVar("Result")
LOCAL = "127.0.0.1"


@define
class Whole:
    """Everything together."""

    rooms: Rooms
    ways: Ways
    certificates: Certificates
    edge_port: int
    visitors_port: int
    plugin_port: int = 0

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of `work`, run where the service runs."""
        return run(work)

    def declare(self, *which: Any, **more: Any) -> PublicTunnel:
        """A tunnel."""
        return self.do(self.rooms.declare(*which, **more))

    def device(self, key: int = PRESS, work: Work = echo, pool: int = 4) -> FrpClient:
        """A device's frpc, logged in."""

        async def begin() -> FrpClient:
            client = FrpClient(reactor_thread.reactor, work)
            await client.connect(self.edge_port)
            answer = await client.log_in(f"proof-{key}", pool)
            assert not answer.error, answer.error
            return client

        return self.do(begin())

    def offer(self, client: FrpClient, name: str, port: int = 0) -> str:
        """What the edge says to the offer: empty where it is taken."""
        return self.do(client.offer(NewProxy(name, "tcp", remote_port=port))).error

    def ssh(self, key: int = PRESS) -> tuple[PublicTunnel, FrpClient]:
        """A tunnel of the device's that is offered."""
        tunnel = self.declare(key, "ssh", 22, "tcp")
        port = self.do(self.rooms.agents.expose_port(agent(key), ExposePort())).remote_port
        client = self.device(key)
        assert not self.offer(client, f"{key}-ssh-22-tcp", port)
        return tunnel, client

    def come(self, shown: str, path: str = "/visit/press-1/ssh/22", **more: Any) -> ClientConnection:
        """A visitor with a WebSocket."""
        tls = ssl.create_default_context(cafile=str(self.certificates.ca))
        return connect(
            f"wss://localhost:{self.visitors_port}{path}",
            ssl=tls,
            additional_headers={"Authorization": f"Bearer {shown}"},
            open_timeout=10,
            close_timeout=2,
            max_size=None,
            compression=None,
            **more,
        )


@cache
def own_ports() -> PortRange:
    """Some that nobody else opens while this process lives."""
    first = free_port_base()
    return PortRange(first, first + 9)


@contextmanager
def whole(
    postgres: Postgres, certificates: Certificates, fleet: Fleet | None = None, allotted: PortRange | None = None
) -> Iterator[Whole]:
    """All of it, listening, until the end of the block; with a `fleet`, where its nodes ask, too.

    `allotted` are the ports that devices may be allotted: those of this process, if none are said.
    """
    reactor_thread.start()
    reactor: Any = reactor_thread.reactor

    async def begin() -> tuple[Whole, Database, list["asyncio.Task[None]"], list[IListeningPort]]:
        database = Database(postgres.settings("svc_tunnels"), Health())
        await database.open()
        rooms = Rooms(database, postgres, at_the_edge=True, ports=allotted or own_ports())
        provider = Provider("https://accounts.example", str(certificates.ca))
        listening = Listening(reactor, LOCAL, provider, is_bound_to_address=True, ca=certificates.ca, fleet=fleet)
        ways = ways_of(rooms.base, rooms.parts, rooms.news, rooms.declared, listening)
        ports = _listen(rooms, ways, certificates, fleet)
        works: dict[str, Callable[[], Awaitable[object]]] = {
            "visits": rooms.visiting.keep_true,
            "raw": ways.raw_ports.keep_true,
        }
        works["recordings"] = rooms.parts.recordings.write_down_all
        loops = [
            asyncio.get_running_loop().create_task(forever(name, work, Health(), pause_s=0.05))
            for name, work in works.items()
        ]
        numbers = [int(port.getHost().port) for port in ports]  # type: ignore[attr-defined]
        return Whole(rooms, ways, certificates, *numbers), database, loops, ports

    async def end(database: Database, made: Whole, loops: list["asyncio.Task[None]"], ports: list[Any]) -> None:
        for loop in loops:
            loop.cancel()
        for port in ports:
            await port.stopListening().asFuture(asyncio.get_running_loop())
        made.ways.raw_ports.stop()
        made.rooms.visiting.stop()
        made.ways.close()
        while made.rooms.others.tasks:
            await asyncio.wait(made.rooms.others.tasks, timeout=5)
        await database.close()

    made, database, loops, ports = run(begin())
    try:
        yield made
    finally:
        run(end(database, made, loops, ports))


def _listen(rooms: Rooms, ways: Ways, certificates: Certificates, fleet: Fleet | None) -> list[IListeningPort]:
    tls = server_options(certificates.certificate, certificates.key)
    ports = [ways.edge.listen(tls, 0, LOCAL), listen_visitors(tls, 0, LOCAL, ways.inside, ways.web)]
    if fleet is not None and ways.nodes is not None:
        front = PluginResource(rooms.base.bus, ways.nodes, fleet)
        ports.append(listen_plugin(tls, 0, LOCAL, front, reactor_thread.reactor))
    return ports
