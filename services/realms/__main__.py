"""Starts realms."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

import asyncio
import time
from collections.abc import Awaitable, Callable

from services.realms import settings
from services.realms.factors import Factors
from services.realms.procedures import Procedures
from shared.database import Database
from shared.health import Health
from shared.settings import Settings


async def start(environment: Settings) -> Callable[[], Awaitable[None]]:
    """Bring realms up."""
    read = settings.read(environment)
    health = Health("database")
    database = Database(read.database, health)
    bus = service.make_bus(read.bus, health)
    bus.serve(Procedures(database, Factors(bus)), service.assertions_for(bus, "realms", time.time))
    await database.open()
    service.listen_ops(read.common, health)
    probe = asyncio.create_task(service.probe_forever(database, health))
    bus.start()

    async def stop() -> None:
        await bus.stop()
        probe.cancel()
        await database.close()

    return stop


if __name__ == "__main__":
    service.run("realms", start)
