"""What privileges is told: every project, app, data backend and board, at once and until it is known there too."""

from typing import Any, Final

from services.realms.records.apps import ToldApp
from services.realms.records.backends import BackendState, KnownBackend
from services.realms.records.boards import ToldBoard
from services.realms.records.projects import Project
from services.realms.store import apps, backends, boards, projects
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
        """Have privileges know of the app as it is now, or that it is gone, if it does not. Errors as `tell`."""
        app = await self._database.run(lambda connection: apps.app_find_untold(connection, app_key))
        if app is not None:
            await self._tell_app(app)

    async def tell_board(self, board_key: int) -> None:
        """Have privileges know of the board, or that it is gone, if it does not. Errors as `tell`."""
        board = await self._database.run(lambda connection: boards.board_find_untold(connection, board_key))
        if board is not None:
            await self._tell_board(board)

    async def keep_up(self) -> None:
        """Tell what has not been told. Errors as `tell`."""
        for project in await self._database.run(lambda connection: projects.project_list_untold(connection, AT_ONCE)):
            await self.tell(project)
        for app in await self._database.run(lambda connection: apps.app_list_untold(connection, AT_ONCE)):
            await self._tell_app(app)
        for backend in await self._database.run(lambda one: backends.backend_list_untold(one, AT_ONCE)):
            await self._tell_backend(backend)
        for board in await self._database.run(lambda one: boards.board_list_untold(one, AT_ONCE)):
            await self._tell_board(board)

    async def _tell_app(self, app: ToldApp) -> None:
        if app.is_deleted:
            await self._bus.call("ironflock.privileges.domain.forget", kind="app", key=app.app_key)
        else:
            await self._put(
                kind="app",
                key=app.app_key,
                name=app.name,
                owner_account_key=app.owner_account_key,
                is_public=app.is_public,
                revision=app.revision,
            )
        await self._database.run(lambda connection: apps.app_set_told(connection, app.app_key, app.revision))

    async def _tell_backend(self, backend: KnownBackend) -> None:
        """One that is closed stays what it is: its rows are there, and so are the rights on them."""
        if backend.state is BackendState.DROPPED:
            await self._bus.call("ironflock.privileges.asset.forget", kind="data_backend", key=backend.backend_key)
        else:
            await self._bus.call(
                "ironflock.privileges.asset.put",
                kind="data_backend",
                key=backend.backend_key,
                project_key=backend.project_key,
                revision=1,
                creator_account_key=backend.creator_account_key,
            )
        await self._database.run(lambda connection: backends.backend_set_told(connection, backend))

    async def _tell_board(self, board: ToldBoard) -> None:
        if board.is_deleted:
            await self._bus.call("ironflock.privileges.asset.forget", kind="board", key=board.board_key)
        else:
            await self._bus.call(
                "ironflock.privileges.asset.put",
                kind="board",
                key=board.board_key,
                project_key=board.project_key,
                revision=1,
                creator_account_key=board.creator_account_key,
            )
        await self._database.run(lambda connection: boards.board_set_told(connection, board))

    async def _put(self, **said: Any) -> None:
        await self._bus.call("ironflock.privileges.domain.put", **said)
