"""Locks on devices and projects: whatever a locked device has open ends at once (auth refuses its joins).

The locks are looked at whenever they change, after each join of the bus, and every ten seconds: then once more for
those that the registry knows as online, since a session may have begun while the lock did.
"""

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from services.devices.presence import LOCKED, Presence
from services.devices.records.devices import Device
from services.devices.store import devices as store
from shared.bus import Bus
from shared.database import Database
from shared.identities import CONTROL_REALM
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
        self._database = database
        self._presence = presence
        self._rights = rights
        self._cut: set[int] = set()
        self._is_due = asyncio.Event()
        rights.on_locks(self._is_due.set)
        bus.on_join(CONTROL_REALM, self._joined)

    async def keep_true(self) -> None:
        """Wait until locks are to be looked at, ten seconds at most, and end what they end.

        Raises:
            PublicError, ApplicationError: A part is away; it is due again.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._is_due.wait()
        self._is_due.clear()
        try:
            await self.cut()
        except Exception:
            self._is_due.set()
            raise

    async def cut(self) -> None:
        """End every session of a locked device, or of one in a locked project."""
        locks = self._rights.locks
        for lock in locks:
            devices = await self._locked_by(lock, only_online=lock.lock_key in self._cut)
            for first in range(0, len(devices), AT_ONCE):
                part = devices[first : first + AT_ONCE]
                await asyncio.gather(*(self._presence.end_sessions(device, LOCKED) for device in part))
            if devices:
                log.info("locked_devices_cut", lock_key=lock.lock_key, devices=len(devices))
            self._cut.add(lock.lock_key)
        self._cut &= {lock.lock_key for lock in locks}

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
        self._is_due.set()
