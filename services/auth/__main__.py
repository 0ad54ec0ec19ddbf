"""Starts auth."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

from services.auth import first_owner, settings
from services.auth.erasure import Erasure
from services.auth.keyring import Keyring
from services.auth.procedures import Procedures
from services.auth.resealing import reseal_everything
from services.auth.signing import Signing
from shared.database import Database
from shared.errors import UnavailableError
from shared.health import Health
from shared.settings import Settings

RETRY_S = 1.0

log = structlog.get_logger()


async def start(environment: Settings) -> Callable[[], Awaitable[None]]:
    """Bring auth up: it answers only once the first owner can sign in."""
    read = settings.read(environment)
    health = Health("database", "first owner")
    database = Database(read.database, health)
    keyring = Keyring(read.masters, database)
    bus = service.make_bus(read.bus, health)
    signing = Signing(database, keyring, time.time)
    erasure = Erasure(bus, database)
    bus.serve(
        Procedures(database, keyring, signing, erasure, time.time), service.assertions_for(bus, "auth", time.time)
    )
    await database.open()
    service.listen_ops(read.common, health)
    probe = asyncio.create_task(service.probe_forever(database))
    health.set("first owner", ok=True, reason=await _first_owner(read, database, keyring))
    loops = [probe, asyncio.create_task(reseal_everything(database, keyring)), asyncio.create_task(erasure.run())]
    bus.start()

    async def stop() -> None:
        await bus.stop()
        for loop in loops:
            loop.cancel()
        await database.close()

    return stop


async def _first_owner(read: settings.AuthSettings, database: Database, keyring: Keyring) -> str:
    while True:
        try:
            return await first_owner.ensure(
                database, keyring, read.first_owner, read.first_owner_key, now=datetime.now(UTC)
            )
        except UnavailableError:
            log.warning("first_owner_waiting", reason="the database is away")
            await asyncio.sleep(RETRY_S)


if __name__ == "__main__":
    service.run("auth", start)
