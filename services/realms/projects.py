"""Which project somebody means, and whether they may do there what they want to."""

from typing import Final

from services.realms.factors import Factors
from services.realms.records.projects import Project
from services.realms.rules.projects import touched
from services.realms.store import projects as store
from shared.database import Connection, Database
from shared.errors import ConflictError, NotAuthorizedError, NotFoundError
from shared.identities import Person
from shared.names import lookup_name
from shared.rights.decision_point import Rights
from shared.rights.records import Holdings, project_asset, project_domain

NO_PROJECT: Final = "there is no such project, or you may not see it"
AMBIGUOUS: Final = "you have to do with more than one project of that name; say its key"
OWNER_ONLY: Final = "only the owner of the project may do this"
FACTOR_REQUIRED: Final = (
    "this project asks for a second factor: set one up on the page of your account, then sign in again"
)


class Projects:
    """Finds them."""

    def __init__(self, database: Database, rights: Rights, factors: Factors) -> None:
        """Look in `database`; `rights` knows who may do what, `factors` who has a second one."""
        self._database = database
        self._rights = rights
        self._factors = factors

    async def touched(self, account_key: int) -> list[int]:
        """The keys of all projects that an account owns, works in or visits."""
        return touched(await self._rights.holdings(account_key), now=self._rights.now())

    async def meant(self, account_key: int, wanted: int | str) -> Project:
        """The one project that the person has to do with and means.

        Raises:
            NotFoundError, ConflictError: There is none, or more than one of that name.
        """
        found = await self._find(await self._rights.holdings(account_key), wanted)
        if not found:
            found = await self._find(await self._rights.holdings_now(account_key), wanted)
        if not found:
            raise NotFoundError(NO_PROJECT)
        if len(found) > 1:
            raise ConflictError(AMBIGUOUS)
        return found[0]

    async def with_flag(self, person: Person, flag: str, wanted: int | str) -> Project:
        """The project that the person means and on which they have `flag`. Errors as `meant` and `Rights.require`."""
        project = await self.meant(person.account_key, wanted)
        key = project.project_key
        await self._rights.require(person, flag, project_asset(key), project_domain(key), absent=NO_PROJECT)
        return project

    async def entered(self, person: Person, flag: str, wanted: int | str) -> Project:
        """As `with_flag`, for work in the project: with a second factor, where it asks for one.

        Raises:
            NotAuthorizedError: They have none.
        """
        project = await self.with_flag(person, flag, wanted)
        await self.require_factor(project, person.account_key)
        return project

    async def owned(self, person: Person, wanted: int | str) -> Project:
        """As `entered`, for what its owner alone decides.

        Raises:
            NotAuthorizedError: They see it, and somebody else owns it; or a lock stands on it.
        """
        project = await self.entered(person, "READ", wanted)
        asset, domain = project_asset(project.project_key), project_domain(project.project_key)
        holdings = await self._rights.holdings_now(person.account_key)
        if not holdings.standing(domain).is_owner:
            raise NotAuthorizedError(OWNER_ONLY)
        await self._rights.require(person, "GRANT", asset, domain, absent=NO_PROJECT)
        return project

    async def require_factor(self, project: Project, account_key: int) -> None:
        """Let pass whoever has a second factor, where the project asks for one.

        Raises:
            NotAuthorizedError: They have none.
        """
        if project.requires_factor and not await self._factors.has(account_key):
            raise NotAuthorizedError(FACTOR_REQUIRED)

    async def _find(self, holdings: Holdings, wanted: int | str) -> list[Project]:
        keys = touched(holdings, now=self._rights.now())
        return await self._database.run(lambda connection: _find(connection, keys, wanted))


async def _find(connection: Connection, keys: list[int], wanted: int | str) -> list[Project]:
    if isinstance(wanted, int):
        return await store.project_list(connection, [key for key in keys if key == wanted], after=0, limit=1)
    name = lookup_name(wanted)
    return [] if name is None else await store.project_find_by_name(connection, keys, name)
