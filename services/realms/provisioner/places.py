"""On which server a provisioner works: the one of the control database, or another that the settings name."""

from typing import Any, Final

from attrs import evolve, frozen

from services.realms.provisioner.settings import ProvisionerSettings
from shared.clusters import FIRST
from shared.database import Connection, DatabaseSettings, EitherConnection, connection_arguments, password_of
from shared.errors import UnavailableError

STATEMENT_TIMEOUT_MS: Final = 120_000
LOCK_TIMEOUT_MS: Final = 10_000
UNREADABLE: Final = "the file of a database server names no password that could be read"


@frozen
class Place:
    """A cluster by its name, and how it is connected to; both are looked up anew each time."""

    name: str
    found: ProvisionerSettings

    @property
    def is_first(self) -> bool:
        """Whether the control database is on it."""
        return self.name == FIRST

    def settings(self) -> DatabaseSettings:
        """Where it is, and the password there.

        Raises:
            UnavailableError: The settings do not say it.
        """
        if self.is_first:
            return self.found.database
        address = self.found.clusters.find(self.name)
        try:
            text = "" if address.password_file is None else address.password_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UnavailableError(UNREADABLE) from error
        if not text:
            raise UnavailableError(UNREADABLE)
        there = evolve(self.found.database, host=address.host, port=address.port, ca=address.ca)
        return evolve(there, password=password_of(text))

    async def connect(self, database: str) -> Connection:
        """A connection to a database of that name there. Errors as `settings`, and psycopg's."""
        return await connected(self.settings(), database)


async def connected(settings: DatabaseSettings, database: str) -> Connection:
    """A connection of the provisioner; making a database takes longer than what a service does."""
    options = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS}"
    given: dict[str, Any] = {**connection_arguments(settings), "options": options, "dbname": database}
    return await EitherConnection.connect(before=settings.password.before, **given)
