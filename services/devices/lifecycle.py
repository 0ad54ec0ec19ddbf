"""Flashing and deleting: what devices and auth do together, each step repeatable, finished by whoever comes next.

Flashing: (1) the row says `flashing` with a new flash id; (2) auth commits the secrets of that id, the old ones end;
(3) whatever the device has open is closed; (4) the row says `flashed`. Deleting: (1) `deleting`; (2) auth ends the
secrets; (3) sessions are closed; (4) the row goes. A process that dies in between leaves a row in transit, which
`repair` brings to its end; the new secret of such a flashing was shown to nobody, the device is flashed once more.
"""

from typing import Final
from uuid import UUID, uuid4

import psycopg
import structlog
from attrs import frozen
from autobahn.wamp.exception import ApplicationError, TransportLost

from services.devices import store
from services.devices.feed import Change, Feed
from services.devices.presence import Presence
from services.devices.projects import Credentials
from services.devices.records import Device
from shared import audit
from shared.database import Database
from shared.errors import ConflictError, NotFoundError, OutcomeUnknownError, PublicError, UnavailableError
from shared.identities import Person

REPAIR_AFTER_S: Final = 12.0  # just over the time that a call to auth may take
NO_DEVICE: Final = "there is no such device, or you may not see it"
IN_TRANSIT: Final = {
    "flashing": "a flashing of this device has not ended; it ends by itself within 15 s, try again then",
    "deleting": "the device is being deleted",
}
SERVICE: Final = audit.Actor(audit.ActorKind.SERVICE, "devices")

log = structlog.get_logger()


class Lifecycle:
    """The two sagas of a device."""

    def __init__(self, database: Database, credentials: Credentials, presence: Presence, feed: Feed) -> None:
        """Work with these."""
        self._database = database
        self._credentials = credentials
        self._presence = presence
        self._feed = feed

    async def flash(self, person: Person, device_key: int) -> tuple[Device, str]:
        """New secrets for the device; the device as it is then, and its secret.

        Raises:
            ConflictError: It is being flashed or deleted.
            UnavailableError: Auth is away; the flashing is finished by itself, and the device can be flashed again.
        """
        flash_id = uuid4()
        async with self._database.transaction() as connection:
            device = await store.device_lock_in_txn(connection, device_key)
            if device is None:
                raise NotFoundError(NO_DEVICE)
            _refuse_transit(device)
            await store.device_begin_flashing(connection, device_key, flash_id)
            intent = _draft(audit.Action.DEVICE_FLASHED, device, _Order(person, str(flash_id)), audit.Outcome.INTENDED)
            await audit.record(connection, intent)
        secret = await self._issue(device, flash_id)
        await self._finish_flashing(device, flash_id, person)
        flashed = await self._database.run(lambda connection: store.device_find(connection, device_key))
        if flashed is None:
            raise NotFoundError(NO_DEVICE)
        return flashed, secret

    async def delete(self, person: Person, device_key: int) -> None:
        """End the device's secrets and sessions, and forget it.

        Raises:
            UnavailableError: A part is away; the deletion is finished by itself.
        """
        async with self._database.transaction() as connection:
            device = await store.device_lock_in_txn(connection, device_key)
            if device is None:
                raise NotFoundError(NO_DEVICE)
            _refuse_transit(device)
            await store.device_begin_deleting(connection, device_key)
            order = _Order(person, _deletion_of(device))
            intent = _draft(audit.Action.DEVICE_DELETED, device, order, audit.Outcome.INTENDED)
            await audit.record(connection, intent)
        self._tell(device)
        try:
            await self._finish_deleting(device, person)
        except (UnavailableError, OutcomeUnknownError) as error:
            raise UnavailableError("the deletion has begun and is finished as soon as all parts are back") from error

    async def repair(self, *, older_than_s: float = REPAIR_AFTER_S) -> None:
        """Finish every flashing and deletion whose process is gone."""
        devices = await self._database.run(
            lambda connection: store.device_list_in_transit(connection, older_than_s=older_than_s)
        )
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

    async def _issue(self, device: Device, flash_id: UUID) -> str:
        return await self._credentials.issue(
            flash_id=flash_id,
            device_key=device.device_key,
            project_key=device.project_key,
            serial_number=device.serial_number,
        )

    async def _finish_flashing(self, device: Device, flash_id: UUID, person: Person | None) -> None:
        await self._presence.end_sessions(device, "this secret was replaced")
        async with self._database.transaction() as connection:
            if not await store.device_end_flashing(connection, device.device_key, flash_id):
                raise ConflictError("another flashing or a deletion came in between; flash the device again")
            order = _Order(person, str(flash_id))
            await audit.record(connection, _draft(audit.Action.DEVICE_FLASHED, device, order, audit.Outcome.DONE))
        self._tell(device)

    async def _finish_deleting(self, device: Device, person: Person | None) -> None:
        await self._credentials.end(device.device_key)
        await self._presence.end_sessions(device, "this device was deleted")
        async with self._database.transaction() as connection:
            if await store.device_delete(connection, device.device_key):
                order = _Order(person, _deletion_of(device))
                await audit.record(connection, _draft(audit.Action.DEVICE_DELETED, device, order, audit.Outcome.DONE))
        self._tell(device)

    def _tell(self, device: Device) -> None:
        self._feed.tell(Change(device_key=device.device_key, project_key=device.project_key))


@frozen
class _Order:
    """Who wanted it, None where a repair finishes it (the intent names who did), and what ties intent and outcome."""

    person: Person | None
    request_id: str


def _deletion_of(device: Device) -> str:
    return f"deletion of {device.serial_number}"


def _refuse_transit(device: Device) -> None:
    if device.state in IN_TRANSIT:
        raise ConflictError(IN_TRANSIT[device.state])


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
