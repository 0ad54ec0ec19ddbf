"""Rotating the credential of an app on a device: what auth does and what the agent is told, whichever process dies.

A row says that it has begun. Who finds it old asks auth which credential counts by now, and tells the agent so.
"""

from typing import Final

import structlog
from autobahn.wamp.exception import ApplicationError, TransportLost

from services.devices.apps.states import NO_APP, AppStates, locked
from services.devices.projects import Credentials
from services.devices.records.apps import NameApp, RotatedCredential, Rotation
from services.devices.records.devices import Device
from services.devices.store import apps as store
from services.devices.store import intents
from services.devices.store.app_states import state_find
from shared.database import Connection, Database
from shared.errors import ConflictError, PublicError
from shared.identities import Person

OVERLAP_S: Final = 15 * 60.0 + 10.0
"""The old credential opens for 15 minutes from when auth says so, which a call later than here may be (10 s)."""
REPAIR_AFTER_S: Final = 40.0
"""Longer than a procedure may take."""
BATCH: Final = 100

log = structlog.get_logger()


class Rotating:
    """Rotates."""

    def __init__(self, database: Database, credentials: Credentials, app_states: AppStates) -> None:
        """Ask `credentials`, tell by `app_states`."""
        self._database = database
        self._credentials = credentials
        self._app_states = app_states

    async def rotate(self, person: Person, meant: Device, request: NameApp) -> RotatedCredential:
        """Another credential of the app counts; the old one opens for 15 minutes, then its sessions end.

        Raises:
            ConflictError: The app is not on the device.
            UnavailableError, OutcomeUnknownError: Auth is away; what it did is found out and told by itself.
        """
        async with self._database.transaction() as connection:
            device = await locked(connection, meant)
            await _require(connection, device, request)
            # Before auth acts: what is ended in vain comes back, what is not ended would stay.
            which = {"app_key": request.app, "stage": request.stage}
            key = await store.ending_insert(connection, device.serial_number, which, after_s=OVERLAP_S)
            await intents.rotation_put(connection, device.device_key, request.app, request.stage, key)
        rotated = await self._credentials.rotate_app(
            device.device_key, request.app, request.stage, account_key=person.account_key
        )
        await self._end(Rotation(device.device_key, request.app, request.stage, key), rotated.epoch)
        return rotated

    async def repair(self, *, older_than_s: float = REPAIR_AFTER_S) -> None:
        """Finish every rotation whose process is gone."""
        stale = await self._database.run(
            lambda connection: intents.rotation_list_stale(connection, older_than_s=older_than_s, limit=BATCH)
        )
        for rotation in stale:
            try:
                epoch = await self._credentials.app_epoch(rotation.device_key, rotation.app_key, rotation.stage)
                await self._end(rotation, epoch)
            except (PublicError, ApplicationError, TransportLost) as error:
                # One that cannot be finished must not hold up the others.
                log.warning("rotation_not_repaired", device_key=rotation.device_key, reason=str(error))
            else:
                log.info("rotation_repaired", device_key=rotation.device_key, app_key=rotation.app_key)

    async def _end(self, rotation: Rotation, epoch: int) -> None:
        async with self._database.transaction() as connection:
            if not await intents.rotation_delete(connection, rotation):
                return
            await store.ending_narrow(connection, rotation.ending_key, {"epoch_below": epoch})
            await self._app_states.renew_in_txn(connection, rotation, epoch)
        self._app_states.wake()


async def _require(connection: Connection, device: Device, request: NameApp) -> None:
    found = await state_find(connection, device.device_key, request.app, request.stage)
    if found is None or found.target == "UNINSTALLED":
        raise ConflictError(NO_APP)
