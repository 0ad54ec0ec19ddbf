"""Flashing, claiming, deleting: what devices and auth do together, each step repeatable, finished by whoever comes.

Flashing: (1) the row says `flashing` with a new flash id; (2) auth commits the secrets of that id, the old ones end;
(3) whatever the device has open is closed; (4) the row says `flashed`. Deleting: (1) `deleting`; (2) auth ends the
secrets; (3) sessions are closed; (4) the row goes. Claiming is a flashing whose first step also puts the device into
another project, spends the code and has privileges told, all at once. A process that dies in between leaves a row in
transit, which `repair` brings to its end; the new secret of such a flashing was shown to nobody, the device is flashed
once more.
"""

from typing import Final
from uuid import UUID, uuid4

import psycopg
import structlog
from attrs import evolve, frozen
from autobahn.wamp.exception import ApplicationError, TransportLost
from psycopg.errors import UniqueViolation

from services.devices.certifying import certify_in_txn
from services.devices.feed import Change, Feed
from services.devices.presence import REPLACED, Presence
from services.devices.projects import Credentials
from services.devices.reaching import NO_DEVICE
from services.devices.records.decommissions import Data, Decommission
from services.devices.records.devices import Device, Project
from services.devices.rules import devices as rules
from services.devices.store import devices as store
from services.devices.store import outbox
from services.devices.store.app_states import said_forget, state_list
from services.devices.store.decommissions import decommission_find, decommission_insert
from services.devices.store.intents import intent_is_holding
from services.devices.store.projects import project_upsert
from services.devices.store.tags import tag_forget
from services.devices.telling import Outbox
from shared import audit
from shared.database import Connection, Database
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    OutcomeUnknownError,
    PublicError,
    UnavailableError,
)
from shared.flags import AssetKind
from shared.identities import Person
from shared.names import canonical_name

REPAIR_AFTER_S: Final = 12.0  # just over the time that a call to auth may take
REPAIRED_AT_ONCE: Final = 100
BEGUN: Final = "the deletion has begun and is finished as soon as all parts are back"
NO_CLAIM: Final = "this code claims no device; ask whoever has the device for a new one"
IN_TRANSIT: Final = {
    "flashing": "a flashing of this device has not ended; it ends by itself within 15 s, try again then",
    "deleting": "the device is being deleted",
}
SERVICE: Final = audit.Actor(audit.ActorKind.SERVICE, "devices")

log = structlog.get_logger()


class Lifecycle:
    """The sagas of a device."""

    def __init__(
        self, database: Database, credentials: Credentials, presence: Presence, feed: Feed, telling: Outbox
    ) -> None:
        """Work with these."""
        self._database = database
        self._telling = telling
        self._credentials = credentials
        self._presence = presence
        self._feed = feed
        self._repaired_up_to = 0

    async def flash(self, person: Person, meant: Device) -> tuple[Device, str]:
        """New secrets for the device; the device as it is then, and its secret.

        Raises:
            ConflictError: It is being flashed or deleted.
            UnavailableError: Auth is away; the flashing is finished by itself, and the device can be flashed again.
        """
        flash_id = uuid4()
        async with self._database.transaction() as connection:
            device = await locked(connection, meant)
            await store.device_begin_flashing(connection, device.device_key, flash_id)
            intent = _draft(audit.Action.DEVICE_FLASHED, device, _Order(person, str(flash_id)), audit.Outcome.INTENDED)
            await audit.record(connection, intent)
        return await self._flashed(person, device, flash_id)

    async def claim(
        self, person: Person, code: str, project: Project, owner_name: str, name: str | None
    ) -> tuple[Device, str]:
        """Take the device that `code` opens into `project`, once; the device as it is then, and its new secret.

        Raises:
            NotFoundError: The code is wrong, was spent, or does not count any more.
            AlreadyExistsError: The project has a device of that name; the code was not spent. Others as `flash`.
        """
        flash_id = uuid4()
        try:
            async with self._database.transaction() as connection:
                before = await self._claimed(connection, code, project)
                moved = await moved_in_txn(connection, before, project, owner_name, name)
                await tag_forget(connection, moved.device_key)
                await store.device_begin_flashing(connection, moved.device_key, flash_id)
                await outbox.put_device(connection, moved.device_key, creator_account_key=person.account_key)
                await _record_claim(connection, before, moved, _Order(person, str(flash_id)))
        except UniqueViolation as error:
            raise AlreadyExistsError("the project has a device of that name already; give it another") from error
        self._tell(before)
        self._tell(moved)
        await self._telling.hurry(AssetKind.DEVICE, moved.device_key)
        return await self._flashed(person, moved, flash_id)

    async def delete(self, person: Person, meant: Device) -> None:
        """End the device's secrets and sessions, and forget it.

        Raises:
            ConflictError: It is being flashed or deleted.
            UnavailableError: A part is away; the deletion is finished by itself.
        """
        await self._delete(person, meant, None)

    async def decommission(self, person: Person, meant: Device, data: Data) -> Decommission:
        """Delete the device, and certify what was ended by that. Errors as `delete`.

        With `data` `delete` what it wrote goes too, and the certificate comes when it has gone.
        """
        await self._delete(person, meant, (uuid4(), data))
        found = await self._database.run(lambda connection: decommission_find(connection, meant.device_key))
        if found is None or (found.certificate is None and found.draft is None):
            raise UnavailableError(BEGUN)
        return found

    async def _delete(self, person: Person, meant: Device, wish: tuple[UUID, Data] | None) -> None:
        """`wish` is the key of the certificate that is to be, and what becomes of the device's rows."""
        async with self._database.transaction() as connection:
            device = await locked(connection, meant)
            if wish is not None:
                await decommission_insert(
                    connection,
                    device.device_key,
                    wish[0],
                    project_key=device.project_key,
                    account_key=person.account_key,
                    data=wish[1],
                )
            await store.device_begin_deleting(connection, device.device_key)
            order = _Order(person, _deletion_of(device))
            intent = _draft(audit.Action.DEVICE_DELETED, device, order, audit.Outcome.INTENDED)
            await audit.record(connection, intent)
        self._tell(device)
        try:
            await self._finish_deleting(device, person)
        except (UnavailableError, OutcomeUnknownError) as error:
            raise UnavailableError(BEGUN) from error

    async def repair(self, *, older_than_s: float = REPAIR_AFTER_S) -> None:
        """Finish flashings and deletions whose process is gone: the next ones in each round, then from the first again.

        However many cannot be finished, while a cell is away, all others have their turn.
        """
        devices = await self._database.run(
            lambda connection: store.device_list_in_transit(
                connection, older_than_s=older_than_s, after=self._repaired_up_to, limit=REPAIRED_AT_ONCE
            )
        )
        self._repaired_up_to = devices[-1].device_key if len(devices) == REPAIRED_AT_ONCE else 0
        for device in devices:
            try:
                await self._finish(device)
            except (PublicError, ApplicationError, TransportLost, psycopg.Error) as error:
                # One device that cannot be finished must not hold up the others.
                log.warning("transit_not_repaired", device_key=device.device_key, reason=str(error))
            else:
                log.info("transit_repaired", device_key=device.device_key, state=device.state)

    async def _finish(self, device: Device) -> None:
        if device.state == "deleting":
            await self._finish_deleting(device, None)
        elif device.flash_id is not None:
            await self._issue(device, device.flash_id)
            await self._finish_flashing(device, device.flash_id, None)

    async def _flashed(self, person: Person, device: Device, flash_id: UUID) -> tuple[Device, str]:
        secret = await self._issue(device, flash_id)
        await self._finish_flashing(device, flash_id, person)
        flashed = await self._database.run(lambda connection: store.device_find(connection, device.device_key))
        if flashed is None:
            raise NotFoundError(NO_DEVICE)
        return flashed, secret

    async def _claimed(self, connection: Connection, code: str, project: Project) -> Device:
        device = await store.device_lock_by_claim_in_txn(connection, rules.claim_digest(code))
        if device is None:
            raise NotFoundError(NO_CLAIM)
        _refuse_transit(device)
        if device.project_key == project.project_key:
            raise ConflictError("the device is in this project already")
        if await intent_is_holding(connection, device.device_key):
            raise ConflictError("the device is doing something for its project; claim it again in a moment")
        if device.moved_from is not None:
            raise ConflictError("the device has not come back since it was moved; have it flashed first")
        if self._presence.is_locked(device):
            raise ConflictError("the device is locked; it can be claimed once the lock has ended")
        return device

    async def _issue(self, device: Device, flash_id: UUID) -> str:
        return await self._credentials.issue(
            flash_id=flash_id,
            device_key=device.device_key,
            project_key=device.project_key,
            serial_number=device.serial_number,
        )

    async def _finish_flashing(self, device: Device, flash_id: UUID, person: Person | None) -> None:
        await self._presence.end_sessions(device, REPLACED)
        async with self._database.transaction() as connection:
            if not await store.device_end_flashing(connection, device.device_key, flash_id):
                raise ConflictError("another flashing or a deletion came in between; flash the device again")
            await said_forget(connection, device.device_key)
            order = _Order(person, str(flash_id))
            await audit.record(connection, _draft(audit.Action.DEVICE_FLASHED, device, order, audit.Outcome.DONE))
        self._tell(device)

    async def _finish_deleting(self, device: Device, person: Person | None) -> None:
        ended = await self._credentials.end(device.device_key)
        await self._presence.end_sessions(device, "this device was deleted")
        async with self._database.transaction() as connection:
            apps = await state_list(connection, device.device_key)
            if await store.device_delete(connection, device.device_key):
                await certify_in_txn(connection, device, ended, apps)
                await outbox.forget(connection, AssetKind.DEVICE, device.device_key, device.project_key)
                order = _Order(person, _deletion_of(device))
                await audit.record(connection, _draft(audit.Action.DEVICE_DELETED, device, order, audit.Outcome.DONE))
        self._tell(device)
        self._telling.wake()

    def _tell(self, device: Device) -> None:
        self._feed.tell(Change(device_key=device.device_key, project_key=device.project_key))


@frozen
class _Order:
    """Who wanted it, None where a repair finishes it (the intent names who did), and what ties intent and outcome."""

    person: Person | None
    request_id: str


def _deletion_of(device: Device) -> str:
    return f"deletion of {device.serial_number}"


async def moved_in_txn(
    connection: Connection, device: Device, project: Project, owner_name: str, name: str | None
) -> Device:
    """The device in another project, under another name or its own: out of its groups, without its apps.

    Raises:
        psycopg.errors.UniqueViolation: That project has a device of that name, at the end of the transaction.
    """
    await project_upsert(
        connection,
        project_key=project.project_key,
        name=project.name,
        owner_account_key=project.owner_account_key,
        owner_name=owner_name,
    )
    name = device.name if name is None else name
    await store.device_move(
        connection,
        device.device_key,
        project_key=project.project_key,
        name=name,
        name_canonical=canonical_name(name),
    )
    moved = await store.device_find(connection, device.device_key)
    if moved is None:
        raise NotFoundError(NO_DEVICE)
    return moved


async def locked(connection: Connection, meant: Device) -> Device:
    """The row of the device that rights were looked at for, if it is still where it was.

    Raises:
        NotFoundError, ConflictError: It is gone or elsewhere; it is being flashed or deleted.
    """
    device = await store.device_lock_in_txn(connection, meant.device_key)
    if device is None or device.project_key != meant.project_key:
        raise NotFoundError(NO_DEVICE)
    _refuse_transit(device)
    return device


def _refuse_transit(device: Device) -> None:
    if device.state in IN_TRANSIT:
        raise ConflictError(IN_TRANSIT[device.state])


async def _record_claim(connection: Connection, before: Device, after: Device, order: _Order) -> None:
    """Both projects' logs tell that the device went from one to the other; its flashing is still to end."""
    for device in (before, after):
        await audit.record(
            connection,
            evolve(
                _draft(audit.Action.DEVICE_CLAIMED, device, order, audit.Outcome.DONE),
                aspect=audit.Aspect.ACCESS,
                before={"project_key": before.project_key, "name": before.name},
                after={"project_key": after.project_key, "name": after.name},
            ),
        )
    await audit.record(connection, _draft(audit.Action.DEVICE_FLASHED, after, order, audit.Outcome.INTENDED))


def _draft(action: audit.Action, device: Device, order: _Order, outcome: audit.Outcome) -> audit.Draft:
    is_deletion = action is audit.Action.DEVICE_DELETED
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.EXISTENCE if is_deletion else audit.Aspect.CREDENTIAL,
        actor=SERVICE if order.person is None else audit.actor_of(order.person),
        asset=audit.Asset("device", device.device_key),
        project_key=device.project_key,
        before={"name": device.name} if is_deletion else None,
        session=(order.person.session or None) if order.person else None,
        request_id=order.request_id,
        outcome=outcome,
    )
