"""Whatever the apps of a device have open on data realms ends with what let them in.

A row is written in the transaction of the change (an app was uninstalled, its credential rotated) and told to the
routers of every cell until they took it; what ends with the device's own sessions is told with those. A router keeps an
ending with the joins that are under way, so that one telling is enough. Apps that still may come back by themselves.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import structlog
from autobahn.wamp.exception import ApplicationError

from services.devices.records.apps import Ending, Install
from services.devices.rules import devices as rules
from services.devices.store import apps as store
from shared.bus import Bus, call
from shared.database import Connection, Database
from shared.errors import OutcomeUnknownError, PublicError, UnavailableError
from shared.identities import SYSTEM_REALM
from shared.session import BusSession

PROCEDURE: Final = "ironflock.router.session.end"
LOOK_EVERY_S: Final = 1.0
MOST_S: Final = 30.0
BATCH: Final = 100
AT_ONCE: Final = 20

log = structlog.get_logger()


class AppSessions:
    """Ends the sessions of devices' apps."""

    def __init__(self, bus: Bus, database: Database) -> None:
        """Tell over `bus` what `database` has."""
        self._bus = bus
        self._database = database
        self._is_due = asyncio.Event()
        bus.on_join(SYSTEM_REALM, self._joined)

    async def end(self, serial_number: UUID, conditions: Mapping[str, Any]) -> None:
        """End what the device's apps have open, where `conditions` of the router's procedure hold, now.

        Raises:
            UnavailableError, OutcomeUnknownError: A router is away.
        """
        for session in self._bus.every_session(SYSTEM_REALM):
            await call(session, PROCEDURE, kwargs={"serial": str(serial_number), **conditions})

    async def end_install(self, connection: Connection, serial_number: UUID, install: Install) -> None:
        """With the transaction of `connection`, end what the app has open, and what is open on its realm."""
        credential = {"app_key": install.app_key, "stage": install.stage}
        for conditions in (credential, {"realm": rules.data_realm(install)}):
            await store.ending_insert(connection, serial_number, conditions)

    def wake(self) -> None:
        """Something was written: let it be told now."""
        self._is_due.set()

    async def keep_up(self) -> None:
        """Wait until something may be due, a second at most, and tell all that is.

        Raises:
            UnavailableError, OutcomeUnknownError: A router is away; everything stays due.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._is_due.wait()
        self._is_due.clear()
        while due := await self._database.run(lambda connection: store.ending_list_due(connection, limit=BATCH)):
            for first in range(0, len(due), AT_ONCE):
                await self._tell_together(due[first : first + AT_ONCE])

    async def _tell_together(self, due: list[Ending]) -> None:
        for ended in await asyncio.gather(*map(self._tell, due), return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended

    async def _tell(self, ending: Ending) -> None:
        key = ending.ending_key
        try:
            await self.end(ending.serial_number, ending.conditions)
        except (UnavailableError, OutcomeUnknownError):
            raise
        except (PublicError, ApplicationError) as error:
            log.warning("app_sessions_not_ended", serial_number=str(ending.serial_number), reason=str(error))
            await self._database.run(lambda connection: store.ending_postpone(connection, key, most_s=MOST_S))
        else:
            await self._database.run(lambda connection: store.ending_delete(connection, key))

    async def _joined(self, session: BusSession) -> None:  # noqa: ARG002 - a listener's shape
        self._is_due.set()
