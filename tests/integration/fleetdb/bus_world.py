"""Fleetdb's side of the bus, run on this process's reactor against a real router; `realms` is a stand-in."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

from services.fleetdb.joining import Surroundings
from services.fleetdb.procedures.declaring import declared
from services.fleetdb.realms import Hands, Realms
from services.fleetdb.rules.backends import place_of
from shared.bus import Bus
from shared.cells import FIRST, Cell
from shared.health import Health
from shared.service import LOOP, forever
from shared.session import BusCredential
from tests.integration.flockctl import reactor_thread
from tests.integration.router_node.node import Node, Platform
from tests.integration.router_node.wire import Peer

Result = TypeVar("Result")
Key = tuple[int, int, str]


async def there(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, run where the service runs."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, LOOP))


def document(project: int, app: int, stage: str = "DEV", **more: Any) -> dict[str, Any]:
    """A ready backend as realms tells of it."""
    key = project * 1_000_000 + app * 10 + (stage == "PROD")
    return {
        "backend_key": key,
        "project_key": project,
        "app_key": app,
        "app_name": f"app{app}",
        "stage": stage,
        "database": "d",
        "schema": "s",
        "login": "l",
        "epoch": 1,
        "template": None,
        "providers": [],
        **more,
    }


class FakeRealms:
    """What realms says of backends."""

    def __init__(self, peer: Peer) -> None:
        """Answer over `peer`, the joined `svc_realms`."""
        self.peer = peer
        self.backends: dict[Key, dict[str, Any]] = {}
        self.is_away = False

    async def open(self) -> None:
        """Register what fleetdb calls."""
        await self.peer.register("ironflock.realms.backend.list", self.list, invoke="roundrobin")
        await self.peer.register("ironflock.realms.backend.find", self.find, invoke="roundrobin")

    def list(self, after: int = 0, limit: int = 500, **_: Any) -> dict[str, Any]:
        """A page."""
        found = sorted(self.backends.values(), key=lambda each: each["backend_key"])
        return {"backends": [each for each in found if each["backend_key"] > after][:limit]}

    def find(self, project_key: int, app_key: int, stage: str, **_: Any) -> dict[str, Any]:
        """One."""
        found = self.backends.get((project_key, app_key, stage))
        return {"backend": found, "state": "ready" if found else "absent"}

    async def put(self, backend: dict[str, Any]) -> None:
        """It is ready, or has changed."""
        key = (backend["project_key"], backend["app_key"], backend["stage"])
        self.backends[key] = backend
        await self.tell(key, "ready")

    async def remove(self, project: int, app: int, stage: str = "DEV") -> None:
        """It is gone, and the router ends its realm."""
        del self.backends[project, app, stage]
        await self.tell((project, app, stage), "absent")
        await self.peer.call("ironflock.router.realm.end", f"realm-{project}-{app}-{stage.lower()}")

    async def tell(self, key: Key, state: str) -> None:
        """Publish that it changed."""
        project, app, stage = key
        found = self.backends.get(key)
        told: dict[str, Any] = {"project_key": project, "app_key": app, "stage": stage, "state": state}
        told |= {"backend_key": found["backend_key"] if found else 0, "epoch": 1}
        await self.peer.publish("ironflock.realms.backend.changed", **told)


class World:
    """A router, its stand-ins, and this process's fleetdb."""

    def __init__(self, stand_ins: Platform, fakes: FakeRealms, realms: Realms, bus: Bus) -> None:
        self.stand_ins = stand_ins
        self.node: Node = stand_ins.node
        self.fakes = fakes
        self.realms = realms
        self.bus = bus
        self.health = bus.health

    def joined(self) -> int:
        """In how many realms it is."""
        found = (self.realms.find(place_of(backend)) for backend in self.realms.backends)
        return sum(bool(realm and realm.session) for realm in found)


@asynccontextmanager
async def fleetdb(
    stand_ins: Platform, surfaces: list[object], hands: Hands, others: Mapping[str, Node] | None = None
) -> AsyncIterator[World]:
    """Fleetdb with these surfaces, joined wherever the stand-in of realms says, until the end of the block.

    `others` are routers beside the one of the stand-ins, by the names of their cells.
    """
    reactor_thread.start()
    node = stand_ins.node
    peer = await node.service("realms", "ironflock.system")
    fakes = FakeRealms(peer)
    await fakes.open()
    marked = tuple(each for surface in surfaces for each in declared(surface))

    async def begin() -> tuple[Bus, Realms, asyncio.Task[None]]:
        credential = BusCredential("svc_fleetdb", "secret of fleetdb", node.authority.ca)
        routers = {FIRST: node, **(others or {})}
        cells = tuple(Cell(name, f"wss://localhost:{each.services}/ws-svc") for name, each in routers.items())
        joins = {cell.name: asyncio.Semaphore(16) for cell in cells}
        bus = Bus(cast(Any, reactor_thread.reactor), credential, cells, Health("realms"))
        realms = Realms(Surroundings(bus, marked, joins, lambda: 0.5), hands, time.monotonic)
        bus.start()
        loop = asyncio.get_running_loop().create_task(forever("realms", realms.keep_true, bus.health, pause_s=0.05))
        return bus, realms, loop

    async def end(bus: Bus, realms: Realms, loop: "asyncio.Task[None]") -> None:
        loop.cancel()
        await realms.stop()
        await bus.stop()

    bus, realms, loop = await there(begin())
    try:
        yield World(stand_ins, fakes, realms, bus)
    finally:
        await there(end(bus, realms, loop))
        await peer.drop()
