"""Starts audit."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from services.audit import settings
from services.audit.backoff import Backoff
from services.audit.bell import Bell
from services.audit.forwarders import Forwarding
from services.audit.head_file import HeadFile
from services.audit.inspecting import STEP_S, Inspector
from services.audit.integrator import Integrator
from services.audit.ledger import Keeping, LedgerFile
from services.audit.procedures.entries import EntryProcedures
from services.audit.procedures.heads import HeadProcedures
from services.audit.procedures.retention import RetentionProcedures
from services.audit.projects import PersonalValues, Projects
from services.audit.reading import Reading
from services.audit.redacting import INTERVAL_S, redact_due
from services.audit.settings import AuditSettings, Forwarder
from services.audit.signing import Notary
from services.audit.syslog import SyslogSender
from services.audit.tiles import Site, Tiles
from services.audit.webhook import WebhookSender
from services.audit.witnesses import Witnessing
from shared.bus import Bus
from shared.database import Database
from shared.health import Health
from shared.https import listen_https
from shared.rights.decision_point import Rights
from shared.settings import Settings
from shared.tlog.hashing import SALT_LENGTH

IDLE_TIMEOUT_S: Final = 30


def salts(count: int) -> list[bytes]:
    """As many salts."""
    return [secrets.token_bytes(SALT_LENGTH) for _ in range(count)]


async def start(environment: Settings) -> Callable[[], Awaitable[None]]:
    """Bring audit up."""
    read = settings.read(environment)
    health = Health("database", "log")
    database = Database(read.database, health)
    bus = service.make_bus(read.bus, health)
    notary, bell = Notary(read.origin, read.keys), Bell()
    write_public_keys(read)
    serve(bus, database, notary, bell, Rights(bus, health, now=time.time, clock=time.monotonic))
    await database.open()
    service.listen_ops(read.common, health)
    site = Site(Tiles(database))
    tls = service.server_tls(read.common)
    port = listen_https(tls, read.port, read.bind, site, idle_timeout_s=IDLE_TIMEOUT_S, proxies=read.proxies)
    heads = HeadFile(read.head_file, notary.verifiers)
    integrator = Integrator(database, notary, heads, bell, health, batch=read.batch)
    running = [
        service.probe_forever(database, health),
        integrator.run(salts),
        service.forever("retention", lambda: redact_due(database), health, pause_s=INTERVAL_S),
        service.forever("ledger", Keeping(database, LedgerFile(read.ledger_file), bell).step, health, pause_s=0.0),
        service.forever("inspection", Inspector(database, health).step, health, pause_s=STEP_S),
    ]
    loops = [asyncio.create_task(each) for each in (*running, *outward(read, database, bell))]
    bus.start()

    async def stop() -> None:
        port.stopListening()
        for loop in loops:
            loop.cancel()
        await bus.stop()
        await asyncio.gather(*loops, return_exceptions=True)
        await database.close()

    return stop


def serve(bus: Bus, database: Database, notary: Notary, bell: Bell, rights: Rights) -> None:
    """Register what people call."""
    projects, verifier = Projects(bus, rights), service.assertions_for(bus, "audit", time.time)
    reading = Reading(projects, PersonalValues(bus))
    bus.serve(EntryProcedures(database, reading, notary, bell, rights), verifier)
    bus.serve(HeadProcedures(database, notary), verifier)
    bus.serve(RetentionProcedures(database, projects), verifier)


def outward(read: AuditSettings, database: Database, bell: Bell) -> list[Coroutine[Any, Any, None]]:
    """What asks witnesses and feeds receivers."""
    witnesses = [Witnessing(database, each, bell, Backoff(random.random)) for each in read.witnesses]
    forwarders = [
        Forwarding(database, each.name, sender(each, read).send, bell, Backoff(random.random))
        for each in read.forwarders
    ]
    return [*(each.run() for each in witnesses), *(each.run() for each in forwarders)]


def sender(forwarder: Forwarder, read: AuditSettings) -> SyslogSender | WebhookSender:
    """What speaks the receiver's language."""
    if forwarder.kind == "syslog":
        return SyslogSender(forwarder, read.origin)
    return WebhookSender(forwarder, read.origin, time.time)


def write_public_keys(read: AuditSettings) -> None:
    """Tell verifiers, one vkey a line, whose signatures and cosignatures to expect."""
    keys = [*read.keys.verifiers, *(witness.key for witness in read.witnesses)]
    beside = read.public_keys_file.with_name(f"{read.public_keys_file.name}.new")
    beside.write_text("".join(f"{key.text}\n" for key in keys), encoding="utf-8")
    beside.replace(read.public_keys_file)


if __name__ == "__main__":
    service.run("audit", start)
