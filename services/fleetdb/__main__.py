"""Starts fleetdb."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final

from services.fleetdb import settings
from services.fleetdb.assembly import Parts, Times, assemble
from services.fleetdb.erasing import Erasing
from services.fleetdb.connections import ForReading
from services.fleetdb.exporting import Exporting, Sources
from services.fleetdb.procedures.erasures import ErasureProcedures
from services.fleetdb.procedures.exports import ExportProcedures
from services.fleetdb.sql_assembly import Surroundings, sql_front
from shared.database import Database
from shared.health import Health
from shared.rights.decision_point import Rights
from shared.settings import Settings

KEEPING_PAUSE_S: Final = 5.0
LOOK_PAUSE_S: Final = 2.0
RETENTION_PAUSE_S: Final = 60.0
FOLLOWERS_PAUSE_S: Final = 10.0


async def start(environment: Settings) -> Callable[[], Awaitable[None]]:
    """Bring fleetdb up."""
    read = settings.read(environment)
    health = Health("database", "realms")
    database = Database(read.database, health)
    bus = service.make_bus(read.bus, health)
    parts = assemble(bus, database, read, Times(lambda: datetime.now(UTC), time.monotonic, random.random))
    rights = Rights(bus, health, now=time.time, clock=time.monotonic)
    around = Surroundings(bus, database, rights, parts.realms, lambda: datetime.now(UTC))
    front = sql_front(around, read)
    sources = Sources(bus, database, rights, lambda: parts.realms.realms, ForReading(parts.connections))
    bus.serve(ExportProcedures(Exporting(sources)), service.assertions_for(bus, "fleetdb", time.time))
    erasing = Erasing(
        bus, lambda: parts.realms.realms, parts.connections, parts.transforms, alone_with=parts.tending.alone_with
    )
    bus.serve(ErasureProcedures(erasing))
    await database.open()
    await front.listen(read.sql_bind, read.sql_port, read.proxies)
    service.listen_ops(read.common, health)
    loops = [asyncio.create_task(loop) for loop in (service.probe_forever(database, health), *_loops(parts, health))]
    bus.start()

    async def stop() -> None:
        await front.stop()
        for loop in loops:
            loop.cancel()
        await parts.transforms.stop()
        await parts.realms.stop()
        await bus.stop()
        await parts.connections.close()
        await database.close()

    return stop


def _loops(parts: Parts, health: Health) -> tuple[Coroutine[Any, Any, None], ...]:
    """What goes on by itself."""

    async def transforms() -> None:
        parts.transforms.look(lambda: parts.realms.backends, datetime.now(UTC))

    async def moves() -> None:
        if parts.moving is not None:
            await parts.moving.keep_up()

    return (
        service.forever("realms", parts.realms.keep_true, health, pause_s=0.0),
        service.forever("transforms", transforms, health, pause_s=LOOK_PAUSE_S),
        service.forever("retention", parts.tending.tend, health, pause_s=RETENTION_PAUSE_S),
        service.forever("moves", moves, health, pause_s=LOOK_PAUSE_S),
        service.forever("followers", parts.followers.write_down, health, pause_s=FOLLOWERS_PAUSE_S),
        service.forever("connections", parts.connections.keep_up, health, pause_s=KEEPING_PAUSE_S),
    )


if __name__ == "__main__":
    service.run("fleetdb", start)
