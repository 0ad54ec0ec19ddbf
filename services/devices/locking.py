"""Locks on devices and projects: whatever a locked device has open ends at once (auth refuses its joins).

The locks are looked at whenever they change, after each join of the bus, and every ten seconds, for ten seconds after a
new one twice a second: then once more for those that the registry knows as online, since a session may have begun while
the lock did, and for the apps of all. Auth lets an app in by what it knows of the locks, a moment late or, while it
hears of none, for long; and nobody is told of an app that is in, as the registry is of a device.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from itertools import islice
from typing import Final

import structlog

from services.devices.apps.sessions import AppSessions
from services.devices.presence import LOCKED, Presence
from services.devices.records.devices import Device
from services.devices.store import devices as store
from shared.bus import Bus
from shared.database import Database
from shared.errors import CellAwayError, NotFoundError
from shared.identities import CONTROL_REALM
from shared.nudge import Nudge
from shared.rights.decision_point import Rights
from shared.rights.records import Lock, LockKind
from shared.session import BusSession

LOOK_EVERY_S: Final = 10.0
NEW_LOOKS: Final = 20
NEW_LOOK_EVERY_S: Final = 0.5
AT_ONCE: Final = 50

log = structlog.get_logger()


class Locking:
    """Ends the sessions of what is locked."""

    def __init__(
        self, bus: Bus, database: Database, presence: Presence, app_sessions: AppSessions, rights: Rights
    ) -> None:
        """Follow the locks of `rights`."""
        self._bus = bus
        self._database = database
        self._presence = presence
        self._app_sessions = app_sessions
        self._rights = rights
        self._cut: set[int] = set()
        self._seen: set[int] = set()
        self._new_looks = 0
        """How often it is still looked soon."""
        self._nudge = Nudge()
        rights.on_locks(self._nudge.give)
        bus.on_join(CONTROL_REALM, self._joined)

    async def keep_true(self) -> None:
        """Wait until locks are to be looked at, ten seconds at most, and end what they end.

        Raises:
            PublicError, ApplicationError: A part is away; it is due again.
        """
        await self._nudge.wait(NEW_LOOK_EVERY_S if self._new_looks else LOOK_EVERY_S)
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
        standing = {lock.lock_key for lock in locks}
        self._new_looks = NEW_LOOKS if standing - self._seen else max(0, self._new_looks - 1)
        self._seen = standing
        known = [lock for lock in locks if lock.lock_key in self._cut]
        ended = [failure for lock in locks if lock not in known for failure in await self._end(lock, is_known=False)]
        # Known ones at once: a cell that does not answer keeps nobody waiting for each of its locks in turn.
        while some := known[:AT_ONCE]:
            del known[:AT_ONCE]
            again = await asyncio.gather(*(self._end(lock, is_known=True) for lock in some))
            ended += [failure for failures in again for failure in failures]
        self._cut &= standing
        self._bus.done(ended)  # of those whose cell is away it is due again, when that is back at the latest

    async def _end(self, lock: Lock, *, is_known: bool) -> list[BaseException]:
        """With what those failed that did; where none has, the lock is known."""
        devices = await self._locked_by(lock, only_online=is_known)
        failed = await _failed(self._presence.end_sessions(device, LOCKED) for device in devices)
        if devices:
            log.info("locked_devices_cut", lock_key=lock.lock_key, devices=len(devices), failed=len(failed))
        if is_known:
            failed += await _failed([self._end_apps(lock)])
        if failed:  # also of a device that is offline apps may have something open
            self._cut.discard(lock.lock_key)
        else:
            self._cut.add(lock.lock_key)
        return failed

    async def _end_apps(self, lock: Lock) -> None:
        """Whatever of their agents the registry knows."""
        key = _key_of(lock)
        if lock.kind is LockKind.PROJECT and key:
            with suppress(NotFoundError):  # it is gone, and its apps with it
                await self._app_sessions.end_of_project(key)
        elif lock.kind is LockKind.DEVICE:
            device = await self._database.run(lambda connection: store.device_find(connection, key))
            if device is not None:
                await self._presence.end_apps(device)

    async def _locked_by(self, lock: Lock, *, only_online: bool) -> list[Device]:
        key = _key_of(lock)
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


async def _failed(endings: Iterable[Awaitable[None]]) -> list[BaseException]:
    """With what those failed that did; so many at once."""
    rest = iter(endings)
    failed: list[BaseException] = []
    while some := list(islice(rest, AT_ONCE)):
        ended = await asyncio.gather(*some, return_exceptions=True)
        failed += [each for each in ended if each is not None]
    return failed


def _key_of(lock: Lock) -> int:
    """0 where it is none that a device or project could have."""
    return int(lock.key) if lock.key.isdecimal() else 0
