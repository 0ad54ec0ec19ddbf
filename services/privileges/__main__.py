"""Starts privileges."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from services.privileges import settings
from services.privileges.app_transfers import AppTransfers
from services.privileges.erased import Erased
from services.privileges.granting import Granting
from services.privileges.inventory import Inventory
from services.privileges.ledger import Ledger
from services.privileges.locking import Locking
from services.privileges.membership import Membership
from services.privileges.news import Announcer
from services.privileges.people import People
from services.privileges.procedures.apps import AppTransferProcedures
from services.privileges.procedures.grants import GrantProcedures
from services.privileges.procedures.locks import LockProcedures
from services.privileges.procedures.members import MemberProcedures
from services.privileges.procedures.questions import QuestionProcedures
from services.privileges.procedures.services import ServiceProcedures
from services.privileges.procedures.transfers import TransferProcedures
from services.privileges.projects import Projects
from services.privileges.questions import Questions
from services.privileges.sweeping import Sweeping
from services.privileges.transfers import Transfers
from shared.bus import Bus
from shared.database import Database
from shared.health import Health
from shared.rights.wire import BEAT_S
from shared.settings import Settings

REPAIR_PAUSE_S: Final = 5.0
SWEEP_PAUSE_S: Final = 3_600.0


async def start(environment: Settings) -> Callable[[], Awaitable[None]]:
    """Bring privileges up.

    What decision points live from has connections of its own: however much people ask, the stream is not silent.
    """
    read = settings.read(environment)
    health = Health("database")
    database = Database(read.database, health)
    bus = service.make_bus(read.bus, health)
    pulse = Database(read.database, health)
    announcer = Announcer(bus, pulse)
    ledger = Ledger(database, announcer)
    people = People(bus, database, time.monotonic)
    inventory = Inventory(database, ledger, people)
    transfers, apps = Transfers(bus, database, ledger, people), AppTransfers(bus, database, ledger, people)
    erased = Erased(bus, database, ledger)
    for surface in _surfaces(bus, database, ledger, people):
        bus.serve(surface, service.assertions_for(bus, "privileges", time.time))
    bus.serve(ServiceProcedures(pulse, inventory))
    await database.open()
    await pulse.open()
    service.listen_ops(read.common, health)
    loops = [
        asyncio.create_task(coroutine)
        for coroutine in (
            service.probe_forever(database, health),
            service.forever("beat", announcer.beat, health, pause_s=BEAT_S),
            service.forever("erased", erased.following.keep_true, health, pause_s=REPAIR_PAUSE_S),
            service.forever("operator", inventory.ensure_operator, health, pause_s=REPAIR_PAUSE_S),
            service.forever("transfers", transfers.repair, health, pause_s=REPAIR_PAUSE_S),
            service.forever("owners of apps", apps.tell_owners, health, pause_s=REPAIR_PAUSE_S),
            service.forever("sweep", Sweeping(database).sweep, health, pause_s=SWEEP_PAUSE_S),
        )
    ]
    bus.start()

    async def stop() -> None:
        for loop in loops:
            loop.cancel()
        await bus.stop()
        await pulse.close()
        await database.close()

    return stop


def _surfaces(bus: Bus, database: Database, ledger: Ledger, people: People) -> tuple[object, ...]:
    projects = Projects(database)
    return (
        QuestionProcedures(Questions(database, people, time.time)),
        GrantProcedures(database, Granting(database, ledger, people), projects, people),
        MemberProcedures(database, Membership(database, ledger, people), projects, people),
        TransferProcedures(database, Transfers(bus, database, ledger, people), projects, people),
        AppTransferProcedures(database, AppTransfers(bus, database, ledger, people), people),
        LockProcedures(Locking(database, ledger, people)),
    )


if __name__ == "__main__":
    service.run("privileges", start)
