"""Whatever the apps of a device have open on data realms ends with what let them in.

A row is written in the transaction of the change (an app was uninstalled, its credential rotated) and told to the
router of the project's cell until it took it; what ends with the device's own sessions is told with those. A router
keeps an ending with the joins that are under way, so that one telling is enough. Apps that still may come back by
themselves.
"""

import asyncio
from collections.abc import Mapping
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
from shared.nudge import Nudge
from shared.project_cells import ProjectCells
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
        self._cells = ProjectCells(bus)
        self._database = database
        self._nudge = Nudge()
        bus.on_join(SYSTEM_REALM, self._joined)

    async def end(self, project_key: int, serial_number: UUID, conditions: Mapping[str, Any]) -> None:
        """End what the device's apps have open in the project's cell, where `conditions` of the router hold, now.

        Raises:
            UnavailableError, OutcomeUnknownError: That router is away.
        """
        await self._say(project_key, {"serial": str(serial_number), **conditions})

    async def end_of_project(self, project_key: int) -> None:
        """End what the apps of all its devices have open, now.

        Raises:
            NotFoundError: There is no such project. Others as `end`.
        """
        await self._say(project_key, {"project_key": project_key})

    async def _say(self, project_key: int, conditions: Mapping[str, Any]) -> None:
        session = await self._cells.session(project_key, SYSTEM_REALM)
        await self._bus.of_a_cell(call(session, PROCEDURE, kwargs=dict(conditions)))

    async def end_install(self, connection: Connection, serial_number: UUID, install: Install) -> None:
        """With the transaction of `connection`, end what the app has open, and what is open on its realm."""
        credential = {"app_key": install.app_key, "stage": install.stage}
        for conditions in (credential, {"realm": rules.data_realm(install)}):
            await store.ending_insert(connection, serial_number, conditions)

    def wake(self) -> None:
        """Something was written: let it be told now."""
        self._nudge.give()

    async def keep_up(self) -> None:
        """Wait until something may be due, a second at most, and tell all that is.

        Raises:
            UnavailableError, OutcomeUnknownError: A router is away; everything stays due.
        """
        await self._nudge.wait(LOOK_EVERY_S)
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
            await self._end(ending)
        except (UnavailableError, OutcomeUnknownError) as error:
            if len(self._bus.cells) == 1:
                raise
            # Those of other cells do not wait for it, nor it for long once it is back.
            log.warning("app_sessions_not_ended", serial_number=str(ending.serial_number), reason=error.message)
            await self._database.run(lambda connection: store.ending_put_off(connection, key, after_s=LOOK_EVERY_S))
        except (PublicError, ApplicationError) as error:
            log.warning("app_sessions_not_ended", serial_number=str(ending.serial_number), reason=str(error))
            await self._database.run(lambda connection: store.ending_postpone(connection, key, most_s=MOST_S))
        else:
            await self._database.run(lambda connection: store.ending_delete(connection, key))

    async def _end(self, ending: Ending) -> None:
        if ending.project_key is not None:
            await self.end(ending.project_key, ending.serial_number, ending.conditions)
            return
        said = {"serial": str(ending.serial_number), **ending.conditions}
        await self._bus.everywhere(SYSTEM_REALM, lambda session: call(session, PROCEDURE, kwargs=said))

    async def _joined(self, session: BusSession) -> None:  # noqa: ARG002 - a listener's shape
        self._nudge.give()
