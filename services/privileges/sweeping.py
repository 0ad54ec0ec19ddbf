"""What ended by itself a day ago is not kept in the tables: the history has it."""

from datetime import timedelta
from typing import Final

from services.privileges.store import grants, history, locks, people
from shared.database import Database

KEPT: Final = timedelta(days=1)


class Sweeping:
    """Forgets it."""

    def __init__(self, database: Database) -> None:
        """In `database`."""
        self._database = database

    async def sweep(self) -> None:
        """Grants, invitations, offers and locks that ended more than a day ago."""
        async with self._database.transaction() as connection:
            before = await history.moment(connection) - KEPT
            await grants.grant_sweep(connection, before)
            await people.offers_sweep(connection, before)
            await locks.lock_sweep(connection, before)
