"""What privileges is told: every project, as soon as it is there, until it is known there."""

from typing import Final

from services.realms import store
from services.realms.records import Project
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
        await self._bus.call(
            "ironflock.privileges.domain.put",
            kind="project",
            key=project.project_key,
            name=project.name,
            owner_account_key=project.owner_account_key,
        )
        await self._database.run(lambda connection: store.project_set_told(connection, project.project_key))

    async def keep_up(self) -> None:
        """Tell what has not been told. Errors as `tell`."""
        for project in await self._database.run(lambda connection: store.project_list_untold(connection, AT_ONCE)):
            await self.tell(project)
