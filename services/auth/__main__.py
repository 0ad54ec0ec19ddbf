"""Starts auth."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import structlog

from services.auth import first_owner, settings
from services.auth.erasure import Erasure
from services.auth.keyring import Keyring
from services.auth.procedures.accounts import AccountProcedures
from services.auth.procedures.devices import CredentialProcedures
from services.auth.procedures.tickets import TicketProcedures
from services.auth.resealing import reseal_everything
from services.auth.signing import Signing
from shared.database import Database
from shared.errors import OutcomeUnknownError, OverLimitError, UnavailableError
from shared.health import Health
from shared.settings import Settings

RETRY_S: Final = 1.0
RESEALING_PAUSE_S: Final = 3600.0
ERASURE_PAUSE_S: Final = 0.2

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
    verifier = service.assertions_for(bus, "auth", time.time)
    bus.serve(CredentialProcedures(database, keyring))
    bus.serve(TicketProcedures(database, signing, time.time))
    bus.serve(AccountProcedures(database, keyring, erasure), verifier)
    await database.open()
    service.listen_ops(read.common, health)
    probe = asyncio.create_task(service.probe_forever(database, health))
    health.set("first owner", ok=True, reason=await _first_owner(read, database, keyring))
    resealing = service.forever(
        "resealing", lambda: reseal_everything(database, keyring), health, pause_s=RESEALING_PAUSE_S
    )
    erasing = service.forever("erasures", erasure.keep_up, health, pause_s=ERASURE_PAUSE_S)
    loops = [probe, asyncio.create_task(resealing), asyncio.create_task(erasing)]
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
        except (UnavailableError, OverLimitError, OutcomeUnknownError) as error:
            log.warning("first_owner_waiting", reason=error.message)
            await asyncio.sleep(RETRY_S)


if __name__ == "__main__":
    service.run("auth", start)
