"""Starts devices."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from services.devices import settings
from services.devices.duplicates import Duplicates
from services.devices.feed import Feed
from services.devices.lifecycle import Lifecycle
from services.devices.owners import Owners
from services.devices.presence import Presence
from services.devices.procedures.agents import AgentProcedures
from services.devices.procedures.people import PeopleProcedures
from services.devices.projects import Credentials, Projects
from shared.database import Database
from shared.health import Health
from shared.settings import Settings


PRESENCE_PAUSE_S: Final = 1.0
OWNERS_PAUSE_S: Final = 2.0
REPAIR_PAUSE_S: Final = 3.0


async def start(environment: Settings) -> Callable[[], Awaitable[None]]:
    """Bring devices up."""
    read = settings.read(environment)
    health = Health("database")
    database = Database(read.database, health)
    bus = service.make_bus(read.bus, health)
    feed = Feed(bus)
    presence = Presence(bus, database, feed)
    Duplicates(bus, database)
    owners = Owners(bus, database)
    credentials = Credentials(bus)
    lifecycle = Lifecycle(database, credentials, presence, feed)
    people = PeopleProcedures(database, Projects(bus), lifecycle, feed, read.flock)
    bus.serve(people, service.assertions_for(bus, "devices", time.time))
    bus.serve(AgentProcedures(database, credentials, presence, feed, base_url=read.flock.update_url))
    await database.open()
    service.listen_ops(read.common, health)
    loops = [
        asyncio.create_task(coroutine)
        for coroutine in (
            service.probe_forever(database, health),
            service.forever("presence", presence.keep_true, health, pause_s=PRESENCE_PAUSE_S),
            service.forever("owners", owners.keep_true, health, pause_s=OWNERS_PAUSE_S),
            service.forever("repair", lifecycle.repair, health, pause_s=REPAIR_PAUSE_S),
        )
    ]
    bus.start()

    async def stop() -> None:
        for loop in loops:
            loop.cancel()
        await bus.stop()
        await database.close()

    return stop


if __name__ == "__main__":
    service.run("devices", start)
