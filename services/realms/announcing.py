"""What is published on the system realm: once the change that it tells of is committed, in order, to every router.

It is written with the change and goes away when every router has taken it, so that a crash loses nothing; what is told
twice does no harm.
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
from shared.errors import PublicError, UnavailableError
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
        async with self._turn:
            while due := await self._database.run(lambda connection: store.news_list(connection, BATCH)):
                for news in due:
                    await self._publish(news)

    async def _publish(self, news: News) -> None:
        for session in self._bus.every_session(SYSTEM_REALM):
            await _told(session, news)
        await self._database.run(lambda connection: store.news_delete(connection, news.news_key))


async def _told(session: BusSession, news: News) -> None:
    options = PublishOptions(acknowledge=True)
    try:
        async with asyncio.timeout(TAKEN_S):
            published = session.publish(news.topic, options=options, **news.content)
            await published.asFuture(asyncio.get_running_loop())
    except (ApplicationError, TransportLost, TimeoutError) as error:
        raise UnavailableError(AWAY) from error


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
