"""In which cell a project lives, for services that do something there.

Realms is asked once a project: it stays in its cell. While the installation has one cell, one answer is for all the
projects that there are. The settings of a process are no answer: they may lack a cell that projects live in.
"""

from contextlib import suppress
from typing import Final

from attrs import frozen

from shared.bus import Bus
from shared.errors import PublicError
from shared.procedures import answered
from shared.session import BusSession

CELL: Final = "ironflock.realms.project.cell"
REMEMBERED: Final = 100_000


@frozen
class ProjectCell:
    """The name of the cell, and what devices dial there; None where that is in the settings."""

    name: str
    endpoint: str | None


@frozen
class _Answer:
    """What realms says; where `all_up_to` is not None, every project with a key of at most that is there too."""

    name: str
    endpoint: str | None
    all_up_to: int | None = None


class ProjectCells:
    """Remembers them."""

    def __init__(self, bus: Bus) -> None:
        """Ask over `bus`."""
        self._bus = bus
        self._known: dict[int, ProjectCell] = {}
        self._only: ProjectCell | None = None
        self._only_up_to = 0
        self._learning: set[int] = set()

    def known(self, project_key: int) -> ProjectCell | None:
        """Where the project is, as far as realms need not be asked."""
        if self._only is not None and project_key <= self._only_up_to:
            return self._only
        return self._known.get(project_key)

    def learn(self, project_key: int) -> None:
        """Have it known soon, if realms is there; nobody waits for it."""
        if project_key not in self._learning:
            self._learning.add(project_key)
            self._bus.spawn(self._learn(project_key))

    async def find(self, project_key: int) -> ProjectCell:
        """Where the project is, which may be a cell that the settings do not name.

        Raises:
            UnavailableError, OutcomeUnknownError: Realms is away.
            NotFoundError: There is no such project.
        """
        found = self.known(project_key)
        if found is None:
            answer = answered(_Answer, await self._bus.call(CELL, project_key=project_key))
            found = ProjectCell(answer.name, answer.endpoint)
            self._remember(project_key, found, answer.all_up_to)
        return found

    async def _learn(self, project_key: int) -> None:
        try:
            with suppress(PublicError):
                await self.find(project_key)
        finally:
            self._learning.discard(project_key)

    def _remember(self, project_key: int, cell: ProjectCell, all_up_to: int | None) -> None:
        self._known[project_key] = cell
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        if all_up_to is not None and all_up_to > self._only_up_to:
            self._only, self._only_up_to = cell, all_up_to

    async def session(self, project_key: int, realm: str) -> BusSession:
        """The session of `realm` in the project's cell.

        Raises:
            UnavailableError: The cell is away, or the settings do not name it. Others as `find`.
        """
        return self._bus.session_in((await self.find(project_key)).name, realm)
