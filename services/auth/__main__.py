"""Starts auth."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import structlog

from services.auth import first_owner, settings
from services.auth.assembly import People, people_of
from services.auth.delivering import FolderDelivery, SmtpDelivery
from services.auth.endings import Endings
from services.auth.erasure import Erasure
from services.auth.keyring import Keyring
from services.auth.procedures.accounts import AccountProcedures
from services.auth.procedures.api_keys import ApiKeyProcedures
from services.auth.procedures.devices import CredentialProcedures
from services.auth.procedures.factors import FactorProcedures
from services.auth.procedures.people import PeopleProcedures
from services.auth.procedures.tickets import TicketProcedures
from services.auth.resealing import reseal_everything
from services.auth.signing import Signing
from shared.bus import Bus
from shared.database import Database
from shared.errors import OutcomeUnknownError, OverLimitError, UnavailableError
from shared.health import Health
from shared.settings import Settings

RETRY_S: Final = 1.0
RESEALING_PAUSE_S: Final = 3600.0
ERASURE_PAUSE_S: Final = 0.2
ENDING_PAUSE_S: Final = 0.4
MAILING_PAUSE_S: Final = 1.0
SWEEPING_PAUSE_S: Final = 600.0

log = structlog.get_logger()


async def start(environment: Settings) -> Callable[[], Awaitable[None]]:
    """Bring auth up: it answers only once the first owner can sign in."""
    read = settings.read(environment)
    health = Health("database", "first owner")
    database = Database(read.database, health)
    keyring = Keyring(read.masters, database)
    bus = service.make_bus(read.bus, health)
    erasure = Erasure(bus, database)
    people = people_of(
        database,
        keyring,
        origin=read.issuer,
        is_sign_up_open=read.is_sign_up_open,
        now=time.time,
        chance=random.random,
        shut_out=erasure.hurry,
    )
    serve(bus, database, keyring, erasure, people)
    await database.open()
    service.listen_ops(read.common, health)
    probe = asyncio.create_task(service.probe_forever(database, health))
    health.set("first owner", ok=True, reason=await _first_owner(read, database, keyring))
    upkeep = [
        ("erasures", erasure.keep_up, ERASURE_PAUSE_S),
        ("endings", Endings(bus, database).keep_up, ENDING_PAUSE_S),
        *upkeep_of(read, database, keyring, people),
    ]
    repeated = [service.forever(name, once, health, pause_s=pause_s) for name, once, pause_s in upkeep]
    loops = [probe, *(asyncio.create_task(loop) for loop in repeated)]
    bus.start()

    async def stop() -> None:
        await bus.stop()
        for loop in loops:
            loop.cancel()
        people.passwords.close()
        await database.close()

    return stop


def serve(bus: Bus, database: Database, keyring: Keyring, erasure: Erasure, people: People) -> None:
    """Register every procedure."""
    verifier = service.assertions_for(bus, "auth", time.time)
    bus.serve(CredentialProcedures(database, keyring))
    bus.serve(TicketProcedures(database, Signing(database, keyring, time.time), time.time))
    bus.serve(AccountProcedures(database, keyring, erasure, people.step_up), verifier)
    bus.serve(
        PeopleProcedures(database, people.sessions, people.registration, people.administration, people.step_up),
        verifier,
    )
    bus.serve(FactorProcedures(database, people.factors, people.passkeys, people.step_up), verifier)
    bus.serve(ApiKeyProcedures(people.api_keys, people.service_accounts, people.step_up), verifier)


def upkeep_of(
    read: settings.AuthSettings, database: Database, keyring: Keyring, people: People
) -> list[tuple[str, Callable[[], Awaitable[object]], float]]:
    """What is done again and again: its name, the doing, and the seconds between two times."""
    delivery = FolderDelivery(read.mail_folder, time.time) if read.mail is None else SmtpDelivery(read.mail, time.time)
    return [
        ("resealing", lambda: reseal_everything(database, keyring), RESEALING_PAUSE_S),
        ("messages", lambda: people.mailing.deliver_due(delivery), MAILING_PAUSE_S),
        ("sweeping", people.administration.sweep, SWEEPING_PAUSE_S),
    ]


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
