"""Which board somebody means, and whether they may do with it what they want to."""

from typing import Final

from attrs import frozen

from services.realms.projects import Projects
from services.realms.records.boards import Board, ListedBoard, NameBoard, OpenBoard, UpdateBoard
from services.realms.records.projects import Project
from services.realms.store import boards as store
from shared.database import Database
from shared.errors import InvalidArgumentError, NotFoundError
from shared.flags import AssetKind
from shared.identities import Person
from shared.names import lookup_name
from shared.rights.decision_point import Rights
from shared.rights.records import Asset, project_domain

NO_BOARD: Final = "there is no such board, or you may not see it"
WHOSE: Final = "say its project too: boards of several projects may have that name"


@frozen
class Found:
    """A board and the project that it is in."""

    project: Project
    board: Board


class Boards:
    """Finds them."""

    def __init__(self, database: Database, rights: Rights, projects: Projects) -> None:
        """Look in `database`; `rights` knows who may do what."""
        self._database = database
        self._rights = rights
        self._projects = projects

    async def with_flag(self, person: Person, flag: str, wanted: NameBoard | UpdateBoard | OpenBoard) -> Found:
        """The board that the person means and on which they have `flag`.

        Raises:
            NotFoundError: There is none, or they may not see it.
            NotAuthorizedError: The flag is missing, or a second factor is.
            InvalidArgumentError: A name needs its project.
        """
        board = await self._find(person, wanted.board, wanted.project)
        if board is None:
            raise NotFoundError(NO_BOARD)
        await self._rights.require(
            person, flag, board_asset(board.board_key), project_domain(board.project_key), absent=NO_BOARD
        )
        project = await self._projects.meant(person.account_key, board.project_key)
        await self._projects.require_factor(project, person.account_key)
        return Found(project, board)

    async def list(self, person: Person, wanted: int | str, *, after: int, limit: int) -> list[ListedBoard]:
        """At most `limit` of the project's boards that the person may see, with keys above `after`.

        Raises:
            NotFoundError, ConflictError, NotAuthorizedError: As `Projects.meant` and `Projects.require_factor`.
        """
        project = await self._projects.meant(person.account_key, wanted)
        await self._projects.require_factor(project, person.account_key)
        if not person.scopes.reaches(project.project_key):
            return []
        holdings, domain = await self._rights.holdings(person.account_key), project_domain(project.project_key)
        keys = await self._database.run(lambda one: store.board_list_keys(one, project.project_key))
        seen = [key for key in keys if self._rights.judge(holdings, "READ", board_asset(key), domain).allowed]
        return await self._database.run(lambda one: store.board_list(one, seen, after=after, limit=limit))

    async def _find(self, person: Person, wanted: int | str, project: int | str | None) -> Board | None:
        if isinstance(wanted, int):
            return await self._database.run(lambda one: store.board_find(one, wanted))
        if project is None:
            raise InvalidArgumentError(WHOSE, argument="project")
        name = lookup_name(wanted)
        within = (await self._projects.meant(person.account_key, project)).project_key
        if name is None:
            return None
        return await self._database.run(lambda one: store.board_find_by_name(one, within, name))


def board_asset(key: int) -> Asset:
    """A board, as what flags are held on."""
    return Asset(AssetKind.BOARD, key)
