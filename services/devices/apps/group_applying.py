"""Devices of a group get the apps that it is to have: as soon as one is wanted, is wanted otherwise, or a device joins.

Each device is one transaction under the group's row: the wish, what the log says of it, that it was done.
It is done by the right of whoever set the app for the group, which is looked at for each device; what is refused is
tried again each minute. A device that leaves the group keeps what it has.
"""

from typing import Final

import structlog
from attrs import frozen

from services.devices.apps.environments import Environments
from services.devices.apps.installs import Installs
from services.devices.apps.releases import Releases
from services.devices.apps.states import (
    AppStates,
    Placing,
    Spot,
    change_in_txn,
    environment_in_txn,
    install_in_txn,
)
from services.devices.projects import Credentials
from services.devices.records.apps import AppOnDevice, Install
from services.devices.records.devices import Device
from services.devices.records.group_apps import Applied, Due, GroupApp, GroupTarget
from services.devices.rules import apps as app_rules
from services.devices.rules import devices as rules
from services.devices.rules import group_apps as group_app_rules
from services.devices.rules.group_apps import Step
from services.devices.store import group_apps as store
from services.devices.store.app_states import state_find, state_lock_in_txn
from services.devices.store.devices import device_find, device_lock_in_txn
from services.devices.store.groups import group_lock_in_txn
from shared.database import Connection, Database
from shared.errors import OutcomeUnknownError, PublicError, UnavailableError
from shared.identities import Person
from shared.nudge import Nudge
from shared.rights.decision_point import Rights

LOOK_EVERY_S: Final = 1.0
AGAIN_IN_S: Final = 60.0
BATCH: Final = 100
OWN: Final = "the device has a wish of its own"
NO_FLAG: Final = "who set the app for the group lacks {flag} on the device"
NOT_INSTALLED: Final = "the project does not have the app at this stage"

log = structlog.get_logger()


@frozen
class _Ready:
    """All that a device is given, but for what it has: looked up before its transaction."""

    spot: Spot
    placing: Placing
    environment: bytes | None
    names: list[str]


class GroupApplying:
    """Gives devices what their groups are to have."""

    def __init__(  # noqa: PLR0917 - the parts that it takes
        self,
        database: Database,
        rights: Rights,
        installs: Installs,
        releases: Releases,
        credentials: Credentials,
        app_states: AppStates,
        environments: Environments,
    ) -> None:
        """Work with these."""
        self._database = database
        self._rights = rights
        self._installs = installs
        self._releases = releases
        self._credentials = credentials
        self._app_states = app_states
        self._environments = environments
        self._nudge = Nudge()

    def wake(self) -> None:
        """Something was set, or a device came: look now."""
        self._nudge.give()

    async def keep_up(self) -> None:
        """Wait until something may be due, a second at most, and look at all that is.

        Raises:
            PublicError: A part is away; all else was looked at.
        """
        await self._nudge.wait(LOOK_EVERY_S)
        failed: PublicError | None = None
        due = await self._database.run(lambda connection: store.due_list(connection, limit=BATCH))
        for each in due:
            try:
                await self._look_at(each)
            except PublicError as error:
                log.warning(
                    "group_app_held_up", group_key=each.group_key, device_key=each.device_key, reason=str(error)
                )
                failed = error
        if failed is not None:
            raise failed
        if len(due) == BATCH:
            self.wake()

    async def _look_at(self, due: Due) -> None:
        wanted = await self._database.run(
            lambda connection: store.group_app_find(connection, due.group_key, due.app_key, due.stage)
        )
        device = await self._database.run(lambda connection: device_find(connection, due.device_key))
        if wanted is None or device is None or device.state == "deleting":
            return
        before = await self._database.run(lambda connection: store.applied_find(connection, due))
        refusal = await self._refusal(wanted, device, before)
        ready = None if refusal is not None else await self._ready(wanted, device)
        async with self._database.transaction() as connection:
            if not await _is_due(connection, due, wanted):
                return
            if await store.applied_find(connection, due) != before:  # which is what was decided by: it is due again
                return
            if ready is None:
                await _refused(connection, due, wanted, before, refusal)
            else:
                await _give(connection, due, wanted, before, ready)
        self._app_states.wake()

    async def _refusal(self, wanted: GroupApp, device: Device, applied: Applied | None) -> str | None:
        place = rules.domain(device.project_key)
        contents = await self._releases.contents(wanted.release)
        for flag in group_app_rules.flags(wanted, applied, needs_develop=bool(contents.needs_develop)):
            if not (await self._rights.decide(wanted.account_key, flag, rules.asset(device), place)).allowed:
                return NO_FLAG.format(flag=flag)
        found = await self._installs.find(Install(device.project_key, wanted.app_key, wanted.stage))
        return None if found.is_installed else NOT_INSTALLED

    async def _ready(self, wanted: GroupApp, device: Device) -> _Ready:
        key, app_key, stage = device.device_key, wanted.app_key, wanted.stage
        found = await self._installs.find(Install(device.project_key, app_key, stage))
        epoch = await self._credentials.app_epoch(key, app_key, stage)
        variables = await self._environments.opened_for_group(wanted)
        sealed = await self._environments.sealed_at((key, app_key, stage), variables) if variables else None
        person = Person(wanted.account_key, 0, wanted.credential)
        spot = Spot(person, device, app_key, stage, f"group {wanted.group_key}")
        return _Ready(spot, Placing(found, wanted.release, epoch, is_named=True), sealed, sorted(variables))


async def _is_due(connection: Connection, due: Due, wanted: GroupApp) -> bool:
    """Whether this is still to be done; group and device are locked then, in the order in which groups change."""
    await group_lock_in_txn(connection, due.group_key)
    await device_lock_in_txn(connection, due.device_key)
    now = await store.group_app_find(connection, due.group_key, due.app_key, due.stage)
    if now is None or now.revision != wanted.revision or not await store.member_is_there(connection, due):
        return False
    applied = await store.applied_find(connection, due)
    return applied is None or applied.revision != wanted.revision or applied.state == "refused"


async def _give(connection: Connection, due: Due, wanted: GroupApp, applied: Applied | None, ready: _Ready) -> None:
    app = await state_lock_in_txn(connection, due.device_key, due.app_key, due.stage)
    step = group_app_rules.step(wanted, app, applied)
    if step is Step.LEAVE:
        left = Applied("own", wanted.revision, *_wanted_before(applied))
        await store.applied_set(connection, due, left, reason=OWN, again_in_s=0.0)
        return
    is_ours = group_app_rules.sets_environment(wanted, app, applied)
    try:
        async with connection.transaction():  # all of it, or nothing but the refusal
            await _have(connection, ready.spot, step, wanted, ready.placing)
            if is_ours:
                await environment_in_txn(connection, ready.spot, ready.environment, ready.names)
    except (UnavailableError, OutcomeUnknownError):
        raise
    except PublicError as error:
        await _refused(connection, due, wanted, applied, error.message)
        return
    now = await state_find(connection, due.device_key, due.app_key, due.stage)
    environment = now.environment if now is not None and is_ours else _wanted_before(applied)[2]
    done = Applied("applied", wanted.revision, wanted.target, wanted.release.release_key, environment)
    await store.applied_set(connection, due, done, reason=None, again_in_s=0.0)


async def _have(connection: Connection, spot: Spot, step: Step, wanted: GroupApp, placing: Placing) -> None:
    """The app is on the device as the group wants it."""

    def as_wanted(app: AppOnDevice) -> AppOnDevice:
        return app_rules.aimed(app_rules.upgraded(app, wanted.release), wanted.target)

    if step is Step.INSTALL:
        await install_in_txn(connection, spot, placing)
    if step is not Step.KEEP:
        await change_in_txn(connection, spot, as_wanted)


async def _refused(
    connection: Connection, due: Due, wanted: GroupApp, applied: Applied | None, reason: str | None
) -> None:
    refused = Applied("refused", wanted.revision, *_wanted_before(applied))
    await store.applied_set(connection, due, refused, reason=reason, again_in_s=AGAIN_IN_S)


def _wanted_before(applied: Applied | None) -> tuple[GroupTarget | None, int | None, bytes | None]:
    return (None, None, None) if applied is None else (applied.target, applied.release_key, applied.environment)
