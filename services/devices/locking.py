"""Locks on devices and projects: whatever a locked device has open ends at once (auth refuses its joins).

The locks are looked at whenever they change, after each join of the bus, and every ten seconds: then once more for
those that the registry knows as online, since a session may have begun while the lock did.
"""

import asyncio
from typing import Final

import structlog

from services.devices.presence import LOCKED, Presence
from services.devices.records.devices import Device
from services.devices.store import devices as store
from shared.bus import Bus
from shared.database import Database
from shared.errors import CellAwayError
from shared.identities import CONTROL_REALM
from shared.nudge import Nudge
from shared.rights.decision_point import Rights
from shared.rights.records import Lock, LockKind
from shared.session import BusSession

LOOK_EVERY_S: Final = 10.0
AT_ONCE: Final = 50

log = structlog.get_logger()


class Locking:
    """Ends the sessions of what is locked."""

    def __init__(self, bus: Bus, database: Database, presence: Presence, rights: Rights) -> None:
        """Follow the locks of `rights`."""
        self._bus = bus
        self._database = database
        self._presence = presence
        self._rights = rights
        self._cut: set[int] = set()
        self._nudge = Nudge()
        rights.on_locks(self._nudge.give)
        bus.on_join(CONTROL_REALM, self._joined)

    async def keep_true(self) -> None:
        """Wait until locks are to be looked at, ten seconds at most, and end what they end.

        Raises:
            PublicError, ApplicationError: A part is away; it is due again.
        """
        await self._nudge.wait(LOOK_EVERY_S)
        try:
            await self.cut()
        except CellAwayError:
            raise  # it is looked at again when that cell is back
        except Exception:
            self._nudge.give()
            raise

    async def cut(self) -> None:
        """End every session of a locked device, or of one in a locked project."""
        locks = self._rights.locks
        ended: list[BaseException] = []
        for lock in locks:
            devices = await self._locked_by(lock, only_online=lock.lock_key in self._cut)
            failed = [each for each in await self._end(devices) if each is not None]
            if devices:
                log.info("locked_devices_cut", lock_key=lock.lock_key, devices=len(devices), failed=len(failed))
            if failed:  # also of a device that is offline apps may have something open
                self._cut.discard(lock.lock_key)
            else:
                self._cut.add(lock.lock_key)
            ended += failed
        self._cut &= {lock.lock_key for lock in locks}
        self._bus.done(ended)  # of those whose cell is away it is due again, when that is back at the latest

    async def _end(self, devices: list[Device]) -> list[BaseException | None]:
        ended: list[BaseException | None] = []
        for first in range(0, len(devices), AT_ONCE):
            ending = (self._presence.end_sessions(device, LOCKED) for device in devices[first : first + AT_ONCE])
            ended += await asyncio.gather(*ending, return_exceptions=True)
        return ended

    async def _locked_by(self, lock: Lock, *, only_online: bool) -> list[Device]:
        key = int(lock.key) if lock.key.isdecimal() else 0
        if lock.kind is LockKind.PROJECT:
            return await self._database.run(
                lambda connection: store.device_list_by_project(connection, key, only_online=only_online)
            )
        if lock.kind is LockKind.DEVICE:
            found = await self._database.run(lambda connection: store.device_find(connection, key))
            return [found] if found is not None and (found.session is not None or not only_online) else []
        return []

    async def _joined(self, session: BusSession) -> None:  # noqa: ARG002 - a listener's shape
        self._cut.clear()
        self._nudge.give()
