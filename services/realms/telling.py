"""What privileges is told: every project and app, as soon as it is there or has changed, until it is known there."""

from typing import Any, Final

from services.realms.records.apps import ToldApp
from services.realms.records.projects import Project
from services.realms.store import apps, projects
from shared.bus import Bus
from shared.database import Database

AT_ONCE: Final = 100


class Telling:
    """Tells it."""

    def __init__(self, bus: Bus, database: Database) -> None:
        """Call over `bus`; the rows of `database` say what is still to be told."""
        self._bus = bus
        self._database = database

    async def tell(self, project: Project) -> None:
        """Have privileges know of the project and its owner, and remember that it does.

        Raises:
            PublicError: Privileges or the database is away: `keep_up` tells it later.
        """
        await self._put(
            kind="project",
            key=project.project_key,
            name=project.name,
            owner_account_key=project.owner_account_key,
        )
        await self._database.run(lambda connection: projects.project_set_told(connection, project.project_key))

    async def tell_app(self, app_key: int) -> None:
        """Have privileges know of the app as it is now, if it does not. Errors as `tell`."""
        app = await self._database.run(lambda connection: apps.app_find_untold(connection, app_key))
        if app is not None:
            await self._tell_app(app)

    async def keep_up(self) -> None:
        """Tell what has not been told. Errors as `tell`."""
        for project in await self._database.run(lambda connection: projects.project_list_untold(connection, AT_ONCE)):
            await self.tell(project)
        for app in await self._database.run(lambda connection: apps.app_list_untold(connection, AT_ONCE)):
            await self._tell_app(app)

    async def _tell_app(self, app: ToldApp) -> None:
        await self._put(
            kind="app",
            key=app.app_key,
            name=app.name,
            owner_account_key=app.owner_account_key,
            is_public=app.is_public,
            revision=app.revision,
        )
        await self._database.run(lambda connection: apps.app_set_told(connection, app.app_key, app.revision))

    async def _put(self, **said: Any) -> None:
        await self._bus.call("ironflock.privileges.domain.put", **said)
