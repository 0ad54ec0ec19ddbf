"""Starts devices."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from services.devices import settings
from services.devices.assembly import Parts, assemble
from services.devices.duplicates import Duplicates
from services.devices.owners import Owners
from services.devices.procedures.agents import AgentProcedures
from services.devices.procedures.alert_settings import AlertSettingProcedures
from services.devices.procedures.alerts import AlertProcedures
from services.devices.procedures.app_settings import AppSettingProcedures
from services.devices.procedures.app_states import AppStateProcedures
from services.devices.procedures.apps import DeviceAppProcedures
from services.devices.procedures.claims import ClaimProcedures
from services.devices.procedures.group_apps import GroupAppProcedures
from services.devices.procedures.decommissions import DecommissionProcedures
from services.devices.procedures.groups import GroupProcedures
from services.devices.procedures.logs import LogProcedures
from services.devices.procedures.moving import MovingProcedures
from services.devices.procedures.networks import NetworkProcedures
from services.devices.procedures.operations import OperationProcedures
from services.devices.procedures.people import PeopleProcedures
from services.devices.procedures.registry import RegistryProcedures
from services.devices.procedures.rollouts import RolloutProcedures
from services.devices.procedures.tags import TagProcedures
from services.devices.procedures.terminals import TerminalProcedures
from shared.database import Database
from shared.health import Health
from shared.keyring import DataKeys
from shared.rights.decision_point import Rights
from shared.settings import Settings

SURFACES_FOR_PEOPLE: Final = (
    PeopleProcedures,
    ClaimProcedures,
    MovingProcedures,
    DecommissionProcedures,
    TagProcedures,
    GroupProcedures,
    DeviceAppProcedures,
    AppStateProcedures,
    AppSettingProcedures,
    OperationProcedures,
    NetworkProcedures,
    LogProcedures,
    RolloutProcedures,
    GroupAppProcedures,
    AlertProcedures,
    AlertSettingProcedures,
    TerminalProcedures,
)
PRESENCE_PAUSE_S: Final = 1.0
OWNERS_PAUSE_S: Final = 2.0
REPAIR_PAUSE_S: Final = 3.0
ERASURES_PAUSE_S: Final = 1.0
INTENTS_PAUSE_S: Final = 5.0
TERMINALS_PAUSE_S: Final = 5.0
LOCKING_PAUSE_S: Final = 0.1
TELLING_PAUSE_S: Final = 0.1
ROLLOUT_PAUSE_S: Final = 0.05


def loops(parts: Parts, owners: Owners, database: Database, health: Health) -> list[Coroutine[Any, Any, None]]:
    """What devices does by itself, again and again."""
    apps, alerts = parts.apps, parts.alerts
    work: tuple[tuple[str, Callable[[], Awaitable[None]], float], ...] = (
        ("presence", parts.presence.keep_true, PRESENCE_PAUSE_S),
        ("owners", owners.following.keep_true, OWNERS_PAUSE_S),
        ("repair", parts.lifecycle.repair, REPAIR_PAUSE_S),
        ("erasures", parts.erasures.keep_up, ERASURES_PAUSE_S),
        ("intents", parts.operations.intents.repair, INTENTS_PAUSE_S),
        ("left terminals", parts.terminals.end_left, TERMINALS_PAUSE_S),
        ("rotations", apps.rotating.repair, REPAIR_PAUSE_S),
        ("moving", parts.moving.keep_up, TELLING_PAUSE_S),
        ("locking", parts.locking.keep_true, LOCKING_PAUSE_S),
        ("telling", parts.telling.keep_up, TELLING_PAUSE_S),
        ("app sessions", apps.sessions.keep_up, TELLING_PAUSE_S),
        ("tunnels of apps", apps.tunnel_telling.keep_up, TELLING_PAUSE_S),
        ("app delivery", apps.delivery.keep_up, TELLING_PAUSE_S),
        ("rollouts", parts.rollouts.driving.keep_up, ROLLOUT_PAUSE_S),
        ("group apps", apps.group_applying.keep_up, TELLING_PAUSE_S),
        ("alerts", alerts.alerting.keep_true, TELLING_PAUSE_S),
        ("alert feed", alerts.feed.keep_up, TELLING_PAUSE_S),
        ("alert delivery", alerts.delivery.keep_up, TELLING_PAUSE_S),
        ("installs", apps.installs.following.keep_true, OWNERS_PAUSE_S),
    )
    again = [service.forever(name, step, health, pause_s=pause_s) for name, step, pause_s in work]
    return [service.probe_forever(database, health), *again]


async def start(environment: Settings) -> Callable[[], Awaitable[None]]:
    """Bring devices up."""
    read = settings.read(environment)
    health = Health("database")
    database = Database(read.database, health)
    bus = service.make_bus(read.bus, health)
    rights = Rights(bus, health, now=time.time, clock=time.monotonic)
    keys = DataKeys(read.masters, database, "devices")
    parts = assemble(bus, database, keys, rights, read.flock, jitter=random.random, webhooks=read.webhooks)
    Duplicates(bus, database, parts.alerts.alerting)
    owners = Owners(bus, database)
    assertions = service.assertions_for(bus, "devices", time.time)
    for surface in SURFACES_FOR_PEOPLE:
        bus.serve(surface(parts), assertions)
    bus.serve(AgentProcedures(parts))
    bus.serve(RegistryProcedures(parts))
    await database.open()
    service.listen_ops(read.common, health)
    running = [asyncio.create_task(loop) for loop in loops(parts, owners, database, health)]
    bus.start()

    async def stop() -> None:
        for loop in running:
            loop.cancel()
        await bus.stop()
        await database.close()

    return stop


if __name__ == "__main__":
    service.run("devices", start)
