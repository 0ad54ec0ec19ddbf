"""Starts realms."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from services.realms import settings
from services.realms.factors import Factors
from services.realms.procedures import Procedures
from services.realms.telling import Telling
from shared.database import Database
from shared.health import Health
from shared.rights.decision_point import Rights
from shared.settings import Settings

TELLING_PAUSE_S: Final = 2.0


async def start(environment: Settings) -> Callable[[], Awaitable[None]]:
    """Bring realms up."""
    read = settings.read(environment)
    health = Health("database")
    database = Database(read.database, health)
    bus = service.make_bus(read.bus, health)
    rights = Rights(bus, health, now=time.time, clock=time.monotonic)
    telling = Telling(bus, database)
    bus.serve(Procedures(database, Factors(bus), rights, telling), service.assertions_for(bus, "realms", time.time))
    await database.open()
    service.listen_ops(read.common, health)
    loops = [
        asyncio.create_task(service.probe_forever(database, health)),
        asyncio.create_task(service.forever("telling", telling.keep_up, health, pause_s=TELLING_PAUSE_S)),
    ]
    bus.start()

    async def stop() -> None:
        await bus.stop()
        for loop in loops:
            loop.cancel()
        await database.close()

    return stop


if __name__ == "__main__":
    service.run("realms", start)
