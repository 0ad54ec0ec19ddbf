"""Which project somebody means by its name: one of those in which they have something, or that are offered to them."""

from typing import Final

from services.privileges.store import domains, history, people
from shared.database import Database
from shared.errors import ConflictError, NotFoundError
from shared.identities import Person
from shared.names import canonical_name, lookup_name
from shared.rights.records import DomainKind

NO_PROJECT: Final = "there is no such project, or you may not see it"
AMBIGUOUS: Final = "you have to do with more than one project of that name; say its key"


class Projects:
    """Finds them."""

    def __init__(self, database: Database) -> None:
        """Look in `database`."""
        self._database = database

    async def meant(self, person: Person, project: int | str) -> int:
        """The key of the project; a key is taken as it is, what may be done there is decided later.

        Raises:
            NotFoundError, ConflictError: None, or more than one, is called that.
        """
        if isinstance(project, int):
            return project
        name = lookup_name(project)
        async with self._database.transaction() as connection:
            now = await history.moment(connection)
            known = await domains.domain_list_of(connection, person.account_key, DomainKind.PROJECT, now)
            offered = await people.transfer_list_of(connection, person.account_key, now)
            keys = [row.project_key for row in offered]
            known += await domains.domain_list(connection, keys, DomainKind.PROJECT)
        named = {row.key for row in known if canonical_name(row.name) == name}
        if len(named) > 1:
            raise ConflictError(AMBIGUOUS)
        if not named:
            raise NotFoundError(NO_PROJECT)
        return named.pop()
