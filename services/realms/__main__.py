"""Starts realms."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from services.realms import settings
from services.realms.assembly import Parts, assemble
from services.realms.procedures.access import AccessProcedures
from services.realms.procedures.apps import AppProcedures
from services.realms.procedures.backends import BackendProcedures
from services.realms.procedures.boards import BoardProcedures
from services.realms.procedures.installs import InstallProcedures
from services.realms.procedures.moves import MoveProcedures
from services.realms.procedures.placement import PlacementProcedures
from services.realms.procedures.projects import ProjectProcedures
from services.realms.procedures.releases import ReleaseProcedures
from services.realms.procedures.services import ServiceProcedures
from shared.database import Database
from shared.health import Health
from shared.rights.decision_point import Rights
from shared.settings import Settings

TELLING_PAUSE_S: Final = 2.0
ANNOUNCING_PAUSE_S: Final = 0.5
"""That a backend is ready is written by another process, and apps wait for it."""
LOOKING_PAUSE_S: Final = 1.0
CUTTING_PAUSE_S: Final = 0.05
REPAIR_PAUSE_S: Final = 60.0


async def start(environment: Settings) -> Callable[[], Awaitable[None]]:
    """Bring realms up."""
    read = settings.read(environment)
    health = Health("database")
    database = Database(read.database, health)
    bus = service.make_bus(read.bus, health)
    parts = assemble(bus, database, Rights(bus, health, now=time.time, clock=time.monotonic))
    for surface in _surfaces(parts):
        bus.serve(surface, service.assertions_for(bus, "realms", time.time))
    bus.serve(ServiceProcedures(parts))
    await database.open()
    service.listen_ops(read.common, health)
    loops = [
        asyncio.create_task(service.probe_forever(database, health)),
        asyncio.create_task(service.forever("telling", parts.telling.keep_up, health, pause_s=TELLING_PAUSE_S)),
        asyncio.create_task(service.forever("backends", parts.backends.keep_up, health, pause_s=REPAIR_PAUSE_S)),
        asyncio.create_task(service.forever("provisioner", parts.backends.check, health, pause_s=LOOKING_PAUSE_S)),
        asyncio.create_task(service.forever("moves", parts.moving.end_moved, health, pause_s=LOOKING_PAUSE_S)),
        asyncio.create_task(service.forever("draining", parts.moving.drain, health, pause_s=LOOKING_PAUSE_S)),
        asyncio.create_task(service.forever("legacy", parts.legacy.end_due, health, pause_s=LOOKING_PAUSE_S)),
        asyncio.create_task(service.forever("boards", parts.board_sessions.keep_up, health, pause_s=CUTTING_PAUSE_S)),
        asyncio.create_task(
            service.forever("announcing", parts.announcing.keep_up, health, pause_s=ANNOUNCING_PAUSE_S)
        ),
    ]
    bus.start()

    async def stop() -> None:
        await bus.stop()
        for loop in loops:
            loop.cancel()
        await database.close()

    return stop


def _surfaces(parts: Parts) -> tuple[object, ...]:
    return (
        ProjectProcedures(parts),
        AppProcedures(parts),
        ReleaseProcedures(parts),
        InstallProcedures(parts),
        AccessProcedures(parts),
        BackendProcedures(parts),
        BoardProcedures(parts),
        PlacementProcedures(parts),
        MoveProcedures(parts),
    )


if __name__ == "__main__":
    service.run("realms", start)
