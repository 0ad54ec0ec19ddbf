"""What is published on the system realm: once the change that it tells of is committed, in order, in every cell.

It is written with the change and goes away when the router of its project's cell has taken it, so that a crash loses
nothing; what is told twice does no harm. Services hear it in each cell that they are in, and what is of one cell does
not wait for another one that is away.
"""

import asyncio
from contextlib import suppress
from typing import Final

from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.types import PublishOptions

from services.realms.records.installs import Access, News
from services.realms.records.values import LegacyMode, Stage
from services.realms.store import backends
from services.realms.store import news as store
from shared.bus import Bus
from shared.database import Connection, Database
from shared.errors import CellAwayError, PublicError, UnavailableError
from shared.identities import SYSTEM_REALM
from shared.session import BusSession

INSTALL_CHANGED: Final = "ironflock.realms.install.changed"
ACCESS_CHANGED: Final = "ironflock.realms.access.changed"
LEGACY_CHANGED: Final = "ironflock.realms.legacy_mode.changed"
BATCH: Final = 100
HURRY_S: Final = 4.0
TAKEN_S: Final = 3.0
AWAY: Final = "a router did not take what was published"


class Announcing:
    """Publishes it."""

    def __init__(self, bus: Bus, database: Database) -> None:
        """Publish over `bus` what `database` has."""
        self._bus = bus
        self._database = database
        self._turn = asyncio.Lock()

    async def hurry(self) -> None:
        """Publish what is due now, within some seconds; what cannot be is published later."""
        with suppress(PublicError, TimeoutError):
            async with asyncio.timeout(HURRY_S):
                await self.keep_up()

    async def keep_up(self) -> None:
        """Publish everything that is due.

        Raises:
            UnavailableError: A router or the database is away; what was not published stays due.
        """
        away: set[str] = set()
        async with self._turn:
            while due := await self._due(away):
                for news in due:
                    if news.cell not in away:
                        away |= await self._failed(news)
        if away:
            raise UnavailableError(AWAY) if len(away) == len(self._bus.cells) else CellAwayError(AWAY)

    async def _due(self, away: set[str]) -> list[News]:
        away |= {cell.name for cell in self._bus.cells} - self._bus.sessions_by_cell(SYSTEM_REALM).keys()
        cells = [cell.name for cell in self._bus.cells if cell.name not in away]
        return await self._database.run(lambda one: store.news_list(one, cells, BATCH)) if cells else []

    async def _failed(self, news: News) -> set[str]:
        """The cells of whose routers one should have taken it and did not; none where it was published."""
        sessions = self._bus.sessions_by_cell(SYSTEM_REALM)
        taken = await asyncio.gather(*(_is_taken(session, news) for session in sessions.values()))
        where = {cell for cell, is_taken in zip(sessions, taken, strict=True) if is_taken}
        if news.cell not in where and (news.cell is not None or not where):
            return set(sessions) if news.cell is None else {news.cell}
        await self._database.run(lambda connection: store.news_delete(connection, news.news_key))
        return set()


async def _is_taken(session: BusSession, news: News) -> bool:
    options = PublishOptions(acknowledge=True)
    try:
        async with asyncio.timeout(TAKEN_S):
            published = session.publish(news.topic, options=options, **news.content)
            await published.asFuture(asyncio.get_running_loop())
    except (ApplicationError, TransportLost, TimeoutError):
        return False
    return True


async def install_changed_in_txn(
    connection: Connection, project_key: int, app_key: int, stage: Stage, *, is_installed: bool
) -> None:
    """Have it told that an app is in a project, or is no more."""
    content = {"project_key": project_key, "app_key": app_key, "stage": stage.value, "is_installed": is_installed}
    await store.news_insert(connection, INSTALL_CHANGED, content)


async def access_changed_in_txn(connection: Connection, access: Access, *, is_granted: bool) -> None:
    """Have it told that an app may read another one's data, or may no more."""
    content = {
        "project_key": access.project_key,
        "app_key": access.app_key,
        "provider": access.provider,
        "is_granted": is_granted,
    }
    await store.news_insert(connection, ACCESS_CHANGED, content)
    await backends.backend_tell_changed(connection, access.project_key, access.app_key, None)


async def legacy_changed_in_txn(connection: Connection, project_key: int, mode: LegacyMode) -> None:
    """Have it told how a project lets containers of old SDKs in; the routers end those that it does not any more."""
    await store.news_insert(connection, LEGACY_CHANGED, {"project_key": project_key, "mode": mode.value})
