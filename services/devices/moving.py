"""Moving a device to another project of whoever may take it away here and put it there.

Its agent cannot learn another secret without being flashed, so it keeps its secret and its tunnel proof; all else of
before ends: rights, groups, apps, tunnels, the key of its apps' credentials, its sessions. It comes back under its old
name, is told its new project, and comes again under its new name (wire-agent, trap 25); then the old name ends too.
Auth is told by a row that is written with the change, and told until it was taken.
"""

import asyncio
from contextlib import suppress
from typing import Final

import structlog
from autobahn.wamp.exception import ApplicationError, TransportLost
from psycopg.errors import UniqueViolation

from services.devices import lifecycle
from services.devices.feed import Change, Feed
from services.devices.presence import Presence
from services.devices.projects import Credentials
from services.devices.reaching import NO_DEVICE
from services.devices.records.devices import Device, Project
from services.devices.store import devices as store
from services.devices.store import outbox
from services.devices.store.intents import intent_is_holding
from services.devices.telling import Outbox
from shared import audit
from shared.bus import Bus
from shared.database import Database
from shared.errors import AlreadyExistsError, ConflictError, NotFoundError, PublicError
from shared.flags import AssetKind
from shared.identities import Person
from shared.nudge import Nudge
from shared.project_cells import ProjectCells

MOVED: Final = "this device was moved to another project"
LOOK_EVERY_S: Final = 1.0
TOLD_AT_ONCE: Final = 100
THERE_ALREADY: Final = "the device is in this project already"
LOCKED: Final = "the device is locked; it can be moved once the lock has ended"
BUSY: Final = "the device is doing something for its project; move it again in a moment"
NOT_BACK: Final = "the device has not come back since it was moved; wait until it has, or flash it"
OTHER_CELL: Final = (
    "that project is in another cell, whose endpoint an agent cannot be told: have the device claimed there instead"
)
TAKEN: Final = "the project has a device of that name already; give it another"

log = structlog.get_logger()


class Moving:
    """Takes devices from one project to another."""

    def __init__(
        self,
        database: Database,
        credentials: Credentials,
        presence: Presence,
        feed: Feed,
        telling: Outbox,
        *,
        bus: Bus,
    ) -> None:
        """Work with these."""
        self._bus = bus
        self._cells = ProjectCells(bus)
        self._database = database
        self._credentials = credentials
        self._presence = presence
        self._feed = feed
        self._telling = telling
        self._nudge = Nudge()
        self._told_up_to = 0

    async def move(self, person: Person, meant: Device, project: Project, owner_name: str, name: str | None) -> Device:
        """Put the device into `project`, under `name` or its own; the device as it is then.

        Raises:
            ConflictError: It is there, being flashed or deleted, locked, busy for its project, or has not come back
                from its last move; that project is in another cell, which its agent cannot be told.
            AlreadyExistsError: The project has a device of that name.
        """
        cells = [await self._cells.find(key) for key in (meant.project_key, project.project_key)]
        try:
            async with self._database.transaction() as connection:
                before = await lifecycle.locked(connection, meant)
                self._refuse(before, project)
                if before.flash_id is not None and cells[0] != cells[1]:
                    raise ConflictError(OTHER_CELL, reason="other_cell")
                if await intent_is_holding(connection, before.device_key):
                    raise ConflictError(BUSY)
                moved = await lifecycle.moved_in_txn(connection, before, project, owner_name, name)
                await store.device_begin_move(connection, moved.device_key)
                await outbox.put_device(connection, moved.device_key, creator_account_key=person.account_key)
                for device in (before, moved):
                    await audit.record(connection, _draft(person, device, before, moved))
        except UniqueViolation as error:
            raise AlreadyExistsError(TAKEN) from error
        for device in (before, moved):
            self._feed.tell(Change(device_key=device.device_key, project_key=device.project_key))
        await self._telling.hurry(AssetKind.DEVICE, moved.device_key)
        with suppress(PublicError, ApplicationError, TransportLost):  # the job tells it else
            await self._tell(moved.device_key)
        self._nudge.give()
        found = await self._database.run(lambda connection: store.device_find(connection, moved.device_key))
        if found is None:
            raise NotFoundError(NO_DEVICE)
        return found

    async def keep_up(self) -> None:
        """Wait a second at most, and tell auth of devices that were moved, or have come back from it.

        The next ones in each round, then from the first again: those that cannot be told now hold up no others.

        Raises:
            PublicError, ApplicationError, TransportLost: A part is away; it is told again.
        """
        await self._nudge.wait(LOOK_EVERY_S)
        untold = await self._database.run(
            lambda connection: store.device_list_untold_moves(connection, after=self._told_up_to, limit=TOLD_AT_ONCE)
        )
        self._told_up_to = untold[-1] if len(untold) == TOLD_AT_ONCE else 0
        told: list[BaseException | None] = []
        for device_key in untold:
            told += await asyncio.gather(self._tell(device_key), return_exceptions=True)
        self._bus.done(told)

    def _refuse(self, device: Device, project: Project) -> None:
        if device.project_key == project.project_key:
            raise ConflictError(THERE_ALREADY)
        if device.moved_from is not None:
            raise ConflictError(NOT_BACK)
        if self._presence.is_locked(device):
            raise ConflictError(LOCKED)

    async def _tell(self, device_key: int) -> None:
        """Tell auth; what the device has open under its old name ends once auth knows the new one."""
        device, untold = await self._database.run(
            lambda connection: store.device_find_untold_move(connection, device_key)
        )
        if device is None or untold is None:
            return
        if device.flash_id is not None:
            await self._credentials.move(device, untold)
        if device.moved_from is not None:
            await self._presence.end_sessions(device, MOVED)
        await self._database.run(lambda connection: store.device_set_move_told(connection, device_key, untold))
        log.info("device_move_told", device_key=device_key, is_back=device.moved_from is None)


def _draft(person: Person, device: Device, before: Device, after: Device) -> audit.Draft:
    """Both projects' logs tell of it."""
    return audit.Draft(
        action=audit.Action.DEVICE_MOVED,
        aspect=audit.Aspect.ACCESS,
        actor=audit.actor_of(person),
        asset=audit.Asset("device", device.device_key),
        project_key=device.project_key,
        session=person.session or None,
        before={"project_key": before.project_key, "name": before.name},
        after={"project_key": after.project_key, "name": after.name},
    )
