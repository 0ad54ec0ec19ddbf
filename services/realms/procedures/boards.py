"""Boards, for people."""

from contextlib import suppress
from typing import Any, Final

from attrs import evolve
from psycopg.errors import UniqueViolation

from services.realms.assembly import Parts
from services.realms.boards import NO_BOARD
from services.realms.drafts import draft
from services.realms.procedures.backends import ABSENT
from services.realms.records.boards import (
    Board,
    BoardPage,
    CreateBoard,
    ListBoards,
    NameBoard,
    OpenBoard,
    OpenedBoard,
    UpdateBoard,
)
from services.realms.rules.contents import check_content
from services.realms.store import boards as store
from services.realms.store import projects
from shared import audit
from shared.errors import AlreadyExistsError, NotFoundError, OverLimitError, PublicError
from shared.flags import AssetKind
from shared.identities import Person
from shared.names import canonical_name, clean_name, clean_text
from shared.paging import page, position_after
from shared.procedures import for_people
from shared.rights.records import Asset, project_domain

MAX_BOARDS: Final = 1_000
TOO_MANY: Final = f"a project has at most {MAX_BOARDS} boards"
CONTENT: Final = "content"


class BoardProcedures:
    """Realms' procedures about boards."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._rights = parts.rights
        self._projects = parts.projects
        self._boards = parts.boards
        self._backends = parts.backends
        self._sessions = parts.board_sessions
        self._telling = parts.telling

    @for_people("ironflock.realms.board.create", CreateBoard, is_narrowing=True)
    async def board_create(self, person: Person, request: CreateBoard) -> Board:
        """A new board in the project (flag `CREATE_BOARDS`); who creates it has every flag on it."""
        name = clean_name(request.name, what="name")
        description = clean_text(request.description, what="description")
        if request.content is not None:
            check_content(request.content, what=CONTENT)
        project = await self._projects.entered(person, "CREATE_BOARDS", request.project)
        try:
            async with self._database.transaction() as connection:
                await projects.project_lock_in_txn(connection, project.project_key)
                if len(await store.board_list_keys(connection, project.project_key)) >= MAX_BOARDS:
                    raise OverLimitError(TOO_MANY)
                board = await store.board_insert(
                    connection,
                    project.project_key,
                    name=name,
                    name_canonical=canonical_name(name),
                    description=description,
                    content=request.content,
                    creator_account_key=person.account_key,
                )
                after = {"name": name, "description": description}
                await audit.record(connection, _entry(person, audit.Action.BOARD_CREATED, board, after=after))
        except UniqueViolation as error:
            raise _taken(name) from error
        await self._tell(board.board_key)
        return board

    @for_people("ironflock.realms.board.list", ListBoards, is_reading=True, is_narrowing=True)
    async def board_list(self, person: Person, request: ListBoards) -> BoardPage:
        """The boards of a project that the caller may see, without their content, paged."""
        after = position_after(request.cursor)
        found = await self._boards.list(person, request.project, after=after, limit=request.limit + 1)
        boards, cursor = page(found, request.limit, lambda board: board.board_key)
        return BoardPage(boards, cursor)

    @for_people("ironflock.realms.board.show", NameBoard, is_reading=True, is_narrowing=True)
    async def board_show(self, person: Person, request: NameBoard) -> Board:
        """One board that the caller may see."""
        return (await self._boards.with_flag(person, "READ", request)).board

    @for_people("ironflock.realms.board.update", UpdateBoard, is_narrowing=True)
    async def board_update(self, person: Person, request: UpdateBoard) -> Board:
        """Another name, description or content of the board (flag `UPDATE`); what is left out stays."""
        changes = _changes(request)
        meant = (await self._boards.with_flag(person, "UPDATE", request)).board
        try:
            async with self._database.transaction() as connection:
                before = await store.board_lock_in_txn(connection, meant.board_key)
                if before is None:
                    raise NotFoundError(NO_BOARD)
                changed = evolve(before, **changes)
                if changed == before:
                    return before
                await store.board_update(connection, changed, canonical_name(changed.name))
                await audit.record(connection, _changed(person, before, changed))
        except UniqueViolation as error:
            raise _taken(str(changes.get("name"))) from error
        return evolve(changed, revision=before.revision + 1)

    @for_people("ironflock.realms.board.delete", NameBoard, is_narrowing=True)
    async def board_delete(self, person: Person, request: NameBoard) -> None:
        """The board is gone (flag `DELETE`), and what it has open ends."""
        meant = (await self._boards.with_flag(person, "DELETE", request)).board
        async with self._database.transaction() as connection:
            before = await store.board_lock_in_txn(connection, meant.board_key)
            if before is None:
                raise NotFoundError(NO_BOARD)
            await store.board_delete(connection, before.board_key)
            said = {"name": before.name}
            await audit.record(connection, _entry(person, audit.Action.BOARD_DELETED, before, before=said))
        self._sessions.look_at_all()
        await self._tell(meant.board_key)

    @for_people("ironflock.realms.board.open", OpenBoard, is_reading=True, is_narrowing=True)
    async def board_open(self, person: Person, request: OpenBoard) -> OpenedBoard:
        """A ticket by which the board joins an app's data realm (flags `READ` on the board and on the data backend).

        With `WRITE` on the backend it writes too; where the credential's scopes only read, it reads.
        """
        found = await self._boards.with_flag(person, "READ", request)
        backend = await self._backends.meant(found.project.project_key, request.app, request.stage)
        if backend is None:
            raise NotFoundError(ABSENT)
        data, domain = Asset(AssetKind.DATA_BACKEND, backend.backend_key), project_domain(backend.project_key)
        await self._rights.require(person, "READ", data, domain, absent=ABSENT)
        return await self._sessions.open(person, found, backend)

    async def _tell(self, board_key: int) -> None:
        with suppress(PublicError):
            await self._telling.tell_board(board_key)


def _changes(request: UpdateBoard) -> dict[str, Any]:
    """What the request says, checked."""
    changes: dict[str, Any] = {}
    if request.name is not None:
        changes["name"] = clean_name(request.name, what="name")
    if request.description is not None:
        changes["description"] = clean_text(request.description, what="description")
    if request.content is not None:
        check_content(request.content, what=CONTENT)
        changes[CONTENT] = request.content
    return changes


def _entry(person: Person, action: audit.Action, board: Board, **said: Any) -> audit.Draft:
    return draft(person, action, audit.Asset("board", board.board_key), project_key=board.project_key, **said)


def _changed(person: Person, before: Board, after: Board) -> audit.Draft:
    """Content is long: of it, that it changed."""
    names = [name for name in ("name", "description") if getattr(before, name) != getattr(after, name)]
    return _entry(
        person,
        audit.Action.BOARD_CHANGED,
        before,
        aspect=audit.Aspect.NAME if before.name != after.name else audit.Aspect.STATE,
        before={"revision": before.revision, **{name: getattr(before, name) for name in names}},
        after={
            "revision": before.revision + 1,
            "content": before.content != after.content,
            **{name: getattr(after, name) for name in names},
        },
    )


def _taken(name: str) -> AlreadyExistsError:
    return AlreadyExistsError(f"the project has a board {name!r} already", name=name)
