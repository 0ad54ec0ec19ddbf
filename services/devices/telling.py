"""Telling the privileges service what there is to have rights on: a row for each change, written with the change.

What is written in the transaction of a change is told at once after it, and again until it was taken: each asset's rows
in their order, one asset not waiting for another. Telling twice does no harm, so that neither a crash in between nor a
second process needs a lock.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from autobahn.wamp.exception import ApplicationError

from services.devices.records.devices import Telling
from services.devices.store import outbox
from shared import tracing
from shared.bus import Bus
from shared.database import Database
from shared.errors import OutcomeUnknownError, PublicError, UnavailableError
from shared.flags import AssetKind
from shared.identities import SYSTEM_REALM
from shared.nudge import Nudge
from shared.session import BusSession

LOOK_EVERY_S: Final = 5.0
HURRY_S: Final = 4.0
MOST_S: Final = 30.0
BATCH: Final = 100
AT_ONCE: Final = 20

log = structlog.get_logger()


class Outbox:
    """Tells what is due."""

    def __init__(self, bus: Bus, database: Database, jitter: Callable[[], float]) -> None:
        """Tell over `bus` what `database` has; `jitter` gives a number from 0 to 1."""
        self._jitter = jitter
        self._bus = bus
        self._database = database
        self._nudge = Nudge()
        bus.on_join(SYSTEM_REALM, self._joined)

    async def keep_up(self) -> None:
        """Wait until something is due, some seconds at most, and tell all that is.

        Raises:
            UnavailableError, OutcomeUnknownError: Privileges is away; everything stays due.
        """
        await self._nudge.wait(LOOK_EVERY_S * (0.5 + self._jitter() / 2))
        while rows := await self._database.run(lambda connection: outbox.list_due(connection, limit=BATCH)):
            for first in range(0, len(rows), AT_ONCE):
                await self._tell_together(rows[first : first + AT_ONCE])

    def wake(self) -> None:
        """Something was written: let it be told now."""
        self._nudge.give()

    async def hurry(self, kind: AssetKind, key: int) -> None:
        """Tell all of one asset now, within some seconds; what cannot be told so is told later."""
        try:
            async with asyncio.timeout(HURRY_S):
                while row := await self._database.run(lambda connection: outbox.find_oldest(connection, kind, key)):
                    if not await self._tell(row):
                        return
        except (TimeoutError, PublicError) as error:
            log.warning("privileges_not_told_yet", kind=kind.value, key=key, reason=str(error))
            self._nudge.give()

    async def _tell_together(self, rows: list[Telling]) -> None:
        """Rows of as many assets, at once."""
        for ended in await asyncio.gather(*map(self._tell, rows), return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended

    async def _tell(self, row: Telling) -> bool:
        """Whether it was taken; if it was refused, it is due again later."""
        with tracing.posted("assets"):
            return await self._told(row)

    async def _told(self, row: Telling) -> bool:
        try:
            await self._call(row)
        except (UnavailableError, OutcomeUnknownError):
            raise
        except (PublicError, ApplicationError) as error:
            log.warning("privileges_refused", kind=row.kind.value, key=row.asset_key, reason=str(error))
            await self._database.run(lambda connection: outbox.postpone(connection, row.outbox_key, most_s=MOST_S))
            return False
        await self._database.run(lambda connection: outbox.delete(connection, row.outbox_key))
        return True

    async def _call(self, row: Telling) -> None:
        if row.is_gone:
            await self._bus.call("ironflock.privileges.asset.forget", kind=row.kind.value, key=row.asset_key)
            return
        await self._bus.call(
            "ironflock.privileges.asset.put",
            kind=row.kind.value,
            key=row.asset_key,
            project_key=row.project_key,
            revision=row.revision,
            creator_account_key=row.creator_account_key,
            groups=row.groups,
        )

    async def _joined(self, session: BusSession) -> None:  # noqa: ARG002 - a listener's shape
        self._nudge.give()
