"""All of fleetdb on the bus: a real router, real tables under each backend's own login; auth and realms stand in."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from services.fleetdb.assembly import Base, Parts, Times, assemble_on
from services.fleetdb.keys import Keyring
from services.fleetdb.records.backends import Backend, Stage
from shared.bus import Bus
from shared.cells import FIRST, Cell
from shared.database import Database
from shared.health import Health
from shared.secrets import MasterKeys
from shared.service import forever
from shared.session import BusCredential
from shared.templates import Template
from tests.integration.database import Postgres
from tests.integration.fleetdb.bus_world import FakeRealms, there
from tests.integration.fleetdb.plain import Plain, PlainConnections
from tests.integration.flockctl import reactor_thread
from tests.integration.router_node.node import Platform, eventually
from tests.integration.router_node.wire import CALL, Peer

TIME = {"id": "tsp", "dataType": "timestamp"}
TEMPLATE: dict[str, Any] = {
    "data": {
        "tables": [
            {
                "tablename": "readings",
                "columns": [TIME, {"id": "speed", "dataType": "numeric"}, {"id": "note", "dataType": "string"}],
            },
            {
                "tablename": "machines",
                "columns": [TIME, {"id": "name", "dataType": "string"}, {"id": "state", "dataType": "string"}],
                "maintainLatestFlagFor": ["name"],
            },
            {
                "tablename": "vault",
                "columns": [
                    TIME,
                    {"id": "name", "dataType": "string"},
                    {"id": "pin", "dataType": "string", "secret": True},
                ],
                "maintainLatestFlagFor": ["name"],
            },
            {"tablename": "inside", "columns": [TIME, {"id": "note", "dataType": "string"}], "private": True},
        ],
        "transforms": [
            {
                "tablename": "totals",
                "columns": [TIME, {"id": "total", "dataType": "numeric"}],
                "sql": "SELECT max(tsp) AS tsp, sum(speed) AS total FROM readings",
                "schedule": "* * * * *",
                "materialize": False,
            }
        ],
    }
}


class Whole:
    """A router with its stand-ins, and this process's fleetdb."""

    def __init__(self, stand_ins: Platform, server: Postgres, plain: Plain) -> None:
        self.stand_ins = stand_ins
        self.node = stand_ins.node
        self.server = server
        self.plain = plain
        self.parts: Parts
        self.bus: Bus
        self.fakes: FakeRealms
        self.made: list[Backend] = []

    async def install(self, app: int = 26, **more: Any) -> Backend:
        """The app of this key in project 1, its backend ready and served."""
        told = {"template": TEMPLATE, "app_name": f"app{app}", "providers": [], "stage": "DEV", **more}
        template = None if told["template"] is None else msgspec.convert(told["template"], Template)
        made = self.plain.make(
            template,
            project_key=1,
            app_key=app,
            app_name=told["app_name"],
            stage=Stage(told["stage"]),
            providers=frozenset(told["providers"]),
        )
        self.made.append(made)
        await self.fakes.put({**_document(made), "template": told["template"]})
        await eventually(lambda: any(realm.session for realm in self._of(made)))
        return made

    async def change(self, backend: Backend, **more: Any) -> None:
        """Something of an installed app is another now."""
        told = self.fakes.backends[1, backend.app_key, backend.stage.value]
        await self.fakes.put({**told, **more})

    async def rows(self, backend: Backend, query: str) -> list[tuple[Any, ...]]:
        """What is in the backend's tables."""

        def ask() -> list[tuple[Any, ...]]:
            with self.plain.connect() as connection:
                connection.execute(f'SET search_path = "{backend.schema}"'.encode())
                return connection.execute(query.encode()).fetchall()

        return await asyncio.to_thread(ask)

    def _of(self, backend: Backend) -> list[Any]:
        return [each for each in self.parts.realms.realms if each.backend.backend_key == backend.backend_key]


def _document(backend: Backend) -> dict[str, Any]:
    return {
        "backend_key": backend.backend_key,
        "project_key": backend.project_key,
        "app_key": backend.app_key,
        "app_name": backend.app_name,
        "stage": backend.stage.value,
        "database": backend.database,
        "schema": backend.schema,
        "login": backend.login,
        "epoch": backend.epoch,
        "providers": sorted(backend.providers),
    }


@asynccontextmanager
async def whole(stand_ins: Platform, server: Postgres, plain: Plain) -> AsyncIterator[Whole]:
    """All of fleetdb, until the end of the block."""
    reactor_thread.start()
    world = Whole(stand_ins, server, plain)
    peer = await stand_ins.node.service("realms", "ironflock.system")
    world.fakes = FakeRealms(peer)
    await world.fakes.open()
    database = Database(server.settings("svc_fleetdb"), Health())
    tasks = await there(_begin(world, database))
    try:
        yield world
    finally:
        await there(_end(world, database, tasks))
        await peer.drop()
        for backend in world.made:
            plain.remove(backend)


async def _begin(world: Whole, database: Database) -> list["asyncio.Task[None]"]:
    node = world.node
    cells = (Cell(FIRST, f"wss://localhost:{node.services}/ws-svc"),)
    credential = BusCredential("svc_fleetdb", "secret of fleetdb", node.authority.ca)
    world.bus = Bus(cast(Any, reactor_thread.reactor), credential, cells, Health("realms"))
    await database.open()
    keyring = Keyring(MasterKeys("m", {"m": bytes(range(32))}), database)
    times = Times(lambda: datetime.now(UTC), time.monotonic, lambda: 0.5)  # noqa: TID251 - as __main__
    world.parts = assemble_on(Base(world.bus, database, keyring), PlainConnections(world.plain), times)
    world.bus.start()
    loop = asyncio.get_running_loop()
    return [loop.create_task(forever("realms", world.parts.realms.keep_true, world.bus.health, pause_s=0.05))]


async def _end(world: Whole, database: Database, tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await world.parts.transforms.stop()
    await world.parts.realms.stop()
    await world.bus.stop()
    await world.parts.connections.close()
    await database.close()


async def called(
    peer: Peer, uri: str, *args: Any, into: list[list[Any]] | None = None, **kwargs: Any
) -> tuple[list[list[Any]], Any]:
    """The progressive results of a call that asks for them, kept in `into` as they come, and the last one."""
    chunks = [] if into is None else into
    request = next(peer._requests)
    future = peer._pending[CALL, request] = asyncio.get_running_loop().create_future()
    settle = peer._settle

    def take(key: tuple[int, int], answer: Any) -> None:
        if key == (CALL, request) and isinstance(answer, list) and answer[2].get("progress"):
            chunks.append(answer[3])
        else:
            settle(key, answer)

    peer._settle = take  # type: ignore[assignment]
    peer.send(CALL, request, {"receive_progress": True}, uri, list(args), kwargs)
    try:
        answer = await asyncio.wait_for(future, 60)
    finally:
        peer._settle = settle
    return chunks, answer[3][0]
