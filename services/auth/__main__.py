"""Starts auth."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import structlog
from twisted.internet.interfaces import IListeningPort

from services.auth import first_owner, settings
from services.auth.apps import Apps
from services.auth.assembly import people_of
from services.auth.cutting import Cuts
from services.auth.delivering import FolderDelivery, SmtpDelivery
from services.auth.endings import Endings
from services.auth.erasure import Erasure
from services.auth.keyring import Keyring
from services.auth.pages.desk import Desk
from services.auth.pages.programs import Spawn
from services.auth.pages.whole import front_of, site_of
from services.auth.procedures.alerts import AlertProcedures
from services.auth.procedures.accounts import AccountProcedures
from services.auth.procedures.api_keys import ApiKeyProcedures
from services.auth.procedures.app_credentials import AppCredentialProcedures
from services.auth.procedures.board_tickets import BoardTicketProcedures
from services.auth.procedures.clients import ClientProcedures
from services.auth.procedures.devices import CredentialProcedures
from services.auth.procedures.factors import FactorProcedures
from services.auth.procedures.people import PeopleProcedures
from services.auth.procedures.registry_tokens import RegistryTokenProcedures
from services.auth.procedures.rights import RightsProcedures
from services.auth.procedures.tickets import TicketProcedures
from services.auth.provider.whole import provider_of
from services.auth.resealing import reseal_everything
from services.auth.signing import Signing
from services.auth.upstream.whole import upstream_of
from shared.bus import Bus
from shared.database import Database
from shared.errors import OutcomeUnknownError, OverLimitError, UnavailableError
from shared.health import Health
from shared.https import listen_https
from shared.project_cells import ProjectCells
from shared.rights.decision_point import Rights
from shared.settings import Settings

RETRY_S: Final = 1.0
RESEALING_PAUSE_S: Final = 3600.0
ERASURE_PAUSE_S: Final = 0.2
ENDING_PAUSE_S: Final = 0.4
CUTTING_PAUSE_S: Final = 0.1
MAILING_PAUSE_S: Final = 1.0
SWEEPING_PAUSE_S: Final = 600.0
UPSTREAM_PAUSE_S: Final = 10.0
IDLE_TIMEOUT_S: Final = 30

log = structlog.get_logger()


async def start(environment: Settings) -> Callable[[], Awaitable[None]]:
    """Bring auth up: it answers only once the first owner can sign in."""
    read = settings.read(environment)
    health = Health("database", "first owner", "https")
    database = Database(read.database, health)
    keyring = Keyring(read.masters, database, read.person_keys)
    bus = service.make_bus(read.bus, health)
    rights = Rights(bus, health, now=time.time, clock=time.monotonic)
    erasure, cuts = Erasure(bus, database), Cuts(bus, database, rights, time.monotonic)
    desk = desk_of(read, database, keyring, erasure, rights)
    endings = Endings(bus, database, time.monotonic)
    serve(bus, database, keyring, desk, erasure=erasure, endings=endings)
    await database.open()
    service.listen_ops(read.common, health)
    probe = asyncio.create_task(service.probe_forever(database, health))
    health.set("first owner", ok=True, reason=await _first_owner(read, database, keyring))
    upkeep = [
        ("erasures", erasure.keep_up, ERASURE_PAUSE_S),
        ("locks", cuts.keep_up, CUTTING_PAUSE_S),
        ("endings", endings.keep_up, ENDING_PAUSE_S),
        *upkeep_of(read, database, keyring, desk),
    ]
    repeated = [service.forever(name, once, health, pause_s=pause_s) for name, once, pause_s in upkeep]
    loops = [probe, *(asyncio.create_task(loop) for loop in repeated)]
    bus.start()
    port = listen(read, desk, bus.task)
    health.set("https", ok=True)

    async def stop() -> None:
        port.stopListening()
        await bus.stop()
        for loop in loops:
            loop.cancel()
        desk.people.passwords.close()
        await database.close()

    return stop


def listen(read: settings.AuthSettings, desk: Desk, spawn: Spawn) -> IListeningPort:
    """Open the site; `spawn` runs what answers one request."""
    front = front_of(desk, origin=read.issuer, is_sign_up_open=read.is_sign_up_open)
    root = site_of(front, desk.provider, desk.upstream, spawn, origin=read.issuer)
    tls = service.server_tls(read.common)
    return listen_https(tls, read.port, read.bind, root, idle_timeout_s=IDLE_TIMEOUT_S, proxies=read.proxies)


def desk_of(
    read: settings.AuthSettings, database: Database, keyring: Keyring, erasure: Erasure, rights: Rights
) -> Desk:
    """What procedures and pages are made of."""
    people = people_of(
        database,
        keyring,
        rights,
        origin=read.issuer,
        is_sign_up_open=read.is_sign_up_open,
        now=time.time,
        chance=random.random,
        shut_out=erasure.hurry,
    )
    provider = provider_of(
        database,
        keyring,
        people.throttle,
        rights,
        issuer=read.issuer,
        audience=read.audience,
        now=time.time,
        chance=random.random,
        clients_ca=read.clients_ca,
        tunnels=read.tunnels,
    )
    return Desk(
        database=database,
        people=people,
        own=PeopleProcedures(database, people.sessions, people.registration, people.administration, people.step_up),
        accounts=AccountProcedures(database, keyring, erasure, people.step_up),
        provider=provider,
        upstream=upstream_of(
            database, keyring, people, read.upstream, origin=read.issuer, now=time.time, chance=random.random
        ),
        now=time.time,
    )


def serve(bus: Bus, database: Database, keyring: Keyring, desk: Desk, *, erasure: Erasure, endings: Endings) -> None:
    """Register every procedure."""
    verifier, people, provider = service.assertions_for(bus, "auth", time.time), desk.people, desk.provider
    signing = Signing(database, keyring, time.time)
    cells = ProjectCells(bus)
    bus.serve(CredentialProcedures(database, keyring, people.locks, cells))
    apps = Apps(bus, cells)
    bus.serve(AppCredentialProcedures(database, keyring, people.locks, apps))
    bus.serve(BoardTicketProcedures(database, people.locks, apps, endings))
    bus.serve(TicketProcedures(database, signing, provider.access_tokens, people.locks, time.time))
    bus.serve(RightsProcedures(database, people.step_up))
    bus.serve(AlertProcedures(database, people.mailing))
    bus.serve(RegistryTokenProcedures(database, people.locks, provider.keys, time.time, issuer=provider.issuer))
    for procedures in (
        desk.accounts,
        desk.own,
        ApiKeyProcedures(people.api_keys, people.service_accounts, people.step_up, erasure),
        FactorProcedures(database, people.factors, people.passkeys, people.step_up),
        ClientProcedures(provider.clients, provider.consents, people.step_up),
    ):
        bus.serve(procedures, verifier)


def upkeep_of(
    read: settings.AuthSettings, database: Database, keyring: Keyring, desk: Desk
) -> list[tuple[str, Callable[[], Awaitable[object]], float]]:
    """What is done again and again: its name, the doing, and the seconds between two times."""
    delivery = FolderDelivery(read.mail_folder, time.time) if read.mail is None else SmtpDelivery(read.mail, time.time)
    people, provider = desk.people, desk.provider
    return [
        ("resealing", lambda: reseal_everything(database, keyring), RESEALING_PAUSE_S),
        ("messages", lambda: people.mailing.deliver_due(delivery), MAILING_PAUSE_S),
        ("sweeping", people.administration.sweep, SWEEPING_PAUSE_S),
        ("own client", provider.clients.ensure_own, SWEEPING_PAUSE_S),
        ("signing keys", provider.keys.rotate, SWEEPING_PAUSE_S),
        ("token families", provider.families.keep_up, ENDING_PAUSE_S),
        ("ended grants", provider.families.sweep, SWEEPING_PAUSE_S),
        ("logouts", provider.endings.tell_due, MAILING_PAUSE_S),
        ("other providers", desk.upstream.checks.keep_up, UPSTREAM_PAUSE_S),
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
