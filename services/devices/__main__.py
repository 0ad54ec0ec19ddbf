"""Starts devices."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from services.devices import settings
from services.devices.assembly import assemble
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
INTENTS_PAUSE_S: Final = 5.0
TERMINALS_PAUSE_S: Final = 5.0
LOCKING_PAUSE_S: Final = 0.1
TELLING_PAUSE_S: Final = 0.1
ROLLOUT_PAUSE_S: Final = 0.05


async def start(environment: Settings) -> Callable[[], Awaitable[None]]:
    """Bring devices up."""
    read = settings.read(environment)
    health = Health("database")
    database = Database(read.database, health)
    bus = service.make_bus(read.bus, health)
    rights = Rights(bus, health, now=time.time, clock=time.monotonic)
    keys = DataKeys(read.masters, database, "devices")
    parts = assemble(bus, database, keys, rights, read.flock, jitter=random.random, webhooks=read.webhooks)
    Duplicates(bus, database, parts.alerting)
    owners = Owners(bus, database)
    assertions = service.assertions_for(bus, "devices", time.time)
    for surface in SURFACES_FOR_PEOPLE:
        bus.serve(surface(parts), assertions)
    bus.serve(AgentProcedures(parts))
    bus.serve(RegistryProcedures(parts))
    await database.open()
    service.listen_ops(read.common, health)
    loops = [
        asyncio.create_task(coroutine)
        for coroutine in (
            service.probe_forever(database, health),
            service.forever("presence", parts.presence.keep_true, health, pause_s=PRESENCE_PAUSE_S),
            service.forever("owners", owners.following.keep_true, health, pause_s=OWNERS_PAUSE_S),
            service.forever("repair", parts.lifecycle.repair, health, pause_s=REPAIR_PAUSE_S),
            service.forever("intents", parts.intents.repair, health, pause_s=INTENTS_PAUSE_S),
            service.forever("left terminals", parts.terminals.end_left, health, pause_s=TERMINALS_PAUSE_S),
            service.forever("rotations", parts.rotating.repair, health, pause_s=REPAIR_PAUSE_S),
            service.forever("moving", parts.moving.keep_up, health, pause_s=TELLING_PAUSE_S),
            service.forever("locking", parts.locking.keep_true, health, pause_s=LOCKING_PAUSE_S),
            service.forever("telling", parts.telling.keep_up, health, pause_s=TELLING_PAUSE_S),
            service.forever("app sessions", parts.app_sessions.keep_up, health, pause_s=TELLING_PAUSE_S),
            service.forever("app delivery", parts.app_delivery.keep_up, health, pause_s=TELLING_PAUSE_S),
            service.forever("rollouts", parts.rollout_driving.keep_up, health, pause_s=ROLLOUT_PAUSE_S),
            service.forever("group apps", parts.group_applying.keep_up, health, pause_s=TELLING_PAUSE_S),
            service.forever("alerts", parts.alerting.keep_true, health, pause_s=TELLING_PAUSE_S),
            service.forever("alert feed", parts.alert_feed.keep_up, health, pause_s=TELLING_PAUSE_S),
            service.forever("alert delivery", parts.alert_delivery.keep_up, health, pause_s=TELLING_PAUSE_S),
            service.forever("installs", parts.installs.following.keep_true, health, pause_s=OWNERS_PAUSE_S),
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
